"""Probe an encoder for signs that attacks on it cannot be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from benchmark.checks.probe import PROBE_VERSION, QUERIES, Probe, measurements
from benchmark.config.schema import EvaluationConfig
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.content import draws_content
from benchmark.runner.cells.work import Write
from benchmark.runner.estimate import Estimator

PROBE_PASSES = 3000
"""Images that go forward and backward in a probe."""


@dataclass(frozen=True, kw_only=True)
class ProbeCell(Cell):
    """Probe an encoder for signs that attacks on it cannot be trusted.

    Attributes:
        clean: The clean ranking.
    """

    kind: ClassVar[str] = "probe"

    clean: CleanCell

    @classmethod
    def build(cls, clean: CleanCell, attack_seed: int, evaluation: EvaluationConfig) -> Self:
        """Build the cell that probes an encoder on a data set."""
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROBE_VERSION,
            "clean": clean.fingerprint,
            "attack_seed": attack_seed,
            **draws_content(clean.train.plugin, evaluation),
        }
        if clean.train.plugin.adaptive.random:
            content["seeded"] = "anew for each measurement"
            if evaluation.batch < QUERIES:  # else all queries are one batch, as they always were
                content["batch"] = evaluation.batch
        return cls(
            defense=clean.defense,
            seed=clean.seed,
            dataset=clean.dataset,
            content=content,
            parents=(clean.train, clean),
            plugins=clean.plugins,
            clean=clean,
        )

    def parts(self, context: CellContext) -> tuple[str, ...]:
        """Return the names of the measurements."""
        return measurements()

    def _compute_part(self, context: CellContext, part: str, title: str) -> Write:
        probe = self._probe(context)
        with context.progress.task(title, probe.queries) as bar:
            found = probe.measure(part, bar)
        return lambda _: {"found": found}

    def _compute(self, context: CellContext, title: str) -> Write:
        kept = {name: context.store.get_part(self, name) for name in self.parts(context)}
        figures = self._probe(context).figures(
            {name: part.outcome["found"] for name, part in kept.items()}
        )
        return lambda _: figures

    def _probe(self, context: CellContext) -> Probe:
        return Probe.of(self.clean.evaluator(context), self.attack_seed)

    def passes(self, costs: Estimator) -> float:
        """Return a constant: it looks at a few dozen queries of any data set."""
        return PROBE_PASSES
