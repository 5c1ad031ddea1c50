"""How deep a few cheap attacks bring the mAP of some queries, and how deep chance would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import nn

from benchmark.core.attack import Attack
from benchmark.core.device import DevicePolicy
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar
from benchmark.core.registry import ATTACKS
from benchmark.metrics.attacked import AttackedRanking, CleanRanking, Vantage, attacked_ranking

BATCH = 64
"""Images at once; does not change any result."""


@dataclass(frozen=True)
class Sparring:
    """Attacks an encoder on a few queries.

    Attributes:
        encoder: What ranks.
        view: What white-box attacks differentiate.
        query: The queries.
        gallery: The whole gallery.
        clean: Clean ranking and embeddings of these queries and the gallery.
        policy: Where to run.
        seed: Attack seed.
        owner: Name of the defense, for error messages.
    """

    encoder: nn.Module
    view: nn.Module
    query: ImageSet
    gallery: ImageSet
    clean: CleanRanking
    policy: DevicePolicy
    seed: int
    owner: str

    def under(
        self, name: str, eps_255: float, options: Mapping[str, object], bar: Bar
    ) -> AttackedRanking:
        """Return the ranking under an attack of the registry; advance a bar by its queries.

        Raises:
            PluginError: The attack or the encoder broke its contract.
        """
        plugin = cast(type[Attack], ATTACKS.get(name))
        attack = plugin(plugin.parse_config(dict(options)), eps_255, self.owner)
        white = attack.threat_with(attack.config).knowledge == "white"
        return attacked_ranking(
            self.encoder,
            attack,
            self.query,
            self.gallery,
            self.clean,
            seed=self.seed,
            policy=self.policy,
            batch=BATCH,
            bar=bar,
            owner=self.owner,
            vantage=Vantage(
                self.view if white else self.encoder,
                self.clean.query_embeddings,
                self.clean.gallery_embeddings,
            ),
        )


def chance_map(query: ImageSet, gallery: ImageSet) -> float:
    """Return the expected mAP, in percent, of rankings in random order.

    For R matches among N ranked images, with H_N the N-th harmonic number:

        E[AP] = (H_N + (R - 1) / (N - 1) * (N - H_N)) / N
    """
    expected = []
    for pid, camid in zip(query.pids, query.camids, strict=True):
        same = gallery.pids == pid
        matches = int((same & (gallery.camids != camid)).sum())
        ranked = int((gallery.pids >= 0).sum()) - (int(same.sum()) - matches)
        if matches:
            harmonic = float((1 / np.arange(1, ranked + 1)).sum())
            share = (matches - 1) / max(ranked - 1, 1)
            expected.append((harmonic + share * (ranked - harmonic)) / ranked)
    return 100 * float(np.mean(expected))
