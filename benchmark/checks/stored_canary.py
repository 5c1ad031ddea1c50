"""What is stored of the canary: two undefended encoders, the images they rank, and strengths.

The encoders are ``none`` on a rendered training split; nobody is shown on the images. How they
were made is on the card; `benchmark.checks.make_canary` makes all of it again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image
from torch import nn

from benchmark.core.device import DevicePolicy
from benchmark.core.fingerprint import sha256_file
from benchmark.core.image_set import ImageSet
from benchmark.data.dataset import labelled_images
from benchmark.data.image_label import market_label
from benchmark.data.layout import parse_name
from benchmark.models.backbone import BackboneConfig
from benchmark.models.checkpoint import restore_encoder
from benchmark.models.encoder import build_encoder

CanarySplit = Literal["query", "gallery", "train"]
CANARY_SPLITS: tuple[CanarySplit, ...] = get_args(CanarySplit)
Role = Literal["target", "surrogate"]
ROLES: tuple[Role, ...] = get_args(Role)
"""The encoder that is attacked, and the one that a transfer attack sees instead of it."""

FOLDER = Path(__file__).parent / "canary_data"
CARD_FILE = "card.json"
STRENGTHS_FILE = "strengths.json"

BACKBONE = BackboneConfig(name="small-resnet", width=8)
IMAGE_SIZE = (64, 32)
SUFFIXES = (".json", ".png", ".safetensors")
COLUMNS = 16
"""Images in a row of a stored picture."""


def read_card(folder: Path = FOLDER) -> dict[str, Any]:
    """Return how the canary was made, the names of its images and the hashes of its files."""
    card: dict[str, Any] = json.loads((folder / CARD_FILE).read_text())
    return card


def read_strengths(folder: Path = FOLDER) -> dict[str, Any]:
    """Return what each attack reached with default options, and what was attacked.

    ``attacks`` is mAP by name; for an attack that is trained first, that of the weakest one of its
    ``trainings``.
    """
    strengths: dict[str, Any] = json.loads((folder / STRENGTHS_FILE).read_text())
    return strengths


def read_encoder(role: Role, policy: DevicePolicy, folder: Path = FOLDER) -> nn.Module:
    """Return a stored encoder on the device, in eval mode."""
    encoder = restore_encoder(folder / role, lambda: build_encoder(BACKBONE))
    return policy.place(encoder).eval()


def read_images(split: CanarySplit, folder: Path = FOLDER) -> ImageSet:
    """Return a stored set of images."""
    names = tuple(read_card(folder)["images"][split])
    height, width = IMAGE_SIZE
    with Image.open(folder / f"{split}.png") as picture:
        tiled = np.asarray(picture)
    tiles = tiled.reshape(-1, height, COLUMNS, width, 3).swapaxes(1, 2)
    pixels = np.ascontiguousarray(tiles.reshape(-1, height, width, 3)[: len(names)])
    return labelled_images(pixels, [market_label(name, parse_name(name)) for name in names])


def write_images(images: ImageSet, split: CanarySplit, folder: Path = FOLDER) -> None:
    """Store the pixels of a set as one picture without loss; the card must hold the names."""
    height, width = IMAGE_SIZE
    rows = -(-len(images) // COLUMNS)
    tiles = np.zeros((rows * COLUMNS, height, width, 3), np.uint8)
    tiles[: len(images)] = images.pixels(slice(None))
    tiled = tiles.reshape(rows, COLUMNS, height, width, 3).swapaxes(1, 2)
    picture = Image.fromarray(tiled.reshape(rows * height, COLUMNS * width, 3))
    picture.save(folder / f"{split}.png", optimize=True)


def stored_files(folder: Path = FOLDER) -> dict[str, str]:
    """Return the SHA-256 of each stored file, by its path below the folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
