"""``list``: the names there are, without importing what is behind them."""

from __future__ import annotations

from typing import Annotated, Any

from benchmark.cli.kinds import KINDS, kind_named, registry_of
from benchmark.cli.options import Json, kind_argument
from benchmark.cli.screen import write_json, write_line
from benchmark.cli.zoo_text import list_zoo


def list_names(
    kind: Annotated[str, kind_argument("What to list.", KINDS)],
    json_: Json = False,
) -> None:
    """List defenses, attacks, data sets, backbones, experiments, presets or the zoo.

    Example:
      python -m benchmark list attacks
    """
    chosen = kind_named(kind)
    if chosen == "zoo":
        list_zoo(json_)
        return
    rows = _presets() if chosen == "presets" else _plugins(chosen)
    if json_:
        write_json(rows)
        return
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        write_line(f"{row['name']:<{width}}  {row['description']}".rstrip())
    if chosen == "attacks":
        _print_groups()


def _print_groups() -> None:
    from benchmark.config.attack_groups import ATTACK_GROUPS

    write_line("\nGroups, for --attack like names:")
    width = max(map(len, ATTACK_GROUPS))
    for group, members in ATTACK_GROUPS.items():
        write_line(f"{group:<{width}}  {' '.join(members)}")


def _presets() -> list[dict[str, Any]]:
    from benchmark.config.presets import preset_description, preset_names

    return [{"name": name, "description": preset_description(name)} for name in preset_names()]


def _plugins(kind: str) -> list[dict[str, Any]]:
    registry = registry_of(kind)
    rows = [{"name": name, "description": registry.summary(name)} for name in registry.names()]
    if kind != "attacks":
        return rows
    from benchmark.config.attack_groups import ATTACK_GROUPS

    def groups(name: str) -> list[str]:
        return [group for group, members in ATTACK_GROUPS.items() if name in members]

    return [{**row, "groups": groups(row["name"])} for row in rows]
