"""Errors about records, each with a way to mend it."""

from __future__ import annotations


class RecordError(Exception):
    """A record that cannot be read, written or trusted.

    Args:
        what: What went wrong and where, in one line.
        mend: How to mend it, in one line.
    """

    def __init__(self, what: str, mend: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend


class WriteRefusedError(RecordError):
    """The disk is full, or the folder refuses."""
