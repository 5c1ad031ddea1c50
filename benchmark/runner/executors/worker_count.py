"""How many workers a run has on this machine, and of how many threads each."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import torch

from benchmark.config.schema import RunConfig
from benchmark.core.cores import cores
from benchmark.core.dataset_names import sources_of
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS, BACKBONES, DATASETS, DEFENSES, Registry
from benchmark.runner.choice import Choice

logger = logging.getLogger(__name__)


def threads_of(workers: int) -> int:
    """Return the threads of each of some workers: their share of the cores."""
    return max(1, min(cores() // workers, torch.get_num_threads()))


def usual_workers(policy: DevicePolicy) -> int:
    """Return how many workers compute unless it is said.

    One a GPU; on CPUs one for each two cores beyond the first two, at least one.
    """
    return _gpus() if policy.device.type == "cuda" else max(1, (cores() - 2) // 2)


def _gpus() -> int:
    return max(1, torch.cuda.device_count())  # one that is planned for may be elsewhere


def worker_count(config: RunConfig, choice: Choice, policy: DevicePolicy) -> int:
    """Return how many workers compute: as many as were asked for, else the usual ones.

    Raises:
        UsageError: There are not so many cores or GPUs, or others cannot do what this process can.
    """
    if config.executor == "ray":
        if (reason := _tied_to_this_process(config, choice)) is not None:
            raise UsageError(reason, "do that, or use --executor local --workers 1")
        return config.workers or 1  # the cluster decides
    on_gpu = policy.device.type == "cuda"
    most = _gpus() if on_gpu else cores()
    wanted = config.workers or usual_workers(policy)
    if wanted > most:
        raise UsageError(
            f"{wanted} workers, and there are {most} {'GPUs' if on_gpu else 'cores'}",
            f"use --workers {most} or fewer",
        )
    if wanted > 1 and (reason := _tied_to_this_process(config, choice)) is not None:
        if config.workers is not None:
            raise UsageError(reason, "do that, or use --workers 1 (workers=1)")
        logger.info("one worker: %s", reason)
        return 1
    return wanted


def _tied_to_this_process(config: RunConfig, choice: Choice) -> str | None:
    """Return why another process could not do the same, and the mend; None if it could."""
    if (ranks := config.training.ranks) > 1:
        return f"a training of {ranks} ranks takes the GPUs of other workers: set training.ranks=1"
    files = {path.resolve() for path in config.plugin}
    defenses = choice.defenses | choice.prerequisites
    seen = [name for one in defenses.values() for name in one.trained_against]
    named: list[tuple[Registry[Any], list[str]]] = [
        (DEFENSES, list(defenses)),
        (ATTACKS, [*(one.name for one in choice.attacks), *filter(ATTACKS.has, seen)]),
        (BACKBONES, [config.backbone.name]),
        (DATASETS, [one for name in choice.sources for one in sources_of(name)]),
    ]
    for registry, names in named:
        for name in names:
            plugin = registry.get(name)
            file = getattr(sys.modules.get(plugin.__module__), "__file__", None)
            if not registry.is_installed(name) and (file is None or Path(file) not in files):
                return (
                    f"the {registry.kind} {name!r} is known to this process alone: put it into a "
                    "file and give that with --plugin"
                )
            if plugin.behaviour().unknown:
                return (
                    f"the {registry.kind} {name!r} reads sources that are not known, and is "
                    "another one in each process: declare sources = [...] in its file"
                )
    return None
