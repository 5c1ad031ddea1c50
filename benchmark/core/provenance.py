"""Where a result comes from: versions, device, commit."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "torchvision", "diffusers", "numpy", "pandas", "pydantic", "pillow")

UNKNOWN_ENVIRONMENT: dict[str, Any] = {
    "python": "unknown",
    "torch": "unknown",
    "device": "unknown",
    "git_commit": None,
    "packages": {},
}
"""What is said of results that did not keep where they were computed."""


def git_commit() -> str | None:
    """Return the commit of the source tree, with ``+changes`` if it was modified, else None."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that shape results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def environment(device: str) -> dict[str, object]:
    """Return what a result keeps of the machine that computes it."""
    return {
        "python": platform.python_version(),
        "torch": version("torch"),
        "device": device,
        "git_commit": git_commit(),
        "packages": package_versions(),
    }
