"""What every plugin has: a typed configuration and a card that says what it is."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.core.errors import PluginError, UsageError
from benchmark.core.fingerprint import sha256_sources
from benchmark.core.local_sources import local_sources

PLUGIN_FILE_PREFIX = "reid_robustbench_plugin_"
"""Start of the module names of plugin files."""


class PluginConfig(BaseModel):
    """Options of a plugin: typed, frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Card(BaseModel):
    """What a plugin is and what it claims."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    """Name in the field's words."""
    paper: str = ""
    """Authors, venue, identifier."""
    claims: str = ""
    """What its authors claim, in one sentence."""
    notes: str = ""
    """Deviations from the paper, and what was chosen because it was not published."""
    licence: str = "Apache-2.0"
    """Licence of this implementation."""


class Plugin:
    """Common part of defenses, attacks, data sets and backbones.

    Attributes:
        name: Registry name, set by the registry.
        card: What it is.
    """

    name: ClassVar[str] = ""
    card: ClassVar[Card] = Card()

    class Config(PluginConfig):
        """Options; override in a subclass."""

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the class docstring."""
        return (inspect.getdoc(cls) or "").split("\n", 1)[0]

    @classmethod
    def source_sha256(cls) -> str:
        """Return the hash of the source of this class and of its plugin bases.

        A plugin that is a package (its module lives in a folder of its own below the top level)
        is hashed with every Python file of that folder; the rooms of the benchmark are no such
        packages. A plugin file is hashed with what it imports from its folder.
        """
        return sha256_sources(cls._source_files())

    @classmethod
    def joint_source_sha256(cls, *others: type[Plugin]) -> str:
        """Return the hash of the source of this plugin and of others that it is made of."""
        return sha256_sources(cls._source_files().union(*(one._source_files() for one in others)))

    @classmethod
    def _source_files(cls) -> set[Path]:
        files: set[Path] = set()
        for base in cls.__mro__:
            if base is Plugin or not issubclass(base, Plugin):
                continue
            if base.__module__.startswith("benchmark.core."):
                continue
            try:
                path = Path(inspect.getfile(base))
            except (OSError, TypeError) as error:
                raise PluginError(
                    f"the source of {base.__qualname__} cannot be found",
                    "define the plugin in a file",
                ) from error
            if base.__module__.startswith(PLUGIN_FILE_PREFIX):
                files |= local_sources(path)
                continue
            own_folder = not base.__module__.startswith("benchmark.")
            is_package = own_folder and base.__module__.count(".") >= 2
            files.update(path.parent.glob("*.py") if is_package else [path])
        return files

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


def config_error(where: str, error: ValidationError, model: type[BaseModel]) -> UsageError:
    """Turn the first problem of a validation into one line and its mend."""
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
