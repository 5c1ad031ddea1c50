"""Load images, records as a frame, and trained encoders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from torch import Tensor, nn

from benchmark.api.live_encoder import LiveEncoder
from benchmark.api.tables import tidy_frame
from benchmark.config.load import load_run_config
from benchmark.core.defense import Defense
from benchmark.core.device import choose_device
from benchmark.core.errors import DataError
from benchmark.core.progress_choice import make_progress
from benchmark.core.registry import DEFENSES
from benchmark.data.layout import Split
from benchmark.models.backbone import BackboneConfig
from benchmark.models.checkpoint import CARD_FILE, restore_encoder
from benchmark.models.encoder import build_encoder
from benchmark.models.zoo import is_zoo_name, zoo_card
from benchmark.models.zoo_encoder import zoo_encoder
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from results.board.make_boards import make_boards
from results.records.query_outcomes import read_measured
from results.records.schema import Record
from results.records.store import read_record_files


def load_records(path: str | Path) -> pd.DataFrame:
    """Return the numbers of all records of a folder, a line each; sub-folders count.

    See `benchmark.api.tables.tidy_frame` for the columns.

    Raises:
        RecordError: The folder is missing, holds no record, or a file cannot be read.
    """
    return tidy_frame(make_boards(*read_measured([Path(path)])))


def load_encoder(
    path: str | Path, *, defense: str | None = None, seed: int | None = None, device: str = "auto"
) -> nn.Module:
    """Return an encoder that a run trained or that the zoo holds, in eval mode.

    Args:
        path: An output folder, or a record in it; or, where there is no such path, the name of an
            entry of the zoo, such as ``ddid``. Its weights are fetched if need be, and kept.
        defense: Which defense of the folder, if it holds several.
        seed: Which training seed of it, if there are several.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        UsageError: It is neither a path nor an entry of the zoo.
        DataError: No or several trainings fit, or the weights are missing or damaged.
        PluginError: The defense does not build an encoder that they fit.
        EnvironmentProblem: The weights cannot be fetched.
    """
    policy = choose_device(device)
    if is_zoo_name(path):
        return policy.place(zoo_encoder(zoo_card(str(path)))).eval()
    record_path, record = _one_record(Path(path), defense, seed)
    cells = record_path.parent.parent / "cells"
    found = training_behind(record, cells)
    if found is None:
        raise DataError(
            f"the training behind {record_path} is not in {cells}",
            "encoders stay with the output folder of their run; run the same command again",
        )
    return policy.place(_loaded(*found)).eval()


def training_behind(record: Record, cells: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the folder and the card of the training behind a record, if it is among some cells."""
    for folder, content in _trainings(cells):
        if _made(record, content):
            return folder, content
    return None


def load_images(
    dataset: str | Sequence[str] = "synthped-plaza", split: Split = "query", **options: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the images of a split, to attack or to look at.

    Args:
        dataset: Data set.
        split: ``train``, ``query`` or ``gallery``.
        options: Keys of a run's configuration, such as ``data_root``, ``image_size``, ``size``.

    Returns:
        (N, 3, H, W) float32 in [0, 1], (N,) identities, (N,) cameras.

    Raises:
        UsageError: An unknown name or option.
        DataError: Images are missing or cannot be read.
    """
    wanted = {"defense": ["none"], "dataset": dataset, "test_dataset": ["none"], **options}
    config = load_run_config(wanted)
    opened = RunDatasets(config, choose(config), make_progress())
    images = opened.split(config.dataset, split)
    pixels = images.tensor(slice(None)).contiguous()
    return pixels, torch.from_numpy(images.pids), torch.from_numpy(images.camids)


def _one_record(path: Path, defense: str | None, seed: int | None) -> tuple[Path, Record]:
    found = [
        (file, record)
        for file, record in read_record_files([path])
        if defense in (None, record.defense.name) and seed in (None, record.seed)
    ]
    names = sorted({f"{record.defense.name}, seed {record.seed}" for _, record in found})
    if len(names) != 1:
        raise DataError(
            f"{path} holds {len(names) or 'no'} such trainings"
            + (f": {'; '.join(names[:5])}" if names else ""),
            "say which one with defense= and seed=, or give the file of its record",
        )
    return found[0]


def _trainings(cells: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for card in sorted(cells.glob(f"[!.]*/{CARD_FILE}")):
        yield card.parent, json.loads(card.read_text("utf-8"))


def _made(record: Record, content: Mapping[str, Any]) -> bool:
    """Whether a training is the one behind a record."""
    defense, recipe = content["defense"], record.training.recipe
    return (
        (defense["name"], defense["config"], defense["behaviour"], content["seed"])
        == (record.defense.name, record.defense.config, record.defense.behaviour, record.seed)
        and tuple(content["image_size"]) == record.image_size
        and (not recipe or content.get("training") == recipe)
    )


def _loaded(folder: Path, content: Mapping[str, Any]) -> nn.Module:
    name = content["defense"]["name"]
    plugin = LiveEncoder if name == LiveEncoder.name else cast(type[Defense], DEFENSES.get(name))
    defense = plugin(plugin.parse_config(dict(content["defense"]["config"])))
    options = content.get("backbone", {"config": {}})["config"]
    backbone = BackboneConfig.model_validate({**options, "weights": "none"})
    return restore_encoder(folder, lambda: defense.build_encoder(lambda: build_encoder(backbone)))
