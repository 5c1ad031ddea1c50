"""The embeddings that a run kept of a few queries of a record and of the gallery."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.core.errors import DataError
from benchmark.runner.output import OutputFolder
from benchmark.runner.recomputed import planned
from benchmark.runner.reranked_sample import sampled_rows
from benchmark.runner.store import CellStore
from results.records.schema import Record
from results.submission.sampled_embeddings import SampledEmbeddings

LARGEST_MIB = 50


def kept_embeddings(run_dir: Path, record: Record) -> SampledEmbeddings:
    """Return the clean embeddings with which a few queries of a record can be ranked anew.

    Args:
        run_dir: Output folder of the run.
        record: A record of its last configuration, whose plugins are loaded.

    Raises:
        DataError: The folder does not hold them, or they are too large to be published.
    """
    plan, datasets = planned(OutputFolder(run_dir).config, is_own=True)
    trial = next((one for one in plan.trials if plan.record_id(one) == record.id), None)
    store = CellStore(OutputFolder(run_dir).cells)
    cell = None if trial is None else store.find(trial.clean[record.dataset].fingerprint)
    if cell is None:
        raise DataError(
            f"{run_dir} holds no embeddings of the record {record.id[:8]}",
            "repeat the last run of that folder, or submit without --embeddings",
        )
    arrays = cell.arrays("query_embeddings", "gallery_embeddings")
    gallery = np.asarray(arrays["gallery_embeddings"], np.float32)
    if gallery.nbytes > LARGEST_MIB * 2**20:
        raise DataError(
            f"the embeddings of the gallery have {gallery.nbytes / 2**20:.0f} MiB; "
            f"{LARGEST_MIB} MiB are published at most",
            "submit without --embeddings",
        )
    labels = datasets.labels(record.dataset, "gallery")
    rows = sampled_rows(record, len(arrays["query_embeddings"]))
    return SampledEmbeddings(
        rows=rows,
        query=np.asarray(arrays["query_embeddings"][rows], np.float32),
        gallery=gallery,
        gallery_pids=np.array([one.pid for one in labels], np.int64),
        gallery_camids=np.array([one.camid for one in labels], np.int64),
        gallery_junk=np.array([one.junk for one in labels], np.bool_),
        gallery_distractor=np.array([one.distractor for one in labels], np.bool_),
    )
