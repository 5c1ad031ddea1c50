"""The share of images nearest their own identity, against a loop, and under wrong labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.metrics.label_agreement import label_agreement


def by_hand(embeddings: np.ndarray, pids: np.ndarray) -> float:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    right = []
    for row, pid in enumerate(pids):
        others = np.arange(len(pids)) != row
        if not (others & (pids == pid)).any():
            continue
        cosines = {}
        for other in np.unique(pids):
            centre = unit[others & (pids == other)].sum(0)
            cosines[other] = float(unit[row] @ centre / np.linalg.norm(centre))
        right.append(max(cosines, key=cosines.__getitem__) == pid)
    return float(np.mean(right))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_loop_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pids = rng.permutation(np.repeat([3, 5, 8, 9], [6, 2, 7, 1]))
    embeddings = rng.normal(size=(len(pids), 4)) + rng.normal(size=(10, 4))[pids]
    # An identity whose only image is left out has no centroid without it.
    keep = [p != 9 for p in pids]
    expected = by_hand(embeddings[keep], pids[keep])
    assert label_agreement(torch.from_numpy(embeddings[keep]), pids[keep]) == pytest.approx(
        expected
    )


def test_wrong_labels_lower_it_by_their_share() -> None:
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(1, 21), 20)
    embeddings = torch.from_numpy(np.eye(20)[pids - 1] + 0.05 * rng.normal(size=(400, 20)))
    assert label_agreement(embeddings, pids) == 1.0
    wrong = pids.copy()
    rows = rng.permutation(400)[:120]
    wrong[rows] = (pids[rows] + rng.integers(1, 20, 120) - 1) % 20 + 1
    assert label_agreement(embeddings, wrong) == pytest.approx(0.7, abs=0.02)


def test_single_images_and_single_identities_tell_nothing() -> None:
    vectors = torch.randn(3, 4)
    assert label_agreement(vectors, np.array([1, 2, 3])) is None
    assert label_agreement(vectors, np.array([1, 1, 1])) is None
