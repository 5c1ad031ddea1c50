"""Cells: the pieces of work of a run, each a pure function of its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from benchmark.core.defense import Defense
from benchmark.core.fingerprint import fingerprint
from benchmark.data.layout import Split
from benchmark.runner.choice import ChosenAttack
from benchmark.training.config import TrainingConfig

Kind = Literal["train", "clean", "prepare", "attack", "probe", "canary", "experiment"]


@dataclass(frozen=True)
class Cell:
    """One piece of work.

    Attributes:
        kind: What is done.
        defense: Registry name of the defense.
        seed: Seed of its training.
        dataset: Data set that the work reads.
        content: Everything that shapes the result; never when, where or how fast.
        parents: Cells that must be finished first.
    """

    kind: Kind
    defense: str
    seed: int
    dataset: str
    content: dict[str, object]
    parents: tuple[Cell, ...]
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.content))

    @property
    def needs(self) -> tuple[str, ...]:
        """Fingerprints of the cells that must be finished first."""
        return tuple(parent.fingerprint for parent in self.parents)

    @property
    def attack_seed(self) -> int:
        """Seed of what is random beside a training; 0 for work that depends on none."""
        seed = self.content.get("attack_seed", 0)
        assert isinstance(seed, int)
        return seed

    def ancestors(self) -> Iterator[Cell]:
        """Yield all cells that must be finished first, each after those that it needs itself."""
        for parent in self.parents:
            yield from parent.ancestors()
            yield parent

    @property
    def reads(self) -> tuple[Split, ...]:
        """Splits of the data set whose images it reads."""
        return ("query", "gallery")

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.kind} {self.dataset}"

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"{self.defense} · seed {self.seed} · {self.title}"


@dataclass(frozen=True)
class TrainCell(Cell):
    """Train a defense.

    Attributes:
        plugin: The defense with its options.
        training: The recipe.
        prerequisites: The trainings whose encoders it is given.
        data: Name and hash of the data set of its run.
    """

    plugin: Defense
    training: TrainingConfig
    prerequisites: tuple[TrainCell, ...]
    data: dict[str, str]

    @property
    def reads(self) -> tuple[Split, ...]:
        """The training split, unless nothing is trained."""
        return ("train",) if self.plugin.trains else ()

    @property
    def trained_against(self) -> tuple[str, ...]:
        """Attacks that the training sees."""
        stand_in, plugin = self.training.inner.attack, self.plugin
        asked = plugin.trained_against if stand_in is None else (stand_in,)
        return tuple(dict.fromkeys((*asked, *plugin.also_seen)))

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        stand_in = self.training.inner.attack
        return super().title if stand_in is None else f"{super().title} against {stand_in}"


@dataclass(frozen=True)
class CleanCell(Cell):
    """Embed and rank the clean images of a data set.

    Attributes:
        train: The training.
    """

    train: TrainCell


@dataclass(frozen=True)
class PrepareCell(Cell):
    """Train an attack that is trained before it attacks, on training images.

    Attributes:
        views: Trainings whose encoders it is trained against: the target's, or surrogates.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    views: tuple[TrainCell, ...]
    attack: ChosenAttack
    eps_255: float

    @property
    def reads(self) -> tuple[Split, ...]:
        """The training split."""
        return ("train",)

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"prepare {self.attack.name} {self.eps_255:g}/255{_numbered(self)}"


@dataclass(frozen=True)
class AttackCell(Cell):
    """Attack images of a data set and rank the gallery.

    Attributes:
        clean: The clean ranking of the target.
        surrogates: Clean rankings of what the attacker sees instead of the target.
        prepared: The preparation of the attack, if it needs one.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    clean: CleanCell
    surrogates: tuple[CleanCell, ...]
    prepared: PrepareCell | None
    attack: ChosenAttack
    eps_255: float

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.attack.name} {self.eps_255:g}/255 {self.dataset}{_numbered(self)}"


@dataclass(frozen=True)
class ProbeCell(Cell):
    """Probe an encoder for signs that attacks on it cannot be trusted.

    Attributes:
        clean: The clean ranking.
    """

    clean: CleanCell


@dataclass(frozen=True)
class CanaryCell(Cell):
    """Let an attack show its strength on the stored undefended encoder.

    Attributes:
        attack: The attack.
    """

    attack: ChosenAttack

    @property
    def reads(self) -> tuple[Split, ...]:
        """None: its images are stored with the code."""
        return ()

    @property
    def title(self) -> str:
        """The attack that is tried."""
        return self.attack.name

    @property
    def label(self) -> str:
        """What the user sees of the cell."""
        return f"canary · {self.title}"


def splits_read(cells: Iterable[Cell]) -> dict[str, tuple[Split, ...]]:
    """Return the splits that cells read, by data set."""
    read: dict[str, dict[Split, None]] = {}
    for cell in cells:
        for split in cell.reads:
            read.setdefault(cell.dataset, {})[split] = None
    return {name: tuple(splits) for name, splits in read.items()}


def _numbered(cell: Cell) -> str:
    return f" #{cell.attack_seed}" if cell.attack_seed else ""
