"""HSJA on a plane whose distance is known, and on a tiny encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attacks.hsja import HSJA
from benchmark.core.attack_batch import AttackBatch
from tests.black_box_toys import DISTANCE, Spy, boundary_toy, embed, matches_of, unit_rows
from tests.tiny_scene import make_attack, tiny


class Found(HSJA):
    """HSJA that returns what it found, before that is brought to the budget, after every answer."""

    def schedule(self) -> list[int]:
        return list(range(1, self.config.queries + 1))

    def _at_budget(self, found: Tensor, clean: Tensor) -> Tensor:
        return found


def found_by(queries: int, encoder: nn.Module, batch: AttackBatch, k: int = 1) -> Tensor:
    return Found(Found.parse_config({"queries": queries, "k": k}), 255.0).run(encoder, batch).images


def distances(images: Tensor) -> Tensor:
    return (images - 0.5).abs().flatten(1).amax(1)


def test_hsja_finds_the_distance_of_the_boundary() -> None:
    """Within a tenth after 2000 answers, and never on the wrong side."""
    encoder, batch = boundary_toy(3)
    found = found_by(2000, encoder, batch)
    assert (distances(found) >= DISTANCE * (1 - 1e-6)).all()
    assert (distances(found) <= DISTANCE * 1.1).all()
    beyond = ((found - 0.5) * encoder.normal).sum((1, 2, 3))
    assert (beyond >= encoder.offset * (1 - 1e-6)).all()
    bolder = found_by(300, encoder, batch)
    assert (distances(found) < distances(bolder)).all()


@pytest.mark.parametrize(("share", "crosses"), [(0.99, False), (1.15, True)])
def test_hsja_crosses_where_the_budget_reaches_the_boundary(share: float, crosses: bool) -> None:
    encoder, batch = boundary_toy(2)
    attack = make_attack("hsja", 255 * share * DISTANCE, k=1, queries=1500)
    images = attack.run(encoder, batch).images
    with torch.no_grad():
        listed = encoder(images).argmax(1)
    assert listed.tolist() == [int(crosses)] * 2
    assert float((images - 0.5).abs().min()) == pytest.approx(share * DISTANCE)


def test_hsja_keeps_the_nearest_success_among_the_answers_so_far() -> None:
    encoder, batch = boundary_toy()
    spy = Spy(encoder)
    attack = Found(Found.parse_config({"queries": 400, "k": 1}), 255.0)
    outcome = attack.run(spy, batch)
    asked = np.stack(spy.asked)
    beyond = ((asked - 0.5) * encoder.normal.numpy()).sum((1, 2, 3)) > encoder.offset
    far = np.abs(asked - 0.5).max((1, 2, 3))
    probes = np.array(spy.together) > 1
    assert probes.sum() >= 200
    assert 0.1 < beyond[probes].mean() < 0.9
    kept = []
    for mark, image in sorted(outcome.snapshots.items()):
        seen = beyond[:mark] & ~probes[:mark]
        expected = asked[:mark][seen][far[:mark][seen].argmin()] if seen.any() else asked[0]
        np.testing.assert_array_equal(image[0].numpy(), expected)
        kept.append(float(distances(image)))
    reached = [distance for distance in kept if distance > 0]
    assert len(reached) >= 4
    assert reached == sorted(reached, reverse=True)


@pytest.mark.parametrize("k", [1, 3])
def test_success_is_a_list_without_a_true_match(k: int) -> None:
    encoder, batch = tiny(double=True)
    found = found_by(60, encoder, batch, k)
    guides = batch.gallery_guides
    gallery = unit_rows(guides.embeddings)
    succeeded = 0
    for i in range(3):
        matching = matches_of(batch, i)
        ranked = matching | (guides.pids.numpy() != int(batch.pids[i]))

        def succeeds(image: Tensor, matching=matching, ranked=ranked) -> bool:
            cosines = np.where(ranked, gallery @ embed(encoder, image.numpy()), -np.inf)
            return not matching[np.argsort(-cosines)[:k]].any()

        moved = not torch.equal(found[i], batch.images[i])
        assert succeeds(found[i]) == (moved or succeeds(batch.images[i]))
        succeeded += moved
    assert succeeded


def test_an_image_that_succeeds_as_it_is_costs_one_answer() -> None:
    encoder, batch = boundary_toy(2)
    encoder.offset = -1.0
    outcome = make_attack("hsja", 8.0, k=1, queries=100).run(encoder, batch)
    assert outcome.queries == 2
    assert torch.equal(outcome.images, batch.images)


def test_it_gives_up_where_no_start_succeeds() -> None:
    encoder, batch = boundary_toy(2)
    encoder.offset = 1e9
    outcome = make_attack("hsja", 8.0, k=1, queries=100, starts=5).run(encoder, batch)
    assert outcome.queries == 2 * (1 + 5)
    assert torch.equal(outcome.images, batch.images)
    assert all(torch.equal(images, batch.images) for images in outcome.snapshots.values())


def test_starts_become_a_single_colour() -> None:
    """A plane that fine noise cannot cross: its mean over the image is too near to grey."""
    encoder, batch = boundary_toy(4)
    encoder.normal = torch.ones(3, 16, 8).double()
    encoder.offset = 0.2 * 3 * 16 * 8
    options = {"queries": 300, "k": 1, "starts": 200}
    found = Found(Found.parse_config(options), 255.0).run(encoder, batch).images
    assert (distances(found) >= 0.2 * (1 - 1e-6)).all()
