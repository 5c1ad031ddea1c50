"""The level of trust of a row: its step of the ladder, and who says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError

from results.claims.load import Claim
from results.errors import RecordError
from results.records.schema import Record
from results.trust.schema import Statement, Statements

Level = Literal["claimed", "run", "reproduced", "attacked", "superseded", "withdrawn"]

MEANINGS: dict[Level, str] = {
    "claimed": "claimed, not measured here",
    "run": "run by the harness",
    "reproduced": "reproduced by another party",
    "attacked": "an adaptive attack by another party was attempted",
    "superseded": "superseded by later records",
    "withdrawn": "withdrawn",
}
"""The ladder from its foot up, then what takes a row off it."""
_STEPS = tuple(MEANINGS)
_OFF = ("withdrawn", "superseded")

Stated = Mapping[str, "tuple[Trust, ...]"]
"""What was stated about records, by their ids."""


@dataclass(frozen=True)
class Trust:
    """How far a row may be trusted.

    Attributes:
        level: Its step.
        by: Who says so; empty for what the harness ran and nobody looked at since.
        date: When, as ``2026-11-28``.
        reason: What was done and found.
        url: Where it can be read.
    """

    level: Level
    by: str = ""
    date: str = ""
    reason: str = ""
    url: str = ""

    @property
    def is_ranked(self) -> bool:
        """Whether the row competes: for the best of a column, and in tie groups."""
        return self.level not in ("claimed", *_OFF)

    @property
    def remark(self) -> str:
        """The level with who, when and why in one line."""
        told = ", ".join(part for part in (self.by, self.date) if part)
        head = f"{MEANINGS[self.level]}{f' ({told})' if told else ''}"
        return ": ".join(part for part in (head, f"{self.reason} {self.url}".strip()) if part)


RUN = Trust("run")


def trust_of(records: Iterable[Record], stated: Stated | None = None) -> Trust:
    """Return the trust of a row: that of the least trusted of its records.

    A record stands on the highest step that was stated of it, unless it is off the ladder.

    Args:
        records: The records of a row, of one seed each.
        stated: What was stated; the statements of this project if left out.
    """
    known = shipped() if stated is None else stated
    return min((_of_record(known.get(one.id, ())) for one in records), key=_height, default=RUN)


def trust_of_claim(claim: Claim) -> Trust:
    """Return the trust of published numbers: the foot of the ladder."""
    return Trust("claimed", claim.source.source, "", claim.source.provenance, claim.source.url)


@cache
def shipped() -> Stated:
    """Return the statements of this project."""
    return by_record(read_statements(Path(str(files("results.trust") / "statements.yaml"))))


def read_statements(path: Path) -> list[Statement]:
    """Read a file of statements.

    Raises:
        RecordError: It cannot be read, or a statement lacks something.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
        return Statements.model_validate(content).statements
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise RecordError(f"cannot read {path}: {problem}", "mend the file") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise RecordError(f"{path}: {where}: {message}", "see docs/trust.md") from error


def by_record(statements: Iterable[Statement]) -> Stated:
    """Sort statements by the records that they are about."""
    found: dict[str, tuple[Trust, ...]] = {}
    for one in statements:
        trust = Trust(one.level, one.by, one.date.isoformat(), one.reason, one.url)
        for record in one.records:
            found[record] = (*found.get(record, ()), trust)
    return found


def _of_record(stated: tuple[Trust, ...]) -> Trust:
    off = [one for one in stated if one.level in _OFF]
    if off:
        return min(off, key=_height)
    return max(stated, key=lambda one: (_height(one), one.date), default=RUN)


def _height(trust: Trust) -> int:
    return _OFF.index(trust.level) - len(_OFF) if trust.level in _OFF else _STEPS.index(trust.level)
