"""The figure of the embedding map: t-SNE of some identities, a panel for each defense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmark.core.errors import UsageError
from benchmark.experiments.unit_vectors import unit

LARGEST_PERPLEXITY = 30.0


@dataclass(frozen=True)
class PointCloud:
    """Embeddings of some identities for one defense.

    Attributes:
        gallery: (G, D) clean gallery images.
        gallery_pids: (G,) their identities.
        clean: (Q, D) clean queries.
        attacked: (Q, D) the same queries under attack.
        pids: (Q,) their identities.
    """

    gallery: NDArray[np.float32]
    gallery_pids: NDArray[np.int64]
    clean: NDArray[np.float32]
    attacked: NDArray[np.float32]
    pids: NDArray[np.int64]


def check_tsne() -> None:
    """Refuse to start without scikit-learn.

    Raises:
        UsageError: It is not installed.
    """
    _tsne()


def draw_clouds(clouds: Mapping[str, PointCloud], seed: int) -> Figure:
    """Return a panel for each defense; each has a map of its own.

    Args:
        clouds: By defense.
        seed: Seed of the maps.
    """
    figure = Figure(figsize=(4.2 * len(clouds), 4.6), layout="constrained")
    panels = figure.subplots(1, len(clouds), squeeze=False)[0]
    for axes, (name, cloud) in zip(panels, clouds.items(), strict=True):
        points = _mapped(cloud, seed)
        count = len(cloud.gallery)
        gallery, clean, attacked = np.split(points, [count, count + len(cloud.clean)])
        colours = _colours(cloud)
        own = [colours[pid] for pid in cloud.pids.tolist()]
        shown = [colours[pid] for pid in cloud.gallery_pids.tolist()]
        axes.scatter(*gallery.T, s=9, c=shown, alpha=0.35, linewidths=0)
        for start, end, colour in zip(clean, attacked, own, strict=True):
            axes.plot(*np.stack([start, end]).T, color=colour, alpha=0.35, linewidth=0.7)
        axes.scatter(*clean.T, s=30, c=own, edgecolors="black", linewidths=0.5)
        axes.scatter(*attacked.T, s=30, c=own, marker="x", linewidths=1.3)
        axes.set_title(name, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    keys: list[tuple[str, dict[str, Any]]] = [
        ("gallery", {"marker": "o", "markersize": 4, "alpha": 0.4}),
        ("query", {"marker": "o", "markersize": 6, "markeredgecolor": "black"}),
        ("attacked query", {"marker": "x", "markersize": 6}),
    ]
    handles = [
        Line2D([], [], linestyle="", color="dimgray", label=label, **style) for label, style in keys
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _colours(cloud: PointCloud) -> dict[int, Any]:
    identities = np.unique(np.concatenate([cloud.pids, cloud.gallery_pids]))
    palette = mpl.colormaps["tab20" if len(identities) > 10 else "tab10"]
    return {pid: palette(i % palette.N) for i, pid in enumerate(identities.tolist())}


def _mapped(cloud: PointCloud, seed: int) -> NDArray[np.float32]:
    vectors = unit(np.concatenate([cloud.gallery, cloud.clean, cloud.attacked]))
    perplexity = min(LARGEST_PERPLEXITY, (len(vectors) - 1) / 3)
    mapper = _tsne()(perplexity=perplexity, init="pca", random_state=seed)
    points: NDArray[np.float32] = mapper.fit_transform(vectors)
    return points


def _tsne() -> Any:
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise UsageError(
            "embedding-map draws with scikit-learn, which is not installed",
            "pip install 'reid-robustbench[experiments]'",
        ) from error
    return TSNE
