"""``embedding-map``: where an attack moves queries among the identities of the gallery."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.encoder import embed
from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Card, PluginConfig
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.direct_attack import direct_attack, evaluator_of
from benchmark.experiments.embedding_map.embedding_distances import (
    displacement,
    identity_distance,
    silhouettes,
)
from benchmark.experiments.embedding_map.embedding_figure import PointCloud, check_tsne, draw_clouds
from benchmark.experiments.findings import Findings, Table, figure_png
from benchmark.experiments.measurement import Trained
from benchmark.experiments.sampling import spread_evenly
from benchmark.experiments.single_attack import SingleAttack, SingleAttackExperiment
from benchmark.experiments.summary import Summaries, as_json, over_seeds, summary_table

EMBEDDING_VERSION = 1
"""Raised when a change of this measurement changes results."""

COLUMNS = {
    "displacement": "displacement",
    "relative": "over identity distance",
    "silhouette_clean": "silhouette, clean",
    "silhouette_attacked": "attacked",
}
"""Figures and their headings."""


class EmbeddingMap(SingleAttackExperiment):
    """t-SNE of clean and attacked queries among the gallery, and how far they moved."""

    card = Card(
        title="Embedding map: where an attack moves queries",
        paper="Maps: van der Maaten and Hinton, JMLR 2008; silhouettes: Rousseeuw 1987",
        notes="The map shows some identities and has no scale; the figures are of all queries, in "
        "the embedding space itself, and do not depend on it.",
    )

    class Config(PluginConfig):
        """Options of the experiment."""

        identities: int = Field(default=10, ge=2, le=20)
        """Query identities that are drawn, spread evenly."""
        map_seed: int = Field(default=0, ge=0)
        """Seed of the t-SNE."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Embed every query for every training, and draw the first seed."""
        single = SingleAttack.of(context)
        check_tsne()
        dataset = context.config.dataset
        query, gallery = context.split(dataset, "query"), context.split(dataset, "gallery")
        chosen = query.identities[spread_evenly(len(query.identities), self.config.identities)]
        figures: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        clouds: dict[str, PointCloud] = {}
        for trained in context.train(context.variants):
            label = trained.variant.label
            with context.tolerating(f"{trained.title} · embeddings"):
                arrays = self._embedded(context, trained, single, query, gallery)
                figures[label][trained.seed] = figures_of(arrays, query, gallery)
                clouds.setdefault(label, _cloud(arrays, query, gallery, chosen))
        if not figures:
            raise UsageError("no defense could be embedded", "see the messages above")
        over = over_seeds(figures)
        result: dict[str, Any] = {
            "attack": single.key,
            "queries": len(query),
            "drawn_identities": chosen.tolist(),
            "rows": [{"label": label, **as_json(row)} for label, row in over.items()],
        }
        figure = draw_clouds(clouds, self.config.map_seed)
        return Findings(
            [self._table(f"{dataset} under {single.key}", over)],
            result,
            {"map": figure_png(figure)},
        )

    def _embedded(
        self,
        context: ExperimentContext,
        trained: Trained,
        single: SingleAttack,
        query: ImageSet,
        gallery: ImageSet,
    ) -> dict[str, NDArray[np.float32]]:
        """Return embeddings: ``gallery`` and ``clean`` and ``attacked`` queries."""

        def compute() -> Kept:
            evaluator = evaluator_of(trained, query, gallery, context.policy)
            attack = direct_attack(single.attack, single.eps_255, trained.variant.defense)
            batch, parts = trained.config.evaluation.batch, []
            with context.progress.task(f"{trained.title} · embeddings", len(query)) as bar:
                for start in range(0, len(query), batch):
                    rows = np.arange(start, min(start + batch, len(query)))
                    images = evaluator.adversarial(attack, context.config.attack_seed[0], rows)
                    with torch.no_grad():
                        embedded = embed(trained.encoder, images, trained.cell.defense)
                        parts.append(embedded.float().cpu())
                    bar.advance(len(rows))
            arrays = {
                "gallery": evaluator.clean.gallery_embeddings.numpy(),
                "clean": evaluator.clean.query_embeddings.numpy(),
                "attacked": torch.cat(parts).numpy(),
            }
            return Kept({}, arrays)

        inputs = single.inputs(context)
        return context.kept("embeddings", EMBEDDING_VERSION, trained, inputs, compute).arrays()

    def _table(self, where: str, over: Summaries) -> Table:
        return summary_table(
            f"Queries of {where}",
            COLUMNS,
            over,
            "displacement: mean cosine distance of a query's embeddings before and under the "
            "attack; beside it, divided by the mean distance between centroids of gallery "
            "identities: at 1 a query moves as far as to another person. silhouette: of queries "
            "among gallery identities, matches in other cameras; below 0 another identity is "
            "nearer.",
            digits=2,
        )


def figures_of(
    arrays: dict[str, NDArray[np.float32]], query: ImageSet, gallery: ImageSet
) -> dict[str, float]:
    """Return how far queries moved, beside the distance of identities, and their silhouettes."""
    people = gallery.people
    owners = (arrays["gallery"][people], gallery.pids[people], gallery.camids[people])
    moved = displacement(arrays["clean"], arrays["attacked"])
    found = {"displacement": moved, "relative": moved / identity_distance(*owners[:2])}
    for name in ("clean", "attacked"):
        values = silhouettes(arrays[name], query.pids, query.camids, owners)
        found[f"silhouette_{name}"] = float(np.nanmean(values))
    return found


def _cloud(
    arrays: dict[str, NDArray[np.float32]],
    query: ImageSet,
    gallery: ImageSet,
    chosen: NDArray[np.int64],
) -> PointCloud:
    own, shown = np.isin(query.pids, chosen), np.isin(gallery.pids, chosen)
    return PointCloud(
        gallery=arrays["gallery"][shown],
        gallery_pids=gallery.pids[shown],
        clean=arrays["clean"][own],
        attacked=arrays["attacked"][own],
        pids=query.pids[own],
    )
