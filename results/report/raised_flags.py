"""The sanity flags of some records, each once, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from results.records.schema import Record
from results.report.content import FlagHelp, Glossary, RaisedFlag, Sighting

_NO_HELP = FlagHelp("", "")


def raised_flags(records: Sequence[Record], words: Glossary) -> tuple[RaisedFlag, ...]:
    """Return the flags of the records of a row with all that made them rise.

    Args:
        records: Of several, each sighting names its training seed.
        words: What flags stand for.
    """
    seen: dict[str, list[Sighting]] = {}
    for record in records:
        seed = record.seed if len(records) > 1 else None
        for flag in record.flags:
            seen.setdefault(flag.id, []).append(Sighting(None, flag.message, seed))
        for attack, flag in ((one.key, flag) for one in record.attacks for flag in one.flags):
            seen.setdefault(flag.id, []).append(Sighting(attack, flag.message, seed))
    told = {name: words.flags.get(name, _NO_HELP) for name in seen}
    return tuple(
        RaisedFlag(name, tuple(sightings), told[name].means, told[name].do)
        for name, sightings in seen.items()
    )
