"""Cells: one file for each kind of work."""
