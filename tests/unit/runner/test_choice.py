"""Names and options are checked before any work."""

from __future__ import annotations

import pytest

from benchmark.config.load import load_run_config
from benchmark.core.errors import BenchmarkError
from benchmark.runner.choice import choose


@pytest.mark.parametrize(
    ("options", "what", "hint"),
    [
        ({"defense": ["nome"]}, "unknown defense 'nome'", "did you mean none"),
        ({"attack": ["smaa"]}, "unknown attack 'smaa'", "did you mean sma or"),
        ({"attack": ["defualt"]}, "unknown attack 'defualt'", "did you mean default"),
        ({"dataset": "synthped"}, "unknown data set 'synthped'", "synthped-plaza"),
        ({"test_dataset": ["market"]}, "unknown data set 'market'", "market1501"),
        ({"backbone": {"name": "resnet5"}}, "unknown backbone 'resnet5'", "resnet50"),
        ({"attack_config": {"sma": {"step": 1}}}, "options of 'sma': unknown key 'step'", "steps"),
        ({"attack_config": {"sma": {"steps": 0}}}, "options of 'sma': steps = 0", ""),
        ({"attack_config": {"smaa": {}}}, "unknown attack 'smaa'", "sma"),
        ({"defense_config": {"nome": {}}}, "unknown defense 'nome'", "none"),
        (
            {"defense": ["jpeg"], "defense_config": {"jpeg": {"base": "pretrained"}}},
            "'jpeg' cannot build on 'pretrained'",
            "choose another base",
        ),
    ],
)
def test_a_wrong_name_or_option_is_told(options, what, hint):
    config = load_run_config({"defense": ["none"], **options})
    with pytest.raises(BenchmarkError) as caught:
        choose(config)
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_groups_are_expanded_and_each_attack_is_taken_once():
    config = load_run_config({"defense": ["none"], "attack": ["sma", "default"]})
    names = [attack.name for attack in choose(config).attacks]
    assert names[0] == "sma"
    assert len(names) == len(set(names)) == 9


def test_the_control_is_known_by_its_threat():
    config = load_run_config({"defense": ["none"], "attack": ["random-noise", "fna"]})
    assert [attack.is_control for attack in choose(config).attacks] == [True, False]
