from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark.core import registry
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.plugin import Plugin
from benchmark.core.registry import (
    ATTACKS,
    BACKBONES,
    DATASETS,
    DEFENSES,
    Registry,
    load_plugin_file,
)

GROUP = "reid_robustbench.tests"


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> Registry[Plugin]:
    """A registry whose entry points are three attacks, one of them broken, one no plugin."""
    entries = [
        EntryPoint("sma", "attacks.sma:SMA", GROUP),
        EntryPoint("broken", "attacks.no_such_module:X", GROUP),
        EntryPoint("function", "benchmark.core.seeding:derive_seed", GROUP),
    ]
    real = registry.entry_points
    monkeypatch.setattr(
        registry, "entry_points", lambda group: entries if group == GROUP else real(group=group)
    )
    return Registry("thing", GROUP)


@pytest.fixture
def plugin_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a test writes its plugin; what it registers is forgotten afterwards."""
    monkeypatch.setattr(ATTACKS, "_classes", dict(ATTACKS._classes))
    yield tmp_path / "my-plugin.py"
    sys.modules.pop("reid_robustbench_plugin_my_plugin", None)


def test_built_ins_come_through_entry_points() -> None:
    assert {"fna", "metric-pgd", "odfa", "sma"} <= set(ATTACKS.names())
    assert {"none", "metric-at", "ddid"} <= set(DEFENSES.names())
    assert {"synthped-plaza", "synthped-campus", "market1501"} <= set(DATASETS.names())
    assert {"small-resnet", "resnet18", "resnet50"} <= set(BACKBONES.names())


def test_names_are_listed_without_imports(things: Registry[Plugin]) -> None:
    assert things.names() == ["broken", "function", "sma"]


def test_get_imports_once_and_names_the_class(things: Registry[Plugin]) -> None:
    cls = things.get("sma")
    assert cls.__name__ == "SMA"
    assert cls.name == "sma"
    assert things.get("sma") is cls


def test_a_plugin_that_does_not_import_is_a_plugin_error(things: Registry[Plugin]) -> None:
    with pytest.raises(PluginError, match=r"'broken' \(attacks.no_such_module:X\) does not import"):
        things.get("broken")


def test_what_is_no_plugin_class_is_refused(things: Registry[Plugin]) -> None:
    with pytest.raises(PluginError, match="'function' is not a plugin class"):
        things.get("function")
    with pytest.raises(PluginError, match="'mine' is not a plugin class"):
        things.register("mine")(object)  # type: ignore[arg-type]


def test_an_unknown_name_gets_the_closest(things: Registry[Plugin]) -> None:
    with pytest.raises(UsageError, match="unknown thing 'smaa'") as caught:
        things.get("smaa")
    assert caught.value.hint == "did you mean sma?"
    with pytest.raises(UsageError) as caught:
        things.get("zzzzzz")
    assert caught.value.hint == "known: broken, function, sma"


def test_register_decorates_and_refuses_a_second(things: Registry[Plugin]) -> None:
    @things.register("mine-2")
    class Mine(Plugin):
        pass

    assert things.get("mine-2") is Mine
    assert Mine.name == "mine-2"
    assert things.register("mine-2")(Mine) is Mine

    class Other(Plugin):
        pass

    for name in ("mine-2", "sma"):
        with pytest.raises(UsageError, match=f"the thing name '{name}' is taken"):
            things.register(name)(Other)


@pytest.mark.parametrize("name", ["", "My", "a_b", "a b", "-a", "a--b", "é", "a-"])
def test_names_are_kebab_case(things: Registry[Plugin], name: str) -> None:
    with pytest.raises(UsageError, match="is not a name for a thing"):
        things.register(name)


def test_two_distributions_with_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("x", "a:A", GROUP), EntryPoint("x", "b:B", GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: twice)
    with pytest.raises(UsageError, match="two installed packages register the thing 'x'"):
        Registry("thing", GROUP).names()
    monkeypatch.setattr(registry, "entry_points", lambda group: twice[:1] * 2)
    assert Registry("thing", GROUP).names() == ["x"]


def test_a_plugin_file_registers_and_loads_once(plugin_file: Path) -> None:
    plugin_file.write_text(
        "from benchmark import Attack, register_attack\n"
        "@register_attack('from-a-file-1')\n"
        "class FromAFile(Attack):\n"
        "    '''Nothing.'''\n"
        "    def perturb(self, encoder, batch):\n"
        "        return batch.images\n"
    )
    load_plugin_file(plugin_file)
    load_plugin_file(plugin_file)
    assert ATTACKS.get("from-a-file-1").summary() == "Nothing."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = x / 0\n", "line 2: ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", "line 2: SystemExit: 3"),
        ("import argparse\nargparse.ArgumentParser().parse_args(['-x'])\n", "SystemExit: 2"),
        ("x = 1\nx x\n", "line 2: SyntaxError"),
        ("\n\nimport no_such_module\n", "line 3: ModuleNotFoundError"),
    ],
)
def test_errors_of_a_plugin_file_name_the_line(plugin_file: Path, text: str, message: str) -> None:
    plugin_file.write_text(text)
    with pytest.raises(PluginError, match=message):
        load_plugin_file(plugin_file)
    plugin_file.write_text("x = 1\n")
    load_plugin_file(plugin_file)  # mended


def test_a_missing_plugin_file_and_a_second_of_the_same_name(
    plugin_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="there is no plugin file"):
        load_plugin_file(plugin_file)
    plugin_file.write_text("x = 1\n")
    load_plugin_file(plugin_file)
    other = tmp_path / "other" / plugin_file.name
    other.parent.mkdir()
    other.write_text("x = 1\n")
    with pytest.raises(UsageError, match=r"two plugin files are called my-plugin\.py"):
        load_plugin_file(other)


def test_a_plugin_file_may_not_take_a_built_in_name(plugin_file: Path) -> None:
    plugin_file.write_text(
        "from benchmark import Attack, register_attack\n"
        "@register_attack('sma')\n"
        "class Mine(Attack):\n"
        "    pass\n"
    )
    with pytest.raises(UsageError, match="the attack name 'sma' is taken"):
        load_plugin_file(plugin_file)


def test_summaries_are_read_without_imports(
    things: Registry[Plugin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda entry: pytest.fail(f"imported {entry.value}"))
    assert things.summary("sma").startswith("SMA: push a query away")
    assert things.summary("broken") == things.summary("function") == things.summary("?") == ""
    assert DEFENSES.summary("jpeg").startswith("JPEG")  # re-exported by its package
