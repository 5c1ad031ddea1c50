"""Cells: the pieces of work of a run, each a pure function of its fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from benchmark.config.schema import RunConfig
from benchmark.core.attack import Attack
from benchmark.core.defense import Defense
from benchmark.core.fingerprint import fingerprint
from benchmark.core.plugin import Plugin
from benchmark.core.registry import ATTACKS
from benchmark.models.backbone import Backbone
from benchmark.runner.choice import ChosenAttack
from benchmark.training.config import TRAINING_VERSION
from benchmark.training.selection import SELECTION_ATTACK

PROTOCOL_NAME = "white-box-query"
PROTOCOL_VERSION = 1
"""Raised when a change of ranking, of the attack loop or of the encoder changes results."""

Kind = Literal["train", "clean", "attack"]


@dataclass(frozen=True)
class Cell:
    """One piece of work.

    Attributes:
        kind: What is done.
        defense: Registry name of the defense.
        seed: Seed of its training.
        dataset: Data set that the work reads.
        content: Everything that shapes the result; never when, where or how fast.
        needs: Fingerprints of the cells that must be finished first.
    """

    kind: Kind
    defense: str
    seed: int
    dataset: str
    content: dict[str, object]
    needs: tuple[str, ...]
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.content))

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
        prerequisites: The trainings whose encoders it is given.
    """

    plugin: Defense
    prerequisites: tuple[TrainCell, ...]


@dataclass(frozen=True)
class CleanCell(Cell):
    """Embed and rank the clean images of a data set.

    Attributes:
        train: The training.
    """

    train: TrainCell


@dataclass(frozen=True)
class AttackCell(Cell):
    """Attack every query of a data set and rank the gallery for it.

    Attributes:
        clean: The clean ranking, which guides the attack.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    clean: CleanCell
    attack: ChosenAttack
    eps_255: float

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.attack.name} {self.eps_255:g}/255 {self.dataset}"


def train_cell(
    name: str,
    plugin: Defense,
    *,
    config: RunConfig,
    backbone: type[Backbone],
    manifest: str,
    seed: int,
    prerequisites: tuple[TrainCell, ...],
) -> TrainCell:
    """Build the cell that trains a defense; `manifest` is the hash of the training data."""
    content: dict[str, object] = {
        "kind": "train",
        "version": TRAINING_VERSION,
        "defense": _plugin_content(plugin, plugin.config.model_dump(mode="json")),
        "backbone": _plugin_content(backbone, config.backbone.model_dump(mode="json")),
        "image_size": list(config.image_size),
        "training": config.training.model_dump(mode="json"),
        "attacks": _attacks_within(plugin),
        "dataset": {"name": config.dataset, "manifest_sha256": manifest},
        "seed": seed,
        "prerequisites": {cell.defense: cell.fingerprint for cell in prerequisites},
    }
    needs = tuple(cell.fingerprint for cell in prerequisites)
    return TrainCell("train", name, seed, config.dataset, content, needs, plugin, prerequisites)


def clean_cell(train: TrainCell, dataset: str, manifest: str) -> CleanCell:
    """Build the cell that ranks the clean images of a data set."""
    content: dict[str, object] = {
        "kind": "clean",
        "version": PROTOCOL_VERSION,
        "train": train.fingerprint,
        "dataset": {"name": dataset, "manifest_sha256": manifest},
    }
    return CleanCell(
        "clean", train.defense, train.seed, dataset, content, (train.fingerprint,), train
    )


def attack_cell(
    clean: CleanCell, attack: ChosenAttack, eps_255: float, attack_seed: int
) -> AttackCell:
    """Build the cell that attacks the queries of a data set."""
    content: dict[str, object] = {
        "kind": "attack",
        "version": PROTOCOL_VERSION,
        "clean": clean.fingerprint,
        "attack": attack_content(attack),
        "eps_255": eps_255,
        "attack_seed": attack_seed,
    }
    return AttackCell(
        kind="attack",
        defense=clean.defense,
        seed=clean.seed,
        dataset=clean.dataset,
        content=content,
        needs=(clean.train.fingerprint, clean.fingerprint),
        clean=clean,
        attack=attack,
        eps_255=eps_255,
    )


def attack_content(attack: ChosenAttack) -> dict[str, object]:
    """Return what identifies an attack: name, options, source."""
    return _plugin_content(attack.plugin, attack.config.model_dump(mode="json"))


def _plugin_content(
    plugin: Plugin | type[Plugin] | type[Attack], options: dict[str, object]
) -> dict[str, object]:
    return {"name": plugin.name, "config": options, "source_sha256": plugin.source_sha256()}


def _attacks_within(plugin: Defense) -> dict[str, str]:
    """Return the sources of the attacks that a training uses."""
    names = {SELECTION_ATTACK, *plugin.trained_against} & set(ATTACKS.names())
    return {name: ATTACKS.get(name).source_sha256() for name in sorted(names)}
