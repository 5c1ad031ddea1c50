from __future__ import annotations

import os

from benchmark.bench.__main__ import BENCHES
from benchmark.bench.busy_neighbour import ONE_THREAD, WAITS, bench_busy_neighbour


def test_it_measures_ways_of_waiting_and_is_listed() -> None:
    before = dict(os.environ)
    waits = {name: WAITS[name] for name in (*list(WAITS)[:1], ONE_THREAD)}
    rows = bench_busy_neighbour((16, 8), width=4, batches=1, repeats=1, neighbours=1, waits=waits)
    assert list(rows) == list(waits)
    one = rows[ONE_THREAD]
    assert one["busy, of one thread"] == 1.0
    for row in rows.values():
        assert row["idle"] > 0
        assert abs(row["busy, of one thread"] - one["busy"] / row["busy"]) < 1e-9
    assert dict(os.environ) == before
    assert BENCHES["busy-neighbour"].endswith(":bench_busy_neighbour")
