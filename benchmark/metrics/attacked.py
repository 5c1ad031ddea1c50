"""Ranking before and under an attack on the query side: the measurement behind every number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackBatch, round_to_8_bits
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import check_embeddings, evaluating
from benchmark.core.guides import Guides
from benchmark.core.progress import Bar
from benchmark.core.seeding import derive_seed
from benchmark.data.records import ImageSet
from benchmark.metrics.embedding import embed_images
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


@dataclass(frozen=True)
class AttackedRanking:
    """Ranking of adversarial queries and what they cost.

    Attributes:
        ranking: Outcome of each query on images rounded to 8 bits: the headline.
        ranking_float: Outcome on the unrounded images.
        seconds: Time inside the attack.
        forwards: Images that went forward inside the attack.
        backwards: Images that went backward.
        queries: Answers that a black-box attack asked for; 0 for white-box attacks.
        max_distance_255: Largest change of a pixel of the 8-bit images, in 1/255 units.
        trace: Mean objective at each step.
    """

    ranking: RankingResult
    ranking_float: RankingResult
    seconds: float
    forwards: int
    backwards: int
    queries: int
    max_distance_255: float
    trace: list[float]


def clean_ranking(
    encoder: nn.Module,
    query: ImageSet,
    gallery: ImageSet,
    *,
    policy: DevicePolicy,
    batch: int,
    owner: str,
) -> CleanRanking:
    """Embed and rank clean images; see `embed_images` for the arguments."""
    query_embeddings = embed_images(encoder, query, policy=policy, batch=batch, owner=owner)
    gallery_embeddings = embed_images(encoder, gallery, policy=policy, batch=batch, owner=owner)
    ranking = _rank(query_embeddings, gallery_embeddings, query, gallery)
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
) -> AttackedRanking:
    """Attack every query and rank the clean gallery for it.

    Args:
        encoder: What is attacked.
        attack: The attack with its budget.
        query: Clean queries.
        gallery: Clean gallery.
        clean: Their ranking and embeddings.
        seed: Attack seed; each query derives its own from it and from its name.
        policy: Where to run.
        batch: Queries at a time; results do not depend on it beyond float rounding.
        bar: Advanced by the number of finished queries.
        owner: Name of the defense, for error messages.

    Raises:
        PluginError: The attack or the encoder broke its contract.
    """
    scene = _Scene(query, gallery, clean, policy.device)
    rounded: list[Tensor] = []
    unrounded: list[Tensor] = []
    trace = torch.zeros(0, dtype=torch.float64)
    seconds, forwards, backwards, farthest = 0.0, 0, 0, 0.0
    for start in range(0, len(query), batch):
        attack_batch = scene.batch(start, min(start + batch, len(query)), seed, attack.name)
        outcome = attack.run(encoder, attack_batch)
        seconds += outcome.seconds
        forwards += outcome.forwards
        backwards += outcome.backwards
        trace = _add_trace(trace, outcome.trace, len(attack_batch.images))
        images_8_bit = round_to_8_bits(outcome.images, attack_batch.images, attack.eps_255)
        farthest = max(farthest, float((images_8_bit - attack_batch.images).abs().max()) * 255)
        with torch.no_grad(), evaluating(encoder):
            for images, parts in ((images_8_bit, rounded), (outcome.images, unrounded)):
                parts.append(check_embeddings(encoder(images), len(images), owner).float().cpu())
        bar.advance(len(attack_batch.images))
    return AttackedRanking(
        ranking=_rank(torch.cat(rounded), clean.gallery_embeddings, query, gallery),
        ranking_float=_rank(torch.cat(unrounded), clean.gallery_embeddings, query, gallery),
        seconds=seconds,
        forwards=forwards,
        backwards=backwards,
        queries=0,
        max_distance_255=farthest,
        trace=(trace / len(query)).tolist(),
    )


class _Scene:
    """The guides of a query and a gallery set, and batches of queries that see them."""

    def __init__(
        self, query: ImageSet, gallery: ImageSet, clean: CleanRanking, device: torch.device
    ) -> None:
        self._query, self._device = query, device
        self._query_guides = _guides(query, clean.query_embeddings, device)
        self._gallery_guides = _guides(gallery, clean.gallery_embeddings, device)

    def batch(self, start: int, stop: int, seed: int, purpose: str) -> AttackBatch:
        rows = torch.arange(start, stop, device=self._device)
        names = self._query.names[start:stop]
        return AttackBatch(
            images=self._query.tensor(slice(start, stop)).to(self._device),
            pids=self._query_guides.pids[start:stop],
            camids=self._query_guides.camids[start:stop],
            seeds=[derive_seed(seed, purpose, name) for name in names],
            query_guides=self._query_guides,
            gallery_guides=self._gallery_guides,
            query_rows=rows,
            gallery_rows=torch.full_like(rows, -1),
            clean=self._query_guides.embeddings[start:stop],
        )


def _guides(images: ImageSet, embeddings: Tensor, device: torch.device) -> Guides:
    return Guides(
        embeddings.to(device),
        torch.from_numpy(images.pids).to(device),
        torch.from_numpy(images.camids).to(device),
    )


def _rank(
    query_embeddings: Tensor, gallery_embeddings: Tensor, query: ImageSet, gallery: ImageSet
) -> RankingResult:
    return rank_queries(
        query_embeddings,
        query.pids,
        query.camids,
        gallery_embeddings,
        gallery.pids,
        gallery.camids,
    )


def _add_trace(total: Tensor, trace: list[float], images: int) -> Tensor:
    """Add the trace of a batch, weighted by its images; unequal traces are cut to the shorter."""
    added = torch.tensor(trace, dtype=torch.float64) * images
    if total.numel() == 0:
        return added
    steps = min(len(total), len(added))
    return total[:steps] + added[:steps]
