"""What a query's attack sees depends on its name, not on its place among the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import SilentProgress
from benchmark.data.held_out import query_and_gallery
from benchmark.metrics.attacked import AttackedRanking, attacked_ranking, clean_ranking
from tests.tiny_scene import CPU, image_set, make_attack, tiny_encoder


class Spy(Attack):
    """Notes the seed and the guides of every image, and does nothing."""

    name = "spy"

    def __init__(self) -> None:
        super().__init__(PluginConfig(), 8.0)
        self.seeds: dict[bytes, int] = {}

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        for i, image in enumerate(batch.images):
            self.seeds[image.numpy().tobytes()] = batch.seeds[i]
            own = batch.query_guides.embeddings[batch.query_rows[i]]
            assert torch.equal(own, batch.clean[i])
            assert int(batch.query_guides.pids[batch.query_rows[i]]) == int(batch.pids[i])
        assert batch.gallery_rows.eq(-1).all()
        return batch.images


def measure(
    attack: Attack, batch: int = 4, order: list[int] | None = None, seed: int = 0
) -> AttackedRanking:
    query, gallery = query_and_gallery(image_set(size=(16, 8)))
    query = query.subset(order or list(range(len(query))))
    encoder = tiny_encoder()
    clean = clean_ranking(encoder, query, gallery, policy=CPU, batch=batch, owner="tiny")
    with SilentProgress().task("attack", len(query)) as bar:
        return attacked_ranking(
            encoder,
            attack,
            query,
            gallery,
            clean,
            seed=seed,
            policy=CPU,
            batch=batch,
            bar=bar,
            owner="tiny",
        )


def test_seeds_depend_on_the_name_alone() -> None:
    spies = [Spy(), Spy(), Spy()]
    measure(spies[0], batch=4)
    measure(spies[1], batch=3, order=[7, 2, 5, 0, 1, 3, 6, 4])
    measure(spies[2], seed=1)
    assert spies[0].seeds == spies[1].seeds
    assert len(set(spies[0].seeds.values())) == 8
    assert not set(spies[0].seeds.values()) & set(spies[2].seeds.values())


@pytest.mark.parametrize("name", ["random-noise", "metric-pgd"])
def test_a_measurement_does_not_depend_on_the_batch_size(name: str) -> None:
    first, second = measure(make_attack(name), batch=8), measure(make_attack(name), batch=3)
    np.testing.assert_allclose(first.trace, second.trace, rtol=1e-4)
    np.testing.assert_allclose(first.ranking_float.ap, second.ranking_float.ap, atol=0.05)
    assert (first.forwards, first.backwards) == (second.forwards, second.backwards)
    assert first.max_distance_255 == pytest.approx(8, abs=1e-3)


def test_an_idle_attack_ranks_as_clean_and_costs_nothing() -> None:
    attacked = measure(Spy())
    query, gallery = query_and_gallery(image_set(size=(16, 8)))
    clean = clean_ranking(tiny_encoder(), query, gallery, policy=CPU, batch=8, owner="tiny")
    np.testing.assert_allclose(attacked.ranking.ap, clean.ranking.ap, atol=1e-6)
    assert (attacked.forwards, attacked.backwards, attacked.max_distance_255) == (0, 0, 0)
