"""An attack under examination: the attack, the canary, and batches of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.checks.canary import SEED, Stage, ready_attack
from benchmark.core.attack import Attack, AttackOutcome
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.guides import Guides
from benchmark.core.plugin import PluginConfig
from benchmark.core.threat import ThreatModel

IMAGES = 4
"""Images that are attacked."""


@dataclass
class AttackSubject:
    """An attack under examination.

    Attributes:
        plugin: Its class.
        options: What was chosen.
        config: All options, affordable.
        stage: What it attacks.
        work_dir: Where preparations may write.
        dtype: Precision of its images and guides.
    """

    plugin: type[Attack]
    options: Mapping[str, Any]
    config: PluginConfig
    stage: Stage
    work_dir: Path
    dtype: torch.dtype = torch.float32
    _ready: dict[float, Attack] = field(default_factory=dict)
    _outcomes: dict[float, AttackOutcome] = field(default_factory=dict)

    @property
    def threat(self) -> ThreatModel:
        """What it may change and what it knows of the encoder."""
        return self.plugin.threat_with(self.config)

    def attack(self, eps_255: float) -> Attack:
        """Return the attack, prepared if it has to be."""
        if eps_255 not in self._ready:
            folder = self.work_dir / f"eps-{eps_255:g}"
            folder.mkdir(parents=True, exist_ok=True)
            self._ready[eps_255] = ready_attack(
                self.plugin, self.config, eps_255, self.stage, folder
            )
        return self._ready[eps_255]

    def view(self) -> nn.Module:
        """Return what the attacker looks through."""
        return self.stage.view(self.threat).encoder

    def batch(self, rows: list[int] | None = None) -> AttackBatch:
        """Return some queries as the attacker sees them, the first ones by default."""
        chosen = np.arange(IMAGES) if rows is None else np.array(rows)
        inputs = self.stage.target.inputs(self.stage.view(self.threat), SEED)
        return _in(self.dtype, inputs.batch("query", chosen, self.plugin.name))

    def outcome(self, eps_255: float) -> AttackOutcome:
        """Return the outcome of the first attack on the first queries with this budget."""
        if eps_255 not in self._outcomes:
            self._outcomes[eps_255] = self.run(eps_255)
        return self._outcomes[eps_255]

    def run(self, eps_255: float, rows: list[int] | None = None) -> AttackOutcome:
        """Attack some queries, the first ones by default."""
        return self.attack(eps_255).run(self.view(), self.batch(rows))


def _in(dtype: torch.dtype, batch: AttackBatch) -> AttackBatch:
    """Return a batch in another precision."""

    def guides(one: Guides) -> Guides:
        return replace(one, embeddings=one.embeddings.to(dtype))

    return replace(
        batch,
        images=batch.images.to(dtype),
        query_guides=guides(batch.query_guides),
        gallery_guides=guides(batch.gallery_guides),
        clean=batch.clean.to(dtype),
    )


class OneByOne(nn.Module):
    """Embeds images one at a time, so that rounding does not depend on the batch.

    Args:
        encoder: Embeds them.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings."""
        return torch.cat([self.encoder(image[None]) for image in images])


def one_by_one(subject: AttackSubject) -> AttackSubject:
    """Return the subject with encoders that embed one image at a time."""
    return _with(subject, lambda encoder: OneByOne(encoder).eval())


def in_double(subject: AttackSubject) -> AttackSubject:
    """Return the subject in double precision."""
    double = _with(subject, lambda encoder: copy.deepcopy(encoder).double())
    return replace(double, dtype=torch.float64)


def _with(subject: AttackSubject, change: Callable[[nn.Module], nn.Module]) -> AttackSubject:
    """Return the subject, with its preparations, before changed encoders."""
    target, surrogate = (
        replace(one, encoder=change(one.encoder))
        for one in (subject.stage.target, subject.stage.surrogate)
    )
    stage = replace(subject.stage, target=target, surrogate=surrogate)
    return replace(subject, stage=stage, _outcomes={})
