"""Ranking before and under an attack: the measurement behind every number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed
from benchmark.core.threat import Scenario
from benchmark.metrics.crafting import FORMS, Crafted, Form, Side, craft, fraction_of, own_images
from benchmark.metrics.embedding import embed_images
from benchmark.metrics.ranking import RankingResult, rank_queries
from benchmark.metrics.targets import choose_targets


@dataclass(frozen=True)
class CleanRanking:
    """Ranking of clean queries, and the embeddings that attacks are guided by.

    Attributes:
        ranking: Outcome of each query.
        query_embeddings: (Q, D) on the CPU.
        gallery_embeddings: (G, D) on the CPU.
    """

    ranking: RankingResult
    query_embeddings: Tensor
    gallery_embeddings: Tensor


@dataclass(frozen=True)
class Vantage:
    """What the attacker looks through: the target, an adaptive view of it, or surrogates.

    Attributes:
        encoder: The encoder handed to the attack.
        query_embeddings: (Q, D') clean queries as that encoder embeds them, on the CPU.
        gallery_embeddings: (G, D') the clean gallery.
    """

    encoder: nn.Module
    query_embeddings: Tensor
    gallery_embeddings: Tensor


@dataclass(frozen=True)
class TargetRanking:
    """How the images of each query's target identity rank, clean and under attack.

    Attributes:
        clean: For the clean queries.
        attacked: For the adversarial queries, rounded to 8 bits.
    """

    clean: RankingResult
    attacked: RankingResult


@dataclass(frozen=True)
class AttackedRanking:
    """Ranking under an attack and what it cost.

    Attributes:
        ranking: Outcome of each query on images rounded to 8 bits: the headline.
        ranking_float: Outcome on the unrounded images.
        ranking_jpeg: Outcome after JPEG.
        seconds: Time inside the attack.
        forwards: Images that went forward inside the attack.
        backwards: Images that went backward.
        queries: Answers that a black-box attack was given; 0 for others.
        images: Images that were perturbed.
        max_distance_255: Largest change of a pixel of the 8-bit images, in 1/255 units.
        trace: Mean objective at each step.
        images_sha256: Hashes of the adversarial images as crafted, one for each attacked side.
        curve: mAP after so many answers for each image; for black-box attacks.
        target: Ranking of the target identities; for attacks that have some.
    """

    ranking: RankingResult
    ranking_float: RankingResult
    ranking_jpeg: RankingResult
    seconds: float
    forwards: int
    backwards: int
    queries: int
    images: int
    max_distance_255: float
    trace: list[float]
    images_sha256: str
    curve: dict[int, float]
    target: TargetRanking | None


def clean_ranking(
    encoder: nn.Module,
    query: ImageSet,
    gallery: ImageSet,
    *,
    policy: DevicePolicy,
    batch: int,
    owner: str,
    bar: Bar | None = None,
) -> CleanRanking:
    """Embed and rank clean images; see `embed_images` for the arguments."""
    query_embeddings, gallery_embeddings = (
        embed_images(encoder, images, policy=policy, batch=batch, owner=owner, bar=bar)
        for images in (query, gallery)
    )
    ranking = rank_sets(query_embeddings, gallery_embeddings, query, gallery)
    return CleanRanking(ranking, query_embeddings, gallery_embeddings)


def attacked_ranking(
    encoder: nn.Module,
    attack: Attack,
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    *,
    seed: int,
    policy: DevicePolicy,
    batch: int,
    bar: Bar,
    owner: str,
    vantage: Vantage | None = None,
    scenario: Scenario = Scenario(),  # noqa: B008 (frozen)
) -> AttackedRanking:
    """Attack queries, gallery images or both, and rank.

    Args:
        encoder: What is attacked, and what ranks.
        attack: The attack with its budget.
        query: Clean queries.
        gallery: Clean gallery.
        clean: Their ranking and embeddings.
        seed: Attack seed; each image derives its own from it and from its name.
        policy: Where to run.
        batch: Images at a time; results do not depend on it beyond float rounding.
        bar: Advanced by the number of finished images.
        owner: Name of the defense, for error messages.
        vantage: What the attacker looks through; None: the encoder itself.
        scenario: Which images are perturbed, and to what end.

    Raises:
        UsageError: The attack cannot do what the scenario asks for.
        PluginError: The attack or the encoder broke its contract.
    """
    view = vantage or Vantage(encoder, clean.query_embeddings, clean.gallery_embeddings)
    scene = _Scene(query, gallery, view, policy.device, scenario, seed)
    crafted: dict[Side, Crafted] = {}
    for side in scene.sides:
        crafted[side] = craft(
            encoder,
            view.encoder,
            attack,
            scene.own(side),
            lambda rows, side=side: scene.batch(side, rows, attack.name),  # type: ignore[misc]
            scene.rows(side),
            seed=seed,
            batch=batch,
            bar=bar,
            owner=owner,
        )
    return _measure(query, gallery, clean, crafted, scene)


def attacked_images(query: ImageSet, gallery: ImageSet, scenario: Scenario) -> int:
    """Return how many images a scenario perturbs at most."""
    sizes = {"query": len(query), "gallery": len(own_images(gallery, query))}
    return sum(sizes[side] for side in _sides(scenario))


def rank_sets(
    query_embeddings: Tensor,
    gallery_embeddings: Tensor,
    query: ImageSet,
    gallery: ImageSet,
    targets: NDArray[np.int64] | None = None,
) -> RankingResult:
    """Rank the gallery for each query; `targets` (Q,) are looked for instead of the own identity.

    No image of a target is left out for its camera: the protocol's rule is about true matches.
    """
    no_camera = np.full(len(query), -1, np.int64)
    return rank_queries(
        query_embeddings,
        query.pids if targets is None else targets,
        query.camids if targets is None else no_camera,
        gallery_embeddings,
        gallery.pids,
        gallery.camids,
    )


def _sides(scenario: Scenario) -> tuple[Side, ...]:
    return ("query", "gallery") if scenario.side == "both" else (scenario.side,)


def _measure(
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    crafted: dict[Side, Crafted],
    scene: _Scene,
) -> AttackedRanking:
    own: dict[Side, Tensor] = {
        "query": clean.query_embeddings,
        "gallery": clean.gallery_embeddings,
    }

    def embedded(form: Form) -> tuple[Tensor, Tensor]:
        parts = dict(own)
        for side, one in crafted.items():
            parts[side] = one.placed(form, own[side])
        return parts["query"], parts["gallery"]

    ranked = {form: rank_sets(*embedded(form), query, gallery) for form in FORMS}
    target = None
    if scene.targets is not None:
        clean_target = rank_sets(own["query"], own["gallery"], query, gallery, scene.targets)
        attacked_target = rank_sets(*embedded("rounded"), query, gallery, scene.targets)
        target = TargetRanking(clean_target, attacked_target)
    curve = {}
    for spent, embeddings in crafted["query"].snapshots.items() if "query" in crafted else ():
        curve[spent] = rank_sets(embeddings, own["gallery"], query, gallery).summary()["map"]
    parts = list(crafted.values())
    return AttackedRanking(
        ranking=ranked["rounded"],
        ranking_float=ranked["float"],
        ranking_jpeg=ranked["jpeg"],
        seconds=sum(one.seconds for one in parts),
        forwards=sum(one.forwards for one in parts),
        backwards=sum(one.backwards for one in parts),
        queries=sum(one.queries for one in parts),
        images=sum(len(one.rows) for one in parts),
        max_distance_255=max(one.max_distance_255 for one in parts),
        trace=parts[0].trace,
        images_sha256="-".join(one.images_sha256 for one in parts),
        curve=curve,
        target=target,
    )


class _Scene:
    """The two sets as the attacker sees them, and batches of either."""

    def __init__(
        self,
        query: ImageSet,
        gallery: ImageSet,
        view: Vantage,
        device: torch.device,
        scenario: Scenario,
        seed: int,
    ) -> None:
        self._sets: dict[Side, ImageSet] = {"query": query, "gallery": gallery}
        self._guides: dict[Side, Guides] = {
            "query": _guides(query, view.query_embeddings, device),
            "gallery": _guides(gallery, view.gallery_embeddings, device),
        }
        self._scenario, self._seed, self._device = scenario, seed, device
        self.targets: NDArray[np.int64] | None = None
        if scenario.intent != "dodge":
            both = self._guides["query"], self._guides["gallery"]
            self.targets = choose_targets(scenario.target, query, *both, seed)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Sets that are perturbed."""
        return _sides(self._scenario)

    def own(self, side: Side) -> ImageSet:
        return self._sets[side]

    def rows(self, side: Side) -> NDArray[np.int64]:
        """Return the rows of a set that are perturbed."""
        if side == "query":
            return np.arange(len(self._sets["query"]))
        chosen = own_images(self._sets["gallery"], self._sets["query"])
        return fraction_of(self._sets["gallery"], chosen, self._scenario.fraction, self._seed)

    def batch(self, side: Side, rows: NDArray[np.int64], purpose: str) -> AttackBatch:
        """Return images of a set; the other set is the gallery that they are ranked against."""
        other: Side = "gallery" if side == "query" else "query"
        own, guides = self._sets[side], self._guides[side]
        index = torch.from_numpy(rows).to(self._device)
        batch = AttackBatch(
            images=own.tensor(rows).to(self._device),
            pids=guides.pids[index],
            camids=guides.camids[index],
            seeds=[derive_seed(self._seed, purpose, own.names[row]) for row in rows],
            query_guides=guides,
            gallery_guides=self._guides[other],
            query_rows=index,
            gallery_rows=torch.full_like(index, -1),
            clean=guides.embeddings[index],
        )
        if self.targets is None:
            return batch
        targets = torch.from_numpy(self.targets[rows]).to(self._device)
        toward = -1.0 if self._scenario.intent == "impersonate" else 1.0
        return replace(
            batch, pids=targets, camids=torch.full_like(batch.camids, -1), direction=toward
        )


def _guides(images: ImageSet, embeddings: Tensor, device: torch.device) -> Guides:
    return Guides(
        embeddings.to(device, copy=True),  # what attacks write on must not be what is ranked
        torch.from_numpy(images.pids).to(device),
        torch.from_numpy(images.camids).to(device),
    )
