"""docs/ddid.md names every hyperparameter with its default, and none that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from attacks.metric_pgd import MetricPGD
from benchmark.training.config import TrainingConfig
from defenses.ddid.defense import DDID
from defenses.ddid.edm import EDM

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ddid.md"
ROW = re.compile(r"^\| `([a-zA-Z_.\d-]+)` \| `([^`]*)` \| (.+?) \|$", re.MULTILINE)


def defaults(prefix: str, model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the default of every option, sections opened."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        key = f"{prefix}.{name}"
        if isinstance(value, BaseModel):
            yield from defaults(key, value)
        else:
            yield key, list(value) if isinstance(value, tuple) else value


EXPECTED: dict[str, Any] = {
    **dict(defaults("defense", DDID.Config())),
    **dict(defaults("training", TrainingConfig())),
    **dict(defaults("metric-pgd", MetricPGD.Config())),
    **{f"EDM.{name}": value for name, value in asdict(EDM()).items()},
}


@pytest.fixture(scope="module")
def documented() -> dict[str, tuple[str, str]]:
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) == len({key for key, _, _ in rows})
    return {key: (value, status) for key, value, status in rows}


def test_every_option_is_on_the_page_and_no_other(documented: dict[str, tuple[str, str]]) -> None:
    assert documented.keys() == EXPECTED.keys()


@pytest.mark.parametrize("key", sorted(EXPECTED))
def test_the_default_is_right_and_its_origin_is_told(
    key: str, documented: dict[str, tuple[str, str]]
) -> None:
    value, status = documented[key]
    assert yaml.safe_load(value) == EXPECTED[key]
    assert re.search(r"\b(published|chosen|second-hand|no influence|ablation)\b", status)
