"""Evaluation: what is measured, and on which images."""
