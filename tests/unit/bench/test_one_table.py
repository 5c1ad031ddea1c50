from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from benchmark.bench import __main__ as bench
from benchmark.bench import one_table, ranking
from benchmark.bench.attack_overhead import attack_ratios
from benchmark.bench.bare_step import training_ratios
from benchmark.bench.gpu import GpuSize, ratios_on, update_flops
from benchmark.bench.loader import loader_ratios
from benchmark.bench.ratio import Ratio, fastest_in_turn
from benchmark.core.progress import SilentProgress
from benchmark.models.backbone import BackboneConfig


def two_ratios() -> Iterator[Ratio]:
    yield Ratio("attack over passes", 1.2, "in turn", at_most=1.1)
    yield Ratio("workers over one", 1.9, "wall time", at_least=1.8)


ADDRESS = f"{__name__}:two_ratios"


def test_a_ratio_says_whether_its_target_is_met() -> None:
    above, enough = two_ratios()
    assert (above.met, above.target) == (False, "≤ 1.1")
    assert (enough.met, enough.target) == (True, "≥ 1.8")
    assert (Ratio("a", 1, "b").met, Ratio("a", 1, "b").target) == (None, "")


def test_ways_take_turns_and_the_fastest_repetition_counts() -> None:
    now, calls = 0.0, []

    def way(name: str, *seconds: float) -> Any:
        left = list(seconds)

        def run() -> None:
            nonlocal now
            calls.append(name)
            now += left.pop(0)

        return run

    ways = {"a": way("a", 1.0, 5.0, 3.0), "b": way("b", 9.0, 8.0, 7.0)}
    assert fastest_in_turn(ways, 2, lambda: now) == {"a": 3.0, "b": 7.0}  # 1.0 was the warm-up
    assert calls == ["a", "b"] * 3


def test_all_rows_are_in_one_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_table, "MEASURED_BY", (ADDRESS, ADDRESS))
    monkeypatch.setattr(bench, "measure", lambda p: one_table.measure(p, (ADDRESS, ADDRESS)))
    assert bench.main(["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["what"] for row in rows] == ["attack over passes", "workers over one"] * 2
    assert rows[0] == {
        "what": "attack over passes",
        "ratio": 1.2,
        "at_most": 1.1,
        "at_least": None,
        "met": False,
        "how": "in turn",
    }
    assert bench.main([]) == 0
    assert "attack over passes" in capsys.readouterr().out


def test_every_address_is_there() -> None:
    for address in (*one_table.MEASURED_BY, *bench.BENCHES.values()):
        assert callable(one_table.load(address))


def test_an_unknown_bench_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        bench.main(["rankings"])
    assert refused.value.code == 2
    assert "unknown bench 'rankings'" in capsys.readouterr().err


def test_cheap_rows_are_measured() -> None:
    rows = [
        *attack_ratios(4, (16, 8), 4),
        *training_ratios((16, 8), 4, batches=3),
        *loader_ratios((16, 8), 4, batches=1, repeats=1),
    ]
    assert {row.what for row in rows} == {
        *(f"{name} over its passes" for name in ("metric-pgd", "reid-aa")),
        *(f"training step of {name} over its passes" for name in ("none", "metric-at")),
        "loader over what the step of none eats",
    }
    assert all(row.value > 0 and row.how for row in rows)


def test_what_a_gpu_achieves_can_be_measured_anywhere() -> None:
    backbone = BackboneConfig(width=4)
    size = GpuSize(backbone, (16, 8), batches=3, matrix=16, repeats=1, attack="metric-fgsm")
    rows = {row.what: row for row in ratios_on("cpu", size)}
    assert all(row.value > 0 for what, row in rows.items() if "points" not in what)
    assert len(rows) == 6
    apart = rows["points of mAP between metric-fgsm in float32 and TF32"]
    assert (apart.value, apart.met) == (0.0, True)  # a CPU has no TF32
    twice = (32, 8)  # twice the pixels, but for the neck and the classifier
    assert 1.9 < update_flops(backbone, twice) / update_flops(backbone, (16, 8)) <= 2


def test_rankings_are_told_beside_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"benchmark.metrics": 2.0, "plain numpy": 5.0}
    rows = {name: {"processor_seconds": value} for name, value in seconds.items()}
    monkeypatch.setattr(ranking, "bench_ranking", lambda *_: rows)
    (row,) = ranking.ranking_ratios()
    assert (row.what, row.value) == ("ranking: plain numpy over ours", 2.5)


def test_measuring_tells_progress() -> None:
    assert len(list(one_table.measure(SilentProgress(), (ADDRESS,)))) == 2
