"""What is said of a submission beside its records: by whom, when, and what was acknowledged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from results.errors import RecordError
from results.records.file_limits import read_limited
from results.records.printable import printable
from results.records.schema import Record
from results.records.store import SUBMISSION_FILE, check_link
from results.records.text_rules import Name
from results.submission.problem import Problem

_LARGEST_SUBMISSION = 2**20
_LARGEST_PART = 256 * 2**20
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PartName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+-][A-Za-z0-9._+-]*$", max_length=255)]


class Submission(BaseModel):
    """The content of ``submission.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    by: Name
    """Who submits, as they want to be named."""
    date: date
    """Day of the submission."""
    acknowledged: list[Name]
    """Sanity flags of the records that the submitter has seen and explains."""
    is_reproduction: bool
    """Whether the records repeat published ones, by somebody else or on another machine."""
    environment: dict[Name, Any]
    """Versions and device with which the records were checked."""
    files: dict[PartName, Sha256]
    """SHA-256 of every other file of the folder."""


def read_submission(folder: Path) -> Submission | None:
    """Return the submission of a folder; None where there is none.

    Raises:
        RecordError: It cannot be read or is none.
    """
    path = folder / SUBMISSION_FILE
    check_link(path, folder)
    if not path.is_file():
        return None
    try:
        return Submission.model_validate_json(read_limited(path, _LARGEST_SUBMISSION))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = printable(".".join(map(str, first["loc"])))
        raise RecordError(
            f"{path}: {where}: {printable(first['msg'])}", "make it anew with the command submit"
        ) from error
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read {path}: {error}", "restore the file") from error


def submission_text(submission: Submission) -> str:
    """Return a submission as JSON."""
    return json.dumps(submission.model_dump(mode="json"), indent=1) + "\n"


def submission_problems(folder: Path, records: Sequence[Record]) -> Iterator[Problem]:
    """Yield what does not fit between a folder, its records and its submission.

    Raises:
        RecordError: As `read_submission`.
    """
    submission = read_submission(folder)
    if submission is None:
        return
    again = "make the folder anew with the command submit"
    for name, sha256 in submission.files.items():
        path = folder / name
        check_link(path, folder)
        if not path.is_file():
            yield Problem(f"{name}, which {SUBMISSION_FILE} lists, is missing", again)
        elif sha256_of(path) != sha256:
            yield Problem(f"{name} is not what {SUBMISSION_FILE} says: it was changed", again)
    for path in sorted(folder.iterdir()):
        if path.name != SUBMISSION_FILE and path.name not in submission.files:
            yield Problem(f"{printable(path.name)} is not listed in {SUBMISSION_FILE}", again)
    yield from unacknowledged(records, submission.acknowledged)


def unacknowledged(records: Sequence[Record], acknowledged: Sequence[str]) -> Iterator[Problem]:
    """Yield the sanity flags of records that nobody has acknowledged."""
    raised = [flag for record in records for flag in flags_of(record)]
    for flag in sorted(set(raised) - set(acknowledged)):
        yield Problem(
            f"the flag {printable(flag)} is raised {raised.count(flag)} times and not acknowledged",
            f"mend its cause, or explain it in the pull request and add --acknowledge {flag}",
        )


def flags_of(record: Record) -> list[str]:
    """Return the ids of all flags of a record, of its attacks and other data sets, too."""
    attacks = [*record.attacks, *(one for other in record.cross_dataset for one in other.attacks)]
    found = [*record.flags, *(flag for attack in attacks for flag in attack.flags)]
    return [flag.id for flag in found]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file of a submission.

    Raises:
        RecordError: It cannot be read or is too large.
    """
    try:
        return hashlib.sha256(read_limited(path, _LARGEST_PART)).hexdigest()
    except (OSError, ValueError) as error:
        raise RecordError(f"cannot read {path}: {error}", "check the file") from error
