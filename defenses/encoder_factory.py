"""A user's own code that builds an encoder: ``package.module:callable``."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from contextlib import chdir
from operator import attrgetter
from pathlib import Path
from types import ModuleType

from torch import nn

from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.core.fingerprint import sha256_sources
from benchmark.core.plugin_errors import NO_EXIT, told

logger = logging.getLogger(__name__)

HOW = "give it as --set defense.factory=package.module:callable"


def encoder_from(factory: str) -> nn.Module:
    """Return the encoder that a factory builds.

    Raises:
        PluginError: There is no such factory, it raises, or it builds something else.
    """
    try:
        with chdir(os.curdir):
            encoder = load_factory(factory)()
    except BenchmarkError:
        raise
    except (Exception, SystemExit) as error:
        logger.debug("the factory %s raised", factory, exc_info=error)
        raise PluginError(
            f"the factory {factory} raised {told(error)}",
            "it is called without arguments; the traceback is in run.log",
        ) from None
    if not isinstance(encoder, nn.Module):
        raise PluginError(
            f"the factory {factory} returned {type(encoder).__name__}, not an encoder",
            "return a torch.nn.Module from images in [0, 1] to embeddings (B, D)",
        )
    return encoder


def factory_sha256(factory: str) -> str:
    """Return the hash of the source of a factory, once it is known to be callable.

    Raises:
        PluginError: There is no such factory, or its source cannot be found.
    """
    load_factory(factory)
    return sha256_sources(_source_files(_module(factory)))


def load_factory(factory: str) -> Callable[[], object]:
    """Return the callable of ``package.module:callable``.

    Raises:
        PluginError: There is no such thing, or it cannot be called.
    """
    module = _module(factory)
    try:
        found = attrgetter(factory.partition(":")[2])(module)
    except AttributeError as error:
        raise PluginError(f"the factory {factory}: {error}", "check the name") from error
    if not callable(found):
        raise PluginError(
            f"the factory {factory} is {type(found).__name__}, not callable",
            "name a function or a class that is called without arguments",
        )
    built: Callable[[], object] = found
    return built


def _module(factory: str) -> ModuleType:
    """Import the module of ``package.module:callable``.

    Raises:
        PluginError: The name has another form, or the module does not import.
    """
    module, colon, attribute = factory.partition(":")
    if not (module and colon and attribute):
        raise PluginError(f"the factory {factory!r} is not package.module:callable", HOW)
    try:
        with chdir(os.curdir):  # back again, wherever the module goes
            return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the factory {factory}: {module} does not import: {told(error)}",
            NO_EXIT
            if isinstance(error, SystemExit)
            else "install it, or put its folder on PYTHONPATH",
        ) from error


def _source_files(module: ModuleType) -> set[Path]:
    """Return the file of a module; of one in a package, all Python files of its folder."""
    if module.__file__ is None:
        raise PluginError(f"the source of {module.__name__} cannot be found", "name a module")
    path = Path(module.__file__)
    return {path, *(path.parent.glob("*.py") if module.__package__ else ())}
