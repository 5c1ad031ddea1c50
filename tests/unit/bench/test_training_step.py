from __future__ import annotations

import pytest

from benchmark.bench.__main__ import BENCHES
from benchmark.bench.training_step import BASELINE, bench_training_step


def test_it_counts_passes_and_is_listed() -> None:
    rows = bench_training_step(
        ["none", "ddid"], image_size=(16, 8), width=4, inner_steps=2, batches=1, repeats=1
    )
    assert set(rows) == {BASELINE, "none", "ddid"}
    for row in rows.values():
        assert row["ratio"] == row["seconds"] / rows[BASELINE]["seconds"] > 0
    # Guides, then two steps forward and backward, then clean and adversarial images at weight 3.
    metric_at = 1 + 2 * (1 + 1) + 2 * 3
    assert rows["none"]["least ratio"] == pytest.approx(3 / metric_at)
    # Each image goes through the meta step once, in one of the halves.
    assert rows["ddid"]["least ratio"] == 1.0
    assert BENCHES["training-step"].endswith(":bench_training_step")
