"""The files of the canary: images, encoders, stored strengths, and how they are made."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.checks import canary_strengths
from benchmark.checks.canary import (
    MARGIN_MAP,
    canary_content,
    open_stage,
)
from benchmark.checks.canary_strengths import store_strengths
from benchmark.checks.make_canary import _gallery_rows, _reduced, _spread
from benchmark.checks.stored_canary import (
    CANARY_SPLITS,
    CARD_FILE,
    FOLDER,
    IMAGE_SIZE,
    STRENGTHS_FILE,
    read_card,
    read_encoder,
    read_images,
    read_strengths,
    stored_files,
    write_images,
)
from benchmark.core.errors import DataError
from tests.tiny_scene import CPU, image_set

STRENGTHS, TRAININGS = read_strengths()["attacks"], read_strengths()["trainings"]


def test_all_of_it_is_under_a_megabyte_and_as_its_card_says() -> None:
    files = stored_files()
    assert sum((FOLDER / path).stat().st_size for path in files) < 1_000_000
    assert {path: files[path] for path in read_card()["sha256"]} == read_card()["sha256"]
    assert set(files) - set(read_card()["sha256"]) == {CARD_FILE, STRENGTHS_FILE}
    assert {path.name for path in FOLDER.rglob("*") if path.is_file()} == {
        Path(path).name for path in files
    }


def test_images_are_of_the_published_size_and_identities_do_not_mix() -> None:
    sets = {split: read_images(split) for split in CANARY_SPLITS}
    for images in sets.values():
        assert images.images.shape == (len(images), *IMAGE_SIZE, 3)
        assert len(set(images.names)) == len(images)
    assert not set(sets["query"].identities) & set(sets["train"].identities)
    assert not set(sets["gallery"].identities) & set(sets["train"].identities)
    summary = open_stage(CPU).target.clean.ranking.summary()
    assert (summary["queries"], summary["skipped"]) == (len(sets["query"]), 0)


def test_the_two_encoders_differ() -> None:
    target, surrogate = (read_encoder(role, CPU) for role in ("target", "surrogate"))  # type: ignore[arg-type]
    assert not target.training
    assert all(p.dtype == torch.float32 for p in target.parameters())
    first, second = next(target.parameters()), next(surrogate.parameters())
    assert not torch.allclose(first, second, atol=1e-2)


def test_pictures_keep_every_pixel(tmp_path: Path) -> None:
    images = image_set(identities=5, size=IMAGE_SIZE)
    write_images(images, "query", tmp_path)
    (tmp_path / CARD_FILE).write_text(json.dumps({"images": {"query": list(images.names)}}))
    again = read_images("query", tmp_path)
    assert np.array_equal(again.images, images.images)
    assert np.array_equal(again.pids, images.pids)
    assert np.array_equal(again.camids, images.camids)


def test_content_changes_with_any_file(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "canary")
    before = stored_files(tmp_path / "canary")
    assert canary_content()["files"] == before
    (tmp_path / "canary" / STRENGTHS_FILE).write_text("{}")
    assert stored_files(tmp_path / "canary") != before
    json.dumps(canary_content())


def test_damaged_weights_are_told(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "canary")
    weights = tmp_path / "canary" / "target" / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DataError, match="SHA-256"):
        open_stage(CPU, tmp_path / "canary")


def test_storing_strengths_keeps_the_others_and_refuses_what_is_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "canary"
    shutil.copytree(FOLDER, folder)
    store_strengths(["metric-fgsm"], "again", folder)
    assert read_strengths(folder)["attacks"] == pytest.approx(STRENGTHS, abs=MARGIN_MAP)
    assert read_strengths(folder)["command"] == "again"
    assert read_strengths(folder)["trainings"] == TRAININGS
    monkeypatch.setattr(canary_strengths, "_map", lambda plugin, stage, *of: stage.target.clean_map)
    store_strengths(["sma", "uap"], "again", folder)
    assert set(STRENGTHS) - set(read_strengths(folder)["attacks"]) == {"sma", "uap"}
    assert set(TRAININGS) - set(read_strengths(folder)["trainings"]) == {"uap"}


def test_storing_the_strength_of_a_trained_attack_trains_it_by_several_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "canary"
    shutil.copytree(FOLDER, folder)
    reached = {**{(seed, True): 20.0 + seed for seed in range(5)}, (0, False): 31.239}
    monkeypatch.setattr(canary_strengths, "_map", lambda plugin, stage, *of: reached[of])
    store_strengths(["muap"], "again", folder)
    stored = read_strengths(folder)
    assert stored["attacks"]["muap"] == 31.24
    assert [one["map"] for one in stored["trainings"]["muap"]] == [*range(20, 25), 31.24]


def test_choosing_images_takes_turns_of_the_cameras() -> None:
    images = image_set(identities=3, cameras=3, per_camera=4)
    rows = _spread(images, [1, 3], 5)
    assert rows.tolist() == sorted(rows.tolist())
    chosen = images.subset(rows)
    assert set(chosen.pids.tolist()) == {1, 3}
    for pid in (1, 3):
        counts = np.bincount(chosen.camids[chosen.pids == pid], minlength=4)[1:]
        assert sorted(counts.tolist()) == [1, 2, 2]


def test_the_gallery_holds_matches_and_others_once() -> None:
    images = image_set(identities=6, cameras=2, per_camera=4, first_pid=0)
    images = replace(images, distractor=images.pids == 0)
    rows = _gallery_rows(images, [1, 2])
    chosen = images.subset(rows)
    assert len(set(rows.tolist())) == len(rows)
    assert [int((chosen.pids == pid).sum()) for pid in range(6)] == [8, 4, 4, 1, 1, 1]


def test_reduced_pixels_lose_less_than_a_level() -> None:
    images = image_set(size=(16, 8))
    reduced = _reduced(images)
    lost = images.images.astype(int) - reduced.images.astype(int)
    assert 0 <= lost.min() <= lost.max() < 4
    assert len(np.unique(reduced.images)) <= 64
