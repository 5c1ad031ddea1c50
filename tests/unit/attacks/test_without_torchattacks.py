"""Without the optional torchattacks everything else works, and one line says what to install."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

from benchmark.cli import doctor
from benchmark.cli.app import exit_code
from benchmark.core.registry import ATTACKS

EXTRA = "pip install 'reid-robustbench[torchattacks]'"


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    monkeypatch.setattr(ATTACKS, "_mounted", {})
    real = importlib.metadata.version

    def version(package: str) -> str:
        if package == "torchattacks":
            raise importlib.metadata.PackageNotFoundError(package)
        return real(package)

    monkeypatch.setattr(doctor, "version", version)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--defense", "none", "--attack", "torchattacks:PGD"],
        ["plan", "--defense", "none", "--attack", "sma", "torchattacks:APGD,loss=dlr"],
        ["describe", "attack", "torchattacks:PGD"],
    ],
)
def test_who_asks_for_it_is_told_what_to_install(
    absent: None, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(arguments) == 2
    what, hint = capsys.readouterr().err.splitlines()
    assert what.startswith("error: attacks of torchattacks cannot be used: ")
    assert EXTRA in hint
    assert "--no-deps torchattacks" in hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "attacks"],
        ["describe", "attack", "torchattacks"],
        ["plan", "--defense", "none", "--attack", "all"],
    ],
)
def test_all_else_works(
    absent: None, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(arguments) == 0
    assert capsys.readouterr().err == ""


def test_doctor_says_that_it_is_absent(absent: None) -> None:
    (line,) = doctor.check_torchattacks()
    assert line.level == "ok"
    assert EXTRA in line.message


def test_doctor_warns_of_one_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchattacks", None)
    monkeypatch.setattr(ATTACKS, "_mounted", {})
    (line,) = doctor.check_torchattacks()
    assert line.level == "warn"


@pytest.mark.parametrize(
    ("requests", "owners", "warned"),
    [
        ("2.25.1", ["torchattacks"], ["requests"]),
        ("2.34.2", ["torchattacks"], []),
        ("2.34.2", ["robustbench", "torchattacks"], ["robustbench"]),
    ],
)
def test_doctor_says_what_it_brings(
    requests: str, owners: list[str], warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"torchattacks": "3.5.1", "requests": requests}
    monkeypatch.setattr(doctor, "version", versions.__getitem__)
    monkeypatch.setattr(doctor, "packages_distributions", lambda: {"robustbench": owners})
    lines = list(doctor.check_torchattacks())
    assert [line.subject for line in lines if line.level == "warn"] == warned
    assert "robustbench" in lines[0].message
