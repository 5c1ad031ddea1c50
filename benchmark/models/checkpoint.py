"""Checkpoints of encoders: weights as safetensors, what they are as a JSON card beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark.core.errors import DataError, PluginError
from benchmark.core.fingerprint import sha256_file

WEIGHTS_FILE = "encoder.safetensors"
CARD_FILE = "encoder.json"

_TOLD = 200
"""Characters that an error quotes of torch's list of keys."""


def save_encoder(folder: Path, encoder: nn.Module, card: Mapping[str, object]) -> None:
    """Write the weights and the card of an encoder into `folder`."""
    # Copies, because safetensors refuses a tensor that a network holds under two names.
    state = {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, value in encoder.state_dict().items()
    }
    save_file(state, folder / WEIGHTS_FILE)
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


def load_encoder(folder: Path, build: Callable[[], nn.Module]) -> nn.Module:
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
    except RuntimeError as error:
        told = shorten(str(error).splitlines()[-1], _TOLD, placeholder=" …")  # it names every key
        raise PluginError(
            f"the weights {path} do not fit the encoder: {told}",
            "let build_encoder() return the shape that fit() returns",
        ) from error
    return encoder.eval()
