"""The bibliography behind cards."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import benchmark
from benchmark.checks.contract import check_card
from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card
from benchmark.core.references import Reference, bibliography, resolved
from benchmark.core.registry import ATTACKS, BACKBONES, DEFENSES

OF_NOBODY = {
    "random-noise",
    "dynamic-budget-at",
    "pretrained",
    "small-resnet",
    "zoo",
    "torchattacks",  # its classes name their papers, and its code reads its card
}
"""Plugins that are this project's own, or stand for many."""

PAPER = {"key": "a1", "authors": ["Doe, J."], "title": "T", "venue": "ICLR", "year": 2020}


def test_every_paper_is_used_and_every_plugin_names_its_own():
    cards = {
        name: registry.get(name).card.references
        for registry in (ATTACKS, DEFENSES, BACKBONES)
        for name in registry.names()
        if registry.get(name).__module__.startswith(("attacks.", "defenses.", "benchmark.models."))
    }
    assert {name for name, references in cards.items() if not resolved(references)} == OF_NOBODY
    used = {one for references in cards.values() for one in references}
    assert used == set(bibliography())


def test_no_paper_is_there_twice():
    papers = bibliography().values()
    for read in (lambda one: one.title.casefold(), lambda one: one.identifier or one.key):
        assert len({read(one) for one in papers}) == len(papers)
    assert all(one.key.startswith(_family(one)) for one in papers)
    assert all(str(one.year) in one.key for one in papers)


def _family(paper):
    return paper.authors[0].partition(",")[0].casefold()


def test_a_card_may_hold_a_paper_of_its_own():
    mine = benchmark.Reference(**PAPER)
    card = Card(references=("madry2018", mine))
    assert resolved(card.references) == (bibliography()["madry2018"], mine)
    assert Card.model_validate(card.model_dump(mode="json")) == card


def test_an_unknown_key_is_told_with_the_closest_ones():
    with pytest.raises(UsageError, match="unknown reference 'madri2018'") as caught:
        resolved(["madri2018"])
    assert "madry2018" in caught.value.hint

    class Mine(DEFENSES.get("none")):
        card = Card(title="Mine", references=("nobody1999",))

    with pytest.raises(UsageError, match="nobody1999"):
        check_card(Mine)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "a}1"},
        {"authors": []},
        {"authors": [" "]},
        {"year": 20},
        {"identifier": "1901.10650"},
        {"url": "javascript:alert(1)"},
        {"url": "https://a b"},
        {"pages": "1-8"},
    ],
)
def test_a_paper_is_checked(changes):
    with pytest.raises(ValidationError):
        Reference.model_validate(PAPER | changes)
