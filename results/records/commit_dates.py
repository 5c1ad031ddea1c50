"""When records came into the repository that they lie in."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_LOG = ("log", "--relative", "--no-renames", "--diff-filter=A", "--format=@%cs", "--name-only")
_SECONDS = 20


def commit_dates(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the date of the commit that brought each file, such as ``2026-11-28``.

    Files of no commit are left out, and all files where git or the history is missing.

    Args:
        files: The file of each record, by its id.
    """
    dates = {folder: _first_commits(folder) for folder in {path.parent for path in files.values()}}
    found = {id_: dates[path.parent].get(path.name) for id_, path in files.items()}
    return {id_: date for id_, date in found.items() if date is not None}


def _first_commits(folder: Path) -> dict[str, str]:
    """Return the date of the first commit of each file of a folder, by its name."""
    if _git(folder, "rev-parse", "--is-shallow-repository").strip() != "false":
        return {}
    found, date = {}, ""
    for line in _git(folder, *_LOG, "--", ".").splitlines():  # the latest commit first
        if line.startswith("@"):
            date = line[1:]
        elif line:
            found[line] = date
    return found


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "core.quotePath=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_SECONDS, errors="replace"
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
