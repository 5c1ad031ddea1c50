"""How torch's threads wait for each other: briefly awake, then asleep.

GNU libgomp, which torch's wheels bring, lets a thread that is done early spin for milliseconds
until the others are. Beside another busy process, that takes the core from the very thread that
all wait for. How threads wait changes no result.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPINS = "GOMP_SPINCOUNT"
BRIEF_SPINS = "1000"
"""Turns of the waiting loop before a thread sleeps; the bench `busy-neighbour` measures it."""


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads of OpenMP wait briefly, unless the user has said how they wait.

    libgomp reads the variable when torch is imported. Later it is too late for this process, but
    not for its children.
    """
    if not any(says_how_to_wait(name) for name in environment):
        environment[SPINS] = BRIEF_SPINS


def says_how_to_wait(name: str) -> bool:
    """Whether an environment variable says how threads wait."""
    return name in {SPINS, "OMP_WAIT_POLICY"} or name.startswith("KMP_")
