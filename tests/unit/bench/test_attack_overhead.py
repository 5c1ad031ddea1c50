from __future__ import annotations

from benchmark.bench.__main__ import BENCHES
from benchmark.bench.attack_overhead import bench_attack_overhead


def test_it_measures_both_and_is_listed() -> None:
    rows = bench_attack_overhead(steps=2, batch=4, image_size=(16, 8), width=4, repeats=1)
    bare, attacked = rows.values()
    assert list(rows) == ["2 bare forward + backward", "metric-pgd, 2 steps"]
    assert attacked["ratio"] == attacked["seconds"] / bare["seconds"]
    assert BENCHES["attack-overhead"].endswith(":bench_attack_overhead")
