"""A data set without cameras: only the query's own image is left out, under its own protocol."""

from __future__ import annotations

from pathlib import Path

from benchmark.core.progress import SilentProgress
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from benchmark.runner.run import run_benchmark
from tests import dataset_miniatures as miniatures


def test_the_protocol_is_another(tiny_config):
    config = tiny_config(attack=["metric-fgsm"])
    manifests = {"tiny": "a" * 64, "tiny-other": "b" * 64}
    known = make_plan(config, choose(config), manifests)
    assert make_plan(config, choose(config), manifests, {}, ()).protocol == known.protocol
    unknown = make_plan(config, choose(config), manifests, {}, ("tiny",))
    assert unknown.protocol != known.protocol
    assert [c.fingerprint for c in unknown.cells] == [c.fingerprint for c in known.cells]


def test_a_table_without_cameras_is_trained_and_tested_on(tiny_config, tmp_path: Path):
    rows = [f"train/{pid}_{n}.jpg,{pid},train" for pid in range(6) for n in range(4)]
    for pid in (10, 11, 12):
        rows += [f"test/{pid}_0.jpg,{pid},query"]
        rows += [f"test/{pid}_{n}.jpg,{pid},gallery" for n in range(3)]
    root = miniatures.table(tmp_path, rows, "path,pid,split")
    for row in rows:
        miniatures.picture(root / row.split(",")[0])
    config = tiny_config(
        "dataset_config.folder.cameras=none",
        "evaluation.checks=false",
        dataset="folder",
        test_dataset=["none"],
        data_root=root,
        attack=["metric-fgsm"],
        defense=["none"],
    )
    ((record, files),) = run_benchmark(config, SilentProgress()).records
    assert record.clean.queries == 3
    assert 0 < record.clean.map <= 100
    assert files is not None
