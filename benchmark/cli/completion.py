"""Names that the shell completes; nothing is imported that is behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import typer

from benchmark.cli.kinds import kind_named, registry_of


def defenses(incomplete: str) -> list[str]:
    """Return defenses that go on as typed, after others and commas, too."""
    return _listed("defenses", incomplete)


def attacks(incomplete: str) -> list[str]:
    """Return attacks and groups of attacks that go on as typed."""
    from benchmark.config.attack_groups import ATTACK_GROUPS

    return _starting([*_names("attacks"), *ATTACK_GROUPS], incomplete)


def datasets(incomplete: str) -> list[str]:
    """Return data sets that go on as typed, after others and commas, too."""
    return _listed("datasets", incomplete)


def presets(incomplete: str) -> list[str]:
    """Return presets that go on as typed."""
    return _starting(_names("presets"), incomplete)


def experiments(incomplete: str) -> list[str]:
    """Return experiments that go on as typed."""
    return _starting(_names("experiments"), incomplete)


def one_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a function that returns those of some words that go on as typed."""

    def those(incomplete: str) -> list[str]:
        return _starting(words, incomplete)

    return those


def names_of_kind(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return names of the kind that stands before, that go on as typed."""
    from benchmark.core.errors import UsageError

    with suppress(UsageError):
        return _starting(_names(kind_named(str(ctx.params.get("kind")))), incomplete)
    return []


def _names(kind: str) -> list[str]:
    if kind == "presets":
        from benchmark.config.presets import preset_names

        return preset_names()
    return registry_of(kind).names()


def _listed(kind: str, incomplete: str) -> list[str]:
    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{name}" for name in _starting(_names(kind), last)]


def _starting(names: Sequence[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
