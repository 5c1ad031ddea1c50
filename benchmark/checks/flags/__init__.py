"""The flags, one a file: raised if, means, do."""

from __future__ import annotations

from typing import Protocol

from benchmark.checks.evidence import Evidence, Finding
from benchmark.checks.flags import (
    batch_dependence,
    black_box_beats_white_box,
    canary_failed,
    fails_after_8_bit,
    fails_after_jpeg,
    loss_not_increasing,
    more_steps_help,
    not_attacked_adaptively,
    not_in_eval_mode,
    not_monotone_in_eps,
    nothing_to_rank,
    optimises_at_inference,
    order_dependence,
    random_output,
    single_step_beats_iterated,
    surrogate_missing,
    transfer_beats_white_box,
    unbounded_attack_fails,
    wrong_guess,
    zero_gradients,
)


class Flag(Protocol):
    """A module of this package; its docstring says when it is raised, what it means, what to do."""

    ID: str
    __doc__: str | None

    def check(self, evidence: Evidence) -> list[Finding]:
        """Return what this flag found."""


FLAGS: tuple[Flag, ...] = (
    random_output,
    zero_gradients,
    black_box_beats_white_box,
    transfer_beats_white_box,
    single_step_beats_iterated,
    not_monotone_in_eps,
    unbounded_attack_fails,
    loss_not_increasing,
    more_steps_help,
    batch_dependence,
    order_dependence,
    not_in_eval_mode,
    fails_after_8_bit,
    fails_after_jpeg,
    optimises_at_inference,
    surrogate_missing,
    not_attacked_adaptively,
    canary_failed,
    nothing_to_rank,
    wrong_guess,
)


def raise_flags(evidence: Evidence) -> list[Finding]:
    """Return the findings of all flags."""
    return [finding for flag in FLAGS for finding in flag.check(evidence)]
