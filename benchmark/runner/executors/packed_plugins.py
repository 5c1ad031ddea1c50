"""Plugin files on their way to a machine that may not have them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.core.local_sources import LocalSources, local_sources
from benchmark.core.own_packages import OWN_PACKAGES, ROOT
from benchmark.core.plugin import PLUGIN_FILE_PREFIX


@dataclass(frozen=True)
class PackedPlugins:
    """Plugin files with the local files that they import and read, as bytes.

    Attributes:
        plugins: The plugin files.
        files: All files, by their absolute paths.
        folders: Folders that modules beside the plugins are imported from.
    """

    plugins: tuple[str, ...] = ()
    files: dict[str, bytes] | None = None
    folders: tuple[str, ...] = ()

    @classmethod
    def of(cls, plugins: Sequence[Path]) -> PackedPlugins:
        """Read plugin files and what belongs to them.

        Raises:
            PluginError: A file is no Python text.
        """
        paths = [path.resolve() for path in plugins]
        found = [
            local_sources(path, f"{PLUGIN_FILE_PREFIX}{path.stem.replace('-', '_')}")
            for path in paths
        ]
        files = {*paths, *(file for sources in found for file in _files(sources))}
        folders = {str(one) for sources in found for one in _import_folders(sources)}
        content = {str(file): file.read_bytes() for file in sorted(files)}
        return cls(tuple(map(str, paths)), content, tuple(sorted(folders)))

    def unpack(self, folder: Path) -> list[Path]:
        """Return the plugin files here: in place if all are as they were, else in a folder."""
        files = self.files or {}
        if all(Path(p).is_file() and Path(p).read_bytes() == b for p, b in files.items()):
            place = Path("/")
        else:
            place = folder
            for name, content in files.items():
                path = _below(place, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        sys.path += [str(_below(place, one)) for one in self.folders]
        return [_below(place, one) for one in self.plugins]


def _below(folder: Path, name: str) -> Path:
    return folder / PurePosixPath(name).relative_to("/")


def _files(sources: LocalSources) -> Iterator[Path]:
    """Yield local files of a plugin that do not come with the project."""
    for path in (*sources.code.values(), *sources.data.values()):
        if path.is_file() and not _is_own(path):
            yield path


def _import_folders(sources: LocalSources) -> Iterator[Path]:
    """Yield the folders that modules beside a plugin are imported from."""
    for name, path in sources.code.items():
        if not name.startswith(PLUGIN_FILE_PREFIX) and not _is_own(path):
            up = len(name.split(".")) - (path.name != "__init__.py")
            yield path.parents[up]


def _is_own(path: Path) -> bool:
    """Whether a file comes with the project, which every node has."""
    return any(path.is_relative_to(ROOT / one) for one in OWN_PACKAGES)
