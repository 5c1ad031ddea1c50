"""EOT and BPDA views against what they stand for."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder, adaptive_view
from benchmark.core.defense import Adaptive, Defense
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from tests.tiny_scene import image_set, tiny_encoder


class Noisy(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        return self.encoder(images + 0.1 * torch.randn_like(images))


class Steps(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        return self.encoder((images * 4).round() / 4)


def images() -> torch.Tensor:
    return image_set(size=(16, 8)).tensor(slice(0, 4))


def test_eot_averages_unit_embeddings_over_draws():
    encoder = Noisy(tiny_encoder())
    torch.manual_seed(3)
    mean = ExpectedEncoder(encoder, 5)(images())
    torch.manual_seed(3)
    draws = F.normalize(encoder(images().repeat_interleave(5, 0)))
    torch.testing.assert_close(
        mean, torch.stack([draws[i : i + 5].mean(0) for i in (0, 5, 10, 15)])
    )


def test_bpda_has_the_values_of_one_and_the_gradient_of_the_other():
    smooth, hard = tiny_encoder(), Steps(tiny_encoder())
    leaf = images().requires_grad_(True)
    embeddings = BackwardThrough(hard, smooth)(leaf)
    torch.testing.assert_close(embeddings, hard(images()))
    (gradient,) = torch.autograd.grad(embeddings.square().sum() * 0 + embeddings[:, 0].sum(), leaf)
    other = images().requires_grad_(True)
    (expected,) = torch.autograd.grad(smooth(other)[:, 0].sum(), other)
    torch.testing.assert_close(gradient, expected)
    dead = images().requires_grad_(True)
    assert not torch.autograd.grad(hard(dead)[:, 0].sum(), dead)[0].any()


def test_the_declaration_decides_the_view():
    class Plain(Defense):
        name = "plain"

    class Hard(Plain):
        adaptive = Adaptive(non_differentiable=True)

        def surrogate(self, encoder):
            return encoder.encoder

    class Both(Hard):
        adaptive = Adaptive(random=True, non_differentiable=True)

    class Mute(Plain):
        adaptive = Adaptive(non_differentiable=True)

    encoder = Steps(tiny_encoder())

    def view(defense):
        return adaptive_view(encoder, defense(defense.Config()), 4)

    assert view(Plain) is encoder
    assert view(Mute) is encoder
    assert isinstance(view(Hard), BackwardThrough)
    assert isinstance(view(Both), ExpectedEncoder)
    assert isinstance(view(Both).encoder, BackwardThrough)


def test_the_cosine_of_an_ensemble_is_the_mean_cosine_of_its_members():
    first, second = tiny_encoder(0), tiny_encoder(1)
    joined = SurrogateEnsemble([first, second])(images())
    a, b = F.normalize(first(images())), F.normalize(second(images()))
    torch.testing.assert_close(joined @ joined.T, (a @ a.T + b @ b.T) / 2)
    torch.testing.assert_close(joined, joined_embeddings([first(images()), second(images())]))
