"""The permutation test beside loops, Holm beside its procedure, groups by hand; false alarms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.statistics.significance import (
    DRAWS,
    LEVEL,
    MOST_DRAWS,
    differing,
    draws_for,
    holm,
    identity_sums,
    many_p,
    sign_flip_bound,
    sign_flip_p,
    tie_groups,
)

WHOLE = st.integers(-4, 4).map(float)


def by_enumeration(sums: list[float]) -> float:
    seen = abs(sum(sums))
    patterns = list(product((-1, 1), repeat=len(sums)))
    far = [abs(sum(s * v for s, v in zip(signs, sums, strict=True))) for signs in patterns]
    return sum(value >= seen - 1e-9 for value in far) / len(patterns)


@settings(max_examples=60)
@given(sums=st.lists(WHOLE, min_size=1, max_size=8))
def test_few_identities_are_enumerated(sums: list[float]) -> None:
    (p,) = sign_flip_p(sums)
    assert p == pytest.approx(by_enumeration(sums))
    (mirrored,) = sign_flip_p([-value for value in sums])
    assert mirrored == p


def test_many_identities_are_drawn_with_one_added_and_agree_with_the_enumeration() -> None:
    sums = np.random.default_rng(1).normal(0.4, 1, (3, 12))
    exact = sign_flip_p(sums, draws=2**12)
    drawn = sign_flip_p(sums, draws=4000)
    assert exact == pytest.approx([by_enumeration(row.tolist()) for row in sums])
    np.testing.assert_allclose(drawn, exact, atol=0.03)
    # p = (b + 1) / (m + 1), so that it is never zero.
    assert drawn * 4001 == pytest.approx(np.round(drawn * 4001))
    (least,) = sign_flip_p(np.ones(40))
    assert least == pytest.approx(1 / (DRAWS + 1))


def test_comparisons_do_not_touch_each_other() -> None:
    sums = np.random.default_rng(2).normal(0.2, 1, (5, 20))
    together = sign_flip_p(sums, draws=500, seed=3)
    alone = [sign_flip_p(row, draws=500, seed=3)[0] for row in sums]
    assert together == pytest.approx(alone)


def test_rounding_does_not_break_ties() -> None:
    assert sign_flip_p([0.1, 0.2, 0.3])[0] == 0.25
    assert sign_flip_p([0.1, 0.2, -0.3])[0] == 1.0
    assert sign_flip_p(np.zeros(30))[0] == 1.0


def test_sums_are_over_the_queries_of_each_identity() -> None:
    pids = np.array([7, 3, 7, 5])
    values = np.array([[1.0, 2.0, 4.0, np.nan], [0.0, 1.0, 0.5, 8.0]])
    expected = [[2.0, 0.0, 5.0], [1.0, 8.0, 0.5]]
    np.testing.assert_array_equal(identity_sums(values, pids), expected)
    np.testing.assert_array_equal(identity_sums(np.isnan(values[0]), pids), [0, 1, 0])


def clustered_nulls(tests: int, identities: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Return differences (tests, Q) of defenses that do not differ, alike within an identity."""
    rng = np.random.default_rng(11)
    shared = rng.standard_t(4, (tests, identities)) * rng.random(identities)
    own = rng.normal(0, 0.3, (tests, identities, each))
    return (shared[..., None] + own).reshape(tests, -1), np.repeat(np.arange(identities), each)


@pytest.mark.parametrize("identities", [11, 40])
def test_false_alarms_are_as_many_as_they_say(identities: int) -> None:
    differences, pids = clustered_nulls(1500, identities, 6)
    p = sign_flip_p(identity_sums(differences, pids), draws=2**11)
    for level in (0.05, 0.2):
        spread = (level * (1 - level) / len(p)) ** 0.5
        assert abs((p < level).mean() - level) < 3 * spread
    # Queries of one person as if they were strangers: the false alarms that the test is to avoid.
    naive = sign_flip_p(differences[:300], draws=999)
    assert (naive < 0.05).mean() > 0.2


def rejected_by_procedure(p: list[float], level: float) -> set[int]:
    """Holm's own words: compare the k-th smallest of m with level / (m - k), stop at the first."""
    found: set[int] = set()
    for k, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[place] * (len(p) - k) > level:
            break
        found.add(place)
    return found


@settings(max_examples=80)
@given(
    p=st.lists(st.floats(0.0001, 1), min_size=1, max_size=9),
    level=st.sampled_from([0.01, 0.05, 0.3, 0.9]),
)
def test_holm_rejects_what_the_procedure_rejects(p: list[float], level: float) -> None:
    adjusted = holm(p)
    assert {i for i, value in enumerate(adjusted) if value <= level} == rejected_by_procedure(
        p, level
    )
    assert all(q >= one for q, one in zip(adjusted, p, strict=True))
    assert max(adjusted) <= 1


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


@pytest.mark.parametrize("tests", [1, 190, 900])
def test_enough_patterns_are_drawn_for_many_tests(tests: int) -> None:
    least = 1 / (draws_for(tests) + 1)
    assert holm([least] + [1.0] * (tests - 1))[0] < LEVEL / 4


def test_groups_are_relative_to_their_leader() -> None:
    differ = {(0, 1), (0, 3), (1, 3)}
    assert tie_groups(5, lambda a, b: (a, b) in differ) == [1, 2, 1, 3, 1]
    assert tie_groups(3, lambda a, b: True) == [1, 2, 3]
    assert tie_groups(3, lambda a, b: False) == [1, 1, 1]
    assert tie_groups(0, lambda a, b: True) == []


@settings(max_examples=60)
@given(sums=st.lists(WHOLE, min_size=1, max_size=10))
def test_the_bound_is_never_below_what_all_patterns_give(sums: list[float]) -> None:
    (bound,) = sign_flip_bound(sums)
    assert by_enumeration(sums) <= bound * (1 + 1e-9)


def test_the_bound_is_near_the_tail() -> None:
    alike = np.ones((1, 40))
    assert sign_flip_bound(alike)[0] == pytest.approx(2 * 0.5**40, rel=0.2)
    assert sign_flip_bound(np.zeros((1, 40)))[0] == 1


@pytest.mark.parametrize("most", [MOST_DRAWS, 2000])
@pytest.mark.parametrize("apart", [0.0, 0.15, 0.4, 1.5])
def test_what_differs_is_what_holm_rejects_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch, most: int, apart: float
) -> None:
    monkeypatch.setattr("results.statistics.significance.MOST_DRAWS", most)
    rng = np.random.default_rng(3)
    rows = rng.normal(0, apart, (12, 1)) + rng.normal(0, 0.5, (12, 40))
    first, second = np.triu_indices(len(rows), 1)
    sums = rows[first] - rows[second]
    expected = np.asarray(holm(many_p(sums))) < LEVEL
    assert expected.any() == (apart > 0)
    np.testing.assert_array_equal(differing(sums), expected)


def test_where_draws_are_too_few_the_bound_tells_clear_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("results.statistics.significance.MOST_DRAWS", 1000)
    sums = np.concatenate([np.ones((100, 40)), np.random.default_rng(0).normal(0, 1, (900, 40))])
    assert draws_for(len(sums)) == 1000
    assert LEVEL < 1 / 1001 * 900  # no number of draws would be enough
    assert differing(sums)[:100].all()
    assert differing(sums).sum() == 100
    assert max(holm(many_p(sums))[:100]) < 1e-6
