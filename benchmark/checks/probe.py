"""The probe: small measurements on an encoder that show whether attacks on it can be trusted.

It looks at a few dozen queries against the whole gallery, so its mAP is not that of the record.
On one CPU core it takes about six seconds at 64x32, times the draws of EOT for its white-box part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.checks.consistency import measure_consistency
from benchmark.checks.figures import ProbeFigures, SweepFigure
from benchmark.checks.gradients import has_graph, measure_gradients
from benchmark.core.adaptive import BackwardThrough, ExpectedEncoder
from benchmark.core.batches import Batches
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SILENT_BAR, Bar, Progress, SilentProgress
from benchmark.evaluation.evaluator import BATCH, Evaluator, attack_named
from benchmark.metrics.chance import chance_map
from benchmark.metrics.ranking import RankingResult

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
LOOKS = ("consistency", "encoder-gradients", "view-gradients")
"""What is measured without an attack."""
PROBE_ATTACKS = (SINGLE_STEP[0], ITERATED[0], SWEPT[0], BLACK_BOX[0])


def probe_encoder(
    evaluator: Evaluator, *, seed: int, progress: Progress | None = None, title: str = "probe"
) -> dict[str, Any]:
    """Return the fields of `ProbeFigures` for an encoder.

    Args:
        evaluator: The encoder before all queries, of which a few are chosen, always the same ones.
        seed: Attack seed.
        progress: Where to report: in queries, once for each measurement.
        title: What it is reported under.

    Raises:
        PluginError: The encoder breaks its contract.
    """
    probe, names = Probe.of(evaluator, seed), measurements()
    with (progress or SilentProgress()).task(title, probe.queries * len(names)) as bar:
        return probe.figures({name: probe.measure(name, bar) for name in names})


def measurements() -> tuple[str, ...]:
    """Return the names of what is measured, each independent of the others."""
    return (*LOOKS, BLACK_BOX[0], *_white_box())


@dataclass(frozen=True)
class Probe:
    """An encoder before the queries that are probed, and before the whole gallery.

    Attributes:
        few: Evaluates it on these queries.
        seed: Attack seed.
    """

    few: Evaluator
    seed: int

    @classmethod
    def of(cls, evaluator: Evaluator, seed: int) -> Probe:
        """Choose the queries, of those of an evaluator."""
        few = evaluator.subset(probed_rows(evaluator.query, evaluator.clean.ranking))
        # All queries at once, whatever was configured, but where the batch is part of the result.
        return cls(replace(few, batch=BATCH) if few.adjusts else few, seed)

    @property
    def queries(self) -> int:
        """Queries that are probed."""
        return len(self.few.query)

    def measure(self, name: str, bar: Bar = SILENT_BAR) -> dict[str, Any] | None:
        """Return what one of `measurements` gave, as JSON values.

        Returns:
            None for an attack by gradient if autograd has none to return.

        Raises:
            PluginError: The encoder breaks its contract.
        """
        white_box = _white_box()
        if name == BLACK_BOX[0]:
            return self._attacked(BLACK_BOX, EPS_255, bar)
        if name in white_box and has_graph(self._view, self._images(1), self.few.owner):
            return self._attacked(*white_box[name], bar)
        found = None if name in white_box else self._look(name)
        bar.advance(self.queries)
        return found

    def figures(self, measured: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of `ProbeFigures`; `measured` holds all that `measure` gave."""
        view, white_box = self._view, _white_box()
        through = view.encoder if isinstance(view, ExpectedEncoder) else view
        maps = {name: (measured[name] or {}).get("map") for name in white_box}
        figures = ProbeFigures(
            queries=self.queries,
            eps_255=EPS_255,
            clean_map=self.few.clean_map,
            chance_map=chance_map(self.few.query, self.few.gallery),
            has_surrogate=isinstance(through, BackwardThrough),
            eot_samples=view.samples if isinstance(view, ExpectedEncoder) else 1,
            consistency=measured["consistency"],
            encoder_gradients=measured["encoder-gradients"],
            view_gradients=measured["view-gradients"],
            black_box_map=measured[BLACK_BOX[0]]["map"],
            single_step_map=maps["single-step"],
            iterated_map=maps["iterated"],
            long_map=maps["long"],
            sweep=[
                SweepFigure(eps_255=eps_255, **measured[name])
                for name, (chosen, eps_255) in white_box.items()
                if chosen[0] == SWEPT[0] and measured[name] is not None
            ],
        )
        return figures.model_dump(mode="json")

    @property
    def _view(self) -> nn.Module:
        return self.few.encoder if self.few.adaptive is None else self.few.adaptive

    def _images(self, count: int | None = None) -> Tensor:
        return self.few.query.tensor(slice(count)).to(self.few.policy.device)

    def _attacked(self, attack: Chosen, eps_255: float, bar: Bar) -> dict[str, Any]:
        made = attack_named(attack[0], eps_255, attack[1], self.few.owner)
        attacked = self.few.attacked(made, self.seed, bar)
        return {"map": attacked.map, "trace": attacked.trace}

    def _look(self, name: str) -> dict[str, Any]:
        images, encoder, owner = self._images(), self.few.encoder, self.few.owner
        batches = Batches(
            self.queries,
            self.few.batch,
            adjusts=self.few.adjusts,
            device=images.device,
            owner=f"{owner}: {name}",
        )
        if name == "consistency":
            return measure_consistency(encoder, images, owner, batches).model_dump()
        seen = encoder if name == "encoder-gradients" else self._view
        goal = self.few.mean_matches()
        return measure_gradients(seen, images, goal, owner, batches).model_dump()


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


def _white_box() -> dict[str, tuple[Chosen, float]]:
    """Return the attacks by gradient with their budgets, by name."""
    swept: dict[str, tuple[Chosen, float]] = {}
    for eps_255 in (*SWEEP_255, UNBOUNDED_255):
        options = SWEPT[1] | (UNBOUNDED_OPTIONS if eps_255 == UNBOUNDED_255 else {})
        swept[f"sweep-{eps_255:g}"] = ((SWEPT[0], options), eps_255)
    steps = {"single-step": SINGLE_STEP, "iterated": ITERATED, "long": LONG}
    return swept | {name: (chosen, EPS_255) for name, chosen in steps.items()}
