"""An attack under examination: the attack, the canary, and batches of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
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
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import Knowledge

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
    def knowledge(self) -> Knowledge:
        """What it knows of the encoder."""
        return self.plugin.threat_with(self.config).knowledge

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
        return self.stage.vantage(self.knowledge).encoder

    def batch(self, rows: list[int] | None = None) -> AttackBatch:
        """Return some queries as the attacker sees them, the first ones by default."""
        rows = list(range(IMAGES)) if rows is None else rows
        view, query, device = self.stage.vantage(self.knowledge), self.stage.query, self.device
        index = torch.tensor(rows, device=device)
        guides = self._guides(query, view.query_embeddings)
        return AttackBatch(
            images=query.tensor(np.array(rows)).to(device, self.dtype),
            pids=guides.pids[index],
            camids=guides.camids[index],
            seeds=[derive_seed(SEED, self.plugin.name, query.names[row]) for row in rows],
            query_guides=guides,
            gallery_guides=self._guides(self.stage.gallery, view.gallery_embeddings),
            query_rows=index,
            gallery_rows=torch.full_like(index, -1),
            clean=guides.embeddings[index],
        )

    def outcome(self, eps_255: float) -> AttackOutcome:
        """Return the outcome of the first attack on the first queries with this budget."""
        if eps_255 not in self._outcomes:
            self._outcomes[eps_255] = self.run(eps_255)
        return self._outcomes[eps_255]

    def run(self, eps_255: float, rows: list[int] | None = None) -> AttackOutcome:
        """Attack some queries, the first ones by default."""
        return self.attack(eps_255).run(self.view(), self.batch(rows))

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.stage.policy.device

    def _guides(self, images: ImageSet, embeddings: Tensor) -> Guides:
        return Guides(
            embeddings.to(self.device, self.dtype),
            torch.from_numpy(images.pids).to(self.device),
            torch.from_numpy(images.camids).to(self.device),
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
    stage = subject.stage
    target, surrogate = OneByOne(stage.target).eval(), OneByOne(stage.surrogate).eval()
    return _on(subject, replace(stage, target=target, surrogate=surrogate))


def in_double(subject: AttackSubject) -> AttackSubject:
    """Return the subject in double precision."""
    stage = subject.stage
    target, surrogate = (copy.deepcopy(e).double() for e in (stage.target, stage.surrogate))
    stage = replace(stage, target=target, surrogate=surrogate)
    return replace(_on(subject, stage), dtype=torch.float64)


def _on(subject: AttackSubject, stage: Stage) -> AttackSubject:
    """Return the subject, with its preparations, on another stage."""
    return replace(subject, stage=stage, _outcomes={})
