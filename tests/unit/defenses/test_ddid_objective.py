"""DDID's inner objective and the share of clean images in its loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.tiny_scene import ONE_EPOCH, fit, make_defense, same_weights
from tests.unit.defenses.tiny_step import retrieval_loss, tiny_step

OFF: dict[str, object] = dict.fromkeys(("balancing", "fnes", "discriminator", "self_meta"), False)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_clean_and_adversarial_images_weigh_what_the_share_says(share: float) -> None:
    step = tiny_step()
    loss = make_defense("ddid", **OFF, clean_share=share).training_step(step)
    (attacked,), count = step.attacked, len(step.images)
    output = step.trained_output(step.images, attacked)
    expected = share * retrieval_loss(output.rows(slice(None, count)), step.labels)
    expected += (1 - share) * retrieval_loss(output.rows(slice(count, None)), step.labels)
    assert float(loss.detach()) == pytest.approx(expected, abs=1e-5)


def test_the_loss_as_inner_objective_attacks_what_pgd_at_attacks() -> None:
    ours, theirs = tiny_step(), tiny_step()
    make_defense("ddid", **OFF, inner_objective="loss").training_step(ours)
    make_defense("pgd-at").training_step(theirs)
    assert not ours.attacked
    assert torch.equal(ours.ascents[0].images, theirs.ascents[0].images)


def test_fnes_extends_along_the_inner_objective() -> None:
    step = tiny_step()
    options = {**OFF, "fnes": True, "fnes_options": {"gamma": 2.0, "omega_high": 0.0}}
    make_defense("ddid", **options, inner_objective="loss").training_step(step)
    (crafted,), (batch,) = step.ascents, step.batches
    moved = crafted.clean + 2 * (crafted.images - crafted.clean)
    torch.testing.assert_close(batch[len(crafted.clean) :], moved.clamp(0, 1))


def test_with_all_parts_off_both_objectives_train_and_differ(tmp_path: Path) -> None:
    metric = fit(make_defense("ddid", **OFF), tmp_path / "metric", training=ONE_EPOCH)
    other = make_defense("ddid", **OFF, inner_objective="loss")
    loss = fit(other, tmp_path / "loss", training=ONE_EPOCH)
    assert not same_weights(metric.encoder, loss.encoder)


def test_it_says_which_attack_it_has_seen() -> None:
    metric, loss = make_defense("ddid"), make_defense("ddid", inner_objective="loss")
    assert metric.trained_against == ("metric-pgd",)
    assert loss.trained_against == ()
    assert metric.passes(3) == loss.passes(3) == 5
