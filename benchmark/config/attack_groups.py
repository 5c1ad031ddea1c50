"""Groups of attacks that stand for a list of names on the command line and in YAML."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.core.errors import unknown_name
from benchmark.core.parametrised import base_name

_GRADIENT = (
    "metric-fgsm",
    "metric-ifgsm",
    "metric-mifgsm",
    "metric-pgd",
    "sma",
    "fna",
    "odfa",
)
_STRONGER = ("apgd-snn", "apgd-fna", "apgd-sma", "soft-ap", "lta")
_TRANSFER = ("di", "tim", "ti-dim", "ensemble-transfer")
_UNIVERSAL = ("uap", "muap", "mis-ranking")
_BLACK_BOX = ("square", "bandits", "hsja")
_SEEN = ("metric-pgd",)
_PUBLISHED_GRID = ("random-noise", *_GRADIENT)

ATTACK_GROUPS: dict[str, tuple[str, ...]] = {
    "default": (*_PUBLISHED_GRID, "reid-aa"),
    "published-grid": _PUBLISHED_GRID,
    "seen": _SEEN,
    "white": (*_GRADIENT, *_STRONGER),
    "transfer": _TRANSFER,
    "universal": _UNIVERSAL,
    "query-black-box": _BLACK_BOX,
    "unseen": (
        *(name for name in (*_GRADIENT, *_STRONGER) if name not in _SEEN),
        *_TRANSFER,
        *_UNIVERSAL,
        *_BLACK_BOX,
    ),
    "all": (
        *_PUBLISHED_GRID,
        *_STRONGER,
        *_TRANSFER,
        *_UNIVERSAL,
        *_BLACK_BOX,
        "color-lut",
        "reid-aa",
    ),
}
"""Names of groups and their members. ``published-grid`` is what published defenses are compared by;
``default`` adds the standard ensemble, so that the headline is no weaker than it. ``seen`` is what
the defenses of this repository train on."""


def expand_attacks(chosen: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return the attack names behind names and groups, in order, each once.

    Args:
        chosen: Names of attacks, plain or as ``NAME:ARGUMENT``, and groups.
        known: Names of the registered attacks.

    Raises:
        UsageError: A name is neither an attack nor a group.
    """
    registered = set(known)
    names: dict[str, None] = {}
    for name in chosen:
        if name not in ATTACK_GROUPS and base_name(name) not in registered:
            raise unknown_name("attack", base_name(name), [*registered, *ATTACK_GROUPS])
        for member in ATTACK_GROUPS.get(name, (name,)):
            if base_name(member) not in registered:
                raise unknown_name("attack", base_name(member), registered)
            names[member] = None
    return list(names)
