"""What number an identity has says nothing: 0 and below are people, unless flagged."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.checks.canary import Stage, ready_attack
from benchmark.core.image_set import ImageSet, concatenate
from benchmark.core.registry import ATTACKS
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.rankings import AttackedRanking
from tests.tiny_scene import CPU, image_set, short_options
from tests.tiny_stage import tiny_stage


def strangers() -> ImageSet:
    """Return junk and distractors under the numbers of people, whoever these are."""
    images = image_set(identities=2, cameras=1, size=(16, 8), first_pid=90)
    junk = np.arange(len(images)) % 2 == 0
    return replace(images, junk=junk, distractor=~junk)


def moved(images: ImageSet, by: int) -> ImageSet:
    return replace(images, pids=images.pids + by)


@functools.cache
def stage(by: int) -> Stage:
    """Return the tiny stage, its identities moved, and strangers named 1 and 2 in its gallery."""
    plain = tiny_stage()
    nobody = replace(strangers(), pids=strangers().pids - 89)
    query = moved(plain.target.query, by)
    gallery = concatenate(moved(plain.target.gallery, by), nobody)
    target, surrogate = (
        Evaluator.of(one.encoder, query, gallery, policy=CPU, owner="tiny")
        for one in (plain.target, plain.surrogate)
    )
    return Stage(target, surrogate, moved(plain.train, by))


def attacked(name: str, by: int, folder: Path) -> AttackedRanking:
    plugin = ATTACKS.get(name)
    config = plugin.parse_config(short_options(name))
    here = stage(by)
    attack = ready_attack(plugin, config, 8.0, here, folder / str(by))
    torch.manual_seed(0)
    return here.target.attacked(attack, 0, surrogates=here.surrogates(attack.threat_with(config)))


@pytest.mark.parametrize("name", ATTACKS.names())
def test_an_attack_does_not_look_at_the_number(name: str, tmp_path: Path) -> None:
    as_ever, moved_down = attacked(name, 40, tmp_path), attacked(name, -3, tmp_path)
    assert as_ever.images_sha256 == moved_down.images_sha256
    np.testing.assert_array_equal(as_ever.ranking.rank, moved_down.ranking.rank)
    assert moved_down.ranking.valid.all()
