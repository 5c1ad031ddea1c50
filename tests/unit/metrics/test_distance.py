"""Blocks of distances: right values, bounded memory, one arithmetic."""

from __future__ import annotations

import numpy as np
import torch

from benchmark.bench.ranking import bench_ranking
from benchmark.metrics.distance import (
    QUERY_TILE,
    cosine_distance_blocks,
    full_precision,
    unit_rows,
)


def test_blocks_hold_one_minus_cosine() -> None:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(300, 20, generator=generator)
    gallery = torch.randn(70, 20, generator=generator)
    expected = 1 - torch.nn.functional.cosine_similarity(
        queries[:, None].double(), gallery[None].double(), dim=2
    )
    seen = np.full((300, 70), np.nan, np.float32)
    for part, distances in cosine_distance_blocks(queries, gallery, block=1):
        assert len(distances) <= QUERY_TILE
        seen[part] = distances
    np.testing.assert_allclose(seen, expected.numpy(), atol=1e-6)


def test_unit_rows_survive_any_finite_scale() -> None:
    rows = torch.tensor([[3e38, 3e38], [1e-40, 0.0], [0.0, 0.0]])
    norms = unit_rows(rows).norm(dim=1)
    torch.testing.assert_close(norms, torch.tensor([1.0, 1.0, 0.0]))


def test_precision_is_restored() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with full_precision("cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_autocast_around_does_not_lower_precision() -> None:
    queries = torch.randn(4, 64, generator=torch.Generator().manual_seed(1))
    ((_, plain),) = cosine_distance_blocks(queries, queries)
    plain = plain.copy()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ((_, under_autocast),) = cosine_distance_blocks(queries, queries)
    np.testing.assert_array_equal(plain, under_autocast)


def test_memory_stays_below_the_whole_matrix() -> None:
    measured = bench_ranking(queries=4000, gallery=8000, dim=16)
    whole_matrix_mib = 4000 * 8000 * 4 / 2**20
    assert measured["benchmark.metrics"]["extra_mib"] < whole_matrix_mib / 3
    assert measured["numpy argsort"]["extra_mib"] > whole_matrix_mib
    assert measured["benchmark.metrics"]["largest_ap_difference"] < 0.05
