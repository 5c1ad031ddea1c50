"""The command: table or JSON on stdout, options of the experiment, mistakes in two lines."""

from __future__ import annotations

import json

import pytest

from benchmark.runner.cells.cell import Cell


def without_attacks(arguments):
    first = arguments.index("--attack")
    return [*arguments[:first], *arguments[first + 4 :]]


def test_main_prints_a_table_and_writes_it(cli, tiny_arguments, tmp_path):
    arguments = [*without_attacks(tiny_arguments), "--defense", "none", "tiny-defense"]
    own = ["--set", "experiment.ours=tiny-defense", "experiment.baseline=none", "eps=[8]"]
    code, out, _ = cli("experiment", "main", *arguments, *own)
    home = tmp_path / "out" / "experiments" / "main"
    assert code == 0
    assert "metric-ifgsm@8" in out
    assert str(home / "result.json") in out.replace("\n", "")
    code, out, _ = cli("experiment", "main", *arguments, *own, "--json")
    document = json.loads(out)
    assert document["exit_code"] == code == 0
    stored = json.loads((home / "result.json").read_text())
    assert {key: document[key] for key in stored} == stored
    assert stored["configuration"]["attack_config"]["fna"]["steps"] == 16
    assert str(tmp_path) not in json.dumps(stored["configuration"])
    assert stored["configuration"]["plugin"] == ["tiny.py"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("mian",), "unknown experiment 'mian'"),
        (("main", "--set", "experiment.hours=3"), "unknown key 'hours'"),
        (("main", "--set", "trianing.epochs=3"), "trianing"),
        (("main", "--side", "gallery"), "standard protocol"),
        ((), "Missing argument"),
    ],
)
def test_mistakes_are_told_in_two_lines(cli, tmp_path, arguments, what):
    code, out, err = cli("experiment", *arguments, *(("--output", tmp_path) if arguments else ()))
    assert (code, out) == (2, "")
    assert what in err
    assert len(err.splitlines()) <= 2


def test_experiments_are_described(cli):
    code, out, _ = cli("describe", "experiment", "main", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["name"] == "main"
    assert {"ours", "baseline"} <= {row["key"] for row in document["options"]}


def test_ctrl_c_gives_one_line_and_130_and_no_half_result(
    cli, tiny_arguments, tmp_path, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Cell, "compute", interrupted)
    code, out, err = cli("experiment", "main", *tiny_arguments, "--defense", "tiny-defense")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "stopped; run the same command again to go on"
    assert not (tmp_path / "out" / "experiments").exists()


def test_a_failing_defense_costs_its_column_and_exits_with_4(cli, tiny_arguments):
    arguments = [*tiny_arguments, "--defense", "tiny-broken", "tiny-defense"]
    code, out, err = cli("experiment", "main", *arguments, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 4
    assert [row["label"] for row in document["result"]["rows"]] == ["tiny-defense"]
    assert "tiny-broken" in document["failures"][0]["what"]
    assert "error: tiny-broken" in err
