"""Experiments: questions of papers as commands, answered from the cells of a run."""
