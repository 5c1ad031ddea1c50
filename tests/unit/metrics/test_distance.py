"""Blocks of distances: right values, bounded memory, one arithmetic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.bench.embedding_split import SplitSize
from benchmark.bench.ranking import bench_ranking
from benchmark.metrics.distance import (
    QUERY_TILE,
    each_distance_block,
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

    def keep(part: slice, distances: torch.Tensor) -> None:
        assert len(distances) <= QUERY_TILE
        seen[part] = distances

    each_distance_block(queries, gallery, keep, block=1)
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
    seen = []
    each_distance_block(queries, queries, lambda _, distances: seen.append(distances))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        each_distance_block(queries, queries, lambda _, distances: seen.append(distances))
    np.testing.assert_array_equal(*seen)


_MEASURE_MEMORY = """
import numpy, torch
from pathlib import Path
from benchmark.metrics import distance
from benchmark.metrics.ranking import rank_queries

def mib(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))

def rank(queries, gallery, dim=16):
    cameras = numpy.arange(queries + gallery) % 6
    pids = numpy.arange(queries + gallery) % 40 + 1
    embeddings = torch.randn(queries + gallery, dim)
    global before
    before = mib("VmRSS")
    rank_queries(embeddings[:queries], pids[:queries], cameras[:queries],
                 embeddings[queries:], pids[queries:], cameras[queries:])

rank(50, 50)
rank(6000, 12000)
print(mib("VmHWM") - before)
distance._UNIT_BYTES = distance._HELD_BYTES = 2**22
rank(256, 10000, 2048)
print(mib("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own counters")
def test_memory_stays_far_below_the_matrix_and_below_a_copy_of_the_gallery() -> None:
    done = subprocess.run([sys.executable, "-c", _MEASURE_MEMORY], capture_output=True, text=True)
    whole_matrix_mib = 6000 * 12000 * 4 / 2**20
    gallery_mib = 10000 * 2048 * 4 / 2**20
    of_many_queries, of_long_vectors = map(float, done.stdout.split())
    assert of_many_queries < whole_matrix_mib / 4, done.stderr
    assert of_long_vectors < gallery_mib / 2, done.stderr


def test_the_bench_agrees_with_other_ways_to_rank() -> None:
    size = SplitSize(60, 200, 16, identities=13, distractors=30)
    measured = bench_ranking(size, repeats=1)
    for row in measured.values():
        assert row["largest_ap_difference"] < 1e-6
        assert row["seconds"] > 0


def test_blocks_are_cut_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    queries = torch.randn(5 * QUERY_TILE - 9, 20, generator=generator)
    gallery = torch.randn(70, 20, generator=generator)
    whole, cut = (np.full((len(queries), 70), np.nan, np.float32) for _ in range(2))
    sizes: list[int] = []

    def keep(part: slice, distances: torch.Tensor) -> None:
        whole[part] = distances

    def keep_few(part: slice, distances: torch.Tensor) -> None:
        sizes.append(len(distances))
        if len(distances) > QUERY_TILE:
            raise torch.OutOfMemoryError("CUDA out of memory")
        cut[part] = distances

    each_distance_block(queries, gallery, keep, block=QUERY_TILE)
    each_distance_block(queries, gallery, keep_few, block=4 * QUERY_TILE)
    np.testing.assert_array_equal(cut, whole)
    tile = QUERY_TILE
    assert sizes == [4 * tile, 2 * tile, *([tile] * 4), tile - 9]
