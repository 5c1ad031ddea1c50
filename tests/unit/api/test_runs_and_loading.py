"""Runs from Python are those of the command line; what they trained is loaded again."""

from __future__ import annotations

import gc

import pytest
import torch

import benchmark
from benchmark.core.errors import DataError, PluginError, UsageError
from benchmark.core.progress import SilentProgress
from tests.conftest import TINY_OPTIONS, TINY_PLUGIN
from tests.live_encoders import Net

IMAGES = torch.rand(4, 3, 16, 8, generator=torch.Generator().manual_seed(0))


def run(defense, output, **options):
    given = {**TINY_OPTIONS, "output": output, "progress": SilentProgress(), **options}
    return benchmark.run(defense, **given)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_ROBUSTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return run(["tiny-defense", "none"], tmp_path_factory.mktemp("runs") / "one", seed=[0, 1])


def test_a_run_holds_records_frame_and_board(done):
    assert [(one.defense.name, one.seed) for one in done.records] == [
        *(("tiny-defense", 0), ("none", 0), ("tiny-defense", 1), ("none", 1))
    ]
    assert {row.label for row in done.board.rows} == {"tiny-defense", "none"}
    assert set(done.frame().row) == {"tiny-defense", "none"}
    assert "tiny-defense" in repr(done)
    assert "<table" in done._repr_html_()
    assert done.figure("trade-off").axes
    assert benchmark.load_records(done.output).equals(done.frame())
    assert benchmark.load_records(done.output.parent).equals(done.frame())  # a folder above


def test_an_encoder_is_loaded_by_record_and_by_folder(done):
    first = done.output / "records"
    paths = sorted(first.glob("none*seed1*.json"))
    by_record = benchmark.load_encoder(paths[0], device="cpu")
    by_folder = benchmark.load_encoder(done.output, defense="none", seed=1, device="cpu")
    other = benchmark.load_encoder(done.output, defense="none", seed=0, device="cpu")
    assert not by_record.training
    with torch.no_grad():
        assert torch.equal(by_record(IMAGES), by_folder(IMAGES))
        assert not torch.equal(by_record(IMAGES), other(IMAGES))


def test_the_loaded_encoder_is_the_measured_one(done, tmp_path):
    encoder = benchmark.load_encoder(done.output, defense="none", seed=0, device="cpu")
    again = benchmark.evaluate(
        encoder,
        "tiny",
        attacks=["metric-fgsm"],
        image_size=(16, 8),
        evaluation={"checks": False},
        progress=SilentProgress(),
    )
    record = next(one for one in done.records if (one.defense.name, one.seed) == ("none", 0))
    assert again.record.clean == record.clean
    measured = {one.name: one.map for one in record.attacks}
    assert again.record.attacks[0].map == measured["metric-fgsm"]


def test_what_cannot_be_loaded_is_told(done, tmp_path):
    with pytest.raises(DataError, match="holds 4 such trainings") as caught:
        benchmark.load_encoder(done.output)
    assert "defense=" in caught.value.hint
    with pytest.raises(DataError, match="holds no such trainings"):
        benchmark.load_encoder(done.output, defense="ddid")
    lonely = tmp_path / "alone" / "records"
    lonely.mkdir(parents=True)
    for path in (done.output / "records").glob("none*seed0*"):
        (lonely / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="is not in") as caught:
        benchmark.load_encoder(lonely.parent)
    assert "run the same command again" in caught.value.hint


def test_an_encoder_that_is_gone_is_told(tmp_path):
    options = {"image_size": (16, 8), "evaluation": {"checks": False}, "attacks": "metric-fgsm"}
    options["plugin"] = [str(TINY_PLUGIN)]
    output = tmp_path / "out"
    given = Net()
    benchmark.evaluate(given, "tiny", output=output, progress=SilentProgress(), **options)
    loaded = benchmark.load_encoder(output, device="cpu")
    assert torch.equal(loaded.weight, given.weight)
    del given
    gc.collect()
    with pytest.raises(PluginError, match="no longer in this process"):
        benchmark.load_encoder(output)


def test_mistakes_are_exceptions(tmp_path):
    with pytest.raises(UsageError, match="unknown defense 'nome'") as caught:
        run("nome", tmp_path / "out")
    assert "none" in caught.value.hint
    with pytest.raises(UsageError):
        run("none", tmp_path / "out", no_such_key=1)
    with pytest.raises(PluginError, match="tiny-broken"):
        run("tiny-broken", tmp_path / "out")


def test_what_one_plugin_fails_does_not_hide_the_rest(tmp_path, caplog):
    found = run(["tiny-broken", "none"], tmp_path / "out")
    assert [one.defense.name for one in found.records] == ["none"]
    assert any("tiny-broken" in label for label in found.failures)
    assert "tiny-broken" in caplog.text


def test_settings_are_those_of_the_command_line(tmp_path):
    found = run(
        "tiny-defense", tmp_path / "out", settings=["defense.weight=2", "training.epochs=1"]
    )
    assert found.records[0].defense.config["weight"] == 2
    assert found.records[0].training.epochs == 1
