"""Detection as a protocol of its own: clean and attacked queries before a detector.

A scene is a set of queries and a gallery as several experts see them; the first expert is the
target, whose ranking counts. Attacks are crafted by the rules of every attack, images are rounded
to 8 bits, and only then do the experts look at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.device import DevicePolicy
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.evaluation.attack_inputs import AttackerView, AttackInputs
from benchmark.evaluation.crafting import craft
from benchmark.evaluation.evaluator import DODGING_QUERIES, seen_by
from benchmark.evaluation.set_ranker import SetRanker
from benchmark.experiments.detection.detector import Detector
from benchmark.experiments.detection.evading_attack import Evading
from benchmark.experiments.detection.retrieval_context import ContextExtractor, largest_k
from benchmark.metrics.embedding import embed_images
from benchmark.metrics.ranking import RankingResult


@dataclass(frozen=True)
class ScoredQueries:
    """How queries fare before the target and before the detector.

    Attributes:
        scores: (Q,) logits of the detector; high is suspicious.
        ranking: Outcome of each query under the target alone.
    """

    scores: NDArray[np.float64]
    ranking: RankingResult


class DetectionScene:
    """Queries and a gallery before several experts.

    Args:
        encoders: The experts; the first one is the target.
        views: What a white-box attacker differentiates in place of each.
        query: Clean queries.
        gallery: Clean gallery; may be the same set, as only images of other cameras are retrieved.
        policy: Where to run.
        batch: Images at a time.
        owner: Name of the target's defense, for error messages.

    Attributes:
        queries: Number of queries.
        largest_k: Largest support set that every query can fill.
    """

    def __init__(
        self,
        encoders: Sequence[nn.Module],
        views: Sequence[nn.Module],
        query: ImageSet,
        gallery: ImageSet,
        *,
        policy: DevicePolicy,
        batch: int,
        owner: str,
    ) -> None:
        self._experts, self._views = SurrogateEnsemble(encoders), SurrogateEnsemble(views)
        self._target, self._view = encoders[0], views[0]
        self._query, self._gallery = query, gallery
        self._policy, self._batch, self._owner = policy, batch, owner
        self._clean, self._stored = (
            [
                embed_images(encoder, images, policy=policy, batch=batch, owner=owner)
                for encoder in encoders
            ]
            for images in (query, gallery)
        )
        device = policy.device
        self._camids = torch.from_numpy(query.camids).to(device)
        self._gallery_camids = torch.from_numpy(gallery.camids).to(device)
        self.queries = len(query)
        self.largest_k = largest_k(self._camids, self._gallery_camids)

    def extractor(self, k: int) -> ContextExtractor:
        """Return the experts' galleries with support sets of `k` images."""
        units = (torch.nn.functional.normalize(one) for one in self._stored)
        galleries = tuple(one.to(self._policy.device) for one in units)
        return ContextExtractor(galleries, self._gallery_camids, k)

    def clean(self) -> Tensor:
        """Return the joined embeddings of the clean queries, on the CPU."""
        return joined_embeddings(self._clean)

    def features(self, extractor: ContextExtractor, joined: Tensor) -> Tensor:
        """Return the contexts (Q, F) of queries by their joined embeddings."""
        parts = extractor.parts(joined.to(self._policy.device))
        blocks = [
            extractor.features([part[rows] for part in parts], self._camids[rows])
            for rows in torch.split(torch.arange(len(joined)), self._batch)
        ]
        return torch.cat(blocks)

    def attacked(self, attack: Attack, seed: int, bar: Bar) -> Tensor:
        """Return the joined embeddings of the queries after an attack, rounded to 8 bits.

        An attack sees the target alone, as in a run; one that evades a detector sees all experts.
        """
        evades = isinstance(attack, Evading)
        clean, stored = (
            joined_embeddings(parts) if evades else parts[0]
            for parts in (self._clean, self._stored)
        )
        threat = attack.threat_with(attack.config)
        encoder = self._views if evades else seen_by(threat, self._target, self._view)
        view = AttackerView(encoder, clean, stored)
        inputs = AttackInputs(
            self._query, self._gallery, view, DODGING_QUERIES, seed, self._policy.device
        )
        crafted = craft(
            self._experts,
            attack,
            inputs,
            "query",
            seed=seed,
            batch=self._batch,
            bar=bar,
            owner=self._owner,
        )
        return crafted.embeddings["rounded"]

    def score(
        self, extractor: ContextExtractor, detector: Detector, joined: Tensor
    ) -> ScoredQueries:
        """Return scores and ranking of queries by their joined embeddings."""
        logits = detector.logits(self.features(extractor, joined))
        target = extractor.parts(joined.to(self._policy.device))[0].cpu()
        return ScoredQueries(
            scores=logits.double().cpu().numpy(),
            ranking=SetRanker(self._query, self._gallery).rank(target, self._stored[0]),
        )


def with_match(images: ImageSet) -> ImageSet:
    """Return the images whose identity another camera shows as well.

    For others, attacks that push away from the true matches have nothing to push away from.
    """
    cameras = {pid: set(images.camids[images.pids == pid].tolist()) for pid in images.identities}
    several = [pid for pid, seen_by in cameras.items() if len(seen_by) > 1]
    return images.subset(np.isin(images.pids, several))


def mean_ap(ranking: RankingResult, chosen: NDArray[np.bool_] | None = None) -> float | None:
    """Return the mAP in percent over some queries that have a match; None if there is none."""
    counted = ranking.valid if chosen is None else ranking.valid & chosen
    return 100 * float(ranking.ap[counted].mean()) if counted.any() else None


def behind_the_detector(
    clean: ScoredQueries, attacked: Mapping[str, ScoredQueries], threshold: float
) -> dict[str, float]:
    """Return what the best choice of an attacker for each query leaves of a watched system.

    For each query the attacker takes, among the attacks that pass, the one with the lowest AP; if
    none passes, the query is not attacked, and the clean one counts.

    Returns:
        ``map`` in percent, and ``evaded``: the share of queries, in percent, with an attack that
        passes and lowers the AP.
    """
    best = clean.ranking.ap.copy()
    for scored in attacked.values():
        passes = scored.scores <= threshold
        best = np.where(passes, np.fmin(best, scored.ranking.ap), best)
    valid = clean.ranking.valid
    return {
        "map": 100 * float(best[valid].mean()),
        "evaded": 100 * float((best[valid] < clean.ranking.ap[valid]).mean()),
    }
