"""The notebook and the README's lines of Python run as they stand.

nbclient was looked at: it would bring a kernel and some thirty packages for what `exec` does.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("elsewhere")]

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = json.loads((ROOT / "docs" / "python.ipynb").read_text("utf-8"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run_cell(source, scope):
    """Run a cell as a notebook does; return the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), scope)
    return (
        None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
    )


def test_the_notebook_runs_from_top_to_bottom(capsys):
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    scope = {"__name__": "__main__"}
    shown = {"".join(one["source"]): run_cell("".join(one["source"]), scope) for one in cells}
    assert scope["result"].record.worst_case.map <= scope["result"].record.clean.map
    assert [one.defense.name for one in scope["done"].records] == ["none", "metric-at"]
    assert set(scope["frame"].row) == {"none", "metric-at"}
    assert shown["".join(cells[4]["source"])] == pytest.approx(8, abs=1e-3)
    assert "did you mean" in capsys.readouterr().out
    assert sum(hasattr(value, "_repr_html_") for value in shown.values()) >= 3
    pictures = [value._repr_png_() for value in shown.values() if hasattr(value, "_repr_png_")]
    assert [one[1:4] for one in pictures] == [b"PNG", b"PNG"]


def test_the_five_lines_of_the_readme_print_a_table(capsys):
    (block,) = re.findall(
        r"```python\n(import torch\n.*?evaluate.*?)```", (ROOT / "README.md").read_text(), re.S
    )
    assert len([line for line in block.splitlines() if line.strip()]) <= 6
    small = block.replace('"synthped-plaza"', '"synthped-plaza", size="smoke"')
    few = 'queries=6, evaluation={"checks": False}'  # the notebook makes the same call with checks
    exec(small.replace("queries=20", few), {})
    table = capsys.readouterr().out
    for attack in ("clean", "metric-ifgsm", "fna", "soft-ap", "worst case"):
        assert attack in table
