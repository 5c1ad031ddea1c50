"""The papers behind the rows and attacks of boards, from the cards of their plugins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmark.core.references import Reference
    from results.board.boards import Board
    from results.report.publication import Publication


def references_of(boards: Sequence[Board]) -> dict[str, tuple[Publication, ...]]:
    """Return the papers of all defenses and attacks of boards, by ``defense/ddid``.

    Plugins that are not installed are asked for by the cards in their records; of an attack that
    is not installed nothing is known.
    """
    from benchmark.core.registry import ATTACKS, DEFENSES
    from results.render.bibtex import plugins_of

    records = (record for board in boards for record in board.records)
    cards = {f"defense/{one.defense.name}": one.defense.card for one in records}
    found: dict[str, tuple[Publication, ...]] = {}
    for plugin in dict.fromkeys(name for board in boards for name in plugins_of(board)):
        kind, _, name = plugin.partition("/")
        known = _of_plugin(DEFENSES if kind == "defense" else ATTACKS, name)
        found[plugin] = known or _of_record(cards.get(plugin, {}).get("references"))
    return found


def publications(references: Iterable[Reference]) -> tuple[Publication, ...]:
    """Return references as the results show them."""
    from results.report.publication import Publication

    return tuple(Publication(**one.model_dump()) for one in references)


def _of_plugin(registry: Any, name: str) -> tuple[Publication, ...]:
    from benchmark.core.errors import BenchmarkError
    from benchmark.core.references import resolved

    try:
        return publications(resolved(registry.get(name).card.references))
    except BenchmarkError:  # not installed, or it does not import: its rows are shown all the same
        return ()


def _of_record(card: object) -> tuple[Publication, ...]:
    from pydantic import ValidationError

    from benchmark.core.references import Reference, bibliography

    found = []
    for one in card if isinstance(card, list) else ():
        if isinstance(one, str) and one in bibliography():
            found.append(bibliography()[one])
        elif isinstance(one, dict):
            try:
                found.append(Reference.model_validate(one))
            except ValidationError:  # a stranger's: left out rather than trusted
                continue
    return publications(found)
