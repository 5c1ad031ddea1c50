"""Which published board the records of a submission would join, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from results.records.printable import printable
from results.records.schema import Record
from results.submission.problem import Problem


def board_problems(
    records: Sequence[Record], published: Sequence[Record], *, is_reproduction: bool = False
) -> Iterator[Problem]:
    """Yield why records cannot stand on a published board of their data set.

    A data set that no board is of begins a new one. Who repeats a training gets records of the
    same ids.

    Args:
        records: Those of a submission.
        published: All that are published.
        is_reproduction: Whether they repeat published ones.
    """
    boards: dict[str, dict[str, Record]] = {}
    for one in published:
        boards.setdefault(one.dataset, {}).setdefault(one.protocol.fingerprint, one)
    for record in records:
        known = boards.get(record.dataset, {})
        if known and record.protocol.fingerprint not in known:
            nearest = min(known.values(), key=lambda one: len(protocol_differences(record, one)))
            found = protocol_differences(record, nearest)
            yield Problem(
                f"{printable(record.defense.name)}, seed {record.seed}: protocol "
                f"{record.protocol.fingerprint[:8]} is on no published board of "
                f"{printable(record.dataset)}; from {nearest.protocol.fingerprint[:8]} it differs "
                f"in {'; '.join(found) or _UNTOLD}",
                "run with the options of the board, or say --new-board to begin one",
            )
    known_ids = {one.id: one for one in published}
    for record in records:
        twin, name = known_ids.get(record.id), f"the record {record.id[:8]}"
        if twin is not None and not is_reproduction:
            yield Problem(
                f"{name} is published already",
                "submit what is new, or say --reproduction if you have run it again",
            )
        elif twin is None and is_reproduction:
            yield Problem(
                f"{name} is not published, so that it reproduces nothing",
                "leave --reproduction out",
            )
        elif twin is not None and _costs(twin) == _costs(record):
            yield Problem(
                f"{name} is the published one and not a reproduction: it took as long to the "
                "last digit",
                "run it again in an empty output folder",
            )


def _costs(record: Record) -> list[float]:
    """Return the times of a record, which no two runs have in common."""
    return [record.training.seconds, *(one.seconds for one in record.attacks)]


_UNTOLD = (
    "what records do not tell: the images, the behaviour of an attack, the surrogates, or the "
    "version of the protocol"
)


def protocol_differences(ours: Record, theirs: Record) -> list[str]:
    """Return in what the protocols of two records differ, as far as records tell."""
    first, second = _parts(ours), _parts(theirs)
    return [
        f"{name} ({printable(first[name])}, not {printable(second[name])})"
        for name in first
        if first[name] != second[name]
    ]


def _parts(record: Record) -> Mapping[str, str]:
    attacks, protocol = record.attacks, record.protocol
    seeds = {s.attack_seed for one in attacks for s in one.by_attack_seed}
    sides = {(one.side, one.intent, f"{one.fraction:g}", str(one.target_rule)) for one in attacks}
    queries = record.clean.queries
    all_queries = None if queries is None else queries + (record.clean.skipped or 0)
    params = {one.name: sorted((k, str(v)) for k, v in one.params.items()) for one in attacks}
    return {
        "protocol name": protocol.name,
        "attacks": " ".join(sorted({one.name for one in attacks})),
        "options of attacks": str(sorted(params.items())),
        "budgets": " ".join(sorted({str(one.eps) for one in attacks})),
        "attack seeds": " ".join(map(str, sorted(seeds))) or "one",
        "scenario": " ".join(str(one) for one in sorted(sides)),
        "other data sets": " ".join(one.dataset for one in record.cross_dataset) or "none",
        "re-ranking": str(protocol.rerank or "none"),
        "queries": str(protocol.queries.chosen if protocol.queries else all_queries),
        "image size": "×".join(map(str, record.image_size)),
    }
