"""A file of candidates for a hyperparameter search: a name, and what it sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.config.presets import read_layer
from benchmark.core.errors import UsageError
from benchmark.experiments.variant import Variant

MAY_SET = ("defense", "defense_config", "training", "backbone")
"""Sections that a candidate may change; all else would change what is compared, or how."""

MUST_NOT_SET = ("training.held_out",)
"""It decides on which identities candidates are compared."""


def read_candidates(path: Path, defenses: Sequence[str]) -> list[Variant]:
    """Return the candidates of a YAML file, in order.

    Each entry maps a name to assignments as in ``--set``: ``{defense.fnes_options.gamma: 2}``. The
    key ``defense`` alone names the defense; an entry without it is for each of `defenses`. An
    empty entry is the configuration as it is.

    Raises:
        UsageError: The file cannot be read, or an entry sets what a candidate must not.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path} of candidates", "check experiment.candidates")
    content = read_layer(str(path)) if path.suffix in (".yaml", ".yml") else None
    if not content:
        raise UsageError(
            f"{path} holds no candidates", "write a .yaml file with lines NAME: {KEY: VALUE, …}"
        )
    found = []
    for name, settings in content.items():
        checked = _checked(path, name, settings)
        chosen = checked.pop("defense", None)
        for defense in [chosen] if chosen else defenses:
            several = chosen is None and len(defenses) > 1
            found.append(Variant(f"{defense} · {name}" if several else name, defense, checked))
    return found


def _checked(path: Path, name: str, settings: object) -> dict[str, Any]:
    if settings is None:
        return {}
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise UsageError(f"{path}: {name} is not a mapping of keys to values", "{KEY: VALUE, …}")
    for key in settings:
        section = key.partition(".")[0]
        if section not in MAY_SET or key in MUST_NOT_SET or key == "training":
            raise UsageError(
                f"{path}: {name} sets {key}, which a candidate must not",
                f"set keys of {', '.join(MAY_SET)} only, and not {MUST_NOT_SET[0]}",
            )
    return dict(settings)
