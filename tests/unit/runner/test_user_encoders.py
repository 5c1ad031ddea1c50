"""Runs on encoders as users bring them: right numbers, or a failure of their own rows alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.core.errors import PluginError
from benchmark.core.progress import SilentProgress
from benchmark.runner.run import run_benchmark
from tests.conftest import TINY_PLUGIN

ODD = "tests.plugins.odd_encoders"
ATTACKS = ["random-noise", "metric-ifgsm", "tiny-attack", "tiny-score"]


@pytest.fixture(autouse=True)
def _one_engine(monkeypatch):
    engines = [one for one in torch.backends.quantized.supported_engines if one != "none"]
    monkeypatch.setattr(torch.backends.quantized, "engine", engines[0])


def measured(tiny_config, tmp_path: Path, factory: str, *assignments: str, **options):
    chosen = {
        "plugin": [str(TINY_PLUGIN), str(TINY_PLUGIN.with_name("tiny_attacks.py"))],
        "defense": ["pretrained", "tiny-defense"],
        "attack": ATTACKS,
        "output": tmp_path / factory,
        "defense_config": {"pretrained": {"factory": f"{ODD}:{factory}"}},
        **options,
    }
    return run_benchmark(tiny_config(*assignments, **chosen), SilentProgress())


def numbers(outcome):
    record = next(one for one, _ in outcome.records if one.defense.name == "pretrained")
    return record.clean, [(one.name, one.map, one.rank1) for one in record.attacks]


def test_an_encoder_that_writes_on_its_input_is_measured_as_one_that_does_not(
    tiny_config, tmp_path
):
    options = {"defense": ["pretrained"]}
    honest = measured(tiny_config, tmp_path, "Honest", **options)
    in_place = measured(tiny_config, tmp_path, "InPlace", **options)
    assert not in_place.failures
    assert numbers(in_place) == numbers(honest)


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        ("RaisesOnManyImages", "pretrained: the encoder raised KeyError: 'too many' (odd_enc"),
        ("RaisesUnderAttack", "pretrained: the encoder raised KeyError: 'no gradient here' (odd"),
        ("RaisesBackward", "pretrained: the gradient of 'metric-ifgsm' through the encoder raised"),
        ("Leaves", "pretrained: the encoder raised SystemExit: 2 (odd_encoders.py, line"),
        ("Forgetful", "saved and loaded again, the trained encoder gives other embeddings"),
        ("ExtraState", "'_extra_state' is of type dict, which cannot be saved"),
        ("quantised", "the encoder is quantised (1."),
        ("leaves", "the factory tests.plugins.odd_encoders:leaves raised SystemExit: 2"),
    ],
)
def test_what_an_encoder_does_wrong_fails_its_own_rows(tiny_config, tmp_path, factory, told):
    options = {"attack": ["metric-ifgsm"]}
    outcome = measured(tiny_config, tmp_path, factory, **options)
    assert [record.defense.name for record, _ in outcome.records] == ["tiny-defense"]
    ((failure),) = outcome.failures
    assert told in failure.error.what
    assert failure.error.hint
    assert failure.error.exit_code == 4


def test_a_random_encoder_is_compared_with_the_same_draws(tiny_config, tmp_path):
    options = {"defense": ["pretrained"], "attack": ["random-noise"]}
    good = measured(tiny_config, tmp_path, "Noisy", "defense.random=true", **options)
    assert not good.failures
    bad = measured(tiny_config, tmp_path, "NoisyAndForgetful", "defense.random=true", **options)
    assert "gives other embeddings" in bad.failures[0].error.what


def test_a_factory_whose_module_parses_arguments_is_refused(tiny_config, tmp_path):
    factory = "tests.plugins.parses_arguments:factory"
    options = {"defense_config": {"pretrained": {"factory": factory}}}
    with pytest.raises(PluginError, match="does not import: SystemExit: 2") as caught:
        measured(tiny_config, tmp_path, "x", **options)
    assert "argparse" in caught.value.hint


@pytest.mark.parametrize("how", ["data", "usage"])
def test_what_a_defense_says_of_its_data_is_about_its_own_rows(tiny_config, tmp_path, how):
    options = {"tiny-broken": {"how": how}}
    config = tiny_config(
        defense=["tiny-broken", "tiny-defense"], defense_config=options, attack=["metric-fgsm"]
    )
    outcome = run_benchmark(config, SilentProgress())
    assert [record.defense.name for record, _ in outcome.records] == ["tiny-defense"]
    ((failure),) = outcome.failures
    assert failure.error.what.startswith("'tiny-broken': ")
    assert isinstance(failure.error, PluginError)


def test_a_wrong_estimate_of_a_defense_fails_its_own_rows(tiny_config):
    config = tiny_config("defense.how=passes", defense=["tiny-broken"], attack=["metric-fgsm"])
    ((failure),) = run_benchmark(config, SilentProgress()).failures
    assert "'tiny-broken' raised ZeroDivisionError" in failure.error.what
