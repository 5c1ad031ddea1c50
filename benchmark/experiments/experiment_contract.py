"""What every experiment owes: a small run that ends with a table, and the same one again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark.checks.contract import (
    Check,
    CheckResult,
    check_card,
    check_options,
    require,
    run_checks,
)
from benchmark.config.load import load_run_config
from benchmark.config.schema import RunConfig
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.progress import SilentProgress
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.run_experiment import ExperimentOutcome, run_experiment, with_defaults
from benchmark.runner.choice import choose

SMALL_RUN = {"preset": "smoke", "image_size": (32, 16), "queries": 8}
SMALL_SETTINGS = ("training.epochs=1", "training.inner.steps=1", "evaluation.checks=false")
"""What the experiment is run with: rendered images, an epoch, few queries."""


@dataclass
class ExperimentSubject:
    """An experiment under examination.

    Attributes:
        plugin: Its class.
        options: What was chosen.
        device: Where to compute.
        work_dir: The output folder.
    """

    plugin: type[Experiment]
    options: Mapping[str, Any]
    device: str
    work_dir: Path

    @cached_property
    def config(self) -> RunConfig:
        """What its run is configured with."""
        machine = {"device": self.device, "output": self.work_dir}
        wanted = {**SMALL_RUN, **machine, "set_": SMALL_SETTINGS}
        given, assignments = with_defaults(self.plugin, wanted)
        return load_run_config(given, assignments)

    @cached_property
    def outcome(self) -> ExperimentOutcome:
        """What its run found."""
        return self.run()

    def run(self) -> ExperimentOutcome:
        """Run it; finished cells are not computed again."""
        experiment = self.plugin(self.plugin.parse_config(dict(self.options)))
        return run_experiment(experiment, self.config, SilentProgress())


def check_experiment(
    plugin: type[Any],
    options: Mapping[str, Any] | None = None,
    *,
    device: str,
    work_dir: Path,
) -> list[CheckResult]:
    """Run the contract suite of experiments; it ends where the run fails.

    Args:
        plugin: The class.
        options: Options to check it with.
        device: ``auto``, ``cpu`` or ``cuda``.
        work_dir: Folder of the run; must exist.

    Raises:
        UsageError: The experiment has no such options.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, Experiment)):
        return [CheckResult("class", False, "it does not derive from benchmark.Experiment")]
    with plugin_faults(plugin):
        plugin.parse_config(dict(options or {}))
    subject = ExperimentSubject(plugin, dict(options or {}), device, work_dir)
    results = run_checks(BEFORE_RUN, subject)
    return results + (run_checks(WITH_FINDINGS, subject) if results[-1].passed else [])


def _card(subject: ExperimentSubject) -> str:
    return check_card(subject.plugin)


def _options(subject: ExperimentSubject) -> str:
    return check_options(subject.plugin, subject.options) or "none"


def _defaults(subject: ExperimentSubject) -> str:
    config = subject.config
    choose(config)  # names and options that are wrong are told here
    return f"defenses {', '.join(config.defense)}; attacks {', '.join(config.attack)}"


def _runs(subject: ExperimentSubject) -> str:
    failures = subject.outcome.failures
    require(not failures, "; ".join(f"{one.what}: {one.error.what}" for one in failures[:3]))
    return f"one epoch, {subject.config.queries} queries of {subject.config.dataset}"


def _tables(subject: ExperimentSubject) -> str:
    tables = subject.outcome.findings.tables
    require(bool(tables), "it finds no table: a question is answered by one")
    for table in tables:
        require(bool(table.rows), f"the table {table.title!r} has no row")
        for label, cells in table.rows:
            seen = f"the row {label!r} of {table.title!r} has {len(cells)} cells"
            require(len(cells) == len(table.columns), f"{seen} for {len(table.columns)} columns")
    return "; ".join(f"{table.title}: {len(table.rows)} rows" for table in tables)


def _result(subject: ExperimentSubject) -> str:
    found = subject.outcome.document["result"]
    require(bool(found), "its result is empty: put every figure of the tables there, unrounded")
    return f"{len(json.dumps(found))} characters of JSON"


def _repeatable(subject: ExperimentSubject) -> str:
    first, second = subject.outcome, subject.run()
    same = first.document["result"] == second.document["result"]
    require(same, "run again, it finds other figures: draw from seeds, keep results in cells")
    return "run again, it finds the same"


BEFORE_RUN: tuple[Check[ExperimentSubject], ...] = (
    ("card", _card),
    ("options", _options),
    ("defaults", _defaults),
    ("run", _runs),
)
WITH_FINDINGS: tuple[Check[ExperimentSubject], ...] = (
    ("tables", _tables),
    ("result", _result),
    ("repeatable", _repeatable),
)
