"""What records must have in common to stand on one board."""

from __future__ import annotations

import json

from results.records.retrieval import AttackResult
from results.records.schema import Record


def board_key(record: Record) -> str:
    """Return what records must have in common to be compared."""
    worst = sorted(record.worst_case.attacks) if record.worst_case is not None else []
    parts = [record.dataset, record.image_size, record.protocol.fingerprint]
    return json.dumps([*parts, sorted(set(map(_threat_key, record.attacks))), worst])


def _threat_key(attack: AttackResult) -> tuple[str, ...]:
    """Return budget and scenario; a default adds nothing, so that older records keep their key."""
    key = (attack.norm, str(attack.eps), attack.side, attack.intent)
    rule = (attack.target_rule,) if attack.target_rule is not None else ()
    return (*key, *rule, *((f"{attack.fraction:g}",) if attack.fraction != 1 else ()))
