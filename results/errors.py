"""Errors about records, each with a way to mend it."""

from __future__ import annotations


class RecordError(Exception):
    """A record that cannot be read, written or trusted.

    Args:
        what: What went wrong and where, in one line.
        hint: How to mend it, in one line.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class WriteRefusedError(RecordError):
    """The disk is full, or the folder refuses."""
