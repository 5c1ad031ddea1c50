"""From a record, and what lies beside it, to a robustness report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from results.board.curves import WORST, attack_points, worst_points
from results.board.record_metrics import counted, target_of
from results.claims.load import claims_beside
from results.records.ranked_lists import RankedLists
from results.records.retrieval import ADDITIVE, AttackId
from results.records.schema import Record
from results.records.store import PerQuery
from results.report import wording
from results.report.content import (
    AttackLine,
    ClaimLine,
    Curve,
    Glossary,
    OtherDataset,
    Report,
    Worst,
)
from results.report.identities import identity_spread
from results.report.listed_queries import listed_queries
from results.report.raised_flags import raised_flags
from results.report.standing import standing


def make_report(
    record: Record,
    *,
    outcomes: PerQuery | None = None,
    lists: RankedLists | None = None,
    published: Iterable[Record] = (),
    glossary: Glossary | None = None,
) -> Report:
    """Return the report of a record.

    Args:
        record: What was measured of one encoder.
        outcomes: Of its queries; None leaves the spread over identities out.
        lists: Its ranked lists, if its run stored some.
        published: Records among which to stand.
        glossary: What names of attacks and flags stand for.

    Raises:
        RecordError: The outcomes lack an attack of the record.
    """
    words = glossary or Glossary({}, {})
    title = record.label or record.defense.name
    names = dict.fromkeys(one.name for one in record.attacks)
    height, width = record.image_size
    targeted = any(one.intent != "dodge" for one in record.attacks)
    worst = _worst(record)
    flags = raised_flags([record], words)
    return Report(
        title=title,
        subtitle=f"{record.dataset} · {record.backbone} · {height}×{width}",
        record=record.id,
        protocol=record.protocol.fingerprint,
        summary=tuple(wording.summary(record, worst, len(flags), targeted)),
        threat=tuple(wording.threat(record)),
        about_attacks=tuple((n, words.attacks[n]) for n in names if words.attacks.get(n)),
        clean=record.clean.model_dump(exclude_none=True),
        worst=worst,
        targeted=targeted,
        attacks=tuple(_attack_lines(record, worst)),
        curves=tuple(_curves(record, targeted)),
        flags=flags,
        spread=None if outcomes is None else identity_spread(record, outcomes),
        listed=None if lists is None else listed_queries(lists, outcomes),
        other_datasets=tuple(_others(record)),
        standing=standing(record, published, title),
        claims=tuple(_claims(record)),
        making=tuple(wording.making(record)),
        configuration=wording.configuration(record),
        environment=tuple(wording.environment(record)),
    )


def _worst(record: Record) -> Worst | None:
    found = record.worst_case
    if found is None:
        return None
    budgets = {one.eps for one in counted(record)}
    return Worst(
        map=found.map,
        rank1=found.rank1,
        ci95_map=found.ci95_map,
        kept=found.map / record.clean.map if record.clean.map else None,
        eps=budgets.pop() if len(budgets) == 1 else None,
        attacks=tuple(found.attacks),
    )


def _attack_lines(record: Record, worst: Worst | None) -> Iterator[AttackLine]:
    shares = (record.worst_case.attack_share if record.worst_case is not None else None) or {}
    covered = {one.key for one in counted(record)}
    budget = worst.eps if worst is not None else None
    budgets = Counter(one.name for one in record.attacks)
    for one in record.attacks:
        share = shares.get(one.key)
        yield AttackLine(
            name=one.name,
            eps=one.eps,
            knowledge=one.knowledge,
            side=one.side,
            counted=one.key in covered,
            headline=budget in (None, one.eps) or budgets[one.name] == 1,
            seen_in_training=one.seen_in_training,
            map=one.map,
            rank1=one.rank1,
            ci95_map=one.ci95_map,
            success_rate=one.success_rate,
            share_of_worst=None if share is None else 100 * share,
            target_map=target_of(one),
            target_hit10=target_of(one, "rank10"),
            seconds=one.seconds,
            forwards=one.forwards,
            backwards=one.backwards,
            answers=one.queries,
            flags=tuple(flag.id for flag in one.flags),
        )


def _curves(record: Record, targeted: bool) -> Iterator[Curve]:
    """Yield the worst case and each additive attack that was run at several budgets."""
    if not targeted and len(points := worst_points(record)) > 2:
        yield Curve(WORST, tuple(points.items()))
    families = (AttackId.of(a)._replace(eps=None) for a in record.attacks if a.norm == ADDITIVE)
    for family in dict.fromkeys(families):
        if len(points := attack_points(record, family)) > 2:
            yield Curve(family.name, tuple(points.items()))


def _others(record: Record) -> Iterator[OtherDataset]:
    for one in record.cross_dataset:
        worst = one.worst_case
        yield OtherDataset(
            one.dataset,
            one.clean.map,
            one.clean.rank1,
            None if worst is None else worst.map,
            None if worst is None else worst.rank1,
        )


def _claims(record: Record) -> Iterator[ClaimLine]:
    for one in claims_beside([record]):
        source = one.source
        yield ClaimLine(one.method, one.numbers, one.origin, source.provenance, source.url)
