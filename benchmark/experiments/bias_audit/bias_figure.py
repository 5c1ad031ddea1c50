"""The figure of the bias audit: AP against training images, and its spread over identities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from benchmark.experiments.measurement import CLEAN, WORST
from results.render.plot_style import PALETTE

BINS = 5
"""Groups of identities, at most, whose means are drawn as a line."""

Values = Mapping[str, Mapping[str, Mapping[str, Mapping[int, float]]]]
"""AP by row, population, outcome and identity."""


def draw_bias(values: Values, counts: Mapping[int, int], shares: Mapping[int, float]) -> Figure:
    """Return two scatters of trained identities under attack, and boxes of test identities.

    Args:
        values: AP in percent.
        counts: Training images by identity.
        shares: Share of the fullest camera by identity.
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    _scatter(left, values, counts, "training images of the identity")
    _scatter(middle, values, shares, "share of its fullest camera")
    left.set_ylabel("AP, worst attack (%)")
    left.set_title("trained identities", fontsize=10)
    middle.set_title("trained identities", fontsize=10)
    _boxes(right, values)
    right.set_title("test identities", fontsize=10)
    keys = [Patch(color=PALETTE[i % len(PALETTE)], label=row) for i, row in enumerate(values)]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _scatter(
    axes: Axes, values: Values, sizes: Mapping[int, int] | Mapping[int, float], title: str
) -> None:
    for i, populations in enumerate(values.values()):
        ap = populations["trained"][WORST]
        x = np.array([sizes[pid] for pid in ap], np.float64)
        y = np.array(list(ap.values()))
        colour = PALETTE[i % len(PALETTE)]
        axes.scatter(x, y, s=9, alpha=0.3, color=colour, linewidths=0)
        axes.plot(*binned(x, y), color=colour, marker="o", markersize=4, linewidth=1.8)
    axes.set_xlabel(title)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)


def binned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return mean x and mean y of groups between quantiles of x; equal x are in one group."""
    edges = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)))
    group = np.searchsorted(edges[1:-1], x, side="right")
    groups = [group == i for i in np.unique(group)]
    return np.array([x[rows].mean() for rows in groups]), np.array([y[r].mean() for r in groups])


def _boxes(axes: Axes, values: Values) -> None:
    for j, key in enumerate((CLEAN, WORST)):
        for i, populations in enumerate(values.values()):
            colour = PALETTE[i % len(PALETTE)]
            ap = list(populations["test"][key].values())
            place = j * (len(values) + 1) + i
            parts = axes.boxplot(ap, positions=[place], widths=0.7, patch_artist=True)
            for box in parts["boxes"]:
                box.set(facecolor=colour, alpha=0.55, edgecolor=colour)
            for median in parts["medians"]:
                median.set(color="black")
            for flier in parts["fliers"]:
                flier.set(markersize=3, markeredgecolor=colour)
    middle = (len(values) - 1) / 2
    axes.set_xticks([middle, len(values) + 1 + middle], ["clean", "worst attack"])
    axes.set_ylim(0, 102)
    axes.set_ylabel("AP (%)")
    axes.grid(axis="y", alpha=0.25)
