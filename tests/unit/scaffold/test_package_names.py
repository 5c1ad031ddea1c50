"""Names of new packages: what they become, and those that are refused."""

from __future__ import annotations

import pytest

from benchmark.core.errors import UsageError
from benchmark.scaffold.package_names import PackageNames, package_names


@pytest.mark.parametrize(
    ("kind", "name", "module", "class_name"),
    [
        ("defense", "my-defense", "my_defense", "MyDefense"),
        ("attack", "far2", "far2", "Far2Attack"),
        ("dataset", "city-dataset", "city_dataset", "CityDataset"),
        ("experiment", "a-b-c", "a_b_c", "ABCExperiment"),
    ],
)
def test_a_name_gives_package_and_class(kind, name, module, class_name):
    assert package_names(kind, name, ()) == PackageNames(kind, name, module, class_name)


@pytest.mark.parametrize(
    "name",
    ["", "My-Defense", "my_defense", "-a", "a-", "a--b", "3d", "a/b", "../a", "a b", "ä", "a\n"],
)
def test_what_is_not_kebab_case_is_refused(name):
    with pytest.raises(UsageError, match="is not a name for a defense") as caught:
        package_names("defense", name, ())
    assert "such as my-defense" in caught.value.hint


def test_a_name_that_is_registered_is_refused():
    with pytest.raises(UsageError, match="'ddid' is taken") as caught:
        package_names("defense", "ddid", ["ddid"])
    assert "list defenses" in caught.value.hint


@pytest.mark.parametrize("name", ["random", "torch", "results", "tests", "class", "attacks"])
def test_a_package_that_would_hide_another_is_refused(name):
    with pytest.raises(UsageError, match="would hide another"):
        package_names("attack", name, ())


def test_a_long_name_is_refused():
    with pytest.raises(UsageError, match="is not a name"):
        package_names("attack", "a" * 61, ())


def test_an_unknown_kind_is_refused():
    with pytest.raises(UsageError, match="unknown kind 'defence'") as caught:
        package_names("defence", "mine", ())
    assert "defense" in caught.value.hint


def test_a_mere_folder_of_the_name_hides_nothing(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert package_names("attack", "mine", ()).module == "mine"
