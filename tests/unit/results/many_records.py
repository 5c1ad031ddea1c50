"""Records of a large board that nobody trained: rows from weak to strong, and rows that are alike.

Its time by hand: ``python -m tests.unit.results.many_records DIR``, which writes 501 records of 30
attacks, and then ``time python -m benchmark board DIR --output DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from results.records.store import PerQuery, write_record
from tests.unit.results.conftest import attack, build

IDENTITIES = 30


def write_many(folder: Path, rows: int, seeds: int, attacks: int, each: int = 2) -> Path:
    """Write a record for each row and seed, with the outcome of `each` queries an identity."""
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(IDENTITIES), each)
    for number in range(rows):
        for seed in range(seeds):
            base = 0.5 * (number // 2) / rows + 0.15 * rng.random(len(pids)) + 0.2
            ap = {f"a{k}@8": base + 0.1 * rng.random(len(pids)) for k in range(attacks)}
            lowest = np.min(list(ap.values()), axis=0)
            worst = 100 * float(lowest.mean())
            record = build(
                f"d{number:03d}",
                seed,
                attacks=[attack(key[:-2], 100 * float(one.mean())) for key, one in ap.items()],
                worst_case={
                    "map": worst,
                    "rank1": worst,
                    "ci95_map": (worst, worst),
                    "attacks": list(ap),
                    "attack_share": {k: float((one == lowest).mean()) for k, one in ap.items()},
                },
            )
            ranks = {key: rng.integers(1, IDENTITIES, len(pids)) for key in ap}
            per_query = PerQuery(pids.astype(str), pids, np.zeros_like(pids), ap, ranks)
            write_record(record, folder, {"synthped-plaza": per_query})
    return folder


if __name__ == "__main__":
    write_many(Path(sys.argv[1]), rows=167, seeds=3, attacks=30, each=7)
