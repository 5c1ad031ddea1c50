"""The probe: small measurements on an encoder that show whether attacks on it can be trusted.

It looks at a few dozen queries against the whole gallery, so its mAP is not that of the record.
On one CPU core it takes about six seconds at 64x32, times the draws of EOT for its white-box part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.consistency import measure_consistency
from benchmark.checks.figures import ProbeFigures, SweepFigure
from benchmark.checks.gradients import has_graph, measure_gradients
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar, Progress, SilentProgress
from benchmark.evaluation.evaluator import BATCH, Evaluator, attack_named
from benchmark.evaluation.rankings import AttackedRanking
from benchmark.metrics.chance import chance_map
from benchmark.metrics.ranking import RankingResult

Measured = TypeVar("Measured")

PROBE_VERSION = 4

QUERIES = 40
"""Queries that are probed, of as many identities as there are."""
EPS_255 = 8.0
"""Budget at which attacks are compared."""
SWEEP_255 = (2.0, 4.0, EPS_255, 16.0)
"""Budgets that metric PGD is swept over."""
UNBOUNDED_255 = 255.0
"""It allows any image at all."""

Chosen = tuple[str, dict[str, object]]
"""An attack of the registry, and its options."""

SINGLE_STEP: Chosen = ("metric-fgsm", {})
ITERATED: Chosen = ("metric-ifgsm", {"steps": 10})
"""The same objective in one step and in several."""
LONG: Chosen = (ITERATED[0], {"steps": 50})
"""The same in so many steps that more should bring little."""
SWEPT: Chosen = ("metric-pgd", {"steps": 10, "start": 0.0})
"""No random start: at eps = 255 noise alone breaks an encoder, whatever its gradient."""
UNBOUNDED_OPTIONS: dict[str, object] = {"steps": 20, "alpha_255": 8.0}
"""A quarter of 255/255 would leap over all that an undefended encoder is weak to, and ten steps of
4/255 end before a robust one gives in; both would look like a masked gradient."""
BLACK_BOX: Chosen = ("square", {"queries": 200})
"""Needs no gradient."""
WHITE_BOX_ATTACKS = len((*SWEEP_255, UNBOUNDED_255)) + len((SINGLE_STEP, ITERATED, LONG))
MEASUREMENTS = WHITE_BOX_ATTACKS + 4
"""The white-box attacks, the black-box one, consistency, and two gradients."""
PROBE_ATTACKS = (SINGLE_STEP[0], ITERATED[0], SWEPT[0], BLACK_BOX[0])


def probe_encoder(
    evaluator: Evaluator, *, seed: int, progress: Progress | None = None, title: str = "probe"
) -> dict[str, Any]:
    """Return the fields of `ProbeFigures` for an encoder.

    Args:
        evaluator: The encoder before all queries, of which a few are chosen, always the same ones.
        seed: Attack seed.
        progress: Where to report: in queries, once for each attack and other measurement.
        title: What it is reported under.

    Raises:
        PluginError: The encoder breaks its contract.
    """
    rows = probed_rows(evaluator.query, evaluator.clean.ranking)
    few = replace(evaluator.subset(rows), batch=BATCH)
    encoder, owner = few.encoder, few.owner
    view = encoder if few.adaptive is None else few.adaptive
    images = few.query.tensor(slice(None)).to(few.policy.device)
    goal, differentiable = few.mean_matches(), has_graph(view, images[:1], owner)
    through = view.encoder if isinstance(view, ExpectedEncoder) else view
    with (progress or SilentProgress()).task(title, len(rows) * MEASUREMENTS) as bar:

        def done(measured: Measured) -> Measured:
            bar.advance(len(rows))
            return measured

        def under(attack: Chosen, eps_255: float = EPS_255) -> AttackedRanking:
            return few.attacked(attack_named(attack[0], eps_255, attack[1], owner), seed, bar)

        figures = ProbeFigures(
            queries=len(rows),
            eps_255=EPS_255,
            clean_map=few.clean_map,
            chance_map=chance_map(few.query, few.gallery),
            has_surrogate=isinstance(through, BackwardThrough),
            eot_samples=view.samples if isinstance(view, ExpectedEncoder) else 1,
            consistency=done(measure_consistency(encoder, images, owner)),
            encoder_gradients=done(measure_gradients(encoder, images, goal, owner)),
            view_gradients=done(measure_gradients(view, images, goal, owner)),
            black_box_map=under(BLACK_BOX).map,
            **(_white_box(under) if differentiable else _no_white_box(len(rows), bar)),
        )
    return figures.model_dump(mode="json")


def probed_rows(query: ImageSet, ranking: RankingResult) -> NDArray[np.int64]:
    """Return rows of queries that have a match: one an identity, then a second one, and so on.

    Of more first ones than are probed, those at even distances are taken.
    """
    valid = np.flatnonzero(ranking.valid)
    taken: dict[int, int] = {}
    turns = np.zeros(len(valid), np.int64)
    for place, pid in enumerate(query.pids[valid].tolist()):
        turns[place] = taken.get(pid, 0)
        taken[pid] = turns[place] + 1
    first = valid[turns == 0]
    if len(first) >= QUERIES:
        chosen = first[np.linspace(0, len(first) - 1, QUERIES).round().astype(np.int64)]
    else:
        chosen = valid[np.argsort(turns, kind="stable")][:QUERIES]
    rows: NDArray[np.int64] = np.sort(chosen)
    return rows


def _white_box(under: Callable[..., AttackedRanking]) -> dict[str, Any]:
    """Attack by gradient."""
    sweep = []
    for eps_255 in (*SWEEP_255, UNBOUNDED_255):
        options = SWEPT[1] | (UNBOUNDED_OPTIONS if eps_255 == UNBOUNDED_255 else {})
        attacked = under((SWEPT[0], options), eps_255)
        sweep.append(SweepFigure(eps_255=eps_255, map=attacked.map, trace=attacked.trace))
    return {
        "single_step_map": under(SINGLE_STEP).map,
        "iterated_map": under(ITERATED).map,
        "long_map": under(LONG).map,
        "sweep": sweep,
    }


def _no_white_box(queries: int, bar: Bar) -> dict[str, Any]:
    """Attack by no gradient: autograd has none to return."""
    bar.advance(queries * WHITE_BOX_ATTACKS)
    return {"single_step_map": None, "iterated_map": None, "long_map": None, "sweep": []}
