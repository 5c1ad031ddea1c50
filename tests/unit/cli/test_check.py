"""``check``: exit codes, lines, table and JSON."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from benchmark.cli.app import exit_code
from benchmark.core.registry import ATTACKS, DEFENSES

PLUGIN = '''
import torch
from benchmark import Attack, Defense, register_attack, register_defense


@register_attack("checked-attack")
class CheckedAttack(Attack):
    """Away from the clean embedding."""

    def perturb(self, encoder, batch):
        images = self.project(batch.images + self.radius / 2, batch.images)
        for _ in range(10):
            leaf = images.detach().requires_grad_(True)
            loss = (encoder(leaf) - batch.clean).square().sum()
            (gradient,) = torch.autograd.grad(loss, leaf)
            images = self.project(leaf.detach() + self.radius / 4 * gradient.sign(), batch.images)
        return images


@register_attack("checked-broken-attack")
class CheckedBrokenAttack(Attack):
    """Leaves the ball."""

    def perturb(self, encoder, batch):
        return 1 - batch.images


@register_defense("checked-defense")
class CheckedDefense(Defense):
    """One line on what it does."""

    class Config(Defense.Config):
        weight: float = 1.0

    def training_step(self, step):
        adv = step.attack("metric-pgd", step.images)
        return step.retrieval_loss(step.images) + self.config.weight * step.retrieval_loss(adv)


@register_defense("checked-broken-defense")
class CheckedBrokenDefense(Defense):
    """Returns no encoder."""

    def fit(self, task):
        return None
'''


@pytest.fixture
def plugin_file(tmp_path, monkeypatch):
    for registry in (ATTACKS, DEFENSES):
        monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    path = tmp_path / "checked_plugins.py"
    path.write_text(PLUGIN)
    yield path
    sys.modules.pop("reid_robustbench_plugin_checked_plugins", None)


@pytest.fixture
def cli(capsys):
    """Return a function that runs ``check`` and returns exit code, stdout and stderr."""

    def call(*arguments):
        code = exit_code(["check", "--device", "cpu", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_built_in_attack_passes_in_one_line_a_check(cli):
    code, out, err = cli("attack", "metric-fgsm")
    assert (code, err) == (0, "")
    *lines, last = out.splitlines()
    assert last == "attack metric-fgsm: keeps its contract"
    assert all(line.startswith("ok    ") for line in lines)
    assert lines[-1].startswith("ok    canary: mAP ")


def test_options_that_weaken_it_exit_with_4(cli):
    code, out, _ = cli("attack", "metric-ifgsm", "--set", "attack.steps=1")
    assert code == 4
    (failure,) = (line for line in out.splitlines() if line.startswith("FAIL"))
    assert failure.startswith("FAIL  canary: mAP ")
    assert out.splitlines()[-1].endswith("1 of 12 checks failed")


@pytest.mark.parametrize("name", ["checked-attack", "checked-defense"])
def test_a_strangers_good_plugin_passes(cli, plugin_file, name):
    code, out, err = cli(name.rsplit("-", 1)[1], name, "--plugin", plugin_file)
    assert (code, err) == (0, "")
    assert "warn  card: " in out
    assert "FAIL" not in out


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("checked-broken-attack", "left the ball"),
        ("checked-broken-defense", "returned NoneType, not an encoder"),
    ],
)
def test_a_strangers_broken_plugin_exits_with_4(cli, plugin_file, name, seen):
    code, out, _ = cli(name.rsplit("-", 1)[1], name, "--plugin", plugin_file, "--json")
    document = json.loads(out)
    assert code == document["exit_code"] == 4
    assert document["name"] == name
    details = [check["detail"] for check in document["checks"] if not check["passed"]]
    assert any(seen in detail for detail in details)


def test_json_is_one_document_with_every_check(cli):
    code, out, err = cli("defense", "none", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["kind"] == "defense"
    assert {check["name"] for check in document["checks"]} >= {"training", "gradient", "adaptive"}
    assert all(set(check) == {"name", "passed", "detail", "warns"} for check in document["checks"])


def test_a_terminal_gets_a_table(cli, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    code, out, _ = cli("defense", "none")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert code == 0
    assert "┃ check" in plain
    assert "│ gradient" in plain


@pytest.mark.parametrize(
    ("arguments", "what", "hint"),
    [
        (("attack", "metric-pdg"), "unknown attack 'metric-pdg'", "did you mean metric-pgd"),
        (("atack", "sma"), "unknown kind 'atack'", "did you mean attack"),
        (("backbone", "osnet-x1-0"), "unknown kind 'backbone'", "known: attack, dataset, defense"),
        (("dataset", "folder", "--set", "dataset.table=no", "cameras=1"), "not an option", "KEY"),
        (("attack", "sma", "--set", "attack.stps=1"), "has the key 'stps'", "steps"),
        (("attack", "sma", "--set", "training.epochs=1"), "not an option", "attack.KEY=VALUE"),
        (("attack", "sma", "--set", "attack.steps=0"), "steps = 0", "correct it"),
        (
            ("attack", "sma", "--plugin", "nowhere.py"),
            "there is no plugin file",
            "give the path of a .py file",
        ),
        (("attack",), "Missing argument", "--help"),
    ],
)
def test_mistakes_give_two_lines_and_2(cli, arguments, what, hint):
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert what in err
    assert hint in err
    assert len(err.splitlines()) == 2


def test_a_data_set_without_its_folder_exits_with_3(cli):
    code, out, err = cli("dataset", "folder")
    assert (code, out) == (3, "")
    assert "no root was given" in err
    assert "--data-root" in err


def test_it_writes_nothing_where_it_runs(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("defense", "none")[0] == 0
    assert list(Path().iterdir()) == []
