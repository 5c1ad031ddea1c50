"""The import direction of the four packages, read from the source."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("benchmark", "attacks", "defenses", "results")

BELOW_TRAINING = {"core", "data", "models", "metrics", "evaluation"}
BELOW_RUNNER = BELOW_TRAINING | {"training", "checks", "config"}
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "data": {"core"},
    "models": {"core", "data"},
    "metrics": {"core", "data"},
    "evaluation": {"core", "data", "models", "metrics"},
    "training": BELOW_TRAINING,
    "checks": BELOW_TRAINING | {"training"},
    "config": {"core", "models", "training"},
    "runner": BELOW_RUNNER,
    "experiments": BELOW_RUNNER | {"runner"},
    "scaffold": {"core"},
    "cli": BELOW_RUNNER | {"runner", "experiments", "api", "scaffold"},
    "bench": BELOW_RUNNER | {"runner"},
    "api": BELOW_RUNNER | {"runner", "experiments"},
    "__init__": {"api", "core", "data", "experiments"},  # the public names
    "__main__": {"cli", "core"},
}
"""What each room of `benchmark` may import from the others."""

CHECKS_THAT_TRAIN = {"defense_contract", "make_canary"}
"""To examine a defense is to train it for an epoch, and the canary is trained; what looks at
finished encoders (flags, probe, canary) stays below the training."""

PLUGINS: dict[str, set[str]] = {
    "attacks": {"core", "metrics"},
    "defenses": {"core", "data", "models", "training"},
}
"""What the plugins may import from `benchmark`; and nothing but themselves besides."""


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, inside functions and for types, too."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, *([base] if base else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def room(name: str) -> str:
    """Return the room of a dotted name in `benchmark`; its own public names are ``__init__``."""
    parts = name.split(".")
    known = len(parts) > 1 and parts[1] in ROOMS
    return parts[1] if known else "__init__"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        if top not in PACKAGES:
            assert not (package == "results" and top in ("torch", "torchvision")), name
        elif package == "results":
            assert top == "results", name
        elif top == "results":
            assert package == "benchmark"
            assert parts[1] in ("runner", "experiments", "cli", "api"), name
        elif package == "benchmark":
            assert top == "benchmark", f"{name}: plugins come through the registries"
            here, there = parts[1], room(name)
            assert there in (here, "__init__") or there in ROOMS[here], name
        elif top == "benchmark":
            assert room(name) in PLUGINS[package], name
        else:
            assert top == package, name


@pytest.mark.parametrize("package", ["benchmark", "attacks", "defenses"])
def test_imports_go_in_no_circle(package: str) -> None:
    paths = [path.relative_to(ROOT) for path in modules() if path.is_relative_to(ROOT / package)]
    names = {".".join(path.with_suffix("").parts): ROOT / path for path in paths}
    graph = {
        name: {target for one in imports(path) for target in (one, one.rpartition(".")[0])}
        for name, path in names.items()
    }
    TopologicalSorter(graph).prepare()  # raises a CycleError that names the circle


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_star_imports(path: Path) -> None:
    assert not [name for name in imports(path) if name.endswith(".*")]


def test_only_the_checks_that_train_know_the_training() -> None:
    found = {
        path.stem
        for path in (ROOT / "benchmark" / "checks").rglob("*.py")
        if any(name.startswith("benchmark.training") for name in imports(path))
    }
    assert found == CHECKS_THAT_TRAIN


def test_no_experiment_imports_another() -> None:
    folder = ROOT / "benchmark" / "experiments"
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    for path in folder.glob("*/*.py"):
        own = [name.split(".") for name in imports(path) if name.startswith("benchmark.exper")]
        assert {parts[2] for parts in own} & packages <= {path.parent.name}, path


def test_every_room_is_on_the_map() -> None:
    found = {
        path.relative_to(ROOT / "benchmark").parts[0].removesuffix(".py")
        for path in (ROOT / "benchmark").rglob("*.py")
    }
    assert found <= set(ROOMS)


def test_the_reader_of_imports_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    module = tmp_path / "package" / "module.py"
    module.parent.mkdir()
    module.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\n"
        "def f():\n    from .sibling import thing\n"
    )
    assert imports(module) == {"typing.TYPE_CHECKING", "torch", "package.sibling.thing"}
    assert room("benchmark.core.image_set.ImageSet") == "core"
    assert room("benchmark.Defense") == "__init__"
