"""The file of statements: who vouches for which records, when, and on what evidence."""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
RecordId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]


def _inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or parts.suffix != ".json":
        raise ValueError(f"{path!r} is no record within the folder of published records")
    return path


RecordPath = Annotated[str, AfterValidator(_inside)]
"""File of a record, relative to the folder of published records. A path and not an id: who repeats
a training with the same seeds gets records of the same id."""


class Statement(BaseModel):
    """One statement about the records of a row."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    records: Annotated[list[RecordId], Field(min_length=1)]
    """Ids of the records that it is about: all seeds of a row."""
    level: Literal["reproduced", "attacked", "superseded", "withdrawn"]
    """What has become of them."""
    by: Words
    """Who did it: a person or a group."""
    date: date
    """When."""
    reason: Words
    """What was done and found, in one sentence."""
    url: Annotated[str, Field(pattern=r"^https://\S+$", max_length=500)]
    """Where it can be read."""
    evidence: list[RecordPath] = Field(default_factory=list)
    """Records of the reproduction, of the adaptive attack, or those that take their place."""
    run_by: Words | None = None
    """Who ran the records that were reproduced."""
    within: Annotated[float, Field(gt=0, le=5)] | None = None
    """Points by which clean and worst-case mAP of a reproduction may differ, means over seeds."""

    @model_validator(mode="after")
    def _is_backed(self) -> Self:
        reproduced = self.level == "reproduced"
        if {self.run_by is not None, self.within is not None} != {reproduced}:
            raise ValueError("run_by and within belong to level reproduced, both of them")
        if reproduced and self.by.casefold() == (self.run_by or "").casefold():
            raise ValueError(f"{self.by!r} ran the records: reproduced is what another party does")
        if self.level in ("reproduced", "superseded") and not self.evidence:
            raise ValueError(f"level {self.level} needs evidence: the other records")
        return self


class Statements(BaseModel):
    """All statements."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    statements: list[Statement]
    """In any order."""
