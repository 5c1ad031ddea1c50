"""Embeddings of a few queries and of the gallery beside a record, to rank them anew."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.arrays import StoredArrays
from results.records.store import check_link

ENDING = ".embeddings.npz"
_KINDS = {"rows": "i", "query": "f", "gallery": "f", "gallery_pids": "i", "gallery_camids": "i"}
_KINDS |= {"gallery_junk": "b", "gallery_distractor": "b"}


@dataclass(frozen=True)
class SampledEmbeddings:
    """Clean embeddings of N queries and of the G gallery images, of D numbers each.

    Attributes:
        rows: int64 (N,) rows of the queries in the per-query file.
        query: float32 (N, D).
        gallery: float32 (G, D).
        gallery_pids: int64 (G,) identities.
        gallery_camids: int64 (G,) cameras.
        gallery_junk: bool (G,) images that are not ranked.
        gallery_distractor: bool (G,) images of nobody who is asked for.
    """

    rows: NDArray[np.int64]
    query: NDArray[np.float32]
    gallery: NDArray[np.float32]
    gallery_pids: NDArray[np.int64]
    gallery_camids: NDArray[np.int64]
    gallery_junk: NDArray[np.bool_]
    gallery_distractor: NDArray[np.bool_]

    def npz(self) -> bytes:
        """Return them as the bytes of a file."""
        stream = io.BytesIO()
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()


def sampled_path(record: Path) -> Path:
    """Return where the embeddings of the record in a file are."""
    return record.with_name(record.name.removesuffix(".json") + ENDING)


def load_sampled(record: Path) -> SampledEmbeddings | None:
    """Read the embeddings beside the file of a record; None where there are none.

    Raises:
        RecordError: The file is damaged.
    """
    path = sampled_path(record)
    check_link(path, record.parent)
    if not path.is_file():
        return None
    stored = StoredArrays(path)
    arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in _KINDS if name in stored}
    if not _fit(arrays):
        raise RecordError(
            f"cannot read the embeddings in {path}: its arrays do not fit each other",
            "make them anew with submit --embeddings, or remove the file",
        )
    return SampledEmbeddings(**arrays)


def _fit(arrays: dict[str, NDArray[Any]]) -> bool:
    if {name: one.dtype.kind for name, one in arrays.items()} != _KINDS:
        return False
    query, gallery = arrays["query"], arrays["gallery"]
    lists = [arrays[name].shape for name in _KINDS if name.startswith("gallery_")]
    return (
        (query.ndim, gallery.ndim) == (2, 2)
        and {query.dtype, gallery.dtype} == {np.dtype(np.float32)}
        and query.shape[1] == gallery.shape[1]
        and arrays["rows"].shape == query.shape[:1]
        and all(shape == gallery.shape[:1] for shape in lists)
    )
