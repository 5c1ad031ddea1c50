"""Write a submission: one new folder, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from results.errors import RecordError, WriteRefusedError
from results.records.file_limits import read_limited
from results.records.schema import Record
from results.records.store import SUBMISSION_FILE, per_query_path
from results.submission.submission_file import Submission, sha256_of, submission_text

_LARGEST = 256 * 2**20


def submitted_files(records: Sequence[tuple[Path, Record]]) -> dict[str, Path]:
    """Return the files of some records by the names that they have in a submission.

    Raises:
        RecordError: Two files have one name, or one leads out of its folder.
    """
    found: dict[str, Path] = {}
    for path, record in records:
        named = [record.per_query, *(one.per_query for one in record.cross_dataset)]
        beside = [one for name in named if (one := per_query_path(path, name)) is not None]
        for one in (path, *beside):
            if found.setdefault(one.name, one) != one:
                raise RecordError(f"two files are called {one.name}", "submit one run folder")
    return found


def write_submission(
    target: Path,
    files: Mapping[str, Path],
    further: Mapping[str, bytes],
    submission: Submission,
) -> Path:
    """Write the folder of a submission beside its place, and move it there in one step.

    Args:
        target: The new folder.
        files: Files to copy, by their names in it.
        further: Contents of further files, by their names.
        submission: What is said of it; its `files` are filled in here.

    Raises:
        RecordError: The folder is there already: nothing that is published is ever replaced.
        WriteRefusedError: The disk is full, or refuses.
    """
    if os.path.lexists(target):
        raise RecordError(f"{target} is there already", "choose another folder with --output")
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        partial.chmod(0o755)
        contents = {name: read_limited(path, _LARGEST) for name, path in files.items()}
        for name, content in {**contents, **further}.items():
            (partial / name).write_bytes(content)
        hashes = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
        said = submission.model_copy(update={"files": hashes})
        (partial / SUBMISSION_FILE).write_text(submission_text(said), "utf-8")
        partial.rename(target)  # refused by the system where somebody was faster
    except (OSError, ValueError) as error:
        raise WriteRefusedError(
            f"cannot write {target}: {getattr(error, 'strerror', None) or error}",
            "check the disk, or choose another folder with --output",
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return target
