"""The ranked lists that are kept with a record: those of its strongest attack."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.core.image_set import ImageSet
from benchmark.runner.attack_seeds import seeded_attacks
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import Trial
from benchmark.runner.store import CellStore
from results.records.ranked_lists import RankedLists
from results.records.schema import Record

LISTED = ("listed_rows", "listed_clean", "listed_attacked")
"""Arrays of an attacked data set; older cells lack them."""
IMAGES = "listed_images"

_LARGEST_PIXELS = 128
"""Height of a picture; larger images are shrunk."""
_JPEG_QUALITY = 88


def ranked_lists_of(
    record: Record, trial: Trial, store: CellStore, datasets: RunDatasets
) -> RankedLists | None:
    """Return the lists under the attack that leaves least; None where no cell has any.

    Args:
        record: What was measured.
        trial: Its cells, finished.
        store: Where they are.
        datasets: The data sets.
    """
    keys = record.worst_case.attacks if record.worst_case is not None else []
    results = [one for one in record.attacks if one.key in keys] or record.attacks
    if not results:
        return None
    strongest = min(results, key=lambda one: one.map).key
    attacks = seeded_attacks(trial.attacks[record.dataset])
    cell = next(one.example for one in attacks if one.key == strongest)
    stored = store.get(cell.fingerprint)
    names = stored.array_names()
    if not set(LISTED) <= set(names):
        return None
    arrays = stored.arrays(*LISTED, *({IMAGES} & set(names)))
    rows, clean, attacked = (arrays[name] for name in LISTED)
    query, gallery = (datasets.split(record.dataset, split) for split in ("query", "gallery"))
    pictures = {}
    if datasets.dataset(record.dataset).rendered:
        pictures = dict(_pictures(query, gallery, rows, (clean, attacked), arrays.get(IMAGES)))
    return RankedLists(
        attack=strongest,
        rows=rows,
        clean=clean,
        attacked=attacked,
        clean_match=_matches(query.pids[rows], clean, gallery),
        attacked_match=_matches(query.pids[rows], attacked, gallery),
        pictures=pictures,
    )


def _matches(
    pids: NDArray[np.int64], lists: NDArray[np.int64], gallery: ImageSet
) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (gallery.pids[lists] == pids[:, None]) & gallery.people[lists]
    return found & (lists >= 0)


def _pictures(
    query: ImageSet,
    gallery: ImageSet,
    rows: NDArray[np.int64],
    lists: tuple[NDArray[np.int64], NDArray[np.int64]],
    adversarial: NDArray[np.uint8] | None,
) -> Iterator[tuple[str, bytes]]:
    for place, row in enumerate(rows):
        yield f"query/{row}", _picture(query.pixels(rows[place : place + 1])[0], "PNG")
        if adversarial is not None:
            yield f"attacked/{row}", _picture(adversarial[place], "PNG")
    shown = np.unique(np.concatenate([one.ravel() for one in lists]))
    for row in shown[shown >= 0]:
        yield f"gallery/{row}", _picture(gallery.pixels(np.array([row]))[0], "JPEG")


def _picture(pixels: NDArray[np.uint8], kind: str) -> bytes:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((_LARGEST_PIXELS, _LARGEST_PIXELS))
    stream = io.BytesIO()
    image.save(stream, kind, **({"quality": _JPEG_QUALITY} if kind == "JPEG" else {}))
    return stream.getvalue()
