"""The log of a run: everything into ``run.log``, the short of it on the screen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOGGERS = ("benchmark", "attacks", "defenses", "results")
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _QuietFile(logging.FileHandler):
    """Loses lines silently when the disk is full, which is told elsewhere."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do nothing."""

    def close(self) -> None:
        """Close the file, even if its last lines cannot be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Append what the project logs to a file, tracebacks included, while the body runs."""
    handler = _QuietFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.setLevel(logging.DEBUG)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.addHandler(handler)
        one.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)
        handler.close()
