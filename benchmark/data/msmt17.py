"""MSMT17, read from disk: list files name the images of each split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from benchmark.core.errors import DataError
from benchmark.core.listing import listed
from benchmark.data.checked_splits import SplitListing
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.folder_listing import is_folder
from benchmark.data.image_label import ImageLabel, SplitCounts
from benchmark.data.layout import SPLITS, Split

TEST_PIDS_FROM = 10_000
"""Train and test lists both count identities from 0; those of the test lists are read as 10000 and
up, so that nobody is mistaken for somebody else."""

_FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "mask_train_v2"),
    "query": ("test", "mask_test_v2"),
    "gallery": ("test", "mask_test_v2"),
}
"""Of version 1, and of version 2, whose faces are blurred."""


class MSMT17(DiskDataset):
    """MSMT17 (Wei et al., "Person Transfer GAN", CVPR 2018), version 1 or 2.

    Identity 0 is a person. Cameras are read off the file names.
    """

    class Config(DiskDataset.Config):
        """Options."""

        validation: bool = True
        """Train on list_val.txt, too: the paper counts its images among those for training."""

    config: Config

    name: ClassVar[str] = "msmt17"
    folder_names: ClassVar[tuple[str, ...]] = ("MSMT17_V1", "MSMT17_V2", "MSMT17", "msmt17")
    contents: ClassVar[str] = "list_train.txt, list_query.txt, list_gallery.txt and their folders"
    source: ClassVar[str] = "the authors, by e-mail: https://www.pkuvmc.com/dataset.html"
    published: ClassVar[Mapping[Split, SplitCounts]] = {
        "train": SplitCounts(32_621, 1_041, 15),
        "query": SplitCounts(11_659, 3_060, 15),
        "gallery": SplitCounts(82_161, 3_060, 15),
    }

    def expected(self) -> Mapping[Split, SplitCounts]:
        """Return the published counts; those of the training split need list_val.txt."""
        if self.config.validation:
            return self.published
        return {split: counts for split, counts in self.published.items() if split != "train"}

    def _is_here(self, folder: Path) -> bool:
        return any((folder / f"list_{split}.txt").is_file() for split in SPLITS)

    def present(self) -> tuple[Split, ...]:
        """Return the splits whose list files there are."""
        return tuple(s for s in SPLITS if (self.folder / f"list_{s}.txt").is_file())

    def _list(self, split: Split) -> SplitListing:
        lists = [f"list_{split}.txt"]
        if split == "train" and self.config.validation:
            lists.append("list_val.txt")
        place = next((f for f in _FOLDERS[split] if is_folder(self.folder / f)), None)
        if place is None:
            raise DataError(
                f"{self.folder} holds neither {' nor '.join(_FOLDERS[split])}",
                "put the images there, as the archive unpacks them",
            )
        first = 0 if split == "train" else TEST_PIDS_FROM
        images = {}
        for name in lists:
            for path, pid in read_list(self.folder / name):
                label = ImageLabel(path, first + pid, _camera(path, self.folder / name))
                images[f"{place}/{path}"] = label
        if self.config.on_corrupt == "fail":
            self._check(" and ".join(lists), images)
        return SplitListing(place, images)

    def _check(self, lists: str, images: Mapping[str, ImageLabel]) -> None:
        absent = [path for path in images if not (self.folder / path).is_file()]
        if absent:
            raise DataError(
                f"{lists}: {len(absent)} of {len(images)} images that are named are not in "
                f"{self.folder}: {listed(absent, 5)}",
                "unpack the archive again, or leave such files out with --set on_corrupt=skip",
            )

    def _about(self) -> dict[str, Any]:
        return {
            "title": "MSMT17",
            "description": "People on a campus, seen by 12 outdoor and 3 indoor cameras on four "
            "days; 4,101 identities, boxes of Faster R-CNN. Test identities are numbered from "
            f"{TEST_PIDS_FROM}.",
            "not": "Not redistributable, and not delivered with this project.",
            "licence": "For academic research, after a signed agreement with the authors.",
            "source": "files given by the user",
            "paper": 'Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person '
            'Re-Identification", CVPR 2018',
        }


def read_list(path: Path) -> Iterator[tuple[str, int]]:
    """Yield path and number of each line of a list file.

    Raises:
        DataError: There is no such file, or a line is something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the list {path}: {getattr(error, 'strerror', None) or error}",
            "put the list files of the archive beside its folders",
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, pid = line.strip().replace("\\", "/").rpartition(" ")
        if not (name and pid.isdecimal()) or ".." in PurePosixPath(name).parts or name[0] == "/":
            raise DataError(
                f"{path}:{number}: {line!r} is not a path and an identity",
                "write lines such as '0000/0000_000_01_0303morning_0008_0.jpg 0'",
            )
        yield name.strip(), int(pid)


def _camera(path: str, where: Path) -> int:
    parts = PurePosixPath(path).name.split("_")
    if len(parts) < 3 or not parts[2].isdecimal():
        raise DataError(
            f"{where}: the file name {path!r} does not give its camera",
            "it stands third, as in 0000_000_01_0303morning_0008_0.jpg",
        )
    return int(parts[2])
