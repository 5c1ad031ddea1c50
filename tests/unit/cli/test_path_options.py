"""Paths on the command line: never empty, and where data are kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from benchmark.cli.app import app, exit_code


def path_parameters():
    """Yield the words of each command and each of its parameters that is a path."""
    for name, command in typer.main.get_command(app).commands.items():
        below = getattr(command, "commands", None)
        leaves = [((name, key), leaf) for key, leaf in below.items()] if below else []
        for words, leaf in leaves or [((name,), command)]:
            for parameter in leaf.params:
                if re.search("DIR|FILE.py|RECORD", parameter.metavar or ""):
                    yield words, parameter


PATHS = [pytest.param(words, p, id=f"{' '.join(words)} {p.name}") for words, p in path_parameters()]


def test_every_path_of_every_command_is_checked():
    words = {" ".join([*words, p.name]) for words, p in path_parameters()}
    assert {"run output", "plan data_root", "experiment cache_dir", "check plugin"} <= words
    assert {"data make output", "board folders", "compare records", "validate files"} <= words


@pytest.mark.parametrize(("words", "parameter"), PATHS)
def test_an_empty_path_is_refused(words, parameter, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    option = [f"{parameter.opts[0]}="] if parameter.param_type_name == "option" else [""]
    wanted = {"check": ["attack", "sma"], "describe": ["attack", "sma"], "compare": ["a", "b"]}
    names = wanted.get(words[0], ["main"] if words[0] == "experiment" else [])
    names = ["synthped-plaza"] if words[0] == "data" else names
    assert exit_code([*words, *names, *option]) == 2
    assert "the path is empty; . is the current folder" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (6, ("doctor", "--output")),
        (3, ("data", "info", "market1501", "--data-root")),
        (6, ("data", "make", "synthped-plaza", "--size", "smoke", "--output")),
        (6, ("board",)),
        (6, ("plan", "--preset", "smoke", "--defense", "none", "--output")),
    ],
)
def test_a_path_that_no_disk_takes_is_told(code, arguments, capfd):
    assert exit_code([*arguments, "a" * 5000]) == code
    first, second = capfd.readouterr().err.splitlines()[-2:]
    assert first.startswith("error: ")
    assert first.endswith(": File name too long")
    assert second.startswith("  → check the path")


def test_the_cache_is_where_the_option_says(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("REID_ROBUSTBENCH_CACHE", str(tmp_path / "variable"))
    arguments = ["data", "info", "synthped-plaza", "--size", "smoke", "--json"]
    assert exit_code([*arguments, "--cache-dir", str(tmp_path / "option")]) == 0
    assert str(tmp_path / "option") in capfd.readouterr().out
    assert not (tmp_path / "variable").exists()
    assert exit_code(arguments) == 0
    assert str(tmp_path / "variable") in capfd.readouterr().out


def test_a_plugin_that_changes_the_folder_does_not_split_the_output(
    tiny_arguments, tmp_path, monkeypatch, capfd
):
    start, away = tmp_path / "start", tmp_path / "away"
    start.mkdir()
    away.mkdir()
    monkeypatch.chdir(start)
    (start / "wandering.py").write_text(
        "import os\n"
        "from benchmark import Defense, register_defense\n"
        f"os.chdir({str(away)!r})\n"
        "@register_defense('wandering')\n"
        "class Wandering(Defense):\n"
        "    def training_step(self, step):\n"
        f"        os.chdir({str(away)!r})\n"
        "        return step.retrieval_loss(step.images)\n"
    )
    options = ["--defense", "wandering", "--plugin", "wandering.py", "--set", "training.epochs=1"]
    assert exit_code(["run", *tiny_arguments, *options, "--output", "out", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["output"] == str(start / "out")
    assert all(Path(path).is_file() for path in document["record_files"])
    assert {path.name for path in start.iterdir()} == {"out", "wandering.py"}
    assert not list(away.iterdir())
    assert Path.cwd() == start
