"""A network that torch.jit saved: its file holds code of TorchScript, and no Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from benchmark.core.errors import DataError
from benchmark.models.foreign_weights import check_file_kind, first_line
from benchmark.models.specs.kinds import SpecKind


class TorchScript(SpecKind):
    """``torchscript:FILE``."""

    def check(self, argument: str) -> None:
        """Refuse a file that is something else by its beginning; see `SpecKind.check`."""
        if Path(argument).is_file():  # a missing one is told of by its caller
            check_file_kind(Path(argument))

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Read the network; see `SpecKind.build`.

        Raises:
            DataError: The file is no TorchScript.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is to be replaced, and the files are there
                load: Callable[..., nn.Module] = torch.jit.load
                network = load(argument, map_location="cpu")
        except (RuntimeError, ValueError, OSError) as error:
            raise DataError(
                f"{argument} is no TorchScript: {first_line(error)}",
                "save it with torch.jit.save(torch.jit.trace(encoder, images), FILE)",
            ) from error
        return network.eval()
