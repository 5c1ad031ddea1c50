"""Wrong guess.

Raised if: on a few clean queries another choice (order of colours, range, normalisation) ranks
    better than what was declared of an encoder, by a margin, or random weights do as well.
Means: the network is probably not given what it was trained with, or not its weights; a weak
    encoder is attacked in place of the one that was meant.
Do: set what the message names, if the owner of the encoder agrees; nothing is chosen by itself.
Seen: The canary as an ONNX file has 81.1 as declared, 51.7 when it is declared to take BGR, 20.9
    for 0–255 and 34.2 for ImageNet's normalisation, which it does by itself. Each time the right
    choice is named, with 81.1. With shuffled weights it has 6.8. The margin is 3 points.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.figures import ChoiceFigures
from benchmark.core.defense import RANDOM_WEIGHTS

ID = "wrong-guess"
MARGIN_MAP = 3.0
"""Of so few queries, smaller differences say nothing."""


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    return [] if evidence.choices is None else [Finding(ID, one) for one in said(evidence.choices)]


def said(figures: ChoiceFigures) -> list[str]:
    """Return what the comparison shows, a line each."""
    declared, others = figures.declared_map, dict(figures.other_maps)
    seen = f"clean mAP of {figures.queries} queries is {declared:.1f} as declared"
    random = others.pop(RANDOM_WEIGHTS, None)
    lines = []
    if others:
        best = max(others, key=lambda choice: others[choice])
        if others[best] > declared + MARGIN_MAP:
            lines.append(f"{seen}, and {others[best]:.1f} with --set {best}")
    if random is not None and declared < random + MARGIN_MAP:
        lines.append(f"{seen}, and {random:.1f} with random weights: the weights tell little")
    return lines
