"""The strengths of the built-in attacks on the canary: measure them and store them.

An attack that is trained first reaches another mAP by another seed, and as much another one on
another processor, whose rounding a training amplifies. So it is trained by several seeds, and once
rounded otherwise; the weakest of these trainings is its strength.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch

from benchmark.checks.canary import (
    CONTROL,
    CONTROL_MARGIN_MAP,
    EPS_255,
    SEED,
    Stage,
    map_under,
    open_stage,
    ready_attack,
)
from benchmark.checks.stored_canary import CARD_FILE, FOLDER, STRENGTHS_FILE, read_strengths
from benchmark.core.attack import Attack
from benchmark.core.device import choose_device
from benchmark.core.errors import BenchmarkError
from benchmark.core.fingerprint import sha256_file
from benchmark.core.registry import ATTACKS

BUILT_IN = "attacks."
"""Package of the attacks whose strengths are stored."""
TRAININGS = (*((seed, True) for seed in range(5)), (SEED, False))
"""Seed of each training of an attack that is trained first, and whether by oneDNN, which rounds
otherwise than the plain code."""

_LOG = logging.getLogger(__name__)


def store_strengths(chosen: Sequence[str], command: str, folder: Path = FOLDER) -> None:
    """Measure the chosen attacks, or all that there are, and store what they reach.

    Args:
        chosen: Names; the stored strengths of other attacks stay. Empty: all, and none stays.
            An attack that is hardly stronger than noise gets none: it would prove nothing.
        command: How to do it again, for the file.
        folder: Where the canary is.
    """
    stage = open_stage(choose_device("cpu"), folder)
    before = read_strengths(folder) if chosen else {"attacks": {}, "trainings": {}}
    strengths, trainings = dict(before["attacks"]), dict(before["trainings"])
    for name in chosen or [CONTROL, *(name for name in ATTACKS.names() if name != CONTROL)]:
        strengths.pop(name, None)
        trainings.pop(name, None)
        try:
            plugin = cast(type[Attack], ATTACKS.get(name))
            if not plugin.__module__.startswith(BUILT_IN):
                continue
            measured = _measured(plugin, stage)
        except BenchmarkError as error:
            _LOG.warning("%s is left out: %s", name, error.what)
            continue
        reached = max(one["map"] for one in measured)
        _LOG.info("%-20s mAP %5.1f of %.1f", name, reached, stage.target.clean_map)
        if name != CONTROL and reached > strengths[CONTROL] - CONTROL_MARGIN_MAP:
            _LOG.warning("%s is left out: it is hardly stronger than %s", name, CONTROL)
            continue
        strengths[name] = reached
        if plugin.needs_preparation:
            trainings[name] = measured
    content = {
        "command": command,
        "card_sha256": sha256_file(folder / CARD_FILE),
        "eps_255": EPS_255,
        "clean_map": round(stage.target.clean_map, 2),
        "attacks": dict(sorted(strengths.items())),
        "trainings": dict(sorted(trainings.items())),
    }
    (folder / STRENGTHS_FILE).write_text(json.dumps(content, indent=1) + "\n")


def _measured(plugin: type[Attack], stage: Stage) -> list[dict[str, Any]]:
    """Return seed, rounding and mAP of each training; a single one where nothing is trained."""
    trainings = TRAININGS if plugin.needs_preparation else TRAININGS[:1]
    return [
        {"seed": seed, "onednn": onednn, "map": round(_map(plugin, stage, seed, onednn), 2)}
        for seed, onednn in trainings
    ]


def _map(plugin: type[Attack], stage: Stage, seed: int, onednn: bool) -> float:
    rounding = nullcontext() if onednn else torch.backends.mkldnn.flags(enabled=False)
    with rounding, tempfile.TemporaryDirectory() as work_dir:
        config = plugin.parse_config({})
        attack = ready_attack(plugin, config, EPS_255, stage, Path(work_dir), seed)
        return map_under(attack, stage)
