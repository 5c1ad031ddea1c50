"""What every plugin has: a typed configuration and a card that says what it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from benchmark.core.behaviour import Behaviour, behaviour_of_source
from benchmark.core.errors import PluginError, UsageError
from benchmark.core.fingerprint import canonical_json
from benchmark.core.references import Reference

PLUGIN_FILE_PREFIX = "reid_robustbench_plugin_"
"""Start of the module names of plugin files."""


class PluginConfig(BaseModel):
    """Options of a plugin: typed, frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def options_of(config: BaseModel) -> dict[str, Any]:
    """Return the options of a configuration as JSON, sets in an order that is always the same."""
    options: dict[str, Any] = _JSON.dump_python(_ordered(config.model_dump()), mode="json")
    return options


_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _ordered(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(
            (_JSON.dump_python(_ordered(one), mode="json") for one in value), key=canonical_json
        )
    return [*map(_ordered, value)] if isinstance(value, list | tuple) else value


def words_of(options: object) -> Iterator[str]:
    """Yield the texts among options: names of other plugins may be among them."""
    if isinstance(options, str):
        yield options
    elif isinstance(options, dict | list):
        for one in options.values() if isinstance(options, dict) else options:
            yield from words_of(one)


class Card(BaseModel):
    """What a plugin is and what it claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Name in the field's words."""
    paper: str = ""
    """Where it comes from, in words: what is taken from whom."""
    references: tuple[str | Reference, ...] = ()
    """The papers: keys of `benchmark/core/references.yaml`, or `Reference(…)` for others."""
    claims: str = ""
    """What its authors claim, in one sentence."""
    notes: str = ""
    """Deviations from the paper, and what was chosen because it was not published."""
    licence: str = "Apache-2.0"
    """Licence of this implementation."""


class Plugin:
    """Common part of defenses, attacks, data sets, backbones and experiments.

    Attributes:
        name: Registry name, set by the registry.
        card: What it is.
        sources: Files and folders beside its file that it reads, a literal list; to be declared
            where the text does not name them, or its results are not reused.
        packages: Installed packages whose version shapes its results.
    """

    name: ClassVar[str] = ""
    card: ClassVar[Card] = Card()
    sources: ClassVar[Sequence[str]] = ()
    packages: ClassVar[tuple[str, ...]] = ()

    class Config(PluginConfig):
        """Options; override in a subclass."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the class docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]

    @classmethod
    def parts(cls) -> tuple[type[Plugin], ...]:
        """Return other plugins that this one is made of and finds by name; imports need not."""
        return ()

    @classmethod
    def behaviour(cls) -> Behaviour:
        """Return what this plugin does, by all local code and data behind it.

        It is found out once: what is edited later is not what this process has loaded.

        Raises:
            PluginError: Its source cannot be found or read.
        """
        return _behaviour_of(cls)  # type: ignore[arg-type]  # a class has a hash

    @classmethod
    def parse_config(cls, options: dict[str, object]) -> PluginConfig:
        """Validate `options` into this plugin's `Config`.

        Raises:
            UsageError: An unknown key, a wrong type or a value out of range.
        """
        try:
            return cls.Config.model_validate(options)
        except ValidationError as error:
            raise config_error(f"options of {cls.name!r}", error, cls.Config) from error


@cache
def _behaviour_of(cls: type[Plugin]) -> Behaviour:
    try:
        path = Path(inspect.getfile(cls))
    except (OSError, TypeError) as error:
        raise PluginError(
            f"the source of {cls.__qualname__} cannot be found", "define the plugin in a file"
        ) from error
    return behaviour_of_source(
        path,
        cls.__module__,
        cls.__qualname__,
        packages=cls.packages,
        parts={part.name: part.behaviour() for part in cls.parts()},
    )


def config_error(where: str, error: ValidationError, model: type[BaseModel]) -> UsageError:
    """Turn the first problem of a validation into one line and its hint."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields)) if len(first["loc"]) == 1 else ""
        return UsageError(
            f"{where}: unknown key {key!r}{more}", f"known keys: {known}" if known else "remove it"
        )
    message = first["msg"].removeprefix("Value error, ")
    if not key:
        return UsageError(f"{where}: {message}{more}", "correct it")
    value = first.get("input")
    return UsageError(f"{where}: {key} = {value!r}: {message.lower()}{more}", "correct it")
