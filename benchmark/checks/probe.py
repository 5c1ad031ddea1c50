"""The probe: small measurements on an encoder that show whether attacks on it can be trusted.

It looks at a few dozen queries against the whole gallery, so its mAP is not that of the record.
On one CPU core it takes about six seconds at 64x32, times the draws of EOT for its white-box part.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.checks.consistency import measure_consistency
from benchmark.checks.figures import ProbeFigures, SweepFigure
from benchmark.checks.gradients import has_graph, measure_gradients
from benchmark.checks.strength import Sparring, chance_map
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides, mean_positive
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Bar, Progress, SilentProgress
from benchmark.metrics.attacked import CleanRanking
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

SINGLE_STEP = "metric-fgsm"
ITERATED: tuple[str, dict[str, object]] = ("metric-ifgsm", {"steps": 10})
"""The same objective in one step and in several."""
LONG: tuple[str, dict[str, object]] = (ITERATED[0], {"steps": 50})
"""The same in so many steps that more should bring little."""
SWEPT: tuple[str, dict[str, object]] = ("metric-pgd", {"steps": 10, "start": 0.0})
"""No random start: at eps = 255 noise alone breaks an encoder, whatever its gradient."""
UNBOUNDED_OPTIONS: dict[str, object] = {"steps": 20, "alpha_255": 8.0}
"""A quarter of 255/255 would leap over all that an undefended encoder is weak to, and ten steps of
4/255 end before a robust one gives in; both would look like a masked gradient."""
BLACK_BOX: tuple[str, dict[str, object]] = ("square", {"queries": 200})
"""Needs no gradient."""
WHITE_BOX_ATTACKS = len((*SWEEP_255, UNBOUNDED_255)) + len((SINGLE_STEP, ITERATED, LONG))
MEASUREMENTS = WHITE_BOX_ATTACKS + 4
"""The white-box attacks, the black-box one, consistency, and two gradients."""
PROBE_ATTACKS = (SINGLE_STEP, ITERATED[0], SWEPT[0], BLACK_BOX[0])


def probe_encoder(
    encoder: nn.Module,
    view: nn.Module,
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    *,
    policy: DevicePolicy,
    seed: int,
    owner: str,
    progress: Progress | None = None,
    title: str = "probe",
) -> dict[str, Any]:
    """Return the fields of `ProbeFigures` for an encoder.

    Args:
        encoder: The encoder.
        view: What a white-box attacker differentiates.
        query: All queries; a few are chosen, always the same ones.
        gallery: The gallery.
        clean: Clean ranking and embeddings of all of them.
        policy: Where to run.
        seed: Attack seed.
        owner: Name of the defense, for error messages.
        progress: Where to report: in queries, once for each attack and other measurement.
        title: What it is reported under.

    Raises:
        PluginError: The encoder breaks its contract.
    """
    rows = probed_rows(query, clean.ranking)
    few, seen = query.subset(rows), _subset(clean, rows)
    images = few.tensor(slice(None)).to(policy.device)
    goal = _mean_match(few, gallery, seen, policy)
    sparring = Sparring(encoder, view, few, gallery, seen, policy, seed, owner)
    through = view.encoder if isinstance(view, ExpectedEncoder) else view
    with (progress or SilentProgress()).task(title, len(few) * MEASUREMENTS) as bar:

        def done(measured: Measured) -> Measured:
            bar.advance(len(few))
            return measured

        figures = ProbeFigures(
            queries=len(few),
            eps_255=EPS_255,
            clean_map=seen.ranking.summary()["map"],
            chance_map=chance_map(few, gallery),
            has_surrogate=isinstance(through, BackwardThrough),
            eot_samples=view.samples if isinstance(view, ExpectedEncoder) else 1,
            consistency=done(measure_consistency(encoder, images, owner)),
            encoder_gradients=done(measure_gradients(encoder, images, goal, owner)),
            view_gradients=done(measure_gradients(view, images, goal, owner)),
            black_box_map=_map(sparring, BLACK_BOX, bar),
            **_white_box(sparring, images, bar),
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


def _white_box(sparring: Sparring, images: Tensor, bar: Bar) -> dict[str, Any]:
    """Attack by gradient, unless autograd has none to return."""
    if not has_graph(sparring.view, images[:1], sparring.owner):
        bar.advance(len(images) * WHITE_BOX_ATTACKS)
        return {"single_step_map": None, "iterated_map": None, "long_map": None, "sweep": []}
    sweep = []
    for eps_255 in (*SWEEP_255, UNBOUNDED_255):
        options = SWEPT[1] | (UNBOUNDED_OPTIONS if eps_255 == UNBOUNDED_255 else {})
        attacked = sparring.under(SWEPT[0], eps_255, options, bar)
        reached = attacked.ranking.summary()["map"]
        sweep.append(SweepFigure(eps_255=eps_255, map=reached, trace=attacked.trace))
    return {
        "single_step_map": _map(sparring, (SINGLE_STEP, {}), bar),
        "iterated_map": _map(sparring, ITERATED, bar),
        "long_map": _map(sparring, LONG, bar),
        "sweep": sweep,
    }


def _map(sparring: Sparring, attack: tuple[str, dict[str, object]], bar: Bar) -> float:
    return sparring.under(attack[0], EPS_255, attack[1], bar).ranking.summary()["map"]


def _subset(clean: CleanRanking, rows: NDArray[np.int64]) -> CleanRanking:
    ranking = clean.ranking
    return CleanRanking(
        RankingResult(ranking.ap[rows], ranking.inp[rows], ranking.rank[rows]),
        clean.query_embeddings[torch.from_numpy(rows)],
        clean.gallery_embeddings,
    )


def _mean_match(
    query: ImageSet, gallery: ImageSet, clean: CleanRanking, policy: DevicePolicy
) -> Tensor:
    """Return (B, D), the mean unit embedding of the matches of each query."""
    guides = Guides(
        clean.gallery_embeddings, torch.from_numpy(gallery.pids), torch.from_numpy(gallery.camids)
    )
    mask = guides.positive_mask(torch.from_numpy(query.pids), torch.from_numpy(query.camids))
    own = F.normalize(clean.query_embeddings)
    return mean_positive(guides, mask, own, unit=True).to(policy.device)
