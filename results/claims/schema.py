"""The file of a source: which numbers it published, of what, and how they came here."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from results.records.retrieval import Percent
from results.records.text_rules import Name

CLEAN = "clean"


def _known_key(key: str) -> str:
    attack, at, eps = key.rpartition("@")
    if key != CLEAN and not (attack and at and eps.replace(".", "", 1).isdigit()):
        raise ValueError(f"{key!r} is neither {CLEAN!r} nor ATTACK@EPS")
    return key


Key = Annotated[str, AfterValidator(_known_key)]
"""``clean``, or an attack and its budget in 1/255 units: ``sma@8``."""
Numbers = tuple[Percent | None, Percent | None]
"""mAP and rank-1 in percent; null where one was not published."""


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class ClaimedTable(_Part):
    """Numbers of one data set and one network."""

    where: Name
    """Place within the source, such as ``table 2``."""
    dataset: Name
    """Registry name of the data set that was tested on."""
    trained_on: Name | None = None
    """Registry name of another data set that was trained on."""
    backbone: Name
    """Registry name of the network, or the source's own where there is none here."""
    setting: str = ""
    """What differs from attacks on queries that are kept as 8-bit images."""
    rows: Annotated[dict[Name, dict[Key, Numbers]], Field(min_length=1)]
    """Numbers by method, ``none`` without a defense, and by attack; registry names of both where
    the same thing is here."""

    @property
    def tested(self) -> str:
        """The data sets, as the records of a board name them."""
        return f"{self.trained_on} → {self.dataset}" if self.trained_on else self.dataset


class FurtherTable(_Part):
    """Numbers of another kind than mAP and rank-1 under an attack: no board stands beside them."""

    where: Name
    """Place within the source."""
    dataset: Name
    """Data set as the source calls it."""
    setting: str = ""
    """What was done."""
    columns: Annotated[list[Name], Field(min_length=1)]
    """What the numbers of a row are, with their unit."""
    rows: Annotated[dict[Name, list[float]], Field(min_length=1)]
    """Numbers by method, one for each column."""

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        if any(len(numbers) != len(self.columns) for numbers in self.rows.values()):
            raise ValueError(f"{self.where}: a row has not as many numbers as there are columns")
        return self


class Source(_Part):
    """A paper or a project with published numbers."""

    source: Name
    """Authors, venue and year."""
    url: Annotated[str, Field(pattern=r"^https://")]
    """Where it is."""
    provenance: Name
    """How the numbers came here; second-hand ones say so."""
    tables: list[ClaimedTable] = Field(default_factory=list)
    """mAP and rank-1."""
    further: list[FurtherTable] = Field(default_factory=list)
    """Numbers of other kinds."""

    @model_validator(mode="after")
    def _has_numbers(self) -> Self:
        if not self.tables and not self.further:
            raise ValueError("a source without numbers claims nothing")
        return self
