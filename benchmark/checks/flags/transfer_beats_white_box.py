"""Transfer beats the white box.

Raised if: at one budget, an attack crafted on surrogates leaves a lower mAP than every white-box
    attack, by more than the margin.
Means: the surrogate's gradient is worth more than the encoder's own, which is masked; or the
    white-box attacks of the run know no labels.
Do: add `metric-ifgsm`; if the flag stays, attack adaptively.
Seen: The margin is 2 points of mAP.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding, weaker_beats_white_box
from benchmark.core.threat import Knowledge

ID = "transfer-beats-white-box"
WEAKER: frozenset[Knowledge] = frozenset({"transfer"})
MARGIN_MAP = 2.0


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    return [Finding(ID, text) for text in weaker_beats_white_box(evidence, WEAKER, MARGIN_MAP)]
