"""The protocol of unseen attacks: what is trained, against what, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.config.load import load_run_config, to_yaml
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS, DEFENSES
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from benchmark.runner.stand_ins import check_unseen, stand_ins
from benchmark.training.config import InnerConfig, TrainingConfig
from benchmark.training.selection import SELECTION_ATTACK, SELECTION_STEPS
from benchmark.training.step import inner_attacks

METRIC_AT = "8ff2eefd2c609e6dbb3d50f8f884892b364bc015cfb5284209bd21234352da1b"
"""Fingerprint of metric-at, preset embedded, seed 0, on data whose manifest is all zeros, as it is
without inner attacks that can be replaced. It changes with the behaviours of metric-at, metric-pgd
and small-resnet, and with nothing else."""


def trainings(**options):
    config = load_run_config({"output": "unused", **options})
    choice = choose(config)
    plan = make_plan(config, choice, dict.fromkeys(choice.datasets, "0" * 64))
    return [trial.train for trial in plan.trials]


def defense(name):
    plugin = DEFENSES.get(name)
    return plugin(plugin.parse_config({}))


def test_the_fingerprint_of_a_training_without_a_stand_in_is_what_it_was():
    (train,) = trainings(defense=["metric-at"], attack=["metric-fgsm"])
    assert train.fingerprint == METRIC_AT
    assert "attack" not in train.content["training"]["inner"]


def test_every_adversarial_training_is_planned_once_for_each_train_attack():
    found = trainings(defense=["none", "metric-at"], attack=["fna"], protocol="unseen", seed=[0, 1])
    assert [(t.defense, t.seed, t.trained_against) for t in found] == [
        (name, seed, against)
        for seed in (0, 1)
        for name, against in [
            ("none", ()),
            ("metric-at", ("metric-fgsm",)),
            ("metric-at", ("metric-ifgsm",)),
            ("metric-at", ("metric-pgd",)),
            ("metric-at", ("sma",)),
        ]
    ]
    assert len({train.fingerprint for train in found}) == len(found)


def test_a_training_that_ascends_by_itself_is_marked_and_trained_once():
    found = trainings(defense=["dynamic-budget-at", "metric-at"], attack=["fna"], protocol="unseen")
    (own,) = (train for train in found if train.defense == "dynamic-budget-at")
    assert own.trained_against == ("metric-pgd",)
    assert "attack" not in own.content["training"]["inner"]


def test_what_stands_in_for_itself_is_the_standard_training():
    found = trainings(defense=["metric-at"], attack=["fna"], protocol="unseen")
    own = next(train for train in found if train.trained_against == ("metric-pgd",))
    assert own.fingerprint == METRIC_AT
    other = next(train for train in found if train.trained_against == ("sma",))
    assert other.title == "train synthped-plaza against sma"
    assert "sma" in other.content["attacks"]


def test_a_stand_in_leaves_trainings_alone_that_attack_nothing():
    options = {"defense": ["none"], "attack": ["fna"]}
    (plain,) = trainings(**options)
    (told,) = trainings(**options, training={"inner": {"attack": "sma"}})
    assert "attack" not in told.content["training"]["inner"]
    assert told.content["attacks"] == plain.content["attacks"]
    assert told.trained_against == ()


def test_prerequisites_are_trained_against_the_stand_in_and_surrogates_are_not(tiny_config):
    config = tiny_config(defense=["metric-at"], attack=["metric-fgsm"])
    choice = choose(config)

    class Follower(type(choice.defenses["metric-at"])):
        name = "follower"

        def prerequisites(self):
            return ("metric-at",)

    follower = Follower(Follower.parse_config({}))
    choice = replace(
        choice,
        defenses={"follower": follower},
        stand_ins={"follower": ("sma",)},
        prerequisites={"metric-at": choice.defenses["metric-at"]},
    )
    (trial,) = make_plan(config, choice, dict.fromkeys(choice.datasets, "0" * 64)).trials
    assert trial.train.trained_against == ("sma",)
    assert [need.trained_against for need in trial.train.parents] == [("sma",)]


def test_what_stands_in_is_built_with_the_inner_budget():
    config = TrainingConfig(inner=InnerConfig(eps_255=6, alpha_255=3, steps=5))
    plain = inner_attacks(config, "x")("metric-pgd", {})
    assert (plain.name, plain.config.steps, plain.eps_255) == ("metric-pgd", 5, 6)
    build = inner_attacks(config.against("sma"), "x")
    assert (build("metric-pgd", {}).name, build("metric-pgd", {}).config.steps) == ("sma", 5)
    judge = build(SELECTION_ATTACK, {"steps": SELECTION_STEPS})
    assert (judge.name, judge.config.steps) == ("sma", SELECTION_STEPS)
    single = inner_attacks(config.against("metric-fgsm"), "x")(SELECTION_ATTACK, {"steps": 8})
    assert (single.name, single.config.steps, single.eps_255) == ("metric-fgsm", 1, 6)


def test_the_configuration_can_be_run_again(tiny_config, tmp_path):
    training = {"epochs": 1, "inner": {"attack": "sma"}}
    config = tiny_config(protocol="unseen", defense=["metric-at"], training=training)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    again = load_run_config({"preset": str(path)})
    assert again.training.inner.attack == "sma"
    assert again.protocol == "unseen"
    assert again.train_attacks == config.train_attacks


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"defense": ["none"]}, "no chosen defense trains against an attack"),
        ({"defense": ["metric-at"], "train_attacks": ["random-noise"]}, "cannot use attack"),
        ({"defense": ["metric-at"], "train_attacks": "sma, metric-pdg"}, "unknown attack"),
        ({"defense": ["metric-at"], "train_attacks": []}, "train_attacks"),
    ],
)
def test_what_cannot_be_a_matrix_is_told(options, what):
    with pytest.raises(UsageError, match=what):
        choose(load_run_config({"attack": ["sma"], "protocol": "unseen", **options}))


def test_an_unknown_stand_in_is_told():
    with pytest.raises(UsageError, match="unknown attack 'smaa'"):
        choose(load_run_config({"defense": ["none"], "training": {"inner": {"attack": "smaa"}}}))


def test_stand_ins_and_check_by_themselves():
    trained, plain = defense("metric-at"), defense("none")
    assert stand_ins(trained, ["sma", "fna"]) == ("sma", "fna")
    assert stand_ins(plain, ["sma", "fna"]) == (None,)
    check_unseen([plain, trained], [(ATTACKS.get("sma"), "white")])
    with pytest.raises(UsageError, match="not a white-box attack"):
        check_unseen([trained], [(ATTACKS.get("sma"), "transfer")])


@pytest.fixture
def crafted(monkeypatch):
    """Return the names of the attacks that ran, in order."""
    from benchmark.core.attack import Attack

    names: list[str] = []
    original = Attack.run

    def run(self, encoder, batch, inner=None):
        names.append(self.name)
        return original(self, encoder, batch, inner)

    monkeypatch.setattr(Attack, "run", run)
    return names


def test_a_training_crafts_with_its_stand_in_only(tiny_config, tmp_path, crafted):
    from benchmark.core.device import choose_device
    from benchmark.core.progress import SilentProgress
    from benchmark.runner.datasets import RunDatasets
    from benchmark.training.fit import Task, fit_defense

    config = tiny_config(defense=["metric-at"], attack=["metric-fgsm"])
    choice = choose(config)
    train = RunDatasets(config, choice, SilentProgress()).split("tiny", "train")
    encoders = {}
    for attack in (None, "sma"):
        crafted.clear()
        trained = fit_defense(
            choice.defenses["metric-at"],
            Task(
                train=train,
                backbone=config.backbone,
                training=config.training.against(attack),
                image_size=config.image_size,
                policy=choose_device("cpu"),
                seed=0,
                progress=SilentProgress(),
                work_dir=tmp_path / str(attack),
                encoders={},
            ),
        )
        assert set(crafted) == {attack or "metric-pgd"}
        encoders[attack] = torch.cat([p.flatten() for p in trained.encoder.parameters()])
    assert not torch.equal(encoders[None], encoders["sma"])
