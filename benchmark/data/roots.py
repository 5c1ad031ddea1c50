"""Where on disk a data set lies: in a named folder, a folder that is the set, or below one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.core.errors import DataError, UsageError
from benchmark.core.listing import listed
from benchmark.core.progress import SilentProgress
from benchmark.data.dataset import Dataset
from benchmark.data.folder_listing import is_folder


@dataclass(frozen=True)
class FoundRoot:
    """What a search found.

    Attributes:
        path: Folder of the data set; None where it needs none, or there is none.
        by_name: Whether the user named the set, or the folder has a usual name of it.
        problem: Why there is no folder, where one is needed.
    """

    path: Path | None = None
    by_name: bool = False
    problem: DataError | None = None


@dataclass(frozen=True)
class RootSearch:
    """Where to look, and how users say so.

    Attributes:
        named: Folder of a data set, by its name.
        folders: Folders that are a data set or hold some.
        further: Folders that are looked through after those.
        variable: Environment variable that `further` comes from.
        options: Options of data sets, by name, where they are not the default.
    """

    named: Mapping[str, Path]
    folders: Sequence[Path]
    further: Sequence[Path]
    variable: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def find(self, sets: Mapping[str, type[Dataset]]) -> dict[str, FoundRoot]:
        """Return where each data set lies; what is wrong with one is told by its `problem`.

        Raises:
            UsageError: A root is of no use to these data sets, or could be either of two.
            DataError: A folder that was given holds none of them.
        """
        self._check(sets)
        found = _told_apart(sets, {name: self._find(plugin) for name, plugin in sets.items()})
        paths = [one.path for one in found.values() if one.path is not None]
        for folder in self.folders:
            used = any(path.is_relative_to(folder) for path in paths)
            if not used and not any(one.problem for one in found.values()):
                names = listed([name for name in sets if not sets[name].rendered])
                raise DataError(
                    f"{folder} holds none of the data sets that are read: {names}",
                    "leave it out, they lie elsewhere; or mend it",
                )
        return found

    def _check(self, sets: Mapping[str, type[Dataset]]) -> None:
        for name, path in self.named.items():
            if name not in sets:
                raise UsageError(
                    f"a root is given for {name}, which is not read here: {path}",
                    f"leave out --data-root {name}=DIR, or add the data set to those that are "
                    f"read: {listed(list(sets))}",
                )
            if sets[name].rendered:
                raise _useless(f"the data set {name} is", path)
        rendered = [name for name, plugin in sets.items() if plugin.rendered]
        if self.folders and len(rendered) == len(sets):
            several = f"no data set of this run reads files: {', '.join(rendered)} are"
            one = f"the data set {', '.join(rendered)} is"
            raise _useless(several if len(sets) > 1 else one, self.folders[0])

    def _find(self, plugin: type[Dataset]) -> FoundRoot:
        if plugin.rendered:
            return FoundRoot()
        named, options = self.named.get(plugin.name), self.options.get(plugin.name, {})
        folders = [*self.folders, *self.further] if named is None else [named]
        problems: list[DataError] = []
        for folder in dict.fromkeys(folders):
            reasons = []
            for candidate in (*_of_usual_name(plugin, folder), folder):
                problem = _why_not(plugin, candidate, options)
                if problem is None:
                    usual = candidate.name.lower() in _usual_names(plugin)
                    return FoundRoot(candidate, by_name=named is not None or usual)
                reasons.append(problem)
            problems.append(reasons[0])
        names = listed(list(dict.fromkeys((*plugin.folder_names, plugin.name))))
        if folders:
            what = "; ".join(dict.fromkeys(problem.what for problem in problems))
            tried = f"tried {listed(folders)} and in it {names}"
            return FoundRoot(problem=DataError(what, f"{problems[0].hint}; {tried}"))
        problem = _why_not(plugin, None, options)
        if problem is None:
            return FoundRoot()
        hint = (
            f"pass --data-root DIR or set {self.variable}; "
            f"DIR is the data set or holds it as {names}"
        )
        return FoundRoot(problem=DataError(problem.what, hint))


def _useless(who: str, path: Path) -> UsageError:
    return UsageError(
        f"{who} rendered and would not look into {path}",
        "name a data set that reads files, such as market1501, or leave out --data-root",
    )


def _usual_names(plugin: type[Dataset]) -> list[str]:
    return [name.lower() for name in (*plugin.folder_names, plugin.name)]


def _of_usual_name(plugin: type[Dataset], folder: Path) -> list[Path]:
    """Return the sub-folders that are named as the data set usually is, the usual name first."""
    names = _usual_names(plugin)
    try:
        entries = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:  # `_why_not` tells what is wrong with the folder
        return []
    fitting = sorted(name for name in entries if name.lower() in names)
    return [folder / name for name in sorted(fitting, key=lambda name: names.index(name.lower()))]


def _why_not(
    plugin: type[Dataset], root: Path | None, options: Mapping[str, Any]
) -> DataError | None:
    """Return why a folder is not the data set; None if it looks like it."""
    try:
        if root is not None and not is_folder(root):
            hint = f"pass --data-root DIR, where DIR is the data set {plugin.name}"
            return DataError(f"no folder {root} for the data set {plugin.name}", hint)
        opened = plugin(options, root=root, cache_dir=Path(), progress=SilentProgress())
        if opened.present():
            return None
    except DataError as error:
        return error
    return DataError(f"{root} holds no split of {plugin.name}", "give the folder of the data set")


def _told_apart(
    sets: Mapping[str, type[Dataset]], found: Mapping[str, FoundRoot]
) -> dict[str, FoundRoot]:
    """Give a folder that looks like several data sets to those that it has the name of.

    Raises:
        UsageError: It has the name of none of them.
    """
    usual = {name for name in found if sets[name].folder_names}
    claims = Counter(found[name].path for name in usual if found[name].path is not None)
    told = dict(found)
    for path in (path for path, count in claims.items() if count > 1):
        claimants = [name for name in found if name in usual and found[name].path == path]
        owners = [name for name in claimants if found[name].by_name]
        if not owners:
            one, other, *_ = claimants
            raise UsageError(
                f"{path} could be {one} or {other}: both have this layout",
                f"say which: --data-root {one}={path} --data-root {other}=DIR",
            )
        for name in claimants:
            if name not in owners:
                problem = DataError(
                    f"{path} is read as {owners[0]}, and there is no other folder for {name}",
                    f"pass --data-root {name}=DIR",
                )
                told[name] = replace(found[name], path=None, problem=problem)
    return told
