"""Miniatures of data sets: their layout on disk, few images, nobody in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.core.seeding import derive_seed

TWICE = 2
"""Images of each identity and camera in a training split."""


def picture(path: Path, size: tuple[int, int] = (24, 48)) -> Path:
    """Write noise that follows from the end of its path; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(derive_seed("miniature", *path.parts[-3:]))
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(path)
    return path


def three_folders(root: Path, name: Callable[[int, int, int], str], cameras: int = 3) -> Path:
    """Write bounding_box_train, query and bounding_box_test; `name` takes pid, camid, number."""
    for pid in (2, 7, 10):
        for camid in range(1, cameras + 1):
            for number in range(1, TWICE + 1):
                picture(root / "bounding_box_train" / name(pid, camid, number))
    for pid in (3, 4):
        picture(root / "query" / name(pid, 1, 1))
        for camid in range(1, cameras + 1):
            picture(root / "bounding_box_test" / name(pid, camid, 2))
    return root


def market1501(root: Path, distractors: bool = False) -> Path:
    """Write Market-1501 with junk, distractors, and what real copies hold beside images."""
    root = root / "Market-1501-v15.09.15"
    three_folders(root, lambda pid, camid, n: f"{pid:04d}_c{camid}s1_{n:06d}_01.jpg")
    picture(root / "bounding_box_test" / "-1_c1s1_000401_03.jpg")
    picture(root / "bounding_box_test" / "0000_c2s1_000151_01.jpg")
    picture(root / "gt_bbox" / "0003_c1s1_000001_00.jpg")
    (root / "bounding_box_train" / "Thumbs.db").write_bytes(b"thumbs")
    (root / "gt_query").mkdir()
    (root / "gt_query" / "0003_c1s1_000001_00_good.mat").write_bytes(b"matlab")
    (root / "readme.txt").write_bytes(b"Readme\r\n")
    for number in range(3 if distractors else 0):
        picture(root / "images" / f"{number:08d}.jpg")
    return root


def msmt17(root: Path, version: int = 1, newline: str = "\n") -> Path:
    """Write MSMT17; identity 0 is a person, and both lists count from 0."""
    root = root / f"MSMT17_V{version}"
    train, test = ("train", "test") if version == 1 else ("mask_train_v2", "mask_test_v2")

    def add(folder: str, pid: int, number: int, camid: int) -> str:
        name = f"{pid:04d}/{pid:04d}_{number:03d}_{camid:02d}_0303morning_0008_0.jpg"
        picture(root / folder / name)
        return f"{name} {pid}"

    lists = {
        "train": [add(train, pid, n, c) for pid in (0, 1) for n, c in enumerate((1, 2, 14))],
        "val": [add(train, pid, 9, 15) for pid in (0, 1)],
        "query": [add(test, pid, 0, 1) for pid in (0, 1)],
        "gallery": [add(test, pid, n, c) for pid in (0, 1) for n, c in ((1, 2), (2, 1), (3, 15))],
    }
    for name, lines in lists.items():
        content = newline.join(lines) + newline
        (root / f"list_{name}.txt").write_bytes(content.encode())
    return root


def cuhk03_np(root: Path) -> Path:
    """Write CUHK03-NP as laid-out folders, detected and labelled."""
    root = root / "cuhk03-np"
    for kind in ("detected", "labeled"):
        three_folders(root / kind, lambda pid, camid, n: f"{pid:04d}_c{camid}_{n}.png", cameras=2)
    return root


CUHK03_PAIRS = (3, 2)
"""People of each pair of cameras in the miniature archive."""


def cuhk03_archive(root: Path) -> Path:
    """Write CUHK03 as the original archive with the lists of the new protocol; needs h5py, scipy.

    Two pairs of cameras; the first two people are trained on, the other three are tested on.
    """
    import h5py
    from scipy.io import savemat

    root = root / "cuhk03"
    release = root / "cuhk03_release"
    release.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with h5py.File(release / "cuhk-03.mat", "w") as file:
        for kind in ("detected", "labeled"):
            pairs = []
            for pair, people in enumerate(CUHK03_PAIRS, 1):
                cells = np.empty((10, people), dtype=h5py.ref_dtype)
                for person in range(people):
                    for column in range(10):
                        empty = column in (4, 9)  # a person with four images by each camera
                        shape = (2,) if empty else (3, 24, 48)
                        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                        key = f"#refs#/{kind}{pair}_{person}_{column}"
                        file[key] = pixels.astype(np.uint64) if empty else pixels
                        cells[column, person] = file[key].ref
                file[f"#refs#/{kind}{pair}"] = cells
                pairs.append(file[f"#refs#/{kind}{pair}"].ref)
            file[kind] = np.array([pairs], dtype=h5py.ref_dtype)
    names, pids, splits = [], [], {"train": [], "query": [], "gallery": []}
    number = 0
    for pair, people in enumerate(CUHK03_PAIRS, 1):
        for person in range(1, people + 1):
            number += 1
            for column in (0, 1, 2, 3, 5, 6, 7, 8):
                camera = 1 if column < 5 else 2
                names.append(f"{pair}_{person:03d}_{camera}_{column + 1:02d}.png")
                pids.append(number)
                test = "query" if column in (0, 5) else "gallery"
                splits["train" if number <= 2 else test].append(len(names))
    content = {
        "filelist": np.array([[name] for name in names], dtype=object),
        "labels": np.array(pids, np.float64)[:, None],
        "camId": np.array([int(name[6]) for name in names], np.float64)[:, None],
        **{f"{split}_idx": np.array(rows, np.float64)[:, None] for split, rows in splits.items()},
    }
    for kind in ("detected", "labeled"):
        savemat(root / f"cuhk03_new_protocol_config_{kind}.mat", content)
    return root


def _duke_name(pid: int, camid: int, number: int) -> str:
    return f"{pid:04d}_c{camid}_f{46180 + number:07d}.jpg"


def dukemtmcreid(root: Path) -> Path:
    """Write DukeMTMC-reID."""
    return three_folders(root / "DukeMTMC-reID", _duke_name)


def occluded_duke(root: Path) -> Path:
    """Write Occluded-Duke."""
    return three_folders(root / "Occluded_Duke", _duke_name)


def personx(root: Path, backgrounds: bool = False) -> Path:
    """Write PersonX, in three folders or in three for each background."""
    root = root / "PersonX_v1"
    for within in ("1", "2") if backgrounds else ("",):
        three_folders(root / within, lambda pid, camid, n: f"{pid:04d}_c{camid}s1_{n:02d}.jpg")
    return root


def occluded_reid(root: Path) -> Path:
    """Write Occluded-REID: a folder for each person, below one for each view."""
    root = root / "Occluded_REID"
    for view in ("occluded_body_images", "whole_body_images"):
        for pid in (1, 2, 3):
            for number in (1, 2):
                picture(root / view / f"{pid:03d}" / f"{pid:03d}_{number:02d}.tif")
    return root


def viper(root: Path) -> Path:
    """Write VIPeR: one image by each camera, its angle in the name."""
    return _two_folders(
        root / "VIPeR", ("cam_a", "cam_b"), lambda pid, c: f"{pid:03d}_{45 * c}.bmp"
    )


def grid(root: Path) -> Path:
    """Write GRID: pairs, and strangers in the gallery."""
    root = root / "underground_reid"
    _two_folders(root, ("probe", "gallery"), lambda pid, c: f"{pid + 1:04d}_{c}_25004_107_32.jpeg")
    for number in range(2):
        picture(root / "gallery" / f"0000_5_{number}_107_32.jpeg")
    return root


def prid2011(root: Path) -> Path:
    """Write the single shots of PRID 2011; one person is seen by the second camera alone."""
    root = root / "prid_2011" / "single_shot"
    _two_folders(root, ("cam_a", "cam_b"), lambda pid, _: f"person_{pid + 1:04d}.png")
    picture(root / "cam_b" / "person_0700.png")
    return root


def _two_folders(root: Path, folders: tuple[str, str], name: Callable[[int, int], str]) -> Path:
    for pid in range(6):
        for camera, folder in enumerate(folders, 1):
            picture(root / folder / name(pid, camera))
    return root


TABLE_ROWS = (
    "images/a1.jpg,5,0,train",
    "images/a2.jpg,5,1234567890,train",
    "images/b1.jpg,0,0,train",
    "images/b2.jpg,0,1,train",
    "images/q.jpg,9,0,query",
    "images/g1.jpg,9,1,gallery",
    "images/g2.jpg,8,1,gallery",
)


def table(
    root: Path,
    rows: Iterable[str] = TABLE_ROWS,
    head: str = "path,pid,camid,split",
    encoding: str = "utf-8",
    newline: str = "\n",
) -> Path:
    """Write images and a table of them, labels.csv."""
    root = root / "crops"
    root.mkdir(parents=True, exist_ok=True)
    lines = [head, *rows]
    (root / "labels.csv").write_bytes((newline.join(lines) + newline).encode(encoding))
    for row in TABLE_ROWS:
        picture(root / row.split(",")[0])
    return root


MINIATURES: dict[str, Callable[[Path], Path]] = {
    "market1501": market1501,
    "msmt17": msmt17,
    "cuhk03-np": cuhk03_np,
    "dukemtmcreid": dukemtmcreid,
    "occluded-duke": occluded_duke,
    "occluded-reid": occluded_reid,
    "personx": personx,
    "viper": viper,
    "grid": grid,
    "prid2011": prid2011,
    "two-cameras": viper,
    "folder": table,
}
"""Writes a miniature of each data set into a folder, and returns the root of the set."""
