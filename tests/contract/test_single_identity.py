"""Every attack on a scene with a single identity: it does what is defined, and says what is not."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.checks.canary import Stage, ready_attack
from benchmark.checks.probe import probe_encoder
from benchmark.core import guides as guiding
from benchmark.core.errors import DataError
from benchmark.core.registry import ATTACKS
from benchmark.core.threat import Scenario
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.rankings import AttackedRanking
from tests.tiny_scene import CPU, short_options
from tests.tiny_stage import tiny_stage

TARGETED = [name for name in ATTACKS.names() if "impersonate" in ATTACKS.get(name).intents]


def stage_of(queries: int, shown: int) -> Stage:
    """Return the tiny stage with so many identities among the queries and in the gallery."""
    stage = tiny_stage()
    query = stage.target.query.subset(stage.target.query.pids <= queries)
    gallery = stage.target.gallery.subset(stage.target.gallery.pids <= shown)
    target, surrogate = (
        Evaluator.of(one.encoder, query, gallery, policy=CPU, owner="tiny")
        for one in (stage.target, stage.surrogate)
    )
    return replace(stage, target=target, surrogate=surrogate)


def attacked(
    name: str, stage: Stage, folder: Path, options: dict[str, str] | None = None, **scenario: str
) -> AttackedRanking:
    plugin = ATTACKS.get(name)
    config = plugin.parse_config(short_options(name, **(options or {})))
    attack = ready_attack(plugin, config, 8.0, stage, folder)
    return stage.target.attacked(
        attack,
        0,
        surrogates=stage.surrogates(attack.threat_with(config)),
        scenario=Scenario.model_validate(scenario),
    )


@pytest.mark.parametrize(("queries", "shown"), [(1, 1), (1, 6), (6, 1)])
@pytest.mark.parametrize("name", ATTACKS.names())
def test_it_attacks_as_far_as_it_is_defined(
    name: str, queries: int, shown: int, tmp_path: Path
) -> None:
    stage = stage_of(queries, shown)
    if name == "torchattacks" and shown == 1:
        with pytest.raises(DataError, match="needs more identities in the gallery than 1"):
            attacked(name, stage, tmp_path)
        return
    result = attacked(name, stage, tmp_path)
    assert result.max_distance_255 < 8.001
    valid = stage.target.clean.ranking.valid
    np.testing.assert_array_equal(result.ranking.valid, valid)
    if shown == 1:
        assert np.all(result.ranking.ap[valid] == 1)


@pytest.mark.parametrize("intent", ["impersonate", "rank-down"])
@pytest.mark.parametrize("name", TARGETED)
def test_a_target_that_is_not_there_is_told(name: str, intent: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 2 queries have no target") as caught:
        attacked(name, stage_of(1, 1), tmp_path, intent=intent)
    assert "dodge" in caught.value.hint


@pytest.mark.parametrize("intent", ["impersonate", "rank-down"])
@pytest.mark.parametrize("name", ["metric-ifgsm", "metric-pgd", "fna"])
def test_a_single_queried_identity_has_targets_in_the_gallery(
    name: str, intent: str, tmp_path: Path
) -> None:
    options = {"guides": "gallery"} if name == "fna" else {}
    result = attacked(name, stage_of(1, 6), tmp_path, options, intent=intent)
    assert result.target is not None


@pytest.mark.parametrize("name", ["fna", "metric-pgd", "apgd-fna"])
def test_without_a_farthest_identity_it_only_pushes_and_says_so_once(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guiding._warn_of_no_negative.cache_clear()
    with caplog.at_level(logging.WARNING):
        attacked(name, stage_of(1, 1), tmp_path)
        attacked(name, stage_of(1, 1), tmp_path)
    assert caplog.text.count("have none to pull to, and only push") == 1


def test_one_of_several_identities_pulls_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guiding._warn_of_no_negative.cache_clear()
    attacked("fna", stage_of(2, 2), tmp_path)
    assert caplog.text == ""


@pytest.mark.parametrize(("queries", "shown"), [(1, 1), (1, 6), (6, 1)])
def test_the_probe_measures_such_an_encoder(queries: int, shown: int) -> None:
    stage = stage_of(queries, shown)
    torch.manual_seed(0)
    figures = probe_encoder(stage.target, seed=0)
    assert len(figures["sweep"]) == 5
