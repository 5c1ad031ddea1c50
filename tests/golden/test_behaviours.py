"""Built-in plugins behave as the table says: by their sources, and by what they compute."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmark.checks.behaviour_scenes import Outputs
from benchmark.checks.behaviour_table import latest, read_table
from benchmark.checks.same_behaviour import (
    built_in,
    differences,
    digest,
    meaning_in,
    outputs_in,
    outputs_of,
    tree_of,
)
from benchmark.core.own_packages import OWN_PACKAGES, ROOT

HOW = "run: python -m benchmark.checks.same_behaviour (or --new NAME, if it is meant to differ)"


PLAYED = {
    "attack": (
        "metric-fgsm",
        "metric-pgd",
        "sma",
        "fna",
        "odfa",
        "apgd-snn",
        "soft-ap",
        "di",
        "uap",
    ),
    "defense": ("none", "metric-at", "ddid", "free-at", "jpeg"),
    "backbone": ("osnet-x0-25",),
}
"""What the suite plays, to notice what the harness changes. `same_behaviour` plays the
others whenever their source changes."""


def chosen(kind: str) -> list[str]:
    return [one for one in built_in() if one in {f"{kind} {name}" for name in PLAYED[kind]}]


@cache
def played(kind: str) -> Outputs:
    """Return what the chosen plugins of a kind give at hand; two tests ask for the attacks."""
    return outputs_in(ROOT, chosen(kind), defaults_only=True)


@pytest.mark.parametrize("plugin", built_in())
def test_its_source_has_an_entry(plugin: str) -> None:
    table = read_table()
    id_ = latest(table, plugin)
    assert id_ is not None, HOW
    assert meaning_in(ROOT, plugin) in table[id_].sources, HOW


@pytest.mark.slow
def test_an_edit_of_its_logic_is_noticed(tmp_path: Path) -> None:
    for package in OWN_PACKAGES:
        unwanted = shutil.ignore_patterns("__pycache__", "published")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=unwanted)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    assert meaning_in(tmp_path, "attack sma") == meaning_in(ROOT, "attack sma")
    path = tmp_path / "attacks" / "sma.py"
    text = path.read_text()
    path.write_text(text.replace(".square()", ".abs()"))
    assert path.read_text() != text
    assert meaning_in(tmp_path, "attack sma") != meaning_in(ROOT, "attack sma")
    after, before = outputs_in(tmp_path, ["attack sma"]), played("attack")
    told = differences(outputs_of("attack sma", after), outputs_of("attack sma", before))
    assert any(line.endswith(": images_sha256") for line in told)
    assert not any(line.endswith("only one has it") for line in told)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attack", "defense", "backbone"])
def test_it_computes_what_it_computed(kind: str) -> None:
    table, plugins, outputs = read_table(), chosen(kind), played(kind)
    assert all(outputs_of(plugin, outputs) for plugin in plugins)
    others: dict[str, list[str]] = {}
    for plugin in plugins:
        entry = table[latest(table, plugin) or ""]
        if entry.outputs.get(version("torch")) != digest(outputs_of(plugin, outputs)):
            others.setdefault([*entry.sources.values()][-1], []).append(plugin)
    for commit, changed in others.items():  # another processor or torch: ask the old source here
        _compare(commit, changed, outputs)


def _compare(commit: str, plugins: list[str], outputs: Outputs) -> None:
    found = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", commit], check=False)
    if found.returncode:
        pytest.skip(f"the history without {commit[:12]} cannot tell whether the machine differs")
    with tree_of(commit) as tree:
        before = outputs_in(tree, plugins, defaults_only=True)
    for plugin in plugins:
        assert differences(outputs_of(plugin, outputs), outputs_of(plugin, before)) == [], HOW
