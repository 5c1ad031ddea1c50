"""A stranger's way: build, install, and in another folder go from ``new`` to a row on the board."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import benchmark
from benchmark.core.registry import DEFENSES

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
PACKAGES = ("attacks", "benchmark", "defenses", "results")
PUBLISHED = ("board", "zoo")
"""Folders of published records that are part of a release."""
SOME = ("ddid--", "none--", "zoo--")
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--no-compile")


def left_out(folder: str, names: list[str]) -> set[str]:
    """Return what a copy of the sources need not hold; a few published records are enough."""
    others = {"__pycache__"}
    if Path(folder).name == "published":
        others |= {*names} - {*PUBLISHED, "embedded"}
    elif Path(folder).parent.name == "published":
        others |= {name for name in names if not name.startswith(SOME)}
    return others & {*names}


def python(*arguments: object, cwd: Path, path: Path | None = None) -> str:
    """Run Python in a folder, with a place to import from, and return what it prints."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Return a folder with the sources of a release."""
    source = tmp_path_factory.mktemp("source")
    for name in (*SOURCES, "constraints.txt"):
        shutil.copy(ROOT / name, source)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=left_out)
    (source / "tests").mkdir()
    (source / "tests" / "test_nothing.py").write_text("")
    return source


@pytest.fixture(scope="module")
def built(source, tmp_path_factory) -> Path:
    """Build a source archive, and from it a wheel; return their folder."""
    built = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", built, source, cwd=source)
    return built


@pytest.fixture(scope="module")
def place(built, tmp_path_factory) -> Path:
    """Install the wheel beside nothing else of the project; return where it is."""
    (wheel,) = built.glob("*.whl")
    target = tmp_path_factory.mktemp("installed")
    python(*PIP, "install", "--target", target, *OFFLINE, wheel, cwd=target)
    return target


@pytest.mark.slow
def test_the_wheel_holds_what_runs_and_no_more(built, source):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"reid_robustbench-{benchmark.__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        path.relative_to(source).as_posix()
        for package in PACKAGES
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    released = tuple(f"results/published/{folder}/" for folder in PUBLISHED)
    records = {name for name in shipped if name.startswith(released)}
    others = {name for name in shipped if name.startswith("results/published/")} - records
    weights = {name for name in shipped if name.startswith("results/zoo/") and ".safe" in name}
    assert len(records) > 10
    assert others
    assert weights
    assert names >= shipped - others - weights - {"results/regenerate.sh", "results/zoo/README.md"}
    assert not names & (others | weights)
    assert not {name for name in names if name.startswith(("tests", "docs"))}


@pytest.mark.slow
def test_the_source_archive_holds_the_same_and_the_papers(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert names >= {*SOURCES, "benchmark/__init__.py", "constraints.txt"}
    assert not {name for name in names if name.startswith("tests")}


def test_from_new_to_a_row_on_the_board(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("new", "defense", "my-defense")[0] == 0
    place = tmp_path / "installed"
    python(*PIP, "install", "--target", place, *OFFLINE, "./my-defense", cwd=tmp_path)
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(DEFENSES, "_entries", None)  # as in a new process
    monkeypatch.setattr(DEFENSES, "_classes", dict(DEFENSES._classes))
    code, out, _ = cli("check", "defense", "my-defense", "--device", "cpu")
    assert (code, out.splitlines()[-1]) == (0, "defense my-defense: keeps its contract")
    run = ("run", "--preset", "smoke", "--defense", "my-defense", "--attack", "metric-fgsm")
    tiny = ("image_size=[16, 8]", "training.epochs=1", "evaluation.checks=false")
    options = ("--device", "cpu", "--test-dataset", "none", "--set", "defense.weight=2", *tiny)
    code, shown, _ = cli(*run, *options)
    assert code == 0
    (path,) = (tmp_path / "runs" / "records").glob("my-defense--*.json")
    assert json.loads(path.read_text())["defense"]["config"] == {"weight": 2.0}
    for out in (shown, cli("board")[1]):
        assert "my-defense" in out


@pytest.mark.slow
def test_what_is_installed_works_from_another_folder(place, tmp_path):
    code = (
        "import results, sys\nfrom pathlib import Path\nfrom benchmark.cli.app import exit_code\n"
        f"assert Path(results.__file__).is_relative_to({str(place)!r}), results.__file__\n"
        "board = Path(results.__file__).parent / 'published' / 'board'\n"
        "sys.exit(exit_code(['list', 'presets']) or exit_code(['describe', 'preset', 'smoke'])\n"
        "    or exit_code(['--version']) or exit_code(['board', str(board), '--format', 'csv']))"
    )
    out = python("-c", code, cwd=tmp_path, path=place)
    assert f"reid-robustbench {benchmark.__version__}\n" in out
    assert "embedded-long" in out
    assert "\nddid," in out or ",ddid," in out
