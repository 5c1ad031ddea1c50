"""The probe: small measurements on an encoder that show whether attacks on it can be trusted.

It looks at a few dozen queries against the whole gallery, so its mAP is not that of the record.
On one CPU core it takes about six seconds at 64x32, times the draws of EOT for its white-box part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import nn

from benchmark.checks.consistency import Consistency, measure_consistency
from benchmark.checks.gradients import Gradients, measure_gradients
from benchmark.checks.strength import Sparring, chance_map
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.attack import AttackBatch
from benchmark.core.device import DevicePolicy
from benchmark.core.guides import Guides
from benchmark.data.records import ImageSet
from benchmark.metrics.attacked import CleanRanking
from benchmark.metrics.ranking import RankingResult

PROBE_VERSION = 2

QUERIES = 40
"""Queries that are probed, of as many identities as there are."""
EPS_255 = 8.0
"""Budget at which attacks are compared."""
SWEEP_255 = (2.0, 4.0, EPS_255, 16.0, 255.0)
"""Budgets that metric PGD is swept over; 255 allows any image at all."""

SINGLE_STEP = "metric-fgsm"
ITERATED: tuple[str, dict[str, object]] = ("metric-ifgsm", {"steps": 10})
"""The same objective in one step and in several."""
SWEPT: tuple[str, dict[str, object]] = ("metric-pgd", {"steps": 10, "start": 0.0})
"""No random start: at eps = 255 noise alone breaks an encoder, whatever its gradient."""
BLACK_BOX: tuple[str, dict[str, object]] = ("square", {"queries": 200})
"""Needs no gradient."""
PROBE_ATTACKS = (SINGLE_STEP, ITERATED[0], SWEPT[0], BLACK_BOX[0])


class _Figures(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SweepFigure(_Figures):
    """Metric PGD at one budget."""

    eps_255: float
    """Budget in 1/255 units."""
    map: float
    """mAP of the probed queries in percent."""
    trace: list[float]
    """Mean objective at each step."""


class ProbeFigures(_Figures):
    """What the probe saw; every mAP is of the probed queries, in percent."""

    queries: int
    """Queries that were probed."""
    clean_map: float
    """Without an attack."""
    chance_map: float
    """Expected of rankings in random order."""
    has_surrogate: bool
    """Whether white-box attacks had a stand-in on the backward pass (BPDA)."""
    eot_samples: int
    """Random draws that white-box attacks averaged over; 1: no EOT."""
    consistency: Consistency
    """Of the encoder over repeated calls."""
    encoder_gradients: Gradients
    """Of the encoder itself."""
    view_gradients: Gradients
    """Of what white-box attacks differentiate."""
    single_step_map: float | None
    """Under metric FGSM; null, as all that follows a gradient, if there is none to follow."""
    iterated_map: float | None
    """Under metric I-FGSM at the same budget."""
    sweep: list[SweepFigure]
    """Under metric PGD at rising budgets."""
    black_box_map: float
    """Under an attack that needs no gradient, at the budget of the single step."""

    @property
    def white_box_map(self) -> float | None:
        """Lowest mAP under white-box attacks at the common budget."""
        swept = [one.map for one in self.sweep if one.eps_255 == EPS_255]
        known = [m for m in (self.single_step_map, self.iterated_map, *swept) if m is not None]
        return min(known, default=None)


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

    Raises:
        PluginError: The encoder breaks its contract.
    """
    rows = probed_rows(query, clean.ranking)
    few, seen = query.subset(rows), _subset(clean, rows)
    batch = _batch(few, gallery, seen, policy)
    sparring = Sparring(encoder, view, few, gallery, seen, policy, seed, owner)
    through = view.encoder if isinstance(view, ExpectedEncoder) else view
    figures = ProbeFigures(
        queries=len(few),
        clean_map=seen.ranking.summary()["map"],
        chance_map=chance_map(few, gallery),
        has_surrogate=isinstance(through, BackwardThrough),
        eot_samples=view.samples if isinstance(view, ExpectedEncoder) else 1,
        consistency=measure_consistency(encoder, batch.images, owner),
        encoder_gradients=measure_gradients(encoder, batch),
        view_gradients=measure_gradients(view, batch),
        black_box_map=_map(sparring, BLACK_BOX),
        **_white_box(sparring, batch),
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


def _white_box(sparring: Sparring, batch: AttackBatch) -> dict[str, Any]:
    """Attack by gradient, unless the view has none that autograd would return."""
    with torch.enable_grad():
        leaf = batch.images[:1].detach().clone().requires_grad_(True)
        if not sparring.view(leaf).requires_grad:
            return {"single_step_map": None, "iterated_map": None, "sweep": []}
    sweep = []
    for eps_255 in SWEEP_255:
        attacked = sparring.under(SWEPT[0], eps_255, SWEPT[1])
        reached = attacked.ranking.summary()["map"]
        sweep.append(SweepFigure(eps_255=eps_255, map=reached, trace=attacked.trace))
    return {
        "single_step_map": _map(sparring, (SINGLE_STEP, {})),
        "iterated_map": _map(sparring, ITERATED),
        "sweep": sweep,
    }


def _map(sparring: Sparring, attack: tuple[str, dict[str, object]]) -> float:
    return sparring.under(attack[0], EPS_255, attack[1]).ranking.summary()["map"]


def _subset(clean: CleanRanking, rows: NDArray[np.int64]) -> CleanRanking:
    ranking = clean.ranking
    return CleanRanking(
        RankingResult(ranking.ap[rows], ranking.inp[rows], ranking.rank[rows]),
        clean.query_embeddings[torch.from_numpy(rows)],
        clean.gallery_embeddings,
    )


def _batch(
    query: ImageSet, gallery: ImageSet, clean: CleanRanking, policy: DevicePolicy
) -> AttackBatch:
    device = policy.device
    own, other = (
        Guides(
            embeddings.to(device),
            torch.from_numpy(images.pids).to(device),
            torch.from_numpy(images.camids).to(device),
        )
        for images, embeddings in (
            (query, clean.query_embeddings),
            (gallery, clean.gallery_embeddings),
        )
    )
    index = torch.arange(len(query), device=device)
    return AttackBatch(
        images=query.tensor(slice(None)).to(device),
        pids=own.pids,
        camids=own.camids,
        seeds=[0] * len(query),
        query_guides=own,
        gallery_guides=other,
        query_rows=index,
        gallery_rows=torch.full_like(index, -1),
        clean=own.embeddings,
    )
