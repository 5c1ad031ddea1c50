"""Which few attacks reach the per-query worst of many most cheaply: how ReID-AA was chosen.

Any number of records counts, of any defenses, seeds and data sets. The choice is among the attacks
that all of them hold; an ensemble is as good as it is on the record where it does worst.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from results.records.query_outcomes import outcome_under
from results.records.schema import Record
from results.records.store import PerQuery, load_per_query, load_record


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
    ap: Sequence[NDArray[np.float64]]
    cost: NDArray[np.float64]

    def worst(self, members: Sequence[int]) -> NDArray[np.float64]:
        """Return (D,) the mAP of the per-query worst of some attacks."""
        return np.array([one[list(members)].min(0).mean() for one in self.ap])


@dataclass(frozen=True)
class Ensemble:
    """A subset of the candidates.

    Attributes:
        names: Its members.
        gap: mAP by which the worst of the members is above the worst of all candidates, in
            percent points: the largest over records.
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
    """Collect attacks from records.

    Args:
        measured: One entry for each record.
        names: Attacks to choose from.
        eps_255: Budget.

    Raises:
        RecordError: A record lacks an attack at that budget.
    """
    keys = [f"{name}@{eps_255:g}" for name in names]
    ap, costs = [], []
    for record, outcomes in measured:
        clean = outcomes.ap["clean"]
        counted = ~np.isnan(clean)
        ap.append(
            np.stack([100 * outcome_under(outcomes, key).ap.mean(0)[counted] for key in keys])
        )
        costs.append([_passes(record, key) / len(clean) for key in keys])
    return Candidates(tuple(names), ap, np.mean(costs, axis=0))


def best_ensembles(candidates: Candidates, size: int, max_cost: float) -> list[Ensemble]:
    """Return all affordable subsets of a size, the one with the smallest gap first.

    Args:
        candidates: What to choose from.
        size: Members.
        max_cost: Passes for one query that may be spent.
    """
    lowest = candidates.worst(range(len(candidates.names)))
    found = []
    for members in combinations(range(len(candidates.names)), size):
        cost = float(candidates.cost[list(members)].sum())
        if cost > max_cost:
            continue
        worst = candidates.worst(members)
        found.append(
            Ensemble(
                names=tuple(candidates.names[member] for member in members),
                gap=float((worst - lowest).max()),
                worst=tuple(worst.tolist()),
                cost=cost,
            )
        )
    return sorted(found, key=lambda one: (one.gap, one.cost))


def _title(record: Record) -> str:
    return f"{record.defense.name} on {record.dataset}, seed {record.seed}"


def _passes(record: Record, key: str) -> int:
    attack = next(a for a in record.attacks if a.key == key)
    return attack.forwards + attack.backwards


def shared_attacks(records: Sequence[Record], eps_255: float, without: Sequence[str]) -> list[str]:
    """Return the white-box attacks that see each query for itself, if all records hold them.

    Attacks that were trained first are left out, as what they cost is not in the record; so is
    what is not measured by the largest change of a pixel.
    """
    held = [
        {
            a.name: None
            for a in record.attacks
            if a.eps == eps_255
            and (a.knowledge, a.norm) == ("white", "linf")
            and a.backwards > 0
            and a.name not in without
        }
        for record in records
    ]
    return [name for name in held[0] if all(name in one for one in held)]


def main(arguments: list[str] | None = None) -> int:
    """Print the best ensembles of each size for the white-box attacks of folders of records."""
    parser = argparse.ArgumentParser(prog="python -m results.ensemble_choice", description=__doc__)
    parser.add_argument(
        "records", type=Path, nargs="+", help="folders of records with their per-query files"
    )
    parser.add_argument("--eps", type=float, default=8.0, help="budget in 1/255 units")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--max-cost", type=float, default=float("inf"), help="passes a query")
    parser.add_argument(
        "--without", nargs="*", default=["reid-aa"], help="attacks to leave out; default: reid-aa"
    )
    options = parser.parse_args(arguments)
    measured = []
    for path in sorted(path for folder in options.records for path in folder.glob("*.json")):
        record = load_record(path)
        if record.per_query is not None:
            measured.append((record, load_per_query(path.with_name(record.per_query))))
    if not measured:
        parser.error("no records with per-query files there")
    names = shared_attacks([record for record, _ in measured], options.eps, options.without)
    if not names:
        parser.error(f"no white-box attack at {options.eps:g}/255 is in each of the records")
    candidates = read_candidates(measured, names, options.eps)
    lowest = candidates.worst(range(len(names)))
    rows = [f"records: {', '.join(_title(record) for record, _ in measured)}"]
    rows.append(f"all {len(names)}: worst {_numbers(lowest)}, {candidates.cost.sum():.0f} passes")
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
