from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.layout import SPLITS
from benchmark.data.synthped import pool
from benchmark.data.synthped.build import plan_shots
from benchmark.data.synthped.dataset import SynthPed
from benchmark.data.synthped.pool import RenderPool, render_pixels
from benchmark.data.synthped.renderer import Recipe

GOLDEN = Path(__file__).parents[2] / "golden" / "synthped_smoke.json"
RECIPE = Recipe("synthped-plaza", 0, 64, 32)


@pytest.mark.parametrize("domain", ["plaza", "campus"])
def test_golden_pixels(domain: str, request: pytest.FixtureRequest) -> None:
    dataset: SynthPed = request.getfixturevalue(domain)
    found = {"manifest": dataset.manifest_sha256()}
    for split in SPLITS:
        pixels = dataset.split(split).pixels(slice(None))
        found[split] = hashlib.sha256(pixels.tobytes()).hexdigest()
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[dataset.name]
    assert found == golden, f"pixels are meant to change? raise RENDERER_VERSION: {found}"


def test_any_image_alone_equals_the_one_in_the_set(plaza: SynthPed) -> None:
    shots = plan_shots("synthped-plaza", "smoke", 0).gallery
    images = plaza.split("gallery")
    for row in (len(shots) - 1, 0, 17):
        alone = render_pixels(RECIPE, [shots[row]])[0]
        np.testing.assert_array_equal(alone, images.pixels(np.array([row]))[0])


def test_more_workers_make_the_same_pixels(
    plaza: SynthPed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_WORTH_A_POOL", 0)
    shots = plan_shots("synthped-plaza", "smoke", 0).query
    pixels = np.concatenate(list(RenderPool(RECIPE, 2).pixels(shots)))
    np.testing.assert_array_equal(pixels, plaza.split("query").images)


def test_an_unguarded_script_may_render_in_processes(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from benchmark.data.synthped import pool\n"
        "from benchmark.data.synthped.build import plan_shots\n"
        "from benchmark.data.synthped.renderer import Recipe\n"
        "pool._WORTH_A_POOL = 0\n"
        "shots = plan_shots('synthped-plaza', 'smoke', 0).query[:2]\n"
        "recipe = Recipe('synthped-plaza', 0, 16, 8)\n"
        "print(sum(len(c) for c in pool.RenderPool(recipe, 2).pixels(shots)))\n",
        encoding="utf-8",
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True, text=True, timeout=120, env={"PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert done.stdout == "2\n", done.stderr
    assert "ended early" not in done.stderr


def test_rendering_imports_no_torch() -> None:
    code = "import sys, benchmark.data.synthped.pool; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_another_seed_makes_other_people(tmp_path: Path) -> None:
    shot = plan_shots("synthped-plaza", "smoke", 0).train[0]
    first, second = (
        render_pixels(Recipe("synthped-plaza", seed, 64, 32), [shot]) for seed in (0, 1)
    )
    assert np.abs(first.astype(int) - second).mean() > 5


@pytest.mark.parametrize("image_size", [(24, 24), (96, 32), (33, 17)])
def test_other_image_sizes(image_size: tuple[int, int]) -> None:
    shots = plan_shots("synthped-campus", "smoke", 0).gallery[:2]
    pixels = render_pixels(Recipe("synthped-campus", 0, *image_size), shots)
    assert pixels.shape == (2, *image_size, 3)


def test_frames_of_a_tracklet_are_near_duplicates(plaza: SynthPed) -> None:
    images = plaza.split("train")
    shots = plan_shots("synthped-plaza", "smoke", 0).train
    row = {(s.pid, s.camid, s.tracklet, s.frame): i for i, s in enumerate(shots)}
    pixels = images.pixels(slice(None)).astype(np.int64)
    near = [
        np.abs(pixels[i] - pixels[row[p, c, t, f - 1]]).mean()
        for (p, c, t, f), i in row.items()
        if f > 0
    ]
    apart = [np.abs(pixels[i] - pixels[i - 20]).mean() for i in range(20, len(pixels))]
    assert len(near) > 20
    assert np.median(near) < 0.7 * np.median(apart)


def test_the_background_helps_within_a_camera_only(plaza: SynthPed) -> None:
    """Nearest neighbours by the outer columns alone: the person, if the camera is the same."""
    images = plaza.split("train")
    pixels = images.pixels(slice(None)).astype(np.float64)
    border = np.concatenate([pixels[:, :, :5], pixels[:, :, -5:]], axis=2).reshape(len(images), -1)
    distance = ((border[:, None] - border[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    same_camera = images.camids[:, None] == images.camids[None]
    same_person = images.pids[:, None] == images.pids[None]

    def hit_rate(allowed: np.ndarray) -> tuple[float, float]:
        usable = allowed.any(1) & (allowed & same_person).any(1)
        nearest = np.where(allowed, distance, np.inf).argmin(1)
        hits = same_person[np.arange(len(images)), nearest]
        chance = (allowed & same_person).sum(1) / np.maximum(allowed.sum(1), 1)
        return float(hits[usable].mean()), float(chance[usable].mean())

    own = same_camera & ~np.eye(len(images), dtype=bool)
    within, within_chance = hit_rate(own)
    across, across_chance = hit_rate(~same_camera)
    assert within > 0.4
    assert within > 3 * within_chance
    assert across < 3 * across_chance
    camera_hits = images.camids[distance.argmin(1)] == images.camids
    assert camera_hits.mean() > 0.45  # chance is one in six


def test_splits_are_cached_one_by_one(tmp_path: Path, open_smoke: Callable[..., SynthPed]) -> None:
    dataset = open_smoke("synthped-plaza", tmp_path, image_size=(16, 8))
    dataset.split("query")
    files = {path.name for path in dataset.cache.folder.iterdir()}
    assert "query.npy" in files
    assert "train.npy" not in files
