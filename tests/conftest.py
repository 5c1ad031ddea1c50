"""Fixtures for tests that run the whole benchmark on tiny data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported, and for the processes that tests start: tiny tensors gain nothing from
# threads, and the workers of pytest-xdist would fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes is the machine's affair.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TINY_PLUGIN = Path(__file__).parent / "plugins" / "tiny.py"

TINY_OPTIONS = {
    "plugin": [str(TINY_PLUGIN)],
    "dataset": "tiny",
    "attack": ["random-noise", "metric-fgsm", "tiny-attack"],
    "image_size": (16, 8),
    "backbone": {"width": 8},
    "training": {"epochs": 2, "identities": 4, "images": 2, "inner": {"steps": 1}},
    "evaluation": {"checks": False},
    "device": "cpu",
    "workers": 1,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files with slow tests first: one at the end would leave the other workers idle."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's cache out of the tests; rendered data is shared by the tests of a session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("REID_ROBUSTBENCH_CACHE", str(folder))


@pytest.fixture
def tiny_config(tmp_path: Path) -> Callable[..., object]:
    """Return a function that builds the configuration of a run that takes a second."""
    from benchmark.config.load import load_run_config

    def build(*assignments: str, **options: object) -> object:
        given = {"defense": ["tiny-defense"], "output": tmp_path / "out", **TINY_OPTIONS, **options}
        return load_run_config(given, assignments)

    return build


@pytest.fixture
def tiny_arguments(tmp_path: Path) -> list[str]:
    """Return the command line of a run that takes a second, without command and defense."""
    return [
        *("--plugin", str(TINY_PLUGIN), "--dataset", "tiny", "--device", "cpu"),
        *("--workers", "1"),
        *("--attack", "random-noise", "metric-fgsm", "tiny-attack"),
        *("--output", str(tmp_path / "out")),
        *("--set", "image_size=[16, 8]", "backbone.width=8", "training.epochs=3"),
        *("training.identities=4", "training.images=2", "training.inner.steps=1"),
        *("--set", "evaluation.checks=false"),
    ]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a command line and returns exit code, stdout and stderr."""
    from benchmark.cli.app import exit_code

    def call(*arguments: object) -> tuple[int, str, str]:
        code = exit_code([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call
