"""Adversarial images themselves: cells keep rankings, and some experiments need pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.attack import Attack, AttackBatch, round_to_8_bits
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress, SilentProgress
from benchmark.core.seeding import derive_seed
from benchmark.experiments.measurement import Trained
from benchmark.metrics.attacked import AttackedRanking, CleanRanking, Vantage, attacked_ranking
from benchmark.metrics.attacked import clean_ranking as rank_clean
from benchmark.runner.choice import ChosenAttack


@dataclass(frozen=True)
class Scene:
    """Queries and a gallery in front of a trained encoder, as an attacker finds them.

    Attributes:
        trained: The training whose encoder ranks.
        query: Queries.
        gallery: Gallery.
        clean: Their clean ranking and embeddings.
        policy: Device and precision.
    """

    trained: Trained
    query: ImageSet
    gallery: ImageSet
    clean: CleanRanking
    policy: DevicePolicy

    @classmethod
    def of(
        cls, trained: Trained, query: ImageSet, gallery: ImageSet, policy: DevicePolicy
    ) -> Scene:
        """Rank two sets clean."""
        clean = rank_clean(
            trained.encoder,
            query,
            gallery,
            policy=policy,
            batch=trained.config.evaluation.batch,
            owner=trained.variant.defense,
        )
        return cls(trained, query, gallery, clean, policy)

    def attacked(
        self,
        attack: ChosenAttack,
        eps_255: float,
        progress: Progress | None = None,
        title: str = "",
    ) -> AttackedRanking:
        """Attack all queries and rank; the measurement of a run, on these sets.

        Raises:
            UsageError: The attack looks through surrogates or is trained first.
            PluginError: The attack or the encoder broke its contract.
        """
        config, trained = self.trained.config, self.trained
        view = self._view(attack)
        with (progress or SilentProgress()).task(title, len(self.query)) as bar:
            return attacked_ranking(
                trained.encoder,
                self._made(attack, eps_255),
                self.query,
                self.gallery,
                self.clean,
                seed=config.attack_seed[0],
                policy=self.policy,
                batch=config.evaluation.batch,
                bar=bar,
                owner=trained.variant.defense,
                vantage=Vantage(view, self.clean.query_embeddings, self.clean.gallery_embeddings),
            )

    def adversarial(
        self, attack: ChosenAttack, eps_255: float, rows: NDArray[np.int64] | Sequence[int]
    ) -> Tensor:
        """Return (N, 3, H, W) adversarial images of some queries, rounded to 8 bits.

        They are those that a run's attack cell of the same attack, budget and sets ranks.

        Raises:
            UsageError: The attack looks through surrogates or is trained first.
            PluginError: The attack or the encoder broke its contract.
        """
        made, view = self._made(attack, eps_255), self._view(attack)
        batch = self.trained.config.evaluation.batch
        parts = []
        for start in range(0, len(rows), batch):
            clean = self.batch(np.asarray(rows[start : start + batch]), attack.name)
            outcome = made.run(view, clean)
            parts.append(round_to_8_bits(outcome.images, clean.images, eps_255))
        return torch.cat(parts)

    def batch(self, rows: NDArray[np.int64], purpose: str) -> AttackBatch:
        """Return some queries as a batch for an attacker; `purpose` is the attack's name."""
        own, other = self._guides
        index = torch.from_numpy(rows).to(self.policy.device)
        seed = self.trained.config.attack_seed[0]
        return AttackBatch(
            images=self.query.tensor(rows).to(self.policy.device),
            pids=own.pids[index],
            camids=own.camids[index],
            seeds=[derive_seed(seed, purpose, self.query.names[row]) for row in rows],
            query_guides=own,
            gallery_guides=other,
            query_rows=index,
            gallery_rows=torch.full_like(index, -1),
            clean=own.embeddings[index],
        )

    @property
    def _guides(self) -> tuple[Guides, Guides]:
        def guides(images: ImageSet, embeddings: Tensor) -> Guides:
            device = self.policy.device
            labels = torch.from_numpy(images.pids), torch.from_numpy(images.camids)
            return Guides(embeddings.to(device), labels[0].to(device), labels[1].to(device))

        return (
            guides(self.query, self.clean.query_embeddings),
            guides(self.gallery, self.clean.gallery_embeddings),
        )

    def _view(self, attack: ChosenAttack) -> torch.nn.Module:
        white = attack.threat.knowledge in ("white", "none")
        return self.trained.view if white else self.trained.encoder

    def _made(self, attack: ChosenAttack, eps_255: float) -> Attack:
        check_direct(attack)
        return attack.plugin(attack.config, eps_255, self.trained.variant.defense)


def check_direct(attack: ChosenAttack) -> None:
    """Refuse an attack that needs more than the encoder in front of it.

    Raises:
        UsageError: It looks through surrogates or is trained first.
    """
    if attack.surrogates or attack.plugin.needs_preparation:
        raise UsageError(
            f"this experiment cannot use the attack {attack.name!r}: it must be trained first",
            "use attacks of the groups default and white, such as metric-ifgsm and soft-ap",
        )
