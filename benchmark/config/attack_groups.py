"""Groups of attacks that stand for a list of names on the command line and in YAML."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.core.errors import unknown_name

ATTACK_GROUPS: dict[str, tuple[str, ...]] = {
    "default": (
        "random-noise",
        "metric-fgsm",
        "metric-ifgsm",
        "metric-mifgsm",
        "metric-pgd",
        "sma",
        "fna",
        "odfa",
    ),
}


def expand_attacks(chosen: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the attack names behind names and groups, in order, each once.

    Args:
        chosen: Names of attacks and groups.
        known: Names of the registered attacks.

    Raises:
        UsageError: A name is neither an attack nor a group.
    """
    registered = set(known)
    names: dict[str, None] = {}
    for name in chosen:
        if name not in ATTACK_GROUPS and name not in registered:
            raise unknown_name("attack", name, [*registered, *ATTACK_GROUPS])
        for member in ATTACK_GROUPS.get(name, (name,)):
            if member not in registered:
                raise unknown_name("attack", member, registered)
            names[member] = None
    return list(names)
