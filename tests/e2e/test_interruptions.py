"""Kill a run at any moment and run it again: nothing is lost, nothing is computed twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from benchmark.cli.app import exit_code

PACE = ("seconds", "images_per_second", "share_of_bare")
TIMELESS = (*PACE, "peak_memory_bytes", "per_query")


def start(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmark", "run", "--defense", "tiny-defense", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background lets them and their children ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def interrupt(arguments: list[str], place: str, how: signal.Signals, marker: Path) -> str:
    """Start a run, stop it when its plugin reaches `place`, and return its standard error."""
    process = start(arguments, TINY_PAUSE=place, TINY_MARKER=str(marker))
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run did not reach the place"
        time.sleep(0.05)
    marker.unlink()
    process.send_signal(how)
    _, err = process.communicate(timeout=120)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    return err


def finish(arguments: list[str]) -> None:
    """Run to the end, in this process."""
    assert exit_code(["run", "--defense", "tiny-defense", *arguments]) == 0


def record_of(folder: Path) -> object:
    (path,) = folder.glob("records/*.json")

    def without_times(value: object) -> object:
        if isinstance(value, dict):
            return {k: without_times(v) for k, v in value.items() if k not in TIMELESS}
        return [without_times(v) for v in value] if isinstance(value, list) else value

    return without_times(json.loads(path.read_text()))


@pytest.mark.slow
def test_kills_and_ctrl_c_change_nothing(tiny_arguments, tmp_path):
    marker, output = tmp_path / "reached", tmp_path / "out"
    interrupt(tiny_arguments, "train", signal.SIGKILL, marker)
    (work,) = (output / "cells").glob(".work-*")
    assert any(work.iterdir())
    interrupt(tiny_arguments, "attack", signal.SIGKILL, marker)
    err = interrupt(tiny_arguments, "attack", signal.SIGINT, marker)
    assert err.splitlines()[-1] == "stopped; run the same command again to go on"
    finish(tiny_arguments)

    events = [json.loads(line) for line in (output / "journal.jsonl").read_text().splitlines()]
    finished = [event["cell"] for event in events if event["event"] == "finished"]
    assert len(finished) == len(set(finished)) == 5
    started = [event["label"] for event in events if event["event"] == "started"]
    assert sum("train" in label for label in started) == 2
    assert sum("tiny-attack" in label for label in started) == 3
    assert "goes on after epoch 1" in (output / "run.log").read_text()
    assert not list((output / "cells").glob(".*"))

    whole = tmp_path / "whole"
    finish([*tiny_arguments, "--output", str(whole)])
    assert record_of(whole) == record_of(output)
    assert (whole / "leaderboard.md").exists()
