"""From a defense and a training split to a trained encoder."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import nn

from benchmark.core.defense import Copies, Defense, Preparation
from benchmark.core.device import DevicePolicy, peak_memory_bytes
from benchmark.core.encoder import encoder_faults
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.progress import Progress, SilentProgress
from benchmark.core.seeding import derive_seed
from benchmark.data.held_out import check_fitted, split_held_out
from benchmark.metrics.embedding import embed_images
from benchmark.metrics.label_agreement import label_agreement
from benchmark.models.backbone import BackboneConfig
from benchmark.models.classifier import IdentityClassifier
from benchmark.training.config import TrainingConfig
from benchmark.training.loop import LoopResult, OnEpoch, TrainingLoop
from benchmark.training.offline import attack_images
from benchmark.training.rank_launch import train_on_ranks
from benchmark.training.rank_task import RankTask
from benchmark.training.state import TrainingState
from benchmark.training.step import inner_attacks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedEncoder:
    """What a training leaves behind.

    Attributes:
        encoder: The encoder in eval mode.
        history: One row an epoch: loss, and where it was validated the held-out mAP.
        seconds: Wall time of preparation and training.
        epochs: Finished epochs.
        images: Images drawn.
        peak_memory_bytes: Peak memory of the process, or of the device if it has its own; of
            several ranks the first one's.
        encoder_parameters: Number of the encoder's parameters.
        report: Figures of the defense's preparation, and how the loop computed if the recipe asks
            for more than usual.
        passes: Images that went through the model, by kind (`Passes`).
        label_agreement: Share of the fitted images that lie nearest their own identity; None
            where the loop made too few steps for it to mean anything.
        images_per_second: Images drawn over the time of the steps; None without the harness's loop.
        share_of_bare: Time that the passes of the steps take alone over that of the steps; None
            where that was not measured.
        classifier: Of the training identities, on the embeddings of the harness's loop; None if a
            defense trained otherwise.
    """

    encoder: nn.Module
    history: list[dict[str, float]]
    seconds: float
    epochs: int
    images: int
    peak_memory_bytes: int
    encoder_parameters: int
    report: dict[str, object] = field(default_factory=dict)
    passes: dict[str, int] = field(default_factory=dict)
    label_agreement: float | None = None
    images_per_second: float | None = None
    share_of_bare: float | None = None
    classifier: IdentityClassifier | None = None


AGREEMENT_IMAGES = 20_000
"""Images that the loop must have drawn before labels are judged; chosen."""
LEAST_AGREEMENT = 0.8
"""Below this the labels are doubtful. On the rendered data undisturbed trainings end above 0.85
(the lowest are adversarial ones at 12/255), and one with 30 % wrong labels at 0.69; chosen
between."""


class Task:
    """What a defense sees of a training; implements `benchmark.core.defense.FitTask`.

    Args:
        train: The training split; some identities of it are held out for selection.
        backbone: Which encoder.
        training: The recipe.
        image_size: (H, W).
        policy: Device and precision.
        seed: Seed of everything random.
        progress: Where to report.
        work_dir: Folder for checkpoints and reports; made if it is not there.
        encoders: Frozen encoders of the defense's prerequisites.
        on_epoch: Told the history of the loop after each epoch.
    """

    def __init__(
        self,
        *,
        train: ImageSet,
        backbone: BackboneConfig,
        training: TrainingConfig,
        image_size: tuple[int, int],
        policy: DevicePolicy,
        seed: int,
        progress: Progress,
        work_dir: Path,
        encoders: Mapping[str, nn.Module],
        on_epoch: OnEpoch | None = None,
    ) -> None:
        self._on_epoch = on_epoch
        self.train, self.held_out = split_held_out(train, training.held_out)
        self.policy, self.seed, self.progress = policy, seed, progress
        self.work_dir, self.image_size = work_dir, image_size
        self._backbone, self._training, self._encoders = backbone, training, encoders
        self.state = TrainingState()
        self.preparation = Preparation(self.train)
        self.classifier: IdentityClassifier | None = None

    def train_encoder(self, defense: Defense) -> nn.Module:
        """Prepare the data, run the training loop, and return the encoder.

        Raises:
            DataError: Too few identities are left to fit.
        """
        check_fitted(self.train, self.held_out)
        self.preparation = defense.prepare(self)
        task = RankTask(
            defense,
            train=self.preparation.train,
            epoch_images=len(self.train),
            held_out=self.held_out,
            backbone=self._backbone,
            config=self._training,
            policy=self.policy,
            seed=self.seed,
            work_dir=self.work_dir,
        )
        progress, on_epoch = self.progress, self._on_epoch
        if self._training.ranks > 1:
            train_on_ranks(task, progress, on_epoch)
            progress = SilentProgress()  # what follows only reads the last checkpoint
        result: LoopResult = TrainingLoop(**vars(task)).run(progress, on_epoch)
        self.state, self.classifier = result.state, result.classifier
        report = {**self.preparation.report, **result.report}
        self.preparation = replace(self.preparation, report=report)
        return result.encoder

    def warn_of_ranks_without_use(self, defense: Defense) -> None:
        """Warn if a defense trained by itself, where the recipe has several ranks."""
        recipe, ranks = self._training, self._training.ranks
        trains = defense.trains and defense.epochs(recipe.epochs, recipe.inner.steps) > 0
        if ranks > 1 and trains and self.classifier is None:
            logger.warning(
                "%s trains by itself, in one process: training.ranks=%d changes nothing there",
                defense.name,
                ranks,
            )

    def attacked_images(
        self, encoder: nn.Module, images: ImageSet, name: str, **options: object
    ) -> Copies:
        """Return 8-bit adversarial copies of training images, crafted on a frozen encoder.

        Args:
            encoder: What is attacked, such as the encoder of a prerequisite.
            images: Training images; they guide each other.
            name: Registry name of the attack.
            options: Override options of the attack; ``eps_255`` overrides the inner budget.
        """
        attack = inner_attacks(self._training, name)(name, options)
        return attack_images(
            encoder,
            attack,
            images,
            policy=self.policy,
            seed=derive_seed(self.seed, "offline", name),
            progress=self.progress,
        )

    def encoder_of(self, name: str) -> nn.Module:
        """Return the frozen encoder of a prerequisite.

        Raises:
            PluginError: The defense did not name it in `prerequisites`.
        """
        if name not in self._encoders:
            raise PluginError(
                f"the encoder of {name!r} is not at hand", "name it in prerequisites()"
            )
        return self._encoders[name]


def fit_defense(defense: Defense, task: Task) -> TrainedEncoder:
    """Train a defense; a killed training goes on from its last checkpoint in `task.work_dir`.

    Raises:
        PluginError: The defense raised, or broke its contract.
        DataError: The training split cannot be used.
    """
    task.work_dir.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with plugin_faults(type(defense)):
        encoder = defense.fit(task)
    task.warn_of_ranks_without_use(defense)
    if not isinstance(encoder, nn.Module):
        raise PluginError(
            f"fit() of {defense.name!r} returned {type(encoder).__name__}, not an encoder",
            "return a torch.nn.Module from images to embeddings",
        )
    with encoder_faults(defense.name, " when it was set to eval mode"):
        encoder.eval()
    return TrainedEncoder(
        encoder=encoder,
        history=task.state.history,
        seconds=max(task.state.seconds, time.perf_counter() - start),
        epochs=task.state.epoch,
        images=task.state.images,
        peak_memory_bytes=max(peak_memory_bytes(task.policy.device), task.state.peak_memory_bytes),
        encoder_parameters=sum(p.numel() for p in encoder.parameters()),
        report=dict(task.preparation.report),
        passes=_passes(task),
        label_agreement=_label_agreement(encoder, task, defense.name),
        images_per_second=_over(task.state.images, task.state.step_seconds),
        share_of_bare=_over(task.state.bare_seconds, task.state.step_seconds),
        classifier=task.classifier,
    )


def _over(amount: float, seconds: float) -> float | None:
    """Return an amount over seconds; None where either was not measured."""
    return amount / seconds if amount and seconds else None


def _passes(task: Task) -> dict[str, int]:
    """Return the passes of the loop and those of the preparation before it."""
    passes, before = dict(task.state.passes), task.preparation
    for kind, count in (("inner_forward", before.forwards), ("inner_backward", before.backwards)):
        if count:
            passes[kind] = passes.get(kind, 0) + count
    return passes


def _label_agreement(encoder: nn.Module, task: Task, owner: str) -> float | None:
    """Return whether the encoder agrees with its labels, and warn if it does not."""
    if task.state.images < AGREEMENT_IMAGES:
        return None
    with task.progress.task(f"labels of {owner}", len(task.train)) as bar:
        embeddings = embed_images(
            encoder, task.train, policy=task.policy, batch=256, owner=owner, bar=bar
        )
    agreement = label_agreement(embeddings, task.train.pids)
    if agreement is not None and agreement < LEAST_AGREEMENT:
        logger.warning(
            "%s: %.0f %% of the training images look like another identity than their label's: "
            "wrong labels, or a training that did not succeed",
            owner,
            100 * (1 - agreement),
        )
    return agreement
