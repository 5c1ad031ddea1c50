from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from attacks.surrogate_gradient import (
    DiverseInputs,
    SmoothGradients,
    TransferAttack,
    gaussian,
    resize_and_pad,
)
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.core.seeding import derive_seed, uniform_noise
from benchmark.core.surrogate import Surrogate, SurrogateEnsemble
from tests.tiny_scene import image_set, make_attack, scene, tiny, tiny_encoder

NAMES = ("di", "tim", "ti-dim", "ensemble-transfer")
few = settings(max_examples=15)
unit_draws = st.floats(0, 1, exclude_max=True)


def transfer(name: str, eps_255: float = 8.0, **options: object) -> TransferAttack:
    attack = make_attack(name, eps_255, **options)
    assert isinstance(attack, TransferAttack)
    return attack


def draws_of(seed: int, step: int) -> list[float]:
    noise = uniform_noise([derive_seed(seed, step)], (4,))[0].double()
    return ((noise + 1) / 2).tolist()


def diversified(image: Tensor, draws: list[float], diversity: float = 0.5) -> Tensor:
    """Return one (3, H, W) image resized and padded by torch."""
    _, height, width = image.shape
    if draws[0] >= diversity:
        return image
    scale = 1 - 0.1 * draws[1]
    h, w = round(scale * height), round(scale * width)
    top, left = int(draws[2] * (height - h + 1)), int(draws[3] * (width - w + 1))
    small = F.interpolate(image[None], size=(h, w), mode="bilinear", align_corners=False)[0]
    return F.pad(small, (left, width - w - left, top, height - h - top))


def smoothed(gradient: np.ndarray, sigma: float, radius: int) -> np.ndarray:
    """Return a (3, H, W) gradient convolved by shifting it, zero outside."""
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    _, height, width = gradient.shape
    padded = np.pad(gradient, ((0, 0), (radius, radius), (radius, radius)))
    result = np.zeros_like(gradient)
    for (i, j), weight in np.ndenumerate(kernel):
        result += weight * padded[:, i : i + height, j : j + width]
    return result


@few
@given(
    st.tuples(unit_draws, unit_draws, unit_draws, unit_draws),
    st.integers(8, 64),
    st.integers(8, 64),
)
def test_the_transformation_equals_interpolation_and_padding(
    draws: tuple[float, ...], height: int, width: int
) -> None:
    image = torch.from_numpy(np.random.default_rng(0).random((3, height, width)))
    scale = torch.tensor([1 - 0.1 * draws[1]], dtype=torch.float64)
    rows = resize_and_pad(scale, torch.tensor([draws[2]], dtype=torch.float64), height)[0]
    columns = resize_and_pad(scale, torch.tensor([draws[3]], dtype=torch.float64), width)[0]
    found = rows @ image @ columns.T
    expected = diversified(image, [0.0, *draws[1:]])
    assert found.shape == image.shape
    assert torch.allclose(found, expected, atol=1e-9)


def test_a_full_size_is_the_identity() -> None:
    for size in (8, 33):
        matrix = resize_and_pad(torch.ones(1), torch.tensor([0.7]), size)
        assert torch.equal(matrix, torch.eye(size)[None])


def seen_images(attack: TransferAttack, batch: AttackBatch, step: int) -> Tensor:
    """Return the images that the surrogate is shown at a step."""
    encoder, shown = tiny()[0], []

    def remember(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        shown.append(inputs[0])

    handle = encoder.register_forward_pre_hook(remember)
    state = attack.at_step(step, attack.begin(batch), encoder, batch)
    attack.value(encoder, batch.images, state, batch)
    handle.remove()
    return shown[-1]


def test_images_are_transformed_with_the_probability_each_by_its_own_seed() -> None:
    encoder, _ = tiny()
    batch = scene(encoder, image_set(size=(16, 8)))
    attack = transfer("di", diversity=0.3)
    shown = [seen_images(attack, batch, step) for step in range(40)]
    changed = torch.stack([(images != batch.images).flatten(1).any(1) for images in shown])
    full_size = 0.5 / 16 / 0.1  # of the sizes that are drawn, this share rounds to 16 rows
    wanted = 0.3 * (1 - full_size)
    assert float(changed.double().mean()) == pytest.approx(wanted, abs=0.05)
    assert not bool((changed == changed[:, :1]).all())
    part = seen_images(attack, batch.rows(torch.tensor([5, 2])), 3)
    assert torch.equal(part, shown[3][[5, 2]])
    for seed, image, seen in zip(batch.seeds, batch.images, shown[0], strict=True):
        expected = diversified(image, draws_of(seed, 0), 0.3)
        assert torch.allclose(seen, expected, atol=1e-6)


@pytest.mark.parametrize(("sigma", "radius"), [(3.0, 7), (0.75, 2), (0.2, 1)])
def test_a_kernel_is_a_gaussian_of_sum_one(sigma: float, radius: int) -> None:
    kernel = gaussian(sigma, radius)
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-12)
    assert len(kernel) == 2 * radius + 1
    ratio = float(kernel[radius + 1] / kernel[radius])
    assert ratio == pytest.approx(np.exp(-0.5 / sigma**2))


@pytest.mark.parametrize(
    ("width", "sigma", "radius"), [(128, 3.0, 7), (64, 1.5, 4), (32, 0.75, 2), (8, 0.1875, 1)]
)
def test_smoothing_equals_convolution_and_scales_with_the_width(
    width: int, sigma: float, radius: int
) -> None:
    attack = transfer("tim")
    assert isinstance(attack, SmoothGradients)
    gradient = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 20, width)))
    found = attack.smooth(gradient).numpy()
    expected = np.stack([smoothed(one, sigma, radius) for one in gradient.numpy()])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def by_hand(encoder: nn.Module, batch: AttackBatch, name: str, steps: int) -> list[Tensor]:
    """Attack each image alone with autograd, torch resizing and numpy smoothing."""
    noise = uniform_noise(batch.seeds, tuple(batch.images.shape[1:]))
    results = []
    for i, clean in enumerate(batch.images):
        x = (clean + 8 / 255 * noise[i]).clamp(0, 1)
        velocity = torch.zeros_like(clean)
        for step in range(steps):
            x = x.detach().requires_grad_(True)
            draws = draws_of(batch.seeds[i], step)
            shown = x if name == "tim" else diversified(x, draws)
            value = 1 - F.cosine_similarity(encoder(shown[None])[0], batch.clean[i], dim=0)
            (gradient,) = torch.autograd.grad(value, x)
            if name != "di":
                scale = clean.shape[2] / 128
                radius = max(1, round(7 * scale))
                gradient = torch.from_numpy(smoothed(gradient.numpy(), 3 * scale, radius))
            momentum = 1.0 if name == "ti-dim" else 0.0
            velocity = momentum * velocity + gradient / gradient.abs().mean()
            x = (x + 1 / 255 * velocity.sign()).clamp(0, 1)
            x = torch.min(torch.max(x, clean - 8 / 255), clean + 8 / 255)
        results.append(x.detach())
    return results


@pytest.mark.parametrize("name", ["di", "tim", "ti-dim"])
def test_steps_equal_autograd_by_hand(name: str) -> None:
    encoder, batch = tiny(double=True, size=(48, 24))
    found = transfer(name, steps=3).run(encoder, batch).images
    for one, expected in zip(found, by_hand(encoder, batch, name, 3), strict=True):
        assert float(((one - expected).abs() < 1e-9).double().mean()) > 0.999


def test_the_loss_of_an_ensemble_is_the_mean_of_its_members() -> None:
    members = [tiny_encoder(seed).double() for seed in (0, 1, 2)]
    ensemble = SurrogateEnsemble(members).eval()
    batch = scene(ensemble, image_set(size=(16, 8)), [0, 6, 15])
    attack = transfer("ensemble-transfer", diversity=1e-9)
    moved = batch.images.roll(1, 0)
    with torch.no_grad():
        state = attack.at_step(0, attack.begin(batch), ensemble, batch)
        found = attack.value(ensemble, moved, state, batch)
        each = [1 - F.cosine_similarity(e(moved), e(batch.images)) for e in members]
    assert torch.allclose(found, torch.stack(each).mean(0), atol=1e-12)
    assert float((each[0] - each[1]).abs().min()) > 1e-6


def test_an_ensemble_moves_away_from_the_clean_image_for_all_members() -> None:
    members = [tiny_encoder(seed) for seed in (0, 1)]
    ensemble = SurrogateEnsemble(members).eval()
    batch = scene(ensemble, image_set(size=(16, 8)), [0, 6, 15])
    images = transfer("ensemble-transfer", steps=10).run(ensemble, batch).images
    noisy = make_attack("random-noise", 8.0).run(ensemble, batch).images
    with torch.no_grad():
        for member in members:
            clean, moved, noise = (member(x) for x in (batch.images, images, noisy))
            far = F.cosine_similarity(clean, moved).mean()
            assert float(far) < float(F.cosine_similarity(clean, noise).mean())


@pytest.mark.parametrize("name", NAMES)
def test_the_attacker_never_sees_the_target(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, TransferAttack)
    assert plugin.threat.knowledge == "transfer"
    assert plugin.intents == {"dodge"}


@pytest.mark.parametrize("name", ["di", "tim", "ti-dim"])
def test_options_name_the_surrogate(name: str) -> None:
    plugin = ATTACKS.get(name)
    assert issubclass(plugin, TransferAttack)
    config = plugin.parse_config({"surrogate": "metric-at", "surrogate_data": "other"})
    assert plugin.surrogates(config) == (Surrogate("metric-at", "other"),)
    assert plugin.surrogates(plugin.parse_config({})) == (Surrogate("none", "same"),)


def test_the_ensemble_has_surrogates_of_its_own() -> None:
    plugin = ATTACKS.get("ensemble-transfer")
    assert issubclass(plugin, TransferAttack)
    found = plugin.surrogates(plugin.parse_config({}))
    assert set(found) == {
        Surrogate("none", "same"),
        Surrogate("none", "other"),
        Surrogate("metric-at", "same"),
    }
    with pytest.raises(UsageError, match="unknown key 'surrogate'"):
        plugin.parse_config({"surrogate": "none"})


@pytest.mark.parametrize("option", [{"start": 0}, {"best_iterate": True}, {"unit": False}])
def test_senseless_options_are_refused(option: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        make_attack("ti-dim", 8.0, **option)


def test_the_family_shares_its_parts() -> None:
    parts = {name: ATTACKS.get(name).__mro__ for name in NAMES}
    assert [name for name in NAMES if DiverseInputs in parts[name]] == ["di", *NAMES[2:]]
    assert [name for name in NAMES if SmoothGradients in parts[name]] == [*NAMES[1:]]
