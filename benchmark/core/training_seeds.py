"""Seeds of trainings: those that a run may be given, and those that surrogates have."""

from __future__ import annotations

SURROGATE_SEEDS = range(1_000_000, 1_001_000)
"""Seeds of surrogates, by member. A target of the same seed could be its own surrogate, and a
transfer attack on it a white-box one."""
LARGEST_SEED = 2**63 - 1
"""What fits the integers of records and tables."""


def check_training_seed(seed: int) -> int:
    """Return a seed that the training of a target may have.

    Raises:
        ValueError: It is one that surrogates have.
    """
    if seed in SURROGATE_SEEDS:
        raise ValueError(
            f"seeds {SURROGATE_SEEDS.start} to {SURROGATE_SEEDS.stop - 1} are those of surrogates, "
            "which transfer attacks see instead of the target"
        )
    return seed
