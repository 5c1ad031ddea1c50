"""A new attack beside the published ones: on the same queries, or not at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from results.board.attack_place import Placing, overall, place_attacks
from results.records.schema import Record
from results.records.store import PerQuery

MakeRecord = Callable[..., Record]
MakeAttack = Callable[..., dict[str, object]]
NAMES = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def outcomes(names: list[str], **ap: list[float]) -> PerQuery:
    pids = np.array([ord(name[0]) for name in names], np.int64)
    values = {key.replace("_", "@"): np.array(value) for key, value in ap.items()}
    ranks = {key: np.ones(len(names), np.int64) for key in values}
    return PerQuery(np.array(names), pids, np.ones(len(names), np.int64), values, ranks)


THEIRS = outcomes(
    NAMES,
    clean=[0.8, 0.6, 1.0, 1.0],
    sma_8=[0.4, 0.2, 0.0, 0.0],
    fna_8=[0.1, 0.3, 1.0, 1.0],
)


@pytest.fixture
def place(make_record: MakeRecord, make_attack: MakeAttack) -> Callable[..., Placing]:
    """Return a function that places an attack, tried on the first two queries."""
    known = [make_attack("random-noise", 80), make_attack("sma", 10), make_attack("fna", 60)]
    other = make_record("none", attacks=known)

    def run(mine: PerQuery, clean: float = 70.0, name: str = "mine", **changes: object) -> Placing:
        tried = make_attack(name, 15.0, **changes)
        own = make_record("zoo:none", clean=clean, attacks=[tried], protocol="f" * 64)
        measured = {own.id: mine, other.id: THEIRS}
        return place_attacks([(other.id, own)], {other.id: other}, measured)

    return run


MINE = outcomes(["b.jpg", "a.jpg"], clean=[0.6, 0.8], mine_8=[0.1, 0.2])


def test_all_numbers_are_of_the_queries_of_the_run(place: Callable[..., Placing]) -> None:
    (one,) = place(MINE).places
    assert (one.attack, one.defense, one.queries) == ("mine@8", "zoo:none", 2)
    assert one.clean == pytest.approx(70)
    assert one.map == pytest.approx(15)
    assert one.known == pytest.approx({"fna@8": 20, "sma@8": 30})
    assert (one.place, one.strongest) == (1, "fna@8")
    assert one.worst_known == pytest.approx((10 + 20) / 2)
    assert one.worst_with == pytest.approx((10 + 10) / 2)  # b is won from sma, a is fna's


def test_the_mean_ranks_an_attack_among_those_known_everywhere(
    place: Callable[..., Placing],
) -> None:
    places = place(MINE).places
    assert [*overall([*places, *places])] == ["mine@8", "fna@8", "sma@8"]


def test_a_known_attack_is_new_with_other_options(place: Callable[..., Placing]) -> None:
    mine = outcomes(["b.jpg"], clean=[0.6], sma_8=[0.3])
    assert place(mine, 60.0, name="sma").places == []
    (one,) = place(mine, 60.0, name="sma", params={"steps": 99}).places
    assert one.known["sma@8"] == pytest.approx(20)
    assert one.map == pytest.approx(30)
    assert [*overall([one])] == ["known sma@8", "sma@8", "fna@8"]


@pytest.mark.parametrize(
    ("mine", "clean", "told"),
    [
        (MINE, 65.0, "its clean mAP is 65.0 and the published one 70.0"),
        (outcomes(["e.jpg"], clean=[0.7], mine_8=[0.1]), 70.0, "not among the published ones"),
    ],
)
def test_other_data_or_weights_are_refused(
    place: Callable[..., Placing], mine: PerQuery, clean: float, told: str
) -> None:
    placing = place(mine, clean)
    assert placing.places == []
    assert told in placing.refused[0]


def test_another_budget_or_intent_has_no_rivals(place: Callable[..., Placing]) -> None:
    mine = outcomes(["b.jpg"], clean=[0.6], mine_4=[0.3])
    assert "the budget of mine@4" in place(mine, 60.0, eps=4.0).refused[0]


def test_a_record_that_is_not_at_hand_is_told(make_record: MakeRecord) -> None:
    assert "not at hand" in place_attacks([("0" * 8, make_record())], {}, {}).refused[0]
