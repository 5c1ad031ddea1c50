"""An encoder of the caller's is measured as a run measures a defense."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import benchmark
from benchmark.api.live_encoder import hash_of
from benchmark.core.errors import DataError, PluginError, UsageError
from benchmark.core.progress import SilentProgress
from results.records.query_outcomes import read_measured
from results.records.schema import Record
from tests.conftest import TINY_PLUGIN
from tests.live_encoders import Net, Returns

OPTIONS = {
    "attacks": ["metric-fgsm", "metric-ifgsm"],
    "image_size": (16, 8),
    "plugin": [str(TINY_PLUGIN)],
    "evaluation": {"checks": False},
    "device": "cpu",
    "progress": SilentProgress(),
}


def evaluate(encoder, **options):
    return benchmark.evaluate(encoder, **{"dataset": "tiny", **OPTIONS, **options})


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REID_ROBUSTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return evaluate(Net(), eps=[2, 4, 8], label="my net")


def test_the_record_is_that_of_a_run(result):
    record = result.record
    assert Record.model_validate(json.loads(result.path.read_text())) == record
    assert (record.label, record.dataset, record.defense.name) == ("my net", "tiny", "live-encoder")
    assert record.backbone == "Net"
    assert [(one.name, one.eps) for one in record.attacks] == [
        (name, eps) for eps in (2, 4, 8) for name in ("metric-fgsm", "metric-ifgsm")
    ]
    assert record.worst_case.map <= min(one.map for one in record.attacks if one.eps == 8)
    assert record.clean.map > record.worst_case.map
    assert not record.cross_dataset


def test_it_shows_itself_as_a_small_table(result):
    for text in (repr(result), result._repr_html_()):
        assert all(word in text for word in ("my net", "metric-ifgsm", "8/255", "worst case"))
    table = result.table()
    assert list(table["attack"]) == ["clean", *["metric-fgsm", "metric-ifgsm"] * 3, "worst case"]
    assert table["mAP"].iloc[-1] == result.record.worst_case.map


def test_the_frame_holds_every_number_once(result):
    frame = result.frame()
    assert list(frame) == [
        *("board", "dataset", "row", "seed", "attack", "eps_255", "metric", "value")
    ]
    assert not frame.duplicated(["board", "row", "seed", "attack", "eps_255", "metric"]).any()
    attacked = frame[(frame.attack == "metric-ifgsm") & (frame.eps_255 == 2)]
    assert attacked[attacked.metric == "map"].value.item() == result.record.attacks[1].map


def test_it_is_saved_for_boards_and_loaded_again(result, tmp_path):
    path = result.save(tmp_path / "saved")
    records, measured = read_measured([tmp_path / "saved"])
    assert records == [result.record]
    ap = measured[result.record.id].ap["metric-ifgsm@8"]
    np.testing.assert_array_equal(ap, result.per_query["tiny"].ap["metric-ifgsm@8"])
    assert (tmp_path / "saved" / "leaderboard.md").read_text().count("my net") >= 1
    assert benchmark.load_records(path.parent).equals(result.frame())


def test_figures_are_drawn_by_name(result):
    for kind in ("attacks", "security"):
        assert result.figure(kind).axes
    with pytest.raises(UsageError, match="no figure 'nonsense'") as caught:
        result.figure("nonsense")
    assert "attacks" in caught.value.hint


def test_the_callers_encoder_stays_as_it_was():
    encoder = Net().train()
    before = copy.deepcopy(encoder.state_dict())
    evaluate(encoder, attacks="metric-fgsm")
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_a_repetition_finds_what_is_finished(tmp_path):
    first = evaluate(Net(), output=tmp_path / "out")
    log = tmp_path / "out" / "journal.jsonl"
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    again = evaluate(lambda: Net(), output=tmp_path / "out")
    later = [json.loads(line)["event"] for line in log.read_text().splitlines()][len(events) :]
    assert set(later) == {"reused"}
    assert again.record == first.record
    other = Net()
    other.norm.running_mean += 1
    assert evaluate(other, output=tmp_path / "out").record.id != first.record.id


def test_what_has_no_hash_is_told_and_not_reused(caplog):
    hooked = Net()
    hooked.norm.register_forward_hook(lambda *_: None)
    assert "hooks of norm" in hash_of(hooked)[1][0]
    assert hash_of(hooked)[0] != hash_of(hooked)[0]
    state = Net()
    state.mean = torch.ones(3)
    plain = hash_of(state)
    assert plain[1] == []
    state.mean += 1
    assert hash_of(state)[0] != plain[0]
    state.rule = lambda images: images
    assert "attribute rule" in hash_of(state)[1][0]
    evaluate(hooked, attacks="metric-fgsm")
    assert "nothing of it is reused" in caplog.text


def test_a_class_of_a_notebook_has_no_hash():
    scope = {"__name__": "__main__", "Net": Net}
    exec("class Written(Net):\n    pass", scope)
    assert "defined in a notebook" in hash_of(scope["Written"]())[1][0]


@pytest.mark.parametrize(
    ("encoder", "what"),
    [
        (Returns(lambda one: (one, one)), "returned tuple, not a tensor"),
        (Returns(lambda one: one.detach().numpy()), "returned ndarray, not a tensor"),
        (Returns(lambda one: one * float("nan")), "NaN or infinite"),
        (Returns(lambda one: one[:, : 2 + len(one)]), "of one image are 3 wide, of two 4"),
        (Returns(lambda one: one.detach()), "carry no gradient"),
        (Returns(lambda one: one[0]), "returned shape"),
        (Returns(lambda one: 1 / 0), "raised ZeroDivisionError"),
        (Net().half(), "its weights are torch.float16"),
        (Net().double(), "its weights are torch.float64"),
        (nn.Linear(3, 2), "raised RuntimeError"),
    ],
)
def test_an_encoder_that_breaks_its_contract_is_told_before_any_work(encoder, what, tmp_path):
    with pytest.raises(PluginError) as caught:
        evaluate(encoder, output=tmp_path / "out")
    assert what in caught.value.what
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (3, r"not a torch\.nn\.Module"),
        (lambda: 3, r"not a torch\.nn\.Module"),
        ("resnet18", "no KIND:NAME"),
    ],
)
def test_what_is_no_encoder_is_told(thing, told):
    with pytest.raises(UsageError, match=told):
        evaluate(thing)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"attacks": ["no-such-attack"]}, UsageError),
        ({"eps": -1}, UsageError),
        ({"no_such_option": 1}, UsageError),
        ({"queries": 0}, UsageError),
        ({"dataset": "market1501", "data_root": "nowhere"}, DataError),
    ],
)
def test_wrong_options_are_exceptions_with_a_hint(options, error):
    with pytest.raises(error) as caught:
        evaluate(Net(), **options)
    assert caught.value.hint


def test_an_unknown_data_set_is_told():
    with pytest.raises(UsageError, match="unknown data set"):
        benchmark.evaluate(Net(), "market1502", **OPTIONS)


def test_an_interruption_leaves_nothing_half_written(tmp_path, monkeypatch):
    from benchmark.evaluation.evaluator import Evaluator

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "perturbed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            evaluate(Net(), output=tmp_path / "out")
    assert not list((tmp_path / "out" / "records").iterdir())
    assert not list((tmp_path / "out" / "cells").glob(".*"))
    assert evaluate(Net(), output=tmp_path / "out").record.attacks  # the folder is not locked


def test_a_declared_encoder_is_attacked_through_its_surrogate():
    class Stepped(Net):
        def forward(self, images):
            return super().forward((images * 7).round() / 7)

        def surrogate(self):
            return copy.deepcopy(self.plain)

    encoder = Stepped()
    encoder.plain = Net()
    with pytest.raises(PluginError):
        evaluate(Returns(lambda one: one.detach()))
    found = evaluate(encoder, attacks="metric-ifgsm", non_differentiable=True)
    assert found.record.defense.config["non_differentiable"] is True
    assert found.record.attacks[0].map < found.record.clean.map


def test_a_few_queries_make_another_protocol(result):
    few = evaluate(Net(), queries=6)
    assert few.record.protocol.fingerprint != result.record.protocol.fingerprint
    assert len(few.per_query["tiny"].queries) == 6
