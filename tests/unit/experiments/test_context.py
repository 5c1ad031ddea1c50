"""What experiments stand on: shared cells, a memory, closed splits, failures that stay local."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmark.core.device import choose_device
from benchmark.core.errors import DataError, UsageError
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import EXPERIMENTS
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table
from benchmark.experiments.run_experiment import experiment_named, run_experiment, with_defaults
from benchmark.experiments.variant import Variant
from benchmark.runner.journal import Journal
from benchmark.runner.output import OutputFolder
from benchmark.runner.run import run_benchmark
from results.board.columns import TableCell
from results.records.store import load_per_query


def make_context(config, **options):
    folder = OutputFolder(config.output)
    folder.prepare()
    return ExperimentContext(
        config, "try", folder, choose_device("cpu"), SilentProgress(), **options
    )


def finished(config):
    lines = Journal(config.output / "journal.jsonl").read()
    return [line["label"] for line in lines if line["event"] == "finished"]


def test_a_context_finds_what_a_run_finished_and_measures_the_same(tiny_config):
    config = tiny_config(seed=[0, 1], test_dataset=["tiny-other"])
    records = [record for record, _ in run_benchmark(config, SilentProgress()).records]
    before = finished(config)
    context = make_context(config)
    measured = list(context.measure(context.variants))
    assert finished(config) == before
    assert [one.record for one in measured] == records
    first, record = measured[0], records[0]
    outcomes = first.outcomes["tiny"]
    assert list(outcomes) == ["clean", "random-noise@8", "metric-fgsm@8", "tiny-attack@8", "worst"]
    assert outcomes["clean"].map == pytest.approx(record.clean.map)
    assert outcomes["clean"].rank1 == pytest.approx(record.clean.rank1)
    assert outcomes["worst"].map == pytest.approx(record.worst_case.map)
    assert outcomes["worst"].rank1 == pytest.approx(record.worst_case.rank1)
    other = record.cross_dataset[0]
    assert first.outcomes["tiny-other"]["metric-fgsm@8"].map == pytest.approx(other.attacks[1].map)
    for dataset, part in (("tiny", first.record), ("tiny-other", first.record.cross_dataset[0])):
        kept = load_per_query(context.home / "records" / part.per_query)
        np.testing.assert_array_equal(kept.ap["clean"], first.outcomes[dataset]["clean"].ap)


def test_a_run_finds_what_a_context_trained(tiny_config):
    config = tiny_config(attack=["tiny-attack"])
    (trained,) = make_context(config).train([Variant("row", "tiny-defense")])
    assert not trained.encoder.training
    assert finished(config) == ["tiny-defense · seed 0 · train tiny"]
    run_benchmark(config, SilentProgress())
    assert sum("train" in label for label in finished(config)) == 1


def test_a_variant_is_the_training_that_set_would_have_made(tiny_config):
    variant = Variant("light", "tiny-defense", {"defense.weight": 0.5, "training.epochs": 1})
    config = tiny_config(attack=["tiny-attack"])
    context = make_context(config)
    (trained,) = context.train([variant])
    assert trained.plugin.config.weight == 0.5
    assert trained.outcome["epochs"] == 1
    same = tiny_config("defense.weight=0.5", "training.epochs=1", attack=["tiny-attack"])
    run_benchmark(same, SilentProgress())
    assert sum("train" in label for label in finished(config)) == 1
    with pytest.raises(UsageError, match="wieght"):
        list(context.train([Variant("wrong", "tiny-defense", {"defense.wieght": 1})]))


def test_another_training_data_set_of_the_run_swaps_the_two(tiny_config):
    context = make_context(tiny_config(test_dataset=["tiny-other"], attack=["tiny-attack"]))
    (measured,) = context.measure(context.variants, dataset="tiny-other")
    assert measured.record.dataset == "tiny-other"
    assert list(measured.outcomes) == ["tiny-other", "tiny"]


def test_what_is_kept_does_not_depend_on_what_was_drawn_before(tiny_config):
    context = make_context(tiny_config(attack=["tiny-attack"], fresh=True))
    (trained,) = context.train(context.variants)

    def draw():
        return Kept({"number": float(torch.rand(1))}, {})

    first = context.kept("try", 1, trained, {"of": 1}, draw).outcome
    assert context.kept("try", 1, trained, {"of": 2}, draw).outcome != first
    assert context.kept("try", 1, trained, {"of": 1}, draw).outcome == first


def test_what_is_kept_is_computed_once_for_the_same_inputs(tiny_config):
    config = tiny_config(attack=["tiny-attack"])
    context = make_context(config)
    (trained,) = context.train(context.variants)
    calls = []

    def keep(context, version=1, **inputs):
        def compute():
            calls.append(inputs)
            return Kept({"number": len(calls)}, {"zeros": np.zeros(2)})

        return context.kept("try", version, trained, inputs, compute)

    assert keep(context, a=1).outcome == {"number": 1}
    stored = keep(make_context(config), a=1)
    assert stored.outcome == {"number": 1}
    assert stored.arrays()["zeros"].shape == (2,)
    assert keep(context, a=2).outcome == {"number": 2}
    assert keep(context, version=2, a=1).outcome == {"number": 3}


def test_closed_splits_cannot_be_read_by_any_way_that_a_context_offers(tiny_config):
    config = tiny_config(attack=["tiny-attack"])
    context = make_context(config, opens=("train",))
    (trained,) = context.train(context.variants)
    assert len(context.split("tiny", "train")) == 72
    dataset = context.datasets.dataset("tiny")
    assert dataset.present() == ("train",)
    ways = [
        context.split,
        context.datasets.split,
        *(
            lambda _, s, w=w: w(s)
            for w in (dataset.split, dataset.names, dataset.labels, dataset.files)
        ),
    ]
    for way in ways:
        for split in ("query", "gallery"):
            with pytest.raises(DataError, match="may not look at"):
                way("tiny", split)
    with pytest.raises(DataError, match="may not look at"):
        list(context.measure([trained.variant]))


class Failing(Experiment):
    """Measures, and fails on one row of its own."""

    name = "failing"
    defaults = {"attack": ["tiny-attack"], "eps": [4.0]}
    settings = ("attack_config.fna.steps=2", "training.epochs=1")

    class Config(PluginConfig):
        """None."""

    def run(self, context):
        measured = list(context.measure(context.variants))
        with context.tolerating("own row"):
            from benchmark.core.errors import PluginError

            raise PluginError("own failure")
        rows = [(one.variant.label, [TableCell("1")]) for one in measured]
        return Findings([Table("T", "Row", ["x"], rows)], {"rows": len(rows)}, {"dot": b"PNG"})


def test_a_failing_plugin_costs_its_row_and_is_told(tiny_config):
    config = tiny_config(defense=["tiny-broken", "tiny-defense"], attack=["tiny-attack"])
    outcome = run_experiment(Failing(Failing.Config()), config, SilentProgress())
    assert [failure.what for failure in outcome.failures] == [
        "tiny-broken · seed 0 · train tiny",
        "own row",
    ]
    home = config.output / "experiments" / "failing"
    document = json.loads((home / "result.json").read_text())
    assert document == outcome.document
    assert document["result"] == {"rows": 1}
    assert document["failures"][1]["what"] == "own row: own failure"
    assert document["configuration"]["defense"] == ["tiny-broken", "tiny-defense"]
    assert (home / "dot.png").read_bytes() == b"PNG"
    assert "| tiny-defense |   1 |" in (home / "table.md").read_text()


def test_defaults_yield_to_options_and_to_the_preset(tmp_path):
    preset = tmp_path / "own.yaml"
    preset.write_text("preset: smoke\neps: [2]\n")
    given, assignments = with_defaults(
        Failing, {"preset": str(preset), "seed": ["3"], "attack": None, "set_": ["a=1"]}
    )
    assert given == {"attack": ["tiny-attack"], "preset": str(preset), "seed": ["3"]}
    assert assignments == ["attack_config.fna.steps=2", "training.epochs=1", "a=1"]
    assert with_defaults(Failing, {"eps": ["1"]})[0]["eps"] == ["1"]


def test_other_protocols_and_scenarios_are_refused(tiny_config):
    for assignment in ("scenario.side=gallery", "protocol=unseen"):
        with pytest.raises(UsageError, match="standard protocol"):
            run_experiment(Failing(Failing.Config()), tiny_config(assignment), SilentProgress())


def test_every_name_leads_to_an_experiment_with_a_card():
    for name in EXPERIMENTS.names():
        found = experiment_named(name)
        assert issubclass(found, Experiment)
        assert found.name == name
        assert found.card.title
        assert EXPERIMENTS.summary(name) == found.summary() != ""
        assert set(found.defaults) <= {"defense", "attack", "eps", "test_dataset"}
        assert found(found.parse_config({})).config is not None
    with pytest.raises(UsageError, match="unknown experiment 'mian'") as caught:
        experiment_named("mian")
    assert "main" in caught.value.hint


def test_listing_experiments_imports_none():
    code = (
        "import sys; from benchmark.cli.app import exit_code; exit_code(['list', 'experiments']); "
        "exit_code(['experiment', '--help']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "main" in done.stdout
