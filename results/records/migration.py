"""Records of earlier schema versions, brought to the present one.

Version 1 named a defense by the hash of its source files, in `source_sha256`, and attacks by the
hash of theirs within the fingerprint of the protocol. ``version_1.json`` holds what those hashes
stand for: each was computed again from the commit that its records came from. A hash that is not
there stands for itself.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

_TABLE = Path(__file__).with_name("version_1.json")


def migrated(content: object) -> object:
    """Return the content of a record in the present schema version.

    Args:
        content: A record of any version up to the present one, as it was read; anything else is
            returned as it is.
    """
    if not isinstance(content, dict) or content.get("schema_version") != 1:
        return content
    defense, protocol = content.get("defense"), content.get("protocol")
    if not isinstance(defense, dict) or not isinstance(protocol, dict):
        return content  # no record: validation says what is missing
    source, old = defense.get("source_sha256"), protocol.get("fingerprint")
    behaviours = _table()["behaviours"].get(str(defense.get("name")), {})
    return {
        **content,
        "schema_version": 2,
        "defense": {**defense, "behaviour": behaviours.get(source, source)},
        "protocol": {**protocol, "fingerprint": _table()["protocols"].get(str(old), old)},
    }


@cache
def _table() -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], json.loads(_TABLE.read_text("utf-8")))
