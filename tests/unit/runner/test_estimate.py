"""Predicted costs of preparations, beside what preparations do."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attacks.mis_ranking.attack import MisRanking, step_flops
from attacks.trained_first import TrainedFirst, TrainingBatch
from benchmark.config.load import load_run_config
from benchmark.core.encoder import evaluating
from benchmark.runner.preview import preview
from defenses.smoothing import Smoothing
from tests.tiny_preparation import prepared, task
from tests.tiny_scene import make_attack, tiny_encoder

IMAGES = 32
"""Of `tests.tiny_preparation.task`."""


@pytest.mark.parametrize("name", ["uap", "muap", "mis-ranking"])
def test_a_preparation_takes_the_passes_that_it_declares(name: str, tmp_path: Path) -> None:
    attack = make_attack(name, epochs=2, epoch_steps=3)
    assert isinstance(attack, TrainedFirst)
    encoder, backward, forward = tiny_encoder(), [0], [0]

    def count(module: object, inputs: object, embeddings: torch.Tensor) -> None:
        (backward if embeddings.requires_grad else forward)[0] += len(embeddings)

    encoder.register_forward_hook(count)
    prepared(attack, task(tmp_path, encoder=encoder, held_out=False))
    done = backward[0] + forward[0] / 3
    assert attack.preparation_passes(IMAGES) == pytest.approx(done)
    assert backward[0] == 2 * 3 * IMAGES


def test_few_or_many_images_are_gone_through_as_often_as_is_done() -> None:
    attack = make_attack("uap", epochs=4, epoch_steps=10, identities=8, images=4)
    assert attack.preparation_passes(320) == pytest.approx(4 * 320 + 320 / 3)
    assert attack.preparation_passes(6400) == pytest.approx(4 * 6400 + 6400 / 3)
    assert attack.preparation_passes(30) == pytest.approx(4 * 320 + 10)


@pytest.mark.parametrize("options", [{}, {"mask_ratio": 0.3}, {"visual": False}])
def test_the_operations_of_mis_ranking_are_those_of_a_step(
    options: dict[str, object], tmp_path: Path
) -> None:
    attack = make_attack("mis-ranking", **options)
    assert isinstance(attack, MisRanking)
    one = task(tmp_path, size=(64, 32))
    images = one.train.tensor(slice(0, 8))
    with evaluating(one.encoder):
        with torch.no_grad(), FlopCounterMode(display=False) as encoder:
            clean = one.encoder(one.train.tensor(slice(None)))
        learner = attack.learner(one, clean)
        training_batch = TrainingBatch(images, torch.from_numpy(one.train.pids[:8]), clean[:8], 0)
        with FlopCounterMode(display=False) as counter:
            learner.step(training_batch)
    # Frozen, so no gradients of weights: forward, and backward to the images.
    own = counter.get_total_flops() / 8 - 2 * encoder.get_total_flops() / IMAGES
    assert 3 * step_flops(attack.config, 64, 32) == pytest.approx(own, rel=0.2)


def test_the_plan_predicts_the_minutes_that_preparations_took() -> None:
    """Of `embedded` on one thread: under a minute, and 4 to 6 minutes for mis-ranking."""
    options = {"preset": "embedded", "attack": ["uap", "mis-ranking"], "device": "cpu"}
    cells = preview(load_run_config({**options, "defense": ["none"]})).cells
    minutes = {
        cell.title.split()[1]: cell.seconds / 60 for cell in cells if "prepare" in cell.title
    }
    assert 0.5 < minutes["uap"] < 1.5
    assert 3 < minutes["mis-ranking"] < 8


def attack_seconds(defense: str, *settings: str, attack: str = "fna") -> float:
    """Return the predicted seconds of one attack on a defense, with 20 draws of EOT."""
    options = {"preset": "embedded", "attack": [attack], "device": "cpu", "defense": [defense]}
    config = load_run_config({**options, "test_dataset": ["none"]}, list(settings))
    (cell,) = (c for c in preview(config).cells if c.title.startswith(f"{attack} "))
    return cell.seconds


def test_the_plan_counts_the_draws_and_copies_of_a_random_defense() -> None:
    plain = attack_seconds("none")
    assert attack_seconds("smoothing") == pytest.approx(20 * 4 * plain, rel=0.01)
    halved = attack_seconds("smoothing", "defense.samples=2", "evaluation.eot_samples=4")
    assert halved == pytest.approx(4 * 2 * plain, rel=0.01)
    square = attack_seconds("smoothing", attack="square")  # which sees answers, not expectations
    assert square == pytest.approx(4 * attack_seconds("none", attack="square"), rel=0.01)


@pytest.mark.parametrize(
    "factory", ["loading", "raising", "leaving", "with_numbers"], ids=lambda name: name
)
def test_a_factory_that_loads_weights_or_fails_is_planned_in_silence(
    factory: str, recwarn: pytest.WarningsRecorder, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = f"defense.factory=tests.plugins.factories:{factory}"
    plain = attack_seconds("none")
    seconds = attack_seconds("pretrained", setting)
    assert seconds == plain if factory != "loading" else seconds < plain
    assert [str(one.message) for one in recwarn] == []
    assert capsys.readouterr().err == ""


def test_an_encoder_of_unknown_size_counts_as_the_plain_one() -> None:
    plain = attack_seconds("none")
    with patch.object(Smoothing, "build_encoder", side_effect=RuntimeError("no numbers here")):
        assert attack_seconds("smoothing") == pytest.approx(20 * plain)
