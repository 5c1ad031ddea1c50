from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from defenses.bit_depth import Rounding
from defenses.circuitous_scaling import Detour
from defenses.jpeg.defense import JpegRoundTrip
from defenses.jpeg.differentiable import (
    DifferentiableJpeg,
    dct_matrix,
    quantisation_steps,
    relaxed_round,
)

few = settings(max_examples=15)


def pixels_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a smooth image with some texture, as a photograph has."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 4, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def tensor_of(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def by_pillow(pixels: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(stream))


@few
@given(st.integers(1, 95), st.integers(8, 40), st.integers(8, 40))
def test_jpeg_is_that_of_pillow_one_image_at_a_time(quality: int, height: int, width: int) -> None:
    several = [pixels_of(height, width, seed) for seed in range(3)]
    together = JpegRoundTrip(quality)(torch.cat([tensor_of(one) for one in several]))
    for ours, pixels in zip(together, several, strict=True):
        seen = (ours * 255).round().byte().permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(seen, by_pillow(pixels, quality))


@pytest.mark.parametrize("quality", [10, 50, 75, 90])
@pytest.mark.parametrize("size", [(64, 32), (21, 13)])
def test_the_differentiable_jpeg_gives_what_jpeg_gives(quality: int, size: tuple[int, int]) -> None:
    pixels = pixels_of(*size)
    ours = 255 * DifferentiableJpeg(quality)(tensor_of(pixels))[0].permute(1, 2, 0).numpy()
    theirs = by_pillow(pixels, quality).astype(np.float64)
    lost = np.abs(theirs - pixels).mean()
    assert np.abs(ours - theirs).mean() < 0.35 * lost


def test_the_cosines_are_an_orthonormal_dct() -> None:
    ours = dct_matrix().double().numpy()
    by_hand = [
        [
            math.sqrt((1 if k == 0 else 2) / 8) * math.cos(math.pi * k * (2 * n + 1) / 16)
            for n in range(8)
        ]
        for k in range(8)
    ]
    np.testing.assert_allclose(ours, by_hand, atol=1e-6)
    np.testing.assert_allclose(ours @ ours.T, np.eye(8), atol=1e-6)


def test_the_steps_are_those_of_the_standard_in_its_order() -> None:
    steps = quantisation_steps(50)  # where encoders take the tables of annex K as they are
    assert steps[0, 0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert steps[0, :, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert steps[1, 0, :4].tolist() == [17, 18, 24, 47]


def test_rounding_is_exact_forward_and_smooth_backward() -> None:
    values = torch.linspace(-3, 3, 101, dtype=torch.float64, requires_grad=True)
    rounded = relaxed_round(values)
    torch.testing.assert_close(rounded, values.round())
    (gradient,) = torch.autograd.grad(rounded.sum(), values)
    expected = 1 - 0.5 * np.cos(2 * np.pi * values.detach().numpy())
    np.testing.assert_allclose(gradient.numpy(), expected)


@few
@given(st.integers(1, 8))
def test_bits_are_levels(bits: int) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    ours = Rounding(bits)(tensor_of(pixels[0]))
    levels = np.linspace(0, 1, 2**bits)
    nearest = levels[np.abs(levels[:, None] - pixels[0, :, :, 0].reshape(1, -1) / 255).argmin(0)]
    np.testing.assert_allclose(ours[0, 0].numpy().ravel(), nearest, atol=1e-6)
    assert len(ours.unique()) == 2**bits


@pytest.mark.parametrize("size", [(256, 128), (64, 32)])
def test_scaling_is_that_of_pillow(size: tuple[int, int]) -> None:
    low = {(256, 128): (110, 50), (64, 32): (28, 12)}[size]
    high = {(256, 128): (220, 100), (64, 32): (55, 25)}[size]
    pixels = pixels_of(*size)
    ours = Detour((110, 50), (220, 100))(tensor_of(pixels))[0]
    for channel in range(3):
        image = Image.fromarray(pixels[:, :, channel].astype(np.float32) / 255, "F")
        for height, width in (low, high, low, size):
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        np.testing.assert_allclose(ours[channel].numpy(), np.asarray(image), atol=2e-5)


def test_scaling_is_linear_and_keeps_flat_images() -> None:
    detour = Detour((110, 50), (220, 100))
    first, second = torch.rand(2, 1, 3, 64, 32)
    mixed = detour(0.3 * first + 0.7 * second)
    torch.testing.assert_close(mixed, 0.3 * detour(first) + 0.7 * detour(second))
    flat = torch.full((1, 3, 16, 8), 0.4)
    torch.testing.assert_close(detour(flat), flat)
