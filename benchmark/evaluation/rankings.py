"""Rankings before and under an attack, and what the attack cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.image_set import ImageSet
from benchmark.evaluation.attack_inputs import ImageSide
from benchmark.evaluation.crafting import FORMS, PerturbedImages
from benchmark.evaluation.ranked_lists import ListedQueries, losing_queries, nearest_images
from benchmark.metrics.ranking import RankingResult, rank_queries


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

    def subset(self, rows: NDArray[np.int64]) -> CleanRanking:
        """Return that of some queries before the whole gallery."""
        ranking = self.ranking
        return CleanRanking(
            RankingResult(ranking.ap[rows], ranking.inp[rows], ranking.rank[rows]),
            self.query_embeddings[torch.from_numpy(rows)],
            self.gallery_embeddings,
        )


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
        listed: Ranked lists of the queries that lose most.
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
    listed: ListedQueries

    @property
    def map(self) -> float:
        """The headline mAP in percent."""
        return self.ranking.summary()["map"]


def rank_attacked(
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    perturbed: Mapping[ImageSide, PerturbedImages],
    targets: NDArray[np.int64] | None,
) -> AttackedRanking:
    """Rank two sets of which one or both are perturbed.

    Args:
        query: Clean queries.
        gallery: Clean gallery.
        clean: Their ranking and embeddings.
        perturbed: The perturbed images of each attacked side.
        targets: (Q,) identities that the queries were pulled to or pushed from, if they were.
    """
    own: dict[ImageSide, Tensor] = {
        "query": clean.query_embeddings,
        "gallery": clean.gallery_embeddings,
    }
    rankings = {}
    for form in FORMS:
        embedded = own | {side: one.placed(form, own[side]) for side, one in perturbed.items()}
        rankings[form] = rank_sets(embedded["query"], embedded["gallery"], query, gallery)
        if form == "rounded":
            rounded = embedded
    target = None
    if targets is not None:
        target = TargetRanking(
            rank_sets(own["query"], own["gallery"], query, gallery, targets),
            rank_sets(rounded["query"], rounded["gallery"], query, gallery, targets),
        )
    curve = {}
    for spent, embeddings in perturbed["query"].snapshots.items() if "query" in perturbed else ():
        curve[spent] = rank_sets(embeddings, own["gallery"], query, gallery).summary()["map"]
    parts = list(perturbed.values())
    return AttackedRanking(
        ranking=rankings["rounded"],
        ranking_float=rankings["float"],
        ranking_jpeg=rankings["jpeg"],
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
        listed=_listed(query, gallery, clean, rankings["rounded"], own, rounded, perturbed),
    )


def _listed(
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    attacked: RankingResult,
    before: Mapping[ImageSide, Tensor],
    under: Mapping[ImageSide, Tensor],
    perturbed: Mapping[ImageSide, PerturbedImages],
) -> ListedQueries:
    rows = losing_queries(clean.ranking, attacked, query.pids)
    few, chosen = query.subset(rows), torch.from_numpy(rows)
    images = perturbed["query"].images if "query" in perturbed else None
    return ListedQueries(
        rows,
        nearest_images(before["query"][chosen], before["gallery"], few, gallery),
        nearest_images(under["query"][chosen], under["gallery"], few, gallery),
        None if images is None else images[rows],
    )


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
        gallery_junk=gallery.junk,
        gallery_distractor=gallery.distractor,
    )
