"""The probe: small measurements on an encoder that show whether attacks on it can be trusted."""

from __future__ import annotations

from typing import Any

from torch import nn

from benchmark.core.device import DevicePolicy
from benchmark.data.records import ImageSet
from benchmark.metrics.attacked import CleanRanking

PROBE_VERSION = 1


def probe_encoder(
    encoder: nn.Module,
    view: nn.Module,
    query: ImageSet,
    gallery: ImageSet,
    clean: CleanRanking,
    *,
    policy: DevicePolicy,
    seed: int,
    owner: str,
) -> dict[str, Any]:
    """Return figures about an encoder, for the sanity checks."""
    return {}
