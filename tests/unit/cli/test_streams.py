"""Standard streams that break, and stdout that carries a document and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from benchmark.cli.app import exit_code
from benchmark.cli.screen import write_json
from benchmark.core.registry import ATTACKS

PLUGIN = '''
import atexit, ctypes, os, subprocess, sys
from benchmark import Attack, register_attack

print("printed by Python")
os.write(1, b"written to the descriptor\\n")
ctypes.CDLL(None).puts(b"put by C")
subprocess.run(["echo", "from a process"], check=True)
if "pytest" not in sys.modules:
    atexit.register(print, "at exit")


@register_attack("talking-attack")
class TalkingAttack(Attack):
    """Speaks of ε ± 1 → 2."""
'''


@pytest.fixture
def talking(tmp_path, monkeypatch):
    """Return the command line that describes a plugin which prints in every way."""
    monkeypatch.setattr(ATTACKS, "_classes", dict(ATTACKS._classes))
    path = tmp_path / f"{tmp_path.name}.py"  # a plugin file is imported once a process
    path.write_text(PLUGIN)
    return ["describe", "attack", "talking-attack", "--plugin", str(path)]


@pytest.fixture
def unread():
    """Return a stream that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield stream


def test_json_is_alone_on_stdout_whatever_prints(talking, capfd):
    assert exit_code([*talking, "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["summary"] == "Speaks of ε ± 1 → 2."
    for words in ("printed by Python", "to the descriptor", "put by C", "from a process"):
        assert words in err
    print("afterwards")
    os.write(1, b"again\n")
    assert capfd.readouterr().out.split() == ["afterwards", "again"]


def test_json_is_alone_on_stdout_to_the_end_of_the_process(talking):
    command = [sys.executable, "-m", "benchmark", *talking, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert json.loads(done.stdout)["name"] == "talking-attack"
    assert "at exit" in done.stderr
    assert done.returncode == 0


def test_an_error_after_a_document_leaves_one_document(capfd, monkeypatch):
    def document_then_error(_):
        write_json({"half": True})
        raise MemoryError("no more")

    monkeypatch.setattr("benchmark.cli.list._plugins", document_then_error)
    assert exit_code(["list", "attacks", "--json"]) == 1
    assert "no more" in json.loads(capfd.readouterr().out)["error"]["what"]


def test_characters_that_an_encoding_lacks_are_replaced(talking, tmp_path, monkeypatch):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert exit_code(talking) == 0
        assert sys.stdout is stream
    assert "Speaks of ? ? 1 ? 2." in (tmp_path / "out").read_text("ascii")


@pytest.mark.parametrize("json_", [[], ["--json"]])
@pytest.mark.parametrize(("arguments", "code"), [("list presets", 0), ("list presents", 2)])
def test_a_closed_pipe_changes_no_exit_code(arguments, code, json_, unread, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdout", unread)
    assert exit_code([*arguments.split(), *json_]) == code
    assert ("error" in capfd.readouterr().err) == (code == 2)


def test_progress_and_errors_into_a_closed_pipe_end_nothing(unread, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", unread)
    assert exit_code(["list", "presents"]) == 2
    assert exit_code(["list", "presets"]) == 0
    assert "embedded" in capfd.readouterr().out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no disk that is always full")  # noqa: PTH110
@pytest.mark.parametrize("json_", [[], ["--json"]])
def test_a_full_disk_behind_stdout_is_told_in_two_lines(json_, monkeypatch, capfd):
    with open("/dev/full", "w") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stream)
        assert exit_code(["list", "presets", *json_]) == 6
    assert capfd.readouterr().err.splitlines() == [
        "error: standard output cannot be written: No space left on device",
        "  → free some space or print elsewhere; what is finished on disk is kept",
    ]


@pytest.mark.parametrize("width", ["0", "1", "wide", "²", "-3", "9" * 5000, ""])
def test_a_width_that_is_none_is_as_if_it_were_not_set(width, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", width)
    assert exit_code(["describe", "attack", "sma"]) == 0
    unusable = capfd.readouterr().out
    monkeypatch.delenv("COLUMNS", raising=False)
    assert exit_code(["describe", "attack", "sma"]) == 0
    assert capfd.readouterr().out == unusable
    monkeypatch.setenv("COLUMNS", "40")
    assert exit_code(["describe", "attack", "sma"]) == 0
    assert max(map(len, capfd.readouterr().out.splitlines()[:1])) <= 40


def test_closed_streams_are_no_error():
    command = f"{sys.executable} -m benchmark list presets >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", command]).returncode == 0
