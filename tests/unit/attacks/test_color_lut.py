from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from attacks.color_lut import ColorLUT
from attacks.recolour import Recolour
from benchmark.core.seeding import uniform_noise
from benchmark.core.threat import ThreatModel
from tests.tiny_scene import make_attack, tiny

few = settings(max_examples=25)


def some_images(*shape: int, seed: int = 0) -> Tensor:
    rng = np.random.default_rng(seed)
    images = rng.random((shape[0], 3, *shape[1:]))
    images[rng.random(images.shape) < 0.1] = 1.0  # the last node
    images[rng.random(images.shape) < 0.1] = 0.0
    return torch.from_numpy(images)


def corners(colour: np.ndarray, nodes: int) -> list[tuple[tuple[int, ...], float]]:
    """Return the nodes around a colour and their weights, one side of the cell at a time."""
    sides = []
    for value in colour:
        below = min(int(np.floor(value * (nodes - 1))), nodes - 2)
        part = value * (nodes - 1) - below
        sides.append([(below, 1 - part), (below + 1, part)])
    return [
        (tuple(node for node, _ in chosen), float(np.prod([weight for _, weight in chosen])))
        for chosen in product(*sides)
    ]


def looked_up(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return one (3, H, W) image through a (3, n, n, n) table, pixel by pixel."""
    result = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape[1:]):
        for node, weight in corners(image[:, row, column], table.shape[1]):
            result[:, row, column] += weight * table[(slice(None), *node)]
    return result


def at_touched(recolour: Recolour, cubes: Tensor) -> Tensor:
    """Return what (B, 3, n, n, n) tables hold at the touched nodes, (B, 3, K, 1)."""
    index = recolour.touched[:, None].expand(-1, 3, -1)
    return cubes.flatten(2).gather(2, index)[..., None]


@pytest.mark.parametrize("nodes", [2, 3, 25])
def test_interpolation_equals_brute_force(nodes: int) -> None:
    images = some_images(2, 7, 5)
    cubes = torch.rand(2, 3, nodes, nodes, nodes, dtype=torch.float64)
    recolour = Recolour(images, nodes)
    found = recolour(at_touched(recolour, cubes)).numpy()
    expected = [looked_up(*pair) for pair in zip(images.numpy(), cubes.numpy(), strict=True)]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-12)


@few
@given(st.integers(2, 33), st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_the_identity_changes_nothing(nodes: int, height: int, width: int, seed: int) -> None:
    images = some_images(2, height, width, seed=seed).float()
    recolour = Recolour(images, nodes)
    assert float((recolour(recolour.identity()) - images).abs().max()) <= 1e-6


def test_gradients_equal_finite_differences() -> None:
    recolour = Recolour(some_images(2, 2, 3), 4)
    colours = torch.rand_like(recolour.identity()).requires_grad_(True)
    assert colours.dtype == torch.float64
    assert torch.autograd.gradcheck(lambda c: recolour(c).square(), (colours,))


@few
@given(st.integers(2, 9), st.integers(0, 99))
def test_the_nodes_of_each_image_are_those_around_its_colours(nodes: int, seed: int) -> None:
    images = some_images(3, 2, 3, seed=seed)
    images[1] = images[1, :, :1, :1]  # one colour: fewer nodes than the others
    touched = Recolour(images, nodes).touched
    for image, found in zip(images.numpy(), touched, strict=True):
        around = {node for colour in image.reshape(3, -1).T for node, _ in corners(colour, nodes)}
        wanted = {int(np.ravel_multi_index(node, (nodes,) * 3)) for node in around}
        assert set(found[: len(wanted)].tolist()) == wanted
        assert not found[len(wanted) :].any()


def test_equal_colours_stay_equal() -> None:
    images = some_images(1, 4, 4)
    images[:, :, 3] = images[:, :, 0]
    recolour = Recolour(images, 25)
    recoloured = recolour(at_touched(recolour, torch.rand(1, 3, 25, 25, 25, dtype=torch.float64)))
    assert torch.equal(recoloured[:, :, 3], recoloured[:, :, 0])


@few
@given(st.floats(0, 255), st.integers(2, 30), st.integers(1, 20), st.integers(1, 20))
def test_nodes_in_the_ball_keep_pixels_in_it(
    eps_255: float, nodes: int, height: int, width: int
) -> None:
    images = some_images(2, height, width, seed=nodes).float()
    recolour = Recolour(images, nodes)
    identity = recolour.identity()
    signs = torch.randint(0, 2, identity.shape) * 2 - 1
    tables = (identity + eps_255 / 255 * signs).clamp(0, 1)
    recoloured = recolour(tables)  # not projected
    assert float((recoloured - images).abs().max()) <= eps_255 / 255 + 1e-6
    assert -1e-6 <= float(recoloured.min()) <= float(recoloured.max()) <= 1 + 1e-6


def test_steps_equal_the_chain_rule_by_hand() -> None:
    encoder, batch = tiny(double=True)
    nodes, eps, alpha = 4, 8 / 255, 3 / 255
    options = {"steps": 2, "nodes": nodes, "alpha_255": 3.0, "best_iterate": False}
    attack = make_attack("color-lut", 8.0, **options)
    found = attack.run(encoder, batch).images
    guides = batch.gallery_guides
    levels = np.linspace(0, 1, nodes)
    identity = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"))
    for i, clean in enumerate(batch.images.numpy()):
        rows = (guides.pids == batch.pids[i]) & (guides.camids != batch.camids[i])
        goal = F.normalize(guides.embeddings[rows]).mean(0)
        table = identity.copy()
        for _ in range(2):
            x = torch.tensor(looked_up(clean, table), requires_grad=True)
            value = (F.normalize(encoder(x[None]))[0] - goal).square().sum()
            gradient = torch.autograd.grad(value, x)[0].numpy()
            on_nodes = np.zeros_like(table)
            for row, column in np.ndindex(*clean.shape[1:]):
                for node, weight in corners(clean[:, row, column], nodes):
                    on_nodes[(slice(None), *node)] += weight * gradient[:, row, column]
            table = table + alpha * np.sign(on_nodes)
            table = np.clip(np.clip(table, identity - eps, identity + eps), 0, 1)
        np.testing.assert_allclose(found[i].numpy(), looked_up(clean, table), atol=1e-9)
        assert not np.allclose(found[i].numpy(), clean, atol=1e-3)


def test_a_random_start_draws_for_all_nodes() -> None:
    encoder, batch = tiny(double=True)
    nodes, shown = 4, []
    handle = encoder.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    options = {"steps": 1, "nodes": nodes, "start": 0.5, "best_iterate": False}
    make_attack("color-lut", 8.0, **options).run(encoder, batch)
    handle.remove()
    levels = np.linspace(0, 1, nodes)
    identity = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"))
    noise = uniform_noise(batch.seeds, identity.shape).numpy()
    for i, clean in enumerate(batch.images.numpy()):
        table = np.clip(identity + 4 / 255 * noise[i], 0, 1)
        np.testing.assert_allclose(shown[0][i].detach(), looked_up(clean, table), atol=1e-7)


def test_it_is_reported_apart() -> None:
    assert ColorLUT.threat == ThreatModel(norm="color-lut")
