"""Deep mis-ranking: shapes, losses against numpy, kills, masks, and whether it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.mis_ranking.attack import MisRanking
from attacks.mis_ranking.discriminator import Discriminator, least_squares
from attacks.mis_ranking.generator import Generator
from attacks.mis_ranking.generator_losses import least_likely_loss, mis_ranking_loss
from attacks.mis_ranking.mask import MaskHead, gumbel_noise, top_mask
from attacks.mis_ranking.ms_ssim import WEIGHTS, ms_ssim, scale_count
from attacks.mis_ranking.networks import Networks, learned_networks
from benchmark.core.errors import UsageError
from tests.tiny_preparation import prepared, task
from tests.tiny_scene import guides_of, image_set, make_attack, scene, tiny_encoder

EPS = 8 / 255
SMALL: dict[str, object] = {
    "width": 2,
    "discriminator_width": 2,
    "epochs": 2,
    "epoch_steps": 1,
}
"""An epoch is a single step: eight identities with four images."""

every_size = pytest.mark.parametrize("size", [(256, 128), (64, 32), (16, 8), (37, 19), (5, 3)])


def make(eps_255: float = 8.0, **options: object) -> MisRanking:
    attack = make_attack("mis-ranking", eps_255, **{**SMALL, **options})
    assert isinstance(attack, MisRanking)
    return attack


@every_size
def test_the_generator_keeps_the_size(size: tuple[int, int]) -> None:
    generator = Generator(2)
    with torch.no_grad():
        change = generator(torch.rand(2, 3, *size))
    assert change.shape == (2, 3, *size)
    assert 0 < float(change.abs().max()) <= 1


@every_size
def test_the_discriminator_judges_three_scales_and_the_head_every_pixel(
    size: tuple[int, int],
) -> None:
    discriminator, head = Discriminator(2), MaskHead(2)
    judgements, features = discriminator(torch.rand(2, 6, *size))
    eighth = tuple(-(-side // 8) for side in size)
    assert tuple(judgements[0].shape) == (2, 1, *eighth)
    assert [len(within) for within in features] == [4, 4, 4]
    assert head(features, size).shape == (2, *size)


def test_all_convolutions_but_the_last_have_spectral_norm_one() -> None:
    networks = Networks(4, 4, None).train()
    for _ in range(30):  # the power iteration moves one step each time
        networks.change(torch.rand(2, 3, 16, 8), EPS)
    networks.eval()
    convolutions = [m for m in networks.generator.modules() if isinstance(m, nn.Conv2d)]
    norms = [float(torch.linalg.matrix_norm(c.weight.flatten(1), 2)) for c in convolutions]
    assert len(convolutions) == 3 + 12 + 1
    np.testing.assert_allclose(norms[:-1], 1, rtol=0.05)
    assert abs(norms[-1] - 1) > 0.05


def test_least_squares_equals_numpy() -> None:
    maps = [torch.randn(2, 1, 4, 3), torch.randn(2, 1, 2, 2)]
    expected = np.mean([((m.numpy() - 1) ** 2).mean() for m in maps])
    assert float(least_squares(maps, 1.0)) == pytest.approx(expected, rel=1e-5)


def test_mis_ranking_equals_brute_force_and_leaves_the_anchor_out() -> None:
    features = torch.randn(9, 5, requires_grad=True)
    pids = torch.tensor([1, 1, 1, 2, 2, 3, 3, 3, 4])  # the last has no positive
    points = features.detach().numpy()
    expected = []
    for i in range(9):
        gaps = [float(np.linalg.norm(points[i] - points[j])) for j in range(9)]
        negatives = [gaps[j] for j in range(9) if pids[j] != pids[i]]
        positives = [gaps[j] for j in range(9) if pids[j] == pids[i] and j != i]
        expected.append(max(0.0, max(negatives) - min(positives) + 0.3) if positives else 0.0)
    loss = mis_ranking_loss(features, pids, 0.3)
    assert float(loss.detach()) == pytest.approx(np.mean(expected), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss, features)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient.abs().max()) > 0


def test_mis_ranking_is_nothing_once_the_ranking_is_wrong() -> None:
    features = torch.tensor([[0.0], [10.0], [0.1], [10.1]], requires_grad=True)
    loss = mis_ranking_loss(features, torch.tensor([1, 1, 2, 2]), 0.3)
    assert float(loss.detach()) == pytest.approx((0.4 + 0.2 + 0.2 + 0.4) / 4, abs=1e-5)
    loss = mis_ranking_loss(features[:2], torch.tensor([1, 1]), 0.3)
    (gradient,) = torch.autograd.grad(loss, features)
    assert float(loss.detach()) == float(gradient.abs().max()) == 0


def test_least_likely_equals_numpy() -> None:
    logits, classes = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    expected = []
    for row, own in zip(logits.numpy(), classes.tolist(), strict=True):
        log_p = row - np.log(np.exp(row).sum())
        target = min((k for k in range(5) if k != own), key=lambda k: row[k])
        rest = [k for k in range(5) if k not in (own, target)]
        expected.append(-(0.9 * log_p[target] + 0.1 / 3 * log_p[rest].sum()))
    found = least_likely_loss(logits, classes, 0.1)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)


def blurred(image: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Return the Gaussian means of a (H, W) image, one window after the other."""
    offsets = np.arange(window) - (window - 1) / 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    height, width = image.shape[0] - window + 1, image.shape[1] - window + 1
    return np.array(
        [
            [(image[y : y + window, x : x + window] * weights).sum() for x in range(width)]
            for y in range(height)
        ]
    )


def reference_ms_ssim(a: NDArray[np.float64], b: NDArray[np.float64], scales: int) -> float:
    window = {True: 11, False: min(a.shape[1:]) - 1 + min(a.shape[1:]) % 2}[min(a.shape[1:]) >= 11]
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    result = 1.0
    for scale in range(scales):
        values = []
        for p, q in zip(a, b, strict=True):
            mu, nu = blurred(p, window), blurred(q, window)
            var_p, var_q = blurred(p * p, window) - mu**2, blurred(q * q, window) - nu**2
            both = (2 * (blurred(p * q, window) - mu * nu) + 0.0009) / (var_p + var_q + 0.0009)
            light = (2 * mu * nu + 0.0001) / (mu**2 + nu**2 + 0.0001)
            values.append(both * light if scale == scales - 1 else both)
        result *= np.mean(values) ** weights[scale]
        height, width = a.shape[1] // 2 * 2, a.shape[2] // 2 * 2
        a, b = (
            x[:, :height, :width].reshape(3, height // 2, 2, width // 2, 2).mean((2, 4))
            for x in (a, b)
        )
    return float(result)


@pytest.mark.parametrize(("size", "scales"), [((64, 32), 2), ((16, 8), 1), ((23, 27), 2)])
def test_ms_ssim_equals_the_loops(size: tuple[int, int], scales: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.random((3, *size))
    b = np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1)
    found = float(ms_ssim(torch.from_numpy(a)[None], torch.from_numpy(b)[None])[0])
    assert scale_count(min(size)) == scales
    assert found == pytest.approx(reference_ms_ssim(a, b, scales), abs=1e-9)
    assert 0 < found < 0.99


@every_size
def test_equal_images_are_similar_by_one(size: tuple[int, int]) -> None:
    images = torch.rand(3, 3, *size)
    similarity = ms_ssim(images, images)
    torch.testing.assert_close(similarity, torch.ones(3), rtol=0, atol=0)
    assert [scale_count(side) for side in (8, 16, 22, 32, 128, 1000)] == [1, 1, 2, 2, 4, 5]


def test_a_mask_keeps_the_largest_logits_and_lets_gradients_through() -> None:
    logits = torch.randn(2, 4, 5, requires_grad=True)
    mask = top_mask(logits, 0.25, None)
    assert mask.shape == (2, 1, 4, 5)
    kept = mask.detach().flatten(1) > 0.5
    assert kept.sum(1).tolist() == [5, 5]
    for row, chosen in zip(logits.detach().flatten(1), kept, strict=True):
        assert float(row[chosen].min()) >= float(row[~chosen].max())
    (mask * torch.randn(2, 1, 4, 5)).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert float(logits.grad.abs().max()) > 0
    first, again = gumbel_noise((2, 4, 5), 3), gumbel_noise((2, 4, 5), 3)
    assert torch.equal(first, again)
    assert not torch.equal(top_mask(logits, 0.25, first), mask)
    assert gumbel_noise((10_000,), 0).mean() == pytest.approx(0.5772, abs=0.05)


@pytest.mark.parametrize("ratio", [None, 0.25])
def test_learned_weights_do_without_the_normalisation(ratio: float | None) -> None:
    torch.manual_seed(0)
    networks = Networks(4, 4, ratio).train()
    images = torch.rand(4, 3, 16, 8)
    for step in range(3):
        networks.change(images, EPS, step)
    plain = learned_networks(4, 4, ratio, networks.learned())
    assert networks.training
    expected = networks.eval().change(images, EPS)
    torch.testing.assert_close(plain.change(images, EPS), expected, rtol=1e-4, atol=1e-7)
    assert not [name for name in plain.state_dict() if "parametrizations" in name]


def run(attack: MisRanking, encoder: nn.Module) -> Tensor:
    return attack.run(encoder, scene(encoder, image_set(size=(16, 8)))).images


def test_as_many_pixels_of_each_image_change_as_the_mask_keeps(tmp_path: Path) -> None:
    encoder, attack = tiny_encoder(), make(mask_ratio=0.25, discriminator_width=8)
    clean = scene(encoder, image_set(size=(16, 8))).images
    attack.prepared = prepared(attack, task(tmp_path, encoder=encoder))
    changed = (run(attack, encoder) != clean).any(1).flatten(1).sum(1)
    assert set(changed.tolist()) == {32}  # a quarter of 16 x 8


@pytest.mark.parametrize("as_unit", [True, False])
def test_the_rank_loss_is_the_sum_of_both_in_the_space_it_is_told(
    as_unit: bool, tmp_path: Path
) -> None:
    encoder, one = tiny_encoder(), task(tmp_path)
    clean = guides_of(encoder, one.train).embeddings
    learner = make(unit=as_unit).learner(one, clean)
    images, pids = one.train.tensor(slice(0, 12)), torch.from_numpy(one.train.pids[:12])
    units, features = F.normalize(clean), guides_of(encoder, one.train).embeddings[:12]
    every = torch.from_numpy(one.train.pids)
    means = torch.stack([units[every == pid].mean(0) for pid in range(1, 9)])
    logits = 16 * F.normalize(features) @ F.normalize(means).T
    chosen = F.normalize(features) if as_unit else features
    expected = least_likely_loss(logits, pids - 1, 0.1) + mis_ranking_loss(chosen, pids, 0.3)
    with torch.no_grad():
        found = learner._rank_loss(images, pids)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_training_turns_embeddings_away_better_than_noise(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=(16, 8)))
    attack = make(epoch_steps=20, learning_rate=1e-2, visual=False, unit=False)
    attack.prepared = prepared(attack, task(tmp_path, encoder=encoder, held_out=False))
    noise = make_attack("random-noise", sign=True).run(encoder, batch).images

    def cosine(images: Tensor) -> float:
        with torch.no_grad():
            return float(F.cosine_similarity(encoder(images), batch.clean).mean())

    assert 1 - cosine(run(attack, encoder)) > 3 * (1 - cosine(noise))


def test_a_mask_needs_the_discriminator() -> None:
    with pytest.raises(UsageError, match="mask_ratio needs visual"):
        make(mask_ratio=0.5, visual=False)
