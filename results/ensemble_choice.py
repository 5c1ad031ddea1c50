"""Which few attacks reach the per-query worst of many most cheaply: how ReID-AA was chosen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from results.outcomes import outcome_under
from results.schema import Record
from results.store import PerQuery, load_per_query, load_record


@dataclass(frozen=True)
class Candidates:
    """What a choice is made from.

    Attributes:
        names: Attacks, A of them.
        ap: (D, A, Q) AP of each query in percent under each attack, for each defense; the mean
            over attack seeds.
        cost: (A,) mean images that go forward or backward for one query.
    """

    names: tuple[str, ...]
    ap: NDArray[np.float64]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """A subset of the candidates.

    Attributes:
        names: Its members.
        gap: mAP by which the worst of the members is above the worst of all candidates, in
            percent points: the largest over defenses.
        worst: (D,) mAP of the worst of the members.
        cost: Passes for one query.
    """

    names: tuple[str, ...]
    gap: float
    worst: tuple[float, ...]
    cost: float


def read_candidates(
    measured: Sequence[tuple[Record, PerQuery]], names: Sequence[str], eps_255: float
) -> Candidates:
    """Collect attacks from records of the same queries.

    Args:
        measured: One entry for each defense (and seed).
        names: Attacks to choose from.
        eps_255: Budget.

    Raises:
        RecordError: A record lacks an attack at that budget.
    """
    keys = [f"{name}@{eps_255:g}" for name in names]
    first = measured[0][1].ap["clean"]
    counted = ~np.isnan(first)
    ap = np.array(
        [[100 * outcome_under(q, k).ap.mean(0)[counted] for k in keys] for _, q in measured]
    )
    costs = [[_passes(record, key) / len(first) for key in keys] for record, _ in measured]
    return Candidates(tuple(names), ap, np.mean(costs, axis=0))


def best_ensembles(candidates: Candidates, size: int, max_cost: float) -> list[Ensemble]:
    """Return all affordable subsets of a size, the one with the smallest gap first.

    Args:
        candidates: What to choose from.
        size: Members.
        max_cost: Passes for one query that may be spent.
    """
    lowest = candidates.ap.min(1).mean(1)
    found = []
    for members in combinations(range(len(candidates.names)), size):
        cost = float(candidates.cost[list(members)].sum())
        if cost > max_cost:
            continue
        worst = candidates.ap[:, list(members)].min(1).mean(1)
        found.append(
            Ensemble(
                names=tuple(candidates.names[member] for member in members),
                gap=float((worst - lowest).max()),
                worst=tuple(worst.tolist()),
                cost=cost,
            )
        )
    return sorted(found, key=lambda one: (one.gap, one.cost))


def _passes(record: Record, key: str) -> int:
    attack = next(a for a in record.attacks if a.key == key)
    return attack.forwards + attack.backwards


def main(arguments: list[str] | None = None) -> int:
    """Print the best ensembles of each size for the white-box attacks of a folder of records."""
    parser = argparse.ArgumentParser(prog="python -m results.ensemble_choice", description=__doc__)
    parser.add_argument("records", type=Path, help="folder of records with their per-query files")
    parser.add_argument("--eps", type=float, default=8.0, help="budget in 1/255 units")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--max-cost", type=float, default=float("inf"), help="passes a query")
    parser.add_argument("--without", nargs="*", default=[], help="attacks to leave out")
    options = parser.parse_args(arguments)
    measured = []
    for path in sorted(options.records.glob("*.json")):
        record = load_record(path)
        if record.per_query is not None:
            measured.append((record, load_per_query(path.with_name(record.per_query))))
    if not measured:
        parser.error(f"{options.records} holds no records with per-query files")
    names = [
        a.name
        for a in measured[0][0].attacks
        if a.eps == options.eps
        and a.knowledge == "white"
        and a.norm == "linf"
        and a.name not in options.without
    ]
    candidates = read_candidates(measured, names, options.eps)
    lowest = candidates.ap.min(1).mean(1)
    rows = [f"all {len(names)}: worst {_numbers(lowest)}, {candidates.cost.sum():.0f} passes"]
    for size in options.sizes:
        for best in best_ensembles(candidates, size, options.max_cost)[:3]:
            members = " + ".join(best.names)
            rows.append(
                f"{size}: gap {best.gap:.2f}, worst {_numbers(best.worst)}, "
                f"{best.cost:.0f} passes: {members}"
            )
    sys.stdout.write("\n".join(rows) + "\n")
    return 0


def _numbers(values: Sequence[float] | NDArray[np.float64]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
