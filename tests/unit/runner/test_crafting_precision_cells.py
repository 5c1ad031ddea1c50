"""Runs that craft in fewer bits: compared first, kept where as strong, told where not."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from benchmark.checks import precision_agreement
from benchmark.checks.precision_agreement import AGREEMENT_MAP, Agreement
from benchmark.config.schema import RunConfig
from benchmark.core import crafting_precision
from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.runner import crafting_choice
from benchmark.runner.choice import choose
from benchmark.runner.crafting_choice import check_crafting, with_crafting
from benchmark.runner.plan import make_plan
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from results.records.schema import Record
from results.records.store import load_record
from tests.reduced_precision import rounded_products
from tests.tiny_scene import CPU
from tests.tiny_stage import tiny_stage

MANIFESTS = {"tiny": "a" * 64, "tiny-other": "b" * 64}
ATTACKS = ["random-noise", "metric-fgsm"]
COMPARED = ("precision", "canary-precision", "attack")


@pytest.fixture
def fewer_bits(monkeypatch):
    """Let the CPU have a TF32 of so many bits, and a tiny canary."""

    def have(bits: int) -> None:
        monkeypatch.setattr(crafting_choice, "has_tf32", lambda device: True)
        monkeypatch.setattr(precision_agreement, "open_stage", lambda policy: tiny_stage())
        monkeypatch.setitem(crafting_precision.ARITHMETIC, "tf32", lambda: rounded_products(bits))

    return have


def record_of(config: RunConfig) -> Record:
    ((record, path),) = run_benchmark(config, SilentProgress()).records
    assert load_record(path) == record
    return record


def forget_comparisons(config: RunConfig) -> None:
    """Remove what a run with other bits computed; trainings and clean rankings stay."""
    for card in config.output.glob("cells/*/cell.json"):
        if json.loads(card.read_text())["content"]["kind"] in COMPARED:
            shutil.rmtree(card.parent)


def test_a_run_in_fewer_bits(tiny_config, fewer_bits, monkeypatch, caplog):
    """As strong, it is kept and measured in float32; else it is left, and the record says why."""
    config = tiny_config(attack=ATTACKS)
    plain = record_of(config)
    assert all(one.crafting is None for one in plain.attacks)
    assert {"crafting", "halved_batch"}.isdisjoint(plain.attacks[-1].model_dump())

    fewer_bits(22)
    quick = record_of(config)
    assert quick.id != plain.id
    assert quick.protocol == plain.protocol
    assert quick.clean == plain.clean
    before, (control, after) = plain.attacks[1], quick.attacks
    assert control == plain.attacks[0]
    assert (after.crafting.precision, after.crafting.reason) == ("tf32", None)
    maps = after.crafting.encoder
    assert maps.tf32_map == pytest.approx(maps.float32_map, abs=AGREEMENT_MAP)
    resolved = yaml.safe_load((config.output / "config.yaml").read_text())
    assert resolved["evaluation"]["crafting"] == "tf32"
    assert "crafts in float32" not in caplog.text

    forget_comparisons(config)
    fewer_bits(1)
    blunt = record_of(config).attacks[1]
    assert blunt.crafting.precision == "float32"
    assert "crafted in TF32 and" in blunt.crafting.reason
    assert blunt.map == before.map
    assert "it crafts in float32: on " in caplog.text

    forget_comparisons(config)
    found = iter([Agreement(50.0, 50.2), Agreement(10.0, 10.0)])
    monkeypatch.setattr(precision_agreement, "_agreement", lambda *_: next(found))
    crafting = record_of(config).attacks[1].crafting
    assert crafting.precision == "float32"  # the encoder agrees, the canary does not
    assert crafting.reason == "on the canary mAP is 50.2 crafted in TF32 and 50.0 in float32"


def test_how_far_two_maps_may_be_apart():
    assert AGREEMENT_MAP == 0.1
    assert Agreement(10.0, 10.09).holds
    assert Agreement(10.09, 10.0).holds
    assert not Agreement(10.0, 10.11).holds
    assert not Agreement(10.11, 10.0).holds  # stronger by chance is no agreement either
    assert not Agreement(10.0, float("nan")).holds


def kinds(config):
    return [cell.kind for cell in make_plan(config, choose(config), MANIFESTS).cells]


def test_attacks_wait_for_a_comparison_that_all_attack_seeds_share(tiny_config):
    wanted = tiny_config(
        "evaluation.crafting=tf32", attack=["random-noise", "uap"], attack_seed=[0, 1], eps=[4, 8]
    )
    plan = make_plan(wanted, choose(wanted), MANIFESTS)
    cells = {kind: [one for one in plan.cells if one.kind == kind] for kind in kinds(wanted)}
    assert len(cells["canary-precision"]) == 1
    assert [one.eps_255 for one in cells["precision"]] == [4, 8]
    for cell in cells["attack"]:
        needs = set(cell.needs).intersection(one.fingerprint for one in cells["precision"])
        assert len(needs) == (0 if cell.attack.is_control else 1)
    for cell in cells["precision"]:
        assert cell.prepared.attack_seed == 0
        assert cell.canary.fingerprint in cell.needs


def test_float32_is_what_it_was_and_tf32_is_another_cell(tiny_config):
    def prints(*assignments):
        config = tiny_config(*assignments, attack=ATTACKS)
        plan = make_plan(config, choose(config), MANIFESTS)
        return plan.protocol, {one.title: one.fingerprint for one in plan.cells}

    protocol, before = prints()
    assert prints("evaluation.crafting=float32") == (protocol, before)
    same, after = prints("evaluation.crafting=tf32")
    assert same == protocol
    changed = {title for title, found in before.items() if after[title] != found}
    assert changed == {"metric-fgsm 8/255 tiny"}


def test_tf32_is_refused_where_there_is_none(tiny_config):
    wanted = tiny_config("evaluation.crafting=tf32")
    for start in (preview, lambda config: run_benchmark(config, SilentProgress())):
        with pytest.raises(UsageError, match="crafting = tf32, and the device cpu has no") as told:
            start(wanted)
        assert "evaluation.crafting=auto" in told.value.hint
    assert not wanted.output.exists()
    with pytest.raises(UsageError, match="no TF32"):  # of a node that others outdo
        check_crafting(wanted, CPU)
    assert with_crafting(tiny_config(), CPU).evaluation.crafting == "float32"
    on_cluster = tiny_config("evaluation.crafting=tf32").model_copy(update={"executor": "ray"})
    assert with_crafting(on_cluster, CPU) == on_cluster
    with pytest.raises(UsageError, match="crafting"):
        tiny_config("evaluation.crafting=bf16")
