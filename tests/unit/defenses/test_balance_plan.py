from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.image_set import ImageSet
from defenses.ddid.balance_plan import SynthesisRequest, plan_balance


def labels(counts: dict[tuple[int, int], int]) -> ImageSet:
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    pids, camids = np.array(pairs, np.int64).T
    pixels = np.zeros((len(pairs), 2, 1, 3), np.uint8)
    names = ("x.jpg",) * len(pairs)
    return ImageSet(pixels, pids, camids, names, junk=pids < 0, distractor=pids == 0)


def test_a_short_identity_is_filled_up_in_the_cameras_that_saw_it() -> None:
    # Identity 1: 3 + 1 images, target 7: three more; camera 4 catches up 1 -> 3, then camera 1.
    train = labels({(1, 1): 3, (1, 4): 1, (2, 1): 4, (2, 2): 4})
    assert plan_balance(train, delta1=7, delta2=1.0) == [
        SynthesisRequest(1, 1, 1, "inter-identity"),
        SynthesisRequest(1, 4, 2, "inter-identity"),
    ]


def test_a_dominating_camera_asks_for_one_image_of_each_other_camera() -> None:
    # Identity 1: camera 2 holds 3 of 4 > 0.6; identity 2: 3 of 5 is not above 0.6.
    train = labels({(1, 2): 3, (1, 3): 1, (2, 1): 3, (2, 3): 2})
    assert plan_balance(train, delta1=0, delta2=0.6) == [
        SynthesisRequest(1, 1, 1, "intra-identity"),
        SynthesisRequest(1, 3, 1, "intra-identity"),
    ]


def test_both_rules_count_the_real_images_only() -> None:
    # Filling up identity 1 to 2 + 2 would end the dominance of camera 1; it does not count.
    train = labels({(1, 1): 2, (1, 2): 1, (2, 1): 2, (2, 2): 2})
    assert plan_balance(train, delta1=4, delta2=0.5) == [
        SynthesisRequest(1, 2, 1, "inter-identity"),
        SynthesisRequest(1, 2, 1, "intra-identity"),
    ]


def test_a_tie_of_cameras_goes_to_the_lower_number() -> None:
    train = labels({(1, 3): 2, (1, 5): 2, (2, 4): 6})
    assert plan_balance(train, delta1=5, delta2=1.0) == [
        SynthesisRequest(1, 3, 1, "inter-identity")
    ]


def test_distractors_and_junk_are_left_alone() -> None:
    train = labels({(0, 7): 1, (-1, 8): 1, (1, 1): 2, (1, 2): 1})
    plan = plan_balance(train, delta1=3, delta2=0.5)
    assert plan == [SynthesisRequest(1, 2, 1, "intra-identity")]


@pytest.mark.parametrize(("delta1", "delta2"), [(0, 1.0), (1, 1.0)])
def test_a_rule_can_be_turned_off(delta1: int, delta2: float) -> None:
    assert plan_balance(labels({(1, 1): 1, (2, 2): 5}), delta1, delta2) == []


@given(
    st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(1, 9), min_size=1),
    st.integers(0, 12),
    st.floats(0, 1),
)
def test_each_identity_gets_what_the_two_rules_say(
    counts: dict[tuple[int, int], int], delta1: int, delta2: float
) -> None:
    plan = plan_balance(labels(counts), delta1, delta2)
    cameras = {camid for _, camid in counts}
    for pid in {pid for pid, _ in counts}:
        held = {camid: count for (p, camid), count in counts.items() if p == pid}
        total = sum(held.values())
        inter = [r for r in plan if r.pid == pid and r.reason == "inter-identity"]
        intra = [r for r in plan if r.pid == pid and r.reason == "intra-identity"]
        assert sum(r.count for r in inter) == max(0, delta1 - total)
        assert {r.camid for r in inter} <= held.keys()
        dominated = max(held.values()) / total > delta2
        assert len(intra) == (len(cameras) - 1 if dominated else 0)
        assert all(r.count == 1 for r in intra)
