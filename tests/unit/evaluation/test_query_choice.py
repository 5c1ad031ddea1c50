"""A few queries that stand for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.evaluation.query_choice import choose_queries


def chosen(labels, count, gallery=((1, 9), (2, 9), (3, 9))):
    """Choose among (pid, camid) queries in front of (pid, camid) gallery images."""
    names = [f"{pid:04d}_c{camid}_{n:03d}.jpg" for n, (pid, camid) in enumerate(labels)]
    pids, camids = (np.array([one[i] for one in labels], np.int64) for i in (0, 1))
    others = (np.array([one[i] for one in gallery], np.int64) for i in (0, 1))
    return choose_queries(names, pids, camids, *others, count)


LABELS = [(pid, camid) for pid in (1, 2, 3) for camid in (1, 2, 3)]


def test_identities_take_turns():
    for count, most in ((3, 1), (5, 2), (6, 2), (9, 3)):
        pids = [LABELS[row][0] for row in chosen(LABELS, count)]
        assert len(pids) == count
        assert max(map(pids.count, pids)) == most
        assert min(map(pids.count, (1, 2, 3))) >= count // 3


def test_queries_without_a_match_in_another_camera_come_last():
    labels = [(1, 9), (4, 1), (0, 1), (-1, 1), *LABELS]  # own camera, no image, distractor, junk
    assert chosen(labels, 9).min() == 4
    assert chosen(labels, 11).tolist()[2:] == list(range(4, 13))


def test_it_is_always_the_same():
    assert chosen(LABELS, 4).tolist() == [1, 5, 6, 7]


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(1, 3)), max_size=30), st.randoms())
def test_the_order_of_the_files_does_not_matter_and_more_hold_fewer(labels, random):
    names = [f"{n}.jpg" for n in range(len(labels))]
    gallery = np.array([1, 2, 3, 3]), np.array([1, 2, 2, 3])

    def picked(order, count):
        pids = np.array([labels[n][0] for n in order], np.int64)
        camids = np.array([labels[n][1] for n in order], np.int64)
        rows = choose_queries([names[n] for n in order], pids, camids, *gallery, count)
        assert rows.dtype == np.int64
        assert list(rows) == sorted(rows)
        return {order[row] for row in rows}

    order = list(range(len(labels)))
    shuffled = random.sample(order, len(order))
    before: set[int] = set()
    for count in (1, 2, 5, 40):
        now = picked(order, count)
        assert now == picked(shuffled, count)
        assert len(now) == min(count, len(labels))
        assert before <= now
        before = now


@pytest.mark.parametrize("count", [1, 100])
def test_no_queries_give_no_rows(count):
    assert chosen([], count).tolist() == []
