"""Papers behind plugins: what a card refers to, as data that a bibliography can be made of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from benchmark.core.errors import unknown_name

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Reference(BaseModel):
    """A paper."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    key: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
    """Name in a bibliography: first author, year, and a word where that is not enough."""
    authors: Annotated[tuple[Words, ...], Field(min_length=1)]
    """In order, ``Family, Given``."""
    others: bool = False
    """Whether there are more authors than those listed."""
    title: Words
    """As published."""
    kind: Literal["article", "inproceedings", "misc"] = "inproceedings"
    """``article`` of a journal, paper of a conference, or else."""
    venue: Words
    """Journal or conference, ``arXiv`` where it is nowhere else."""
    year: Annotated[int, Field(ge=1900, le=2100)]
    """Of the venue."""
    identifier: Annotated[str, Field(pattern=r"^(arXiv:\d{4}\.\d{4,5}|doi:10\.\S+)?$")] = ""
    """``arXiv:1901.10650`` or ``doi:10.1000/182``; empty if there is none."""
    url: Annotated[str, Field(pattern=r"^(https://\S+)?$", max_length=500)] = ""
    """Where it is, if not where the identifier leads."""


@cache
def bibliography() -> dict[str, Reference]:
    """Return the papers that come with the project, by key."""
    import yaml  # slow, and only wanted where references are shown

    text = (files("benchmark.core") / "references.yaml").read_text("utf-8")
    return {
        key: Reference.model_validate({"key": key, **fields})
        for key, fields in yaml.safe_load(text).items()
    }


def resolved(references: Iterable[str | Reference]) -> tuple[Reference, ...]:
    """Return the papers that a card refers to.

    Args:
        references: Keys of the project's bibliography, or papers.

    Raises:
        UsageError: A key is not in the bibliography; the closest ones are given.
    """
    return tuple(one if isinstance(one, Reference) else _known(one) for one in references)


def _known(key: str) -> Reference:
    known = bibliography()
    if key not in known:
        raise unknown_name("reference", key, known)
    return known[key]
