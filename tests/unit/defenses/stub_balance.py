"""Four synthetic images in place of what a diffusion model would make."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from benchmark.core.image_set import ImageSet
from tests.tiny_scene import image_set


def stub_balance(train: ImageSet, encoder: object, config: object, **options: Any) -> Any:
    """Return four synthetic images of the first identity, as the diffusion model would."""
    assert not getattr(encoder, "training", True)
    synthetic = image_set(identities=1, size=(16, 8), first_pid=int(train.pids.min()))
    return synthetic, SimpleNamespace(summary=lambda: {"accepted": len(synthetic)})
