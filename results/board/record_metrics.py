"""What a record says, as one number, and what the records of a row say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Literal

from results.records.retrieval import (
    ADDITIVE,
    AttackId,
    AttackResult,
    CrossDatasetResult,
    RaisedFlag,
    WorstCase,
)
from results.records.schema import Record
from results.statistics.bootstrap import mean_std

Metric = Literal["map", "rank1", "rank10"]
Read = Callable[[Record], float | None]
ReadResult = Callable[[AttackResult], float | None]


def row_values(records: Sequence[Record], read: Read) -> list[float] | None:
    """Return one value for each record, or None if one lacks it."""
    values = [value for record in records if (value := read(record)) is not None]
    return values if len(values) == len(records) else None


def attack_seeds(record: Record) -> tuple[int, ...]:
    """Return the seeds that random attacks were measured with; nothing if there was one."""
    repeats = [attack.by_attack_seed for attack in record.attacks if attack.by_attack_seed]
    return tuple(one.attack_seed for one in repeats[0]) if repeats else ()


clean_map: Callable[[Record], float] = attrgetter("clean.map")
clean_rank1: Callable[[Record], float] = attrgetter("clean.rank1")


def worst_map(record: Record, over: str = "worst_case", metric: str = "map") -> float | None:
    """Return a metric of one of the worst cases of a record, if it was measured."""
    worst: WorstCase | None = getattr(record, over)
    return None if worst is None else float(getattr(worst, metric))


worst_rank1: Read = partial(worst_map, metric="rank1")
worst_seen_map: Read = partial(worst_map, over="worst_seen")
worst_unseen_map: Read = partial(worst_map, over="worst_unseen")


def worst_interval(records: Sequence[Record]) -> tuple[float, float] | None:
    """Return the 95% interval of the worst-case mAP; over seeds, the mean of the bounds."""
    bounds = [r.worst_case.ci95_map for r in records if r.worst_case is not None]
    if not bounds:
        return None
    return mean_std([low for low, _ in bounds])[0], mean_std([high for _, high in bounds])[0]


def counted(record: Record) -> list[AttackResult]:
    """Return the results that the worst case covers: additive attacks of one budget."""
    keys = record.worst_case.attacks if record.worst_case is not None else []
    return [one for one in record.attacks if one.key in keys and one.norm == ADDITIVE]


def result_of(record: Record, attack: AttackId) -> AttackResult | None:
    """Return the result under `attack`, if the record has it."""
    found = (one for one in record.attacks if one.name == attack.name)
    return next((one for one in found if AttackId.of(one) == attack), None)


def target_of(result: AttackResult, metric: Metric = "map") -> float | None:
    """Return a metric of the target identities under an attack; ``rank10`` is hit@10."""
    return None if result.target is None else float(getattr(result.target.attacked, metric))


def clean_target(record: Record, metric: Metric = "map") -> float | None:
    """Return a metric of the target identities without an attack, if there are targets."""
    found = next((one.target for one in record.attacks if one.target is not None), None)
    return None if found is None else float(getattr(found.clean, metric))


def strongest_target(record: Record, metric: Metric = "map") -> float | None:
    """Return a metric of the target identities under the counted attack that moves it most."""
    values = [value for a in counted(record) if (value := target_of(a, metric)) is not None]
    pulled = any(one.intent == "impersonate" for one in counted(record))
    return (max if pulled else min)(values, default=None)


def cross_clean_map(record: Record, dataset: str) -> float | None:
    """Return the mAP on another data set without an attack."""
    other = _cross(record, dataset)
    return other.clean.map if other is not None else None


def cross_worst_map(record: Record, dataset: str) -> float | None:
    """Return the worst-case mAP on another data set, else that under its strongest attack."""
    other = _cross(record, dataset)
    if other is None:
        return None
    if other.worst_case is not None:
        return other.worst_case.map
    return min((one.map for one in other.attacks if one.norm == ADDITIVE), default=None)


def train_seconds(records: Sequence[Record]) -> float:
    """Return the mean time of training."""
    return mean_std([record.training.seconds for record in records])[0]


def flag_ids(records: Sequence[Record]) -> set[str]:
    """Return the sanity checks that any of some records did not pass."""
    return {flag.id for record in records for flag in _flags(record)}


def _flags(record: Record) -> Iterable[RaisedFlag]:
    yield from record.flags
    for attack in record.attacks:
        yield from attack.flags


def _cross(record: Record, dataset: str) -> CrossDatasetResult | None:
    return next((other for other in record.cross_dataset if other.dataset == dataset), None)
