"""One registry for each kind of plugin: names without imports, classes on demand.

Built-in plugins come through the same door as a stranger's: the entry-point groups of the
installed distributions. A single file adds plugins with a decorator and ``--plugin FILE.py``.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable
from contextlib import chdir
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from benchmark.core.errors import PluginError, UsageError, unknown_name
from benchmark.core.parametrised import SEPARATOR, Parametrised, base_name
from benchmark.core.plugin import PLUGIN_FILE_PREFIX, Plugin
from benchmark.core.plugin_errors import NO_EXIT

P = TypeVar("P", bound=Plugin)

_KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Registry(Generic[P]):
    """Names of one kind of plugin and the classes behind them.

    Args:
        kind: What it holds, in the singular, as errors name it.
        group: Entry-point group that installed distributions use.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind = kind
        self._group = group
        self._classes: dict[str, type[P]] = {}
        self._mounted: dict[str, type[P]] = {}
        self._entries: dict[str, EntryPoint] | None = None

    def _entry_points(self) -> dict[str, EntryPoint]:
        if self._entries is None:
            found: dict[str, EntryPoint] = {}
            for entry in entry_points(group=self._group):
                other = found.get(entry.name)
                if other is not None and other.value != entry.value:
                    raise UsageError(
                        f"two installed packages register the {self.kind} {entry.name!r}: "
                        f"{other.value} and {entry.value}",
                        "uninstall one of them",
                    )
                found[entry.name] = entry
            self._entries = found
        return self._entries

    def names(self) -> list[str]:
        """Return all names in order, without importing any plugin."""
        return sorted({*self._entry_points(), *self._classes})

    def summary(self, name: str) -> str:
        """Return the first line of a plugin's class docstring, read without importing it.

        Returns:
            Nothing where the source cannot be found or read: `get` says why.
        """
        if name in self._classes:
            return self._classes[name].summary()
        entry = self._entry_points().get(name)
        return "" if entry is None else _docstring(entry.module, entry.attr).split("\n", 1)[0]

    def has(self, name: str) -> bool:
        """Whether a plugin answers to `name` or to the NAME of ``NAME:ARGUMENT``; no imports."""
        return base_name(name) in self.names()

    def is_installed(self, name: str) -> bool:
        """Whether `name` comes with an installed package, so that every process finds it."""
        return base_name(name) in self._entry_points()

    def register(self, name: str) -> Callable[[type[P]], type[P]]:
        """Return a class decorator that registers a plugin under `name`.

        Raises:
            UsageError: The name is taken, or it is not kebab-case.
        """
        if not _KEBAB_CASE.fullmatch(name):
            raise UsageError(
                f"{name!r} is not a name for a {self.kind}", "use kebab-case, such as my-defense"
            )

        def decorate(cls: type[P]) -> type[P]:
            self._check_class(name, cls)
            taken = self._classes.get(name)
            entry = self._entry_points().get(name)
            is_entry = entry is not None and entry.value == f"{cls.__module__}:{cls.__qualname__}"
            if (taken is not None and taken is not cls) or (entry is not None and not is_entry):
                raise UsageError(
                    f"the {self.kind} name {name!r} is taken", "register under another name"
                )
            cls.name = name
            self._classes[name] = cls
            return cls

        return decorate

    def get(self, name: str) -> type[P]:
        """Return the class behind `name`, importing it if need be.

        ``NAME:ARGUMENT`` is a class of its own, made by the plugin NAME.

        Raises:
            UsageError: No plugin has this name; the closest names are given. Or it takes no
                argument, or not this one.
            PluginError: The plugin's module does not import.
        """
        if name in self._classes:
            return self._classes[name]
        if SEPARATOR in name:
            return self._mount(name)
        entry = self._entry_points().get(name)
        if entry is None:
            raise unknown_name(self.kind, name, self.names())
        try:
            with chdir(os.curdir):  # back again, wherever the module goes
                cls: type[P] = entry.load()
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"the {self.kind} {name!r} ({entry.value}) does not import: {error}",
                "mend or uninstall the package that registers it",
            ) from error
        self._check_class(name, cls)
        cls.name = name
        self._classes[name] = cls
        return cls

    def _mount(self, name: str) -> type[P]:
        if name not in self._mounted:
            base = self.get(base_name(name))
            if not issubclass(base, Parametrised):
                raise UsageError(
                    f"the {self.kind} {base.name!r} takes no argument: {name!r}",
                    f"write {base.name}; --set sets its options",
                )
            base.check_argument(name)
            cls = base.with_argument(name.partition(SEPARATOR)[2])
            self._check_class(name, cls)
            cls.name = name
            self._mounted[name] = cast(type[P], cls)
        return self._mounted[name]

    def _check_class(self, name: str, cls: object) -> None:
        if not (isinstance(cls, type) and issubclass(cls, Plugin)):
            raise PluginError(
                f"the {self.kind} {name!r} is not a plugin class: {cls!r}",
                f"register a class that derives from benchmark's class for a {self.kind}",
            )


def _docstring(module: str, class_name: str) -> str:
    """Return the docstring of a class, parsed where the module defines or re-exports it."""
    try:
        spec = importlib.util.find_spec(module)
        body = ast.parse(Path(str(spec and spec.origin)).read_text(encoding="utf-8")).body
    except (ImportError, OSError, ValueError, SyntaxError):
        return ""
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            source = next((one.name for one in node.names if one.name == class_name), None)
            if source is not None and node.module != module:
                return _docstring(node.module, source)
    return ""


DEFENSES: Registry[Plugin] = Registry("defense", "reid_robustbench.defenses")
ATTACKS: Registry[Plugin] = Registry("attack", "reid_robustbench.attacks")
DATASETS: Registry[Plugin] = Registry("data set", "reid_robustbench.datasets")
BACKBONES: Registry[Plugin] = Registry("backbone", "reid_robustbench.backbones")
EXPERIMENTS: Registry[Plugin] = Registry("experiment", "reid_robustbench.experiments")

register_defense = DEFENSES.register
register_attack = ATTACKS.register
register_dataset = DATASETS.register
register_backbone = BACKBONES.register
register_experiment = EXPERIMENTS.register


def load_plugin_file(path: Path) -> None:
    """Import a Python file whose decorators register plugins.

    Raises:
        UsageError: The file does not exist.
        PluginError: The file raises when imported; the line is named.
    """
    if not path.is_file():
        raise UsageError(f"there is no plugin file {path}", "give the path of a .py file")
    module_name = f"{PLUGIN_FILE_PREFIX}{path.stem.replace('-', '_')}"
    known = sys.modules.get(module_name)
    if known is not None:
        if Path(str(known.__file__)) == path.resolve():
            return
        raise UsageError(f"two plugin files are called {path.name}", "rename one")
    spec = importlib.util.spec_from_file_location(module_name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"plugin file {path} is not a Python file", "give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        with chdir(os.curdir):
            spec.loader.exec_module(module)
    except (UsageError, PluginError):
        del sys.modules[module_name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == spec.origin]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        raise PluginError(
            f"plugin file {path}, line {line}: {type(error).__name__}: {error}",
            NO_EXIT if isinstance(error, SystemExit) else "mend the file",
        ) from error
