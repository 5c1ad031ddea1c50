from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.core.errors import PluginError, UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress, SilentProgress
from defenses.ddid.denoiser import Denoiser, DenoiserConfig
from defenses.ddid.diffusion import Diffusion, DiffusionConfig, train_diffusion
from tests.kills import KillAfter, Killed
from tests.unit.defenses.small_split import small_split

TRAIN = small_split({(1, 1): 4, (2, 1): 3, (2, 5): 3})
NETWORK = DenoiserConfig(downscale=1, patch=2, widths=(8, 8), groups=4, dropout=0.1)
CONFIG = DiffusionConfig(network=NETWORK, steps=6, batch=4, checkpoint_every=3)


def fit(
    folder: Path,
    config: DiffusionConfig = CONFIG,
    progress: Progress | None = None,
    train: ImageSet = TRAIN,
) -> Diffusion:
    return train_diffusion(
        train,
        config,
        seed=3,
        device=torch.device("cpu"),
        progress=progress or SilentProgress(),
        checkpoint=folder / "diffusion.safetensors",
    )


def weights(diffusion: Diffusion) -> dict[str, torch.Tensor]:
    return diffusion.denoiser.state_dict()


def equal(first: Diffusion, second: Diffusion) -> bool:
    pairs = zip(weights(first).values(), weights(second).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole")
    with pytest.raises(Killed):
        fit(tmp_path / "killed", progress=KillAfter(4, noted=True))
    torch.rand(7)  # the global generator has no influence
    resumed = fit(tmp_path / "killed")
    assert resumed.losses == whole.losses
    assert equal(resumed, whole)


def test_a_finished_training_is_loaded_and_another_one_is_not(tmp_path: Path) -> None:
    first = fit(tmp_path)
    stamp = (tmp_path / "diffusion.safetensors").stat().st_mtime_ns
    again = fit(tmp_path, CONFIG.model_copy(update={"sigma_start": None, "sampler_steps": 3}))
    assert equal(first, again)
    assert (tmp_path / "diffusion.safetensors").stat().st_mtime_ns == stamp
    other = fit(tmp_path, CONFIG.model_copy(update={"learning_rate": 1e-4}))
    assert not equal(first, other)


def test_a_broken_checkpoint_is_made_again(tmp_path: Path) -> None:
    first = fit(tmp_path)
    (tmp_path / "diffusion.safetensors").write_bytes(b"broken")
    assert equal(first, fit(tmp_path))


def test_a_checkpoint_with_a_changed_bit_is_made_again(tmp_path: Path) -> None:
    first = fit(tmp_path)
    path = tmp_path / "diffusion.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # within a tensor, where safetensors notices nothing
    path.write_bytes(content)
    assert equal(first, fit(tmp_path))


def test_the_global_generator_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    fit(tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path) -> None:
    wild = CONFIG.model_copy(update={"learning_rate": 1e25, "warmup_steps": 0})
    with pytest.raises(PluginError, match=r"loss is (nan|inf)"):
        fit(tmp_path, wild)


def test_an_image_size_that_does_not_divide_says_how_to_mend_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="18x8 do not divide by 4") as caught:
        fit(tmp_path, train=small_split({(1, 1): 2}, height=18))
    assert "patch" in caught.value.hint


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"steps": 40, "batch": 8, "learning_rate": 5e-3})
    losses = fit(tmp_path, config).losses
    assert sum(losses[-10:]) < 0.96 * sum(losses[:10])


def test_folding_loses_nothing_on_images_that_are_not_square() -> None:
    denoiser = Denoiser(NETWORK, TRAIN)
    images, camera = TRAIN.tensor(slice(0, 4)), torch.zeros(4, dtype=torch.long)
    folded = denoiser.fold(images, camera)
    assert folded.shape == (4, 12, 8, 4)
    torch.testing.assert_close(denoiser.unfold(folded, camera), images)


def test_the_condition_is_the_sum_of_what_is_kept() -> None:
    denoiser = Denoiser(NETWORK, TRAIN)
    torch.nn.init.normal_(denoiser.camera.weight)
    identity, camera = torch.tensor([1, 1, 1, 1]), torch.tensor([0, 1, 1, 1])
    keep = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    condition = denoiser.condition(identity, camera, keep)
    e_id, e_cam = denoiser.identity.weight[1], denoiser.camera.weight
    expected = torch.stack([e_id + e_cam[0], e_id, e_cam[1], torch.zeros_like(e_id)])
    torch.testing.assert_close(condition, expected)


def test_an_untrained_camera_part_is_zero_and_so_is_the_answer() -> None:
    denoiser = Denoiser(NETWORK, TRAIN).eval()
    assert not denoiser.camera.weight.any()
    folded = torch.randn(2, 12, 8, 4)
    zeros = torch.zeros(2, dtype=torch.long)
    answer = denoiser(folded, torch.zeros(2), denoiser.condition(zeros, zeros))
    assert answer.shape == folded.shape
    assert not answer.any()
