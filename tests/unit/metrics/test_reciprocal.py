"""Re-ranking in sparse blocks beside a dense one, written down from the paper's equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmark.core.reranking import Reranking
from benchmark.metrics import reciprocal
from benchmark.metrics.ranking import rank_queries
from benchmark.metrics.reciprocal import EncodedGallery

OPTIONS = (
    Reranking(),
    Reranking(k1=7, k2=3, original_weight=0.1),
    Reranking(k1=4, k2=1, original_weight=0.0),
)


def embeddings(count: int, seed: int, identities: int = 12) -> tuple[torch.Tensor, NDArray]:
    rng = np.random.default_rng(seed)
    pids = rng.integers(1, identities + 1, count)
    centres = np.random.default_rng(99).standard_normal((identities + 1, 24))
    noisy = centres[pids] + 1.3 * rng.standard_normal((count, 24))
    return torch.from_numpy(noisy.astype(np.float32)), pids


def distances(first: torch.Tensor, second: torch.Tensor) -> NDArray[np.float64]:
    unit = [torch.nn.functional.normalize(side.double()) for side in (first, second)]
    return (1 - unit[0] @ unit[1].T).numpy()


def dense(query: torch.Tensor, gallery: torch.Tensor, options: Reranking) -> NDArray[np.float64]:
    """Re-rank for one query after another, equation by equation, with sets and whole rows."""
    between = distances(gallery, gallery)
    np.fill_diagonal(between, -1)  # each image is its own nearest one
    images, half = len(gallery), round(options.k1 / 2)
    nearest = [list(np.argsort(row)) for row in between]
    np.fill_diagonal(between, 0)
    scaled = between / between.max(1, keepdims=True)

    def mutual(x: int, k: int) -> set[int]:  # eq. 2
        return {y for y in nearest[x][: k + 1] if x in nearest[y][: k + 1]}

    def extended(first: set[int]) -> set[int]:  # eq. 3
        found = set(first)
        for q in first:
            theirs = mutual(q, half)
            if len(first & theirs) >= 2 / 3 * len(theirs):
                found |= theirs
        return found

    def vector(row: NDArray[np.float64], members: set[int]) -> NDArray[np.float64]:  # eq. 7
        values = np.array([math.exp(-row[y]) if y in members else 0.0 for y in range(images)])
        return values / values.sum() if members else values

    own = [vector(scaled[x], extended(mutual(x, options.k1))) for x in range(images)]
    expanded = [np.mean([own[y] for y in nearest[x][: options.k2]], 0) for x in range(images)]
    result = np.empty((len(query), images))
    for number, row in enumerate(distances(query, gallery)):
        order, scaled_row = list(np.argsort(row)), row / row.max()
        first = {y for y in order[: options.k1] if row[y] <= between[y][nearest[y][options.k1]]}
        mine = vector(scaled_row, extended(first))
        mean = np.mean([mine, *(own[y] for y in order[: options.k2 - 1])], 0)  # eq. 11
        for y in range(images):
            jaccard = 1 - np.minimum(mean, expanded[y]).sum() / np.maximum(mean, expanded[y]).sum()
            result[number, y] = (
                1 - options.original_weight
            ) * jaccard + options.original_weight * scaled_row[y]
    return result


def reranked(
    query: torch.Tensor, gallery: torch.Tensor, options: Reranking, junk: object = None
) -> NDArray[np.float32]:
    found = torch.from_numpy(distances(query, gallery).astype(np.float32))
    EncodedGallery(gallery, junk, options).rerank(found)
    return found.numpy()


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("seed", range(2))
def test_equals_the_equations(options: Reranking, seed: int) -> None:
    (query, _), (gallery, _) = embeddings(8, seed), embeddings(90, seed + 50)
    expected = dense(query, gallery, options)
    np.testing.assert_allclose(reranked(query, gallery, options), expected, atol=2e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (query, _), (gallery, _) = embeddings(10, 1), embeddings(150, 2)
    expected = reranked(query, gallery, Reranking())
    for name, size in (("_ROWS", 7), ("_PAIRS", 11), ("_SCORES", 450)):
        monkeypatch.setattr(reciprocal, name, size)
    np.testing.assert_allclose(reranked(query, gallery, Reranking()), expected, atol=1e-6)


def test_a_query_does_not_depend_on_the_others() -> None:
    (query, _), (gallery, _) = embeddings(10, 3), embeddings(150, 4)
    alone = reranked(query[4:5], gallery, Reranking())
    np.testing.assert_array_equal(alone[0], reranked(query, gallery, Reranking())[4])


def test_junk_is_no_neighbour_of_anything() -> None:
    (query, _), (gallery, _) = embeddings(10, 5), embeddings(150, 6)
    junk = np.random.default_rng(0).random(150) < 0.2
    expected = reranked(query, gallery[torch.from_numpy(~junk)], Reranking())
    found = reranked(query, gallery, Reranking(), junk)
    np.testing.assert_allclose(found[:, ~junk], expected, atol=1e-6)


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_gallery_of_fewer_images_than_neighbours_is_ranked(images: int) -> None:
    (query, _), (gallery, _) = embeddings(3, 7), embeddings(images, 8)
    assert np.isfinite(reranked(query, gallery, Reranking())).all()


def test_it_helps_where_identities_form_groups() -> None:
    (query, query_pids), (gallery, gallery_pids) = embeddings(60, 9), embeddings(240, 10)
    labels = (query_pids, np.ones(60), gallery, gallery_pids, np.full(240, 2))
    encoded = EncodedGallery(gallery, None, Reranking())
    plain = rank_queries(query, *labels).summary()["map"]
    assert rank_queries(query, *labels, rerank=encoded).summary()["map"] > plain + 3
