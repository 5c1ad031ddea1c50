"""regenerate.sh asks for runs that exist, and replaces a published folder when they are done."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.config.load import load_run_config
from benchmark.core.registry import EXPERIMENTS

ROOT = Path(__file__).resolve().parents[3]
FAKE = """#!/usr/bin/env bash
echo "$@" >> "$LOG"
mkdir -p runs/published/records runs/published/experiments/"$4"
echo new > runs/published/records/new.json
echo new > runs/published/experiments/"$4"/table.md
exit "${FAILS:-0}"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with the script, a published folder and a stand-in for Python."""
    (tmp_path / "results" / "published" / "board").mkdir(parents=True)
    (tmp_path / "results" / "published" / "board" / "old.json").write_text("old")
    shutil.copy(ROOT / "results" / "regenerate.sh", tmp_path / "results")
    fake = tmp_path / "python"
    fake.write_text(FAKE)
    fake.chmod(0o755)
    return tmp_path


def regenerate(tree: Path, *names: str, fails: int = 0) -> tuple[int, list[list[str]]]:
    log = tree / "log"
    log.write_text("")
    env = {"PATH": "/usr/bin:/bin", "PYTHON": str(tree / "python"), "LOG": str(log)}
    done = subprocess.run(
        ["bash", str(tree / "results" / "regenerate.sh"), *names],
        env={**env, "FAILS": str(fails)},
        check=False,
        capture_output=True,
    )
    return done.returncode, [line.split() for line in log.read_text().splitlines()]


def test_all_runs_are_of_presets_and_experiments_that_exist(tree: Path) -> None:
    code, commands = regenerate(tree)
    assert code == 0
    for command in commands:
        if "--preset" in command:
            load_run_config({"preset": command[command.index("--preset") + 1]}, [])
        if command[2] == "experiment":
            assert EXPERIMENTS.has(command[3])
    made = {path.name for path in (tree / "results" / "published").iterdir()}
    boards = {path.name for path in (ROOT / "results" / "published").glob("board*")}
    assert made == boards | {"experiments", "zoo"}
    shown = {path.name for path in (ROOT / "results" / "published" / "experiments").iterdir()}
    assert {path.name for path in (tree / "results/published/experiments").iterdir()} == shown


def test_a_run_that_fails_leaves_what_is_published(tree: Path) -> None:
    board = tree / "results" / "published" / "board"
    assert regenerate(tree, "board", fails=4)[0] == 4
    assert [path.name for path in board.iterdir()] == ["old.json"]
    assert regenerate(tree, "board")[0] == 0
    assert [path.name for path in board.iterdir()] == ["new.json"]


def test_an_unknown_name_does_nothing(tree: Path) -> None:
    assert regenerate(tree, "board", "bord") == (2, [])


def test_a_list_for_a_gpu_is_apart_and_leaves_records_alone(tree: Path) -> None:
    records = tree / "runs" / "published" / "records"
    records.mkdir(parents=True)
    code, (command,) = regenerate(tree, "gpu", "15", "--plan")
    assert (code, command) == (0, ["-m", "benchmark.bench.gpu_work", "15", "--plan"])
    assert records.is_dir()
