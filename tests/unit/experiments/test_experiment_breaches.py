"""Experiments that break their contract, and the suite that tells so."""

from __future__ import annotations

from itertools import count

import pytest

from benchmark import Card, Experiment, check_contract
from benchmark.api.check_contract import BrokenContractError
from benchmark.core.errors import UsageError
from benchmark.core.registry import EXPERIMENTS
from benchmark.experiments.experiment_contract import check_experiment
from benchmark.experiments.findings import Findings, Table, text

CALLS = count()


class Counting(Experiment):
    """Trains nothing and counts how often it was asked."""

    card = Card(title="Counting")
    defaults = {"defense": ["none"], "attack": ["random-noise"], "test_dataset": ["none"]}

    def run(self, context):
        calls = next(CALLS)
        return Findings([Table("Calls", "Row", ["Calls"], [("all", [text(calls)])])], {"n": calls})


class Ragged(Counting):
    """Has more cells than columns."""

    def run(self, context):
        cells = [text(1), text(2)]
        return Findings([Table("Calls", "Row", ["Calls"], [("all", cells)])], {})


class Silent(Counting):
    """Finds nothing."""

    def run(self, context):
        return Findings([], {"n": 1})


class Misconfigured(Counting):
    """Wants an attack that is not there."""

    defaults = {**Counting.defaults, "attack": ["no-such-attack"]}


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(EXPERIMENTS, "_classes", dict(EXPERIMENTS._classes))


@pytest.mark.parametrize(
    ("plugin", "check", "told"),
    [
        (Counting, "repeatable", "finds other figures"),
        (Ragged, "tables", "has 2 cells for 1 columns"),
        (Ragged, "result", "its result is empty"),
        (Silent, "tables", "it finds no table"),
        (Misconfigured, "defaults", "unknown attack 'no-such-attack'"),
    ],
)
def test_a_breach_is_told(plugin, check, told, tmp_path):
    EXPERIMENTS.register(plugin.__name__.lower())(plugin)
    results = check_experiment(plugin, {}, device="cpu", work_dir=tmp_path)
    assert told in {one.name: one.detail for one in results if not one.passed}[check]


def test_a_broken_contract_is_a_failed_assertion():
    EXPERIMENTS.register("counting")(Counting)
    with pytest.raises(BrokenContractError, match="the experiment counting breaks its contract:"):
        check_contract("experiment", "counting")


def test_what_cannot_be_checked_is_told():
    with pytest.raises(UsageError, match="unknown kind 'backbone'"):
        check_contract("backbone", "osnet-x1-0")


def test_what_is_no_experiment_is_refused(tmp_path):
    (result,) = check_experiment(dict, {}, device="cpu", work_dir=tmp_path)
    assert result.detail == "it does not derive from benchmark.Experiment"
