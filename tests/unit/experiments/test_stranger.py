"""An experiment of a stranger: a file with a decorator, through the same door as the built-ins."""

from __future__ import annotations

import json
import sys

import pytest

from benchmark.core.registry import EXPERIMENTS
from tests.conftest import TINY_PLUGIN

FILE = TINY_PLUGIN.parent / "tiny_experiment.py"


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Forget what a test registers."""
    monkeypatch.setattr(EXPERIMENTS, "_classes", dict(EXPERIMENTS._classes))
    yield
    sys.modules.pop("reid_robustbench_plugin_tiny_experiment", None)


def test_it_runs_with_its_options_and_is_described(cli, tiny_arguments, tmp_path):
    own = ["--plugin", FILE, "--set", "experiment.scale=2"]
    code, out, _ = cli("experiment", "tiny-question", *tiny_arguments, *own, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["options"] == {"scale": 2}
    assert set(document["result"]) == {"tiny-defense"}
    home = tmp_path / "out" / "experiments" / "tiny-question"
    stored = json.loads((home / "result.json").read_text())
    assert stored["result"] == document["result"]
    assert stored["configuration"]["plugin"] == ["tiny.py", "tiny_experiment.py"]
    assert (home / "table.md").read_text().startswith("# A stranger's question")
    described = json.loads(
        cli("describe", "experiment", "tiny-question", "--plugin", FILE, "--json")[1]
    )
    assert described["summary"] == "Count the queries that every attack leaves right."
    assert [row["key"] for row in described["options"]] == ["scale"]


def test_what_is_no_experiment_is_refused(cli, tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from benchmark import Attack, register_experiment\n"
        "@register_experiment('wrong')\nclass Wrong(Attack):\n    '''No experiment.'''\n"
    )
    code, out, err = cli("experiment", "wrong", "--plugin", wrong, "--output", tmp_path / "out")
    assert (code, out) == (4, "")
    assert "not a subclass of Experiment" in err


def test_the_help_lists_names_and_summaries(cli):
    out = cli("experiment", "--help")[1]
    for name in EXPERIMENTS.names():
        assert f"{name}: {EXPERIMENTS.summary(name)[:20]}" in out
