"""A record says where its cells were computed, not where it was put together."""

from __future__ import annotations

import json

import pytest

from benchmark.core.progress import SilentProgress
from benchmark.runner import run as runner
from results.records.schema import Record
from results.records.store import load_record


@pytest.fixture
def on(monkeypatch):
    """Return a function that runs on a device of a given name."""

    def run(config, device):
        monkeypatch.setattr(runner, "device_name", lambda policy: device)
        ((record, path),) = runner.run_benchmark(config, SilentProgress()).records
        return record, path

    return run


def test_another_machine_that_computes_nothing_leaves_no_trace(tiny_config, on):
    first, path = on(tiny_config(), "a GPU")
    content = path.read_bytes()
    second, _ = on(tiny_config(), "a laptop")
    assert first.environment.device == second.environment.device == "a GPU"
    assert path.read_bytes() == content
    assert "environments" not in json.loads(content)


def test_a_record_of_several_machines_names_them_all(tiny_config, on):
    on(tiny_config(attack=["metric-fgsm"]), "a GPU")
    record, path = on(tiny_config(attack=["metric-fgsm", "sma"]), "a laptop")
    assert record.environment.device == "a GPU"
    assert [(place.device, place.cells) for place in record.environments] == [
        ("a GPU", ["train", "clean", "attack"]),
        ("a laptop", ["attack"]),
    ]
    assert load_record(path) == record


def test_cells_that_kept_no_environment_are_of_an_unknown_one(tiny_config, on):
    config = tiny_config()
    on(config, "a GPU")
    for path in (config.output / "cells").rglob("cell.json"):
        card = json.loads(path.read_text())
        for key in ("sha256", "card_sha256", "environment"):
            del card[key]
        path.write_text(json.dumps(card))
    record, _ = on(config, "a laptop")
    assert record.environment.device == record.environment.python == "unknown"
    assert record.environment.git_commit is None
    assert record.environments == []


def test_the_list_is_part_of_the_schema_and_may_be_missing():
    fields = Record.model_json_schema()["properties"]
    assert "environments" in fields
    assert "environments" not in Record.model_json_schema()["required"]
