from __future__ import annotations

from benchmark.bench.__main__ import BENCHES
from benchmark.bench.attack_overhead import bench_attack_overhead, bench_attack_overhead_resnet18


def test_it_measures_every_iterated_attack_and_is_listed() -> None:
    rows = bench_attack_overhead(batch=4, image_size=(16, 8), width=4, repeats=1)
    assert {"metric-ifgsm", "metric-pgd", "sma", "fna", "color-lut", "soft-ap"} <= set(rows)
    assert rows["metric-pgd"]["steps"] == 20
    for row in rows.values():
        assert row["ratio"] == row["seconds"] / row["bare"] > 0
    assert BENCHES["attack-overhead"].endswith(":bench_attack_overhead")


def test_it_measures_chosen_attacks_on_a_deployed_encoder_too_and_says_which() -> None:
    rows = bench_attack_overhead_resnet18(2, (32, 16), attacks=["metric-ifgsm"])
    assert list(rows) == ["metric-ifgsm"]
    assert rows["metric-ifgsm"]["steps"] == 16
    for bench, encoder in (
        (bench_attack_overhead, "small-resnet of width 24 at 64×32"),
        (bench_attack_overhead_resnet18, "resnet18 at 128×64"),
    ):
        assert encoder in (bench.__doc__ or "").splitlines()[0]
    assert BENCHES["attack-overhead-resnet18"].endswith(":bench_attack_overhead_resnet18")
