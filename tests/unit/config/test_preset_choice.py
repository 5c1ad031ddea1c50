"""Presets of papers, and which one a run takes that names none."""

from __future__ import annotations

import logging

import pytest

from benchmark.config.load import load_run_config, to_yaml
from benchmark.config.preset_choice import presets_for
from benchmark.config.presets import preset_names, read_layer, read_preset
from benchmark.core.registry import DATASETS
from benchmark.runner.preview import preview
from tests import dataset_miniatures

MINIATURES = ("market1501", "dukemtmcreid", "msmt17")

OF_PAPERS = {
    "market1501-r50",
    "market1501-r18",
    "market1501-osnet",
    "market1501-vit-s",
    "market-to-msmt17",
    "market-to-duke",
    "msmt17-r50",
    "msmt17-r18",
    "duke-r50",
    "duke-r18",
}


def load(**options):
    return load_run_config({"defense": ["none"], **options})


@pytest.mark.parametrize("name", sorted(OF_PAPERS))
def test_presets_of_papers_follow_the_published_setting(name):
    config = load(preset=name)
    assert config.image_size == (256, 128)
    assert config.eps == [8, 10]
    assert {config.attack_config[one]["steps"] for one in ("fna", "sma", "metric-ifgsm")} == {16}
    assert config.backbone.weights == "imagenet"
    assert (config.training.identities, config.training.images) == (16, 4)


@pytest.mark.parametrize("name", sorted(OF_PAPERS))
def test_presets_of_papers_plan_on_miniatures(name, tmp_path):
    acknowledged = {"dukemtmcreid": {"acknowledge_withdrawn": True}}
    for one in MINIATURES:
        getattr(dataset_miniatures, one)(tmp_path)
    config = load(
        preset=name,
        output=tmp_path / "out",
        attack=["sma"],
        data_root=tmp_path,
        dataset_config=acknowledged,
    )
    shown = preview(config)
    assert not shown.missing
    tested = {cell.title.removeprefix("sma 8/255 ") for cell in shown.cells}
    assert {config.dataset, *config.test_datasets} <= tested
    assert f"train {config.dataset}" in tested


@pytest.mark.parametrize(
    ("dataset", "preset"),
    [
        ("market1501", "market1501-r18"),
        (["market1501", "msmt17"], "market1501-r18"),
        ("dukemtmcreid", "duke-r18"),
        ("msmt17", "msmt17-r18"),
        ("viper", "bag-of-tricks-r18"),
        ("folder", "bag-of-tricks-r18"),
        ("synthped-campus", "embedded"),
        ("somebody-elses", "embedded"),
        (None, "embedded"),
    ],
)
def test_a_run_without_preset_takes_the_one_made_for_its_data(dataset, preset):
    assert load(dataset=dataset).preset == preset
    assert load(dataset=dataset, preset="smoke").preset == "smoke"


def test_the_choice_is_told_with_the_others_that_fit(caplog):
    with caplog.at_level(logging.INFO):
        load(dataset="market1501")
    (line,) = caplog.messages
    assert line.startswith("market1501: preset market1501-r18 (")
    assert all(one in line for one in presets_for("market1501"))
    caplog.clear()
    load(dataset="synthped-campus")
    load(dataset="market1501", preset="market1501-r50")
    assert not caplog.messages


def test_no_two_presets_are_taken_for_one_data_set():
    found = [one for name in preset_names() for one in read_layer(name).get("default_for", ())]
    assert len(found) == len(set(found))
    ours = (one for one in map(DATASETS.get, DATASETS.names()) if "benchmark." in one.__module__)
    real = [one.name for one in ours if not one.rendered]
    assert set(real) <= set(found)


def test_what_a_preset_is_for_is_no_part_of_a_run(tmp_path):
    assert "default_for" not in read_preset("market1501-r18")
    assert "default_for" not in to_yaml(load(dataset="market1501"))
