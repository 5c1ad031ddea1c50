"""Layers of the configuration, and what a user is told who got it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmark.config.load import load_run_config, to_yaml
from benchmark.config.presets import preset_description, preset_names, read_layer
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.surrogate import Surrogate
from benchmark.core.training_seeds import SURROGATE_SEEDS


def load(*assignments, **options):
    return load_run_config({"defense": ["none"], **options}, assignments)


def test_layers_win_in_order(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("preset: smoke\nseed: [1, 2]\ntraining:\n  epochs: 7\n  inner: {steps: 3}\n")
    config = load("training.inner.steps=5", preset=str(path), seed=["4"])
    assert config.size == "smoke"
    assert (config.training.epochs, config.training.inner.steps) == (7, 5)
    assert config.seed == [4]
    assert config.preset == str(path)


def test_default_preset_is_embedded():
    assert load().preset == "embedded"
    assert load().size == "embedded"


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid_and_says_what_it_is_for(name):
    assert load(preset=name).preset == name
    assert preset_description(name)


def test_lists_take_commas_and_repeats_and_drop_repeated_values():
    config = load(defense=["none,metric-at", "none"], eps=["2,4", "8", "2"], seed="0,1")
    assert config.defense == ["none", "metric-at"]
    assert config.eps == [2, 4, 8]
    assert config.seed == [0, 1]


@pytest.mark.parametrize(
    ("dataset", "test_dataset", "expected"),
    [
        ("synthped-plaza", None, ["synthped-campus"]),
        ("synthped-campus", None, ["synthped-plaza"]),
        ("market1501", None, []),
        ("synthped-plaza", "none", []),
        ("market1501", ["synthped-plaza", "market1501"], ["synthped-plaza"]),
    ],
)
def test_cross_datasets(dataset, test_dataset, expected):
    assert load(dataset=dataset, test_dataset=test_dataset).test_datasets == expected


def test_the_recipe_of_surrogates_may_be_that_of_a_preset():
    embedded = load_run_config({"preset": "embedded", "defense": ["none"]})
    board = load_run_config({"preset": "board-single-step"})
    assert embedded.surrogate_training is None
    assert board.surrogate_training == embedded.training != board.training
    with pytest.raises(UsageError, match="unknown preset 'embeded'"):
        load_run_config({"defense": ["none"]}, ["surrogate_training=embeded"])


@pytest.mark.parametrize(
    ("given", "eps"),
    [
        (["4/255", "8/255"], [4, 8]),
        (["8 / 255"], [8]),
        ("2,4", [2, 4]),
        ("0,2,4", [0, 2, 4]),
        ([0, 5], [0, 5]),
        (["0.5/255", "1e1"], [0.5, 10]),
    ],
)
def test_budgets_are_in_1_255_units_however_they_are_written(given, eps, tmp_path):
    assert load(eps=given).eps == eps
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"eps": given}))
    assert load(preset=str(path)).eps == eps
    assert load("training.inner.eps_255=8/255").training.inner.eps_255 == 8


def test_a_budget_below_one_is_hinted_at(caplog):
    load(eps=[1])
    assert not caplog.messages
    load(eps=[0, 0.5, 0.25])
    (line,) = caplog.messages
    assert line.startswith("eps 0.5, 0.25: the unit is 1/255")


def test_yaml_numbers_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: [010, 0x10]\n")
    assert load(preset=str(path)).seed == [10, 16]
    path.write_text("base: &base {lr: 1}\nmore: {<<: *base, lr: 2}\nagain: *base\n")
    assert read_layer(str(path))["more"] == {"lr": 2}


def test_paths_are_absolute_from_the_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REID_ROBUSTBENCH_CACHE", "cache")
    (tmp_path / "moving_plugin.py").write_text("import os\nos.chdir('/')\n")
    (tmp_path / "second_moving_plugin.py").write_text("")
    config = load(plugin=["moving_plugin.py", "second_moving_plugin.py"], data_root="images")
    assert config.output == tmp_path / "runs"
    assert config.data_root.folders == (tmp_path / "images",)
    assert config.cache_dir == tmp_path / "cache"
    assert config.plugin[0] == tmp_path / "moving_plugin.py"
    assert Path.cwd() == tmp_path


def test_a_cache_variable_that_is_no_path_is_told(monkeypatch):
    monkeypatch.setenv("REID_ROBUSTBENCH_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(UsageError, match="REID_ROBUSTBENCH_CACHE = '~nobody-of-this-name/cache'"):
        load()


def test_options_of_plugins():
    config = load(
        "attack.sma.steps=3", "attack.alpha_255=2", defense=["none"], attack=["sma", "fna"]
    )
    assert config.attack_config == {
        "sma": {"steps": 3, "alpha_255": 2},
        "fna": {"alpha_255": 2},
    }


def test_the_resolved_configuration_loads_to_the_same(tmp_path):
    config = load("attack.sma.steps=3", eps=["2", "4"], output=tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    again = load_run_config({"preset": str(path)})
    assert again.model_copy(update={"preset": config.preset}) == config
    assert "fresh" not in yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("options", "assignments", "what", "hint"),
    [
        ({"defense": None}, (), "no defense was chosen", "--defense ddid"),
        ({"preset": "embeded"}, (), "unknown preset 'embeded'", "did you mean embedded"),
        ({"preset": "nowhere.yaml"}, (), "nowhere.yaml cannot be read", "check the path"),
        ({}, ("training.epoch=3",), "unknown key 'training.epoch'", "did you mean epochs?"),
        ({}, ("trainning.epochs=3",), "unknown key 'trainning'", "did you mean training?"),
        ({}, ("training.epochs=many",), "training.epochs = 'many': should be a valid integer", ""),
        ({}, ("training.epochs",), "is not KEY=VALUE", "--set training.epochs=20"),
        ({}, ("training.epochs=[",), "not valid YAML: ", "quotes"),
        ({}, ("training.epochs.x=1",), "'epochs' is a value, not a section", "set epochs itself"),
        ({}, ("defense.weight=1",), "no defense of this run has the key 'weight'", ""),
        ({}, ("defense.ddid.weight=1",), "'ddid' is not part of this run", "add --defense ddid"),
        ({}, ("attack.stepz=1",), "no attack of this run has the key 'stepz'", "mean steps?"),
        ({"eps": ["-1"]}, (), "eps -1 is not between 0 and 255", "1/255 units"),
        ({"eps": ["256"]}, (), "eps 256 is not between 0 and 255", "1/255 units"),
        ({"eps": ["nan"]}, (), "finite", ""),
        ({"eps": []}, (), "eps = []", ""),
        ({"eps": ["0,031"]}, (), "eps '0,031' can be read as a number with a decimal", "write 8"),
        ({"eps": ["0,5"]}, (), "eps '0,5' can be read as a number with a decimal comma", "space"),
        ({"eps": ["7,05"]}, (), "eps '7,05' can be read as a number with a decimal", "point"),
        ({"eps": ["-0,5"]}, (), "eps '-0,5' can be read as a number with a decimal", "point"),
        ({}, ("eps=[0,031]",), "eps '0,031' can be read as a number with a decimal", "write 8"),
        ({"eps": ["0.031"]}, (), "eps 0.031 is too small: the unit is 1/255", "8/255: write 8"),
        ({}, ("eps=0.004",), "eps 0.004 is too small", "1/255: write 1"),
        ({}, ("training.inner.eps_255=0.031",), "eps 0.031 is too small", "8/255: write 8"),
        ({"eps": ["8/256"]}, (), "eps '8/256' is not a number over 255", "8/255"),
        ({"eps": ["x/255"]}, (), "eps.0 = 'x'", ""),
        ({}, ("output=''",), "output = '': the path is empty", ""),
        ({}, ("data_root=' '",), "data_root = ' ': the path is empty", ""),
        ({}, ('cache_dir="a\\0b"',), "a path holds no NUL character", ""),
        ({"output": "~nobody-of-this-name/a"}, (), "there is no such home folder", ""),
        ({}, ("training={epochs: 1, epochs: 2}",), "the key 'epochs' is there twice", "mend"),
        ({"eps": ["eight"]}, (), "eps.0 = 'eight': should be a valid number", ""),
        ({"seed": ["-1"]}, (), "seed.0 = '-1'", ""),
        ({"seed": ["9" * 25]}, (), "seed.0 = '9999", ""),
        ({}, (f"evaluation.batch={'9' * 25}",), "evaluation.batch = 9999", ""),
        ({"preset": "~nobody-of-this-name/a.yaml"}, (), "there is no such home folder", "path"),
        ({"preset": "folder.yaml"}, (), "folder.yaml cannot be read: ", "check the path"),
        ({"device": "tpu"}, (), "device = 'tpu'", ""),
        ({"executor": "spark"}, (), "executor = 'spark'", ""),
        ({"plugin": ["nowhere.py"]}, (), "nowhere.py", "give the path of a .py file"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_a_mend(
    options, assignments, what, hint, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UsageError) as caught:
        load(*assignments, **options)
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert "\n" not in caught.value.what + caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- a\n- b\n", "is not a mapping"),
        ("a: [1\n", "line 2: not valid YAML"),
        ("eps: 4\nseed: 1\neps: 8\n", "mine.yaml, line 3: not valid YAML: the key 'eps' is there"),
        ("training:\n  epochs: 1\n  epochs: 2\n", "line 3: not valid YAML: the key 'epochs'"),
        ("training: {epochs: 1, epochs: 2}\n", "line 1: not valid YAML: the key 'epochs'"),
        ("eps: 0,031\n", "eps '0,031' can be read as a number with a decimal comma"),
        ("eps: [0,031]\n", "eps '0,031' can be read as a number with a decimal comma"),
        ("eps: 0.031\n", "eps 0.031 is too small"),
        ("output: ''\n", "output = '': the path is empty"),
        ("seed: 2001-99-99\n", "not valid YAML"),
        ("preset: mine.yaml\n", "in a circle"),
        ("colour: red\n", "unknown key 'colour'"),
        ("training:\n  epochs: [1]\n", "training.epochs = [1]"),
        ("defense_config: {none: 3}\n", "defense_config.none = 3"),
    ],
)
def test_a_broken_yaml_file_is_told(tmp_path, monkeypatch, text, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(preset="mine.yaml")
    assert what in caught.value.what


def test_a_plugin_file_that_raises_is_told_with_its_line(tmp_path):
    path = tmp_path / "broken_plugin_of_mine.py"
    path.write_text("x = 1\nraise ValueError('no')\n")
    with pytest.raises(Exception, match="line 2: ValueError: no") as caught:
        load(plugin=[str(path)])
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (1_000_000, "seeds 1000000 to 1000999 are those of surrogates"),
        (1_000_999, "seeds 1000000 to 1000999 are those of surrogates"),
        (-1, "should be greater than or equal to 0"),
        (2**63, "should be less than or equal to 9223372036854775807"),
        ("1.5", "should be a valid integer"),
    ],
)
def test_a_seed_that_cannot_be_a_targets_is_refused(given, message):
    with pytest.raises(UsageError, match=r"seed\.1 = ") as caught:
        load(seed=[0, given])
    assert message in caught.value.what
    assert "\n" not in caught.value.what


def test_seeds_beside_those_of_surrogates_are_accepted():
    seeds = [0, 999_999, 1_001_000, 2**63 - 1]
    assert load(seed=seeds, attack_seed=[*seeds, 1_000_000]).seed == seeds


def test_surrogates_have_the_seeds_that_are_kept_for_them():
    members = [SURROGATE_SEEDS[member] for member in (0, 2, 999)]
    assert members == [1_000_000, 1_000_002, 1_000_999]
    for member in (-1, 1000):
        with pytest.raises(PluginError, match=f"member {member} "):
            Surrogate(member=member)
