"""Run an experiment: check, compute, and publish table, figures and JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.config.preset_choice import preset_of
from benchmark.config.presets import read_preset
from benchmark.config.schema import RunConfig
from benchmark.core.device import choose_device
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.plugin import options_of
from benchmark.core.progress import Progress
from benchmark.core.registry import EXPERIMENTS
from benchmark.experiments.context import ExperimentContext, RowFailure
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings
from benchmark.runner.held_output import held_output
from benchmark.runner.output import OutputFolder
from results.records.atomic import publish

logger = logging.getLogger(__name__)

RESULT_FILE = "result.json"
TABLE_FILE = "table.md"
FORMAT_VERSION = 1

_OF_THE_MACHINE = {"fresh", "output", "cache_dir", "data_root", "workers"}
"""Options that say where something is, and nothing of the result: results are published."""


@dataclass(frozen=True)
class ExperimentOutcome:
    """What an experiment made.

    Attributes:
        findings: What was found.
        document: The content of ``result.json``.
        files: What was written.
        failures: What plugins failed; it is missing in the findings.
    """

    findings: Findings
    document: dict[str, Any]
    files: list[Path]
    failures: list[RowFailure]


def experiment_named(name: str) -> type[Experiment]:
    """Return a registered experiment.

    Raises:
        UsageError: There is none of this name.
        PluginError: It does not import, or is no experiment.
    """
    found = EXPERIMENTS.get(name)
    if not issubclass(found, Experiment):
        raise PluginError(
            f"the experiment {name!r} is not a subclass of Experiment",
            "derive it from benchmark.Experiment",
        )
    return found


def with_defaults(
    experiment: type[Experiment], options: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the options of a run, and its assignments, with what the experiment wants below them.

    Args:
        experiment: Its defaults yield to options and to what the preset says.
        options: Options by key; ``set_`` holds assignments.
    """
    given = {k: v for k, v in options.items() if v not in (None, (), [], False) and k != "set_"}
    preset = read_preset(preset_of(given))
    own = {key: value for key, value in experiment.defaults.items() if key not in preset}
    return {**own, **given}, [*experiment.settings, *(options.get("set_") or ())]


def run_experiment(
    experiment: Experiment, config: RunConfig, progress: Progress
) -> ExperimentOutcome:
    """Run an experiment and write ``OUTPUT/experiments/NAME``.

    Raises:
        BenchmarkError: Nothing could be found; finished cells are kept.
    """
    _check_config(config)
    policy = choose_device(config.device)
    folder = OutputFolder(config.output)
    folder.prepare()
    with held_output(folder, f"experiment {experiment.name!r}"):
        context = ExperimentContext(
            config, experiment.name, folder, policy, progress, experiment.opens
        )
        context.store.clean_up()
        findings = experiment.run(context)
        here = context.store.environment
        elsewhere = [place for place in context.store.environments if place != here]
        document = {
            "format": FORMAT_VERSION,
            "experiment": experiment.name,
            "options": options_of(experiment.config),
            "configuration": {
                **config.model_dump(mode="json", exclude=_OF_THE_MACHINE),
                "plugin": [path.name for path in config.plugin],
            },
            "result": findings.result,
            "failures": [
                {"what": f"{one.what}: {one.error.what}", "hint": one.error.hint}
                for one in context.failures
            ],
            "environment": here,
            **({"environments_of_cells": context.store.environments} if elsewhere else {}),
        }
        files = _publish(context.home, experiment, findings, document)
        return ExperimentOutcome(findings, document, files, context.failures)


def _check_config(config: RunConfig) -> None:
    """Refuse what experiments do not do.

    Raises:
        UsageError: Another protocol or scenario than the standard one, or several workers.
    """
    if config.workers not in (None, 1) or config.executor != "local":
        raise UsageError(
            "an experiment computes in one process", "leave --workers and --executor out"
        )
    if config.protocol != "standard" or not config.scenario.is_default:
        raise UsageError(
            "experiments use the standard protocol: queries that dodge",
            "drop --protocol, --side, --intent, --fraction and --target, or use run",
        )


def _publish(
    home: Path, experiment: Experiment, findings: Findings, document: dict[str, Any]
) -> list[Path]:
    """Write figures and table, and the JSON last: where it is, the rest is."""
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    tables = "\n\n".join(table.markdown() for table in findings.tables)
    head = f"# {experiment.card.title or experiment.name}"
    for old in set(home.glob("*.png")) - {home / f"{name}.png" for name in findings.figures}:
        old.unlink()  # of a run with other seeds or defenses: the result knows nothing of it
    files = [publish(home / f"{name}.png", data) for name, data in findings.figures.items()]
    files.append(publish(home / TABLE_FILE, f"{head}\n\n{tables}\n".encode()))
    files.append(publish(home / RESULT_FILE, f"{text}\n".encode()))
    return files
