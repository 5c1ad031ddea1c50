"""What the probe hands to the flags."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from benchmark.checks.consistency import Consistency
from benchmark.checks.gradients import Gradients


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SweepFigure(_Figures):
    """Metric PGD at one budget."""

    eps_255: float
    """Budget in 1/255 units."""
    map: float
    """mAP of the probed queries in percent."""
    trace: list[float]
    """Mean objective at each step."""


class ProbeFigures(_Figures):
    """What the probe saw; every mAP is of the probed queries, in percent."""

    queries: int
    """Queries that were probed."""
    eps_255: float
    """Common budget of the attacks in 1/255 units."""
    clean_map: float
    """Without an attack."""
    chance_map: float
    """Expected of rankings in random order."""
    has_surrogate: bool
    """Whether white-box attacks had a stand-in on the backward pass (BPDA)."""
    eot_samples: int
    """Random draws that white-box attacks averaged over; 1: no EOT."""
    consistency: Consistency
    """Of the encoder over repeated calls."""
    encoder_gradients: Gradients
    """Of the encoder itself."""
    view_gradients: Gradients
    """Of what white-box attacks differentiate."""
    single_step_map: float | None
    """Under metric FGSM; null, as all that follows a gradient, if there is none to follow."""
    iterated_map: float | None
    """Under metric I-FGSM."""
    long_map: float | None
    """Under metric I-FGSM of five times as many steps."""
    sweep: list[SweepFigure]
    """Under metric PGD at rising budgets."""
    black_box_map: float
    """Under an attack that needs no gradient."""

    @property
    def white_box_map(self) -> float | None:
        """Lowest mAP under white-box attacks at the common budget."""
        swept = [one.map for one in self.sweep if one.eps_255 == self.eps_255]
        steps = (self.single_step_map, self.iterated_map, self.long_map)
        known = [m for m in (*steps, *swept) if m is not None]
        return min(known, default=None)


class ChoiceFigures(BaseModel):
    """Clean mAP of an encoder as declared, and with each choice that may have been meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queries: int
    """Queries compared."""
    gallery: int
    """Gallery images that they are ranked against."""
    declared_map: float
    """In percent."""
    other_maps: dict[str, float]
    """In percent, by the choice."""
