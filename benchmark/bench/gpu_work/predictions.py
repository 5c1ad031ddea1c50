"""How long an entry of the list will take on a GPU."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark.bench.gpu_work.notes import Notes
from benchmark.bench.gpu_work.work_list import GpuWork
from benchmark.config.load import load_run_config
from benchmark.core.device import DevicePolicy
from benchmark.runner.preview import preview


def predicted_seconds(work: GpuWork, notes: Notes, output: Path) -> float:
    """Return what a command took last time, or what is left of the plan of a run.

    What a defense prepares before it trains, such as a diffusion model, is in no plan.
    """
    if not work.is_run:
        return notes.of(work.name).seconds or 60 * work.minutes
    options, keys = {**work.options, "device": "auto", "output": output}, list(work.keys)
    if torch.cuda.is_available():
        return 60 * preview(load_run_config(options, keys)).minutes
    config = load_run_config(options, [*keys, "evaluation.crafting=float32"])  # auto asks the GPU
    return 60 * preview(config, DevicePolicy(torch.device("cuda"))).minutes
