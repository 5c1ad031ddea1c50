"""Checkpoints of encoders: weights as safetensors, what they are as a JSON card beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark.core.errors import DataError, PluginError
from benchmark.core.fingerprint import sha256_file

WEIGHTS_FILE = "encoder.safetensors"
CARD_FILE = "encoder.json"

_QUANTISED = "nn.quantized"
"""Part of the names of torch's modules with integer weights."""
_PLAIN_STATE = (
    "keep state in parameters and buffers (register_buffer); what get_extra_state() returns must "
    "be a tensor"
)

_TOLD = 200
"""Characters that an error quotes of torch's list of keys."""


def save_encoder(folder: Path, encoder: nn.Module, card: Mapping[str, object]) -> None:
    """Write the weights and the card of an encoder into `folder`.

    Raises:
        PluginError: Its state is not made of plain tensors.
    """
    try:
        state = {key: _plain(encoder, key, value) for key, value in encoder.state_dict().items()}
        save_file(state, folder / WEIGHTS_FILE)
    except (LookupError, ValueError, TypeError, RuntimeError) as error:  # tensors of another kind
        raise PluginError(f"the encoder's state cannot be saved: {error}", _PLAIN_STATE) from error
    body = {**card, "weights_sha256": sha256_file(folder / WEIGHTS_FILE)}
    (folder / CARD_FILE).write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")


def check_weights(folder: Path) -> None:
    """Compare the weights of `folder` with the hash on their card.

    Raises:
        OSError: One of the files cannot be read.
        ValueError: They are others than the card tells of, or the card is damaged.
        KeyError: The card holds no hash.
        TypeError: The card is no card.
    """
    recorded = json.loads((folder / CARD_FILE).read_text())["weights_sha256"]
    if sha256_file(folder / WEIGHTS_FILE) != recorded:
        raise ValueError("its SHA-256 is not the recorded one")


def _plain(encoder: nn.Module, key: str, value: object) -> Tensor:
    """Return a copy of a value: safetensors refuses a tensor that is there under two names."""
    if isinstance(value, Tensor) and not value.is_quantized:
        plain = value.detach().cpu()
        return plain.clone(memory_format=torch.contiguous_format)
    if any(_QUANTISED in type(part).__module__ for part in encoder.modules()):
        raise PluginError(
            f"the encoder is quantised ({key}): it has no gradient, so it cannot be attacked "
            "white-box, and it cannot be saved",
            "return the float encoder; or round in float32 inside it, declare "
            "adaptive = Adaptive(non_differentiable=True), and offer a surrogate()",
        )
    raise PluginError(
        f"the encoder's state {key!r} is of type {type(value).__name__}, which cannot be saved",
        _PLAIN_STATE,
    )


def restore_encoder(folder: Path, build: Callable[[], nn.Module]) -> nn.Module:
    """Return the encoder that `build` makes, with the weights of `folder`, in eval mode.

    Raises:
        DataError: The weights are missing or damaged, or are not those that their card tells of.
        PluginError: They do not fit the encoder that `build` makes.
    """
    path = folder / WEIGHTS_FILE
    try:
        check_weights(folder)
        state = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the weights {path} cannot be read: {error}", "delete the folder and train again"
        ) from error
    encoder = build()
    try:
        encoder.load_state_dict(state)
    except Exception as error:  # set_extra_state() is the plugin's
        last = (str(error).splitlines() or [type(error).__name__])[-1]
        told = shorten(last, _TOLD, placeholder=" …")  # it names every key
        raise PluginError(
            f"the weights {path} do not fit the encoder: {told}",
            "let build_encoder() return the shape that fit() returns",
        ) from error
    return encoder.eval()
