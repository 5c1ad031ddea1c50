"""YAML as users mean it: no key twice, and no number that YAML 1.1 reads as another one."""

from __future__ import annotations

import re
from typing import Any

import yaml

_INTEGER = "tag:yaml.org,2002:int"
_MERGE = "tag:yaml.org,2002:merge"
_OTHER_BASE = re.compile(r"[-+]?0[0-7_]+|.*:.*")
"""Octal numbers such as 031, which would be 25, and those to the base 60."""


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Raises:
        YAMLError: It is not YAML, or a mapping has a key twice.
    """
    try:
        return yaml.load(text, _Loader)
    except (RecursionError, ValueError) as error:  # nested too deep; a date that does not exist
        raise yaml.YAMLError(str(error)) from error


def yaml_problem(error: yaml.YAMLError) -> tuple[str, int | None]:
    """Return what is wrong with a text, and in which line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or next(iter(str(error).splitlines()), "")
    return problem or "it cannot be parsed", mark.line + 1 if mark else None


class _Loader(yaml.SafeLoader):
    """The safe loader, stricter."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is there twice, first in line {lines[name]}",
                    problem_mark=key.start_mark,
                )
            lines[name] = line
        return node


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    text = str(loader.construct_scalar(node))
    return text if _OTHER_BASE.fullmatch(text) else loader.construct_yaml_int(node)


_Loader.add_constructor(_INTEGER, _integer)
