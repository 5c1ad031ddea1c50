"""Train a defense."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from torch import nn

from benchmark.checks.reloaded import check_reloaded
from benchmark.config.schema import RunConfig
from benchmark.core.defense import Defense
from benchmark.core.encoder import encoder_faults
from benchmark.core.errors import PluginError
from benchmark.core.image_set import no_images
from benchmark.core.plugin import options_of, words_of
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.registry import ATTACKS
from benchmark.data.layout import Split
from benchmark.models.backbone import Backbone
from benchmark.models.checkpoint import restore_encoder, save_encoder
from benchmark.models.classifier import save_classifier
from benchmark.models.encoder import build_encoder
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.content import plugin_content
from benchmark.runner.cells.work import Write
from benchmark.runner.estimate import Estimator
from benchmark.runner.event_writer import write_live
from benchmark.runner.output import OutputFolder
from benchmark.training.config import TRAINING_VERSION, TrainingConfig
from benchmark.training.fit import Task, fit_defense
from benchmark.training.loop import OnEpoch
from benchmark.training.selection import SELECTION_ATTACK

OTHER_PARTS = 1.6
"""Share of a training beside its passes: loss, optimiser, augmentation, validation."""
PRELIMINARY_SHARE = 0.2
"""Share of what comes before a training; so it is of `ddid` on the embedded data."""
REPORT_FOLDER = "report"
TRAINING_FIGURES = (
    "seconds",
    "epochs",
    "images",
    "peak_memory_bytes",
    "encoder_parameters",
    "report",
    "history",
    "passes",
    "label_agreement",
    "images_per_second",
    "share_of_bare",
)
"""What is kept of a training beside its encoder, and recorded."""


@dataclass(frozen=True, kw_only=True)
class TrainCell(Cell):
    """Train a defense.

    Attributes:
        parents: The trainings whose encoders it is given.
        plugin: The defense with its options.
        training: The recipe.
        data: Name and hash of the data set of its run.
    """

    kind: ClassVar[str] = "train"
    log_level: ClassVar[int] = logging.INFO

    parents: tuple[TrainCell, ...]
    plugin: Defense
    training: TrainingConfig
    data: dict[str, str]

    @classmethod
    def build(
        cls,
        name: str,
        plugin: Defense,
        *,
        config: RunConfig,
        backbone: type[Backbone],
        manifest: str,
        seed: int,
        prerequisites: tuple[TrainCell, ...],
    ) -> Self:
        """Build the cell; `manifest` is the hash of the training data.

        Backbone, recipe and data are no part of one that trains nothing.
        """
        training = config.training.for_training_against(plugin.trained_against)
        data = {"name": config.dataset, "manifest_sha256": manifest}
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": TRAINING_VERSION,
            "defense": plugin_content(plugin, plugin.config),
            "image_size": list(config.image_size),
            "seed": seed,
            "prerequisites": {cell.defense: cell.fingerprint for cell in prerequisites},
        }
        if plugin.trains:
            content |= {
                "backbone": plugin_content(backbone, config.backbone),
                "training": options_of(training),
                "attacks": _attacks_within(plugin, training),
                "dataset": data,
            }
        return cls(
            defense=name,
            seed=seed,
            dataset=config.dataset,
            content=content,
            parents=prerequisites,
            plugins=(type(plugin),),
            plugin=plugin,
            training=training,
            data=data,
        )

    @property
    def reads(self) -> tuple[Split, ...]:  # type: ignore[override]
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

    def parts(self, context: CellContext) -> tuple[str, ...]:
        """Return what the defense can do before its prerequisites are trained."""
        return self.plugin.preliminaries()

    @property
    def share_of_parts(self) -> float:
        """What comes before a training is a small part of it."""
        return PRELIMINARY_SHARE

    def part_needs(self, part: str) -> tuple[str, ...]:
        """Return nothing: no encoder is asked for."""
        return ()

    def _compute_part(self, context: CellContext, part: str, title: str) -> Write:
        task, start = self._task(context, {}), time.perf_counter()
        (task.work_dir / part).mkdir(exist_ok=True)
        with plugin_faults(type(self.plugin)):
            self.plugin.preliminary(part, task)
        seconds = time.perf_counter() - start

        def write(folder: Path) -> dict[str, Any]:
            shutil.copytree(task.work_dir / part, folder / part)
            return {"seconds": seconds}

        return write

    def _task(self, context: CellContext, encoders: Mapping[str, nn.Module]) -> Task:
        """Return what the defense sees, with a working folder that is there."""
        context.release_encoder()
        config = context.config
        train = no_images(config.image_size)
        if self.plugin.trains:
            train = context.datasets.split(self.dataset, "train")
        return Task(
            train=train,
            backbone=config.backbone,
            training=self.training,
            image_size=config.image_size,
            policy=context.policy,
            seed=self.seed,
            progress=context.progress,
            work_dir=context.work_dir(self),
            encoders=encoders,
            on_epoch=self._events(context),
        )

    def _events(self, context: CellContext) -> OnEpoch | None:
        """Return what writes the curve of this training while it runs, if it was asked for."""
        folder = OutputFolder(context.config.output)
        if not (context.config.tensorboard and folder.path.is_dir()):  # it may be elsewhere
            return None
        return partial(write_live, folder.tensorboard, self)

    def _compute(self, context: CellContext, title: str) -> Write:
        task = self._task(context, {need.defense: context.load(need) for need in self.parents})
        done = {part: context.store.get_part(self, part) for part in self.parts(context)}
        for part, stored in done.items():  # what it left may lie on another machine
            shutil.copytree(stored.folder / part, task.work_dir / part, dirs_exist_ok=True)
        trained = fit_defense(self.plugin, task)
        seconds = trained.seconds + sum(stored.outcome["seconds"] for stored in done.values())

        def write(folder: Path) -> dict[str, Any]:
            save_encoder(folder, trained.encoder, {"fingerprint": self.fingerprint, **self.content})
            images = (
                task.train if len(task.train) else context.datasets.split(self.dataset, "query")
            )
            loaded = self.load(folder, context)
            policy, owner = context.policy, self.defense
            check_reloaded(trained.encoder, loaded, images, policy=policy, owner=owner)
            if trained.classifier is not None:
                save_classifier(folder, trained.classifier)
            _keep_report(task.work_dir, folder / REPORT_FOLDER)
            figures = {name: getattr(trained, name) for name in TRAINING_FIGURES}
            return {**figures, "seconds": seconds}

        return write

    def load(self, folder: Path, context: CellContext) -> nn.Module:
        """Return the encoder that was saved in a folder, on the device, in eval mode.

        Raises:
            DataError: Its weights are damaged.
            PluginError: `Defense.build_encoder` does not fit them.
        """
        plain = context.config.backbone.model_copy(update={"weights": "none"})
        encoder = restore_encoder(
            folder, lambda: self.plugin.build_encoder(lambda: build_encoder(plain))
        )
        if not isinstance(encoder, nn.Module):
            raise PluginError(
                f"build_encoder() of {self.defense!r} returned {type(encoder).__name__}",
                "return a torch.nn.Module",
            )
        with encoder_faults(self.defense, " when it was moved to the device"):
            return context.policy.place(encoder).eval()

    def passes(self, costs: Estimator) -> float:
        """Return the passes of all epochs, and what a training does beside them."""
        if not self.plugin.trains:
            return 0
        steps = self.training.inner.steps
        epochs = self.plugin.epochs(self.training.epochs, steps)
        each = self.plugin.passes(steps)
        return epochs * costs.images(self.dataset, "train") * each * OTHER_PARTS

    def bytes(self, costs: Estimator) -> int:
        """Return the bytes of the weights."""
        return 4 * costs.network.parameters


def _attacks_within(plugin: Defense, training: TrainingConfig) -> dict[str, str]:
    """Return the behaviours of the attacks that a training uses, or names anywhere in its code."""
    stand_in = training.inner.attack
    asked = {stand_in} if stand_in else {SELECTION_ATTACK, *plugin.trained_against}
    named = plugin.behaviour().words | set(words_of(options_of(plugin.config)))
    wanted = {name for name in asked if ATTACKS.has(name)} | named.intersection(ATTACKS.names())
    return {name: ATTACKS.get(name).behaviour().id for name in sorted(wanted)}


def _keep_report(work_dir: Path, target: Path) -> None:
    """Keep the report of a training, pictures and figures, beside its encoder."""
    for path in sorted((*work_dir.rglob("*.png"), *work_dir.rglob("report.json"))):
        target.mkdir(exist_ok=True)
        shutil.copyfile(path, target / path.name)
