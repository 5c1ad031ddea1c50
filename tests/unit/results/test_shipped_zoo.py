"""The committed zoo: whole, true to its records, and its weights in no wheel."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmark.api.zoo_export import slug_of
from benchmark.core.own_packages import ROOT
from benchmark.models.zoo import zoo_cards, zoo_weights
from benchmark.models.zoo_card import CARD_FILE, WEIGHTS_FILE, ZooCard
from benchmark.models.zoo_encoder import zoo_encoder
from results.records.published import zoo_records

CARDS = list(zoo_cards().values())


@pytest.mark.parametrize("card", CARDS, ids=[card.slug for card in CARDS])
def test_an_entry_is_whole(card: ZooCard) -> None:
    record = next(one for one in zoo_records() if one.id == card.measured.record)
    assert record.worst_case is not None
    assert card.slug == slug_of(record.label or record.defense.name)
    assert card.defense.config == record.defense.config
    assert card.measured.protocol == record.protocol.fingerprint
    figures = (card.measured.clean_map, card.measured.worst_map)
    assert figures == (record.clean.map, record.worst_case.map)
    assert card.published is not None
    assert card.published.label == card.label
    assert zoo_weights(card).stat().st_size == card.weights.bytes < 2e6
    assert not zoo_encoder(card).training


def test_each_published_record_has_an_entry() -> None:
    assert {one.id for one in zoo_records()} == {card.measured.record for card in CARDS}
    assert len({one.protocol.fingerprint for one in zoo_records()}) == 1


def test_a_wheel_brings_cards_and_records_and_no_weights() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    brought = {path for glob in setup["package-data"]["results"] for path in shown(glob)}
    assert brought >= {path for path in shown("zoo/*/*") if path.name == CARD_FILE}
    assert brought >= shown("published/zoo/*")
    assert not [path for path in brought if path.name == WEIGHTS_FILE]


def shown(glob: str) -> set[Path]:
    return set((ROOT / "results").glob(glob))
