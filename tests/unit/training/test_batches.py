"""Batches, augmentation and held-out identities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import DataError
from benchmark.data.held_out import query_and_gallery, split_held_out
from benchmark.data.sampler import PKSampler
from benchmark.data.transforms import augment
from tests.tiny_scene import image_set

splits = st.lists(st.integers(1, 6), min_size=2, max_size=8)  # images of each identity


@settings(max_examples=60)
@given(splits, st.data(), st.integers(0, 100))
def test_batches_hold_p_identities_with_k_images(
    counts: list[int], data: st.DataObject, seed: int
) -> None:
    pids = np.repeat(np.arange(1, len(counts) + 1) * 7, counts)
    p = data.draw(st.integers(1, len(counts)))
    k = data.draw(st.integers(1, 4))
    sampler = PKSampler(pids, p, k)
    batches = sampler.epoch(seed)
    assert len(batches) == sampler.batches == max(1, len(pids) // (p * k))
    for batch in batches:
        drawn = pids[batch].reshape(p, k)
        assert (drawn == drawn[:, :1]).all()
        assert len(set(drawn[:, 0].tolist())) == p
        for rows, pid in zip(batch.reshape(p, k), drawn[:, 0], strict=True):
            if (pids == pid).sum() >= k:
                assert len(set(rows.tolist())) == k
    again = sampler.epoch(seed)
    assert all((a == b).all() for a, b in zip(batches, again, strict=True))


def test_every_identity_comes_before_any_comes_twice() -> None:
    pids = np.repeat(np.arange(1, 10), 4)
    sampler = PKSampler(pids, 3, 2, epoch_images=18)
    drawn = np.concatenate([pids[b] for b in sampler.epoch(0)])
    assert sorted(drawn.tolist()) == np.repeat(np.arange(1, 10), 2).tolist()
    assert any((a != b).any() for a, b in zip(sampler.epoch(0), sampler.epoch(1), strict=True))


def test_too_few_identities() -> None:
    with pytest.raises(DataError, match="3 training identities are fewer than the 4") as caught:
        PKSampler(np.array([1, 1, 2, 2, 3, 3]), 4, 2)
    assert "training.identities=2" in caught.value.hint


@settings(max_examples=30)
@given(st.integers(0, 2**40), st.floats(0, 1), st.integers(0, 3), st.floats(0, 1))
def test_augmentation_is_deterministic_and_stays_in_range(
    seed: int, flip: float, pad: int, erase: float
) -> None:
    images = torch.rand(4, 3, 12, 6, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    torch.manual_seed(0)
    first = augment(images, seed, flip=flip, pad=pad, erase=erase)
    torch.manual_seed(1)
    assert torch.equal(first, augment(images, seed, flip=flip, pad=pad, erase=erase))
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1


def test_each_augmentation_alone() -> None:
    images = torch.rand(8, 3, 12, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(augment(images, 0, flip=0, pad=0, erase=0), images)
    assert torch.equal(augment(images, 0, flip=1, pad=0, erase=0), images.flip(3))
    for image, crop in zip(images, augment(images, 0, flip=0, pad=1, erase=0), strict=True):
        padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
        places = [padded[:, y : y + 12, x : x + 6] for y in range(3) for x in range(3)]
        assert any(torch.equal(crop, place) for place in places)
    changed = augment(images, 0, flip=0, pad=0, erase=1) != images
    shares = changed.any(1).float().mean((1, 2))
    assert float(shares.min()) > 0
    assert float(shares.max()) <= 0.5
    for mask in changed.all(1):  # a rectangle
        rows, columns = mask.any(1), mask.any(0)
        assert int(mask.sum()) == int(rows.sum()) * int(columns.sum())


def test_held_out_identities_are_disjoint_and_the_same_for_every_training() -> None:
    images = image_set(identities=10, size=(16, 8))
    fitted, held_out = split_held_out(images, 0.2)
    assert len(held_out.identities) == 2
    assert not set(fitted.pids.tolist()) & set(held_out.pids.tolist())
    assert sorted(fitted.names + held_out.names) == sorted(images.names)
    np.random.seed(5)
    torch.manual_seed(5)
    shuffled = images.subset(np.random.default_rng(3).permutation(len(images)))
    assert set(split_held_out(shuffled, 0.2)[1].names) == set(held_out.names)


def test_no_share_holds_nothing_out_and_a_small_one_two() -> None:
    images = image_set(identities=10, size=(16, 8))
    assert len(split_held_out(images, 0.0)[1]) == 0
    assert len(split_held_out(images, 0.01)[1].identities) == 2


def test_one_query_for_each_identity_and_camera() -> None:
    images = image_set(identities=3, cameras=2, per_camera=2, size=(16, 8))
    alone = images.subset((images.pids != 3) | (images.camids == 1))
    query, gallery = query_and_gallery(alone)
    pairs = list(zip(query.pids.tolist(), query.camids.tolist(), strict=True))
    assert pairs == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert sorted(query.names + gallery.names) == sorted(alone.names)


def test_where_each_image_is_its_own_camera_an_identity_gives_one_query() -> None:
    images = image_set(identities=3, cameras=3, per_camera=1, size=(16, 8))
    query, gallery = query_and_gallery(images)
    assert query.pids.tolist() == [1, 2, 3]
    assert len(gallery) == 6


def test_an_empty_subset_is_a_set() -> None:
    images = image_set()
    empty: list[Any] = [[], np.zeros(len(images), bool), np.array([], np.int64)]
    for index in empty:
        assert len(images.subset(index)) == 0
    assert len(images.subset([]).subset([])) == 0
