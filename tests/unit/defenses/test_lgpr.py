from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from benchmark.core.errors import UsageError
from defenses.lgpr import (
    LGPR,
    ViewOptions,
    colour_views,
    fuse,
    gray_of,
    rectangles,
    sketch_of,
)
from tests.tiny_scene import fit, make_defense, same_weights

few = settings(max_examples=20)


def pictures(count: int = 400, height: int = 16, width: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def is_gray(images: torch.Tensor) -> torch.Tensor:
    """Return (B, H, W): whether a pixel has three equal channels."""
    return (images == images[:, :1]).all(1)


@few
@given(st.integers(0, 2**32), st.integers(4, 64), st.integers(4, 64))
def test_rectangles_are_those_drawn_by_hand(seed: int, height: int, width: int) -> None:
    draws = np.random.default_rng(seed).random((5, 4))
    masks = rectangles(torch.from_numpy(draws), height, width)[:, 0].numpy()
    for mask, (area, aspect, top, left) in zip(masks, draws, strict=True):
        pixels, ratio = (0.02 + 0.38 * area) * height * width, 0.3 + 3.03 * aspect
        h = min(height, max(1, round(np.sqrt(pixels * ratio))))
        w = min(width, max(1, round(np.sqrt(pixels / ratio))))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        expected = np.zeros((height, width), bool)
        expected[y : y + h, x : x + w] = True
        np.testing.assert_array_equal(mask, expected)


def test_gray_is_the_luminance_that_pillow_knows() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    ours = gray_of(torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255) * 255
    theirs = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)
    assert np.abs(ours[0, 0].numpy() - theirs).max() < 1


def test_as_many_images_change_as_the_probabilities_say() -> None:
    images = pictures(4000)
    views = colour_views(images, 3, ViewOptions())
    gray = is_gray(views).flatten(1)
    assert abs(float(gray.all(1).float().mean()) - 0.05) < 0.012
    assert abs(float(gray.any(1).float().mean()) - (1 - 0.95 * 0.6)) < 0.025
    untouched = ~is_gray(views)[:, None].expand_as(images)
    assert torch.equal(views[untouched], images[untouched])
    torch.testing.assert_close(views, torch.where(untouched, images, gray_of(images)))


@few
@given(st.integers(0, 2**62))
def test_views_are_images_and_depend_on_the_seed_alone(seed: int) -> None:
    options = ViewOptions(joint=True)
    images = pictures(40)
    kept = images.clone()
    views = colour_views(images, seed, options)
    assert torch.equal(images, kept)
    assert float(views.min()) >= 0
    assert float(views.max()) <= 1 + 1e-6
    torch.manual_seed(seed % 1000)
    assert torch.equal(views, colour_views(images, seed, options))
    assert not torch.equal(views, colour_views(images, seed + 1, options))


def test_no_probability_changes_no_image() -> None:
    options = ViewOptions(
        local=0, whole=0, joint=True, fusion_gray=0, fusion_channels=0, fusion_sketch=0
    )
    images = pictures(20)
    assert torch.equal(colour_views(images, 0, options), images)


def test_fusion_by_hand() -> None:
    images = pictures(4)
    options = ViewOptions(joint=True, fusion_gray=0.25, fusion_channels=0.25, fusion_sketch=0.25)
    order = torch.tensor([[3, 1, 2, 0]] * 4).float()  # the fourth, green, blue
    choice = torch.tensor([0.1, 0.4, 0.6, 0.9])
    fused = fuse(images, choice, order, options)
    gray = gray_of(images)
    assert torch.equal(fused[0], gray[0].expand(3, -1, -1))
    assert torch.equal(fused[1], torch.stack([gray[1, 0], images[1, 1], images[1, 2]]))
    assert torch.equal(fused[2], torch.stack([sketch_of(gray)[2, 0], images[2, 1], images[2, 2]]))
    assert torch.equal(fused[3], images[3])


def test_a_sketch_is_white_with_dark_edges_as_pillow_blurs() -> None:
    gray = np.full((256, 128), 180, np.uint8)
    gray[100:150, 40:90] = 60
    ours = sketch_of(torch.from_numpy(gray)[None, None].float() / 255)[0, 0].numpy()
    blurred = Image.fromarray(gray).filter(ImageFilter.GaussianBlur(4.4))
    theirs = np.minimum(1, gray / np.maximum(np.asarray(blurred, np.float64), 1))
    inner = slice(20, -20)  # Pillow's borders are other ones
    assert np.abs(ours - theirs)[inner, inner].max() < 0.05
    assert ours[10, 10] == pytest.approx(1)
    assert ours[125, 65] == pytest.approx(1)
    assert ours[101:149, 41].max() < 0.7
    assert np.isfinite(sketch_of(torch.zeros(1, 1, 16, 8)).numpy()).all()


def test_without_any_view_it_is_the_standard_training(tmp_path: Path) -> None:
    ours = fit(make_defense("lgpr", local=0, whole=0), tmp_path / "a").encoder
    assert same_weights(ours, fit(make_defense("none"), tmp_path / "b").encoder)


def test_it_sees_no_attack_and_refuses_more_than_all_images() -> None:
    assert LGPR.trained_against == ()
    with pytest.raises(UsageError, match="exceed 1 together"):
        make_defense("lgpr", fusion_gray=0.9, fusion_sketch=0.2)
