"""The usual compiled way to rank, rebuilt as a yardstick from torchreid's description of it.

The whole distance matrix is sorted with its indices, and every ranked image is marked as match or
not in a matrix of the same size. Compiled code walks along each row: it leaves out the query's
identity in its own camera, sums up the hits for the cumulative matching curve, and again for the
precision at every place, in float32.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmark.bench.embedding_split import EmbeddingSplit

_WALK = """
#include <math.h>
#include <stdlib.h>

void walk(const long long *order, const long long *match,
          const long long *query_pids, const long long *query_camids,
          const long long *gallery_pids, const long long *gallery_camids,
          long long queries, long long gallery, long long places, float *cmc, float *ap)
{
    float *hits = malloc(gallery * sizeof(float)), *sums = malloc(gallery * sizeof(float));
    for (long long q = 0; q < queries; q++) {
        const long long *row = order + q * gallery, *is_match = match + q * gallery;
        long long kept = 0, k;
        for (k = 0; k < gallery; k++)
            if (gallery_pids[row[k]] != query_pids[q] || gallery_camids[row[k]] != query_camids[q])
                hits[kept++] = is_match[k];
        float found = 0, total = 0;
        for (k = 0; k < kept; k++)
            sums[k] = found += hits[k];
        for (k = 0; k < places && k < kept; k++)
            cmc[q * places + k] = sums[k] > 1 ? 1 : sums[k];
        for (k = 0; k < kept; k++)
            total += sums[k] / (k + 1) * hits[k];
        ap[q] = found ? total / found : NAN;
    }
    free(hits);
    free(sums);
}
"""

_PLACES = 50
"""Length of the cumulative matching curve."""


def compiler() -> str | None:
    """Return the C compiler of this machine, if there is one."""
    return shutil.which("cc")


def compiled_ranking(split: EmbeddingSplit) -> NDArray[np.float64]:
    """Return the average precision of each query, (Q,); NaN without a match.

    Needs a C `compiler`.
    """
    walk = _compiled_walk()
    with torch.no_grad():
        query = F.normalize(torch.from_numpy(split.query))
        gallery = F.normalize(torch.from_numpy(split.gallery))
        distances = (1 - query @ gallery.T).numpy()
    order = np.argsort(distances, axis=1)
    matches = (split.gallery_pids[order] == split.query_pids[:, None]).astype(np.int64)
    ap, cmc = np.empty(len(query), np.float32), np.zeros((len(query), _PLACES), np.float32)
    inputs = (order, matches, split.query_pids, split.query_camids)
    gallery_labels = (split.gallery_pids, split.gallery_camids)
    sizes = map(ctypes.c_longlong, (*order.shape, _PLACES))
    walk(*map(_pointer, inputs + gallery_labels), *sizes, _pointer(cmc), _pointer(ap))
    return ap.astype(np.float64)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


@cache
def _compiled_walk() -> Callable[..., object]:
    found = compiler()
    if found is None:
        raise RuntimeError("no C compiler")
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "walk.c"), Path(folder, "walk.so")
        source.write_text(_WALK)
        subprocess.run([found, "-O3", "-shared", "-fPIC", "-o", library, source], check=True)
        walk: Callable[..., object] = ctypes.CDLL(str(library)).walk
        return walk
