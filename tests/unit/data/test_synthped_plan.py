"""Counts, labels and biases of the plan; nothing is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.core.errors import UsageError
from benchmark.core.progress import SilentProgress
from benchmark.data.layout import SPLITS, parse_name
from benchmark.data.synthped.build import SIZES, Kind, plan_shots
from benchmark.data.synthped.dataset import SynthPedCampus, SynthPedPlaza
from benchmark.data.synthped.domains import DOMAINS

DOMAIN_NAMES = sorted(DOMAINS)


def open_plaza(tmp_path: Path, **config: object) -> SynthPedPlaza:
    return SynthPedPlaza(config, cache_dir=tmp_path, progress=SilentProgress())


@pytest.mark.parametrize("domain", DOMAIN_NAMES)
@pytest.mark.parametrize("size", sorted(SIZES))
def test_names_carry_the_labels_and_are_unique(domain: str, size: str) -> None:
    plan = plan_shots(domain, size, 0)
    for shots in (plan.train, plan.query, plan.gallery):
        names = [shot.name for shot in shots]
        assert len(set(names)) == len(names)
        assert names == sorted(names)
        for shot in shots:
            label = parse_name(shot.name)
            assert (label.pid, label.camid) == (shot.pid, shot.camid)
            assert 1 <= shot.camid <= DOMAINS[domain].cameras


@pytest.mark.parametrize("domain", DOMAIN_NAMES)
@pytest.mark.parametrize("size", sorted(SIZES))
def test_people_of_the_splits_are_disjoint(domain: str, size: str) -> None:
    plan, amount = plan_shots(domain, size, 0), SIZES[size]
    train = {shot.identity for shot in plan.train}
    query = {shot.pid for shot in plan.query}
    gallery = {shot.pid for shot in plan.gallery if shot.pid > 0}
    extras = {shot.identity for shot in plan.gallery if shot.pid <= 0}
    assert train == set(range(1, amount.train_ids + 1))
    assert gallery == set(range(amount.train_ids + 1, amount.train_ids + amount.test_ids + 1))
    assert query <= gallery
    assert not extras & (train | gallery)


@pytest.mark.parametrize("domain", DOMAIN_NAMES)
@pytest.mark.parametrize("size", sorted(SIZES))
def test_each_query_is_one_of_a_person_and_camera_and_has_a_match(domain: str, size: str) -> None:
    plan = plan_shots(domain, size, 0)
    pairs = [(shot.pid, shot.camid) for shot in plan.query]
    assert len(set(pairs)) == len(pairs)
    seen = {(shot.pid, shot.camid) for shot in plan.gallery}
    for pid, camid in pairs:
        assert any(p == pid and c != camid for p, c in seen)
    assert not {shot.name for shot in plan.query} & {shot.name for shot in plan.gallery}


@pytest.mark.parametrize("domain", DOMAIN_NAMES)
def test_embedded_has_the_biases_of_its_card(domain: str, tmp_path: Path) -> None:
    kind = SynthPedPlaza if domain == "synthped-plaza" else SynthPedCampus
    statistics = kind({}, cache_dir=tmp_path, progress=SilentProgress()).card()["statistics"]
    train, gallery = statistics["train"], statistics["gallery"]
    assert train["identities"] == 170
    assert 2300 <= train["images"] <= 2900
    tail = train["images_per_identity"]
    assert 2 <= tail["min"] <= 3
    assert 55 <= tail["max"] <= 70
    assert 13 <= tail["mean"] <= 18
    assert tail["q50"] < tail["mean"]
    assert 0.3 <= train["share_of_identities_mostly_from_one_camera"] <= 0.6
    assert train["identities_with_one_image"] == 0
    assert (gallery["distractors"], gallery["junk"]) == (120, 60)
    assert train["cameras"] == DOMAINS[domain].cameras


def test_full_is_as_large_as_market1501() -> None:
    plan = plan_shots("synthped-plaza", "full", 0)
    assert abs(len(plan.train) - 12_936) < 1_000
    assert abs(len(plan.query) - 3_368) < 800
    assert abs(len(plan.gallery) - 19_732) < 1_500


def test_tracklets_hold_neighbouring_frames() -> None:
    shots = plan_shots("synthped-plaza", "embedded", 0).train
    assert sum(shot.frame > 0 for shot in shots) > 0.4 * len(shots)
    assert {shot.kind for shot in shots} == {Kind.PERSON}


def test_the_manifest_names_the_content(tmp_path: Path) -> None:
    base = open_plaza(tmp_path, size="smoke").manifest_sha256()
    assert base == open_plaza(tmp_path, size="smoke", seed=0).manifest_sha256()
    other = SynthPedPlaza(
        {"size": "smoke"}, image_size=(32, 16), cache_dir=tmp_path, progress=SilentProgress()
    )
    campus = SynthPedCampus({"size": "smoke"}, cache_dir=tmp_path, progress=SilentProgress())
    different = {
        base,
        open_plaza(tmp_path, size="smoke", seed=1).manifest_sha256(),
        open_plaza(tmp_path).manifest_sha256(),
        other.manifest_sha256(),
        campus.manifest_sha256(),
    }
    assert len(different) == 5
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("config", [{"size": "huge"}, {"seed": -1}, {"colour": 1}])
def test_wrong_options_are_refused(config: dict, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_plaza(tmp_path, **config)


def test_a_wrong_image_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="out of range"):
        SynthPedPlaza({}, image_size=(4, 2), cache_dir=tmp_path, progress=SilentProgress())


def test_splits_are_named_as_the_field_names_them() -> None:
    assert SPLITS == ("train", "query", "gallery")
