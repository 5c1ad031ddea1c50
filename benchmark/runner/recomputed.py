"""Fingerprints of a record, computed again with the sources and the data that are at hand.

Nothing of a record or of its configuration is run: a configuration that names plugin files or an
encoder of its own is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from benchmark.checks.behaviour_table import read_table
from benchmark.config.load import load_run_config, validate
from benchmark.config.presets import read_layer
from benchmark.config.schema import NO_CROSS_DATASET, OF_ENCODERS, RunConfig
from benchmark.core.errors import BenchmarkError, UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import Plan, make_plan
from results.records.file_limits import read_limited
from results.records.printable import printable
from results.records.schema import Record
from results.submission.problem import Problem

CONFIG_FILE = "config.yaml"
_OF_A_MACHINE = ("output", "cache_dir", "data_root", "device", "executor", "strict", "tensorboard")
_LARGEST_CONFIG = 2**20
_SIZES = ("embedded", "full", "smoke")
"""Of rendered data; a record does not tell which."""


def fingerprint_problems(path: Path, record: Record) -> Iterator[Problem]:
    """Yield what is wrong with the ids of a record, and what cannot be told.

    Args:
        path: Where it lies; the configuration of its run may lie beside it or one folder up.
        record: The record.
    """
    yield from _behaviour(record)
    yield from _protocol(record)
    yield from _id(path, record)


def _behaviour(record: Record) -> Iterator[Problem]:
    defense, table = record.defense, read_table()
    entry = table.get(defense.behaviour)
    if entry is not None and entry.plugin != f"defense {defense.name}":
        yield Problem(
            f"its behaviour {defense.behaviour} is of {entry.plugin}, not of defense "
            f"{printable(defense.name)}",
            "run again: the run writes the behaviour",
        )
    if entry is None and "@" in defense.behaviour:
        yield Problem(
            f"no behaviour is called {printable(defense.behaviour)}",
            "run again with a released version",
        )
    if entry is None and "@" not in defense.behaviour:
        yield Problem(
            f"the sources of {printable(defense.name)} are not in the table of behaviours: their "
            "hash is all that is known of them",
            "say in the pull request where they are",
            "note",
        )


def _protocol(record: Record) -> Iterator[Problem]:
    reason = "it was attacked by nothing"
    if record.attacks:
        options = json.dumps(_options(record), sort_keys=True)
        found = []
        for size in _SIZES:
            found.append(_protocol_of(options, size))
            if record.protocol.fingerprint == found[-1]:
                return
        wrong = next((one for one in found if " " in one), None)
        reason = wrong or "today's sources and defaults give another one"
    yield Problem(
        f"its protocol {record.protocol.fingerprint[:8]} was not computed again: {reason}",
        "compare it with records of the same protocol",
        "note",
    )


def _options(record: Record) -> dict[str, Any]:
    """Return what a record tells of the configuration of its protocol."""
    attacks = record.attacks
    seeds = max(([s.attack_seed for s in one.by_attack_seed] for one in attacks), key=len)
    first, protocol = attacks[0], record.protocol
    options: dict[str, Any] = {
        "defense": ["none"],
        "dataset": record.dataset,
        "test_dataset": [one.dataset for one in record.cross_dataset] or [NO_CROSS_DATASET],
        "image_size": list(record.image_size),
        "attack": list(dict.fromkeys(one.name for one in attacks)),
        "eps": list(dict.fromkeys(one.eps for one in attacks)),
        "attack_seed": seeds or [0],
        "attack_config": {one.name: one.params for one in attacks},
        "queries": None if protocol.queries is None else protocol.queries.chosen,
        "scenario": {"side": first.side, "intent": first.intent, "fraction": first.fraction},
    }
    if first.target_rule is not None:
        options["scenario"]["target"] = first.target_rule
    if protocol.rerank is not None:
        options["evaluation"] = {"rerank": protocol.rerank.model_dump()}
    return options


@cache
def _protocol_of(options: str, size: str) -> str:
    """Return the fingerprint of a protocol, or a sentence that says why it is not known."""
    try:
        return _plan(load_run_config({**json.loads(options), "size": size}))[0].protocol
    except (BenchmarkError, ValueError, TypeError) as error:
        return f"with the options of the record, {printable(str(error))}"


def _id(path: Path, record: Record) -> Iterator[Problem]:
    places = (path.parent / CONFIG_FILE, path.parent.parent / CONFIG_FILE)
    config = next((place for place in places if place.is_file()), None)
    found = "there is no config.yaml beside it" if config is None else _ids(config)
    if isinstance(found, str):
        reason = found
    elif record.id in found:
        return
    else:
        reason = f"{CONFIG_FILE} beside it is of another run, or sources have changed since"
    yield Problem(f"its id was not computed again: {reason}", "keep them together", "note")


@cache
def _ids(config: Path) -> frozenset[str] | str:
    """Return the ids of the records that a configuration makes, or why they are not known."""
    try:
        plan, _ = planned(config)
    except (BenchmarkError, ValueError, TypeError) as error:
        return printable(f"{CONFIG_FILE}: {error}")
    return frozenset(map(plan.record_id, plan.trials))


def planned(config: Path, *, is_own: bool = False) -> tuple[Plan, RunDatasets]:
    """Return the plan of a stored configuration on the data that is at hand, and that data.

    Args:
        config: The file.
        is_own: Whether it is the user's own, so that code that it names may be run.

    Raises:
        UsageError: It is no configuration, or names code that is not run.
        DataError: Images are missing.
    """
    if is_own:
        return _plan(load_run_config({"preset": str(config)}))
    parsed = validate(_without_machine(config))
    if parsed.plugin or parsed.encoder or OF_ENCODERS in parsed.defense:
        raise UsageError(
            "it names code of its own, which is not run here", "the author of the code can check it"
        )
    return _plan(parsed)


def published_config(config: Path) -> str:
    """Return the configuration of a run without what is of a machine alone: paths and device.

    Raises:
        UsageError: It cannot be read.
    """
    raw = _without_machine(config)
    raw["plugin"] = [Path(str(one)).name for one in raw.get("plugin") or []]
    return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)


def _without_machine(config: Path) -> dict[str, Any]:
    """Return a stored configuration without what is of a machine alone.

    Aliases are refused: a few lines of them can stand for more than a memory holds.
    """
    try:
        text = read_limited(config, _LARGEST_CONFIG).decode()
        has_aliases = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{config} cannot be read: {error}", "restore the file") from error
    if has_aliases:
        raise UsageError(f"{config} holds aliases, which no run writes", "restore the file")
    return {k: v for k, v in read_layer(str(config)).items() if k not in _OF_A_MACHINE}


def _plan(config: RunConfig) -> tuple[Plan, RunDatasets]:
    choice = choose(config)
    datasets = RunDatasets(config, choice, SilentProgress())
    names = choice.datasets
    counts, without = datasets.query_counts(names), datasets.without_cameras(names)
    return make_plan(config, choice, datasets.manifests(), counts, without), datasets
