"""Executors: how the cells of a plan are distributed."""
