"""Where the attacks of a run stand among those that the zoo was published with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.core.parametrised import SEPARATOR
from benchmark.models.zoo import ZOO, zoo_card
from results.board.attack_place import Placing, place_attacks
from results.records.published import measured_zoo
from results.records.schema import Record
from results.records.store import load_per_query


def zoo_places(records: Sequence[tuple[Record, Path]]) -> Placing:
    """Compare the new attacks of the entries of the zoo in a run with the published ones.

    Args:
        records: Of the run, with their files.
    """
    mark = f"{ZOO}{SEPARATOR}"
    own = [(one, path) for one, path in records if one.defense.name.startswith(mark)]
    if not own:
        return Placing([], [])
    published, measured = measured_zoo()
    for record, path in own:
        if record.per_query is not None:
            measured[record.id] = load_per_query(path.with_name(record.per_query))
    paired = [
        (zoo_card(record.defense.name.removeprefix(mark)).measured.record, record)
        for record, _ in own
    ]
    return place_attacks(paired, {one.id: one for one in published}, measured)
