"""The state of a diffusion training in one safetensors file, published atomically."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from benchmark.core.files import publish
from benchmark.core.fingerprint import fingerprint
from benchmark.core.image_set import ImageSet

_FORMAT = 1
_BLOCK = 1024


def work_identity(train: ImageSet, config: dict[str, object], seed: int, precision: str) -> str:
    """Return the fingerprint of a training: its data, configuration, seed and precision."""
    digest = hashlib.sha256()
    for first in range(0, len(train), _BLOCK):
        digest.update(train.pixels(slice(first, first + _BLOCK)).tobytes())
    return fingerprint(
        {
            "format": _FORMAT,
            "pixels": digest.hexdigest(),
            "labels": [train.pids.tolist(), train.camids.tolist()],
            "config": {k: v for k, v in config.items() if k not in _NOT_TRAINING},
            "seed": seed,
            "precision": precision,
        }
    )


_NOT_TRAINING = frozenset({"checkpoint_every", "sampler_steps", "sigma_start", "guidance"})
"""Settings that leave the trained weights as they are."""


def save_checkpoint(
    path: Path,
    work: str,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    losses: list[float],
) -> None:
    """Write the state after `len(losses)` steps; a reader sees the old file or the new one."""
    tensors = {"losses": torch.tensor(losses, dtype=torch.float64)}
    for name, module in (("network", network), ("average", average)):
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    plain = {key: value.cpu().contiguous() for key, value in tensors.items()}
    publish(path, serialise(plain, {"work": work, "sha256": _hash(plain)}))


sources: tuple[str, ...] = ()
"""What is read here is what `save_checkpoint` wrote."""


def load_checkpoint(
    path: Path,
    work: str,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> list[float]:
    """Restore the state in place and return the losses so far.

    Returns:
        One loss for each finished step; empty if there is no checkpoint, if it is of other work
        or if it is broken: the training then starts afresh and overwrites it.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            told = stored.metadata() or {}
            if told.get("work") != work:
                return []
            tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return []
    if told.get("sha256") != _hash(tensors):
        return []
    for name, module in (("network", network), ("average", average)):
        module.load_state_dict(_under(tensors, name))
    restore_optimiser(optimiser, _under(tensors, "optimiser"))
    losses: list[float] = tensors["losses"].tolist()
    return losses


def _hash(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of tensors on the CPU and of their names and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put stored state back, in the memory layout of the parameters that it belongs to."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for name, value in tensors.items():
        index, key = name.split(".")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter).copy_(value)
        optimiser.state[parameter][key] = value.detach()


def _under(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
