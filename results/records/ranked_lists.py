"""The ranked lists of a few queries, before and under an attack, in an NPZ file beside a record."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.arrays import PrefixedArrays, StoredArrays
from results.records.atomic import publish
from results.records.store import check_link

ENDING = ".ranked_lists.npz"
_PICTURES = "picture/"
_ARRAYS = ("rows", "clean", "attacked", "clean_match", "attacked_match")


@dataclass(frozen=True)
class RankedLists:
    """The lists of the N queries that lose most under an attack; K images each.

    Attributes:
        attack: Key of the attack within the record: ``sma@8``.
        rows: int64 (N,) rows of the queries in the per-query file.
        clean: int64 (N, K) rows of the gallery, the nearest first; -1 where there are no more.
        attacked: (N, K) the same under the attack.
        clean_match: bool (N, K), true where the image is of the person who is looked for.
        attacked_match: (N, K) the same under the attack.
        pictures: PNG or JPEG bytes of images by what they show: ``query/3``, ``attacked/3``,
            ``gallery/17``. Only of rendered data sets: nobody is shown.
    """

    attack: str
    rows: NDArray[np.int64]
    clean: NDArray[np.int64]
    attacked: NDArray[np.int64]
    clean_match: NDArray[np.bool_]
    attacked_match: NDArray[np.bool_]
    pictures: Mapping[str, bytes]


def ranked_lists_path(record: Path) -> Path:
    """Return where the lists of the record in a file are."""
    return record.with_name(record.name.removesuffix(".json") + ENDING)


def write_ranked_lists(lists: RankedLists, record: Path) -> Path:
    """Write lists beside the file of their record.

    Raises:
        RecordError: The disk is full or the folder refuses.
    """
    arrays: dict[str, NDArray[Any]] = {name: getattr(lists, name) for name in _ARRAYS}
    arrays["attack"] = np.array(lists.attack)
    for name, content in lists.pictures.items():
        arrays[_PICTURES + name] = np.frombuffer(content, np.uint8)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return publish(ranked_lists_path(record), stream.getvalue())


def load_ranked_lists(record: Path) -> RankedLists | None:
    """Read the lists beside the file of a record; None where a run stored none.

    Raises:
        RecordError: The file is damaged.
    """
    path = ranked_lists_path(record)
    check_link(path, record.parent)
    if not path.is_file():
        return None
    stored = StoredArrays(path)
    if missing := {*_ARRAYS, "attack"} - set(stored):
        raise RecordError(
            f"cannot read the ranked lists in {path}: no {', '.join(sorted(missing))}",
            "restore the file, or remove it to go without ranked lists",
        )
    pictures = PrefixedArrays(stored, _PICTURES)
    arrays = {name: stored[name] for name in _ARRAYS}
    if not _fit(arrays):
        raise RecordError(
            f"cannot read the ranked lists in {path}: its arrays do not fit each other",
            "restore the file, or remove it to go without ranked lists",
        )
    return RankedLists(
        attack=str(stored["attack"]),
        **arrays,
        pictures={name: pictures[name].tobytes() for name in pictures},
    )


def _fit(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether there is one list of each kind for each row."""
    rows, lists = arrays["rows"], [arrays[name] for name in _ARRAYS[1:]]
    return (
        rows.ndim == 1
        and {one.shape for one in lists} == {lists[0].shape}
        and lists[0].shape[:-1] == rows.shape
        and [one.dtype.kind for one in (rows, *lists)] == [*"iiibb"]
    )
