"""Boards: which records may be compared in one table, and which of them make one row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results.labels import AttackId, attack_labels, row_labels
from results.schema import Record

_NORMS = {"linf": "L∞", "l2": "L2", "l1": "L1", "l0": "L0"}
_KNOWLEDGE = {
    "white": "white-box",
    "transfer": "transfer",
    "score": "score-based",
    "decision": "decision-based",
}
_INTENTS = {"dodge": "dodging", "impersonate": "impersonating", "rank-down": "ranking down"}


@dataclass(frozen=True)
class Row:
    """One variant of one defense.

    Attributes:
        label: Name of the defense, with what tells its variants on this board apart.
        records: One for each seed, in the order of their seeds.
    """

    label: str
    records: tuple[Record, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that the row is averaged over."""
        return tuple(record.seed for record in self.records)


@dataclass(frozen=True)
class Board:
    """Rows that may be compared: one data set, backbone, protocol and threat model.

    Attributes:
        rows: Highest worst-case mAP first.
        attacks: Attacks of the board with their short labels, in the order of the records.
    """

    rows: tuple[Row, ...]
    attacks: dict[AttackId, str]

    @property
    def example(self) -> Record:
        """Any record: all agree on what the title names."""
        return self.rows[0].records[0]

    @property
    def subject(self) -> str:
        """Data set, backbone, image size and protocol in one line."""
        record = self.example
        height, width = record.image_size
        return (
            f"{record.dataset} · {record.backbone} {height}×{width} · "
            f"protocol {record.protocol.fingerprint[:8]}"
        )

    @property
    def title(self) -> str:
        """The subject and the threat model in one line."""
        return f"{self.subject} · {self.threat}"

    @property
    def threat(self) -> str:
        """What the attacks of this board may do, in a few words."""
        if not self.attacks:
            return "no attack"
        norms = _joined(_NORMS.get(a.norm, a.norm) for a in self.attacks)
        sizes = sorted({a.eps for a in self.attacks if a.eps is not None})
        budget = f"{norms} ε = {', '.join(f'{eps:g}' for eps in sizes)}/255" if sizes else norms
        sides = _joined(a.side.replace("both", "query and gallery") for a in self.attacks)
        intents = _joined(_INTENTS[a.intent] for a in self.attacks)
        knowledge = _joined(_KNOWLEDGE[k] for k in self._knowledge() if k != "none")
        return f"{knowledge} {budget} on {sides} images, {intents}".lstrip()

    @property
    def note(self) -> str:
        """What the worst case means on this board, in one line."""
        if not self.attacks:
            return "No attack was run: nothing here says how robust a defense is."
        return f"Worst: each query meets its strongest attack · {self.threat}"

    def _knowledge(self) -> list[str]:
        records = (record for row in self.rows for record in row.records)
        return [attack.knowledge for record in records for attack in record.attacks]


def make_boards(records: Iterable[Record]) -> list[Board]:
    """Sort records into boards, and average nothing that does not belong together.

    Two records share a board if they agree on data set, backbone, image size, protocol
    fingerprint, budgets, attacked sides, intents, and the attacks that the worst case covers.
    They share a row if they also agree on defense, config, source and epochs and differ in seed.

    Returns:
        Boards in the order of their titles' parts.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_board_key(record), []).append(record)
    return [_board(groups[key]) for key in sorted(groups)]


def _board(records: Sequence[Record]) -> Board:
    ordered = sorted(records, key=lambda r: (r.defense.name, r.seed, r.id))
    groups: dict[str, list[Record]] = {}
    for record in ordered:
        groups.setdefault(_row_key(record), []).append(record)
    rows = [part for group in groups.values() for part in _one_record_per_seed(group)]
    labelled = [Row(label, part) for label, part in zip(row_labels(rows), rows, strict=True)]
    labelled.sort(key=_standing)
    ids = [AttackId.of(a) for row in labelled for r in row.records for a in r.attacks]
    return Board(tuple(labelled), attack_labels(ids))


def _one_record_per_seed(group: list[Record]) -> list[tuple[Record, ...]]:
    """Split a row in which a seed occurs twice: such records differ in something unnamed."""
    if len({record.seed for record in group}) == len(group):
        return [tuple(group)]
    return [(record,) for record in group]


def _standing(row: Row) -> tuple[float, float, str]:
    worst = [r.worst_case.map for r in row.records if r.worst_case is not None]
    clean = [r.clean.map for r in row.records]
    return (-sum(worst) / len(worst) if worst else 1.0, -sum(clean) / len(clean), row.label)


def _board_key(record: Record) -> str:
    threats = sorted({(a.norm, str(a.eps), a.side, a.intent) for a in record.attacks})
    worst = sorted(record.worst_case.attacks) if record.worst_case is not None else []
    parts = [record.dataset, record.backbone, record.image_size, record.protocol.fingerprint]
    return json.dumps([*parts, threats, worst])


def _row_key(record: Record) -> str:
    defense = record.defense
    parts = [defense.name, defense.config, defense.source_sha256, record.training.epochs]
    return json.dumps(parts, sort_keys=True)


def _joined(words: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(words))
