"""The evaluator: one encoder in front of queries and a gallery, clean and under attack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.attack import Attack
from benchmark.core.crafting_precision import CraftingPrecision
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides, mean_positive
from benchmark.core.image_set import ImageSet
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.progress import SILENT_BAR, Bar
from benchmark.core.registry import ATTACKS
from benchmark.core.reranking import Reranking
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.core.threat import Scenario, ThreatModel
from benchmark.evaluation.attack_inputs import (
    AttackerView,
    AttackInputs,
    ImageSide,
    attacked_images,
    attacked_sides,
)
from benchmark.evaluation.crafting import craft
from benchmark.evaluation.perturbed_images import PerturbedImages
from benchmark.evaluation.rankings import AttackedRanking, CleanRanking, rank_attacked
from benchmark.evaluation.set_ranker import SetRanker
from benchmark.evaluation.shards import Shard
from benchmark.metrics.embedding import embed_images

BATCH = 64
"""Images at once, unless told otherwise; changes results of random encoders only."""
DODGING_QUERIES = Scenario()


def seen_by(threat: ThreatModel, encoder: nn.Module, adaptive: nn.Module) -> nn.Module:
    """Return what an attacker without surrogates is given: the one rule about the adaptive view.

    Who knows the defense (white box) differentiates the adaptive view of it; everybody else asks
    the encoder as it is deployed.
    """
    return adaptive if threat.knowledge == "white" else encoder


def attack_named(name: str, eps_255: float, options: Mapping[str, object], owner: str) -> Attack:
    """Return an attack of the registry with its options.

    Raises:
        UsageError: An unknown name, option or value.
    """
    plugin = cast(type[Attack], ATTACKS.get(name))
    return plugin(plugin.parse_config(dict(options)), eps_255, owner)


@dataclass(frozen=True)
class Evaluator:
    """Embeds, attacks, rounds, ranks and scores one encoder on one set of queries and one gallery.

    Attributes:
        encoder: What ranks, on the device.
        query: Queries.
        gallery: Gallery.
        clean: Their clean ranking and embeddings; `of` computes it.
        policy: Where to run.
        owner: Name of the defense, for error messages.
        batch: Images at a time.
        adaptive: What a white-box attacker who knows the defense differentiates; None: the encoder.
        rerank: How clean and attacked rankings are re-ranked; None: not at all.
        adjusts: Whether memory may change the batch; never that of a random encoder.
        crafting: Precision in which attacks craft; what counts is embedded in float32.
    """

    encoder: nn.Module
    query: ImageSet
    gallery: ImageSet
    clean: CleanRanking
    policy: DevicePolicy
    owner: str
    batch: int = BATCH
    adaptive: nn.Module | None = None
    rerank: Reranking | None = None
    adjusts: bool = False
    crafting: CraftingPrecision = "float32"

    @classmethod
    def of(
        cls,
        encoder: nn.Module,
        query: ImageSet,
        gallery: ImageSet,
        *,
        policy: DevicePolicy,
        owner: str,
        batch: int = BATCH,
        adaptive: nn.Module | None = None,
        rerank: Reranking | None = None,
        adjusts: bool = False,
        bar: Bar = SILENT_BAR,
    ) -> Evaluator:
        """Embed and rank the clean images of two sets; the arguments are the attributes.

        Raises:
            PluginError: The encoder raises, or returns a wrong shape, NaN or infinities.
        """
        query_embeddings, gallery_embeddings = (
            embed_images(
                encoder,
                images,
                policy=policy,
                batch=batch,
                owner=owner,
                adjusts=adjusts,
                bar=bar,
            )
            for images in (query, gallery)
        )
        ranker = SetRanker(query, gallery, rerank, policy.device)
        ranking = ranker.rank(query_embeddings, gallery_embeddings)
        clean = CleanRanking(ranking, query_embeddings, gallery_embeddings)
        return cls(encoder, query, gallery, clean, policy, owner, batch, adaptive, rerank, adjusts)

    @property
    def clean_map(self) -> float:
        """The mAP of clean queries in percent."""
        return self.clean.ranking.summary()["map"]

    def subset(self, rows: NDArray[np.int64]) -> Evaluator:
        """Return the evaluator of some queries before the whole gallery."""
        return replace(self, query=self.query.subset(rows), clean=self.clean.subset(rows))

    def view(self, threat: ThreatModel, surrogates: Sequence[Evaluator] = ()) -> AttackerView:
        """Return what an attacker looks through.

        Args:
            threat: What it knows.
            surrogates: Evaluators of what it sees instead of the encoder, on the same sets.
        """
        if surrogates:
            return AttackerView(
                SurrogateEnsemble([one.encoder for one in surrogates]),
                joined_embeddings([one.clean.query_embeddings for one in surrogates]),
                joined_embeddings([one.clean.gallery_embeddings for one in surrogates]),
            )
        adaptive = self.encoder if self.adaptive is None else self.adaptive
        encoder = seen_by(threat, self.encoder, adaptive)
        return AttackerView(encoder, self.clean.query_embeddings, self.clean.gallery_embeddings)

    def mean_matches(self) -> Tensor:
        """Return (Q, D): the mean unit embedding of the true matches of each query, else its own.

        On the device.
        """
        guides = Guides.of(self.gallery, self.clean.gallery_embeddings, torch.device("cpu"))
        pids, camids = torch.from_numpy(self.query.pids), torch.from_numpy(self.query.camids)
        own = F.normalize(self.clean.query_embeddings)
        mask = guides.positive_mask(pids, camids)
        return mean_positive(guides, mask, own, unit=True).to(self.policy.device)

    def inputs(
        self, view: AttackerView, seed: int, scenario: Scenario = DODGING_QUERIES
    ) -> AttackInputs:
        """Return the two sets as an attacker sees them."""
        return AttackInputs(self.query, self.gallery, view, scenario, seed, self.policy.device)

    def attacked(
        self,
        attack: Attack,
        seed: int,
        bar: Bar = SILENT_BAR,
        *,
        surrogates: Sequence[Evaluator] = (),
        scenario: Scenario = DODGING_QUERIES,
    ) -> AttackedRanking:
        """Attack queries, gallery images or both, and rank.

        Args:
            attack: The attack with its budget.
            seed: Attack seed; each image derives its own from it and from its name.
            bar: Advanced by the number of finished images, `images_under` in all.
            surrogates: Evaluators of what the attacker sees instead of the encoder.
            scenario: Which images are perturbed, and to what end.

        Raises:
            UsageError: The attack cannot do what the scenario asks for.
            PluginError: The attack or the encoder broke its contract.
        """
        view = self.view(attack.threat_with(attack.config), surrogates)
        inputs = self.inputs(view, seed, scenario)
        perturbed = {
            side: self.perturbed(attack, inputs, side, seed, bar)
            for side in attacked_sides(scenario)
        }
        return self.ranked(perturbed, inputs.targets)

    def perturbed(
        self,
        attack: Attack,
        inputs: AttackInputs,
        side: ImageSide,
        seed: int,
        bar: Bar = SILENT_BAR,
        shard: Shard | None = None,
    ) -> PerturbedImages:
        """Attack the images of a set, or a shard of them, and embed the result; see `craft`."""
        return craft(
            self.encoder,
            attack,
            inputs,
            side,
            seed=seed,
            batch=self.batch,
            bar=bar,
            owner=self.owner,
            shard=shard,
            adjusts=self.adjusts,
            precision=self.crafting,
        )

    def ranked(
        self,
        perturbed: Mapping[ImageSide, PerturbedImages],
        targets: NDArray[np.int64] | None,
    ) -> AttackedRanking:
        """Rank sets of which one or both are perturbed; `targets` are `AttackInputs.targets`."""
        ranker = SetRanker(self.query, self.gallery, self.rerank, self.policy.device)
        return rank_attacked(self.clean, perturbed, targets, ranker)

    def images_under(self, scenario: Scenario) -> int:
        """Return how many images a scenario perturbs at most."""
        return attacked_images(self.query, self.gallery, scenario)

    def adversarial(
        self, attack: Attack, seed: int, rows: NDArray[np.int64] | Sequence[int]
    ) -> Tensor:
        """Return (N, 3, H, W) adversarial images of some queries, rounded to 8 bits.

        They are those that `attacked` ranks, if the encoder is not random and both craft in
        float32, as is done here.

        Raises:
            PluginError: The attack or the encoder broke its contract.
        """
        view = self.view(attack.threat_with(attack.config))
        inputs = self.inputs(view, seed)
        parts = []
        for start in range(0, len(rows), self.batch):
            chosen = np.asarray(rows[start : start + self.batch])
            clean = inputs.batch("query", chosen, attack.name)
            outcome = attack.run(view.encoder, clean)
            parts.append(round_to_8_bits(outcome.images, clean.images, attack.eps_255))
        return torch.cat(parts)
