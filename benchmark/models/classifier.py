"""The identity classifier of a training: evaluation drops it, the classifier probe wants it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmark.core.errors import DataError

CLASSIFIER_FILE = "classifier.safetensors"


@dataclass(frozen=True)
class IdentityClassifier:
    """A linear classifier on embeddings.

    Attributes:
        weight: (C, D) on the CPU; there is no bias.
        identities: (C,) identity of each class, ascending.
    """

    weight: Tensor
    identities: Tensor


def save_classifier(folder: Path, classifier: IdentityClassifier) -> None:
    """Write a classifier into `folder`."""
    tensors = {"weight": classifier.weight.contiguous(), "identities": classifier.identities}
    save_file(tensors, folder / CLASSIFIER_FILE)


def load_classifier(folder: Path) -> IdentityClassifier | None:
    """Return the classifier in `folder`, or None if the training kept none.

    Raises:
        DataError: It cannot be read.
    """
    path = folder / CLASSIFIER_FILE
    if not path.is_file():
        return None
    try:
        tensors = load_file(path)
        return IdentityClassifier(tensors["weight"], tensors["identities"])
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(
            f"the classifier {path} cannot be read: {error}", "delete the folder and train again"
        ) from error
