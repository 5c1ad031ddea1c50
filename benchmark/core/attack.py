"""The attack contract: the base class owns what an author must not be able to get wrong.

That is the ball around the clean image, the pixel box, eval mode, what the attacker may know, and
the metering of the budget.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from benchmark.core.attack_batch import AttackBatch
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.late_checks import LateChecks
from benchmark.core.legal_images import check_legal
from benchmark.core.metered_encoder import MeteredEncoder
from benchmark.core.oracle import DecisionOracle, QueryCounter, ScoreOracle
from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.core.plugin_errors import HINT, in_backward, raised_by, told
from benchmark.core.progress import Progress
from benchmark.core.surrogate import Surrogate
from benchmark.core.threat import Intent, ThreatModel, check_eps_255


@dataclass(frozen=True)
class AttackTask:
    """What an attack sees that is trained before it attacks.

    Attributes:
        encoder: What it is trained against, frozen, in eval mode; its calls are not metered.
        train: Images of training identities.
        held_out: Images of other training identities, to choose a checkpoint on.
        policy: Device and precision.
        seed: Seed of this preparation.
        progress: Where to report progress.
        work_dir: Folder that outlives an interruption, for checkpoints.
    """

    encoder: nn.Module
    train: ImageSet
    held_out: ImageSet
    policy: DevicePolicy
    seed: int
    progress: Progress
    work_dir: Path


@dataclass(frozen=True)
class InnerRun:
    """How an attack runs inside a training step; evaluations never do.

    Attributes:
        checks: Judges images and embeddings, perhaps some steps later.
        autocast: Precision of the encoder; its embeddings arrive in float32. None: float32.
    """

    checks: LateChecks
    autocast: torch.dtype | None = None


@dataclass
class AttackOutcome:
    """Adversarial images of a batch and what they cost.

    Attributes:
        images: (B, 3, H, W) float32 in [0, 1], within the ball.
        forwards: Images that went forward.
        backwards: Images that went backward.
        seconds: Wall time.
        trace: Mean objective at each step, for attacks that have one; empty inside a training.
        queries: Answers that a black-box attack was given.
        snapshots: Images of a black-box attack after so many answers for each.
    """

    images: Tensor
    forwards: int
    backwards: int
    seconds: float
    trace: list[float] = field(default_factory=list)
    queries: int = 0
    snapshots: dict[int, Tensor] = field(default_factory=dict)


class Attack(Plugin):
    """Base of every attack; an author writes `perturb`.

    Args:
        config: Validated options.
        eps_255: Budget of the threat's norm in 1/255 units.
        owner: Name of what is attacked, for error messages.

    Attributes:
        prepared: What `prepare` returned, on the device of the images.
        traced: Whether somebody reads `trace`; a training does not, nor waits for it.
    """

    threat: ClassVar[ThreatModel] = ThreatModel()
    intents: ClassVar[frozenset[Intent]] = frozenset({"dodge"})
    """What it can be told to do; guided attacks that respect `AttackBatch.direction` can do all."""
    needs_preparation: ClassVar[bool] = False
    """Whether `prepare` must run before it attacks."""

    def __init__(self, config: PluginConfig, eps_255: float, owner: str = "encoder") -> None:
        self.config = config
        self.eps_255 = check_eps_255(eps_255)
        self.owner = owner
        self.trace: list[float] = []
        self.traced = True
        self.prepared: Mapping[str, Tensor] = {}
        self._snapshots: dict[int, Tensor] = {}

    @classmethod
    def threat_with(cls, config: PluginConfig) -> ThreatModel:
        """Return the threat model under these options."""
        return cls.threat

    @classmethod
    def surrogates(cls, config: PluginConfig) -> tuple[Surrogate, ...]:
        """Return the encoders that it sees instead of the target, under these options."""
        return ()

    @classmethod
    def is_random(cls, config: PluginConfig) -> bool:
        """Return whether another attack seed may change what it does, under these options.

        An attack that says no is measured once, however many attack seeds a run has. An author
        who says so promises that it draws nothing, neither by `AttackBatch.seeds` nor otherwise.
        """
        return True

    def expected_passes(self) -> float:
        """Return about how often an image goes forward and backward; plans count on it."""
        return 2

    def preparation_passes(self, images: int) -> float:
        """Return about how often `prepare` sends an image forward and backward; plans count on it.

        Args:
            images: Training images.
        """
        return images

    def own_flops(self, height: int, width: int) -> float:
        """Return what `prepare` computes beside the encoder for each of these passes.

        In floating-point operations of the forward pass of networks of its own, which goes
        backward, too, counted as if they were as quick as the encoder's.

        Args:
            height: Of the images, in pixels.
            width: Of the images, in pixels.
        """
        return 0

    def query_budget(self) -> int:
        """Return how many answers a black-box attack may have for each image."""
        budget = getattr(self.config, "queries", None)
        if not isinstance(budget, int):
            raise PluginError(
                f"black-box attack {self.name!r} states no budget",
                "give its Config a field queries, or override query_budget()",
            )
        return budget

    def prepare(self, task: AttackTask) -> dict[str, Tensor]:
        """Train what the attack needs and return it; called once per target and budget.

        It must go on from `task.work_dir` after an interruption with the same result.
        """
        raise PluginError(
            f"attack {self.name!r} needs a preparation and has none", "write prepare()"
        )

    @final
    def snapshot(self, images: Tensor, queries: int) -> None:
        """Keep (B, 3, H, W) images for the curve of mAP over answers spent on each image."""
        self._snapshots[queries] = images.detach().clone()

    @classmethod
    def inner_options(cls, steps: int, alpha_255: float) -> dict[str, object]:
        """Return the options that give this attack the inner budget of a training."""
        return {}

    @property
    def radius(self) -> float:
        """Budget in pixel units, 0–1."""
        return self.eps_255 / 255

    @abstractmethod
    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        """Return adversarial images (B, 3, H, W) for a batch.

        Args:
            encoder: What the threat's knowledge grants, metered: ``white`` the encoder itself in
                eval mode; ``transfer`` its surrogates as one encoder; ``score`` a `ScoreOracle`;
                ``decision`` a `DecisionOracle`.
            batch: The images and the guides, as that encoder embeds them; a decision-based
                attack sees the labels of the guides alone.
        """

    @final
    def run(
        self, encoder: nn.Module, batch: AttackBatch, inner: InnerRun | None = None
    ) -> AttackOutcome:
        """Craft adversarial images in eval mode and float32, and check that they are legal.

        The attack is given a copy of the images, so that it is judged by the clean ones whatever
        it writes on.

        Args:
            encoder: What is attacked.
            batch: The images and what guides.
            inner: Set inside a training step.

        Raises:
            PluginError: The attack left the ball or the pixel box, or returned something else than
                one finite float32 image for each clean one; or it or the encoder raised. Inside a
                training step, what only the pixels and embeddings tell is raised by its checks.
        """
        run = inner or InnerRun(LateChecks.on(batch.images.device))
        clean = batch.images
        batch = replace(batch, images=clean.clone())
        knowledge = self.threat_with(self.config).knowledge
        counter = None
        if knowledge in ("score", "decision"):
            counter = QueryCounter(len(batch.images), self.query_budget(), self.name)
        metered = MeteredEncoder(
            encoder, self.owner, run.checks, run.autocast, copied=inner is None
        )
        granted: nn.Module = metered
        if counter is not None and knowledge == "score":
            granted = ScoreOracle(metered, counter, self.owner)
        elif counter is not None:
            gallery, pids, camids = batch.gallery_guides, batch.pids, batch.camids
            granted = DecisionOracle(metered, counter, self.owner, gallery, pids, camids)
            batch = batch.without_embeddings()
        self.trace, self._snapshots, self.traced = [], {}, inner is None
        start = time.perf_counter()
        precise = torch.autocast(clean.device.type, enabled=False)
        with evaluating(encoder), torch.enable_grad(), precise:
            try:
                returned = self._perturbed(granted, batch)
            except Exception:
                metered.judge()
                run.checks.finish()  # embeddings that were not finite are the cause, not the effect
                raise
        metered.judge()
        images = self._legal(returned, clean, run.checks)
        snapshots = {n: self._legal(x, clean, run.checks) for n, x in self._snapshots.items()}
        if inner is None:
            run.checks.finish()
        return AttackOutcome(
            images=images,
            forwards=metered.forwards,
            backwards=metered.backwards,
            seconds=time.perf_counter() - start,
            trace=self.trace,
            queries=counter.total if counter is not None else 0,
            snapshots=snapshots,
        )

    def _legal(self, returned: object, clean: Tensor, checks: LateChecks) -> Tensor:
        return check_legal(returned, clean, self.eps_255, self.name, checks)

    def _perturbed(self, encoder: nn.Module, batch: AttackBatch) -> object:
        try:
            return self.perturb(encoder, batch)
        except BenchmarkError:
            raise
        except (Exception, SystemExit) as error:
            if not in_backward(error):
                raise raised_by(type(self), error) from error
            # It may be the fault of either, such as a tensor that was changed in place.
            raise PluginError(
                f"{self.owner}: the gradient of {self.name!r} through the encoder raised "
                f"{told(error)}",
                HINT,
            ) from error

    @final
    def project(self, images: Tensor, clean: Tensor) -> Tensor:
        """Return the closest images inside the ball around `clean` and inside the pixel box."""
        return torch.clamp(images, *self.bounds(clean))

    @final
    def bounds(self, clean: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lowest and the highest legal value of each pixel around `clean`."""
        return (clean - self.radius).clamp_min_(0), (clean + self.radius).clamp_max_(1)
