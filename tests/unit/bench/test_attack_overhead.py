from __future__ import annotations

from benchmark.bench.__main__ import BENCHES
from benchmark.bench.attack_overhead import bench_attack_overhead


def test_it_measures_every_iterated_attack_and_is_listed() -> None:
    rows = bench_attack_overhead(batch=4, image_size=(16, 8), width=4, repeats=1)
    assert {"metric-ifgsm", "metric-pgd", "sma", "fna"} <= set(rows)
    assert rows["metric-pgd"]["steps"] == 20
    for row in rows.values():
        assert row["ratio"] == row["seconds"] / row["bare"] > 0
    assert BENCHES["attack-overhead"].endswith(":bench_attack_overhead")
