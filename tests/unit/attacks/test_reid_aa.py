"""ReID-AA: per query the worst of its members, and the shortcut that skips broken queries."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from attacks.reid_aa import MEMBERS, _lowest_ap
from benchmark.core.legal_images import round_to_8_bits
from benchmark.metrics.ranking import rank_queries
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

ENCODER = tiny_encoder()


def batch():
    return scene(ENCODER, image_set(identities=6, size=(16, 8)), rows=list(range(0, 24, 3)))


def average_precision(images, seen):
    gallery = seen.gallery_guides
    with torch.no_grad():
        embeddings = ENCODER(round_to_8_bits(images, seen.images, 8))
    return rank_queries(
        embeddings, seen.pids, seen.camids, gallery.embeddings, gallery.pids, gallery.camids
    ).ap


def test_it_is_per_query_at_least_as_strong_as_each_member(monkeypatch):
    seen = batch()
    ensemble = average_precision(make_attack("reid-aa").run(ENCODER, seen).images, seen)
    floor = _lowest_ap(seen)
    for name, options in MEMBERS:
        member = average_precision(make_attack(name, **options).run(ENCODER, seen).images, seen)
        assert (ensemble <= np.maximum(member, 1.1 * floor) + 1e-9).all(), name


def test_the_floor_is_the_lowest_ap_there_is():
    seen = batch()
    gallery = seen.gallery_guides
    embeddings = torch.nn.functional.normalize(gallery.embeddings)
    for row in range(len(seen.pids)):
        is_match = gallery.pids == seen.pids[row]
        worst = torch.where(is_match[:, None], -torch.ones(1, 2), torch.ones(1, 2))
        worst[:, 1] = 0
        result = rank_queries(
            torch.tensor([[1.0, 0.0]]),
            seen.pids[row : row + 1],
            seen.camids[row : row + 1],
            worst,
            gallery.pids,
            gallery.camids,
        )
        assert _lowest_ap(seen)[row] == pytest.approx(result.ap[0])
    assert embeddings.shape[0] == len(gallery.pids)


def test_impersonation_raises_the_ap_of_the_target():
    seen = batch()
    others = torch.where(seen.pids == 1, 2, 1)
    told = replace(seen, pids=others, camids=torch.full_like(others, -1), direction=-1.0)
    before = average_precision(seen.images, told)
    after = average_precision(make_attack("reid-aa").run(ENCODER, told).images, told)
    assert (after >= before).all()
    assert after.mean() > before.mean() + 0.1


def test_a_batch_without_any_match_is_left_as_it_is():
    """A run's last batch may hold such queries alone."""
    seen = batch()
    alone = replace(seen, pids=torch.full_like(seen.pids, 10_000))
    images = make_attack("reid-aa").run(ENCODER, alone).images
    assert torch.equal(images, alone.images)
