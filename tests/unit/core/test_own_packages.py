"""The project's packages and a user's of the same names."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from benchmark.cli import doctor
from benchmark.core.own_packages import OWN_PACKAGES, ROOT, namesakes


def test_a_users_packages_of_the_same_names_are_not_taken(tmp_path):
    raising = "raise RuntimeError('taken')\n"
    (tmp_path / "results.py").write_text(raising)
    for name in ("attacks", "defenses"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(raising)
    code = (
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "import benchmark, attacks, defenses.none, results\n"
        "print(*(one.__path__[0] for one in (attacks, benchmark, defenses, results)), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [f"{ROOT}/{name}" for name in OWN_PACKAGES]


@pytest.mark.parametrize("name", OWN_PACKAGES)
def test_a_module_that_is_not_there_tells_of_the_clash(name):
    with pytest.raises(ModuleNotFoundError, match=f"has a package '{name}' of its own"):
        importlib.import_module(f"{name}.mine")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Return a folder that is looked into first, where others have modules of the same names."""
    (tmp_path / "results.py").write_text("")
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "__init__.py").write_text("")
    (tmp_path / "defenses").mkdir()  # a mere folder
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_modules_of_the_same_names_are_found(elsewhere):
    assert namesakes("results") == [elsewhere / "results.py"]
    assert namesakes("attacks") == [elsewhere / "attacks"]
    assert namesakes("defenses") == []


def test_doctor_says_what_is_hidden(elsewhere, monkeypatch):
    first, *warned = doctor.check_names()
    assert first.level == "ok"
    assert str(ROOT) in first.message
    assert [line.level for line in warned] == ["warn", "warn"]
    assert f"attacks is also {elsewhere / 'attacks'}; it is hidden" in warned[0].message
    assert f"results is also {elsewhere / 'results.py'}; it is hidden" in warned[1].message


def test_doctor_names_the_package_that_is_hidden(tmp_path, monkeypatch):
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "results.py").write_text("")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(doctor, "packages_distributions", lambda: {"results": ["tables"]})
    assert f"results is also {place}/results.py, of tables;" in [*doctor.check_names()][-1].message


def test_doctor_is_content_where_nobody_else_has_them(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT)])
    assert [line.level for line in doctor.check_names()] == ["ok"]
