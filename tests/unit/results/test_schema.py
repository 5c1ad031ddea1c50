"""The record format: what must load, what must not, and that records of old still do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from results.records.schema import Record, json_schema
from results.records.store import load_record

GOLDEN = Path(__file__).parents[2] / "golden" / "record_v2.json"
FIRST_VERSION = GOLDEN.with_name("record_v1.json")


def golden() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text())
    return content


@pytest.mark.parametrize("path", [FIRST_VERSION, GOLDEN])
def test_archived_records_still_load_with_their_values(path: Path) -> None:
    record = load_record(path)
    assert record.schema_version == 2
    assert record.worst_case is not None
    assert (record.defense.name, record.seed, record.clean.map) == ("ddid", 0, 56.5)
    assert record.worst_case.ci95_map == (15.75, 20.5)
    assert [attack.key for attack in record.attacks] == ["random-noise@8", "sma@8", "fna@8"]


def test_hashes_of_the_first_version_are_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(FIRST_VERSION.read_text())
    source, protocol = content["defense"]["source_sha256"], content["protocol"]["fingerprint"]
    assert load_record(FIRST_VERSION).defense.behaviour == source, "it stands for itself"
    known = {"behaviours": {"ddid": {source: "ddid@7"}}, "protocols": {protocol: "a" * 64}}
    monkeypatch.setattr("results.records.migration._table", lambda: known)
    record = load_record(FIRST_VERSION)
    assert record.defense.behaviour == "ddid@7"
    assert record.defense.source_sha256 == source
    assert record.protocol.fingerprint == "a" * 64


def test_contract_minimum_loads_without_later_keys() -> None:
    content = golden()
    del content["status"]
    del content["training"]["encoder_parameters"]
    del content["worst_case"]["attack_share"]
    for attack in content["attacks"]:
        for key in ("quantised", "map_float", "minp", "max_distance_255"):
            del attack[key]
    record = Record.model_validate_json(json.dumps(content), strict=True)
    assert record.status == "complete"
    assert record.attacks[0].quantised


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("clean", "map"), 100.5),
        (("clean", "map"), -0.1),
        (("clean", "map"), float("nan")),
        (("clean", "map"), "58.5"),
        (("clean", "surprise"), 1.0),
        (("surprise",), 1),
        (("status",), "running"),
        (("schema_version",), 3),
        (("defense", "behaviour"), ""),
        (("id",), "not a hash"),
        (("worst_case", "ci95_map"), [1.0]),
        (("attacks", 0, "side"), "everywhere"),
        (("training", "epochs"), -1),
        (("image_size",), [64, 0]),
    ],
)
def test_nonsense_is_refused(path: tuple[Any, ...], value: object) -> None:
    content = golden()
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValidationError):
        Record.model_validate_json(json.dumps(content), strict=True)


def test_one_attack_twice_is_refused() -> None:
    content = golden()
    content["attacks"].append(content["attacks"][0])
    with pytest.raises(ValidationError, match=r"random-noise at eps 8\.0 is listed twice"):
        Record.model_validate(content)


def test_every_field_is_documented_in_the_json_schema() -> None:
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]
    bare = [
        f"{part['title']}.{name}"
        for part in parts
        for name, field in part.get("properties", {}).items()
        if "description" not in field
    ]
    assert bare == []


def test_importing_results_does_not_import_torch_or_the_benchmark() -> None:
    program = (
        "import importlib, pkgutil, sys, results\n"
        "for one in pkgutil.walk_packages(results.__path__, 'results.'):\n"
        "    importlib.import_module(one.name)\n"
        "print([m for m in ('torch', 'benchmark') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_values_by_attack_seed_are_kept_and_their_absence_leaves_no_trace() -> None:
    content = golden()
    assert "by_attack_seed" not in json.dumps(load_record(GOLDEN).model_dump(mode="json"))
    seeds = [{"attack_seed": seed, "map": 20.0 + seed, "rank1": 30.0} for seed in (0, 4)]
    content["attacks"][1]["by_attack_seed"] = content["worst_case"]["by_attack_seed"] = seeds
    record = Record.model_validate_json(json.dumps(content), strict=True)
    again = record.model_dump(mode="json")
    assert again["attacks"][1]["by_attack_seed"] == again["worst_case"]["by_attack_seed"] == seeds
    assert "by_attack_seed" not in again["attacks"][0]
    assert Record.model_validate_json(json.dumps(again), strict=True) == record


@pytest.mark.parametrize("seeds", [(0,), (1, 0), (2, 2)])
def test_attack_seeds_are_several_and_ascending(seeds: tuple[int, ...]) -> None:
    content = golden()
    listed = [{"attack_seed": seed, "map": 20.0, "rank1": 30.0} for seed in seeds]
    content["worst_case"]["by_attack_seed"] = listed
    with pytest.raises(ValidationError, match="ascending"):
        Record.model_validate_json(json.dumps(content), strict=True)
