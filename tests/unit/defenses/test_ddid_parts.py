"""FNES, the discriminator and self-meta learning beside numbers computed by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn
from torch.func import functional_call

from defenses.ddid.feature_discriminator import (
    FeatureDiscriminator,
    discriminator_loss,
    reverse_gradient,
)
from defenses.ddid.fnes import FnesOptions, extend, mixing_weights, soften
from defenses.ddid.self_meta import self_meta_loss, split_identities


def test_extension_by_hand() -> None:
    image = torch.tensor([0.5, 0.5, 0.9, 0.05]).view(1, 1, 2, 2)
    adversarial = torch.tensor([0.6, 0.45, 1.0, 0.0]).view(1, 1, 2, 2)
    # x + 2 * (1 - 0.25) * (x' - x) = x + 1.5 (x' - x), clipped to [0, 1]
    found = extend(image, adversarial, torch.tensor([0.25]), gamma=2.0)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.65, 0.425, 1.0, 0.0]))


def test_extension_equals_the_mix_of_the_two_published_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    x, attacked = (0.4 + 0.2 * torch.rand(3, 3, 4, 2, generator=generator) for _ in range(2))
    omega, gamma = torch.tensor([0.0, 0.3, 1.0]), 1.7
    w = omega.view(3, 1, 1, 1)
    mixed = w * x + (1 - w) * (x + gamma * (attacked - x))
    torch.testing.assert_close(extend(x, attacked, omega, gamma), mixed)
    assert torch.equal(extend(x, attacked, omega, gamma)[2], x[2])


def test_softening_by_hand() -> None:
    options = FnesOptions(kept_clean=0.9, kept_extended=0.7, shift=0.2)
    found = soften(torch.tensor([1]), torch.tensor([3]), torch.tensor([0.25]), 4, options)
    clean = [0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3]
    extended = [0.1, 0.7 - 0.2, 0.1, 0.1 + 0.2]
    expected = [0.25 * c + 0.75 * e for c, e in zip(clean, extended, strict=True)]
    torch.testing.assert_close(found, torch.tensor([expected]))


@settings(max_examples=50)
@given(st.integers(2, 8), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 1), st.data())
def test_soft_targets_are_distributions(
    classes: int, kept_clean: float, kept_extended: float, share: float, data: st.DataObject
) -> None:
    options = FnesOptions(
        kept_clean=kept_clean, kept_extended=kept_extended, shift=share * kept_extended
    )
    labels = torch.tensor([data.draw(st.integers(0, classes - 1)) for _ in range(3)])
    negatives = (labels + 1) % classes
    omega = torch.tensor([0.0, 0.5, 1.0])
    targets = soften(labels, negatives, omega, classes, options)
    torch.testing.assert_close(targets.sum(1), torch.ones(3))
    assert float(targets.min()) >= -1e-6
    plain = soften(labels, negatives, omega, classes, options.model_copy(update={"shift": 0.0}))
    moved = targets - plain
    for i in range(3):
        expected = (1 - float(omega[i])) * options.shift
        assert float(moved[i, negatives[i]]) == pytest.approx(expected, abs=1e-6)
        assert float(moved[i, labels[i]]) == pytest.approx(-expected, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [{"omega_low": 0.6, "omega_high": 0.5}, {"shift": 0.5, "kept_extended": 0.4}, {"gamma": 0.9}],
)
def test_senseless_fnes_options(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FnesOptions.model_validate(wrong)


def test_mixing_weights() -> None:
    options = FnesOptions(omega_low=0.2, omega_high=0.4)
    weights = mixing_weights(1000, options, seed=1)
    assert torch.equal(weights, mixing_weights(1000, options, seed=1))
    assert float(weights.min()) >= 0.2
    assert float(weights.max()) <= 0.4
    assert float(weights.mean()) == pytest.approx(0.3, abs=0.01)


class Tilt(nn.Module):
    """Logit = weight * first coordinate of the embedding."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, embeddings: Tensor) -> Tensor:
        return self.weight * embeddings[:, 0]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def test_discriminator_loss_by_hand() -> None:
    clean = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    adversarial = torch.tensor([[-1.0, 0.0]])
    # Embeddings go to D on the sphere of radius sqrt(D): first coordinates 0.6, 0 and -1.
    r = math.sqrt(2)
    on_clean = -(math.log(sigmoid(2 * 0.6 * r)) + math.log(sigmoid(0.0))) / 2
    on_adversarial = -math.log(1 - sigmoid(-2 * r))
    found = discriminator_loss(Tilt(2.0), clean, adversarial, weight=0.3)
    assert found.item() == pytest.approx(on_clean + on_adversarial, abs=1e-6)


def test_the_encoder_climbs_what_the_discriminator_descends() -> None:
    def gradients(weight: float | None) -> tuple[Tensor, Tensor, Tensor]:
        clean = torch.tensor([[3.0, 4.0], [1.0, 2.0]], requires_grad=True)
        adversarial = torch.tensor([[-1.0, 0.5]], requires_grad=True)
        tilt = Tilt(2.0)
        if weight is None:  # no reversal
            both = nn.functional.normalize(torch.cat([clean, adversarial])) * math.sqrt(2)
            logits = tilt(both)
            targets = torch.tensor([1.0, 1.0, 0.0])
            bce = nn.functional.binary_cross_entropy_with_logits
            loss = bce(logits[:2], targets[:2]) + bce(logits[2:], targets[2:])
        else:
            loss = discriminator_loss(tilt, clean, adversarial, weight)
        found = torch.autograd.grad(loss, [tilt.weight, clean, adversarial])
        return found[0], found[1], found[2]

    plain = gradients(None)
    reversed_ = gradients(0.3)
    torch.testing.assert_close(reversed_[0], plain[0])
    torch.testing.assert_close(reversed_[1], -0.3 * plain[1])
    torch.testing.assert_close(reversed_[2], -0.3 * plain[2])
    assert float(gradients(0.0)[1].abs().max()) == 0


def test_reversal_keeps_values() -> None:
    values = torch.randn(5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(reverse_gradient(values, 0.7), values)


def test_the_discriminator_learns_to_tell() -> None:
    torch.manual_seed(0)
    discriminator = FeatureDiscriminator(4, hidden=8)
    clean, adversarial = torch.randn(32, 4) + 1, torch.randn(32, 4) - 1
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        loss = discriminator_loss(discriminator, clean, adversarial, weight=0.1)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert discriminator(clean).shape == (32,)


def test_halves_share_no_identity_and_miss_no_row() -> None:
    labels = torch.tensor([3, 3, 0, 0, 5, 5, 1, 1, 7])
    for seed in range(20):
        first, second = split_identities(labels, seed)
        assert sorted([*first.tolist(), *second.tolist()]) == list(range(9))
        ours, theirs = set(labels[first].tolist()), set(labels[second].tolist())
        assert not ours & theirs
        assert (len(ours), len(theirs)) == (2, 3)
    again = split_identities(labels, 0)
    assert all(torch.equal(a, b) for a, b in zip(again, split_identities(labels, 0), strict=True))
    assert len({tuple(split_identities(labels, s)[0].tolist()) for s in range(20)}) > 1


HALVES = (torch.tensor([0]), torch.tensor([1]))


@pytest.mark.parametrize(("second_order", "expected"), [(False, 7.4), (True, 6.32)])
def test_self_meta_gradient_in_closed_form(second_order: bool, expected: float) -> None:
    """L_mtr = (theta - 1)^2 and L_mte = 1.5 (theta + 1)^2 at theta = 3 with alpha = 0.1.

    grad L_mtr = 4, theta' = 2.6, grad L_mte(theta') = 10.8, d theta' / d theta = 1 - 0.1 * 2.
    First order (4 + 10.8) / 2 = 7.4; second order (4 + 10.8 * 0.8) / 2 = 6.32.
    """
    theta = torch.tensor(3.0, requires_grad=True)

    def loss_of(rows: Tensor, state: Mapping[str, Tensor] | None) -> Tensor:
        value = theta if state is None else state["theta"]
        return (value - 1) ** 2 if rows.tolist() == [0] else 1.5 * (value + 1) ** 2

    loss = self_meta_loss(
        loss_of, {"theta": theta}, [], HALVES, inner_rate=0.1, second_order=second_order
    )
    assert float(loss.detach()) == pytest.approx((4 + 1.5 * 3.6**2) / 2)
    (gradient,) = torch.autograd.grad(loss, theta)
    assert float(gradient) == pytest.approx(expected, rel=1e-5)


def test_parameters_that_the_inner_step_does_not_move_get_both_gradients() -> None:
    theta, phi = torch.tensor(3.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)

    def loss_of(rows: Tensor, state: Mapping[str, Tensor] | None) -> Tensor:
        value = theta if state is None else state["theta"]
        return phi * value if rows.tolist() == [0] else phi**2 * value

    loss = self_meta_loss(
        loss_of, {"theta": theta}, [phi], HALVES, inner_rate=0.1, second_order=False
    )
    gradients = torch.autograd.grad(loss, [theta, phi])
    # theta' = 3 - 0.1 * 2 = 2.8; d/d theta: (2 + 4) / 2; d/d phi: (3 + 2 * 2 * 2.8) / 2
    assert [float(g) for g in gradients] == pytest.approx([3.0, 7.1], rel=1e-5)


@pytest.mark.parametrize("second_order", [False, True])
def test_self_meta_equals_plain_autograd(second_order: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1), nn.Linear(1, 1, bias=False))
    for module in net:
        module.double()
    x, y = torch.randn(10, 4).double(), torch.randn(10, 1).double()
    halves = torch.arange(0, 4), torch.arange(4, 10)
    names = dict(net.named_parameters())

    def loss_of(rows: Tensor, state: Mapping[str, Tensor] | None) -> Tensor:
        output = net(x[rows]) if state is None else functional_call(net, dict(state), (x[rows],))
        loss: Tensor = (output - y[rows]).square().mean()
        return loss

    ours = torch.autograd.grad(
        self_meta_loss(loss_of, names, [], halves, inner_rate=0.2, second_order=second_order),
        list(names.values()),
    )
    if second_order:
        train = loss_of(halves[0], None)
        inner = torch.autograd.grad(train, list(names.values()), create_graph=True)
        moved = {n: p - 0.2 * g for (n, p), g in zip(names.items(), inner, strict=True)}
        total = (train + loss_of(halves[1], moved)) / 2
        theirs = torch.autograd.grad(total, list(names.values()))
    else:
        first = torch.autograd.grad(loss_of(halves[0], None), list(names.values()))
        moved = {
            n: (p - 0.2 * g).detach().requires_grad_(True)
            for (n, p), g in zip(names.items(), first, strict=True)
        }
        second = torch.autograd.grad(loss_of(halves[1], moved), list(moved.values()))
        theirs = tuple((a + b) / 2 for a, b in zip(first, second, strict=True))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
