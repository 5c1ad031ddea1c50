from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from benchmark.config.load import load_run_config
from benchmark.core.adaptive import adaptive_view
from benchmark.core.defense import Defense
from benchmark.models.checkpoint import restore_encoder, save_encoder
from benchmark.models.encoder import build_encoder
from defenses.ddid.denoiser import Denoiser, DenoiserConfig
from defenses.ddid.diffusion import DiffusionConfig
from defenses.diffpure import DiffPure, Purifier
from defenses.wrapped import Preprocessed
from tests.tiny_scene import (
    BACKBONE,
    fit,
    image_set,
    make_attack,
    make_defense,
    same_weights,
    scene,
    tiny_encoder,
)

NETWORK = {"downscale": 2, "patch": 1, "widths": (8, 8), "groups": 4}
TINY: dict[str, Any] = {
    "diffusion": {"network": NETWORK, "steps": 6, "batch": 8, "checkpoint_every": 2}
}
TRAIN = image_set(identities=8, size=(16, 8))


def diffpure(**options: Any) -> DiffPure:
    defense = make_defense("diffpure", **{**TINY, **options})
    assert isinstance(defense, DiffPure)
    return defense


def purifier(
    sigma: float = 0.25, steps: int = 1, detail: Literal["keep", "drop"] = "drop"
) -> Purifier:
    """Return a purifier for 8x8 images with random weights at its end."""
    split = image_set(identities=1, cameras=1, per_camera=6, size=(8, 8))
    torch.manual_seed(0)
    denoiser = Denoiser(DenoiserConfig.model_validate(NETWORK), split)
    nn.init.normal_(denoiser.unet.conv_out.weight, std=0.2)
    return Purifier(denoiser.eval().requires_grad_(False), sigma, steps, detail)


def averaged(images: Tensor) -> Tensor:
    """Return images averaged by 2 and enlarged again."""
    small = nn.functional.avg_pool2d(images, 2)
    return nn.functional.interpolate(small, images.shape[2:], mode="bicubic")


def test_without_noise_it_gives_the_image_back_but_for_dropped_detail() -> None:
    images = image_set(identities=1, size=(8, 8)).tensor(slice(0, 3))
    for steps in (1, 3):
        torch.testing.assert_close(
            purifier(1e-6, steps)(images), averaged(images), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(purifier(1e-6, steps, "keep")(images), images, atol=1e-4, rtol=0)


def test_one_step_is_the_denoised_image_and_euler_steps_follow_the_ode() -> None:
    images = image_set(identities=1, size=(8, 8)).tensor(slice(0, 2))
    for steps in (1, 4):
        one = purifier(0.4, steps)
        denoiser, only = one.denoiser, torch.zeros(2, dtype=torch.int64)
        torch.manual_seed(3)
        found = one(images)
        torch.manual_seed(3)
        clean = denoiser.fold(images, only)
        state = clean + 0.4 * torch.randn_like(clean)
        level = 0.4
        for _ in range(steps):
            scaled = state / (level**2 + 0.25) ** 0.5
            noise = torch.full((2,), level).log() / 4
            answer = denoiser(scaled, noise, denoiser.condition(only, only))
            kept = 0.25 / (level**2 + 0.25)
            clean = kept * state + level * 0.5 / (level**2 + 0.25) ** 0.5 * answer
            state = state + (state - clean) / level * -(0.4 / steps)
            level -= 0.4 / steps
        expected = denoiser.unfold(state, only)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_it_draws_at_each_call_and_obeys_the_global_seed() -> None:
    one, images = purifier(), torch.rand(2, 3, 8, 8)
    torch.manual_seed(5)
    first, second = one(images), one(images)
    torch.manual_seed(5)
    assert torch.equal(first, one(images))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_flow_through_all_of_it(steps: int) -> None:
    one = purifier(0.3, steps).double()
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    direction = torch.randn(images.shape, dtype=torch.float64)
    weights = torch.randn(images.shape, dtype=torch.float64)

    def value(shift: float) -> Tensor:
        torch.manual_seed(0)
        return (weights * one(images + shift * direction)).sum()

    (gradient,) = torch.autograd.grad(value(0), images)
    with torch.no_grad():
        difference = (value(0.01) - value(-0.01)) / 0.02
    expected = float((gradient * direction).sum())
    assert float(difference) == pytest.approx(expected, rel=2e-3)


def test_it_is_loaded_without_the_training_set(tmp_path: Path) -> None:
    base = tiny_encoder(2)
    whole = fit(diffpure(), tmp_path / "a", train=TRAIN, encoders={"none": base}).encoder
    assert isinstance(whole, Preprocessed)
    assert same_weights(whole.encoder, base)
    save_encoder(tmp_path, whole, {})
    again = restore_encoder(
        tmp_path, lambda: diffpure().build_encoder(lambda: build_encoder(BACKBONE))
    )
    images = torch.rand(2, 3, 16, 8)
    found = []
    for encoder in (whole, again, copy.deepcopy(again)):
        torch.manual_seed(0)
        found.append(encoder(images))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert same_weights(whole, again)


def test_no_identity_and_no_camera_is_in_it(tmp_path: Path) -> None:
    encoder = fit(diffpure(), tmp_path, train=TRAIN).encoder
    sizes = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    assert sizes["preprocess.denoiser.identity.weight"][0] == 1
    assert sizes["preprocess.denoiser.camera.weight"][0] == 1
    assert sizes["preprocess.denoiser.standardiser.mean"] == (1, 3, 8, 4)


def test_attacks_through_it_beat_those_on_the_plain_encoder() -> None:
    defense: Defense = diffpure(sigma=0.05)
    plain = tiny_encoder()
    encoder = Preprocessed(purifier(0.05), plain).eval()
    images = image_set(identities=2, size=(8, 8))
    batch = scene(plain, images)
    view = adaptive_view(encoder, defense, 4)
    moved = []
    for seen in (view, plain):
        crafted = make_attack("sma", steps=8, alpha_255=2.0).run(seen, batch).images
        with torch.no_grad():
            torch.manual_seed(1)
            before = nn.functional.normalize(encoder(batch.images))
            torch.manual_seed(1)
            after = nn.functional.normalize(encoder(crafted))
        moved.append(float((before - after).square().sum(1).mean()))
    assert defense.adaptive.random
    assert moved[0] > 1.2 * moved[1]


@pytest.mark.parametrize("preset", ["full", "full-r18"])
def test_the_full_presets_use_the_full_size(preset: str) -> None:
    config = load_run_config({"defense": ["diffpure"], "preset": preset})
    options = DiffPure.parse_config(config.defense_config["diffpure"])
    assert options == DiffPure.Config(diffusion=DiffusionConfig.full())
