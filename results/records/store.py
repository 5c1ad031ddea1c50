"""Records on disk: one JSON each, with the outcome of every query in an NPZ file beside it."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results.errors import RecordError
from results.records.arrays import PrefixedArrays, StoredArrays
from results.records.atomic import publish
from results.records.file_limits import read_limited
from results.records.printable import printable
from results.records.record_json import parse_record
from results.records.schema import Record

RECORDS_FOLDER = "records"
SUBMISSION_FILE = "submission.json"
"""Beside records that were submitted: by whom, and when."""
LARGEST_RECORD = 8 * 2**20
MOST_RECORDS = 100_000
"""Of a folder."""
_RECORD_NAME = re.compile(r".+--.+--seed\d+--[0-9a-f]{8}\.json")


@dataclass(frozen=True)
class PerQuery:
    """Outcome of each query of one data set.

    Attributes:
        queries: (Q,) file names.
        pids: int64 (Q,) identities.
        camids: int64 (Q,) cameras.
        ap: By attack key (``clean``, ``sma@8``): float64 (Q,) in [0, 1], NaN without a match;
            ``sma@8#1`` for attack seed 1, where an attack was measured with several.
        rank: By attack key: int64 (Q,), 1-based rank of the first match, 0 without a match.
    """

    queries: NDArray[np.str_]
    pids: NDArray[np.int64]
    camids: NDArray[np.int64]
    ap: Mapping[str, NDArray[np.float64]]
    rank: Mapping[str, NDArray[np.int64]]


def record_name(record: Record) -> str:
    """Return the file name of a record, without its ending."""
    parts = (record.defense.name, record.dataset, f"seed{record.seed}", record.id[:8])
    return "--".join(map(_plain, parts))


def write_record(
    record: Record,
    output_dir: Path,
    per_query: Mapping[str, PerQuery] | None = None,
) -> Path:
    """Write a record, and its per-query outcomes if given, under ``output_dir/records``.

    NPZ files go first: a record on disk never points to a file that is not there.

    Args:
        record: What to write; its `per_query` is set here, on every data set.
        output_dir: Folder of the run.
        per_query: Outcome of each query by the data set that it was tested on.

    Returns:
        Path of the JSON file.

    Raises:
        RecordError: The disk is full or the folder refuses.
        ValueError: The per-query arrays differ in length.
    """
    folder, name = output_dir / RECORDS_FOLDER, record_name(record)

    def beside(dataset: str, ending: str) -> dict[str, str | None]:
        outcomes = (per_query or {}).get(dataset)
        if outcomes is None:
            return {"per_query": None}
        return {"per_query": publish(folder / f"{name}{ending}", _npz(outcomes)).name}

    others = [
        one.model_copy(update=beside(one.dataset, f".{_plain(one.dataset)}.per_query.npz"))
        for one in record.cross_dataset
    ]
    own = beside(record.dataset, ".per_query.npz")
    record = record.model_copy(update={"cross_dataset": others, **own})
    text = json.dumps(record.model_dump(mode="json"), indent=1, allow_nan=False)
    return publish(folder / f"{name}.json", f"{text}\n".encode())


def load_record(path: Path) -> Record:
    """Read and check one record.

    Raises:
        RecordError: The file is missing, is not JSON, or does not follow the schema.
    """
    try:
        text = read_limited(path, LARGEST_RECORD).decode()
    except OSError as error:
        raise RecordError(
            f"cannot read {path}: {error.strerror or error}", "check the path"
        ) from error
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{path} is not JSON: {error}", "restore the file, or delete it and run again"
        ) from error
    except ValueError as error:
        raise RecordError(f"{path} is no record: {error}", "remove or replace the file") from error
    return parse_record(text, path)


def read_records(folders: Iterable[Path]) -> list[Record]:
    """Read every record of several folders, in the order of their paths.

    A folder that holds ``records/`` stands for that, and a folder named ``records`` is searched
    with all its sub-folders. Another folder holds records, too, and in its sub-folders, unless
    hidden, are those files that have the name of a record. A path of a file is read as a record.
    The same record found twice (same id) is returned once.

    Raises:
        RecordError: A folder is missing, or a file is not a record: none is skipped silently.
    """
    return [record for _, record in read_record_files(folders)]


def read_record_files(folders: Iterable[Path]) -> list[tuple[Path, Record]]:
    """Read what `read_records` does; return each record with its file.

    Raises:
        RecordError: As `read_records`.
    """
    found: dict[str, tuple[Path, Record]] = {}
    for folder in folders:
        for path in record_files(folder):
            record = load_record(path)
            found.setdefault(record.id, (path, record))
    return list(found.values())


def per_query_path(record_file: Path, name: str | None) -> Path | None:
    """Return where the per-query file that a record names is; None where there is none.

    Raises:
        RecordError: It is a link that leads out of the folder of the record.
    """
    if name is None:
        return None
    path = record_file.with_name(name)
    check_link(path, record_file.parent)
    return path if path.is_file() else None


def load_per_query(path: Path) -> PerQuery:
    """Read the per-query file that a record names; its outcomes are read when they are asked for.

    Raises:
        RecordError: The file is missing or is not such a file.
    """
    arrays = StoredArrays(path)
    missing = {"queries", "pids", "camids"} - set(arrays)
    if missing:
        raise RecordError(
            f"cannot read the per-query outcomes in {path}: no {', '.join(sorted(missing))}",
            "restore the file, or run again to make it anew",
        )
    queries, pids, camids = arrays.read(("queries", "pids", "camids"))
    shapes = {queries.shape, pids.shape, camids.shape}
    kinds = (queries.dtype.kind, pids.dtype.kind, camids.dtype.kind)
    if len(shapes) > 1 or queries.ndim != 1 or kinds != ("U", "i", "i"):
        raise RecordError(
            f"cannot read the per-query outcomes in {path}: queries, pids and camids are no lists "
            "of one length",
            "restore the file, or run again to make it anew",
        )
    check = partial(_check_outcomes, queries.shape)
    ap, rank = (PrefixedArrays(arrays, prefix, check) for prefix in ("ap/", "rank/"))
    if alone := sorted(set(ap) ^ set(rank)):
        raise RecordError(
            f"cannot read the per-query outcomes in {path}: AP or ranks of "
            f"{printable(', '.join(alone))} are missing",
            "restore the file, or run again to make it anew",
        )
    return PerQuery(queries, pids, camids, ap, rank)


def check_link(path: Path, folder: Path) -> None:
    """Refuse a link that leads out of a folder.

    Raises:
        RecordError: It is one.
    """
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(folder)
    ):
        raise RecordError(
            f"{path} is a link that leads out of its folder", "put the file itself there"
        )


def _check_outcomes(shape: tuple[int, ...], name: str, values: NDArray[Any]) -> None:
    """Refuse what is no outcome of each query."""
    kind, wanted = ("average precision", np.float64) if name.startswith("ap/") else ("rank", int)
    if values.shape != shape or values.dtype != wanted:
        raise ValueError(f"{printable(name)} holds no {kind} of each query")
    if np.any(values < 0) or (wanted is np.float64 and np.any(values > 1)):
        raise ValueError(f"{printable(name)} holds what is no {kind}")
    if wanted is np.float64 and np.all(np.isnan(values)):
        raise ValueError(f"{printable(name)} counts no query")


def _plain(part: str) -> str:
    """Return what may stand in the name of a file."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", part)


def _npz(per_query: PerQuery) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        "queries": np.asarray(per_query.queries, dtype=np.str_),
        "pids": np.asarray(per_query.pids, dtype=np.int64),
        "camids": np.asarray(per_query.camids, dtype=np.int64),
    }
    arrays |= {f"ap/{key}": np.asarray(ap, np.float64) for key, ap in per_query.ap.items()}
    arrays |= {f"rank/{key}": np.asarray(rank, np.int64) for key, rank in per_query.rank.items()}
    ragged = [key for key, values in arrays.items() if values.shape != arrays["queries"].shape]
    if ragged:
        raise ValueError(f"per-query arrays differ in length: {', '.join(ragged)}")
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def record_files(folder: Path) -> list[Path]:
    """Return the files that `read_records` reads of a folder.

    Raises:
        RecordError: The folder is missing, holds too many, or a link that leads out of it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise RecordError(f"there is no folder {folder}", "give the --output folder of a run")
    if (folder / RECORDS_FOLDER).is_dir():
        folder = folder / RECORDS_FOLDER
    whole = folder.name == RECORDS_FOLDER
    found = sorted(
        path
        for path in folder.rglob("*.json")
        if path.name != SUBMISSION_FILE
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (whole or path.parent == folder or _RECORD_NAME.fullmatch(path.name))
    )
    if len(found) > MOST_RECORDS:
        raise RecordError(
            f"{folder} holds {len(found)} records; {MOST_RECORDS} are read at most",
            "name the folders that you want to see",
        )
    for path in found:
        check_link(path, folder)
    return found
