"""What every defense owes, checked on an encoder that it trains for one epoch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.checks.contract import (
    Broken,
    Check,
    CheckResult,
    Warned,
    affordable,
    check_card,
    check_options,
    require,
    run_checks,
)
from benchmark.checks.reloaded import check_reloaded
from benchmark.checks.stored_canary import BACKBONE, IMAGE_SIZE, read_encoder, read_images
from benchmark.core.defense import Adaptive, Defense
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import embed, encoder_faults
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS, DEFENSES
from benchmark.models.checkpoint import restore_encoder, save_encoder
from benchmark.models.encoder import build_encoder
from benchmark.training.config import InnerConfig, TrainingConfig
from benchmark.training.fit import Task, fit_defense

TRAINING = TrainingConfig(
    epochs=1, identities=8, images=2, validate_every=1, inner=InnerConfig(steps=1)
)
IMAGES = 5
LIMITS = {"steps": 2, "epochs": 1}
"""Steps and epochs of whatever else the defense trains, to be quick."""
SAME = 1e-5
"""Largest difference of embeddings that rounding explains, as a share of the largest value."""


@dataclass
class DefenseSubject:
    """A defense under examination.

    Attributes:
        defense: With its options, affordable.
        options: What was chosen.
        policy: Where it is.
        work_dir: Folder of its training.
    """

    defense: Defense
    options: Mapping[str, Any]
    policy: DevicePolicy
    work_dir: Path

    @property
    def plugin(self) -> type[Defense]:
        """Its class."""
        return type(self.defense)

    @cached_property
    def encoder(self) -> nn.Module:
        """What one epoch on the training images of the canary gives."""
        stand_in = read_encoder("target", self.policy)
        return fit_defense(
            self.defense,
            Task(
                train=read_images("train"),
                backbone=BACKBONE,
                training=TRAINING,
                image_size=IMAGE_SIZE,
                policy=self.policy,
                seed=0,
                progress=SilentProgress(),
                work_dir=self.work_dir,
                encoders=dict.fromkeys(self.defense.prerequisites(), stand_in),
            ),
        ).encoder

    @cached_property
    def images(self) -> Tensor:
        """Some images that it has not seen."""
        return read_images("query").tensor(slice(0, IMAGES)).to(self.policy.device)

    @torch.no_grad()
    def embed(self, images: Tensor, encoder: nn.Module | None = None) -> Tensor:
        """Return embeddings by its encoder, or by another one."""
        return embed(self.encoder if encoder is None else encoder, images, self.plugin.name)

    @cached_property
    def repeats(self) -> bool:
        """Whether two calls give the same embeddings."""
        with torch.random.fork_rng():
            return torch.equal(self.embed(self.images), self.embed(self.images))

    @property
    def randomness(self) -> str:
        """Why embeddings cannot be compared; empty if they can."""
        if self.defense.adaptive.random:
            return "not checked: declared random"
        return "" if self.repeats else "not checked: two calls differ"


def check_defense(
    plugin: type[Any],
    options: Mapping[str, Any] | None = None,
    *,
    policy: DevicePolicy,
    work_dir: Path,
) -> list[CheckResult]:
    """Run the contract suite of defenses; it ends where the training fails.

    Args:
        plugin: The class.
        options: Options to check it with.
        policy: Where to compute.
        work_dir: Folder of the training; must exist.

    Raises:
        UsageError: The defense has no such options.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, Defense)):
        return [CheckResult("class", False, "it does not derive from benchmark.Defense")]
    with plugin_faults(plugin):
        defense = plugin(affordable(plugin, options or {}, LIMITS))
    subject = DefenseSubject(defense, dict(options or {}), policy, work_dir)
    results = run_checks(BEFORE_ENCODER, subject)
    return results + (run_checks(WITH_ENCODER, subject) if results[-1].passed else [])


def _card(subject: DefenseSubject) -> str:
    return check_card(subject.plugin)


def _options(subject: DefenseSubject) -> str:
    return check_options(subject.plugin, subject.options) or "none"


def _names(subject: DefenseSubject) -> str:
    seen = (*subject.plugin.trained_against, *subject.plugin.also_seen)
    needed = subject.defense.prerequisites()
    for registry, names in ((ATTACKS, seen), (DEFENSES, needed)):
        unknown = [name for name in names if name not in registry.names()]
        require(not unknown, f"it names {unknown}, and no {registry.kind} is called that")
    return f"trained against: {', '.join(seen) or '–'}; built on: {', '.join(needed) or '–'}"


def _trains(subject: DefenseSubject) -> str:
    parameters = sum(parameter.numel() for parameter in subject.encoder.parameters())
    require(not any(part.training for part in subject.encoder.modules()), "it is not in eval mode")
    return f"one epoch on {len(read_images('train'))} images; {parameters} parameters"


def _embeds(subject: DefenseSubject) -> str:
    embeddings = subject.embed(subject.images)
    require(embeddings.dtype == torch.float32, f"embeddings are {embeddings.dtype}, not float32")
    spread = float((embeddings - embeddings.mean(0)).abs().max())
    require(spread > 0, "all images have the same embedding")
    return f"{embeddings.shape[1]} finite float32 numbers for each image"


def _deterministic(subject: DefenseSubject) -> str:
    if subject.defense.adaptive.random:
        in_vain = Warned("declared random, and two calls are equal")
        return in_vain if subject.repeats else "declared random"
    require(subject.repeats, "two calls differ: declare adaptive = Adaptive(random=True)")
    return "two calls give the same embeddings"


def _batch_independent(subject: DefenseSubject) -> str:
    if subject.randomness:
        return subject.randomness
    images = subject.images
    together = subject.embed(images)
    alone = torch.cat([subject.embed(image[None]) for image in images])
    turned = subject.embed(images.flip(0)).flip(0)
    limit = SAME * max(1.0, float(together.abs().max()))
    far = max(float((one - together).abs().max()) for one in (alone, turned))
    require(far <= limit, f"embeddings depend on the rest of the batch, by up to {far:.2g}")
    return "the same embeddings alone and in any order"


def _stays_in_eval_mode(subject: DefenseSubject) -> str:
    before = {key: value.clone() for key, value in subject.encoder.state_dict().items()}
    subject.embed(subject.images)
    after = subject.encoder.state_dict()
    moved = [key for key, value in before.items() if not torch.equal(value, after[key])]
    require(not moved, f"embedding changes {', '.join(moved[:3])}")
    require(not any(part.training for part in subject.encoder.modules()), "it leaves eval mode")
    return "embedding changes neither weights nor statistics nor the mode"


def _gradient(subject: DefenseSubject) -> str:
    if subject.defense.adaptive.non_differentiable:
        return "not checked: declared non-differentiable"
    largest = _largest_gradient(subject, subject.encoder)
    require(
        largest > 0,
        "no gradient reaches the pixels: declare adaptive = Adaptive(non_differentiable=True) "
        "and offer a surrogate()",
    )
    return f"the largest at a pixel is {largest:.2g}"


def _largest_gradient(subject: DefenseSubject, encoder: nn.Module) -> float:
    leaf, owner = subject.images.clone().requires_grad_(True), subject.plugin.name
    embeddings = embed(encoder, leaf, owner)
    if not embeddings.requires_grad:
        return 0.0
    with encoder_faults(owner, " in its gradient"):
        (gradient,) = torch.autograd.grad(embeddings.square().sum(), leaf, allow_unused=True)
    return 0.0 if gradient is None else float(gradient.abs().max())


def _checkpoint(subject: DefenseSubject) -> str:
    with tempfile.TemporaryDirectory() as folder:
        save_encoder(Path(folder), subject.encoder, {})
        loaded = restore_encoder(
            Path(folder), lambda: subject.defense.build_encoder(lambda: build_encoder(BACKBONE))
        )
    again = subject.policy.place(loaded)
    old, new = subject.encoder.state_dict(), again.state_dict()
    same = old.keys() == new.keys() and all(torch.equal(old[key], new[key]) for key in old)
    require(same, "the loaded encoder has other weights: see build_encoder()")
    check_reloaded(
        subject.encoder,
        again,
        read_images("train"),
        policy=subject.policy,
        owner=subject.plugin.name,
    )
    return "saved and loaded, it is the same encoder"


def _adaptive(subject: DefenseSubject) -> str:
    declared = subject.defense.adaptive
    require(isinstance(declared, Adaptive), "adaptive is not a benchmark.Adaptive")
    flags = [name for name, value in vars(declared).items() if value]
    if not declared.non_differentiable:
        return f"declared: {', '.join(flags) or 'nothing'}"
    surrogate = subject.defense.surrogate(subject.encoder)
    if surrogate is None:
        return Warned("non-differentiable without a surrogate(); white-box attacks are blind")
    width = subject.embed(subject.images).shape[1]
    if subject.embed(subject.images, surrogate).shape[1] != width:
        raise Broken(f"the embeddings of surrogate() are not {width} wide, as the encoder's are")
    require(_largest_gradient(subject, surrogate) > 0, "surrogate() gives no gradient")
    return f"declared: {', '.join(flags)}; with a differentiable surrogate"


BEFORE_ENCODER: tuple[Check[DefenseSubject], ...] = (
    ("card", _card),
    ("options", _options),
    ("names", _names),
    ("training", _trains),
)
WITH_ENCODER: tuple[Check[DefenseSubject], ...] = (
    ("embeddings", _embeds),
    ("deterministic", _deterministic),
    ("independent of the batch", _batch_independent),
    ("stays in eval mode", _stays_in_eval_mode),
    ("gradient", _gradient),
    ("checkpoint", _checkpoint),
    ("adaptive", _adaptive),
)
