"""What `pretrained` is pointed at in tests: factories that work, and factories that do not."""

from __future__ import annotations

import torch
from torch import nn

from tests.tiny_scene import tiny_encoder


def good() -> nn.Module:
    return tiny_encoder()


def raising() -> nn.Module:
    raise RuntimeError("no such network")


def loading() -> nn.Module:
    encoder = tiny_encoder()
    with torch.device("cpu"):
        weights = tiny_encoder(3).state_dict()
    encoder.load_state_dict(weights)
    return encoder


def leaving() -> nn.Module:
    raise SystemExit(3)


def with_numbers() -> nn.Module:
    encoder = tiny_encoder()
    assert float(next(encoder.parameters()).sum()) != 0
    return encoder


def no_module() -> object:
    return {"weights": 1}


class WrongShape(nn.Module):
    def forward(self, images):
        return images


class OtherSize(nn.Module):
    """Flattens images of another size."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(7, 4)

    def forward(self, images):
        return self.linear(images.flatten(1))


class WithStandIn(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = tiny_encoder()

    def forward(self, images):
        return self.plain((images * 15).round() / 15)

    def surrogate(self):
        return self.plain


class Tied(nn.Module):
    """Holds one layer under two names."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16 * 8 * 3, 4)
        self.layers = nn.Sequential(nn.Flatten(), self.first)

    def forward(self, images):
        return self.layers(images)


not_callable = torch.zeros(1)
