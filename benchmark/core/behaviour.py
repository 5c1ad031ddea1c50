"""What a plugin does, apart from how its source is written: the identity that results go by.

The id is the hash of the canonical syntax trees (`benchmark.core.syntax`) of all local code behind
a plugin, and of the data files that this code reads. Sources that were shown to give the same
results share an id: ``behaviours.json`` holds them, `benchmark.checks.same_behaviour` writes it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

from benchmark.core.fingerprint import fingerprint, sha256_file, sha256_sources
from benchmark.core.local_sources import LocalSources, local_sources
from benchmark.core.own_packages import ROOT
from benchmark.core.syntax import canonical, nodes, parsed, plain_classes

BEHAVIOURS_FILE = Path(__file__).with_name("behaviours.json")
_THIS_PROCESS = uuid4().hex[:8]


@dataclass(frozen=True)
class Behaviour:
    """What a plugin does.

    Attributes:
        id: ``name@N`` of sources that were shown to behave the same, else a hash; what is not
            known of the sources makes it another one in each process.
        meaning_sha256: Hash of the meaning of its sources.
        source_sha256: Hash of their bytes.
        modules: Names of the modules that its code lies in.
        words: Texts in its code, among them the names of other plugins that it may ask for.
        unknown: What may shape results and cannot be known, a line each.
    """

    id: str
    meaning_sha256: str
    source_sha256: str
    modules: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()


def behaviour_of_source(
    path: Path,
    module: str,
    class_name: str,
    *,
    packages: tuple[str, ...] = (),
    parts: Mapping[str, Behaviour] | None = None,
    root: Path = ROOT,
) -> Behaviour:
    """Return the behaviour of a class by its source.

    Args:
        path: The file that defines it.
        module: Name of its module.
        class_name: Its qualified name within the module.
        packages: Installed packages whose version shapes its results.
        parts: Behaviours of other plugins that it is made of, by name.
        root: Folder of the project's packages.

    Raises:
        PluginError: A declared file does not exist, or a source is no Python text.
    """
    parts = parts or {}
    sources = local_sources(path, module, root)
    meaning = _meaning(sources, class_name, packages, parts)
    unknown = (*sources.unknown, *(one for part in parts.values() for one in part.unknown))
    files = (*sources.code.values(), *filter(Path.is_file, sources.data.values()))
    return Behaviour(
        id=f"{meaning}-{_THIS_PROCESS}" if unknown else known_ids().get(meaning, meaning),
        meaning_sha256=meaning,
        source_sha256=sha256_sources(files),
        modules=frozenset(sources.code),
        words=frozenset(_words(sources)),
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _meaning(
    sources: LocalSources,
    class_name: str,
    packages: tuple[str, ...],
    parts: Mapping[str, Behaviour],
) -> str:
    trees = {name: parsed(path.read_bytes()) for name, path in sources.code.items()}
    plain = plain_classes(trees.values())
    content: dict[str, object] = {
        "class": class_name,
        "code": {name: canonical(tree, plain) for name, tree in trees.items()},
        "data": {
            name: sha256_file(path) if path.is_file() else None
            for name, path in sources.data.items()
        },
        "packages": {name: _version(name) for name in packages},
        "parts": {name: part.id for name, part in parts.items()},
    }
    return fingerprint({key: value for key, value in content.items() if value})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _words(sources: LocalSources) -> Iterator[str]:
    for path in sources.code.values():
        for node in nodes(parsed(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@cache
def known_ids() -> dict[str, str]:
    """Return the ids of sources that were shown to behave the same, by the hash of meaning."""
    table = json.loads(BEHAVIOURS_FILE.read_text("utf-8"))
    return {sha: id_ for id_, entry in table.items() for sha in entry["sources"]}
