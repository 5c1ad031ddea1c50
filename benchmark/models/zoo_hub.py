"""Weights of the zoo from the Hugging Face hub, where the package came without them."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from benchmark.core.errors import EnvironmentProblem
from benchmark.models.zoo_card import WEIGHTS_FILE

ZOO_VARIABLE = "REID_ROBUSTBENCH_ZOO"
REPOSITORY = "reid-robustbench/zoo"
REVISION = "v0.1.0"
"""Tag of the upload. What it holds is checked by the SHA-256 of the cards, which are not there."""
MEND = f"clone the repository, or set {ZOO_VARIABLE}=DIR to a folder that holds the zoo"


def fetch_weights(slug: str, endpoint: str | None = None) -> Path:
    """Return the file with the weights of an entry from the hub's own cache, fetched if need be.

    Args:
        slug: Name of the entry.
        endpoint: Address of the hub; None: the one that its library is set to.

    Raises:
        EnvironmentProblem: It cannot be fetched.
    """
    from huggingface_hub import hf_hub_download

    try:
        with contextlib.redirect_stdout(sys.stderr):  # the bar does not mix with the results
            return Path(
                hf_hub_download(
                    REPOSITORY, f"{slug}/{WEIGHTS_FILE}", revision=REVISION, endpoint=endpoint
                )
            )
    except Exception as error:  # those of its HTTP library are among them
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EnvironmentProblem(
            f"the weights of {slug} could not be fetched from {REPOSITORY}: {first}", MEND
        ) from error
