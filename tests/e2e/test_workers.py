"""Two workers find what one finds, whoever is killed in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_interruptions import finish, record_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def started(arguments: list[str], place: str, marker: Path) -> subprocess.Popen[str]:
    """Start a run of two workers and wait until a plugin has reached a place."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark", "run", "--defense", "tiny-defense", *arguments],
        env={**os.environ, "TINY_PAUSE": place, "TINY_MARKER": str(marker)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    reached(marker, process)
    return process


def reached(marker: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not marker.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run did not reach the place"
        time.sleep(0.05)
    marker.unlink()


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(one) for one in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.slow
def test_kills_of_workers_and_driver_change_nothing(tiny_arguments, tmp_path):
    marker, output = tmp_path / "reached", tmp_path / "out"
    arguments = [*tiny_arguments, "--workers", "2"]

    process = started(arguments, "attack", marker)
    for worker in workers_of(process):
        os.kill(worker, signal.SIGKILL)
    reached(marker, process)  # what was lost is tried once more
    workers = workers_of(process)
    process.kill()
    _, err = process.communicate(timeout=60)
    assert "was killed by SIGKILL at tiny-defense · seed 0 · tiny-attack 8/255 tiny" in err
    assert "it is tried once more" in err
    assert "fewer --workers" in err
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "a worker outlived its driver"
        time.sleep(0.05)

    finish(tiny_arguments)
    events = [json.loads(line) for line in (output / "journal.jsonl").read_text().splitlines()]
    finished = [event["cell"] for event in events if event["event"] == "finished"]
    assert len(finished) == len(set(finished)) == 5
    assert not list((output / "cells").glob(".*"))
    whole = tmp_path / "whole"
    finish([*tiny_arguments, "--output", str(whole)])
    assert record_of(whole) == record_of(output)
