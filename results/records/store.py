"""Records on disk: one JSON each, with the outcome of every query in an NPZ file beside it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from results.errors import RecordError
from results.records.arrays import PrefixedArrays, StoredArrays
from results.records.atomic import publish
from results.records.migration import migrated
from results.records.schema import SCHEMA_VERSION, Record

RECORDS_FOLDER = "records"
_SHOWN_PROBLEMS = 3
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
    return "--".join(re.sub(r"[^A-Za-z0-9._+-]+", "-", part) for part in parts)


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
        one.model_copy(update=beside(one.dataset, f".{one.dataset}.per_query.npz"))
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
        text = path.read_text(encoding="utf-8")
        if (present := _present(text)) is not None:
            return present
        content = json.loads(text, parse_constant=_refuse_constant)
    except OSError as error:
        raise RecordError(
            f"cannot read {path}: {error.strerror or error}", "check the path"
        ) from error
    except ValueError as error:
        raise RecordError(
            f"{path} is not JSON: {error}", "restore the file, or delete it and run again"
        ) from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema version {version}; this installation reads {SCHEMA_VERSION}",
            "upgrade reid-robustbench",
        )
    try:
        return Record.model_validate_json(json.dumps(migrated(content)), strict=True)
    except ValidationError as error:
        raise RecordError(
            f"{path} is not a record of schema version {version}: {_problems(error)}",
            "mend the named keys, or delete the file and run again",
        ) from error


def _present(text: str) -> Record | None:
    """Return a record of the present version; None for all else, which wants a closer look."""
    if "NaN" in text or "Infinity" in text:
        return None
    try:
        return Record.model_validate_json(text, strict=True)
    except ValidationError:
        return None


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
        for path in _json_files(folder):
            record = load_record(path)
            found.setdefault(record.id, (path, record))
    return list(found.values())


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
    return PerQuery(
        queries, pids, camids, PrefixedArrays(arrays, "ap/"), PrefixedArrays(arrays, "rank/")
    )


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


def _json_files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise RecordError(f"there is no folder {folder}", "give the --output folder of a run")
    if (folder / RECORDS_FOLDER).is_dir():
        folder = folder / RECORDS_FOLDER
    whole = folder.name == RECORDS_FOLDER
    return sorted(
        path
        for path in folder.rglob("*.json")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (whole or path.parent == folder or _RECORD_NAME.fullmatch(path.name))
    )


def _problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False)[:_SHOWN_PROBLEMS]:
        where = ".".join(str(part) for part in problem["loc"])
        lines.append(f"{where}: {problem['msg']}" if where else problem["msg"])
    hidden = error.error_count() - len(lines)
    return "; ".join(lines) + (f"; and {hidden} more" if hidden else "")


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
