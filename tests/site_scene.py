"""A site of a few boards: swept budgets, hostile names, targets, and a board without attacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from results.board.make_boards import make_boards
from results.records.schema import Record
from results.records.store import PerQuery
from results.render.site.context import SiteContext
from results.report.content import FlagHelp, Glossary
from results.trust.statement import Trust
from tests.unit.results.conftest import attack, build

HOSTILE = "</script><script>hostile()</script>\"'><img src=x onerror=hostile()>"
REPRODUCED = Trust("reproduced", "Another lab", "2026-11-01", HOSTILE, "https://example.org/1")
BUDGETS = (2.0, 4.0, 8.0)
SEEDS = 3
LEFT = {"trades": 15.0, "ddid": 19.0, "metric-at": 14.0, "none": 4.0}
"""Worst-case mAP of each defense."""
_PIDS = np.repeat(np.arange(8), 2)


def site_context() -> SiteContext:
    """Return all that the site is told."""
    records = [_record(name, seed) for name in LEFT for seed in range(SEEDS)]
    records += [_targeted(seed) for seed in range(2)]
    records.append(build("none", attacks=[], dataset="../../outside"))
    measured = {one.id: _outcomes(one) for one in records if one.worst_case is not None}
    glossary = Glossary(
        attacks={"sma": f"Pushes a query away. {HOSTILE}"},
        flags={"weak-attack": FlagHelp("It is weaker than noise.", "Take more steps.")},
    )
    files = {one.id: Path(f"{one.id[:8]}.json") for one in records}
    stated = {one.id: (REPRODUCED,) for one in records if one.defense.name == "trades"}
    return SiteContext(make_boards(records, measured, stated), measured, files, glossary)


def _record(name: str, seed: int) -> Record:
    left = LEFT[name] + seed
    attacks = [attack("random-noise", 60.0)]
    attacks += [attack("sma", left + 20 - eps, eps) for eps in BUDGETS]
    attacks += [attack("fna", left + 10 - eps, eps) for eps in BUDGETS]
    attacks.append(attack("square", left + 8, knowledge="score", queries=5000))
    attacks.append(attack("color-lut", 50.0, norm="color-lut"))
    hostile = name == "none"
    if hostile:
        flag = {"id": "weak-attack", "message": HOSTILE}
        attacks[0] |= {"flags": [flag, {"id": HOSTILE, "message": "x"}]}
    return build(
        name,
        seed,
        clean=66.0 - left,
        attacks=attacks,
        backbone=HOSTILE if hostile else "small-resnet",
        label=HOSTILE if hostile else None,
        worst_case=_worst(left, ["sma@8", "fna@8", "square@8"]),
        worst_by_eps=[{"eps": eps, "map": left + 8 - eps, "rank1": left} for eps in BUDGETS],
    )


def _targeted(seed: int) -> Record:
    ranked = {"map": 5.0, "rank1": 4.0, "rank5": 10.0, "rank10": 20.0, "minp": 1.0}
    target = {"clean": ranked, "attacked": ranked | {"map": 30.0 + seed}}
    aim = {"intent": "impersonate", "target_rule": "nearest", "target": target}
    one = attack("fna", 40.0, **aim)
    return build("ddid", seed, attacks=[one], worst_case=_worst(40.0, ["fna@8"]))


def _worst(left: float, attacks: list[str]) -> dict[str, Any]:
    return {"map": left, "rank1": left, "ci95_map": (left - 3, left + 3), "attacks": attacks}


def _outcomes(record: Record) -> PerQuery:
    rng = np.random.default_rng(int(record.id[:8], 16))
    keys = ["clean", *(one.key for one in record.attacks)]
    ap = {key: rng.random(len(_PIDS)) for key in keys}
    rank = {key: rng.integers(1, 5, len(_PIDS)) for key in keys}
    return PerQuery(_PIDS.astype(str), _PIDS, np.zeros_like(_PIDS), ap, rank)
