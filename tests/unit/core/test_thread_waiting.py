"""How threads wait is set before torch reads it, by either door, and never against the user."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmark.core.thread_waiting import BRIEF_SPINS, SPINS, says_how_to_wait, wait_briefly

USERS = {
    "OMP_WAIT_POLICY": "ACTIVE",
    "GOMP_SPINCOUNT": "7",
    "KMP_BLOCKTIME": "0",
}


def output_of(*arguments: str) -> str:
    """Return what a fresh Python prints that was not told how threads wait."""
    environment = {key: value for key, value in os.environ.items() if not says_how_to_wait(key)}
    environment["OMP_DISPLAY_ENV"] = "VERBOSE"  # libgomp tells what it has read
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", USERS)
def test_what_the_user_set_stays(name: str) -> None:
    environment = {"HOME": "/", name: USERS[name]}
    wait_briefly(environment)
    assert environment == {"HOME": "/", name: USERS[name]}


def test_other_variables_do_not_say_how_to_wait() -> None:
    others = {"OMP_DISPLAY_ENV": "TRUE", "OMP_NUM_THREADS": "2"}
    environment = dict(others)
    wait_briefly(environment)
    assert environment == {**others, SPINS: BRIEF_SPINS}


@pytest.mark.parametrize(
    "door",
    [
        ["-c", "import benchmark; import torch"],
        ["-m", "benchmark", "describe", "backbone", "small-resnet"],
    ],
)
def test_torch_reads_it_by_either_door(door: list[str]) -> None:
    printed = output_of(*door)
    if SPINS not in printed:
        pytest.skip("this torch does not use GNU libgomp")
    assert f"{SPINS} = '{BRIEF_SPINS}'" in printed


def test_children_inherit_it() -> None:
    child = f"import os; print('child', os.environ['{SPINS}'])"
    code = f"import sys, subprocess, benchmark; subprocess.run([sys.executable, '-c', {child!r}])"
    assert f"child {BRIEF_SPINS}" in output_of("-c", code)


def test_the_benchmark_imports_without_anything_heavy() -> None:
    code = "import sys, benchmark; print({'torch', 'numpy', 'logging'} & sys.modules.keys())"
    assert output_of("-c", code).startswith("set()")
