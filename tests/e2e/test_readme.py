"""What the README shows works when pasted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmark.cli.app import exit_code
from benchmark.core.registry import DEFENSES, load_plugin_file
from tests.conftest import TINY_PLUGIN

README = Path(__file__).parents[2] / "README.md"
MAKEFILE = README.with_name("Makefile")


def python_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_plugin_of_the_readme_runs(tiny_arguments, tmp_path, monkeypatch):
    (block,) = [block for block in python_blocks() if "register_defense" in block]
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    plugin = tmp_path / "my_defense.py"
    plugin.write_text(block)
    load_plugin_file(TINY_PLUGIN)  # now, as it is loaded once and other tests need it, too
    monkeypatch.setattr(DEFENSES, "_classes", dict(DEFENSES._classes))
    options = ["--defense", "my-defense", "--plugin", str(plugin), "--set", "defense.weight=2"]
    assert exit_code(["run", *options, *tiny_arguments]) == 0
    (record,) = (tmp_path / "out" / "records").glob("*.json")
    assert json.loads(record.read_text())["defense"]["config"] == {"weight": 2.0}


def test_commands_of_the_readme_name_real_things():
    text = README.read_text()
    commands = re.findall(r"python -m benchmark (\w+)", text)
    assert commands
    for command in set(commands):
        assert exit_code([command, "--help"]) == 0


def test_make_run_is_what_the_readme_says():
    (said,) = re.findall(r"`make run` is `python -m benchmark ([^`]+)`", README.read_text())
    done = re.findall(
        r"^run:.*\n\t\$\(BIN\)/python -m benchmark (.+) \$\(WORKERS\)$",
        MAKEFILE.read_text(),
        re.MULTILINE,
    )
    assert done == [said]
    assert said.split() == ["run", "--defense", "none,ddid"]  # a row to compare with


@pytest.mark.slow
def test_smoke_preset_makes_a_leaderboard_of_what_make_run_compares(tmp_path, capsys):
    arguments = ["--preset", "smoke", "--defense", "none,ddid", "--device", "cpu"]
    arguments += ["--set", "image_size=[32, 16]", "evaluation.checks=false"]  # see the notebook
    assert exit_code(["run", *arguments, "--output", str(tmp_path / "out")]) == 0
    board = (tmp_path / "out" / "leaderboard.md").read_text()
    assert all(name in board for name in ("none", "ddid"))
    records = list((tmp_path / "out" / "records").glob("*.json"))
    assert len(records) == 2
    for path in records:
        record = json.loads(path.read_text())
        assert len(record["attacks"]) == 9
        assert [cross["dataset"] for cross in record["cross_dataset"]] == ["synthped-campus"]
        assert 0 <= record["worst_case"]["map"] <= record["clean"]["map"] <= 100
    assert list((tmp_path / "out" / "cells").glob("*/report/contact_sheet.png"))
