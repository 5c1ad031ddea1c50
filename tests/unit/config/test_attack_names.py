"""Names of attacks that take an argument: `NAME:ARGUMENT` on the command line and in YAML."""

from __future__ import annotations

import pytest
import typer
import yaml

from benchmark.cli.app import app
from benchmark.cli.argv import spread
from benchmark.config.attack_groups import expand_attacks
from benchmark.config.load import load_run_config, to_yaml
from benchmark.core.errors import UsageError
from benchmark.core.parametrised import base_name
from benchmark.core.registry import ATTACKS
from benchmark.runner.choice import choose

PGD_20 = "torchattacks:PGD,steps=20"
PGD_FINE = "torchattacks:PGD,steps=20,alpha=0.01"


def load(*assignments, **options):
    return load_run_config({"defense": ["none"], **options}, assignments)


def chosen(config):
    return {attack.name: attack.config.model_dump() for attack in choose(config).attacks}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("torchattacks:PGD", ["torchattacks:PGD"]),
        (PGD_FINE, [PGD_FINE]),
        ([PGD_20, "fna"], [PGD_20, "fna"]),
        (f"fna,{PGD_FINE},sma", ["fna", PGD_FINE, "sma"]),
        (f"{PGD_20}, torchattacks:APGD,loss=dlr", [PGD_20, "torchattacks:APGD,loss=dlr"]),
        ([" torchattacks:PGD , steps=20 ", "fna"], [PGD_20, "fna"]),
        (["torchattacks:PGD", "steps=20", "fna"], [PGD_20, "fna"]),  # a YAML list without quotes
        ([PGD_20, PGD_20, "torchattacks:PGD"], [PGD_20, "torchattacks:PGD"]),
        ("fna,steps=20", ["fna", "steps=20"]),  # nothing to belong to
    ],
)
def test_key_value_belongs_to_the_name_before_it(given, names):
    assert load(attack=given).attack == names
    assert load(f"attack={given if isinstance(given, str) else yaml.safe_dump(given)}").attack == (
        names
    )


def test_the_command_line_takes_several():
    arguments = ["run", "--attack", PGD_20, "fna", "--eps", "4", "8"]
    assert spread(arguments, typer.main.get_command(app))[1:5] == [
        "--attack",
        PGD_20,
        "--attack",
        "fna",
    ]


def test_several_are_chosen_in_one_run_under_the_names_they_were_given():
    config = load(attack=["sma", "torchattacks:PGD", PGD_FINE, "torchattacks:FGSM,logits=nearest"])
    found = chosen(config)
    assert list(found) == config.attack
    assert found["torchattacks:PGD"]["options"] == {}
    assert found[PGD_FINE]["options"] == {"steps": 20, "alpha": 0.01}
    assert found["torchattacks:FGSM,logits=nearest"]["logits"] == "nearest"


def test_the_resolved_configuration_keeps_the_names(tmp_path):
    config = load(attack=[PGD_FINE, "fna"], output=tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert load_run_config({"preset": str(path)}).attack == [PGD_FINE, "fna"]


def test_a_preset_in_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"preset: smoke\nattack:\n- {PGD_20}\n- sma\n"
        f"attack_config:\n  {PGD_20}: {{scale: 9.0}}\n  torchattacks: {{logits: centroid}}\n"
    )
    found = chosen(load(preset=str(path)))
    assert found[PGD_20] == {
        "attack": "PGD",
        "options": {"steps": 20},
        "logits": "centroid",
        "scale": 9.0,
    }


@pytest.mark.parametrize(
    ("assignment", "first", "second"),
    [
        ("attack.torchattacks.logits=nearest", "nearest", "nearest"),
        ("attack.logits=nearest", "nearest", "nearest"),
        ("attack.torchattacks:FGSM.logits=nearest", "soft-nearest", "nearest"),
    ],
)
def test_set_reaches_what_a_name_mounts(assignment, first, second):
    names = [PGD_20, "torchattacks:FGSM", "sma"]
    found = chosen(load(assignment, attack=names))
    assert [found[name]["logits"] for name in names[:2]] == [first, second]


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        (
            {"attack": ["torchattacks"]},
            "'torchattacks' does not say what it takes",
            "write torchattacks:PGD or torchattacks:PGD,steps=20",
        ),
        ({"attack": ["torchattacks:"]}, "'torchattacks' does not say what it takes", ""),
        ({"attack": ["torchatacks:PGD"]}, "unknown attack 'torchatacks'", "torchattacks"),
        ({"attack": ["default:PGD"]}, "unknown attack 'default'", ""),
        ({"attack": ["sma:PGD"]}, "the attack 'sma' takes no argument: 'sma:PGD'", "write sma;"),
        ({"attack": ["torchattacks:PDG"]}, "has no attack 'PDG'", "did you mean PGD"),
        ({"attack": ["torchattacks:CW"]}, "CW of torchattacks cannot be mounted", "these can"),
        ({"attack": ["torchattacks:PGD,step=2"]}, "has no argument 'step'", "steps"),
        ({"attack": ["fna,steps=20"]}, "unknown attack 'steps=20'", ""),
        (
            {"attack": ["sma"], "attack_config": {"torchatacks:PGD": {}}},
            "unknown attack 'torchatacks'",
            "torchattacks",
        ),
        (
            {"attack": ["torchattacks:TPGD"], "scenario": {"intent": "rank-down"}},
            "attack 'torchattacks:TPGD' cannot be told to rank-down",
            "",
        ),
    ],
)
def test_a_wrong_name_is_told(options, what, hint):
    with pytest.raises(UsageError) as caught:
        choose(load(**options))
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_a_plugin_that_is_not_chosen_takes_no_set():
    with pytest.raises(UsageError, match="'torchattacks' is not part of this run"):
        load("attack.torchattacks.logits=nearest", attack=["sma"])


def test_groups_and_mounted_names_expand_together():
    names = expand_attacks(["default", PGD_20, "sma"], ATTACKS.names())
    assert names[-1] == PGD_20
    assert "sma" in names[:-1]


def test_the_registry_answers_to_what_it_can_mount():
    assert ATTACKS.has(PGD_20)
    assert ATTACKS.has("fna")
    assert not ATTACKS.has("fnaa:PGD")
    assert base_name(PGD_20) == "torchattacks"
    assert base_name("fna") == "fna"
