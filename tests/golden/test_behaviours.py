"""Built-in plugins behave as the table says: by their sources, and by what they compute."""

from __future__ import annotations

import subprocess
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
from benchmark.core.own_packages import ROOT

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
    "defense": ("none", "metric-at", "ddid", "trades", "free-at", "jpeg"),
    "backbone": ("osnet-x0-25",),
}
"""What the suite plays, to notice what the harness changes. `same_behaviour` plays the
others whenever their source changes."""


@pytest.mark.parametrize("plugin", built_in())
def test_its_source_has_an_entry(plugin: str) -> None:
    table = read_table()
    id_ = latest(table, plugin)
    assert id_ is not None, HOW
    assert meaning_in(ROOT, plugin) in table[id_].sources, HOW


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["attack", "defense", "backbone"])
def test_it_computes_what_it_computed(kind: str) -> None:
    table, names = read_table(), PLAYED[kind]
    plugins = [one for one in built_in() if one.partition(" ")[0] == kind]
    plugins = [one for one in plugins if one.partition(" ")[2] in names]
    outputs = outputs_in(ROOT, plugins, defaults_only=True)
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


def test_an_edit_of_its_logic_is_noticed(tmp_path: Path) -> None:
    with tree_of("HEAD") as tree:
        before = outputs_in(tree, ["attack sma"])
        meaning = meaning_in(tree, "attack sma")
        path = tree / "attacks" / "sma.py"
        text = path.read_text()
        path.write_text(text.replace(".square()", ".abs()"))
        assert path.read_text() != text
        after = outputs_in(tree, ["attack sma"])
        assert meaning_in(tree, "attack sma") != meaning
    told = differences(outputs_of("attack sma", after), outputs_of("attack sma", before))
    assert any(line.endswith(": images_sha256") for line in told)
