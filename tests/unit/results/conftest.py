"""Records to test with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from results.records.schema import Record

MakeRecord = Callable[..., Record]


def attack(name: str, value: float, eps: float | None = 8.0, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "eps": eps,
        "norm": "linf",
        "side": "query",
        "intent": "dodge",
        "knowledge": "none" if name == "random-noise" else "white",
        "params": {"steps": 10},
        "dataset": "synthped-plaza",
        "seen_in_training": False,
        "map": value,
        "rank1": min(100.0, value + 15),
        "rank5": min(100.0, value + 30),
        "rank10": min(100.0, value + 35),
        "ci95_map": (max(0.0, value - 3), min(100.0, value + 3)),
        "seconds": 12.5,
        "forwards": 2365,
        "backwards": 2150,
        "queries": 0,
        "flags": [],
        **changes,
    }


def build(
    name: str = "ddid",
    seed: int = 0,
    *,
    clean: float = 58.5,
    attacks: list[dict[str, Any]] | None = None,
    cross: bool = False,
    **changes: Any,
) -> Record:
    config = changes.pop("config", {"epochs": 30})
    results = (
        attacks
        if attacks is not None
        else [attack("random-noise", clean - 1), attack("sma", 31.0), attack("fna", 18.9)]
    )
    worst = min((a["map"] for a in results), default=None)
    content: dict[str, Any] = {
        "id": hashlib.sha256(repr((name, seed, config, changes)).encode()).hexdigest(),
        "defense": {
            "name": name,
            "config": config,
            "card": {"title": name},
            "behaviour": changes.pop("behaviour", "ddid@1"),
            "source_sha256": "0" * 64,
        },
        "dataset": "synthped-plaza",
        "backbone": "small-resnet",
        "image_size": (64, 32),
        "seed": seed,
        "protocol": {"name": "whitebox", "fingerprint": changes.pop("protocol", "1a2b3c4d" * 8)},
        "clean": {
            "map": clean,
            "rank1": clean + 15,
            "rank5": clean + 25,
            "rank10": clean + 30,
            "minp": clean / 3,
        },
        "attacks": results,
        "worst_case": None
        if worst is None
        else {
            "map": worst * 0.95,
            "rank1": worst,
            "ci95_map": (worst * 0.9, worst),
            "attacks": [a["name"] for a in results],
        },
        "cross_dataset": [
            {
                "dataset": "synthped-campus",
                "clean": {"map": 20.1, "rank1": 33, "rank5": 40, "rank10": 50, "minp": 4},
                "attacks": [attack("sma", 9.0), attack("fna", 5.5)],
            }
        ]
        if cross
        else [],
        "bias": {"per_id_variance_clean": 180.0, "per_id_variance_attacked": 320.5},
        "training": {
            "seconds": 275.0,
            "epochs": 30,
            "images": 1805,
            "peak_memory_bytes": 512 * 2**20,
            "encoder_parameters": 712_345,
        },
        "flags": [],
        "environment": {
            "python": "3.11.9",
            "torch": "2.14.1",
            "device": "cpu",
            "git_commit": None,
            "packages": {"numpy": "2.4.6"},
        },
        "per_query": None,
        **changes,
    }
    return Record.model_validate(content)


@pytest.fixture
def make_record() -> MakeRecord:
    return build


@pytest.fixture
def make_attack() -> Callable[..., dict[str, Any]]:
    return attack
