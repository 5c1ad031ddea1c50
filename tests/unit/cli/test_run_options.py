"""The options that `run` and `plan` share, scenarios and protocols among them."""

from __future__ import annotations

import inspect
import json

import pytest

from benchmark.cli.options import read_config
from benchmark.cli.plan import plan
from benchmark.cli.run import run
from benchmark.core.errors import UsageError

BASE = {"defense": ["none"], "json_": False, "fresh": False, "strict": False}


def test_run_and_plan_take_the_same_options():
    assert inspect.signature(run) == inspect.signature(plan)
    assert {"side", "intent", "fraction", "target", "protocol"} <= set(
        inspect.signature(run).parameters
    )
    assert run.__doc__ != plan.__doc__


def test_options_of_the_scenario_are_keys_of_its_section():
    config = read_config({**BASE, "side": "gallery", "fraction": "0.25"})
    assert (config.scenario.side, config.scenario.fraction) == ("gallery", 0.25)
    config = read_config({**BASE, "intent": "rank-down", "target": "farthest"})
    assert (config.scenario.intent, config.scenario.target) == ("rank-down", "farthest")
    assert read_config(BASE).scenario.is_default


def test_set_wins_over_an_option_and_means_the_same():
    by_set = read_config({**BASE, "set_": ["scenario.side=gallery"]})
    by_option = read_config({**BASE, "side": "gallery"})
    assert by_set.scenario == by_option.scenario
    both = read_config({**BASE, "side": "both", "set_": ["scenario.side=gallery"]})
    assert both.scenario.side == "gallery"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"side": "gallery", "intent": "impersonate"}, "intent impersonate needs side query"),
        ({"side": "both", "intent": "rank-down"}, "intent rank-down needs side query"),
        ({"fraction": "0.5"}, "it needs side gallery or both"),
        ({"side": "gallery", "fraction": "0"}, "scenario.fraction = 0"),
        ({"side": "gallery", "fraction": "half"}, "scenario.fraction = 'half'"),
        ({"side": "left"}, "scenario.side = 'left'"),
        ({"intent": "win"}, "scenario.intent = 'win'"),
        ({"intent": "impersonate", "target": "me"}, "scenario.target = 'me'"),
        ({"target": "nearest"}, "intent dodge has none"),
        ({"set_": ["scenario.target=nearest"]}, "intent dodge has none"),
        ({"protocol": "secret"}, "protocol = 'secret'"),
    ],
)
def test_impossible_combinations_are_told_in_one_line(options, what):
    with pytest.raises(UsageError) as caught:
        read_config({**BASE, **options})
    assert what in caught.value.what
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_plan_shows_a_training_for_each_train_attack(cli, tiny_arguments):
    arguments = ["plan", "--defense", "metric-at", *tiny_arguments, "--json"]
    code, out, _ = cli(*arguments, "--protocol", "unseen")
    titles = [c["title"] for c in json.loads(out)["cells"] if c["title"].startswith("train")]
    assert code == 0
    assert titles == [
        "train tiny against metric-fgsm",
        "train tiny against metric-ifgsm",
        "train tiny",
        "train tiny against sma",
    ]
    _, out, _ = cli(*arguments, "--protocol", "unseen", "--set", "train_attacks=sma")
    assert sum(c["title"].startswith("train") for c in json.loads(out)["cells"]) == 1


def test_a_sweep_draws_curves_at_the_end_of_run_and_in_board(cli, tiny_arguments, tmp_path):
    options = ["--eps", "2", "4", "8", "--set", "training.epochs=1"]
    code, out, _ = cli("run", "--defense", "tiny-defense", *tiny_arguments, *options)
    assert code == 0
    pictures = sorted((tmp_path / "out" / "figures").iterdir())
    assert [path.suffix for path in pictures] == [".png", ".svg"]
    assert all(str(path) in out.replace("\n", "") for path in pictures)
    for name in ("attacks.csv", "curves.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    for name in ("figures", "all"):
        folder = tmp_path / name
        code, out, _ = cli("board", tmp_path / "out", "--format", name, "--output", folder)
        assert code == 0
        copies = sorted((folder / "figures").iterdir())
        assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in pictures]
    assert (tmp_path / "all" / "attacks.csv").exists()
    assert not (tmp_path / "figures" / "leaderboard.md").exists()


def test_a_board_without_a_sweep_has_nothing_to_draw(cli, tiny_arguments, tmp_path):
    cli("run", "--defense", "tiny-defense", *tiny_arguments, "--set", "training.epochs=1")
    folder = tmp_path / "drawn"
    code, out, _ = cli("board", tmp_path / "out", "--format", "figures", "--output", folder)
    assert code == 0
    assert out.startswith("nothing to draw")
    code, _, err = cli("board", tmp_path / "out", "--format", "figures")
    assert code == 2
    assert "--output DIR" in err
