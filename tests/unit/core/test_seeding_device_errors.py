"""Seeds that must never change, devices, and errors with a hint and an exit code."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.core import errors
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.seeding import derive_seed, seed_everything, uniform_noise


def test_golden_seeds() -> None:
    # Every published number hangs on these values.
    assert derive_seed(0, "attack", "0002_c1s1_000451_03.jpg") == 2886500040122216641
    assert derive_seed("held-out", 90) == 8349735784071959985
    expected = torch.tensor(
        [[-0.007486820220947266, 0.5364435911178589], [0.5152631998062134, -0.44137823581695557]]
    )
    torch.testing.assert_close(uniform_noise([0, 1], (2,)), expected, rtol=0, atol=1e-7)


def test_seeds_depend_on_every_part_and_its_place() -> None:
    parts = [(0, "a"), (1, "a"), (0, "b"), ("a", 0), (0, "a", ""), ("0a",)]
    seeds = {derive_seed(*p) for p in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seed_everything_seeds_all_generators() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(derive_seed("x"))
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    assert draw() == draw()
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.benchmark


def test_noise_belongs_to_the_image_and_fills_the_range() -> None:
    whole = uniform_noise([3, 4, 5], (3, 20, 10))
    assert torch.equal(uniform_noise([5, 3], (3, 20, 10)), whole[[2, 0]])
    assert float(whole.min()) >= -1
    assert float(whole.max()) < 1
    assert abs(float(whole.mean())) < 0.05
    assert float(whole.std()) == pytest.approx(3**-0.5, abs=0.02)


def test_cpu_policy() -> None:
    policy = choose_device("cpu")
    assert policy == DevicePolicy(torch.device("cpu"), None)
    with policy.training_precision():
        assert not torch.is_autocast_enabled("cpu")
    conv = policy.place(nn.Conv2d(3, 4, 3))
    assert next(conv.parameters()).is_contiguous(memory_format=torch.channels_last)


def test_training_precision_of_a_policy_with_bfloat16() -> None:
    policy = DevicePolicy(torch.device("cpu"), torch.bfloat16)
    with policy.training_precision():
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
        assert torch.is_autocast_enabled("cpu")


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").device.type == "cpu"
    with pytest.raises(errors.UsageError, match="no CUDA device"):
        choose_device("cuda")


def test_cuda_uses_bfloat16_only_where_it_computes_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for supported, dtype in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s
        )
        assert choose_device("auto") == DevicePolicy(torch.device("cuda"), dtype)
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_unknown_device() -> None:
    with pytest.raises(errors.UsageError, match="unknown device 'tpu'"):
        choose_device("tpu")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UsageError, 2),
        (errors.DataError, 3),
        (errors.PluginError, 4),
        (errors.EnvironmentProblem, 6),
    ],
)
def test_exit_codes(error: type[errors.BenchmarkError], code: int) -> None:
    raised = error("what", "hint")
    assert (raised.exit_code, raised.what, raised.hint, str(raised)) == (
        code,
        "what",
        "hint",
        "what",
    )


def test_many_known_names_are_cut() -> None:
    error = errors.unknown_name("thing", "zzz", [f"name-{i:02d}" for i in range(30)])
    assert error.hint.endswith("name-19 …")
