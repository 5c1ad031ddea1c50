"""Boards: rows that may be compared, and what is said of them together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from results.board.board_key import board_key
from results.board.frame import ResultFrame
from results.board.record_metrics import attack_seeds, counted
from results.board.threat_description import threat_description
from results.records.retrieval import AttackId, AttackResult
from results.records.schema import Record
from results.statistics.significance import LEVEL
from results.statistics.spread import ENOUGH_SEEDS
from results.trust.statement import RUN, Trust

THIN = "‡"
"""Marks rows of few trainings."""

STANDARD = "reid-aa"
"""The ensemble whose worst case rows are best compared by."""


@dataclass(frozen=True)
class Row:
    """One variant of one defense.

    Attributes:
        label: Name of the defense, with what tells its variants on this board apart.
        records: One for each seed, in the order of their seeds.
        trust: What became of them; a row that was withdrawn stays visible and is not ranked.
    """

    label: str
    records: tuple[Record, ...]
    trust: Trust = RUN

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that the row is averaged over."""
        return tuple(record.seed for record in self.records)

    @property
    def attack_seeds(self) -> tuple[int, ...]:
        """Seeds that random attacks were measured with; nothing if there was one."""
        return max((attack_seeds(record) for record in self.records), key=len)

    @property
    def is_thin(self) -> bool:
        """Whether it has too few trainings to tell how far trainings differ."""
        is_trained = any(one.training.recipe or one.training.epochs for one in self.records)
        return is_trained and len(self.records) < ENOUGH_SEEDS


@dataclass(frozen=True)
class Board:
    """Rows that may be compared: one data set, protocol, threat model and scenario.

    Attributes:
        rows: The most robust one first, those that are not ranked last.
        attacks: Additive attacks with their short labels, in the order of the records.
        apart: Attacks whose budget bounds something else than each pixel, likewise.
        groups: Tie group of each row by its label, where the outcomes of its queries are at hand.
    """

    rows: tuple[Row, ...]
    attacks: dict[AttackId, str]
    apart: dict[AttackId, str]
    groups: dict[str, int] = field(default_factory=dict)

    @cached_property
    def frame(self) -> ResultFrame:
        """What its rows measured under its attacks."""
        return ResultFrame(self.rows, (*self.attacks, *self.apart))

    @property
    def records(self) -> list[Record]:
        """The records of all rows."""
        return [record for row in self.rows for record in row.records]

    @property
    def example(self) -> Record:
        """Any record: all agree on what the title names."""
        return self.rows[0].records[0]

    @property
    def slug(self) -> str:
        """Name for files about this board: the same for the same board of other records."""
        digest = hashlib.sha256(board_key(self.example).encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.example.dataset)}-{digest[:8]}"

    @property
    def subject(self) -> str:
        """Data set, backbones, image size and protocol in one line."""
        record, protocol = self.example, self.example.protocol
        height, width = record.image_size
        few = protocol.queries
        return (
            f"{record.dataset} · {self.backbones} {height}×{width} · "
            f"protocol {protocol.fingerprint[:8]}"
            f"{f' · {few.chosen} of {few.of} queries' if few else ''}"
            f"{f' · {protocol.rerank}' if protocol.rerank else ''}"
        )

    @cached_property
    def backbones(self) -> str:
        """The networks of its rows, separated by commas."""
        return ", ".join(dict.fromkeys(record.backbone for record in self.records))

    @property
    def title(self) -> str:
        """The subject and the threat model in one line."""
        return f"{self.subject} · {self.threat}"

    @cached_property
    def threat(self) -> str:
        """What the attacks of this board may do, in a few words."""
        return self.threat_of(self.attacks or self.apart)

    @cached_property
    def targeted(self) -> bool:
        """Whether the attacks have a target identity, so that its ranking is what counts."""
        return any(attack.intent != "dodge" for attack in (*self.attacks, *self.apart))

    @property
    def pulls(self) -> bool:
        """Whether targets are pulled up, so that a robust defense ranks them low."""
        return any(attack.intent == "impersonate" for attack in (*self.attacks, *self.apart))

    @property
    def note(self) -> str:
        """What the worst case means on this board, in one line."""
        if not self.attacks and not self.apart:
            return "No attack was run: nothing here says how robust a defense is."
        if not self.attacks:
            return f"No additive attack was run: there is no worst case · {self.threat}"
        worst = "Worst mAP, the headline: each query meets its strongest attack"
        if self.targeted:
            worst = "Worst: the attack that moves the targets most, over all queries"
        elif any(attack.side != "query" for attack in self.attacks):
            worst += " (a lower bound: one gallery holds one attack for all queries)"
        return f"{worst}{self._where} · {self.threat}"

    @property
    def remarks(self) -> list[str]:
        """What was not tried, and what groups and marked seeds mean, a line each."""
        lines = []
        if self._lacks_standard:
            lines.append(
                f"Not under {STANDARD}, the standard ensemble, which may leave less in the worst "
                f"case: leave --attack out, or add {STANDARD} to it"
            )
        if self.groups:
            lines.append(
                "Group: in the worst case its rows do not differ from its first one, given these "
                "trainings (paired permutation of query identities, Holm over all pairs, "
                f"{LEVEL:.0%})"
            )
        if any(row.is_thin for row in self.rows):
            lines.append(
                f"{THIN} fewer than {ENOUGH_SEEDS} seeds: how far trainings differ is not known"
            )
        lines += [f"{row.label}: {row.trust.remark}" for row in self.rows if row.trust != RUN]
        return lines

    @property
    def vouched(self) -> bool:
        """Whether anything was stated about its rows beyond that the harness ran them."""
        return any(row.trust != RUN for row in self.rows)

    @property
    def _lacks_standard(self) -> bool:
        """Whether the strongest attack of this scenario was left out."""
        plain = all(attack.intent == "dodge" and attack.side == "query" for attack in self.attacks)
        tried = {attack.name for attack in self.attacks}
        return bool(tried) and plain and STANDARD not in tried

    @property
    def _where(self) -> str:
        """Return the budget of the worst case where there are several."""
        budgets = {one.eps for one in counted(self.example)}
        several = len({attack.eps for attack in self.attacks}) > 1
        return "".join(f", at ε = {eps:g}/255" for eps in budgets if several and eps is not None)

    def threat_of(self, attacks: Iterable[AttackId]) -> str:
        """Return what some attacks of this board may do, in a few words."""
        wanted = set(attacks)
        shown = [result for attack, result in self._kinds if attack in wanted]
        return threat_description(shown) if shown else "no attack"

    @cached_property
    def _kinds(self) -> list[tuple[AttackId, AttackResult]]:
        """Return an example of each attack, once for each way in which titles tell it."""
        found: dict[tuple[object, ...], tuple[AttackId, AttackResult]] = {}
        for one in (a for record in self.records for a in record.attacks):
            attack = AttackId.of(one)
            found.setdefault((attack, one.knowledge, one.fraction, one.target_rule), (attack, one))
        return list(found.values())
