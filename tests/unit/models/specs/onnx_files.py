"""ONNX files that tests export by themselves."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

SIZE = (16, 8)


def export(
    network: nn.Module,
    path: Path,
    batch: int | None = None,
    opset: int = 17,
    size: tuple[int, int] = SIZE,
) -> Path:
    free = {} if batch else {"dynamic_axes": {"images": {0: "batch"}, "embeddings": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without onnxscript is to be replaced
        torch.onnx.export(
            network.eval(),
            (torch.rand(batch or 2, 3, *size),),
            path,
            dynamo=False,
            opset_version=opset,
            input_names=["images"],
            output_names=["embeddings"],
            **free,
        )
    return path
