"""``certificate``: how far queries of a smoothed encoder may move, in L2, and provably stay right.

The radius and its confidence are those of `certified_radius`; docs/smoothing.md derives them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.encoder import evaluating
from benchmark.core.errors import DataError, PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.seeding import derive_seed
from benchmark.experiments.certificate.certified_radius import (
    certified_radius,
    certified_rank1,
    noisy_embeddings,
)
from benchmark.experiments.context import ExperimentContext, Kept
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import Findings, Table, text
from benchmark.experiments.measurement import Trained
from benchmark.experiments.sampling import spread_evenly
from benchmark.metrics.embedding import embed_images

CERTIFICATE_VERSION = 1
"""Raised when a change of the certificate changes results."""


@runtime_checkable
class GaussianSmoothed(Protocol):
    """A smoothed encoder, as the certificate must know it.

    Attributes:
        encoder: What is smoothed.
        sigma: Standard deviation of the noise, for pixels in [0, 1].
    """

    encoder: nn.Module
    sigma: float


class Certificate(Experiment):
    """Certified Rank-1 of smoothed encoders at L2 radii around the query."""

    card: ClassVar[Card] = Card(
        title="Certified Rank-1 of smoothed embeddings",
        paper="After Cohen et al., ICML 2019, and Salman et al., NeurIPS 2019",
        claims="Within the radius no change of the query, of whatever kind, loses Rank-1.",
        notes="For retrieval by this project. Of the mean embedding over all noise, which a run's "
        "few copies estimate; the gallery is clean and fixed. One certificate for each query.",
    )
    defaults: ClassVar[Mapping[str, Any]] = {
        "defense": ["smoothing"],
        "attack": ["random-noise"],
        "test_dataset": ["none"],
    }

    class Config(PluginConfig):
        """Options."""

        queries: int = Field(default=40, ge=1)
        """Queries that are certified, at even distances of those with a match."""
        selection: int = Field(default=100, ge=1)
        """Noisy copies that choose the gallery image that is to stay ahead."""
        draws: int = Field(default=2000, ge=2)
        """Noisy copies that bound how far it is ahead."""
        alpha: float = Field(default=0.001, gt=0, lt=1)
        """Probability that a query's certificate is wrong."""
        radii: tuple[float, ...] = Field(default=(0.0, 0.005, 0.01, 0.02, 0.05, 0.1), min_length=1)
        """L2 radii of the table, for pixels in [0, 1]."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Certify queries of each chosen defense and seed."""
        found: dict[str, dict[str, Any]] = {}
        for trained in context.train(context.variants):
            label = f"{trained.variant.label} seed {trained.seed}"
            with context.tolerating(label):
                found[label] = self._certified(context, trained)
        return Findings([self._table(found, context)], found)

    def _certified(self, context: ExperimentContext, trained: Trained) -> dict[str, Any]:
        """Return the figures of one encoder.

        Raises:
            PluginError: Its encoder is not smoothed.
        """
        encoder, defense = trained.encoder, trained.cell.defense
        if not isinstance(encoder, GaussianSmoothed):
            raise PluginError(
                f"the encoder of {defense!r} is not smoothed: it has no `encoder` and `sigma`",
                "certify --defense smoothing",
            )
        inputs = {
            **self.config.model_dump(mode="json", exclude={"radii"}),
            "seed": context.config.attack_seed[0],
        }
        stored = context.kept(
            "radii", CERTIFICATE_VERSION, trained, inputs, lambda: self._measure(context, trained)
        )
        radii = stored.arrays()["radii"]
        return {
            "sigma": encoder.sigma,
            "queries": len(radii),
            "rank1": float(100 * stored.arrays()["right"].mean()),
            "certified": {f"{at:g}": certified_rank1(radii, at) for at in self.config.radii},
            "median_radius": float(np.median(radii)),
            "largest_radius": float(radii.max()),
            "radii": radii.tolist(),
        }

    def _measure(self, context: ExperimentContext, trained: Trained) -> Kept:
        encoder, dataset = trained.encoder, context.config.dataset
        assert isinstance(encoder, GaussianSmoothed)
        query, gallery = context.split(dataset, "query"), context.split(dataset, "gallery")
        rows, seed = chosen_rows(query, gallery, self.config.queries), context.config.attack_seed[0]
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, "certificate", "gallery"))
            vectors = F.normalize(
                embed_images(
                    trained.encoder,
                    gallery,
                    policy=context.policy,
                    batch=context.config.evaluation.batch,
                    owner=trained.cell.defense,
                ).double()
            )
        radii, right = [], []
        count = self.config.selection + self.config.draws
        with (
            evaluating(encoder.encoder),
            context.progress.task(f"certificate · {trained.cell.label}", len(rows)) as bar,
        ):
            for row in rows:
                image = query.tensor(slice(row, row + 1))[0].to(context.policy.device)
                own = derive_seed(seed, "certificate", query.names[row])
                drawn = noisy_embeddings(
                    encoder.encoder, image, encoder.sigma, count, seed=own
                ).cpu()
                positives, negatives = matches_and_others(query, int(row), gallery)
                radius, first = self._radius(
                    drawn, vectors[positives], vectors[negatives], encoder.sigma
                )
                radii.append(radius)
                right.append(first)
                bar.advance()
        return Kept({}, {"radii": np.array(radii), "right": np.array(right), "rows": rows})

    def _radius(
        self, drawn: Tensor, positives: Tensor, negatives: Tensor, sigma: float
    ) -> tuple[float, bool]:
        """Return the radius of one query, and whether its mean embedding is right."""
        selection, estimation = drawn[: self.config.selection], drawn[self.config.selection :]
        radius = certified_radius(
            selection, estimation, positives, negatives, sigma=sigma, alpha=self.config.alpha
        )
        mean = estimation.mean(0)
        return radius, bool((positives @ mean).amax() > (negatives @ mean).amax())

    def _table(self, found: dict[str, dict[str, Any]], context: ExperimentContext) -> Table:
        height, width = context.config.image_size
        ball = 8 / 255 * math.sqrt(3 * height * width)
        columns = ["Rank-1", *(f"L2 ≤ {at:g}" for at in self.config.radii), "Median", "Largest"]
        rows = [
            (
                label,
                [
                    text(one["rank1"]),
                    *(text(value) for value in one["certified"].values()),
                    text(one["median_radius"], 4),
                    text(one["largest_radius"], 4),
                ],
            )
            for label, one in found.items()
        ]
        return Table(
            f"Certified Rank-1 on {context.config.dataset} in percent, pixels in [0, 1]",
            "Encoder",
            columns,
            rows,
            note=f"Of {self.config.queries} queries at most, each certified with confidence "
            f"{100 * (1 - self.config.alpha):g} % over {self.config.draws} draws. A perturbation "
            f"of 8/255 in every pixel has the L2 norm {ball:.2f}: the radii say nothing of L∞ "
            "attacks, and what an encoder survives there is not in this table.",
        )


def chosen_rows(query: ImageSet, gallery: ImageSet, count: int) -> NDArray[np.int64]:
    """Return rows of queries with a match and a rival, at even distances.

    Raises:
        DataError: There is none.
    """
    found = (matches_and_others(query, row, gallery) for row in range(len(query)))
    valid = np.flatnonzero([all(len(rows) for rows in both) for both in found])
    if len(valid) == 0:
        raise DataError("no query has a match in another camera", "use other data")
    rows: NDArray[np.int64] = valid[spread_evenly(len(valid), count)]
    return rows


def matches_and_others(
    query: ImageSet, row: int, gallery: ImageSet
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows of the gallery that are right for a query and those that are wrong.

    Images of its identity by its own camera, and junk, are neither.
    """
    same = gallery.people & (gallery.pids == query.pids[row])
    right = np.flatnonzero(same & (gallery.camids != query.camids[row]))
    return right, np.flatnonzero(~same & ~gallery.junk)
