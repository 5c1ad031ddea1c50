"""What every attack owes, checked on the canary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.checks.attack_subject import IMAGES, AttackSubject, in_double, one_by_one
from benchmark.checks.canary import Stage, map_under, open_stage, try_on_canary
from benchmark.checks.contract import (
    Check,
    CheckResult,
    affordable,
    check_card,
    check_options,
    require,
    run_checks,
)
from benchmark.core.attack import Attack, AttackOutcome
from benchmark.core.device import DevicePolicy
from benchmark.core.digits import told_apart
from benchmark.core.errors import PluginError
from benchmark.core.legal_images import BALL_TOLERANCE
from benchmark.core.plugin import PluginConfig
from benchmark.core.plugin_errors import plugin_faults
from benchmark.core.seeding import derive_seed

BUDGETS_255 = (0.5, 8.0, 255.0)
QUERIES = 8
"""Queries that are attacked to see what a budget is worth."""
LIMITS = {"queries": 60, "epochs": 1}
"""Answers and epochs of preparation, to be quick; the canary uses the options as they are."""

ALONE = [0, IMAGES - 1]
"""Images that are attacked alone, too."""
SAME = 1e-5
SAME_SHARE = 0.999
"""Share of the values that must be the same alone and in a batch. A sign attack turns the rounding
of a gradient near zero into a whole step, so that rounding is kept out: the encoder embeds one
image at a time, or, if that does not suffice, all is computed in double precision."""
SMALL_255, LARGE_255 = 2.0, 8.0
BUDGET_TOLERANCE_MAP = 5.0
"""What mAP under the large budget may be above that under the small one: of 8 queries, chance."""


def check_attack(
    plugin: type[Any],
    options: Mapping[str, Any] | None = None,
    *,
    policy: DevicePolicy,
    work_dir: Path,
    stage: Stage | None = None,
) -> list[CheckResult]:
    """Run the contract suite of attacks on the canary, and let the attack show its strength.

    Args:
        plugin: The class.
        options: Options to check it with.
        policy: Where to compute.
        work_dir: Folder for preparations; must exist.
        stage: What it attacks instead of the canary; it then need not show its strength.

    Raises:
        UsageError: The attack has no such options.
    """
    if not (isinstance(plugin, type) and issubclass(plugin, Attack)):
        return [CheckResult("class", False, "it does not derive from benchmark.Attack")]
    with plugin_faults(plugin):
        config = plugin.parse_config(dict(options or {}))
        small = affordable(plugin, options or {}, LIMITS)
    subject = AttackSubject(
        plugin, dict(options or {}), small, stage or open_stage(policy), work_dir
    )
    if stage is not None:
        return run_checks(CHECKS, subject)
    folder = work_dir / "canary"
    folder.mkdir(exist_ok=True)
    strength: Check[AttackSubject] = ("canary", lambda one: _canary(one, config, folder))
    return run_checks((*CHECKS, strength), subject)


def _canary(subject: AttackSubject, config: PluginConfig, work_dir: Path) -> str:
    figures = try_on_canary(
        subject.plugin,
        config,
        policy=subject.stage.target.policy,
        work_dir=work_dir,
    )
    hint = "it is too weak: look at its objective, its steps and their size"
    require(figures["passed"], f"{figures['reason']}; {hint}")
    return str(figures["reason"])


def _card(subject: AttackSubject) -> str:
    return check_card(subject.plugin)


def _options(subject: AttackSubject) -> str:
    return check_options(subject.plugin, subject.options) or "none"


def _inner_options(subject: AttackSubject) -> str:
    options = subject.plugin.inner_options(3, 2.0)
    subject.plugin.parse_config(options)
    return ", ".join(options) or "takes no inner budget"


def _no_budget(subject: AttackSubject) -> str:
    clean = subject.batch().images
    changed = not torch.equal(subject.outcome(0.0).images, clean)
    require(not changed, "eps 0 changes the images: return batch.images")
    return "eps 0 changes nothing"


def _legal(subject: AttackSubject) -> str:
    clean = subject.batch().images
    for eps_255 in BUDGETS_255:
        outcome, where = subject.outcome(eps_255), f"at {eps_255:g}/255"
        require(not torch.equal(outcome.images, clean), f"returns the clean images {where}")
        for images in (outcome.images, *outcome.snapshots.values()):
            far = float((images - clean).abs().max())
            away, _ = told_apart(255 * far, eps_255, 2)
            require(far <= eps_255 / 255 + BALL_TOLERANCE, f"{away}/255 away {where}")
            low, high = float(images.min()), float(images.max())
            bottom, top = told_apart(low, 0, 4)[0], told_apart(high, 1, 4)[0]
            require(low >= -BALL_TOLERANCE, f"pixels down to {bottom} {where}")
            require(high <= 1 + BALL_TOLERANCE, f"pixels up to {top} {where}")
    budgets = ", ".join(f"{eps_255:g}" for eps_255 in BUDGETS_255)
    return f"changes images, inside ball and box, at {budgets} of 255"


def _leaves_no_trace(subject: AttackSubject) -> str:
    encoder, batch, attack = subject.view(), subject.batch(), subject.attack(8.0)
    guides = (batch.query_guides.embeddings, batch.gallery_guides.embeddings, batch.clean)
    given = (batch.images, batch.pids, batch.camids, *guides)
    state = encoder.state_dict()
    before = [tensor.clone() for tensor in (*given, *state.values())]
    modes = [part.training for part in encoder.modules()]
    attack.run(encoder, batch)
    unchanged = [torch.equal(*pair) for pair in zip(before, (*given, *state.values()), strict=True)]
    require(all(unchanged[: len(given)]), "it changes the batch in place: work on copies")
    require(all(unchanged), "it changes weights or statistics of the encoder")
    require(modes == [part.training for part in encoder.modules()], "it changes eval mode")
    require(
        all(parameter.grad is None for parameter in encoder.parameters()),
        "it leaves gradients on the weights: use torch.autograd.grad at the images",
    )
    return "batch, weights, statistics and eval mode are as they were"


def _repeatable(subject: AttackSubject) -> str:
    for eps_255 in BUDGETS_255:
        first = subject.outcome(eps_255)
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed("another state"))
            second = subject.run(eps_255)
        require(
            torch.equal(first.images, second.images),
            f"the same seeds give another result at {eps_255:g}/255: draw from generators seeded "
            "by batch.seeds, never from the global state",
        )
        require(_cost(first) == _cost(second), "the same seeds give another cost")
    return "same seeds, same images and same cost"


def _seeds(subject: AttackSubject) -> str:
    if subject.plugin.is_random(subject.config):
        return "random: each attack seed measures it anew"
    batch = subject.batch()
    other = replace(batch, seeds=[derive_seed("another attack seed", seed) for seed in batch.seeds])
    found = subject.attack(8.0).run(subject.view(), other).images
    require(
        torch.equal(found, subject.outcome(8.0).images),
        "it says that it is not random, and other seeds give another result: let is_random() "
        "return True",
    )
    return "not random: one attack seed stands for all"


def _cost(outcome: AttackOutcome) -> tuple[int, int, int]:
    return outcome.forwards, outcome.backwards, outcome.queries


def _batch_independent(subject: AttackSubject) -> str:
    share = _same_share(one_by_one(subject))
    if share < SAME_SHARE and not subject.plugin.needs_preparation:
        share = max(share, _same_share(in_double(subject)))
    require(
        share >= SAME_SHARE,
        f"{100 * (1 - share):.2f} % of the values depend on the rest of the batch: draw by "
        "batch.seeds, and neither average over the batch nor scale by it",
    )
    return f"{100 * share:.2f} % of the values are the same alone and in any order"


def _same_share(subject: AttackSubject) -> float:
    """Return the share of values that are the same in a batch, alone and in another order."""
    try:
        together = subject.run(8.0).images
        alone = torch.cat([subject.run(8.0, [row]).images for row in ALONE])
        turned = subject.run(8.0, list(reversed(range(IMAGES)))).images.flip(0)
    except (RuntimeError, PluginError):
        if subject.dtype == torch.float64:  # it need not be able to compute in double precision
            return 0.0
        raise
    pairs = ((alone, together[ALONE]), (turned, together))
    return min(float(((a - b).abs() <= SAME).double().mean()) for a, b in pairs)


def _budget_counts(subject: AttackSubject) -> str:
    whole = subject.stage
    queries = len(whole.target.query)
    stage = whole.subset(np.arange(0, queries, queries // QUERIES))
    small, large = (map_under(subject.attack(eps), stage) for eps in (SMALL_255, LARGE_255))
    seen = f"mAP {small:.1f} at {SMALL_255:g}/255, {large:.1f} at {LARGE_255:g}/255"
    require(large <= small + BUDGET_TOLERANCE_MAP, f"more budget is weaker: {seen}")
    return seen


def _metered(subject: AttackSubject) -> str:
    encoder, calls = subject.view(), 0

    def count(module: nn.Module, given: tuple[Tensor, ...], embeddings: Tensor) -> None:
        nonlocal calls
        calls += len(embeddings)

    attack, batch = subject.attack(8.0), subject.batch()
    hook = encoder.register_forward_hook(count)
    try:
        outcome = attack.run(encoder, batch)
    finally:
        hook.remove()
    seen = f"{outcome.forwards} forwards, {outcome.backwards} backwards for {IMAGES} images"
    require(calls == outcome.forwards, f"{calls} images went forward, {outcome.forwards} counted")
    if subject.threat.knowledge == "none":
        require(calls == 0, f"it claims to know nothing and asks the encoder: {seen}")
    if subject.threat.knowledge in ("score", "decision"):
        require(outcome.backwards == 0, f"a black box gives no gradient: {seen}")
        answers, budget = outcome.queries, attack.query_budget()
        require(0 < answers <= budget * IMAGES, f"{answers} answers, {budget} allowed an image")
        return f"{seen}; {answers} answers"
    return seen


CHECKS: tuple[Check[AttackSubject], ...] = (
    ("card", _card),
    ("options", _options),
    ("inner options", _inner_options),
    ("no budget", _no_budget),
    ("legal", _legal),
    ("leaves no trace", _leaves_no_trace),
    ("repeatable", _repeatable),
    ("seeds", _seeds),
    ("independent of the batch", _batch_independent),
    ("more budget", _budget_counts),
    ("metered", _metered),
)
