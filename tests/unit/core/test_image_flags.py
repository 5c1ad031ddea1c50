"""Junk and distractors are flags: the number of an identity says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.core.guides import Guides
from benchmark.core.image_set import ImageSet, concatenate
from tests.tiny_scene import image_set


def flagged() -> ImageSet:
    images = image_set(identities=4, size=(16, 8), first_pid=-1)
    return replace(images, junk=images.pids == 1, distractor=images.pids == 2)


def test_any_number_is_a_person_unless_flagged() -> None:
    assert image_set(identities=3, first_pid=-1).identities.tolist() == [-1, 0, 1]
    assert flagged().identities.tolist() == [-1, 0]


def test_flags_go_with_their_images() -> None:
    images = flagged()
    part = images.subset(images.pids >= 0)
    assert part.junk.tolist() == (part.pids == 1).tolist()
    assert part.distractor.tolist() == (part.pids == 2).tolist()
    both = concatenate(part, images)
    assert both.junk.tolist() == (both.pids == 1).tolist()
    assert len(images.subset([]).junk) == 0
    with pytest.raises(ValueError, match="same length"):
        replace(images, junk=np.ones(3, np.bool_))


def test_guides_take_the_flags_over() -> None:
    images = flagged()
    guides = Guides.of(images, torch.eye(len(images)), torch.device("cpu"))
    assert guides.identities.tolist() == [-1, 0]
    assert guides.people.tolist() == images.people.tolist()
    mask = guides.positive_mask(guides.pids)
    assert not mask[:, torch.from_numpy(~images.people)].any()
    assert mask[0].sum() == 4
