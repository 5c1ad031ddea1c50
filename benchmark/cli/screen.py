"""What goes to the screen: log lines on stderr, lines and documents on stdout."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

LOGGERS = ("benchmark", "attacks", "defenses", "results")
"""Loggers of the project's packages."""


class _CurrentStderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at the time, so that live bars can move out of the way."""

    def __init__(self) -> None:
        logging.Handler.__init__(self, logging.INFO)
        self.setFormatter(_Short())

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _Short(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        lead = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return lead + record.getMessage()


def logging_to_screen() -> None:
    """Show what the project logs, from INFO up, on stderr."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        if not any(isinstance(handler, _CurrentStderr) for handler in logger.handlers):
            logger.addHandler(_CurrentStderr())
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def write_line(text: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{text}\n")


_documents: list[str] = []


def write_json(document: Any) -> None:
    """Let stdout carry one JSON document when the command ends; a later one replaces it.

    It is ASCII, so that it is the same whatever the encoding of the terminal.
    """
    _documents[:] = [json.dumps(document, indent=2) + "\n"]


def take_document() -> str:
    """Return the text that `write_json` was given last, and forget it."""
    return _documents.pop() if _documents else ""
