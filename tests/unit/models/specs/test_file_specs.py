"""Networks in files: ONNX is as good as the encoder that it was exported from, or a black box."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.checks.canary import Stage, map_under, open_stage, ready_attack
from benchmark.checks.choices import compare_choices
from benchmark.checks.figures import ChoiceFigures
from benchmark.checks.flags.wrong_guess import said
from benchmark.core.errors import DataError, UsageError
from benchmark.core.progress import SilentProgress
from benchmark.core.registry import ATTACKS
from benchmark.evaluation.evaluator import Evaluator
from benchmark.models.backbone import IMAGENET_MEAN, IMAGENET_STD
from benchmark.models.specs import onnx as onnx_specs
from benchmark.models.specs.declared import DeclaredEncoder
from tests.tiny_scene import CPU, make_defense, short_options, tiny_encoder
from tests.unit.models.specs.onnx_files import SIZE, export

WITHIN_MAP = 0.3
RAW = {"mean": (0, 0, 0), "std": (1, 1, 1)}
"""The encoder normalises by itself."""
CHAOTIC = {"muap"}
"""Its training begins along the distance of images to themselves, which is nothing but rounding:
two trainings go apart, whatever computes them. What one gave is put before both."""
WHITE = [
    name
    for name in ATTACKS.names()
    if ATTACKS.get(name).__module__.startswith("attacks.")
    and ATTACKS.get(name).threat_with(ATTACKS.get(name).parse_config({})).knowledge == "white"
]


def declared(path: Path, kind: str = "onnx", **options: object) -> DeclaredEncoder:
    return DeclaredEncoder.model_validate({"spec": f"{kind}:{path}", **RAW, **options})


@pytest.fixture(scope="module")
def canary_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the encoder of the canary, which is a trained one, as an ONNX file."""
    path = tmp_path_factory.mktemp("onnx") / "canary.onnx"
    return export(open_stage(CPU).target.encoder, path, size=(64, 32))


@pytest.fixture(scope="module")
def stages(canary_file: Path) -> tuple[Stage, Stage]:
    """Return the canary before a third of its queries, and the same as an ONNX file."""
    stage = open_stage(CPU)
    stage = stage.subset(np.arange(0, len(stage.target.query), 3))
    encoder, _ = declared(canary_file).load()
    query, gallery = stage.target.query, stage.target.gallery
    target = Evaluator.of(encoder, query, gallery, policy=CPU, owner="onnx")
    return stage, replace(stage, target=target)


def test_an_exported_encoder_ranks_clean_images_alike(stages: tuple[Stage, Stage]) -> None:
    own, exported = stages
    assert exported.target.clean_map == pytest.approx(own.target.clean_map, abs=1e-6)


@pytest.mark.parametrize("name", WHITE)
def test_every_white_box_attack_does_alike_to_it(
    name: str, stages: tuple[Stage, Stage], tmp_path: Path
) -> None:
    plugin = ATTACKS.get(name)
    config = plugin.parse_config(short_options(name))
    attacks = [ready_attack(plugin, config, 8.0, stage, tmp_path) for stage in stages]
    if name in CHAOTIC:
        attacks[1].prepared = attacks[0].prepared
    maps = [map_under(attack, stage) for attack, stage in zip(attacks, stages, strict=True)]
    assert maps[1] == pytest.approx(maps[0], abs=WITHIN_MAP)


@pytest.mark.parametrize("opset", [13, 18, 20])
def test_files_of_every_age_have_a_gradient(tmp_path: Path, opset: int) -> None:
    encoder = declared(export(tiny_encoder(), tmp_path / "net.onnx", opset=opset))
    assert encoder.gradient_problem == ""
    _, told = encoder.load()
    assert str(told["onnx"]).startswith("onnx2torch, differs from onnxruntime by")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({}, ""),
        ({"channels": "bgr"}, "encoder.channels=rgb"),
        ({"range": "0-255"}, "encoder.range=0-1"),
        ({"mean": IMAGENET_MEAN, "std": IMAGENET_STD}, "encoder.mean=[0,0,0] encoder.std=[1,1,1]"),
    ],
    ids=["right", "channels", "range", "normalisation"],
)
def test_a_wrong_guess_is_pointed_out(
    canary_file: Path, wrong: dict[str, object], right: str
) -> None:
    defense = make_defense("pretrained", encoder={"spec": f"onnx:{canary_file}", **RAW, **wrong})
    sets = open_stage(CPU).target
    encoder = defense.build_encoder(nn.Identity)
    guessed = Evaluator.of(encoder, sets.query, sets.gallery, policy=CPU, owner="guess")
    progress = SilentProgress()
    figures = compare_choices(
        guessed, defense.choices, defense.with_choice, progress=progress, title=""
    )
    told = said(ChoiceFigures.model_validate(figures))
    assert len(told) == bool(right)
    assert all(line.endswith(f"with --set {right}") for line in told)


class OneImage(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.reshape(1, 3 * 16 * 8)[:, :8]


def test_a_file_for_one_image_at_a_time_takes_many(tmp_path: Path) -> None:
    encoder, _ = declared(export(OneImage(), tmp_path / "net.onnx", batch=1)).load()
    images = torch.rand(3, 3, *SIZE)
    assert torch.allclose(encoder(images), images.flatten(1)[:, :8])


def test_what_does_not_convert_is_a_black_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(tiny_encoder(3), tmp_path / "net.onnx")

    def refuses(*_: object) -> nn.Module:
        raise NotImplementedError("no such operator")

    monkeypatch.setattr(onnx_specs, "_converted", refuses)
    chosen = declared(path)
    assert chosen.gradient_problem == "onnx2torch: no such operator"
    encoder, told = chosen.load()
    assert told == {"onnx": "onnxruntime, black-box alone: onnx2torch: no such operator"}
    images = torch.rand(2, 3, *SIZE, requires_grad=True)
    assert not encoder(images).requires_grad
    assert torch.allclose(encoder(images), tiny_encoder(3)(images), atol=1e-5)


def test_a_conversion_that_computes_otherwise_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export(tiny_encoder(4), tmp_path / "net.onnx")
    monkeypatch.setattr(onnx_specs, "_converted", lambda *_: tiny_encoder(5))
    assert "onnx2torch differs from onnxruntime by" in declared(path).gradient_problem


class Swapped(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 3, 1, 2).mean((2, 3))


def test_a_network_of_something_else_than_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Swapped(), (torch.rand(1, 16, 8, 3),), path, dynamo=False)
    with pytest.raises(DataError, match=r"takes tensor\(float\) of shape \[1, 16, 8, 3\]"):
        declared(path)


def test_the_size_of_a_file_is_its_own(tmp_path: Path) -> None:
    path = export(tiny_encoder(), tmp_path / "net.onnx")
    assert declared(path).size == SIZE
    assert declared(path).model_dump()["weights"] == "net.onnx"
    assert declared(path).spec == "onnx:net.onnx"


def test_torchscript_is_the_encoder_that_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    images = torch.rand(2, 3, *SIZE, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is to be replaced
        torch.jit.save(torch.jit.trace(tiny_encoder(), images.detach()), path)
    encoder, _ = declared(path, "torchscript", size=SIZE).load()
    assert torch.allclose(encoder(images), tiny_encoder()(images), atol=1e-6)
    assert encoder(images).requires_grad


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"", "an empty file"),
        (b"\x08\x09nothing", "no "),
    ],
)
def test_a_file_of_something_else_is_told(
    tmp_path: Path, kind: str, content: bytes, says: str
) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        declared(path, kind).load()
    assert "\n" not in caught.value.what
    assert caught.value.hint


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"net\.onnx do not exist"):
        declared(tmp_path / "net.onnx")


def test_weights_beside_a_file_that_holds_them_are_refused(tmp_path: Path) -> None:
    path = export(tiny_encoder(), tmp_path / "net.onnx")
    with pytest.raises(UsageError, match="holds its weights itself"):
        declared(path, weights=tmp_path / "other.pth")
