"""Check what the worst cases of a record are taken over."""

from __future__ import annotations

from collections.abc import Iterator

from results.records.printable import printable
from results.records.retrieval import ADDITIVE, AttackResult
from results.records.schema import Record
from results.submission.problem import RERUN, Problem


def worst_problems(record: Record) -> Iterator[Problem]:
    """Yield what is wrong with the list of attacks that the worst case is taken over."""
    known = {one.key: one for one in record.attacks}
    parts = {"worst_case": record.worst_case}
    parts |= {"worst_seen": record.worst_seen, "worst_unseen": record.worst_unseen}
    for name, worst in parts.items():
        keys = worst.attacks if worst is not None else []
        lost = [printable(key) for key in keys if key not in known]
        if lost or (worst is not None and not keys):
            yield Problem(
                f"{name} is over attacks that the record does not have: {', '.join(lost) or '-'}",
                RERUN,
            )
        elif any(_stands_apart(known[key]) for key in keys):
            yield Problem(f"{name} counts the control or an attack that is not additive", RERUN)
        elif len({known[key].eps for key in keys}) > 1:
            yield Problem(f"{name} mixes budgets", RERUN)


def _stands_apart(attack: AttackResult) -> bool:
    return attack.is_control or attack.norm != ADDITIVE
