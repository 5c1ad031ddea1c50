"""What finished cells hold, written and read: encoders, rankings, figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from benchmark.config.schema import RunConfig
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import encoder_faults
from benchmark.core.errors import PluginError
from benchmark.evaluation.rankings import AttackedRanking, CleanRanking
from benchmark.metrics.ranking import RankingResult
from benchmark.models.checkpoint import load_encoder
from benchmark.models.encoder import build_encoder
from benchmark.runner.cells import TrainCell
from benchmark.runner.store import StoredCell, save_arrays


def write_attacked(folder: Path, attacked: AttackedRanking) -> dict[str, Any]:
    """Write the rankings of an attacked data set into a folder; return its figures."""
    target = attacked.target
    save_arrays(
        folder,
        **ranking_arrays(attacked.ranking),
        **ranking_arrays(attacked.ranking_float, "float_"),
        **(ranking_arrays(target.attacked, "target_") if target else {}),
    )
    return {
        **attacked.ranking.summary(),
        "map_float": attacked.ranking_float.summary()["map"],
        "map_jpeg": attacked.ranking_jpeg.summary()["map"],
        "seconds": attacked.seconds,
        "forwards": attacked.forwards,
        "backwards": attacked.backwards,
        "black_box_queries": attacked.queries,
        "images": attacked.images,
        "max_distance_255": attacked.max_distance_255,
        "trace": attacked.trace,
        "images_sha256": attacked.images_sha256,
        "curve": [{"queries": n, "map": value} for n, value in sorted(attacked.curve.items())],
        "target": None
        if target is None
        else {"clean": target.clean.summary(), "attacked": target.attacked.summary()},
    }


def load_trained(
    folder: Path, train: TrainCell, config: RunConfig, policy: DevicePolicy
) -> nn.Module:
    """Return the encoder that a training saved in a folder, on the device, in eval mode.

    Raises:
        DataError: Its weights are damaged.
        PluginError: `Defense.build_encoder` does not fit them.
    """
    plain = config.backbone.model_copy(update={"weights": "none"})
    encoder = load_encoder(folder, lambda: train.plugin.build_encoder(lambda: build_encoder(plain)))
    if not isinstance(encoder, nn.Module):
        raise PluginError(
            f"build_encoder() of {train.defense!r} returned {type(encoder).__name__}",
            "return a torch.nn.Module",
        )
    with encoder_faults(train.defense, " when it was moved to the device"):
        return policy.place(encoder).eval()


def load_clean(stored: StoredCell) -> CleanRanking:
    """Return the clean ranking of a finished cell."""
    arrays = stored.arrays()
    return CleanRanking(
        ranking=ranking_of(arrays),
        query_embeddings=torch.from_numpy(arrays["query_embeddings"]),
        gallery_embeddings=torch.from_numpy(arrays["gallery_embeddings"]),
    )


def ranking_of(arrays: dict[str, Any]) -> RankingResult:
    """Return the outcome of each query from the arrays of a cell."""
    return RankingResult(ap=arrays["ap"], inp=arrays["inp"], rank=arrays["rank"])


def ranking_arrays(ranking: RankingResult, prefix: str = "") -> dict[str, Any]:
    """Return the outcome of each query as arrays; `ranking_of` is the way back."""
    return {f"{prefix}{name}": cast(Any, getattr(ranking, name)) for name in ("ap", "inp", "rank")}
