"""What defenses at test time share: something around the frozen encoder of another defense.

The base is trained in a cell of its own, with its default options and the same seed, and shared
with the rows that show it alone. Around it nothing is trained: the record tells of 0 epochs.

BPDA (Athalye et al., ICML 2018): where the preprocessing has no useful gradient, something stands
in for it on the backward pass; the identity, if a defense offers nothing better. The encoder's
gradient is the one at the preprocessed image.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from benchmark.core.defense import Adaptive, Defense, FitTask
from benchmark.core.errors import UsageError
from benchmark.core.plugin import PluginConfig
from benchmark.core.registry import DEFENSES


class Wrapped(nn.Module):
    """An encoder inside another one.

    Args:
        encoder: The one inside.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of (B, 3, H, W) images in [0, 1]."""


class Preprocessed(Wrapped):
    """An encoder that sees images after some preprocessing.

    Args:
        preprocess: Maps (B, 3, H, W) images to as many of the same size.
        encoder: The encoder.
    """

    def __init__(self, preprocess: nn.Module, encoder: nn.Module) -> None:
        super().__init__(encoder)
        self.preprocess = preprocess

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings of the preprocessed images."""
        embeddings: Tensor = self.encoder(self.preprocess(images))
        return embeddings


class StraightThrough(nn.Module):
    """Preprocessing with the identity on the backward pass.

    Args:
        preprocess: The preprocessing.
    """

    def __init__(self, preprocess: nn.Module) -> None:
        super().__init__()
        self.preprocess = preprocess

    def forward(self, images: Tensor) -> Tensor:
        """Return the preprocessed images with the gradient of the images."""
        with torch.no_grad():
            change = self.preprocess(images) - images
        seen: Tensor = images + change
        return seen


class WrappedDefense(Defense):
    """Base of defenses around the encoder of another one; an author writes `wrap`."""

    admission: ClassVar[Adaptive] = Adaptive()
    """What attackers must know of the wrapping; what the base declares is added."""

    class Config(PluginConfig):
        """Options."""

        base: str = "none"
        """Defense whose encoder is wrapped; trained with its default options."""

    config: Config

    def __init__(self, config: PluginConfig) -> None:
        super().__init__(config)
        plugin = cast(type[Defense], DEFENSES.get(self.config.base))
        if plugin is type(self):
            raise UsageError(f"{self.name!r} cannot be its own base", "set base to another defense")
        self._wrap_base(plugin(plugin.parse_config({})))

    def _wrap_base(self, base: Defense) -> None:
        own, inner = self.admission, base.adaptive
        self.base = base
        self.adaptive = Adaptive(
            random=own.random or inner.random,
            non_differentiable=own.non_differentiable or inner.non_differentiable,
            optimises_at_inference=own.optimises_at_inference or inner.optimises_at_inference,
        )
        self.trained_against = base.trained_against
        self.also_seen = base.also_seen
        self.black_box = base.black_box

    def rest_on(self, bases: Mapping[str, Defense]) -> None:
        """Take the base as the run has it."""
        self._wrap_base(bases[self.config.base])

    def row_label(self) -> str | None:
        """Return its name and what the base is called, if that is called by more than a name."""
        inner = self.base.row_label()
        return None if inner is None else f"{self.name}, {inner}"

    def backbone_name(self, chosen: str) -> str:
        """Return what the network of the base is called."""
        return self.base.backbone_name(chosen)

    @abstractmethod
    def wrap(self, encoder: nn.Module) -> Wrapped:
        """Return the wrapping around an encoder."""

    def prerequisites(self) -> tuple[str, ...]:
        """Return the base, whose encoder is wrapped."""
        return (self.config.base,)

    def epochs(self, planned: int, inner_steps: int) -> int:
        """Return 0: nothing is trained."""
        return 0

    def fit(self, task: FitTask) -> nn.Module:
        """Wrap the trained encoder of the base."""
        return self.wrap(task.encoder_of(self.config.base))

    def build_encoder(self, factory: Callable[[], nn.Module]) -> nn.Module:
        """Return the wrapping around an untrained encoder of the base's shape."""
        return self.wrap(self.base.build_encoder(factory))

    def surrogate(self, encoder: nn.Module) -> nn.Module | None:
        """Return the wrapping around the encoder, both in the form that is differentiable."""
        assert isinstance(encoder, Wrapped)
        inner: nn.Module | None = encoder.encoder
        if self.base.adaptive.non_differentiable:
            inner = self.base.surrogate(encoder.encoder)
        return None if inner is None else self.differentiable(encoder, inner)

    def differentiable(self, wrapped: Wrapped, encoder: nn.Module) -> nn.Module:
        """Return the differentiable form of a wrapping around a differentiable encoder."""
        return self.wrap(encoder).eval()


class PreprocessingDefense(WrappedDefense):
    """Base of defenses that preprocess images; an author writes `preprocessing`."""

    @abstractmethod
    def preprocessing(self) -> nn.Module:
        """Return what maps (B, 3, H, W) images to those that the encoder sees."""

    def wrap(self, encoder: nn.Module) -> Wrapped:
        """Return the encoder behind the preprocessing."""
        return Preprocessed(self.preprocessing(), encoder)

    def relaxed(self) -> nn.Module:
        """Return what stands in for preprocessing that has no useful gradient."""
        return StraightThrough(self.preprocessing())

    def differentiable(self, wrapped: Wrapped, encoder: nn.Module) -> nn.Module:
        """Return an encoder behind this preprocessing, relaxed where it has no gradient."""
        assert isinstance(wrapped, Preprocessed)
        preprocess = wrapped.preprocess
        if self.admission.non_differentiable:
            device = next(encoder.parameters()).device
            preprocess = self.relaxed().to(device)
        return Preprocessed(preprocess, encoder).eval()
