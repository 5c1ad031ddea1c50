"""The command that makes the records of a row anew."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.config.attack_groups import ATTACK_GROUPS, expand_attacks
from benchmark.config.load import load_run_config
from benchmark.config.presets import preset_names
from benchmark.config.schema import CROSS_DATASETS, NO_CROSS_DATASET, OF_ENCODERS, RunConfig
from benchmark.core.dataset_names import sources_of
from benchmark.core.errors import BenchmarkError
from benchmark.core.plugin import options_of
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS, DATASETS, DEFENSES
from benchmark.core.threat import Scenario
from results.records.schema import Record

_PROGRAM = ("python", "-m", "benchmark", "run")
_SIZES = ("smoke", "embedded", "full")


@dataclass(frozen=True)
class Reproduction:
    """What a run is told to make the records of a row anew.

    Attributes:
        options: Options of the command line by key, such as ``seed``.
        assignments: ``KEY=VALUE`` of ``--set``: what differs from the preset.
    """

    options: Mapping[str, str | list[str]]
    assignments: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command line, a line for each option."""
        lines = [" ".join(_PROGRAM)]
        for key, value in self.options.items():
            values = [value] if isinstance(value, str) else value
            lines.append(" ".join([f"--{key.replace('_', '-')}", *map(shlex.quote, values)]))
        if self.assignments:
            lines.append(" ".join(["--set", *map(shlex.quote, self.assignments)]))
        return " \\\n  ".join(lines)


def command_of(records: Sequence[Record]) -> str:
    """Return the command that makes the records of a row anew, or why it is not known.

    What has changed since stands before it, as comments of a shell.
    """
    try:
        found = reproduction(records)
        notes = [f"# {note}\n" for note in _changes(records[0])]
    except BenchmarkError as error:
        return f"n/a: {error.what}"
    return "".join(notes) + found.command


def reproduction(records: Sequence[Record]) -> Reproduction:
    """Return what makes the records of a row anew: from the preset that leaves least to say.

    A record does not keep the width of its backbone, options of its data set, nor the recipe of
    surrogates; they are those of the preset.

    Args:
        records: They differ in seed and label only.

    Raises:
        BenchmarkError: A plugin of the row is not installed.
    """
    found = [_from_preset(name, records) for name in preset_names()]
    return min(found, key=lambda one: (len(one.assignments), len(one.options), one.command))


def _changes(record: Record) -> Iterator[str]:
    """Yield what the defense does not do as it did when the record was made."""
    defense, now = record.defense, DEFENSES.get(record.defense.name).behaviour().id
    if defense.behaviour != now:
        was = f"{defense.behaviour[:12]}, now {now[:12]}"
        yield f"The code of {defense.name} has changed since: {was}."
    usual = options_of(DEFENSES.get(defense.name).Config())
    if new := sorted(set(usual) - set(defense.config)):
        yield f"Options that it did not have then have their defaults: {', '.join(new)}."


def _from_preset(name: str, records: Sequence[Record]) -> Reproduction:
    record, base = records[0], _preset(name)
    options: dict[str, str | list[str]] = {"defense": record.defense.name, "preset": name}
    if record.defense.name == OF_ENCODERS:
        options = {"encoder": str(_encoder(record)["spec"]), "preset": name}
    options |= dict(_data_options(record, base))
    options |= dict(_attack_options(record, base))
    options["seed"] = [str(one.seed) for one in records]
    labels = dict.fromkeys(one.label for one in records if one.label is not None)
    if labels:
        options["label"] = next(iter(labels))
    return Reproduction(options, tuple(_assignments(record, base)))


def _data_options(record: Record, base: RunConfig) -> Iterator[tuple[str, str | list[str]]]:
    if record.dataset != base.dataset:
        yield "dataset", ",".join(sources_of(record.dataset))
    tested = [one.dataset for one in record.cross_dataset]
    usual = list(CROSS_DATASETS.get(record.dataset, ()))
    if tested != (usual if base.test_dataset is None else base.test_datasets):
        yield "test_dataset", tested or [NO_CROSS_DATASET]
    if record.protocol.queries is not None:
        yield "queries", str(record.protocol.queries.chosen)


def _attack_options(record: Record, base: RunConfig) -> Iterator[tuple[str, str | list[str]]]:
    attacks = record.attacks
    names = list(dict.fromkeys(one.name for one in attacks))
    if names and names != expand_attacks(base.attack, ATTACKS.names()):
        yield "attack", _grouped(names)
    budgets = list(dict.fromkeys(one.eps for one in attacks if one.eps is not None))
    if budgets and budgets != base.eps:
        yield "eps", [f"{eps:g}" for eps in budgets]
    repeats = next((one.by_attack_seed for one in attacks if one.by_attack_seed), [])
    seeds = [one.attack_seed for one in repeats]
    if seeds and seeds != base.attack_seed:
        yield "attack_seed", [str(seed) for seed in seeds]
    elif not seeds and len(base.attack_seed) > 1:
        yield "attack_seed", ["0"]
    if attacks:
        yield from _scenario_options(record, base.scenario)


def _scenario_options(record: Record, base: Scenario) -> Iterator[tuple[str, str]]:
    one = record.attacks[0]
    for key, value in (("side", one.side), ("intent", one.intent)):
        if value != getattr(base, key):
            yield key, value
    if one.fraction != base.fraction:
        yield "fraction", f"{one.fraction:g}"
    if one.target_rule is not None and one.target_rule != base.target:
        yield "target", one.target_rule


def _grouped(names: Sequence[str]) -> list[str]:
    """Return names of attacks with the longest groups in place of their members."""
    groups = sorted(ATTACK_GROUPS.items(), key=lambda item: -len(item[1]))
    found, place = [], 0
    while place < len(names):
        rest = tuple(names[place:])
        fits = ((n, m) for n, m in groups if len(m) > 1 and rest[: len(m)] == m)
        name, members = next(fits, (rest[0], rest[:1]))
        found.append(name)
        place += len(members)
    return found


def _assignments(record: Record, base: RunConfig) -> Iterator[str]:
    if record.image_size != base.image_size:
        yield f"image_size={json.dumps(list(record.image_size))}"
    if record.defense.name == OF_ENCODERS:
        rest = {key: value for key, value in _encoder(record).items() if key != "spec"}
        yield from _differences("encoder", rest, {})
    elif record.backbone != base.backbone.name:
        yield f"backbone.name={record.backbone}"
    if (size := _size(record, base.size)) != base.size:
        yield f"size={size}"
    if record.protocol.rerank is not None:
        yield from _differences("evaluation.rerank", record.protocol.rerank.model_dump(), {})
    yield from _differences("training", record.training.recipe, _recipe(base.preset))
    if record.defense.name != OF_ENCODERS:
        usual = _defense_options(record.defense.name, base.preset)
        yield from _differences("defense", record.defense.config, usual)
    for name, params in {one.name: one.params for one in record.attacks}.items():
        usual = _attack_config(name, base.preset)
        yield from _differences(f"attack.{name}", params, usual)


def _differences(prefix: str, wanted: Mapping[str, Any], usual: Mapping[str, Any]) -> Iterator[str]:
    """Yield ``KEY=VALUE`` for each value that is not the usual one."""
    for key, value in wanted.items():
        known = usual.get(key)
        if isinstance(value, Mapping) and value and isinstance(known, Mapping | None):
            yield from _differences(f"{prefix}.{key}", value, known or {})
        elif key not in usual or value != known:
            yield f"{prefix}.{key}={json.dumps(value)}"


def _encoder(record: Record) -> dict[str, Any]:
    encoder = record.defense.config.get("encoder")
    return encoder if isinstance(encoder, dict) else {"spec": record.backbone}


def _size(record: Record, usual: str) -> str:
    """Return the size of the rendered data, by the number of its queries."""
    queries = (
        (record.clean.queries or 0) + (record.clean.skipped or 0)
        if record.protocol.queries is None
        else record.protocol.queries.of
    )
    fitting = [size for size in _SIZES if _queries(record.dataset, size) == queries]
    return usual if usual in fitting or not fitting else fitting[0]


@cache
def _queries(dataset: str, size: str) -> int | None:
    """Return how many queries a rendered data set of a size has; None of those on a disk."""
    if not DATASETS.has(dataset) or "size" not in DATASETS.get(dataset).Config.model_fields:
        return None
    plugin: type[Any] = DATASETS.get(dataset)
    return len(plugin({"size": size}, cache_dir=Path(), progress=SilentProgress()).names("query"))


@cache
def _preset(name: str) -> RunConfig:
    return load_run_config({"preset": name, "defense": ["none"]})


@cache
def _recipe(preset: str) -> dict[str, Any]:
    return options_of(_preset(preset).training)


@cache
def _defense_options(defense: str, preset: str) -> dict[str, Any]:
    options = _preset(preset).options_of_defense(defense)
    return options_of(DEFENSES.get(defense).parse_config(options))


@cache
def _attack_config(attack: str, preset: str) -> dict[str, Any]:
    options = _preset(preset).attack_config.get(attack, {})
    return options_of(ATTACKS.get(attack).parse_config(options))
