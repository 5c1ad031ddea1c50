"""On a GPU: TF32 where it is allowed, as strong where it is kept, and memory that runs out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.precision_agreement import agreement_on_canary
from benchmark.core.crafting_precision import crafting_in, has_tf32
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.device_memory import CudaMemory
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS
from benchmark.metrics.embedding import embed_images
from benchmark.runner.run import run_benchmark
from tests.tiny_scene import image_set, tiny_encoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def cuda() -> DevicePolicy:
    return choose_device("cuda")


@pytest.fixture
def with_tf32(cuda: DevicePolicy) -> DevicePolicy:
    if not has_tf32(cuda.device):
        pytest.skip("the GPU has no TF32")
    return cuda


def error_of_products(policy: DevicePolicy) -> float:
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(512, 512, generator=generator).double() for _ in range(2))
    product = rows.float().to(policy.device) @ columns.float().to(policy.device)
    return float((product.double().cpu() - rows @ columns).abs().max())


def test_products_are_rounded_inside_the_body_alone(with_tf32: DevicePolicy) -> None:
    before = error_of_products(with_tf32)
    with crafting_in("tf32"):
        inside = error_of_products(with_tf32)
    assert before == error_of_products(with_tf32)
    assert before < 1e-3 < inside


@pytest.mark.parametrize("name", ["metric-ifgsm", "fna", "soft-ap", "reid-aa"])
def test_iterated_attacks_are_as_strong_on_the_canary(
    name: str, with_tf32: DevicePolicy, tmp_path: Path
) -> None:
    plugin: Any = ATTACKS.get(name)
    found = agreement_on_canary(
        plugin,
        plugin.parse_config({}),
        policy=with_tf32,
        work_dir=tmp_path,
        progress=SilentProgress(),
        title=name,
    )
    assert found.holds, found


@pytest.mark.usefixtures("with_tf32")
def test_a_run_crafts_in_tf32_and_measures_in_float32(
    tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    records = {}
    for crafting in ("float32", "auto"):
        config = tiny_config(
            f"evaluation.crafting={crafting}", device="cuda", output=tmp_path / crafting
        )
        ((records[crafting], _),) = run_benchmark(config, SilentProgress()).records
    assert records["auto"].clean == records["float32"].clean
    told = {one.name: one.crafting for one in records["auto"].attacks}
    assert told["random-noise"] is None
    for name in ("metric-fgsm", "tiny-attack"):
        assert told[name].precision in ("tf32", "float32")
        assert (told[name].reason is None) == (told[name].precision == "tf32")
    assert all(one.crafting is None for one in records["float32"].attacks)


def test_a_batch_is_sized_to_the_memory(cuda: DevicePolicy) -> None:
    images, encoder = image_set(identities=40, size=(16, 8)), cuda.place(tiny_encoder())
    seen: list[int] = []
    encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    few = embed_images(encoder, images, policy=cuda, batch=4, owner="x")
    assert max(seen) == 4
    many = embed_images(encoder, images, policy=cuda, batch=4, owner="x", adjusts=True)
    assert max(seen) > 4
    torch.testing.assert_close(many, few, rtol=1e-4, atol=1e-4)


def test_memory_is_counted(cuda: DevicePolicy) -> None:
    memory = CudaMemory(cuda.device)
    memory.begin()
    held = torch.empty(2**20, device=cuda.device)
    assert 4 * 2**20 <= memory.taken_bytes() < memory.total_bytes
    del held


class Hungry(nn.Module):
    """The tiny encoder, which wants a tenth of the GPU for each image."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.plain, self.each = tiny_encoder(), total // 10

    def forward(self, images: Tensor) -> Tensor:
        held = torch.empty(len(images) * self.each, dtype=torch.uint8, device=images.device)
        embeddings: Tensor = self.plain(images)
        del held
        return embeddings


def test_memory_that_runs_out_halves_the_batch(
    cuda: DevicePolicy, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = cuda.place(Hungry(CudaMemory(cuda.device).total_bytes))
    images = image_set(size=(16, 8))
    found = embed_images(encoder, images, policy=cuda, batch=16, owner="hungry", adjusts=True)
    plain = embed_images(encoder.plain, images, policy=cuda, batch=2, owner="plain")
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)
    assert "hungry: memory ran out with 16 images at once; it goes on with 8" in caplog.text
