"""Guides beside brute force: who pushes, who pulls, who never does."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from benchmark.core.guides import Guides, mean_positive

DIM = 5


def random_guides(pids: list[int], seed: int = 0) -> Guides:
    generator = torch.Generator().manual_seed(seed)
    embeddings = 3 * torch.randn(len(pids), DIM, generator=generator)
    camids = torch.randint(1, 4, (len(pids),), generator=generator)
    known = torch.tensor(pids)
    return Guides(embeddings, known, camids, junk=known < 0, distractor=known == 0)


many_pids = st.lists(st.integers(-1, 4), min_size=2, max_size=20).filter(
    lambda pids: len({p for p in pids if p > 0}) > 1
)


@settings(max_examples=50)
@given(many_pids, st.booleans(), st.integers(0, 1000))
def test_farthest_negative_equals_brute_force(pids: list[int], unit: bool, seed: int) -> None:
    guides = random_guides(pids, seed)
    vectors = torch.randn(4, DIM, generator=torch.Generator().manual_seed(seed + 1))
    own = torch.tensor([1, 2, 0, 9])  # a distractor and a stranger, too
    found, identities = guides.farthest_negative(vectors, own, unit)
    space = F.normalize(guides.embeddings) if unit else guides.embeddings
    centres = {p: space[guides.pids == p].mean(0) for p in set(pids) if p > 0}
    for i in range(4):
        others = {p: c for p, c in centres.items() if p != int(own[i])}
        far = max(others, key=lambda p: float((others[p] - vectors[i]).norm()))
        expected = float((others[far] - vectors[i]).norm())
        assert float((found[i] - vectors[i]).norm()) == pytest.approx(expected, abs=1e-5)
        torch.testing.assert_close(found[i], centres[int(identities[i])])


@settings(max_examples=50)
@given(many_pids, st.integers(0, 1000))
def test_positives_are_of_the_same_identity_another_camera_and_another_row(
    pids: list[int], seed: int
) -> None:
    guides = random_guides(pids, seed)
    rows = torch.arange(len(pids))
    mask = guides.positive_mask(guides.pids, guides.camids, rows)
    for i in rows.tolist():
        for j in rows.tolist():
            expected = (
                guides.pids[i] == guides.pids[j]
                and guides.pids[j] > 0
                and guides.camids[i] != guides.camids[j]
                and i != j
            )
            assert bool(mask[i, j]) == bool(expected)
    everything = guides.positive_mask(guides.pids)
    assert bool(everything.diagonal()[guides.pids > 0].all())
    assert not bool(everything[:, guides.pids <= 0].any())


def test_own_row_is_left_out_without_cameras() -> None:
    guides = random_guides([1, 1, 2])
    mask = guides.positive_mask(guides.pids, None, torch.tensor([0, -1, 2]))
    assert mask.tolist() == [[False, True, False], [True, True, False], [False, False, False]]


def test_distractors_and_junk_are_no_identities() -> None:
    assert random_guides([-1, 0, 3, 1, 1]).identities.tolist() == [1, 3]


@pytest.mark.parametrize("unit", [False, True])
def test_mean_positive_falls_back_where_nothing_is_left(unit: bool) -> None:
    guides = random_guides([1, 1, 2])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    fallback = torch.full((2, DIM), 7.0)
    found = mean_positive(guides, mask, fallback, unit)
    space = F.normalize(guides.embeddings) if unit else guides.embeddings
    torch.testing.assert_close(found[0], space[:2].mean(0))
    torch.testing.assert_close(found[1], fallback[1])


@pytest.mark.parametrize("unit", [False, True])
def test_where_no_other_identity_guides_there_is_no_negative(unit: bool) -> None:
    guides = random_guides([2, 2, 0])
    vectors, own = guides.embeddings, torch.tensor([2, 3, 0])
    assert guides.has_other(own).tolist() == [False, True, True]
    found, identities = guides.farthest_negative(vectors, own, unit)
    assert identities.tolist() == [0, 2, 2]
    torch.testing.assert_close(found[0], vectors[0])
    torch.testing.assert_close(found[1:], guides.centroids(unit).expand(2, -1))


def test_where_nobody_guides_there_is_no_negative() -> None:
    guides = random_guides([0, -1])
    own = torch.tensor([2, 3])
    assert guides.has_other(own).tolist() == [False, False]
    found, identities = guides.farthest_negative(guides.embeddings, own, unit=True)
    assert identities.tolist() == [0, 0]
    assert torch.equal(found, guides.embeddings)
