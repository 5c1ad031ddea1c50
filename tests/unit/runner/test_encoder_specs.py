"""Runs on encoders by their spec: from the command line and from Python to a record."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark import evaluate, load_encoder
from benchmark.checks.choices import compare_choices, compared_gallery
from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.evaluation.evaluator import Evaluator
from benchmark.models.specs import onnx as onnx_specs
from benchmark.models.specs.declared import DeclaredEncoder
from benchmark.runner.cell_context import CellContext
from benchmark.runner.choice import choose
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.plan import make_plan
from benchmark.runner.store import CellStore
from tests.conftest import TINY_OPTIONS
from tests.tiny_scene import CPU, image_set
from tests.unit.models.specs import layouts
from tests.unit.models.specs.onnx_files import export

SPEC = "torchreid:osnet_x0_25"
SMALL = ["encoder.size=[32, 16]"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.save(layouts.filled(layouts.osnet_x0_25()), tmp_path / "osnet.pth")
    return tmp_path / "osnet.pth"


def test_a_run_records_what_was_declared_and_what_was_loaded(
    cli, tiny_arguments, tmp_path, weights
):
    code, _, told = cli(
        "run",
        "--encoder",
        SPEC,
        "--weights",
        weights,
        *tiny_arguments,
        "--set",
        "attack=random-noise",
        *SMALL,
    )
    assert code == 0, told
    (path,) = (tmp_path / "out" / "records").glob("*.json")
    record = json.loads(path.read_text())
    assert (record["defense"]["name"], record["label"], record["backbone"]) == (
        "pretrained",
        SPEC,
        SPEC,
    )
    declared = record["defense"]["config"]["encoder"]
    assert declared["weights"] == "osnet.pth"
    assert (declared["size"], declared["channels"], declared["range"]) == ([32, 16], "rgb", "0-1")
    keys = record["training"]["report"]["encoder"]["keys"]
    assert keys["dropped"] == ["classifier.weight", "classifier.bias"]
    assert keys["missing"] == []
    assert str(tmp_path) not in path.read_text()
    assert (
        "osnet.pth: 565 keys matched; dropped: classifier.weight"
        in (tmp_path / "out" / "run.log").read_text()
    )


def test_the_configuration_of_a_run_runs_again(tiny_config, weights):
    config = tiny_config(*SMALL, defense=None, encoder={"spec": SPEC, "weights": str(weights)})
    assert config.defense == ["pretrained"]
    assert config.encoder.weights == weights
    again = type(config).model_validate(config.model_dump(mode="json"))
    assert again.encoder == config.encoder
    assert choose(config).defenses["pretrained"].config.encoder.spec == SPEC


def test_python_takes_a_spec(tmp_path, weights):
    options = {
        key: value for key, value in TINY_OPTIONS.items() if key not in ("dataset", "attack")
    }
    result = evaluate(
        {"spec": SPEC, "size": (32, 16)},
        "tiny",
        attacks=["random-noise"],
        weights=weights,
        output=tmp_path / "out",
        **options,
    )
    assert result.record.label == SPEC
    assert len(result.record.attacks) == 1
    weights.unlink()
    images = torch.rand(2, 3, 16, 8)
    own = load_encoder(tmp_path / "out", device="cpu")
    again = DeclaredEncoder.model_validate({"spec": SPEC, "size": (32, 16)}).build()
    again.load_state_dict(own.state_dict())
    assert torch.allclose(own(images), again(images), atol=1e-5)
    with pytest.raises(UsageError, match="no spec"):
        evaluate(nn.Flatten(), "tiny", weights=weights, **options)


def test_a_wrapper_wraps_the_encoder(tiny_config, weights):
    options = {"spec": SPEC, "weights": str(weights)}
    choice = choose(tiny_config(*SMALL, defense=["bit-depth"], encoder=options))
    wrapper = choice.defenses["bit-depth"]
    assert choice.prerequisites["pretrained"].config.encoder.weights == weights
    assert wrapper.base is choice.prerequisites["pretrained"]
    assert wrapper.row_label() == f"bit-depth, {SPEC}"
    with pytest.raises(UsageError, match="builds on none"):
        choose(tiny_config(*SMALL, defense=["none"], encoder=options))


@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["--encoder", "resnet50"], "is no KIND:NAME", 2),
        (["--encoder", "torchried:osnet_x0_25"], "did you mean torchreid", 2),
        (["--encoder", "torchreid:osnet_x9"], "unknown network 'torchreid:osnet_x9'", 2),
        (["--encoder", SPEC, "--weights", "absent.pth"], "absent.pth do not exist", 3),
        (["--weights", "absent.pth"], "the encoder of the weights is not named", 2),
        (["--encoder", SPEC, "--set", "encoder.feature=before"], "has no BNNeck", 2),
        (["--encoder", SPEC, "--set", "encoder.channels=gbr"], "'rgb' or 'bgr'", 2),
        (["--encoder", SPEC, "--set", "encoder.chanels=bgr"], "did you mean channels", 2),
        (["--encoder", SPEC, "--set", "defense.factory=torch.nn:Flatten"], "has both", 2),
    ],
)
def test_a_mistake_is_told_in_a_line_with_its_mend(cli, tiny_arguments, arguments, says, code):
    found, _, told = cli("plan", *arguments, *tiny_arguments)
    assert found == code, told
    assert says in told
    assert "→" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("content", ["nan", "code"])
def test_weights_that_are_none_are_refused_before_any_work(cli, tiny_arguments, tmp_path, content):
    state = layouts.filled(layouts.osnet_x0_25())
    state["fc.0.bias"] = torch.full((512,), torch.nan)
    torch.save(state if content == "nan" else nn.Linear(2, 2), tmp_path / "net.pth")
    code, _, told = cli(
        "run", "--encoder", SPEC, "--weights", tmp_path / "net.pth", *tiny_arguments
    )
    says = {"nan": "hold NaN or infinities: fc.0.bias", "code": "a pickle that would run code"}
    assert code == 3
    assert says[content] in told
    assert not (tmp_path / "out" / "cells").exists()


def test_a_missing_extra_is_told(monkeypatch, cli, tiny_arguments, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "net.onnx").write_bytes(b"\x08\x09")
    code, _, told = cli("plan", "--encoder", f"onnx:{tmp_path / 'net.onnx'}", *tiny_arguments)
    assert code == 2
    assert "pip install 'reid-robustbench[onnx]'" in told


def test_a_black_box_is_attacked_as_one(monkeypatch, tiny_config, tmp_path):
    path = export(nn.Sequential(nn.Flatten(), nn.Linear(384, 8)), tmp_path / "net.onnx")

    def refuses(*_: object) -> nn.Module:
        raise NotImplementedError("no such operator")

    monkeypatch.setattr(onnx_specs, "_converted", refuses)
    options = {"defense": None, "encoder": f"onnx:{path}"}
    with pytest.raises(UsageError, match="no gradient for metric-fgsm"):
        choose(tiny_config(attack=["random-noise", "metric-fgsm"], **options))
    choice = choose(tiny_config(attack=["random-noise", "square"], **options))
    defense = choice.defenses["pretrained"]
    assert defense.adaptive.non_differentiable
    assert defense.row_label() == "onnx:net.onnx, black-box alone"


class Colours(nn.Module):
    """Ranks by one colour alone: red, unless it is told another one."""

    def __init__(self, colour: int) -> None:
        super().__init__()
        self.colour = colour

    def forward(self, images: Tensor) -> Tensor:
        value = images[:, self.colour].mean((1, 2))
        return torch.stack([value, 1 - value, torch.full_like(value, 0.3)], 1)


def test_choices_are_compared_on_few_clean_images():
    images = image_set(identities=12, per_camera=4, size=(8, 4))
    images.images[..., 2] = 128  # blue tells nothing
    query, gallery = images.subset(images.camids == 1), images.subset(images.camids == 2)
    evaluator = Evaluator.of(Colours(2), query, gallery, policy=CPU, owner="blue")
    figures = compare_choices(
        evaluator,
        ["encoder.channels=bgr"],
        lambda *_: Colours(0),
        progress=SilentProgress(),
        title="choices",
    )
    assert figures["queries"] == 40
    assert figures["gallery"] == 12  # one of each identity in the other camera
    assert figures["other_maps"]["encoder.channels=bgr"] > figures["declared_map"] + 20
    rows = compared_gallery(query, gallery)
    assert sorted(gallery.pids[rows]) == list(range(1, 13))


def test_a_wrong_guess_is_warned_of_before_any_attack(tiny_config, caplog):
    config = tiny_config(
        *SMALL, "evaluation.checks=true", defense=None, encoder=SPEC, attack=["random-noise"]
    )
    choice = choose(config)
    datasets = RunDatasets(config, choice, SilentProgress())
    plan = make_plan(config, choice, datasets.manifests())
    kinds = [cell.kind for cell in plan.cells]
    assert kinds[:3] == ["train", "clean", "choices"]
    context = CellContext(config, datasets, CellStore(config.output), CPU, SilentProgress())
    with caplog.at_level(logging.WARNING):
        for cell in plan.cells[:3]:
            cell.compute(context)
    assert f"{SPEC}: no weights were given: the network is a random one" in caplog.text
    assert "with random weights: the weights tell little" in caplog.text
