"""``data`` on folders of users: clear lines, exit codes, and lists that end."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NAMES = {
    "bounding_box_train": ("0001_c1s1_000001_00.png", "0001_c2s1_000001_00.png"),
    "query": ("0002_c1s1_000001_00.png",),
    "bounding_box_test": ("0002_c2s1_000001_00.png", "0003_c1s1_000001_00.png"),
}
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _empty_cache(_own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REID_ROBUSTBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for folder, names in NAMES.items():
        (tmp_path / "root" / folder).mkdir(parents=True)
        for name in names:
            pixels = rng.integers(0, 256, (16, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "root" / folder / name)
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("info", "market1502"), 2, "unknown data set 'market1502'"),
        (
            ("info", "market1501", "--data-root", "nowhere"),
            3,
            "/nowhere for the data set market1501",
        ),
        (("info", "market1501", "--data-root", "empty"), 3, "empty holds none of"),
        (("make", "market1501", "--data-root", "empty", "--output", "o"), 3, "holds none of"),
        (("info", "market1501", "--data-root", "root/query"), 3, "/root, the folder that holds"),
        (("make", "market1501", "--data-root", "root", "--output", "root"), 2, "to be read"),
        (("make", "market1501", "--data-root", "root", "--output", "."), 2, "to be read"),
        (("info", "synthped-plaza", "--data-root", "root"), 2, "is rendered"),
        (("info", "market1501", "--data-root", "root", "--size", "smoke"), 2, "has no sizes"),
    ],
)
def test_mistakes_give_two_lines_and_a_code(
    cli: Cli,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    what: str,
) -> None:
    monkeypatch.chdir(root.parent)
    Path("empty").mkdir()
    found, out, err = cli("data", *arguments)
    assert (found, out) == (code, "")
    assert what in err
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 2
    assert Path("root/query").is_dir()


def test_verify_of_a_missing_folder_exits_with_3(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("data", "verify", "market1501", "--data-root", tmp_path / "nowhere")
    assert code == 3
    assert "no folder" in out


def test_verify_counts_kinds_and_cuts_long_lists(cli: Cli, root: Path) -> None:
    arguments = ("data", "verify", "market1501", "--data-root", root)
    assert cli(*arguments)[0] == 0
    for i in range(30):
        (root / "bounding_box_test" / f"0003_c1s1_{i + 2:06d}_00.jpg").write_bytes(b"no image")
    (root / "bounding_box_test" / "0003_c2s1_000001_00.jpg").touch()
    code, out, _ = cli(*arguments)
    assert code == 3
    assert "31 of 33 images cannot be used: 30 not images, 1 empty files" in out
    assert re.search(r"error +unreadable +and 12 more", out)
    assert out.splitlines()[-1] == "not sound: see the errors above"
    assert len(out.splitlines()) < 35
    code, out, _ = cli(*arguments, "--json")
    findings = json.loads(out)["findings"]
    assert code == 3
    assert sum(finding["check"] == "unreadable" for finding in findings) == 32


def test_verify_tells_of_training_images_of_nobody(cli: Cli, root: Path) -> None:
    Image.new("RGB", (8, 16)).save(root / "bounding_box_train" / "-1_c1s1_000001_00.bmp")
    code, out, _ = cli("data", "verify", "market1501", "--data-root", root)
    assert code == 0
    assert "1 junk (-1) and background (0000) images in bounding_box_train are left out" in out


def test_verify_prints_counts_and_how_to_mend(cli: Cli, root: Path) -> None:
    arguments = ("data", "verify", "market1501", "--data-root", root)
    code, out, _ = cli(*arguments)
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:3] == ["Split", "images", "published"]
    assert ["train", "2", "12,936", "1", "751", "2", "6"] in lines
    assert "fetch the whole set (the authors' project page" in out
    assert out.splitlines()[-1] == "sound, with warnings: see above"
    assert cli(*arguments, "--strict")[0] == 3
    shutil.rmtree(root / "bounding_box_train")
    code, out, _ = cli(*arguments, "--json")
    document = json.loads(out)
    assert (code, document["sound"]) == (0, True)
    assert document["counts"]["train"] == {
        "found": None,
        "published": {"images": 12936, "identities": 751, "cameras": 6},
    }
    assert "zheng-lab" in document["asked_for_at"]


def test_verify_compares_with_a_hash(cli: Cli, root: Path) -> None:
    arguments = ("data", "verify", "market1501", "--data-root", root, "--sha256")
    code, out, _ = cli(*arguments, "0" * 64)
    assert code == 3
    hash_ = re.search(r"SHA-256 of the content is (\w{64}), not 0{64}", out)[1]
    assert cli(*arguments, hash_[:10])[0] == 0
    code, _, err = cli(*arguments, "sha")
    assert code == 2
    assert "8 to 64 hexadecimal digits" in err


def test_info_draws_bars_and_a_figure(cli: Cli, root: Path) -> None:
    arguments = ("data", "info", "market1501", "--data-root", root)
    figure = root.parent / "figures" / "spread.svg"
    code, out, _ = cli(*arguments, "--output", figure)
    assert code == 0
    assert "train: images by camera" in out
    assert any(line.startswith("  1  █") and "50.0%" in line for line in out.splitlines())
    assert "<svg" in figure.read_text()
    assert json.loads(cli(*arguments, "--json")[1])["spread"]["gallery"] == {
        "images_by_camera": {"1": 1, "2": 1},
        "identities_by_images": {"1": 2},
    }
    code, _, err = cli(*arguments, "--output", root)
    assert code == 2
    assert "no file for a figure" in err


def test_several_data_sets_are_looked_at_one_by_one(cli: Cli, root: Path) -> None:
    code, _, err = cli("data", "verify", "market1501,msmt17", "--data-root", root)
    assert code == 2
    assert "name one of them" in err
