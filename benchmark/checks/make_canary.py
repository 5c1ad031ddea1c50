"""Make the canary: ``python -m benchmark.checks.make_canary [encoders|images|strengths …]``.

- ``encoders``: train two encoders with the defense ``none`` on a rendered training split, which
  differ in their seed, and store them in half precision.
- ``images``: choose images of the same data set: queries and a gallery of identities that no
  encoder saw, and some training images for attacks that are trained first. Their pixels are
  reduced to 64 levels a channel, which halves what they take.
- ``strengths``: measure what each built-in attack reaches with default options, and store it; an
  attack that is trained first is trained several times, ``mis-ranking`` for minutes each.

Without a name it does all three, in this order. The same code on the same machine makes the same
files. Where encoders or images change, the strengths must be measured again.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmark.checks.canary_strengths import store_strengths
from benchmark.checks.stored_canary import (
    BACKBONE,
    CANARY_SPLITS,
    CARD_FILE,
    FOLDER,
    IMAGE_SIZE,
    ROLES,
    STRENGTHS_FILE,
    CanarySplit,
    read_card,
    stored_files,
    write_images,
)
from benchmark.core.defense import Defense
from benchmark.core.device import choose_device
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import PlainProgress
from benchmark.core.registry import DATASETS, DEFENSES
from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.data.dataset import Dataset
from benchmark.models.checkpoint import save_encoder
from benchmark.training.config import AugmentConfig, TrainingConfig
from benchmark.training.fit import Task, fit_defense

COMMAND = "python -m benchmark.checks.make_canary"
DATASET, SIZE = "synthped-plaza", "embedded"
DEFENSE = "none"
SEEDS = dict(zip(ROLES, (0, 1), strict=True))
TRAINING = TrainingConfig(epochs=18, validate_every=18, augment=AugmentConfig(erase=0))
IDENTITIES = 16
"""Identities of the queries, and as many of the training images."""
QUERIES = 3
"""Queries of an identity, each by another camera."""
MATCHES = 4
"""Gallery images of an identity."""
OTHERS = {"another identity": 24, "distractor": 12, "junk": 4}
"""Gallery images that match no query."""
TRAIN_IMAGES = 6
"""Training images of an identity."""
LEVELS = 64
"""Values of a channel."""

PARTS = ("encoders", "images", "strengths")


def make_encoders(folder: Path, dataset: Dataset) -> None:
    """Train and store the two encoders."""
    defense = cast(type[Defense], DEFENSES.get(DEFENSE))
    policy = choose_device("cpu")
    for role, seed in SEEDS.items():
        seed_everything(derive_seed(seed, "canary"))
        with tempfile.TemporaryDirectory() as work_dir:
            trained = fit_defense(
                defense(defense.parse_config({})),
                Task(
                    train=dataset.split("train"),
                    backbone=BACKBONE,
                    training=TRAINING,
                    image_size=IMAGE_SIZE,
                    policy=policy,
                    seed=seed,
                    progress=PlainProgress(),
                    work_dir=Path(work_dir),
                    encoders={},
                ),
            )
        (folder / role).mkdir(parents=True, exist_ok=True)
        about = {"role": role, "seed": seed, "defense": DEFENSE, "precision": "float16"}
        save_encoder(folder / role, trained.encoder.half(), about)


def make_images(folder: Path, dataset: Dataset) -> dict[CanarySplit, list[str]]:
    """Choose and store the images; return their names."""
    query, gallery, train = (dataset.split(split) for split in ("query", "gallery", "train"))
    identities = _seen_by(query, QUERIES)[:IDENTITIES]
    chosen: dict[CanarySplit, ImageSet] = {
        "query": query.subset(_spread(query, identities, QUERIES)),
        "gallery": gallery.subset(_gallery_rows(gallery, identities)),
        "train": train.subset(
            _spread(train, _seen_by(train, 2, TRAIN_IMAGES)[:IDENTITIES], TRAIN_IMAGES)
        ),
    }
    for split in CANARY_SPLITS:
        write_images(_reduced(chosen[split]), split, folder)
    return {split: list(chosen[split].names) for split in CANARY_SPLITS}


def _seen_by(images: ImageSet, cameras: int, least: int = 1) -> list[int]:
    """Return the identities that enough cameras saw on enough images, sorted."""
    return [
        pid
        for pid in images.identities.tolist()
        if len(np.unique(images.camids[images.pids == pid])) >= cameras
        and int((images.pids == pid).sum()) >= least
    ]


def _spread(images: ImageSet, identities: Iterable[int], count: int) -> NDArray[np.int64]:
    """Return up to `count` rows of each identity, by turns of its cameras."""
    chosen: list[int] = []
    for pid in identities:
        rows = np.flatnonzero(images.pids == pid)
        turns = [
            (int((images.camids[rows[:i]] == images.camids[r]).sum()), i, r)
            for i, r in enumerate(rows)
        ]
        chosen += [int(row) for *_, row in sorted(turns)[:count]]
    return np.sort(np.array(chosen, np.int64))


def _gallery_rows(gallery: ImageSet, identities: list[int]) -> NDArray[np.int64]:
    """Return the rows of the matches and of those that match nobody."""
    strangers = [pid for pid in gallery.identities.tolist() if pid not in identities]
    others = {
        "another identity": _spread(gallery, strangers, 1),
        "distractor": np.flatnonzero(gallery.distractor),
        "junk": np.flatnonzero(gallery.junk),
    }
    parts = [_spread(gallery, identities, MATCHES)]
    parts += [others[kind][:count] for kind, count in OTHERS.items()]
    return np.sort(np.concatenate(parts))


def _reduced(images: ImageSet) -> ImageSet:
    step = 256 // LEVELS
    pixels = images.pixels(slice(None)) // step * step
    return replace(images, images=pixels, rows=np.arange(len(images)))


def write_card(folder: Path, dataset: Dataset, names: Mapping[CanarySplit, list[str]]) -> None:
    """Write how the canary was made and the hashes of its files."""
    made = {CARD_FILE, STRENGTHS_FILE}
    card = {
        "title": "Canary: two undefended encoders on rendered images",
        "command": COMMAND,
        "dataset": {"name": DATASET, "size": SIZE, "manifest_sha256": dataset.manifest_sha256()},
        "licence": "The project's licence; the images are rendered, nobody is shown.",
        "defense": DEFENSE,
        "seeds": SEEDS,
        "backbone": BACKBONE.model_dump(mode="json"),
        "image_size": list(IMAGE_SIZE),
        "levels": LEVELS,
        "training": TRAINING.model_dump(mode="json"),
        "images": dict(names),
        "sha256": {path: sha for path, sha in stored_files(folder).items() if path not in made},
    }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n")


def _open(cache_dir: Path) -> Dataset:
    plugin = cast(type[Dataset], DATASETS.get(DATASET))
    return plugin(
        {"size": SIZE},
        image_size=IMAGE_SIZE,
        root=None,
        cache_dir=cache_dir,
        progress=PlainProgress(),
    )


def _store(parts: Sequence[str], dataset: Dataset) -> None:
    FOLDER.mkdir(exist_ok=True)
    if "encoders" in parts:
        make_encoders(FOLDER, dataset)
    names = make_images(FOLDER, dataset) if "images" in parts else read_card()["images"]
    write_card(FOLDER, dataset, names)


def main(arguments: list[str] | None = None) -> int:
    """Make the chosen parts."""
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--attack", nargs="+", default=[], help="measure these attacks alone")
    given = parser.parse_args(arguments)
    unknown = set(given.part) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {min(unknown)!r}; known: {', '.join(PARTS)}")
    parts = given.part or PARTS
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if set(parts) & {"encoders", "images"}:
        with tempfile.TemporaryDirectory() as cache_dir:
            _store(parts, _open(Path(cache_dir)))
    if "strengths" in parts:
        store_strengths(given.attack, f"{COMMAND} strengths")
    return 0


if __name__ == "__main__":
    sys.exit(main())
