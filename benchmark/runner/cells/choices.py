"""Compare what was declared of an encoder with what may have been meant."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

from benchmark.checks.choices import CHOICES_VERSION, FILLERS, compare_choices
from benchmark.checks.figures import ChoiceFigures
from benchmark.checks.flags.wrong_guess import said
from benchmark.checks.probe import QUERIES
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.work import Write
from benchmark.runner.estimate import Estimator

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ChoicesCell(Cell):
    """Compare what was declared of an encoder with what may have been meant.

    Attributes:
        clean: The clean ranking.
    """

    kind: ClassVar[str] = "choices"

    clean: CleanCell

    @classmethod
    def build(cls, clean: CleanCell) -> Self | None:
        """Build the cell; None for an encoder of which nothing was declared."""
        choices = clean.train.plugin.choices
        if not choices:
            return None
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": CHOICES_VERSION,
            "clean": clean.fingerprint,
            "choices": list(choices),
        }
        return cls(
            defense=clean.defense,
            seed=clean.seed,
            dataset=clean.dataset,
            content=content,
            parents=(clean.train, clean),
            plugins=clean.plugins,
            clean=clean,
        )

    def _compute(self, context: CellContext, title: str) -> Write:
        plugin = self.clean.train.plugin
        figures = compare_choices(
            self.clean.evaluator(context),
            plugin.choices,
            plugin.with_choice,
            progress=context.progress,
            title=title,
        )
        for line in said(ChoiceFigures.model_validate(figures)):
            logger.warning("%s: %s", plugin.row_label() or self.defense, line)
        return lambda _: figures

    def passes(self, costs: Estimator) -> float:
        """Return a third of the images of every choice: they go forward only."""
        return (1 + len(self.clean.train.plugin.choices)) * 2 * (QUERIES + FILLERS) / 3
