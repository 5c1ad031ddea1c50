"""Weights that another program wrote: read without running its code, and fitted to an encoder."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark.core.errors import DataError, PluginError
from benchmark.core.listing import listed

logger = logging.getLogger(__name__)

SAFETENSORS = ".safetensors"
CONTAINERS = ("state_dict", "model")
"""Keys under which training programs keep the state dict of a checkpoint."""
PARALLEL_PREFIX = "module."
"""What `DataParallel` and `DistributedDataParallel` put before every key."""
NAMED = 3
"""Keys that an error names."""
HALF = (torch.float16, torch.bfloat16)
BATCH_COUNT = "num_batches_tracked"
"""Buffer of batch normalisation that only training needs; old checkpoints lack it."""

_NO_WEIGHTS = (
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself: git lfs pull"),
    (b"<!doctype", "a web page", "the download was refused or asks back: get it with a browser"),
    (b"<html", "a web page", "the download was refused or asks back: get it with a browser"),
    (b"<?xml", "an XML text", "the download was refused: get it with a browser"),
    (b"{", "a JSON text", "name the file with the weights"),
    (b"\x1f\x8b", "a compressed file", "unpack it: gunzip or tar"),
    (b"7z\xbc\xaf", "a compressed file", "unpack it"),
    (b"Rar!", "a compressed file", "unpack it"),
)
"""How files begin that stand in the place of weights, what they are, and what to do."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file, or of a state dict saved by `torch.save`.

    A checkpoint that holds its state dict under one of `CONTAINERS` is opened.

    Raises:
        DataError: The file cannot be read, holds more than tensors, needs code to be unpickled, or
            holds NaN.
    """
    check_file_kind(path)
    try:
        content: object = (
            load_file(path)
            if path.suffix == SAFETENSORS
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except pickle.UnpicklingError as error:
        raise DataError(
            f"the weights {path} are a pickle that would run code, or no pickle at all",
            "save a plain state dict: torch.save(encoder.state_dict(), FILE), or safetensors",
        ) from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise DataError(
            f"the weights {path} cannot be read: {first_line(error)}", "write the file again"
        ) from error
    for key in CONTAINERS:
        inner = content.get(key) if isinstance(content, Mapping) else None
        if isinstance(inner, Mapping):
            logger.debug("%s: the weights are those under %r", path.name, key)
            content = inner
    return _tensors(content, path)


def check_file_kind(path: Path) -> None:
    """Refuse a file that is something else than weights, by its beginning.

    Raises:
        DataError: It is, or it is empty, or it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise DataError(
            f"the weights {path} cannot be read: {error.strerror}", "check the path"
        ) from error
    if not start:
        raise DataError(f"the weights {path} are an empty file", "write or download it again")
    for beginning, kind, hint in _NO_WEIGHTS:
        if start.lower().startswith(beginning.lower()):
            raise DataError(f"the weights {path} are {kind}, no weights", hint)


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    hint = "save a plain state dict: torch.save(encoder.state_dict(), FILE)"
    if not isinstance(content, Mapping):
        raise DataError(f"the weights {path} hold {type(content).__name__}, no state dict", hint)
    for key, value in content.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise DataError(
                f"the weights {path} are no state dict: {key!r} is {type(value).__name__}", hint
            )
    broken = [key for key, value in content.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise DataError(
            f"the weights {path} hold NaN or infinities: {listed(broken, NAMED)}",
            "the training diverged: take an earlier checkpoint",
        )
    return dict(content)


def in_float32(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return weights with those in half precision made float32, in which all is measured.

    Args:
        state: As read.
        name: What the message calls the weights.
    """
    half = [key for key, value in state.items() if value.dtype in HALF]
    if half:
        logger.info("%s: %d tensors in half precision are computed in float32", name, len(half))
    return {key: value.float() if key in half else value for key, value in state.items()}


def load_foreign(encoder: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load a state dict into an encoder; every key must fit.

    The prefix of parallel training is taken off if every key has it and the encoder's have not.
    The counts of batches that old batch normalisations lack stay as the encoder has them.

    Args:
        encoder: Is given the weights.
        state: As read.
        name: What messages call the weights.

    Raises:
        PluginError: Keys are missing, are too many, or are of another shape; some are named.
    """
    own, state = encoder.state_dict(), in_float32(state, name)
    if state and all(key.startswith(PARALLEL_PREFIX) for key in state):
        stripped = {key.removeprefix(PARALLEL_PREFIX): value for key, value in state.items()}
        if not any(key.startswith(PARALLEL_PREFIX) for key in own):
            logger.info("%s: the prefix %r is taken off its keys", name, PARALLEL_PREFIX)
            state = stripped
    counts = {key: value for key, value in own.items() if key.split(".")[-1] == BATCH_COUNT}
    state = {**counts, **state}
    reshaped = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    problems = {
        "missing": [key for key in own if key not in state],
        "too many": [key for key in state if key not in own],
        "of another shape": reshaped,
    }
    told = "; ".join(f"{what}: {listed(keys, NAMED)}" for what, keys in problems.items() if keys)
    if told:
        raise PluginError(
            f"the weights {name} do not fit the encoder ({told})",
            "let the factory build the network that was saved; "
            "save without what evaluation drops, such as a classifier",
        )
    encoder.load_state_dict(dict(state))


def first_line(error: Exception) -> str:
    """Return the first line of an error, or its type."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
