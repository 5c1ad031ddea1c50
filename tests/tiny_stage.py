"""A tiny scene in place of the canary: images of 16 x 8 and encoders with random weights."""

from __future__ import annotations

import functools

import numpy as np

from benchmark.checks.canary import Stage
from benchmark.evaluation.evaluator import Evaluator
from tests.tiny_scene import CPU, image_set, tiny_encoder


@functools.cache
def tiny_stage() -> Stage:
    """Return six identities to rank, other ones to train on, and two encoders."""
    images = image_set(identities=6, per_camera=3, size=(16, 8))
    is_query = np.arange(len(images)) % 3 == 0
    query, gallery = images.subset(is_query), images.subset(~is_query)
    train = image_set(identities=8, size=(16, 8), first_pid=11)
    target, surrogate = (
        Evaluator.of(tiny_encoder(seed), query, gallery, policy=CPU, owner="tiny")
        for seed in (0, 1)
    )
    return Stage(target, surrogate, train)
