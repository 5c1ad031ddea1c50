"""Transfer attacks: craft on encoders that the attacker trained, without seeing the target."""

from __future__ import annotations

from typing import ClassVar

from attacks.surrogate_gradient import DiverseInputs, OneSurrogate, SmoothGradients
from benchmark.core.iterated_attack import Momentum
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.surrogate import Surrogate

_LOOP = "Away from the clean embedding by 50 steps of eps/8, from a random start of the whole ball."
_SIZES = "Resized sides are whole pixels; the padding is zero."
_KERNEL = "15 pixels and sigma 3 at width 128; chosen: scaled with the width of the image."


class DI(DiverseInputs):
    """DI: transfer by gradients at randomly resized and padded images."""

    card: ClassVar[Card] = Card(
        title="Diverse inputs",
        paper="Xie et al., CVPR 2019, arXiv 1803.06978",
        references=("xie2019",),
        notes=f"{_LOOP} {_SIZES}",
    )

    class Config(DiverseInputs.Config, OneSurrogate):
        """Options."""


class TIM(SmoothGradients):
    """TIM: transfer by gradients smoothed with a Gaussian, as if the image were shifted."""

    card: ClassVar[Card] = Card(
        title="Translation invariance",
        paper="Dong et al., CVPR 2019, arXiv 1904.02884",
        references=("dong2019",),
        notes=f"{_LOOP} {_KERNEL}",
    )

    class Config(SmoothGradients.Config, OneSurrogate):
        """Options."""


class TIDIM(DiverseInputs, SmoothGradients):
    """TI-DIM: diverse inputs, smoothed gradients and momentum 1."""

    card: ClassVar[Card] = Card(
        title="Translation-invariant diverse inputs with momentum",
        paper="Dong et al., CVPR 2019, arXiv 1904.02884",
        references=("dong2019", "xie2019"),
        notes=f"{_LOOP} {_SIZES} {_KERNEL}",
    )

    class Config(DiverseInputs.Config, SmoothGradients.Config, OneSurrogate):
        """Options."""

        momentum: Momentum = 1.0

    config: Config


class EnsembleTransfer(DiverseInputs, SmoothGradients):
    """Ensemble transfer: TI-DIM on the mean cosine of several surrogates, one of them robust."""

    card: ClassVar[Card] = Card(
        title="TI-DIM on an ensemble of surrogates",
        paper="Liu et al., ICLR 2017, arXiv 1611.02770, with Dong et al., CVPR 2019",
        references=("liu2017", "dong2019"),
        notes=f"{_LOOP} {_SIZES} {_KERNEL} Chosen: an undefended encoder of the same data, one of "
        "the other data, and one trained by metric-at, because perturbations of a robust surrogate "
        "carry over to robust targets.",
    )

    class Config(DiverseInputs.Config, SmoothGradients.Config):
        """Options."""

        momentum: Momentum = 1.0

    config: Config

    @classmethod
    def surrogates(cls, config: PluginConfig) -> tuple[Surrogate, ...]:
        """Return the three surrogates."""
        return (
            Surrogate("none", "same"),
            Surrogate("none", "other"),
            Surrogate("metric-at", "same"),
        )
