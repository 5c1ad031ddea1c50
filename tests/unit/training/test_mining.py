from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.training.mining import batch_hard


@given(st.integers(0, 2**32), st.lists(st.integers(0, 3), min_size=2, max_size=9))
def test_the_hardest_pairs_are_those_of_a_search_by_hand(seed: int, classes: list[int]) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(classes), 3))
    labels = torch.tensor(classes)
    if len(set(classes)) == 1:
        with pytest.raises(ValueError, match="two classes"):
            batch_hard(torch.from_numpy(vectors), labels)
        return
    found = batch_hard(torch.from_numpy(vectors), labels)
    for i, own in enumerate(classes):
        gaps = {j: float(np.linalg.norm(vectors[i] - vectors[j])) for j in range(len(classes))}
        matches = [j for j in gaps if classes[j] == own]
        others = [j for j in gaps if classes[j] != own]
        farthest, nearest = max(matches, key=gaps.__getitem__), min(others, key=gaps.__getitem__)
        assert (int(found.positives[i]), int(found.negatives[i])) == (farthest, nearest)
        assert float(found.positive_distances[i]) == pytest.approx(gaps[farthest])
        assert float(found.negative_distances[i]) == pytest.approx(gaps[nearest])
