"""Encoders that exist already: what is measured is what the file holds, or an error says why."""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.cli.app import exit_code
from benchmark.config.load import load_run_config
from benchmark.core.errors import DataError, PluginError
from benchmark.core.fingerprint import sha256_file
from benchmark.models.checkpoint import restore_encoder, save_encoder
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from tests.plugins import factories
from tests.tiny_scene import fit, make_defense, same_weights, tiny_encoder

HERE = "tests.plugins.factories"
GOOD = f"{HERE}:good"
DOCS = Path(__file__).parents[3] / "docs" / "pretrained.md"


def state(seed: int = 7) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in tiny_encoder(seed).state_dict().items()}


def save(path: Path, content: object) -> Path:
    if path.suffix == ".safetensors":
        assert isinstance(content, dict)
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


def fitted(folder: Path, **options: object) -> nn.Module:
    return fit(make_defense("pretrained", **options), folder / "work").encoder


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("weights.safetensors", dict),
        ("weights.pt", dict),
        ("weights.pth", lambda own: {"state_dict": own, "epoch": 3}),
        ("weights.pt", lambda own: {"model": own}),
        ("weights.pt", lambda own: {f"module.{key}": value for key, value in own.items()}),
    ],
)
def test_the_weights_of_the_file_are_those_of_the_encoder(tmp_path, name, pack):
    path = save(tmp_path / name, pack(state()))
    trained = fit(make_defense("pretrained", factory=GOOD, weights=path), tmp_path / "work")
    assert same_weights(trained.encoder, tiny_encoder(7))
    assert not trained.encoder.training
    assert (trained.epochs, trained.images, trained.history) == (0, 0, [])


def test_without_a_file_the_factory_has_loaded_its_own(tmp_path):
    assert same_weights(fitted(tmp_path, factory=GOOD), tiny_encoder())


def test_the_stripped_prefix_is_logged(tmp_path, caplog):
    path = save(tmp_path / "ddp.pt", {f"module.{k}": v for k, v in state().items()})
    with caplog.at_level(logging.INFO):
        fitted(tmp_path, factory=GOOD, weights=path)
    assert "ddp.pt: the prefix 'module.' is taken off its keys" in caplog.text


def test_an_encoder_whose_own_keys_have_the_prefix_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        factories, "wrapped", lambda: nn.DataParallel(tiny_encoder()), raising=False
    )
    path = save(tmp_path / "ddp.pt", {f"module.{k}": v for k, v in state().items()})
    encoder = fitted(tmp_path, factory=f"{HERE}:wrapped", weights=path)
    assert same_weights(encoder.module, tiny_encoder(7))


def test_a_finished_cell_gives_the_encoder_back_without_the_file(tmp_path):
    path = save(tmp_path / "weights.pt", state())
    defense = make_defense("pretrained", factory=GOOD, weights=path)
    encoder = fit(defense, tmp_path / "work").encoder
    save_encoder(tmp_path, encoder, {})
    path.unlink()
    again = restore_encoder(tmp_path, lambda: defense.build_encoder(tiny_encoder))
    assert same_weights(again, encoder)


def test_a_layer_under_two_names_is_stored_and_loaded(tmp_path):
    defense = make_defense("pretrained", factory=f"{HERE}:Tied")
    encoder = fit(defense, tmp_path / "work").encoder
    save_encoder(tmp_path, encoder, {})
    again = restore_encoder(tmp_path, lambda: defense.build_encoder(tiny_encoder))
    assert same_weights(again, encoder)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("no_colon", "is not package.module:callable"),
        ("no.such.module:build", "no.such.module does not import: ModuleNotFoundError"),
        (f"{HERE}:absent", "no attribute 'absent'"),
        (f"{HERE}:not_callable", "is Tensor, not callable"),
    ],
)
def test_a_factory_that_is_none_is_refused_before_any_work(factory, says):
    with pytest.raises(PluginError, match=re.escape(says)) as caught:
        make_defense("pretrained", factory=factory)
    assert "\n" not in caught.value.what


def test_without_a_factory_a_run_is_refused_before_any_work(tmp_path):
    config = load_run_config({"defense": ["pretrained"], "output": tmp_path}, [])
    with pytest.raises(PluginError, match="has no factory"):
        choose(config)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("", "defense 'pretrained' has no factory"),
        (f"{HERE}:raising", "raised RuntimeError: no such network"),
        (f"{HERE}:no_module", "returned dict, not an encoder"),
        (f"{HERE}:WrongShape", "returned shape (2, 3, 16, 8) for 2 images"),
        (f"{HERE}:OtherSize", "the encoder fails on images (2, 3, 16, 8): RuntimeError: mat1"),
    ],
)
def test_a_factory_that_gives_no_encoder_is_a_plugin_error(tmp_path, factory, says):
    with pytest.raises(PluginError, match=re.escape(says)) as caught:
        fitted(tmp_path, factory=factory)
    assert "\n" not in caught.value.what
    assert caught.value.hint


class Unpickled:
    """Not on the list of what `weights_only` unpickles."""


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("object.pt", Unpickled(), "a pickle that would run code, or no pickle"),
        ("tensor.pt", torch.zeros(2), "hold Tensor, no state dict"),
        ("lists.pt", {"epoch": 3}, "are no state dict: 'epoch' is int"),
    ],
)
def test_a_file_that_is_no_state_dict_is_a_data_error(tmp_path, name, content, says):
    path = save(tmp_path / name, content)
    with pytest.raises(DataError, match=says):
        make_defense("pretrained", factory=GOOD, weights=path)


@pytest.mark.parametrize("name", ["text.pt", "text.safetensors"])
@pytest.mark.parametrize("content", ["not weights", ""])
def test_a_file_of_something_else_is_a_data_error(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=f"{name} ") as caught:
        make_defense("pretrained", factory=GOOD, weights=tmp_path / name)
    assert "\n" not in caught.value.what


def test_a_missing_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"absent\.pt do not exist"):
        make_defense("pretrained", factory=GOOD, weights=tmp_path / "absent.pt")


def test_keys_that_do_not_fit_are_named(tmp_path):
    content = state()
    for key in sorted(content)[:5]:
        del content[key]
    content["classifier.weight"] = torch.zeros(3, 3)
    content["neck.weight"] = torch.zeros(3)
    path = save(tmp_path / "other.pt", content)
    with pytest.raises(PluginError) as caught:
        fitted(tmp_path, factory=GOOD, weights=path)
    needed = [key for key in state() if not key.endswith("num_batches_tracked")]
    own = [key for key in needed if key not in content]
    assert f"missing: {', '.join(own[:3])} and {len(own) - 3} more" in caught.value.what
    assert "too many: classifier.weight" in caught.value.what
    assert "of another shape: neck.weight (3,) for" in caught.value.what
    assert "\n" not in caught.value.what


def train_print(tiny_config, **options: object) -> str:
    config = tiny_config(defense=["pretrained"], defense_config={"pretrained": options})
    manifests = {"tiny": "a" * 64, "tiny-other": "b" * 64}
    (trial,) = make_plan(config, choose(config), manifests).trials
    assert "/" not in json.dumps(trial.train.content["defense"])
    return trial.train.fingerprint


def test_another_file_under_the_same_name_is_another_cell(tiny_config, tmp_path):
    path = save(tmp_path / "weights.pt", state())
    before = train_print(tiny_config, factory=GOOD, weights=str(path))
    save(path, state(8))
    after = train_print(tiny_config, factory=GOOD, weights=str(path))
    assert before != after


def test_the_same_file_in_another_folder_is_the_same_cell(tiny_config, tmp_path):
    path = save(tmp_path / "weights.pt", state())
    (tmp_path / "moved").mkdir()
    moved = Path(shutil.copy(path, tmp_path / "moved"))
    first, second = (
        train_print(tiny_config, factory=GOOD, weights=str(one)) for one in (path, moved)
    )
    assert first == second


def test_a_changed_factory_is_another_cell(tiny_config, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "from tests.tiny_scene import tiny_encoder as build\n"
    prints = []
    for text in (source, source, source + "# changed\n"):
        (tmp_path / "changing_factory.py").write_text(text)
        prints.append(train_print(tiny_config, factory="changing_factory:build"))
    sys.modules.pop("changing_factory")
    assert prints[0] == prints[1] != prints[2]


def test_a_factory_that_changes_the_folder_loses_no_weights(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    save(tmp_path / "weights.pt", state())
    (tmp_path / "wandering_factory.py").write_text(
        f"import os\nfrom {HERE} import good as build\nos.chdir('/')\n"
    )
    options = {"factory": "wandering_factory:build", "weights": "weights.pt"}
    config = tiny_config(defense=["pretrained"], defense_config={"pretrained": options})
    try:
        choice = choose(config)
    finally:
        sys.modules.pop("wandering_factory", None)
    assert choice.defenses["pretrained"].config.weights == tmp_path / "weights.pt"
    assert Path.cwd() == tmp_path


def test_a_given_hash_must_be_that_of_the_file(tmp_path):
    path = save(tmp_path / "weights.pt", state())
    own = sha256_file(path)
    assert make_defense("pretrained", factory=GOOD, weights=path, weights_sha256=own)
    with pytest.raises(DataError, match=f"has the SHA-256 {own[:12]}…, not 000000000000…"):
        make_defense("pretrained", factory=GOOD, weights=path, weights_sha256="0" * 64)


def test_a_file_that_changes_before_it_is_loaded_is_refused(tmp_path):
    path = save(tmp_path / "weights.pt", state())
    defense = make_defense("pretrained", factory=GOOD, weights=path)
    save(path, state(8))
    with pytest.raises(DataError, match="has the SHA-256"):
        fit(defense, tmp_path / "work")


def test_what_is_declared_reaches_the_attackers(tmp_path):
    defense = make_defense(
        "pretrained", factory=f"{HERE}:WithStandIn", random=True, non_differentiable=True
    )
    assert (defense.adaptive.random, defense.adaptive.non_differentiable) == (True, True)
    assert not defense.adaptive.optimises_at_inference
    encoder = fit(defense, tmp_path / "work").encoder
    assert defense.surrogate(encoder) is encoder.plain
    assert make_defense("pretrained").surrogate(tiny_encoder()) is None


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 4),
        (["defense.factory=no.such.module:build"], 4),
        ([f"defense.factory={HERE}:raising"], 4),
        ([f"defense.factory={GOOD}", "defense.weights=absent.pt"], 3),
    ],
)
def test_exit_codes(tiny_arguments, options, code, capsys):
    chosen = [part for one in options for part in ("--set", one)]
    assert exit_code(["run", "--defense", "pretrained", *tiny_arguments, *chosen]) == code
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "→" in told


def test_the_example_of_the_docs_runs(tiny_arguments, tmp_path, monkeypatch):
    module, saving = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.DOTALL | re.M)
    (command,) = re.findall(
        r"^    python -m benchmark run --preset smoke (.*)$", DOCS.read_text(), re.M
    )
    (tmp_path / "my_encoder.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(saving, str(DOCS), "exec"), {})
    try:
        assert exit_code(["run", *tiny_arguments, *command.split()]) == 0
    finally:
        sys.modules.pop("my_encoder")
    (path,) = (tmp_path / "out" / "records").glob("*.json")
    record = json.loads(path.read_text())
    config = record["defense"]["config"]
    assert config["weights"] == "my_encoder.safetensors"
    assert config["weights_sha256"] == sha256_file(tmp_path / "my_encoder.safetensors")
    assert (record["training"]["epochs"], record["training"]["images"]) == (0, 0)
    assert str(tmp_path) not in path.read_text()
    assert record["worst_case"]["map"] <= record["clean"]["map"]
