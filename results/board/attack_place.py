"""The place of an attack among those that were published, on the same weights and queries.

What a run measured of published weights is put beside the published record of them: the outcome of
each query under every known attack is stored there, so that nothing known is computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from results.records.query_outcomes import Measured, outcome_under
from results.records.retrieval import AttackResult
from results.records.schema import Record
from results.records.store import PerQuery

SAME_CLEAN = 0.5
"""Points of mAP by which clean figures of the same weights may differ between processors."""


@dataclass(frozen=True)
class AttackPlace:
    """Where an attack stands on one encoder; mAP in percent, over the same queries throughout.

    Attributes:
        attack: Key of the attack, such as ``my-attack@8``.
        defense: Name of the row.
        queries: How many.
        clean: Without an attack.
        map: Under the attack.
        known: Under each known attack, the strongest first.
        worst_known: Each query under the strongest known attack.
        worst_with: The same with the attack among them.
    """

    attack: str
    defense: str
    queries: int
    clean: float
    map: float
    known: dict[str, float]
    worst_known: float
    worst_with: float

    @property
    def place(self) -> int:
        """1 for the strongest: known attacks that leave less, and one more."""
        return 1 + sum(value < self.map for value in self.known.values())

    def as_json(self) -> dict[str, object]:
        """Return its numbers and its place."""
        return {**asdict(self), "place": self.place}

    @property
    def strongest(self) -> str:
        """Key of the strongest known attack."""
        return next(iter(self.known))


@dataclass(frozen=True)
class Placing:
    """What came of a comparison.

    Attributes:
        places: One for each new attack and encoder.
        refused: Why others were not compared, a line each.
    """

    places: list[AttackPlace]
    refused: list[str]


def place_attacks(
    own: Iterable[tuple[str, Record]], published: Mapping[str, Record], measured: Measured
) -> Placing:
    """Compare the new attacks of some records with the known ones of published records.

    An attack is known if the published record has it with the same options; others are new. Only
    known attacks of the same budget and scenario count, and the control is none.

    Args:
        own: Records of a run, each with the id of the published record of the same weights.
        published: Published records by id.
        measured: Outcomes of each query, of both kinds of records by their ids.
    """
    places: list[AttackPlace] = []
    refused: list[str] = []
    for other_id, record in own:
        other = published.get(other_id)
        if other is None:
            refused.append(f"{record.defense.name}: its published record is not at hand")
            continue
        new = [one for one in record.attacks if not one.is_control and not _is_known(one, other)]
        if not new:
            continue
        problem = _difference(record, other, measured)
        if problem:
            refused.append(f"{record.defense.name}: {problem}")
            continue
        for one in new:
            if _rivals(one, other):
                places.append(_place(one, record, other, measured))
            else:
                refused.append(f"{record.defense.name}: nothing known has the budget of {one.key}")
    return Placing(places, refused)


def _is_known(attack: AttackResult, other: Record) -> bool:
    return any(one.name == attack.name and one.params == attack.params for one in other.attacks)


def _rivals(attack: AttackResult, other: Record) -> list[AttackResult]:
    return [one for one in other.attacks if not one.is_control and _budget(one) == _budget(attack)]


def _budget(one: AttackResult) -> tuple[object, ...]:
    return (one.norm, one.eps, one.side, one.intent, one.fraction, one.target_rule)


def _difference(record: Record, other: Record, measured: Measured) -> str:
    """Return why two records cannot be compared; nothing if they can."""
    if record.id not in measured or other.id not in measured:
        return "the outcomes of its queries are not at hand"
    if record.dataset != other.dataset or record.protocol.rerank != other.protocol.rerank:
        return "it was measured on other data, or re-ranked"
    mine, theirs = measured[record.id], measured[other.id]
    rows = _rows(mine, theirs)
    if rows is None:
        return "its queries are not among the published ones"
    there = _mean(theirs.ap["clean"][rows])
    if abs(there - record.clean.map) > SAME_CLEAN:
        return f"its clean mAP is {record.clean.map:.1f} and the published one {there:.1f}"
    return ""


def _rows(mine: PerQuery, theirs: PerQuery) -> NDArray[np.int64] | None:
    """Return where the queries of one record are among those of another, if they all are."""
    at = {str(name): number for number, name in enumerate(theirs.queries)}
    if not all(str(name) in at for name in mine.queries):
        return None
    rows = np.array([at[str(name)] for name in mine.queries], np.int64)
    same = np.array_equal(mine.pids, theirs.pids[rows])
    return rows if same and np.array_equal(mine.camids, theirs.camids[rows]) else None


def _place(attack: AttackResult, record: Record, other: Record, measured: Measured) -> AttackPlace:
    mine, theirs = measured[record.id], measured[other.id]
    rows = _rows(mine, theirs)
    assert rows is not None
    own = outcome_under(mine, attack.key).ap.mean(0)
    known = {
        one.key: outcome_under(theirs, one.key).ap.mean(0)[rows] for one in _rivals(attack, other)
    }
    worst = reduce(np.minimum, known.values())
    by_strength = sorted(known, key=lambda key: _mean(known[key]))
    return AttackPlace(
        attack=attack.key,
        defense=record.defense.name,
        queries=int(np.isfinite(own).sum()),
        clean=_mean(theirs.ap["clean"][rows]),
        map=_mean(own),
        known={key: _mean(known[key]) for key in by_strength},
        worst_known=_mean(worst),
        worst_with=_mean(np.minimum(worst, own)),
    )


def _mean(ap: NDArray[np.float64]) -> float:
    """Return the mAP in percent; queries without a match do not count."""
    return float(100 * np.nanmean(ap))


def overall(places: Iterable[AttackPlace]) -> dict[str, float]:
    """Return the mean mAP of an attack and of those known on every encoder, the strongest first.

    Args:
        places: Of one attack, at least one. A known one of its name is called so.
    """
    shown = list(places)
    own = shown[0].attack
    means = {own: _over([one.map for one in shown])}
    for key in shown[0].known:
        if all(key in one.known for one in shown):
            name = f"known {key}" if key == own else key
            means[name] = _over([one.known[key] for one in shown])
    return dict(sorted(means.items(), key=lambda item: item[1]))


def _over(values: list[float]) -> float:
    return sum(values) / len(values)
