"""The fast ranking beside a brute-force one that walks along each sorted gallery."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmark.core.errors import DataError, PluginError
from benchmark.metrics import distance, match_ranks
from benchmark.metrics.ranking import RankingResult, rank_queries, trivial_queries


@dataclass(frozen=True)
class Split:
    query: NDArray[np.float32]
    query_pids: NDArray[np.int64]
    query_camids: NDArray[np.int64]
    gallery: NDArray[np.float32]
    gallery_pids: NDArray[np.int64]
    gallery_camids: NDArray[np.int64]

    def rank(self, **options: object) -> RankingResult:
        return rank_queries(
            torch.from_numpy(self.query),
            self.query_pids,
            self.query_camids,
            torch.from_numpy(self.gallery),
            self.gallery_pids,
            self.gallery_camids,
            gallery_junk=self.gallery_pids < 0,
            gallery_distractor=self.gallery_pids == 0,
            **options,  # type: ignore[arg-type]
        )


def random_split(
    seed: int, queries: int = 12, gallery: int = 40, identities: int = 6, dim: int = 4
) -> Split:
    """Draw integer embeddings (many exact ties), junk (-1), distractors (0) and three cameras."""
    rng = np.random.default_rng(seed)

    def embeddings(count: int) -> NDArray[np.float32]:
        # One non-zero entry of size 1 or 2: cosines are exactly 0 or +-1 in any arithmetic.
        rows = np.zeros((count, dim), np.float32)
        rows[np.arange(count), rng.integers(0, dim, count)] = rng.choice([-2, -1, 0, 1, 2], count)
        return rows

    return Split(
        embeddings(queries),
        rng.integers(-1, identities + 1, queries),
        rng.integers(1, 4, queries),
        embeddings(gallery),
        rng.integers(-1, identities + 1, gallery),
        rng.integers(1, 4, gallery),
    )


def continuous_split(seed: int, queries: int = 50, gallery: int = 300) -> Split:
    """Draw embeddings around the centre of their identity."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((21, 16))
    query_pids, gallery_pids = rng.integers(1, 21, queries), rng.integers(-1, 21, gallery)
    noise = rng.standard_normal((queries + gallery, 16)) * 2
    return Split(
        (centres[query_pids] + noise[:queries]).astype(np.float32),
        query_pids,
        rng.integers(1, 7, queries),
        (centres[gallery_pids] + noise[queries:]).astype(np.float32),
        gallery_pids,
        rng.integers(1, 7, gallery),
    )


def brute_force(split: Split, trapezoid: bool = False) -> list[tuple[float, float, int]]:
    """Return (AP, INP, rank of the first match) of each query, from the protocol's wording."""
    outcomes = []
    for vector, pid, camid in zip(
        split.query.astype(float), split.query_pids, split.query_camids, strict=True
    ):
        ranked = []
        for other, other_pid, other_camid in zip(
            split.gallery.astype(float), split.gallery_pids, split.gallery_camids, strict=True
        ):
            if other_pid == -1 or (other_pid == pid and other_camid == camid):
                continue
            norms = math.sqrt(vector @ vector) * math.sqrt(other @ other)
            distance = 1.0 - (vector @ other / norms if norms else 0.0)
            match = bool(other_pid == pid and pid > 0)
            ranked.append((round(distance, 9), match))
        ranked.sort()  # at equal distance False, a negative, comes first
        hits, precisions, last, first = 0, [], 0, 0
        for position, (_, match) in enumerate(ranked, start=1):
            if match:
                before = hits / (position - 1) if position > 1 else 1.0
                hits += 1
                now = hits / position
                precisions.append((before + now) / 2 if trapezoid else now)
                first, last = first or position, position
        if hits:
            outcomes.append((sum(precisions) / hits, hits / last, first))
        else:
            outcomes.append((math.nan, math.nan, 0))
    return outcomes


def assert_equals_brute_force(split: Split, trapezoid: bool = False) -> None:
    expected = brute_force(split, trapezoid)
    result = split.rank(ap="trapezoid" if trapezoid else "step")
    np.testing.assert_allclose(result.ap, [ap for ap, _, _ in expected], atol=1e-6)
    np.testing.assert_allclose(result.inp, [inp for _, inp, _ in expected], atol=1e-6)
    np.testing.assert_array_equal(result.rank, [rank for _, _, rank in expected])


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    gallery=st.integers(1, 60),
    identities=st.integers(1, 8),
    dim=st.integers(1, 5),
    trapezoid=st.booleans(),
)
def test_equals_brute_force_with_ties_junk_and_distractors(
    seed: int, queries: int, gallery: int, identities: int, dim: int, trapezoid: bool
) -> None:
    split = random_split(seed, queries, gallery, identities, dim)
    assert_equals_brute_force(split, trapezoid)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trapezoid", [False, True])
def test_equals_brute_force_on_continuous_embeddings(seed: int, trapezoid: bool) -> None:
    assert_equals_brute_force(continuous_split(seed), trapezoid)


def test_more_queries_than_a_tile_equal_brute_force() -> None:
    assert_equals_brute_force(continuous_split(9, queries=300, gallery=150))


def test_collapsed_embeddings_rank_matches_last() -> None:
    ones = torch.ones(1, 8)
    result = rank_queries(ones, [1], [1], torch.ones(4, 8), [2, 1, 1, 3], [2, 2, 2, 2])
    assert result.rank.tolist() == [3]
    assert result.ap[0] == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert result.inp[0] == pytest.approx(2 / 4)


def test_collapsed_continuous_embeddings_tie_exactly() -> None:
    rng = np.random.default_rng(0)
    vector = torch.from_numpy(rng.standard_normal((1, 96)).astype(np.float32))
    pids = rng.integers(1, 9, 500)
    result = rank_queries(
        vector.repeat(30, 1), pids[:30], np.ones(30), vector.repeat(500, 1), pids, np.full(500, 2)
    )
    matches = np.array([(pids == pid).sum() for pid in pids[:30]])
    np.testing.assert_array_equal(result.rank, 500 - matches + 1)


@pytest.mark.parametrize("block", [1, 7, 256, 10_000])
def test_block_size_changes_nothing(block: int) -> None:
    split = continuous_split(3, queries=600)
    np.testing.assert_array_equal(split.rank(block=block).ap, split.rank().ap)


@pytest.mark.parametrize("seed", range(4))
def test_a_device_counts_as_the_cpu_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = (random_split(seed, queries=40), continuous_split(seed))
    expected = [split.rank() for split in splits]

    def on_device(wanted: NDArray, distances: NDArray, _: NDArray) -> NDArray:
        return match_ranks._up_to_on_device(torch.from_numpy(wanted), torch.from_numpy(distances))

    monkeypatch.setattr(match_ranks, "_up_to_by_sorting", on_device)
    monkeypatch.setattr(match_ranks, "_AT_ONCE", 100)
    for split, one in zip(splits, expected, strict=True):
        np.testing.assert_array_equal(split.rank().ap, one.ap)
        np.testing.assert_array_equal(split.rank().rank, one.rank)


def test_blocks_of_the_gallery_and_a_tile_a_thread_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = continuous_split(6, queries=600)
    expected = split.rank().ap
    monkeypatch.setattr(match_ranks, "_IN_CACHE", 1000)
    with monkeypatch.context() as patched:
        patched.setattr(distance, "_TILE_A_THREAD", range(1, 1000))
        np.testing.assert_array_equal(split.rank().ap, expected)
    monkeypatch.setattr(distance, "_UNIT_BYTES", 16 * 4 * 100)  # 300 images are 3 blocks of 128
    for block in (None, 256, 600):
        np.testing.assert_allclose(split.rank(block=block).ap, expected, atol=1e-6)
    assert_equals_brute_force(split)


def test_a_memory_map_of_halves_is_ranked(tmp_path: Path) -> None:
    split = continuous_split(7)
    halves = split.gallery.astype(np.float16)
    np.save(tmp_path / "gallery.npy", halves)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r+")
    found = replace(split, gallery=mapped).rank()
    np.testing.assert_array_equal(found.ap, replace(split, gallery=halves).rank().ap)


def test_other_queries_change_nothing() -> None:
    split = continuous_split(4, queries=400)
    chosen = np.random.default_rng(0).permutation(400)[:123]
    alone = Split(
        split.query[chosen],
        split.query_pids[chosen],
        split.query_camids[chosen],
        split.gallery,
        split.gallery_pids,
        split.gallery_camids,
    ).rank()
    np.testing.assert_array_equal(alone.ap, split.rank().ap[chosen])
    np.testing.assert_array_equal(alone.rank, split.rank().rank[chosen])


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_the_gallery_changes_nothing(seed: int) -> None:
    for split in (random_split(seed % 7), continuous_split(seed % 11)):
        order = np.random.default_rng(seed).permutation(len(split.gallery))
        shuffled = Split(
            split.query,
            split.query_pids,
            split.query_camids,
            split.gallery[order],
            split.gallery_pids[order],
            split.gallery_camids[order],
        )
        np.testing.assert_allclose(shuffled.rank().ap, split.rank().ap, atol=1e-6)


def test_scale_of_embeddings_changes_nothing() -> None:
    split = continuous_split(5)
    expected = split.rank().ap
    for scale in (1e-30, 1e30):
        scaled = Split(
            split.query * np.float32(scale),
            split.query_pids,
            split.query_camids,
            split.gallery * np.float32(scale),
            split.gallery_pids,
            split.gallery_camids,
        )
        np.testing.assert_allclose(scaled.rank().ap, expected, atol=1e-6)


def test_zero_embeddings_give_numbers() -> None:
    result = rank_queries(torch.zeros(1, 3), [1], [1], torch.eye(3), [1, 2, 3], [2, 2, 2])
    assert result.ap.tolist() == [pytest.approx(1 / 3)]


def test_inputs_are_left_alone() -> None:
    query, gallery = torch.full((1, 2), 3.0, requires_grad=True), torch.full((2, 2), 5.0)
    rank_queries(query, [1], [1], gallery, [1, 2], [2, 2])
    assert query.detach().eq(3).all()
    assert gallery.eq(5).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_are_ranked(dtype: torch.dtype) -> None:
    gallery = torch.eye(3, dtype=dtype)
    result = rank_queries(gallery[:1], [1], [1], gallery, [1, 2, 3], [2, 2, 2])
    assert result.ap.tolist() == [1.0]


def test_queries_without_a_match_are_skipped_not_scored() -> None:
    gallery = torch.eye(3)
    result = rank_queries(
        gallery,
        [1, 9, 0],
        [1, 1, 1],
        gallery,
        [1, 2, 0],
        [2, 2, 2],
        gallery_distractor=[False, False, True],
    )
    assert result.valid.tolist() == [True, False, False]
    assert np.isnan(result.ap[1:]).all()
    assert result.summary() == {
        "map": 100.0,
        "rank1": 100.0,
        "rank5": 100.0,
        "rank10": 100.0,
        "minp": 100.0,
        "queries": 1,
        "skipped": 2,
    }


def test_summary_counts_first_ranks() -> None:
    result = RankingResult(
        np.array([1.0, 0.5, np.nan, 0.1]),
        np.array([1.0, 0.5, np.nan, 0.3]),
        np.array([1, 5, 0, 11]),
    )
    summary = result.summary()
    assert summary["rank1"] == pytest.approx(100 / 3)
    assert summary["rank5"] == summary["rank10"] == pytest.approx(200 / 3)
    assert summary["map"] == pytest.approx(160 / 3)
    assert summary["minp"] == pytest.approx(60.0)


def test_no_match_at_all_leaves_nothing_to_average() -> None:
    gallery = torch.eye(2)
    result = rank_queries(gallery[:1], [1], [1], gallery, [1, 2], [1, 1])
    assert np.isnan(result.ap).all()
    with pytest.raises(DataError, match="none of 1 queries"):
        result.summary()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_embeddings_that_are_not_finite_are_a_plugin_error(bad: float) -> None:
    query, gallery = torch.ones(2, 3), torch.ones(5, 3)
    gallery[1, 2] = gallery[4, 0] = bad
    with pytest.raises(PluginError, match="2 of 5 gallery embeddings"):
        rank_queries(query, [1, 2], [1, 1], gallery, [1, 2, 3, 4, 5], [2] * 5)


def test_embeddings_of_the_wrong_shape_are_a_plugin_error() -> None:
    with pytest.raises(PluginError, match="shape"):
        rank_queries(torch.ones(3, 4), [1, 2], [1, 1], torch.ones(1, 4), [1], [2])
    with pytest.raises(PluginError, match="shape"):
        rank_queries(torch.ones(1, 4, 2), [1], [1], torch.ones(1, 4), [1], [2])
    with pytest.raises(PluginError, match="dimensions"):
        rank_queries(torch.ones(1, 4), [1], [1], torch.ones(1, 5), [1], [2])


@pytest.mark.parametrize(
    ("gallery", "trivial"),
    [
        ([1, 1, -1], 1),  # identity 2 has no match and is not scored; junk is not ranked
        ([1, 1, 0], 0),
        ([1, 2], 0),
        ([2, 2], 1),
        ([3], 0),
    ],
)
def test_queries_with_nothing_to_rank_before_a_match_are_counted(
    gallery: list[int], trivial: int
) -> None:
    pids = np.array(gallery)
    counted = trivial_queries(
        [1, 2],
        [1, 1],
        pids,
        np.full(len(pids), 2),
        gallery_junk=pids < 0,
        gallery_distractor=pids == 0,
    )
    assert counted == trivial


def test_flags_decide_and_not_the_sign_of_an_identity() -> None:
    gallery = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.8, 0.2], [0.0, 1.0]])
    query = torch.tensor([[1.0, 0.0]])

    def rank(pid: int, **flags: list[bool]) -> int:
        return int(
            rank_queries(query, [pid], [1], gallery, [7, 7, pid, pid], [2] * 4, **flags).rank[0]
        )

    for pid in (0, -5):
        assert rank(pid) == 3
        assert rank(pid, gallery_junk=[True, False, False, False]) == 2
        assert rank(pid, gallery_distractor=[False, False, True, False]) == 4
        assert rank(pid, gallery_distractor=[True, True, False, False]) == 3
        assert rank(pid, gallery_junk=[False, False, True, True]) == 0


def test_flags_of_another_gallery_are_refused() -> None:
    with pytest.raises(ValueError, match="3 flags for 2 gallery images"):
        rank_queries(
            torch.eye(2), [1, 2], [1, 1], torch.eye(2), [1, 2], [2, 2], gallery_junk=[0, 0, 1]
        )
