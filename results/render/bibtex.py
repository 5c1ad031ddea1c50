"""A bibliography of the papers behind a board."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from results.board.boards import Board
from results.render.tex import tex_text
from results.report.publication import Publication

_VENUE = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}
_INSIDE_URL = re.compile(r"[^A-Za-z0-9:/?#@!$&'()*+,;=._~%-]")


def bibtex(references: Iterable[Publication]) -> str:
    """Return an entry for each paper, in the order of their keys; another one of a key is numbered.

    Everything is ASCII, so that BibTeX and Biber read it alike.
    """
    named: dict[str, Publication] = {}
    for one in references:
        key, number = one.key, 1
        while named.setdefault(key, one) != one:
            number += 1
            key = f"{one.key}-{number}"
    return "\n\n".join(_entry(key, named[key]) for key in sorted(named)) + "\n" * bool(named)


def bibliography_text(references: Mapping[str, Sequence[Publication]]) -> str:
    """Return the file of a board: which plugin goes back to which papers, and their entries.

    Args:
        references: By plugin, such as ``defense/ddid``.
    """
    lines = [
        f"% {re.sub(r'[^A-Za-z0-9:/._ -]', '-', plugin)}: {', '.join(one.key for one in papers)}"
        for plugin, papers in sorted(references.items())
        if papers
    ]
    entries = bibtex(one for papers in references.values() for one in papers)
    return "\n".join([*lines, "", entries]) if lines else "% no references\n"


def board_bibliography(board: Board, references: Mapping[str, Sequence[Publication]]) -> str:
    """Return the file of one board; of `references` it takes what its plugins go back to."""
    return bibliography_text({name: references.get(name, ()) for name in plugins_of(board)})


def plugins_of(board: Board) -> list[str]:
    """Return the defenses and attacks of a board: ``defense/ddid``, ``attack/sma``."""
    defenses = (f"defense/{record.defense.name}" for record in board.records)
    attacks = (f"attack/{attack.name}" for attack in (*board.attacks, *board.apart))
    return list(dict.fromkeys([*defenses, *attacks]))


def _entry(key: str, one: Publication) -> str:
    authors = [tex_text(author) for author in one.authors] + ["others"] * one.others
    fields = {
        "author": " and ".join(authors),
        "title": f"{{{tex_text(one.title)}}}",  # braces keep its capitals
        _VENUE[one.kind]: tex_text(one.venue),
        "year": str(one.year),
    }
    scheme, _, value = one.identifier.partition(":")
    if scheme == "arXiv":
        fields |= {"eprint": value, "archiveprefix": "arXiv"}
    elif scheme == "doi":
        fields["doi"] = tex_text(value)
    if one.link:
        fields["url"] = _INSIDE_URL.sub(_percent, one.link)
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@{one.kind}{{{key},", *lines, "}"])


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())
