"""What the flags look at: a defense's declaration, the probe, and every attack on one data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmark.checks.figures import ChoiceFigures, ProbeFigures
from benchmark.core.defense import Adaptive
from benchmark.core.threat import Intent, Knowledge, Norm


@dataclass(frozen=True)
class AttackEvidence:
    """What an attack achieved; mAP in percent.

    Attributes:
        key: Its name in the record, such as ``sma@8``.
        name: Registry name.
        eps_255: Budget in 1/255 units.
        norm: Norm of the budget.
        knowledge: What it sees of the encoder.
        is_single_step: Whether it takes one step.
        objective: What it climbs; attacks that climb the same differ only in how. None: unknown.
        map: On images rounded to 8 bits.
        map_float: On the images before rounding.
        map_jpeg: After JPEG.
        trace: Mean objective at each step.
        canary_passed: Whether it was strong enough on the canary; None: not tried.
        canary_reason: What was seen there.
    """

    key: str
    name: str
    eps_255: float
    norm: Norm
    knowledge: Knowledge
    is_single_step: bool
    objective: str | None
    map: float
    map_float: float
    map_jpeg: float
    trace: Sequence[float] = ()
    canary_passed: bool | None = None
    canary_reason: str = ""


@dataclass(frozen=True)
class Evidence:
    """What is known of an encoder on one data set.

    Attributes:
        defense: What the defense declares.
        has_surrogate: Whether it offers a stand-in for the backward pass.
        eot_samples: Random draws that attacks on a random encoder average over.
        clean_map: mAP of clean queries in percent.
        queries: How many they are; of few, a share is known roughly.
        trivial_queries: Of them, those for which the gallery holds no wrong image.
        choices: What was declared of the encoder beside what may have been meant; None: nothing.
        probe: What the probe saw; None: it did not look at this data set.
        attacks: The attacks.
        intent: What the attackers want. Only those that dodge lower the mAP of the own identity,
            so only their mAP can be compared.
    """

    defense: Adaptive
    has_surrogate: bool
    eot_samples: int
    clean_map: float
    queries: int
    probe: ProbeFigures | None = None
    attacks: Sequence[AttackEvidence] = field(default=())
    intent: Intent = "dodge"
    trivial_queries: int = 0
    choices: ChoiceFigures | None = None

    @property
    def dodging(self) -> tuple[AttackEvidence, ...]:
        """Attacks that lower mAP, with a budget."""
        if self.intent != "dodge":
            return ()
        return tuple(attack for attack in self.attacks if attack.eps_255 > 0)

    @property
    def white_box(self) -> tuple[AttackEvidence, ...]:
        """Attacks that differentiate the encoder, with a budget."""
        return tuple(a for a in self.attacks if a.knowledge == "white" and a.eps_255 > 0)


@dataclass(frozen=True)
class Finding:
    """A check that was not passed.

    Attributes:
        id: Name of the flag.
        message: What was seen, with its numbers.
        attack: Key of the attack that it is about; None: the encoder, or several attacks.
    """

    id: str
    message: str
    attack: str | None = None


def weaker_beats_white_box(
    evidence: Evidence, knowledge: frozenset[Knowledge], margin_map: float
) -> Iterator[str]:
    """Yield a message for each budget at which a weaker attacker does better by a margin."""
    budgets = dict.fromkeys((a.norm, a.eps_255) for a in evidence.dodging)
    for budget in budgets:
        rivals = [a for a in evidence.dodging if (a.norm, a.eps_255) == budget]
        white = [a for a in rivals if a.knowledge == "white"]
        weaker = [a for a in rivals if a.knowledge in knowledge]
        if not white or not weaker:
            continue
        strongest, best = min(white, key=_map), min(weaker, key=_map)
        if best.map < strongest.map - margin_map:
            yield (
                f"{best.key} ({best.knowledge}) leaves mAP {best.map:.1f}, the best white-box "
                f"attack {strongest.key} {strongest.map:.1f}"
            )


def _map(attack: AttackEvidence) -> float:
    return attack.map
