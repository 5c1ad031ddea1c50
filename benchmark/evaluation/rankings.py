"""Rankings before and under an attack, and what the attack cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.evaluation.attack_inputs import ImageSide
from benchmark.evaluation.perturbed_images import FORMS, PerturbedImages, smallest_of
from benchmark.evaluation.ranked_lists import ListedQueries, losing_queries
from benchmark.evaluation.set_ranker import SetRanker
from benchmark.metrics.ranking import RankingResult


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
        halved_to: Images at once to which memory that ran out cut the batch; None: it did not.
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
    halved_to: int | None

    @property
    def map(self) -> float:
        """The headline mAP in percent."""
        return self.ranking.summary()["map"]


def rank_attacked(
    clean: CleanRanking,
    perturbed: Mapping[ImageSide, PerturbedImages],
    targets: NDArray[np.int64] | None,
    ranker: SetRanker,
) -> AttackedRanking:
    """Rank two sets of which one or both are perturbed.

    Args:
        clean: Ranking and embeddings of the clean sets.
        perturbed: The perturbed images of each attacked side.
        targets: (Q,) identities that the queries were pulled to or pushed from, if they were.
        ranker: Ranks the sets.
    """
    own: dict[ImageSide, Tensor] = {
        "query": clean.query_embeddings,
        "gallery": clean.gallery_embeddings,
    }
    rankings = {}
    for form in FORMS:
        embedded = own | {side: one.placed(form, own[side]) for side, one in perturbed.items()}
        rankings[form] = ranker.rank(embedded["query"], embedded["gallery"])
        if form == "rounded":
            rounded = embedded
    target = None
    if targets is not None:
        target = TargetRanking(
            ranker.rank(own["query"], own["gallery"], targets),
            ranker.rank(rounded["query"], rounded["gallery"], targets),
        )
    curve = {}
    for spent, embeddings in perturbed["query"].snapshots.items() if "query" in perturbed else ():
        curve[spent] = ranker.rank(embeddings, own["gallery"]).summary()["map"]
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
        listed=_listed(ranker, clean, rankings["rounded"], own, rounded, perturbed),
        halved_to=smallest_of(parts),
    )


def _listed(
    ranker: SetRanker,
    clean: CleanRanking,
    attacked: RankingResult,
    before: Mapping[ImageSide, Tensor],
    under: Mapping[ImageSide, Tensor],
    perturbed: Mapping[ImageSide, PerturbedImages],
) -> ListedQueries:
    rows = losing_queries(clean.ranking, attacked, ranker.query.pids)
    images = perturbed["query"].images if "query" in perturbed else None
    return ListedQueries(
        rows,
        ranker.nearest(rows, before["query"], before["gallery"]),
        ranker.nearest(rows, under["query"], under["gallery"]),
        None if images is None else images[rows],
    )
