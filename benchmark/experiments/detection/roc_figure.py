"""ROC curves of a detector: attacks that do not know it beside those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from benchmark.experiments.detection.detection_report import FALSE_POSITIVES, DetectorResult
from benchmark.experiments.findings import figure_png
from benchmark.metrics.roc import roc_auc, roc_curve
from results.render.plot_style import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = {"seen": "-", "unseen": "--", "control": ":", "push": "-", "decoy": "--"}


def figure_of(label: str, result: DetectorResult) -> bytes:
    """Return the ROC curves of a detector as PNG, a line for each attack.

    Args:
        label: Name of the target.
        result: Scores of clean and attacked queries.
    """
    adaptive = [name for name, kind in result.kinds.items() if kind == "adaptive"]
    others = [name for name in result.attacked if name not in adaptive]
    lines = -(-max(len(adaptive), len(others)) // 2)  # of the legends, in two columns
    figure = Figure((8.4, 4.4 + 0.2 * lines), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _frame(left, "attacks that do not know the detector")
    _frame(right, "attacks that do: damage, weight of the detector's loss")
    left.set_ylabel("true positive rate")
    for index, name in enumerate(others):
        _draw(left, result, name, result.kinds[name], PALETTE[index % len(PALETTE)])
    weights = list(dict.fromkeys(name.split()[1] for name in adaptive))
    for name in adaptive:
        strategy, weight = name.split()
        _draw(right, result, name, strategy, PALETTE[weights.index(weight) % len(PALETTE)])
    for axes in (left, right):
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=2,
            frameon=False,
            fontsize="small",
        )
    figure.suptitle(f"Detector of {label}; area under each curve in brackets", fontsize="medium")
    return figure_png(figure)


def _frame(axes: Axes, title: str) -> None:
    axes.plot([0, 1], [0, 1], color="0.85", linewidth=1)
    axes.axvline(FALSE_POSITIVES, color="0.85", linewidth=1)
    axes.set(xlabel="false positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_title(title, fontsize="small")


def _draw(axes: Axes, result: DetectorResult, name: str, style: str, colour: str) -> None:
    benign, attacked = result.scores(result.clean), result.scores(result.attacked[name])
    known = "" if style in ("push", "decoy") else f", {style}"
    axes.plot(
        *roc_curve(benign, attacked),
        DASHES[style],
        color=colour,
        linewidth=1.4,
        label=f"{name}{known} ({roc_auc(benign, attacked):.2f})",
    )
