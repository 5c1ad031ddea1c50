"""TF32 is allowed inside the body alone, and only where a GPU has it."""

from __future__ import annotations

import warnings

import pytest
import torch

from benchmark.core.crafting_precision import crafting_in, has_tf32
from benchmark.core.device import forbid_reduced_precision
from tests.reduced_precision import rounded, rounded_products
from tests.tiny_scene import tiny_encoder


def flags() -> tuple[bool, bool, str]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.get_float32_matmul_precision(),
    )


def test_tf32_is_allowed_in_the_body_and_forbidden_after_it() -> None:
    with warnings.catch_warnings(action="error"):
        forbid_reduced_precision()
        with crafting_in("float32"):
            assert flags() == (False, False, "highest")
        with crafting_in("tf32"):
            assert flags() == (True, True, "high")
        assert flags() == (False, False, "highest")
        with pytest.raises(ValueError, match="no"), crafting_in("tf32"):
            int("no")
        assert flags() == (False, False, "highest")


@pytest.mark.parametrize(
    ("device", "cuda", "capability", "has"),
    [
        ("cpu", "13.0", (9, 0), False),
        ("cuda", "13.0", (9, 0), True),
        ("cuda", "12.4", (8, 0), True),
        ("cuda", "12.4", (7, 5), False),
        ("cuda", None, (9, 4), False),  # ROCm
    ],
)
def test_which_devices_have_it(
    monkeypatch: pytest.MonkeyPatch, device: str, cuda: str, capability: tuple[int, int], has: bool
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert has_tf32(torch.device(device)) is has


def test_the_stand_in_rounds_products_and_lets_gradients_through() -> None:
    assert rounded(torch.tensor([1 + 2**-11, 1 + 2**-10, -3.0]), 10).tolist() == [
        *(1 + 2**-10, 1 + 2**-10, -3.0),
    ]
    encoder, images = tiny_encoder(), torch.rand(2, 3, 16, 8, requires_grad=True)
    exact = encoder(images)
    with rounded_products(10):
        near = encoder(images)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.02)
    (gradient,) = torch.autograd.grad(near.sum(), images)
    assert gradient.abs().max() > 0
