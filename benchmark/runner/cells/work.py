"""What is known of a piece of work before it is done, and what names its result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmark.core.fingerprint import fingerprint
from benchmark.core.plugin import Plugin
from benchmark.data.layout import Split

Write = Callable[[Path], dict[str, Any]]
"""Writes the files of a finished cell into a folder and returns its figures."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A piece of work.

    Attributes:
        defense: Registry name of the defense.
        seed: Seed of its training.
        dataset: Data set that the work reads.
        content: Everything that shapes the result; never when, where or how fast.
        plugins: Classes of the plugins that take part, the likeliest to fail first.
        fingerprint: Hash of the content.
    """

    kind: ClassVar[str]
    """What is done."""
    log_level: ClassVar[int] = logging.DEBUG
    """How loudly its start is told; the user sees a progress bar of most."""
    reads: ClassVar[tuple[Split, ...]] = ("query", "gallery")
    """Splits of the data set whose images it reads."""

    defense: str
    seed: int
    dataset: str
    content: dict[str, object]
    plugins: tuple[type[Plugin], ...] = ()
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.content))

    @property
    def attack_seed(self) -> int:
        """Seed of what is random beside a training; 0 for work that depends on none."""
        seed = self.content.get("attack_seed", 0)
        assert isinstance(seed, int)
        return seed

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.kind} {self.dataset}"

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"{self.defense} · seed {self.seed} · {self.title}"


def splits_read(cells: Iterable[Work]) -> dict[str, tuple[Split, ...]]:
    """Return the splits that cells read, by data set."""
    read: dict[str, dict[Split, None]] = {}
    for cell in cells:
        for split in cell.reads:
            read.setdefault(cell.dataset, {})[split] = None
    return {name: tuple(splits) for name, splits in read.items()}
