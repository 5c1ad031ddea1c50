"""The figure of ``data info``: images by camera and identities by images."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import UsageError
from benchmark.core.files import disk_errors, publish

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".pdf", ".svg")
TITLES = {"images_by_camera": "images by camera", "identities_by_images": "identities by images"}


def check_figure(path: Path) -> None:
    """Refuse a file that no figure can be written to.

    Raises:
        UsageError: Its ending is no kind of figure, or it is a folder.
    """
    if path.suffix.lower() not in KINDS or path.is_dir():
        raise UsageError(
            f"{path} is no file for a figure", f"give a file that ends in {' or '.join(KINDS)}"
        )


def write_spread(path: Path, card: Mapping[str, Any]) -> None:
    """Write the figure of what `benchmark.data.distribution.dataset_info` returned.

    Raises:
        EnvironmentProblem: The disk refuses.
    """
    stream = io.BytesIO()
    kind = path.suffix.lower().removeprefix(".")
    draw_spread(card["name"], card["spread"]).savefig(stream, format=kind, dpi=150)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, stream.getvalue())


def draw_spread(name: str, spreads: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Figure:
    """Return a row of bar charts for each split.

    Args:
        name: Name of the data set.
        spreads: By split, what `benchmark.data.distribution.spread` returns.
    """
    from matplotlib.figure import Figure

    from results.render.plot_style import PALETTE

    figure = Figure(figsize=(9, 2.4 * len(spreads)), layout="constrained")
    figure.suptitle(name)
    axes = figure.subplots(len(spreads), len(TITLES), squeeze=False)
    for row, (split, spread) in zip(axes, spreads.items(), strict=True):
        for axis, (key, title) in zip(row, TITLES.items(), strict=True):
            counts = spread.get(key)
            if counts is None:
                axis.set_axis_off()
                continue
            axis.bar(list(counts), list(counts.values()), color=PALETTE[0])
            axis.set_title(f"{split}: {title}", fontsize=10)
            axis.tick_params(axis="x", labelsize=7)
            axis.grid(axis="y", alpha=0.25)
    return figure
