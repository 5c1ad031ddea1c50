"""The root of the command line: version, completion, and where modules are found."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark import __version__
from benchmark.cli import app as application
from benchmark.cli.app import exit_code


def test_version_is_told_without_torch():
    code = (
        "import sys; from benchmark.cli.app import exit_code; code = exit_code(['--version']); "
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'pandas', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"reid-robustbench {__version__}\n")


@pytest.mark.parametrize("name", ["-m", "reid-robustbench"])
def test_completion_is_of_the_installed_command(name, monkeypatch, capfd):
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setattr(sys, "argv", [name])
    assert exit_code(["--show-completion", "bash"]) == 0
    assert "complete -o default -F _reid_robustbench_completion" in capfd.readouterr().out


def test_completion_names_commands(monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["/somewhere/reid-robustbench"])
    monkeypatch.setenv("_REID_ROBUSTBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "reid-robustbench co")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert exit_code([]) == 0
    assert capfd.readouterr().out.split() == ["compare"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("run --defense dd", ["ddid"]),
        ("run --defense none,dd", ["none,ddid"]),
        ("run --attack apgd-s", ["apgd-sma", "apgd-snn"]),
        ("run --attack query-b", ["query-black-box"]),
        ("run --preset smo", ["smoke"]),
        ("run --dataset synthped-p", ["synthped-plaza"]),
        ("experiment cert", ["certificate"]),
        ("describe back", ["backbones"]),
        ("describe backbone resnet1", ["resnet18"]),
        ("check attack odf", ["odfa"]),
        ("describe nothing odf", []),
        ("list pres", ["presets"]),
        ("new exp", ["experiment"]),
        ("check at", ["attack"]),
    ],
)
def test_completion_names_what_is_registered(words, completed, monkeypatch, capfd):
    monkeypatch.setattr(sys, "argv", ["/somewhere/reid-robustbench"])
    monkeypatch.setenv("_REID_ROBUSTBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"reid-robustbench {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert exit_code([]) == 0
    assert capfd.readouterr().out.split() == completed


def test_the_current_folder_is_looked_into_last(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["/usr/lib"])
    for _ in range(2):
        application._see_current_folder()
        assert sys.path == ["/usr/lib", str(tmp_path)]


def test_a_current_folder_that_was_removed_is_told(tmp_path, monkeypatch, capfd):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    before = list(sys.path)
    application._see_current_folder()
    assert sys.path == before
    assert exit_code(["list", "presets"]) == 6
    assert capfd.readouterr().err.startswith("error: the current folder was removed\n")
