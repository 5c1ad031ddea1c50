"""ImageNet weights that other projects publish as a file, through torch's own download cache."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Iterator
from urllib.error import URLError

import torch
from torch import nn

from benchmark.core.errors import EnvironmentProblem
from benchmark.core.listing import listed
from benchmark.models.foreign_weights import BATCH_COUNT, NAMED, PARALLEL_PREFIX


@contextlib.contextmanager
def fetching(backbone: str, mend: str) -> Iterator[None]:
    """Run the body, which fetches weights; what it prints does not mix with the results.

    Args:
        backbone: Registry name.
        mend: What else than going without them helps.

    Raises:
        EnvironmentProblem: The weights cannot be fetched or read.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (URLError, OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EnvironmentProblem(
            f"the ImageNet weights of {backbone} could not be loaded: {first}",
            f"go without them (--set backbone.weights=none), or {mend}",
        ) from error


def load_published(trunk: nn.Module, url: str, file_name: str, backbone: str) -> None:
    """Load a published file into a trunk; its classifier is dropped.

    Args:
        trunk: Is given the weights.
        url: Where the file is, unless torch's folder has it.
        file_name: What torch's folder calls it.
        backbone: Registry name.

    Raises:
        EnvironmentProblem: The file cannot be fetched or read, or lacks weights of the trunk.
    """
    with fetching(backbone, f"put the file {file_name} into torch's hub/checkpoints folder"):
        state = torch.hub.load_state_dict_from_url(
            url, map_location="cpu", file_name=file_name, weights_only=True
        )
        state = {key.removeprefix(PARALLEL_PREFIX): value for key, value in state.items()}
        own = trunk.state_dict()
        known = {key: value for key, value in state.items() if key in own}
        missing = [key for key in own if key not in known and not key.endswith(BATCH_COUNT)]
        if missing:
            raise RuntimeError(f"{file_name} lacks {listed(missing, NAMED)}")
        trunk.load_state_dict(known, strict=False)
