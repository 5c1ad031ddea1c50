"""What the base class of attacks owns: eval mode, metering, legality."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig
from tests.tiny_scene import image_set, make_attack, scene, tiny_encoder

B = 16  # images of the tiny set


class Shift(Attack):
    """Returns what `result` makes of the clean images."""

    name = "shift"
    result = staticmethod(lambda images, eps: images + eps)

    def perturb(self, encoder: nn.Module, batch: AttackBatch) -> Tensor:
        encoder(batch.images)
        result: Tensor = self.result(batch.images, self.radius)
        return result


def grey_scene(encoder: nn.Module) -> AttackBatch:
    batch = scene(encoder, image_set(size=(16, 8)))
    batch.images.fill_(0.5)
    return batch


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x, eps: x + 1.01 * eps, "'shift' left the ball: 8.080/255 > 8/255"),
        (lambda x, eps: x - 2 * eps, "'shift' left the ball"),
        (lambda x, eps: x + eps + 1.5e-6, "'shift' left the ball: 8.0004/255 > 8/255"),
        (lambda x, eps: x * float("nan"), "'shift' returned NaN"),
        (lambda x, eps: x[:1], r"'shift' returned shape \(1, 3, 16, 8\)"),
        (lambda x, eps: x[:, :, :8], "'shift' returned shape"),
        (lambda x, eps: x.double(), "'shift' returned shape .* of torch.float64"),
        (lambda x, eps: None, "'shift' returned NoneType"),
    ],
)
def test_an_illegal_result_names_the_attack(result: object, message: str) -> None:
    encoder = tiny_encoder()
    attack = Shift(PluginConfig(), 8.0)
    attack.result = result  # type: ignore[assignment]
    with pytest.raises(PluginError, match=message):
        attack.run(encoder, grey_scene(encoder))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_leaving_the_box_is_illegal_inside_the_ball(level: float) -> None:
    encoder = tiny_encoder()
    batch = grey_scene(encoder)
    batch.images.fill_(level)
    attack = Shift(PluginConfig(), 8.0)
    attack.result = lambda x, eps: x + (2 * level - 1) * eps  # type: ignore[assignment]
    with pytest.raises(PluginError, match="'shift' left the pixel box"):
        attack.run(encoder, batch)


def test_the_border_of_the_ball_is_legal() -> None:
    encoder = tiny_encoder()
    batch = grey_scene(encoder)
    images = Shift(PluginConfig(), 8.0).run(encoder, batch).images
    assert torch.equal(images, batch.images + 8 / 255)


@pytest.mark.parametrize(
    ("name", "options", "forwards", "backwards"),
    [
        ("random-noise", {}, 0, 0),
        ("metric-fgsm", {}, 1, 1),
        ("metric-ifgsm", {}, 17, 16),
        ("metric-mifgsm", {"steps": 3}, 4, 3),
        ("metric-pgd", {"steps": 3}, 4, 3),
        ("metric-pgd", {"steps": 3, "best_iterate": False}, 3, 3),
        ("sma", {"steps": 2}, 3, 2),
        ("fna", {"steps": 2}, 3, 2),
        ("odfa", {"steps": 2}, 3, 2),
    ],
)
def test_the_meter_counts_every_image(
    name: str, options: dict[str, object], forwards: int, backwards: int
) -> None:
    encoder = tiny_encoder()
    calls = []
    encoder.register_forward_hook(lambda module, given, result: calls.append(len(result)))
    batch = scene(encoder, image_set(size=(16, 8)))
    calls.clear()
    outcome = make_attack(name, 8.0, **options).run(encoder, batch)
    assert (outcome.forwards, outcome.backwards) == (forwards * B, backwards * B)
    assert sum(calls) == outcome.forwards
    assert len(outcome.trace) in (forwards, 0)


class Detached(nn.Module):
    """Embeds, and lets no gradient through."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = tiny_encoder()

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            embeddings: Tensor = self.encoder(images)
        return embeddings


@pytest.mark.parametrize("name", ["metric-fgsm", "metric-ifgsm", "soft-ap", "apgd-fna", "reid-aa"])
def test_an_encoder_without_a_gradient_stops_no_attack(name: str) -> None:
    """It gains nothing either: the probe flags it, and black boxes attack it."""
    encoder = Detached().eval()
    batch = scene(encoder, image_set(size=(16, 8)))
    assert torch.equal(make_attack(name, 8.0).run(encoder, batch).images, batch.images)


def mixed_modes(encoder: nn.Module) -> tuple[list[bool], list[bool]]:
    """Put the encoder into training mode, one part and one parameter left out."""
    encoder.train()
    encoder.neck.eval()  # type: ignore[union-attr]
    next(encoder.parameters()).requires_grad_(False)
    return modes(encoder)


def modes(encoder: nn.Module) -> tuple[list[bool], list[bool]]:
    parameters = [p.requires_grad for p in encoder.parameters()]
    return [m.training for m in encoder.modules()], parameters


def test_modes_flags_statistics_and_gradients_are_left_as_they_were() -> None:
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=(16, 8)))
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    wanted = mixed_modes(encoder)
    seen = []
    encoder.trunk.register_forward_hook(lambda module, *_: seen.append(module.training))
    make_attack("metric-pgd", 8.0, steps=2).run(encoder, batch)
    assert seen == [False, False, False]
    assert modes(encoder) == wanted
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_modes_and_flags_are_restored_after_an_exception() -> None:
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=(16, 8)))
    wanted = mixed_modes(encoder)
    attack = Shift(PluginConfig(), 8.0)
    attack.result = lambda x, eps: 1 / 0  # type: ignore[assignment]
    with pytest.raises(PluginError, match="'shift' raised ZeroDivisionError"):
        attack.run(encoder, batch)
    assert modes(encoder) == wanted


def test_an_attack_needs_no_gradient_mode_around_it() -> None:
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=(16, 8)))
    attack = make_attack("metric-ifgsm", 8.0, steps=2)
    with torch.no_grad():
        inside = attack.run(encoder, batch).images
    assert torch.equal(inside, attack.run(encoder, batch).images)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda x: x, "returned shape"),
        (lambda x: x.flatten(1)[:1], "for 16 images"),
        (lambda x: x.flatten(1) * float("nan"), "NaN or infinite"),
        (lambda x: (x.flatten(1) * 255).long(), "torch.int64"),
        (lambda x: [x], "returned list"),
        (lambda x: x.flatten(1)[:, :0], "returned shape"),
    ],
)
def test_a_broken_encoder_is_named(returned: object, message: str) -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return returned(images)  # type: ignore[operator, no-any-return]

    batch = scene(tiny_encoder(), image_set(size=(16, 8)))
    plugin = type(make_attack("sma"))
    attack = plugin(plugin.parse_config({}), 8.0, "broken-defense")
    with pytest.raises(PluginError, match=f"broken-defense: .*{message}"):
        attack.run(Broken(), batch)
