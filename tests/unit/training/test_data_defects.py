"""Defects of training data end in an encoder that ranks, not in an error."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.core.errors import DataError
from benchmark.core.image_set import ImageSet
from benchmark.evaluation.evaluator import Evaluator
from benchmark.training.config import AugmentConfig, TrainingConfig
from tests.tiny_scene import CPU, TRAINING, fit, image_set, make_defense

RECIPE = TRAINING.model_copy(
    update={
        "epochs": 4,
        "learning_rate": 1e-2,
        "augment": AugmentConfig(flip=0, pad=0, erase=0),
        "validate_every": 4,
    }
)
OPTIONS: dict[str, dict[str, object]] = {
    "none": {},
    "metric-at": {},
    "ddid": {
        "discriminator_hidden": 8,
        "balancing_options": {
            "delta1": 5,
            "percentile": 0,
            "min_distance": 0,
            "attempts": 1,
            "diffusion": {
                "network": {"downscale": 1, "patch": 2, "widths": (8, 8), "groups": 4},
                "steps": 2,
                "batch": 4,
                "sampler_steps": 2,
            },
        },
    },
}
SOUND = image_set(identities=12, cameras=3, size=(16, 8))


def wrong_labels(share: float = 0.3) -> ImageSet:
    """Give a share of the images another identity of the set."""
    rng = np.random.default_rng(3)
    pids = SOUND.pids.copy()
    hit = rng.permutation(len(pids))[: round(share * len(pids))]
    pids[hit] = (pids[hit] - 1 + rng.integers(1, 12, len(hit))) % 12 + 1
    assert (pids != SOUND.pids).mean() == pytest.approx(share, abs=0.01)
    return replace(SOUND, pids=pids)


def single_images() -> ImageSet:
    """Leave four of twelve identities one image each."""
    first = np.unique(SOUND.pids, return_index=True)[1]
    kept = (SOUND.pids > 4) | np.isin(np.arange(len(SOUND)), first)
    return SOUND.subset(kept)


def no_second_camera() -> ImageSet:
    """Take all images of the camera in the middle away."""
    return SOUND.subset(SOUND.camids != 2)


@pytest.mark.parametrize("defense", list(OPTIONS))
@pytest.mark.parametrize("defective", [wrong_labels, single_images, no_second_camera])
def test_a_defense_trains_and_ranks(defense: str, defective: object, tmp_path: Path) -> None:
    assert callable(defective)
    trained = fit(
        make_defense(defense, **OPTIONS[defense]), tmp_path, train=defective(), training=RECIPE
    )
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    state = trained.encoder.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
    query, gallery = SOUND.subset(SOUND.camids == 1), SOUND.subset(SOUND.camids == 3)
    evaluator = Evaluator.of(trained.encoder, query, gallery, policy=CPU, owner=defense, batch=32)
    # Colours rank without training, too (50 to 60); an encoder that collapsed would be at 8.
    assert evaluator.clean_map > 45
    if defense == "ddid":
        balancing = trained.report["balancing"]
        assert isinstance(balancing, dict)
        assert sum(balancing["accepted"].values()) > 0


def test_wrong_labels_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("benchmark.training.fit.AGREEMENT_IMAGES", 1)
    monkeypatch.setattr("benchmark.training.fit.LEAST_AGREEMENT", 0.75)  # a short training
    sound = fit(make_defense("none"), tmp_path / "sound", train=SOUND, training=RECIPE)
    assert not caplog.records
    noisy = fit(make_defense("none"), tmp_path / "noisy", train=wrong_labels(), training=RECIPE)
    assert sound.label_agreement is not None
    assert noisy.label_agreement is not None
    assert noisy.label_agreement < sound.label_agreement - 0.15
    assert "look like another identity" in caplog.text


def test_a_short_training_says_nothing_of_labels(tmp_path: Path) -> None:
    trained = fit(make_defense("none"), tmp_path, train=wrong_labels(), training=RECIPE)
    assert trained.label_agreement is None


@pytest.mark.parametrize("total", [2, 3, 4, 5])
@pytest.mark.parametrize("share", [0.0, 0.25])
def test_what_is_advised_for_few_identities_mends_it(
    total: int, share: float, tmp_path: Path
) -> None:
    train = image_set(identities=total, size=(16, 8))
    recipe = TRAINING.model_copy(update={"identities": 16, "held_out": share, "epochs": 1})
    with pytest.raises(DataError, match="training identities are") as caught:
        fit(make_defense("none"), tmp_path / "a", train=train, training=recipe)
    advised = dict(re.findall(r"training\.(\w+)=(\d+)", caught.value.hint))
    mended = TrainingConfig.model_validate(recipe.model_dump() | advised)
    assert fit(make_defense("none"), tmp_path / "b", train=train, training=mended).epochs == 1


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_single_identity_cannot_be_trained_on(share: float, tmp_path: Path) -> None:
    recipe = TRAINING.model_copy(update={"identities": 2, "held_out": share})
    with pytest.raises(DataError) as caught:
        fit(make_defense("none"), tmp_path, train=image_set(identities=1), training=recipe)
    assert caught.value.hint == "add identities: two are needed at least"


def test_balancing_without_a_single_pair_says_what_to_do(tmp_path: Path) -> None:
    first = np.unique(SOUND.pids, return_index=True)[1]
    with pytest.raises(DataError, match="no training identity has two images") as caught:
        fit(make_defense("ddid", **OPTIONS["ddid"]), tmp_path, train=SOUND.subset(first))
    assert caught.value.hint
