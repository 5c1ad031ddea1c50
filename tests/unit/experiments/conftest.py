"""Run experiments on tiny data, in process."""

from __future__ import annotations

import pytest

from benchmark.core.progress import SilentProgress


@pytest.fixture
def run_tiny(tiny_config):
    """Return a function that runs an experiment: name, options of its own, assignments."""

    def run_tiny_(name, own=None, *assignments, **options):
        from benchmark.experiments.run_experiment import (
            experiment_named,
            run_experiment,
            with_defaults,
        )

        chosen = experiment_named(name)
        options = {"defense": ["tiny-defense"], **options, "set_": list(assignments)}
        given, settings = with_defaults(chosen, options)
        config = tiny_config(*settings, **given)
        return run_experiment(chosen(chosen.parse_config(own or {})), config, SilentProgress())

    return run_tiny_
