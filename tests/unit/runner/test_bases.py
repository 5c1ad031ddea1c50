"""Defenses that others build on: what a user is told of their options."""

from __future__ import annotations

from benchmark.core.progress import SilentProgress
from benchmark.runner.run import run_benchmark


def test_a_base_that_has_options_of_its_own_elsewhere_is_told_of(tiny_config, caplog):
    options = {"defense": ["tiny-follower", "tiny-defense"], "attack": ["random-noise"]}
    said = "tiny-follower builds on tiny-defense with its default options"
    run_benchmark(tiny_config(**options), SilentProgress())
    assert said not in caplog.text
    tuned = tiny_config("defense.tiny-defense.weight=2.0", **options)
    run_benchmark(tuned, SilentProgress())
    assert said in caplog.text
