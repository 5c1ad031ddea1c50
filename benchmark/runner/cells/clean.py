"""Embed and rank the clean images of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from benchmark.config.schema import EvaluationConfig
from benchmark.core.image_set import ImageSet
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.rankings import CleanRanking
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.cells.work import Write
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION
from benchmark.runner.store import CellStore, ranking_arrays, save_arrays


@dataclass(frozen=True, kw_only=True)
class CleanCell(Cell):
    """Embed and rank the clean images of a data set.

    Attributes:
        train: The training.
    """

    kind: ClassVar[str] = "clean"

    train: TrainCell

    @classmethod
    def build(
        cls,
        train: TrainCell,
        dataset: str,
        manifest: str,
        evaluation: EvaluationConfig,
        queries: dict[str, object],
    ) -> Self:
        """Build the cell; `manifest` is the hash of the data set, `queries` how some are chosen.

        A random encoder draws for a batch at once, so that for it the size of batches counts.
        """
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "train": train.fingerprint,
            "dataset": {"name": dataset, "manifest_sha256": manifest},
            **queries,
        }
        if train.plugin.adaptive.random:
            content["batch"] = evaluation.batch
        if evaluation.rerank is not None:
            content["rerank"] = evaluation.rerank.model_dump(mode="json")
        return cls(
            defense=train.defense,
            seed=train.seed,
            dataset=dataset,
            content=content,
            parents=(train,),
            plugins=train.plugins,
            train=train,
        )

    def _compute(self, context: CellContext, title: str) -> Write:
        query, gallery = self._sets(context)
        with context.progress.task(title, len(query) + len(gallery)) as bar:
            clean = Evaluator.of(
                context.encoder(self.train),
                query,
                gallery,
                policy=context.policy,
                owner=self.defense,
                batch=context.config.evaluation.batch,
                rerank=context.config.evaluation.rerank,
                adjusts=self._adjusts,
                bar=bar,
            ).clean

        def write(folder: Path) -> dict[str, Any]:
            save_arrays(
                folder,
                **ranking_arrays(clean.ranking),
                query_embeddings=clean.query_embeddings.numpy(),
                gallery_embeddings=clean.gallery_embeddings.numpy(),
            )
            return clean.ranking.summary()

        return write

    def load(self, store: CellStore) -> CleanRanking:
        """Return what was ranked; the cell must be finished."""
        stored = store.get(self.fingerprint)
        arrays = stored.arrays("query_embeddings", "gallery_embeddings")
        return CleanRanking(
            ranking=stored.ranking(),
            query_embeddings=torch.from_numpy(arrays["query_embeddings"]),
            gallery_embeddings=torch.from_numpy(arrays["gallery_embeddings"]),
        )

    def evaluator(self, context: CellContext) -> Evaluator:
        """Return the encoder before what was ranked; the cell must be finished."""
        view = context.view(self.train)
        return self._evaluator(context, context.encoder(self.train), adaptive=view)

    def surrogate(self, context: CellContext) -> Evaluator:
        """Return the same for what an attacker sees instead of a target."""
        return self._evaluator(context, context.load(self.train))

    def _evaluator(
        self, context: CellContext, encoder: nn.Module, adaptive: nn.Module | None = None
    ) -> Evaluator:
        return Evaluator(
            encoder,
            *self._sets(context),
            self.load(context.store),
            context.policy,
            self.defense,
            context.config.evaluation.batch,
            adaptive,
            context.config.evaluation.rerank,
            self._adjusts,
        )

    @property
    def _adjusts(self) -> bool:
        """Whether memory may change the batch: it is no part of the result."""
        return not self.train.plugin.adaptive.random

    def _sets(self, context: CellContext) -> tuple[ImageSet, ImageSet]:
        query, gallery = (context.datasets.split(self.dataset, split) for split in self.reads)
        return query, gallery

    def passes(self, costs: Estimator) -> float:
        """Return a third of the images: they go forward only."""
        return costs.images(self.dataset, *self.reads) / 3

    def bytes(self, costs: Estimator) -> int:
        """Return the bytes of the embeddings."""
        return 4 * costs.network.dim * costs.images(self.dataset, *self.reads)
