"""The project's packages and a user's of the same names."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from benchmark.core.own_packages import OWN_PACKAGES, ROOT


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
