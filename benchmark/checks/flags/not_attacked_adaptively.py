"""Not attacked adaptively.

Raised if: a white-box attack differentiated the encoder as it is although it is random,
    non-differentiable or optimises at inference, declared or seen.
Means: this attack's number is an upper bound that a better attacker would lower.
Do: declare what the encoder does and offer a surrogate; average over at least 20 draws.
"""

from __future__ import annotations

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.flags import optimises_at_inference, random_output, surrogate_missing
from benchmark.core.threat import EOT_SAMPLES

ID = "not-attacked-adaptively"


def check(evidence: Evidence) -> list[Finding]:
    """Return what this flag found."""
    why = ", ".join(_reasons(evidence))
    if not why:
        return []
    return [Finding(ID, f"{one.key}: the encoder {why}", one.key) for one in evidence.white_box]


def _reasons(evidence: Evidence) -> list[str]:
    declared = evidence.defense
    reasons = []
    if random_output.check(evidence):
        reasons.append("is random and does not say so")
    if declared.random and evidence.eot_samples < EOT_SAMPLES:
        reasons.append(
            f"is random and the attack averages over {evidence.eot_samples} of {EOT_SAMPLES} draws"
        )
    if surrogate_missing.check(evidence):
        reasons.append("has no useful gradient and no surrogate")
    stands_in = declared.non_differentiable and evidence.has_surrogate
    if optimises_at_inference.check(evidence) and not stands_in:
        reasons.append("optimises at inference and no surrogate stands in")
    return reasons
