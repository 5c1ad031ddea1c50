"""Built-in plugins that are only reworded keep their behaviour, in a copy of the source tree."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from benchmark.checks import same_behaviour
from benchmark.checks.behaviour_table import Entry
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


def meanings(tree: Path) -> dict[str, str]:
    return {plugin: meaning_in(tree, plugin) for plugin in built_in()}


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return meanings(ROOT)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_words_annotations_and_order_of_imports_change_nothing(
    tree: Path, before: dict[str, str]
) -> None:
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
    assert meanings(tree) == before


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
    tree: Path,
    before: dict[str, str],
    plugin: str,
    file: str,
    old: str,
    new: str,
    others: set[str],
) -> None:
    path = tree / file
    path.write_text(path.read_text().replace(old, new))
    changed = {plugin for plugin, meaning in meanings(tree).items() if meaning != before[plugin]}
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


@pytest.mark.parametrize(
    ("there", "here", "earned"),
    [("old", "tidied", "sma@1"), ("edited", "edited", None), ("old", "other", None)],
)
def test_an_entry_is_earned_against_a_source_of_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str, here: str, earned: str | None
) -> None:
    """An edit that is compared with itself, or with what stands for another id, earns nothing."""
    table = {
        "sma@1": Entry("attack sma", {"old": "c1"}),
        "sma@2": Entry("attack sma", {"other": "c2"}),
    }
    written: list[dict[str, Entry]] = []
    label = "attack default: none · seed 0 · sma 8/255 x"
    monkeypatch.setattr(same_behaviour, "read_table", lambda: table)
    monkeypatch.setattr(same_behaviour, "write_table", written.append)
    monkeypatch.setattr(same_behaviour, "tree_of", lambda commit: nullcontext(tmp_path))
    monkeypatch.setattr(same_behaviour, "outputs_in", lambda *of: {label: {"ap": "1"}})
    meanings = {tmp_path: there, ROOT: here}
    monkeypatch.setattr(same_behaviour, "meaning_in", lambda tree, _: meanings[tree])
    monkeypatch.setattr(same_behaviour, "_git", lambda *of: "head")
    assert same_behaviour.compare("commit", ["attack sma"]) == (earned is None)
    found = {id_ for id_, entry in written[0].items() if entry.sources.get(here) == "head"}
    assert found == ({earned} if earned else set())
