"""Which reporter of progress fits where the process runs."""

from __future__ import annotations

import sys

from benchmark.core.notebook_progress import NotebookProgress
from benchmark.core.progress import PlainProgress, Progress, RichProgress


def make_progress() -> Progress:
    """Choose a notebook's bars, a terminal's, or plain lines."""
    if "ipykernel" in sys.modules:
        return NotebookProgress()
    return RichProgress() if sys.stderr.isatty() else PlainProgress()
