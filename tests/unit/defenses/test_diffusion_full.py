"""The diffusion model of the presets for a GPU: reachable, and it runs at 256x128."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmark.config.load import load_run_config
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import SilentProgress
from defenses.ddid.balancing import BalancingConfig
from defenses.ddid.defense import DDID
from defenses.ddid.denoiser import Denoiser
from defenses.ddid.diffusion import DiffusionConfig, train_diffusion
from defenses.ddid.synthesis import Slot, Synthesiser
from tests.unit.defenses.small_split import small_split

CPU = torch.device("cpu")
FULL = DiffusionConfig.full()
TRAIN = small_split({(1, 1): 2, (2, 5): 2}, 256, 128)
NARROW = FULL.model_copy(
    update={
        "network": FULL.network.model_copy(update={"widths": (32, 32, 32, 32), "layers": 1}),
        "steps": 1,
        "batch": 2,
    }
)


@pytest.mark.parametrize("preset", ["full", "full-r18"])
def test_the_full_presets_use_the_full_size(preset: str) -> None:
    config = load_run_config({"defense": ["ddid"], "preset": preset})
    options = DDID.parse_config(config.defense_config["ddid"]).balancing_options  # type: ignore[attr-defined]
    assert options.diffusion == FULL
    assert options == BalancingConfig(diffusion=FULL)


def test_the_full_network_answers_at_128x64() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(FULL.network, TRAIN).eval()
    assert sum(p.numel() for p in denoiser.unet.parameters()) > 5e6
    assert any("attention" in name for name, _ in denoiser.unet.named_modules())
    identity = camera = torch.zeros(1, dtype=torch.long)
    with torch.no_grad():
        folded = denoiser.fold(TRAIN.tensor(np.array([0])), camera)
        assert folded.shape == (1, 3, 128, 64)
        condition = denoiser.condition(identity, camera)
        assert denoiser(folded, torch.zeros(1), condition).shape == folded.shape
        assert denoiser.unfold(folded, camera).shape == (1, 3, 256, 128)


def trained(folder: Path, train: ImageSet = TRAIN, config: DiffusionConfig = NARROW) -> Denoiser:
    checkpoint = folder / "diffusion.safetensors"
    return train_diffusion(
        train, config, seed=0, device=CPU, progress=SilentProgress(), checkpoint=checkpoint
    ).denoiser


def test_a_step_and_a_sample_from_pure_noise_at_256x128(tmp_path: Path) -> None:
    denoiser = trained(tmp_path)
    sampler = NARROW.model_copy(update={"sampler_steps": 2})
    assert sampler.sigma_start is None
    drawer = Synthesiser(denoiser, TRAIN, sampler, seed=0, device=CPU)
    images = drawer.draw([Slot(1, 1, "inter-identity", 0), Slot(2, 1, "intra-identity", 0)], 0)
    assert images.shape == (2, 256, 128, 3)
    assert len(np.unique(images[0])) > 1


SMALL = small_split({(1, 1): 3, (2, 5): 3})
TINY = DiffusionConfig.model_validate(
    {
        "network": {"downscale": 1, "patch": 2, "widths": (8, 8), "groups": 4},
        "steps": 5,
        "batch": 4,
        "ema_images": 6.0,
        "ema_rampup": 0.5,
    }
)


def test_the_average_has_the_half_life_of_edm(tmp_path: Path) -> None:
    """Beside the weights after each step, which shorter trainings of the same seed leave."""
    constant = TINY.model_copy(update={"decay": False, "warmup_steps": 0})

    def states(steps: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        folder = tmp_path / str(steps)
        trained(folder, SMALL, constant.model_copy(update={"steps": steps}))
        found = load_file(folder / "diffusion.safetensors")
        weights = {k[8:]: v for k, v in found.items() if k.startswith("network.")}
        average = {k[8:]: v for k, v in found.items() if k.startswith("average.")}
        return weights, average

    key = "unet.conv_out.weight"
    expected = None
    for step in range(1, 5):
        weights, average = states(step)
        # Half-life min(6, images seen / 2) images; a step is 4 images.
        keep = 0.5 ** (4 / min(6.0, 0.5 * 4 * step))
        if expected is not None:
            expected = keep * expected + (1 - keep) * weights[key]
            torch.testing.assert_close(average[key], expected)
        expected = average[key]
        assert not torch.equal(weights[key], average[key])


def test_guidance_goes_past_the_condition_by_its_scale() -> None:
    torch.manual_seed(0)
    denoiser = Denoiser(TINY.network, SMALL).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    torch.nn.init.normal_(denoiser.camera.weight)
    identity, camera = torch.tensor([0, 1]), torch.tensor([1, 0])
    folded, level = torch.randn(2, 12, 8, 4), torch.tensor([0.1, -0.2])

    def answer(scale: float) -> Tensor:
        config = TINY.model_copy(update={"guidance": scale})
        drawer = Synthesiser(denoiser, SMALL, config, seed=0, device=CPU)
        return drawer._network(identity, camera)(folded, level)

    with torch.no_grad():
        told = denoiser(folded, level, denoiser.condition(identity, camera))
        untold = denoiser(folded, level, torch.zeros(2, 32))
        assert torch.equal(answer(1.0), told)
        assert float((told - untold).abs().max()) > 1e-3
        torch.testing.assert_close(answer(3.0), untold + 3 * (told - untold))
