"""Boards as text and figures."""
