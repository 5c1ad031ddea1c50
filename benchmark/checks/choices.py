"""Wrong guesses about an encoder: its clean mAP beside that with the choices mistaken for them.

A network that was trained on BGR or on pixels of 0 to 255 still ranks when it is given something
else, only worse; and weights that were loaded into the wrong places rank as random ones do. A few
clean queries of the test split before a few gallery images tell. Nothing is chosen by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmark.checks.figures import ChoiceFigures
from benchmark.checks.probe import probed_rows
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.evaluation.evaluator import Evaluator

CHOICES_VERSION = 1
FILLERS = 150
"""Gallery images of other identities than those of the queries."""


def compare_choices(
    evaluator: Evaluator,
    choices: Iterable[str],
    with_choice: Callable[[nn.Module, str], nn.Module],
    *,
    progress: Progress,
    title: str,
) -> dict[str, Any]:
    """Return the fields of `ChoiceFigures`.

    Args:
        evaluator: The encoder as declared before all queries, of which a few are chosen, always
            the same ones.
        choices: What may have been meant.
        with_choice: Returns the encoder with one of them.
        progress: Where to report: in images.
        title: What it is reported under.

    Raises:
        PluginError: The encoder as declared breaks its contract.
    """
    names = list(choices)
    query = evaluator.query.subset(probed_rows(evaluator.query, evaluator.clean.ranking))
    gallery = evaluator.gallery.subset(compared_gallery(query, evaluator.gallery))
    images = len(query) + len(gallery)
    with progress.task(title, images * (1 + len(names))) as bar:

        def clean_map(encoder: nn.Module) -> float:
            return Evaluator.of(
                encoder,
                query,
                gallery,
                policy=evaluator.policy,
                owner=evaluator.owner,
                batch=evaluator.batch,
                adjusts=evaluator.adjusts,
                bar=bar,
            ).clean_map

        declared = clean_map(evaluator.encoder)
        others = {}
        for name in names:
            try:
                others[name] = clean_map(with_choice(evaluator.encoder, name))
            except PluginError:  # what was not meant may overflow
                others[name] = 0.0
    return ChoiceFigures(
        queries=len(query), gallery=len(gallery), declared_map=declared, other_maps=others
    ).model_dump(mode="json")


def compared_gallery(query: ImageSet, gallery: ImageSet) -> NDArray[np.int64]:
    """Return rows of the gallery: of each query identity one in each camera, and some others."""
    order = np.random.default_rng(0).permutation(len(gallery))
    known = np.isin(gallery.pids[order], query.pids)
    matches, others = order[known], order[~known][:FILLERS]
    places = np.stack([gallery.pids[matches], gallery.camids[matches]], 1)
    _, first = np.unique(places, axis=0, return_index=True)
    rows: NDArray[np.int64] = np.sort(np.concatenate([matches[first], others]))
    return rows
