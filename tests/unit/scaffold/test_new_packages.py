"""What ``new`` writes works as it is: it is complete, tidy, and keeps its contract."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib

import pytest

import benchmark
from benchmark import check_contract
from benchmark.cli.new import next_commands
from benchmark.core import registry
from benchmark.scaffold.package_names import SCAFFOLD_KINDS, package_names
from benchmark.scaffold.write_package import package_texts

REGISTRIES = {
    "defense": registry.DEFENSES,
    "attack": registry.ATTACKS,
    "dataset": registry.DATASETS,
    "experiment": registry.EXPERIMENTS,
}


@pytest.fixture
def new(cli, tmp_path, monkeypatch):
    """Return a function that writes a package, registers what it ships and returns its folder."""

    def write(kind):
        name = f"made-{kind}"
        folder = tmp_path / name
        code, out, err = cli("new", kind, name, "--output", folder)
        assert (code, err) == (0, "")
        assert out.startswith(f"wrote {folder}; the {kind} is in {folder}/made_{kind}/{kind}.py.")
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        ((group, entries),) = project["entry-points"].items()
        ((entry, value),) = entries.items()
        assert (group, entry) == (f"reid_robustbench.{kind}s", name)
        monkeypatch.syspath_prepend(str(folder))
        found = REGISTRIES[kind]
        monkeypatch.setattr(found, "_classes", dict(found._classes))
        module, _, class_name = value.partition(":")
        found.register(name)(getattr(importlib.import_module(module), class_name))
        return folder

    yield write
    for name in [name for name in sys.modules if name.startswith("made_")]:
        del sys.modules[name]
    sys.modules.pop("drawn_images", None)


@pytest.mark.parametrize("kind", SCAFFOLD_KINDS[1:])  # a defense: tests/e2e/test_installed_wheel.py
def test_a_new_package_keeps_its_contract(kind, new, tmp_path, monkeypatch):
    folder = new(kind)
    root = None
    if kind == "dataset":
        monkeypatch.syspath_prepend(str(folder / "tests"))
        root = tmp_path / "images"
        importlib.import_module("drawn_images").draw(root)
    options = {"steps": 8} if kind == "attack" else {}  # to be quick
    seen = check_contract(kind, f"made-{kind}", options, data_root=root)
    assert not [one for one in seen if one.warns]


@pytest.mark.parametrize("kind", SCAFFOLD_KINDS)
def test_a_new_package_is_complete_and_tidy(kind, cli, tmp_path):
    folder = tmp_path / "there"
    folder.mkdir()  # an empty folder will do
    assert cli("new", kind, "tidy-one", "--output", folder)[0] == 0
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        "pyproject.toml",
        "README.md",
        ".gitignore",
        "tidy_one/__init__.py",
        f"tidy_one/{kind}.py",
        "tests/test_contract.py",
    }
    text = "\n".join((folder / name).read_text() for name in sorted(files))
    assert "{{" not in text
    assert f"reid-robustbench>={benchmark.__version__}" in text
    assert str(tmp_path) not in text
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length", "100"]
    rules = ["--select", "E,F,W,I,UP,B,SIM", "--no-cache"]
    done = subprocess.run([*ruff, *rules, "."], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_commands_it_tells_exist(cli, tmp_path):
    for kind in SCAFFOLD_KINDS:
        texts = package_texts(package_names(kind, "told-one", ()), "0.1.0")
        told = "\n".join([*next_commands(kind, "told-one", tmp_path), texts["README.md"]])
        commands = set(re.findall(r"python -m benchmark (\w+)", told))
        assert {"check"} <= commands
        for command in commands:
            assert cli(command, "--help")[0] == 0


@pytest.mark.parametrize("content", ["folder", "file"])
def test_what_is_there_is_not_written_over(content, cli, tmp_path):
    place = tmp_path / "mine"
    if content == "file":
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "notes.txt").write_text("precious")
    code, out, err = cli("new", "attack", "mine-attack", "--output", place)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 2
    assert "--output DIR" in err
    assert (place if content == "file" else place / "notes.txt").read_text() == "precious"


def test_without_output_it_goes_into_a_folder_of_its_name(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = cli("new", "defense", "own-one")
    assert code == 0
    assert (tmp_path / "own-one" / "own_one" / "defense.py").is_file()
    assert (
        out.splitlines()[0] == "wrote own-one; the defense is in own-one/own_one/defense.py. Next:"
    )


@pytest.mark.parametrize(
    ("kind", "name", "what"),
    [
        ("defense", "ddid", "taken"),
        ("attack", "white", "taken"),
        ("attack", "a/../b", "is not a name"),
        ("model", "mine", "unknown kind"),
    ],
)
def test_mistakes_give_two_lines_and_2(kind, name, what, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("new", kind, name)
    assert (code, out) == (2, "")
    assert what in err
    assert len(err.splitlines()) == 2
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(cli, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = cli("new", "attack", "mine-attack", "--output", tmp_path / "file" / "below")
    assert code == 6
    assert len(err.splitlines()) == 2
