"""Data sets that break their contract, each in one way, and one that keeps it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.checks.dataset_contract import check_dataset
from benchmark.core.registry import DATASETS, load_plugin_file
from tests.conftest import TINY_PLUGIN

load_plugin_file(TINY_PLUGIN)
Tiny = DATASETS.get("tiny")


class Sound(Tiny):
    """Keeps it."""

    name = "sound"
    rendered = True

    def files(self, split):
        for name, pixels in zip(self.names(split), self._decoded(split), strict=True):
            yield name, pixels.tobytes()


class Unsorted(Sound):
    """Gives its names in another order."""

    def names(self, split):
        return super().names(split)[::-1]


class Moody(Sound):
    """Has other pixels each time."""

    def _decoded(self, split):
        drawn = np.random.default_rng()
        for pixels in super()._decoded(split):
            yield drawn.integers(0, 256, pixels.shape, np.uint8)


class Unmatched(Sound):
    """Shows other people in the gallery."""

    def names(self, split):
        names = super().names(split)
        return tuple(f"9{name[1:]}" for name in names) if split == "gallery" else names


class Nameless(Sound):
    """Says nothing of itself."""

    def _about(self):
        return {}


class Vague(Sound):
    """Its hash is none."""

    def _compute_manifest(self):
        return "version 1"


def failures(plugin, tmp_path):
    results = check_dataset(plugin, {}, root=None, work_dir=tmp_path)
    return {one.name: one.detail for one in results if not one.passed}


@pytest.mark.parametrize(
    ("plugin", "check", "told"),
    [
        (Unsorted, "names and labels", "not sorted"),
        (Moody, "repeatable", "other pixels"),
        (Unmatched, "can be ranked", "no query has a match"),
        (Nameless, "card", "lacks description, licence, title"),
        (Vague, "repeatable", "no SHA-256"),
    ],
)
def test_a_breach_is_told(plugin, check, told, tmp_path):
    assert told in failures(plugin, tmp_path)[check]


def test_a_sound_one_keeps_it(tmp_path):
    assert failures(Sound, tmp_path) == {}


def test_what_is_no_data_set_is_refused(tmp_path):
    assert failures(dict, tmp_path) == {"class": "it does not derive from benchmark.Dataset"}
