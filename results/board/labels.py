"""Short names that still tell rows and attacks of one board apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from results.records.retrieval import AttackId
from results.records.schema import Record


def attack_labels(ids: Iterable[AttackId], always_eps: bool = False) -> dict[AttackId, str]:
    """Name each attack, in order of appearance, by its name and only what differs on the board.

    Args:
        ids: Attacks, repeated or not.
        always_eps: Name the budget even if there is one only.
    """
    distinct = list(dict.fromkeys(ids))
    several_eps = len({a.eps for a in distinct if a.eps is not None}) > 1
    parts = ("norm", "side", "intent")
    differing = [part for part in parts if len({getattr(a, part) for a in distinct}) > 1]
    labels = {}
    for attack in distinct:
        named_eps = attack.eps is not None and (several_eps or always_eps)
        label = f"{attack.name}@{attack.eps:g}" if named_eps else attack.name
        labels[attack] = " ".join([label, *(getattr(attack, part) for part in differing)])
    return labels


def trained_on(record: Record) -> tuple[str, ...]:
    """Return the attacks that a training saw; older records tell only those that were tested."""
    if record.defense.trained_against is not None:
        return tuple(record.defense.trained_against)
    return tuple(dict.fromkeys(a.name for a in record.attacks if a.seen_in_training))


def row_labels(rows: Sequence[Sequence[Record]]) -> list[str]:
    """Name each row by the label that a person gave it, else by its defense; all are distinct.

    Among rows of one name what differs is added: config keys first; where they do not suffice the
    defense, the backbone, what it was trained against, the number of epochs, the keys of the
    training recipe, its behaviour and at last the record's id.

    Args:
        rows: Records of each row; the records of one row differ in their seed and label only.
    """
    names = [given_label(row) or row[0].defense.name for row in rows]
    labels = [""] * len(rows)
    for name in dict.fromkeys(names):
        places = [i for i, one in enumerate(names) if one == name]
        for place, label in zip(places, _variants(name, [rows[i][0] for i in places]), strict=True):
            labels[place] = label
    twice = {label for label in labels if labels.count(label) > 1}  # a given one like a made one
    return [
        f"{label} ({row[0].id[:8]})" if label in twice else label
        for label, row in zip(labels, rows, strict=True)
    ]


def given_label(row: Sequence[Record]) -> str | None:
    """Return the label that a person gave a row; all of them, if its records have several."""
    given = dict.fromkeys(record.label for record in row if record.label is not None)
    return " / ".join(given) or None


def _variants(name: str, records: list[Record]) -> list[str]:
    facets: list[dict[str, str]] = [dict(_flat(record.defense.config)) for record in records]
    further = [
        [{"defense": record.defense.name} for record in records],
        [{"backbone": record.backbone} for record in records],
        [{"against": ", ".join(trained_on(record))} for record in records],
        [{"epochs": str(record.training.epochs)} for record in records],
        [dict(_flat(record.training.recipe)) for record in records],
        [{"behaviour": record.defense.behaviour[:12]} for record in records],
        [{"id": record.id[:8]} for record in records],
    ]
    labels = _labels(name, facets)
    for more in further:
        if len(set(labels)) == len(labels):
            break
        facets = [facet | extra for facet, extra in zip(facets, more, strict=True)]
        labels = _labels(name, facets)
    return labels


def _labels(name: str, facets: list[dict[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for facet in facets for key in facet)
    differing = [key for key in keys if len({facet.get(key, "unset") for facet in facets}) > 1]
    if not differing:
        return [name] * len(facets)
    return [f"{name} ({_listed(facet, differing)})" for facet in facets]


def _listed(facet: Mapping[str, str], keys: list[str]) -> str:
    return ", ".join(f"{key}={facet.get(key, 'unset')}" for key in keys)


def _flat(config: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield prefix + key, value
        else:
            yield prefix + key, json.dumps(value, sort_keys=True)
