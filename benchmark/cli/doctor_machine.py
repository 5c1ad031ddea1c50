"""What ``doctor`` says of the machine: device, cores, threads, load, workers, memory, extras."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from benchmark.cli.doctor_line import GIB, Line

EXTRAS = {
    "ray": "cells on a cluster, --executor ray",
    "accelerate": "one training on several GPUs",
    "tensorboard": "event files, --tensorboard",
}
"""Packages that runs can do without, and what each is for."""


def check_torch() -> Iterator[Line]:
    """Check torch and the device that `auto` would take."""
    try:
        import torch

        from benchmark.core.device import choose_device
    except Exception as error:
        yield Line("fail", "torch", f"does not import: {error}")
        return
    yield Line("ok", "torch", torch.__version__)
    if choose_device("auto").device.type == "cuda":
        yield from _gpus()
    else:
        yield Line("ok", "device", "cpu; presets 'full' and 'full-r18' want a GPU")


def _gpus() -> Iterator[Line]:
    """Tell of each GPU what of it is used."""
    import torch

    for index in range(torch.cuda.device_count()):
        free, total = (size / GIB for size in torch.cuda.mem_get_info(index))
        with torch.cuda.device(index):
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        has_tf32 = torch.cuda.get_device_capability(index) >= (8, 0)
        yield Line(
            "ok" if free > total / 2 else "warn",
            "device",
            f"{torch.cuda.get_device_name(index)}, {free:.1f} of {total:.1f} GiB free; trainings "
            f"in {'bfloat16' if has_bf16 else 'float32'}, TF32 is "
            f"{'there for crafting' if has_tf32 else 'not there'}",
        )


def check_machine() -> Iterator[Line]:
    """Check cores, what else computes on them, workers, and memory."""
    from benchmark.core.cores import cores

    yield Line("ok", "cores", str(cores()))
    load = os.getloadavg()[0]
    busy = f"{load:.1f} processes wanted a core in the last minute"
    hint = "; others compute here, runs take longer" if load > cores() / 2 else ""
    yield Line("warn" if hint else "ok", "load", busy + hint)
    yield from _workers()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    except (ValueError, OSError):
        return
    yield Line("ok" if memory >= 4 else "warn", "memory", f"{memory:.1f} GiB; a run takes up to 3")


def _workers() -> Iterator[Line]:
    """Tell how many threads torch takes, and how many workers `run` would start."""
    try:
        import torch

        from benchmark.core.device import choose_device
        from benchmark.runner.executors.worker_count import threads_of, usual_workers
    except Exception:
        return  # said by `check_torch`
    yield Line("ok", "threads", f"{torch.get_num_threads()} of torch in a process")
    workers = usual_workers(choose_device("auto"))
    threads = threads_of(workers)
    yield Line("ok", "workers", f"{workers} by default, threads of each: {threads}")


def check_extras() -> Iterator[Line]:
    """Tell which of the packages that a run can do without are installed."""
    for name, purpose in EXTRAS.items():
        try:
            told = version(name)
        except PackageNotFoundError:
            told = f"not installed → pip install 'reid-robustbench[{name}]'"
        yield Line("ok", name, f"{told} ({purpose})")
