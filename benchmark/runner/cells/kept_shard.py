"""A crafted shard on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmark.evaluation.perturbed_images import FORMS, PerturbedImages
from benchmark.runner.store import StoredCell, save_arrays

FIGURES = (
    "seconds",
    "forwards",
    "backwards",
    "queries",
    "max_distance_255",
    "traces",
    "weights",
    "images_sha256",
    "halved_to",
)
"""What is kept of a shard beside arrays."""


def write_perturbed(folder: Path, shard: PerturbedImages) -> dict[str, Any]:
    """Write a shard into a folder; return its figures."""
    save_arrays(
        folder,
        rows=shard.rows,
        **{form: shard.embeddings[form].numpy() for form in FORMS},
        **{f"after-{spent}": kept.numpy() for spent, kept in shard.snapshots.items()},
        **({} if shard.images is None else {"images": shard.images}),
    )
    return {
        **{name: getattr(shard, name) for name in FIGURES},
        "snapshots": list(shard.snapshots),
    }


def read_perturbed(stored: StoredCell) -> PerturbedImages:
    """Return the shard that was written."""
    arrays, outcome = stored.arrays(), stored.outcome
    return PerturbedImages(
        rows=arrays["rows"],
        embeddings={form: torch.from_numpy(arrays[form]) for form in FORMS},
        snapshots={n: torch.from_numpy(arrays[f"after-{n}"]) for n in outcome["snapshots"]},
        images=arrays.get("images"),
        **{name: outcome[name] for name in FIGURES},
    )
