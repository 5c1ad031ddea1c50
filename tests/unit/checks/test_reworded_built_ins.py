"""Built-in plugins that are only reworded keep their behaviour, in a copy of the source tree."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark.checks.same_behaviour import built_in, differences, meaning_in, outputs_of
from benchmark.core.own_packages import ROOT

APGD = {"attack apgd-fna", "attack apgd-sma", "attack apgd-snn", "attack soft-ap"}
FNA, NONE = "attack fna", "defense none"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("attacks", "benchmark/models", "defenses"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_words_annotations_and_order_of_imports_change_nothing(tree: Path) -> None:
    before = {plugin: meaning_in(tree, plugin) for plugin in built_in()}
    assert before == {plugin: meaning_in(ROOT, plugin) for plugin in built_in()}
    fna, none = tree / "attacks" / "fna.py", tree / "defenses" / "none.py"
    edit(fna, '"""Choose the guides of each image', '"""Pick the guides of every image')
    edit(
        fna,
        "        unit = self.config.unit\n",
        "        unit: bool = self.config.unit  # as set\n",
    )
    edit(
        fna, "import torch\nfrom torch import Tensor\n", "from torch import Tensor\nimport torch\n"
    )
    edit(none, "(self, step: TrainingStep) -> Tensor:", "(self, step):")
    edit(none, '"""No defense', '"""Nothing against attacks')
    edit(none, 'title="No defense"', 'title="Undefended"')
    assert {plugin: meaning_in(tree, plugin) for plugin in built_in()} == before


@pytest.mark.parametrize(
    ("plugin", "file", "old", "new", "others"),
    [
        (FNA, "attacks/fna.py", "steps: Steps | None = 16", "steps: Steps | None = 17", APGD),
        (NONE, "defenses/none.py", "step.images)", "step.images) * 2", set()),
        (
            "defense ddid",
            "defenses/ddid/fnes.py",
            "gamma",
            "gamma_",
            {"defense avmixup", "defense free-ddid"},
        ),
    ],
)
def test_an_edit_of_logic_reaches_what_is_made_of_it(
    tree: Path, plugin: str, file: str, old: str, new: str, others: set[str]
) -> None:
    before = {plugin: meaning_in(tree, plugin) for plugin in built_in()}
    path = tree / file
    path.write_text(path.read_text().replace(old, new))
    changed = {plugin for plugin in built_in() if meaning_in(tree, plugin) != before[plugin]}
    assert changed == {plugin, *others}


def test_outputs_are_sorted_by_plugin_and_compared() -> None:
    outputs = {
        "attack default: none · seed 0 · fna 8/255 x": {"ap": "1"},
        "attack default: none · seed 0 · apgd-fna 8/255 x": {"ap": "2"},
        "attack default: none · seed 0 · torchattacks:PGD 8/255 x": {"ap": "3"},
        "defense default: none · seed 0 · train x": {"w": "4"},
        "defense default: ddid · seed 0 · train x": {"w": "5"},
        "defense ddid-0: ddid · seed 0 · train x": {"w": "6"},
        "defense ddid-0: none · seed 0 · train x": {"w": "7"},
    }

    def found(plugin: str) -> list[str]:
        return [next(iter(one.values())) for one in outputs_of(plugin, outputs).values()]

    assert found(FNA) == ["1"]
    assert found("attack torchattacks") == ["3"]
    assert found(NONE) == ["4"]
    assert found("defense ddid") == ["5", "6"]
    one = {"a": {"w": "1", "x": "2"}, "b": {"w": "1"}}
    assert differences(one, {"a": {"w": "1"}, "b": {"w": "1"}}) == []
    assert differences(one, {"a": {"w": "2"}}) == ["b: only one has it", "a: w"]
    assert differences(one, {"a": {"y": "2"}, "b": {"w": "1"}}) == ["a: nothing to compare"]
