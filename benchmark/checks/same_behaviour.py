"""Shows that two sources of built-in plugins behave the same, and enters them into the table.

    python -m benchmark.checks.same_behaviour                 # what was reworded or tidied up
    python -m benchmark.checks.same_behaviour --new ddid      # what is meant to behave otherwise
    python -m benchmark.checks.same_behaviour --at COMMIT ddid     # an older source, too

The source at hand must be committed. It and the source of the table's latest entry, taken from
git, run the same scenes; an entry is written only if every output agrees bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from benchmark.checks.behaviour_scenes import (
    ALIKE,
    DEFAULT,
    WITH_ARGUMENT,
    Outputs,
    play,
    scenes,
)
from benchmark.checks.behaviour_table import Entry, Table, latest, next_id, read_table, write_table
from benchmark.core.behaviour import behaviour_of_source
from benchmark.core.own_packages import ROOT
from benchmark.core.registry import ATTACKS, BACKBONES, DEFENSES

_REGISTRIES = {"attack": ATTACKS, "defense": DEFENSES, "backbone": BACKBONES}


def built_in() -> list[str]:
    """Return kind and name of every plugin that the project ships."""
    groups = _entry_points((ROOT / "pyproject.toml").read_text("utf-8"))
    return [
        f"{kind} {name}"
        for kind, registry in _REGISTRIES.items()
        for name in groups[f"reid_robustbench.{kind}s"]
        if registry.has(name)
    ]


@lru_cache(maxsize=4)
def _entry_points(pyproject: str) -> dict[str, dict[str, str]]:
    groups: dict[str, dict[str, str]] = tomllib.loads(pyproject)["project"]["entry-points"]
    return groups


def meaning_in(tree: Path, plugin: str) -> str:
    """Return the hash of what the source of a plugin means in a tree of any age."""
    kind, _, name = plugin.partition(" ")
    cls = _REGISTRIES[kind].get(name)
    groups = _entry_points((tree / "pyproject.toml").read_text("utf-8"))
    module, _, class_name = groups[f"reid_robustbench.{kind}s"][name].partition(":")
    path = tree / (module.replace(".", "/") + ".py")
    if not path.is_file():
        path = tree / module.replace(".", "/") / "__init__.py"
    return behaviour_of_source(
        path,
        module,
        class_name,
        packages=cls.packages,
        parts={part.name: part.behaviour() for part in cls.parts()},
        root=tree,
    ).meaning_sha256


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """Lay out the source of a commit in a folder that is removed afterwards."""
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True
    ).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def outputs_in(tree: Path, plugins: Iterable[str], defaults_only: bool = False) -> Outputs:
    """Return what the scenes of some plugins give in a tree."""
    found: Outputs = {}
    for kind in _REGISTRIES:
        names = [p.partition(" ")[2] for p in plugins if p.startswith(f"{kind} ")]
        if names:
            wanted = scenes(kind, names)
            if defaults_only and kind == "defense":
                wanted = [scene for scene in wanted if scene.name == DEFAULT]
            with tempfile.TemporaryDirectory() as folder:
                played = play(wanted, tree, Path(folder))
            found |= {f"{kind} {label}": hashes for label, hashes in played.items()}
    return found


def outputs_of(plugin: str, outputs: Outputs) -> Outputs:
    """Return the part of outputs that a plugin made."""
    kind, _, name = plugin.partition(" ")
    mark = {
        "defense": f": {WITH_ARGUMENT.get(name, name)} · ",
        "attack": f" {WITH_ARGUMENT.get(name, name)} ",
        "backbone": "",
    }
    shown = f"{kind} {ALIKE.get(name, name)}"
    runs = (f"{shown}: ",) if kind == "backbone" else (f"{kind} {DEFAULT}: ", f"{plugin}-")
    return {
        key: value for key, value in outputs.items() if key.startswith(runs) and mark[kind] in key
    }


def differences(one: Outputs, other: Outputs) -> list[str]:
    """Return what two sources give otherwise, a line each; arrays that one lacks do not count."""
    lines = [f"{label}: only one has it" for label in sorted({*one} ^ {*other})]
    for label in sorted({*one} & {*other}):
        both = one[label].keys() & other[label].keys()
        lines += [f"{label}: {key}" for key in sorted(both) if one[label][key] != other[label][key]]
        lines += [] if both else [f"{label}: nothing to compare"]
    return lines


def digest(outputs: Outputs) -> str:
    """Return one hash of the outputs of a plugin with its default options."""
    plain = {key: value for key, value in outputs.items() if not _VARIANT.match(key)}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


_VARIANT = re.compile(r"defense [a-z-]+-\d+: ")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _enter(table: Table, id_: str, plugin: str, meaning: str, commit: str, own: Outputs) -> None:
    entry = table.setdefault(id_, Entry(plugin))
    entry.sources.pop(meaning, None)  # the latest is the last
    entry.sources[meaning] = commit
    entry.outputs = {**entry.outputs, version("torch"): digest(own)}
    sys.stdout.write(f"{plugin}: {meaning[:12]} is {id_}\n")


def compare(commit: str | None, plugins: list[str]) -> int:
    """Compare the source at hand with that of a commit, or of the table; return an exit code."""
    table, head = read_table(), _git("rev-parse", "HEAD")
    known = {sha for entry in table.values() for sha in entry.sources}
    by_commit: dict[str, list[str]] = {}
    for plugin in plugins:
        id_ = latest(table, plugin)
        if commit is not None:
            by_commit.setdefault(commit, []).append(plugin)
        elif id_ is not None and meaning_in(ROOT, plugin) not in known:
            by_commit.setdefault([*table[id_].sources.values()][-1], []).append(plugin)
    failed = False
    for reference, changed in by_commit.items():
        with tree_of(reference) as tree:
            before = outputs_in(tree, changed)
            after = outputs_in(ROOT, changed)
            for plugin in changed:
                own, old = outputs_of(plugin, after), outputs_of(plugin, before)
                told = differences({k: v for k, v in own.items() if k in old}, old)
                if told or not old:
                    failed = True
                    lines = "\n".join(told[:10]) or "it does not run there"
                    sys.stdout.write(f"{plugin}: other than at {reference[:12]}:\n{lines}\n")
                    continue
                there, here = meaning_in(tree, plugin), meaning_in(ROOT, plugin)
                ids = {i for i, entry in table.items() if {there, here} & entry.sources.keys()}
                if len(ids) > 1 or (not ids and latest(table, plugin) is not None):
                    failed = True
                    named = " and ".join(sorted(ids)) or "nothing in the table"
                    sys.stdout.write(f"{plugin}: as at {reference[:12]}, but that is {named}\n")
                    continue
                id_ = next(iter(ids), next_id(table, plugin))
                _enter(table, id_, plugin, there, reference, own)
                _enter(table, id_, plugin, here, head, own)
    write_table(table)
    return int(failed)


def begin(plugins: list[str]) -> int:
    """Give what the source at hand does an id of its own; return an exit code."""
    table, head = read_table(), _git("rev-parse", "HEAD")
    outputs = outputs_in(ROOT, plugins)
    for plugin in plugins:
        own = outputs_of(plugin, outputs)
        _enter(table, next_id(table, plugin), plugin, meaning_in(ROOT, plugin), head, own)
    write_table(table)
    return 0


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="registry names; none: all that ship")
    parser.add_argument("--at", metavar="COMMIT", help="compare with the source of this commit")
    parser.add_argument("--new", action="store_true", help="begin another behaviour")
    options = parser.parse_args()
    plugins = [p for p in built_in() if not options.names or p.partition(" ")[2] in options.names]
    if _git("status", "--porcelain", "attacks", "defenses", "benchmark"):
        sys.stderr.write("error: the source at hand is not committed\n  → commit it first\n")
        return 2
    return begin(plugins) if options.new else compare(options.at, plugins)


if __name__ == "__main__":
    sys.exit(main())
