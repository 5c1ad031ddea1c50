"""A GPU computes what the CPU computes: precision, rankings, attacks, a whole run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.checks.canary import MARGIN_MAP, Stage, map_under, open_stage, ready_attack
from benchmark.checks.stored_canary import read_strengths
from benchmark.core.attack import Attack
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS
from benchmark.runner.run import run_benchmark

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

STRENGTHS = read_strengths()
OF_EACH_FAMILY = (
    *("metric-fgsm", "metric-pgd", "sma", "fna", "odfa", "apgd-snn", "soft-ap", "reid-aa", "lta"),
    *("di", "ti-dim", "uap", "square", "color-lut", "torchattacks"),
)
"""Attacks of each family; none that is trained for long."""
SAME_EMBEDDING = 1e-4


@pytest.fixture(scope="module")
def cuda() -> DevicePolicy:
    return choose_device("cuda")


@pytest.fixture(scope="module")
def stage(cuda: DevicePolicy) -> Stage:
    return open_stage(cuda)


def test_float32_is_not_rounded_to_tf32(cuda: DevicePolicy) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(256, 256, generator=generator).double() for _ in range(2))
    product = rows.float().to(cuda.device) @ columns.float().to(cuda.device)
    assert (product.double().cpu() - rows @ columns).abs().max() < 1e-3  # TF32 keeps 10 bits

    images, kernels = rows.view(1, 256, 16, 16), columns.reshape(64, 256, 2, 2)
    convolved = torch.nn.functional.conv2d(
        images.float().to(cuda.device), kernels.float().to(cuda.device)
    )
    exact = torch.nn.functional.conv2d(images, kernels)
    assert (convolved.double().cpu() - exact).abs().max() < 1e-3


def test_embeddings_and_clean_ranking_are_those_of_the_cpu(stage: Stage) -> None:
    on_cpu = open_stage(choose_device("cpu"))
    for mine, theirs in (
        (stage.target.clean.query_embeddings, on_cpu.target.clean.query_embeddings),
        (stage.target.clean.gallery_embeddings, on_cpu.target.clean.gallery_embeddings),
    ):
        assert (mine.cpu() - theirs).abs().max() < SAME_EMBEDDING * theirs.abs().max()
    assert stage.target.clean_map == pytest.approx(on_cpu.target.clean_map, abs=1e-3)


@pytest.mark.parametrize("name", OF_EACH_FAMILY)
def test_an_attack_is_as_strong_as_on_the_cpu(name: str, stage: Stage, tmp_path: Path) -> None:
    plugin: Any = ATTACKS.get(name)
    attack: Attack = ready_attack(
        plugin, plugin.parse_config({}), STRENGTHS["eps_255"], stage, tmp_path
    )
    assert map_under(attack, stage) == pytest.approx(STRENGTHS["attacks"][name], abs=MARGIN_MAP)


@pytest.mark.parametrize("defense", ["metric-at", "free-at"])
def test_a_run_names_the_gpu_and_repeats_itself(
    defense: str, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    records = []
    for output in ("first", "second"):
        config = tiny_config(defense=[defense], device="cuda", output=tmp_path / output)
        ((record, _),) = run_benchmark(config, SilentProgress()).records
        records.append(record)
    assert records[0].environment.device == torch.cuda.get_device_name()
    assert records[0].clean == records[1].clean
    maps = [{attack.name: attack.map for attack in record.attacks} for record in records]
    assert maps[0] == maps[1]
