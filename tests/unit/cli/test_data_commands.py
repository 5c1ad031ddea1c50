"""``data`` on folders of users: clear lines, exit codes, and lists that end."""

from __future__ import annotations

import json
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
    assert "unreadable: and 12 more" in out
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
