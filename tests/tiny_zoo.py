"""A zoo of tiny encoders in a folder of a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from benchmark.core.defense import Defense
from benchmark.core.fingerprint import sha256_file
from benchmark.core.plugin import options_of
from benchmark.models.zoo_card import CARD_FILE, WEIGHTS_FILE
from tests.tiny_scene import BACKBONE, make_defense, tiny_encoder

SHA = "0" * 64


def make_entry(
    zoo: Path,
    slug: str = "tiny",
    defense: Defense | None = None,
    image_size: tuple[int, int] = (32, 16),
    **changes: Any,
) -> Path:
    """Write an entry with a tiny encoder behind a defense; return its folder."""
    defense = defense or make_defense("none")
    folder = zoo / slug
    folder.mkdir(parents=True)
    encoder = defense.build_encoder(tiny_encoder)
    save_file({k: v.clone() for k, v in encoder.state_dict().items()}, folder / WEIGHTS_FILE)
    weights = folder / WEIGHTS_FILE
    card = {
        "slug": slug,
        "label": slug,
        "defense": {
            "name": defense.name,
            "config": options_of(defense.config),
            "behaviour": defense.behaviour().id,
        },
        "backbone": options_of(BACKBONE),
        "image_size": image_size,
        "seed": 0,
        "training": {},
        "dataset": {"name": "tiny", "manifest_sha256": SHA},
        "bases": {},
        "weights": {"sha256": sha256_file(weights), "bytes": weights.stat().st_size},
        "licence": "Apache-2.0",
        "measured": {
            "record": "ab" * 8,
            "protocol": SHA,
            "attacks": ["sma@8"],
            "clean_map": 80.0,
            "worst_map": 10.0,
        },
        "published": None,
        "environment": {},
        **changes,
    }
    (folder / CARD_FILE).write_text(json.dumps(card))
    return folder
