"""Unseen attacks: every adversarial training against each of several attacks, tested with all.

A defense that asks for inner attacks is trained once for each train attack, which stands in for
what it asks for. The board of the records is a matrix of train attack by test attack; what lies
off its diagonal was not seen in training (as in Laidlaw et al., ICLR 2021, for classifiers).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from benchmark.core.attack import Attack
from benchmark.core.defense import Defense
from benchmark.core.errors import UsageError


def stand_ins(defense: Defense, train_attacks: Sequence[str]) -> tuple[str | None, ...]:
    """Return what stands in for the inner attacks of a defense, an entry for each training.

    A defense that trains against nothing is trained once, as it is: (None,).
    """
    return tuple(train_attacks) if defense.trained_against else (None,)


def check_unseen(
    defenses: Collection[Defense], train_attacks: Sequence[tuple[type[Attack], str]]
) -> None:
    """Check that a matrix of train attack by test attack can be made.

    Args:
        defenses: The chosen defenses.
        train_attacks: The attacks to train against, with the knowledge that each needs.

    Raises:
        UsageError: No defense trains against attacks, or a training cannot use an attack.
    """
    if not any(defense.trained_against for defense in defenses):
        raise UsageError(
            "protocol unseen: no chosen defense trains against an attack",
            "add one that does, such as --defense metric-at",
        )
    for attack, knowledge in train_attacks:
        if knowledge != "white" or attack.needs_preparation:
            raise UsageError(
                f"protocol unseen: a training cannot use attack {attack.name!r}: "
                "it is not a white-box attack that works at once",
                "take others with --set train_attacks=metric-fgsm,metric-pgd",
            )
