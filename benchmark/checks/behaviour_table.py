"""The committed table of sources that were shown to give the same results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from benchmark.core.behaviour import BEHAVIOURS_FILE, known_ids

Table = dict[str, "Entry"]


@dataclass
class Entry:
    """A behaviour of one built-in plugin.

    Attributes:
        plugin: Kind and registry name, such as ``defense ddid``.
        sources: Hashes of what sources mean, the latest last, each with a commit that has it.
        outputs: Hash of all outputs of its scenes, by the version of torch.
    """

    plugin: str
    sources: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def read_table() -> Table:
    """Return the behaviours by their ids."""
    content: dict[str, dict[str, Any]] = json.loads(BEHAVIOURS_FILE.read_text("utf-8"))
    return {id_: Entry(**entry) for id_, entry in content.items()}


def write_table(table: Table) -> None:
    """Write the behaviours."""
    content = {id_: vars(entry) for id_, entry in sorted(table.items())}
    BEHAVIOURS_FILE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    known_ids.cache_clear()


def latest(table: Table, plugin: str) -> str | None:
    """Return the id of the latest behaviour of a plugin, or None if it has none yet."""
    ids = [id_ for id_, entry in table.items() if entry.plugin == plugin]
    return max(ids, key=lambda id_: int(id_.rpartition("@")[2]), default=None)


def next_id(table: Table, plugin: str) -> str:
    """Return the id for another behaviour of a plugin."""
    last = latest(table, plugin)
    number = 0 if last is None else int(last.rpartition("@")[2])
    return f"{plugin.partition(' ')[2]}@{number + 1}"
