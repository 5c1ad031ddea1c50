"""A paper that a row or an attack goes back to, as pages and bibliographies show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_NAMED = 3
_LINKS = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


@dataclass(frozen=True)
class Publication:
    """A paper.

    Attributes:
        key: Name in a bibliography.
        authors: In order, ``Family, Given``.
        others: Whether there are more authors than those listed.
        title: As published.
        kind: What it was published as.
        venue: Journal or conference.
        year: Of the venue.
        identifier: ``arXiv:1901.10650`` or ``doi:10.1000/182``; empty if there is none.
        url: Where it is, if not where the identifier leads.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int
    others: bool = False
    kind: Literal["article", "inproceedings", "misc"] = "inproceedings"
    identifier: str = ""
    url: str = ""

    @property
    def link(self) -> str:
        """Where it can be read; empty if that is not known."""
        scheme, _, value = self.identifier.partition(":")
        return self.url or (_LINKS[scheme] + value if value else "")

    @property
    def line(self) -> str:
        """Authors, title, venue, year and link in one line."""
        families = [author.partition(",")[0] for author in self.authors]
        many = self.others or len(families) > _NAMED
        names = f"{families[0]} et al." if many else ", ".join(families)
        parts = (f"{names}: {self.title}", f"{self.venue} {self.year}", self.link)
        return ", ".join(part for part in parts if part)
