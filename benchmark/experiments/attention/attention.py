"""``attention``: which places an embedding rests on, and whether an attack moves them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.experiments.attention.attention_sheet import AttentionExamples, attention_sheet
from benchmark.experiments.attention.saliency import TOP_SHARE, likeness, overlap, saliency
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.direct_attack import direct_attack, evaluator_of
from benchmark.experiments.findings import Findings, Table, picture_png
from benchmark.experiments.measurement import Trained
from benchmark.experiments.sampling import spread_evenly
from benchmark.experiments.single_attack import SingleAttack, SingleAttackExperiment
from benchmark.experiments.summary import Summaries, as_json, over_seeds, summary_table

ATTENTION_VERSION = 1
"""Raised when a change of this measurement changes results."""

COLUMNS = {
    "overlap": "overlap",
    "likeness": "likeness",
    "overlap_of_others": "overlap, other people",
}
"""Figures and their headings."""


class Attention(SingleAttackExperiment):
    """Maps of where encoders look, clean and attacked, and how much of a map an attack leaves."""

    card = Card(
        title="Attention: where encoders look, clean and attacked",
        paper="Maps: Selvaraju et al., Grad-CAM, ICCV 2017; of vision transformers Abnar & "
        "Zuidema, attention roll-out, ACL 2020",
        notes="Grad-CAM explains the cosine to the mean embedding of the query's true matches, in "
        "place of a class score; the roll-out explains no score. Overlap and its control are this "
        "project's.",
    )

    class Config(PluginConfig):
        """Options of the experiment."""

        queries: int = Field(default=200, ge=2)
        """Queries that are measured, spread evenly over the split; all if there are fewer."""
        pictures: int = Field(default=6, ge=1)
        """Of these, how many are drawn, at the first seed."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Map every query for every training."""
        single = SingleAttack.of(context)
        query = context.split(context.config.dataset, "query")
        rows = spread_evenly(len(query), self.config.queries)
        drawn = spread_evenly(len(rows), self.config.pictures)
        figures: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        examples: dict[str, AttentionExamples] = {}
        for trained in context.train(context.variants):
            label = trained.variant.label
            with context.tolerating(f"{trained.title} · attention"):
                arrays = self._maps(context, trained, single, rows, drawn)
                clean, attacked = arrays["clean_maps"], arrays["attacked_maps"]
                figures[label][trained.seed] = figures_of(clean, attacked)
                if label not in examples:
                    pictures = query.pixels(rows[drawn]), arrays["attacked"]
                    examples[label] = AttentionExamples(
                        pictures[0], clean[drawn], pictures[1], attacked[drawn]
                    )
        if not figures:
            raise UsageError("no encoder could be explained", "see the messages above")
        over = over_seeds(figures)
        dataset = context.config.dataset
        may_show = context.datasets.dataset(dataset).rendered
        names = [query.names[row] for row in rows[drawn]]
        labels = [f"{query.pids[row]:04d} c{query.camids[row]}" for row in rows[drawn]]
        sheet = attention_sheet(examples, labels, may_show)
        result: dict[str, Any] = {
            "attack": single.key,
            "queries": len(rows),
            "top_share": TOP_SHARE,
            "rows": [{"label": label, **as_json(row)} for label, row in over.items()],
            "drawn": names,
            "images_shown": may_show,
        }
        return Findings(
            [self._table(f"{single.key} on {dataset}", over, len(rows))],
            result,
            {"maps": picture_png(sheet)},
        )

    def _maps(
        self,
        context: ExperimentContext,
        trained: Trained,
        single: SingleAttack,
        rows: NDArray[np.int64],
        drawn: NDArray[np.int64],
    ) -> dict[str, NDArray[Any]]:
        """Return maps of some queries, clean and attacked, and attacked images of those drawn.

        Images of a data set that shows people are blank: they are kept nowhere.
        """
        dataset = context.config.dataset

        def compute() -> Kept:
            query, gallery = context.split(dataset, "query"), context.split(dataset, "gallery")
            evaluator = evaluator_of(trained, query, gallery, context.policy)
            references = evaluator.subset(rows).mean_matches()
            clean = query.tensor(rows).to(context.policy.device)
            attack = direct_attack(single.attack, single.eps_255, trained.variant.defense)
            with context.progress.task(f"{trained.title} · maps", len(rows)) as bar:
                attacked = evaluator.adversarial(attack, context.config.attack_seed[0], rows)
                before, after = (
                    _in_batches(trained, images, references) for images in (clean, attacked)
                )
                bar.advance(len(rows))
            pictures = _pixels(attacked[torch.from_numpy(drawn).to(attacked.device)])
            if not context.datasets.dataset(dataset).rendered:
                pictures = np.zeros_like(pictures)
            arrays: dict[str, NDArray[Any]] = {
                "clean_maps": before,
                "attacked_maps": after,
                "attacked": pictures,
            }
            return Kept(figures_of(before, after), arrays)

        inputs = {**single.inputs(context), "rows": rows.tolist(), "drawn": drawn.tolist()}
        return context.kept("maps", ATTENTION_VERSION, trained, inputs, compute).arrays()

    def _table(self, under: str, over: Summaries, queries: int) -> Table:
        return summary_table(
            f"Attention under {under}",
            COLUMNS,
            over,
            f"Means over {queries} queries. overlap: intersection over union of the "
            f"{TOP_SHARE:.0%} of places where the maps of a clean and of its attacked image are "
            f"largest; of two random choices it would be {chance_overlap():.2f}. likeness: cosine "
            "of the two maps. overlap, other people: the same of two clean images of different "
            "identities, which says how much alike all maps are.",
            digits=2,
        )


def figures_of(clean: NDArray[np.float32], attacked: NDArray[np.float32]) -> dict[str, float]:
    """Return the mean overlap and likeness of clean and attacked maps, and the control."""
    others = np.roll(clean, len(clean) // 2, axis=0)  # far away in the split: another identity
    return {
        "overlap": float(overlap(clean, attacked).mean()),
        "likeness": float(likeness(clean, attacked).mean()),
        "overlap_of_others": float(overlap(clean, others).mean()),
    }


def chance_overlap(share: float = TOP_SHARE) -> float:
    """Return the intersection over union of two independent choices of a share of the places."""
    return share / (2 - share)


def _in_batches(trained: Trained, images: Tensor, references: Tensor) -> NDArray[np.float32]:
    batch = trained.config.evaluation.batch
    parts = [
        saliency(
            trained.encoder,
            images[start : start + batch],
            references[start : start + batch],
            trained.variant.defense,
        )
        for start in range(0, len(images), batch)
    ]
    found: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
    return found


def _pixels(images: Tensor) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = (
        (images * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    )
    return found
