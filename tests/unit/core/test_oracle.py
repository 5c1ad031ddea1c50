"""Black-box oracles: what they give away, and that every answer is counted."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import image_set, scene, tiny_encoder


class Asking(Attack):
    name = "asking"
    threat = ThreatModel(knowledge="score")

    class Config(PluginConfig):
        queries: int = 3
        asks: int = 3

    def perturb(self, encoder, batch):
        rows = torch.arange(len(batch.images))
        for asked in range(1, self.config.asks + 1):
            self.answer = encoder(batch.images, rows)
            self.snapshot(self.project(batch.images + 0.01 * asked, batch.images), asked)
        return batch.images


class Listing(Asking):
    name = "listing"
    threat = ThreatModel(knowledge="decision")

    def perturb(self, encoder, batch):
        self.batch = batch
        self.answer = encoder(batch.images, torch.arange(len(batch.images)), 5)
        return batch.images


def batch() -> AttackBatch:
    return scene(tiny_encoder(), image_set(size=(16, 8)), rows=[0, 3, 5])


def test_scores_come_without_a_gradient_and_are_counted():
    attack, seen = Asking(Asking.Config(), 8), batch()
    outcome = attack.run(tiny_encoder(), seen)
    torch.testing.assert_close(attack.answer, seen.clean)
    assert not attack.answer.requires_grad
    assert (outcome.queries, outcome.forwards, outcome.backwards) == (9, 9, 0)
    assert sorted(outcome.snapshots) == [1, 2, 3]
    moved = (outcome.snapshots[2] - seen.images).abs().max()
    assert float(moved) == pytest.approx(0.02, abs=1e-6)


def test_a_budget_that_is_exceeded_voids_the_attack():
    with pytest.raises(PluginError, match="asked 4 times for an image; its budget is 3"):
        Asking(Asking.Config(asks=4), 8).run(tiny_encoder(), batch())


def test_a_black_box_attack_must_state_its_budget():
    class Silent(Asking):
        name = "silent"

        class Config(PluginConfig):
            asks: int = 1

    with pytest.raises(PluginError, match="states no budget"):
        Silent(Silent.Config(), 8).run(tiny_encoder(), batch())


def test_decisions_are_the_ranked_list_and_nothing_else():
    seen = batch()
    attack = Listing(Listing.Config(), 8)
    attack.run(tiny_encoder(), seen)
    gallery = seen.gallery_guides
    similar = F.normalize(seen.clean) @ F.normalize(gallery.embeddings).T
    junk = (gallery.pids == seen.pids[:, None]) & (gallery.camids == seen.camids[:, None])
    similar[junk] = -torch.inf
    assert attack.answer.tolist() == similar.topk(5).indices.tolist()
    assert attack.batch.gallery_guides.embeddings.shape[1] == 0
    assert attack.batch.query_guides.embeddings.shape[1] == 0
    assert attack.batch.clean.shape[1] == 0
    assert torch.equal(attack.batch.gallery_guides.pids, gallery.pids)


def test_snapshots_must_be_legal():
    class Wild(Asking):
        name = "wild"

        def perturb(self, encoder, batch):
            self.snapshot(batch.images + 0.5, 1)
            return batch.images

    with pytest.raises(PluginError, match="left the ball"):
        Wild(Wild.Config(), 8).run(tiny_encoder(), batch())
