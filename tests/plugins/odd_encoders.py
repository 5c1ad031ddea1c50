"""Encoders as users bring them, and the faults that they have; factories for `pretrained`."""

from __future__ import annotations

import itertools
import sys
import warnings

import torch
from torch import nn

from tests.tiny_scene import tiny_encoder


class Around(nn.Module):
    """Something around an encoder."""

    def __init__(self):
        super().__init__()
        self.inner = tiny_encoder()


class Honest(Around):
    def forward(self, images):
        return self.inner((images - 0.3) / 1.2)


class InPlace(Around):
    """Normalises its input in place."""

    def forward(self, images):
        return self.inner(images.sub_(0.3).div_(1.2))


class ThroughNumpy(Around):
    """Writes on its input past the version counter of autograd, and so has no gradient."""

    def forward(self, images):
        pixels = images.detach().numpy()
        pixels *= 0.5
        return self.inner(torch.from_numpy(pixels))


class RaisesOnManyImages(Around):
    def forward(self, images):
        if len(images) > 2:
            raise KeyError("too many")
        return self.inner(images)


class RaisesUnderAttack(Around):
    def forward(self, images):
        if images.requires_grad:
            raise KeyError("no gradient here")
        return self.inner(images)


class _RaisesBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images):
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise KeyError("not that way")


class RaisesBackward(Around):
    def forward(self, images):
        return self.inner(_RaisesBackward.apply(images))


class Leaves(Around):
    def forward(self, images):
        if len(images) > 2:
            sys.exit(2)
        return self.inner(images)


class Forgetful(Around):
    """Keeps a tensor where no state dict finds it, another one in each instance."""

    made = itertools.count(1)

    def __init__(self):
        super().__init__()
        self.offset = torch.full((1, 3, 1, 1), 0.1 * next(self.made))

    def forward(self, images):
        return self.inner(images + self.offset)


class Noisy(Around):
    """Draws random numbers at each call, from torch's generator."""

    def forward(self, images):
        return self.inner(images + 0.1 * torch.randn_like(images))


class NoisyAndForgetful(Forgetful):
    def forward(self, images):
        return super().forward(images + 0.1 * torch.randn_like(images))


class ExtraState(Around):
    def get_extra_state(self):
        return {"classes": ["a", "b"]}

    def set_extra_state(self, state):
        pass

    def forward(self, images):
        return self.inner(images)


def quantised():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its end in later releases of torch
        return torch.ao.quantization.quantize_dynamic(layers, {nn.Linear}, dtype=torch.qint8)


def leaves():
    sys.exit(2)
