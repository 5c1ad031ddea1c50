"""CUHK03 under the new protocol, from the laid-out folders or from the original archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.core.errors import DataError
from benchmark.data.checked_splits import SplitListing
from benchmark.data.cuhk03_archive import ARCHIVE, Archive
from benchmark.data.disk_dataset import DiskDataset
from benchmark.data.file_memory import stamp_of
from benchmark.data.folder_listing import is_folder
from benchmark.data.image_label import SplitCounts
from benchmark.data.layout import FOLDERS, SPLITS, Split
from benchmark.data.three_folders import ShortNames

Boxes = Literal["detected", "labelled"]

_SPELLINGS: dict[Boxes, tuple[str, ...]] = {
    "detected": ("detected",),
    "labelled": ("labeled", "labelled"),
}
_PUBLISHED: dict[Boxes, dict[Split, SplitCounts]] = {
    "detected": {
        "train": SplitCounts(7_365, 767, 2),
        "query": SplitCounts(1_400, 700, 2),
        "gallery": SplitCounts(5_332, 700, 2),
    },
    "labelled": {
        "train": SplitCounts(7_368, 767, 2),
        "query": SplitCounts(1_400, 700, 2),
        "gallery": SplitCounts(5_328, 700, 2),
    },
}


class CUHK03NP(ShortNames):
    """CUHK03 (Li et al., CVPR 2014) under the new protocol (Zhong et al., CVPR 2017).

    Boxes are those of a detector, or drawn by hand.
    """

    class Config(DiskDataset.Config):
        """Options."""

        boxes: Boxes = "detected"
        """Who drew the boxes: a detector, or people."""

    config: Config

    name: ClassVar[str] = "cuhk03-np"
    folder_names: ClassVar[tuple[str, ...]] = ("cuhk03-np", "CUHK03-NP", "cuhk03", "CUHK03")
    contents: ClassVar[str] = (
        f"detected/ or labeled/ with bounding_box_train, query, bounding_box_test; or {ARCHIVE} "
        "and cuhk03_new_protocol_config_….mat"
    )
    source: ClassVar[str] = (
        "folders: https://github.com/zhunzhong07/person-re-ranking/tree/master/CUHK03-NP; the "
        "archive: https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html"
    )
    published: ClassVar[Mapping[Split, SplitCounts]] = _PUBLISHED["detected"]
    """Of detected boxes; see `expected`."""

    def expected(self) -> Mapping[Split, SplitCounts]:
        """Return the published counts for the chosen boxes."""
        return _PUBLISHED[self.config.boxes]

    def _is_here(self, folder: Path) -> bool:
        return self._laid_out(folder) is not None or _find(folder, ARCHIVE) is not None

    def _laid_out(self, folder: Path) -> str | None:
        """Return the sub-folder with the three folders of the chosen boxes, if there is one."""
        for name in _SPELLINGS[self.config.boxes]:
            if any(is_folder(folder / name / inner) for inner in FOLDERS.values()):
                return name
        return None

    def present(self) -> tuple[Split, ...]:
        """Return the splits that there are; an archive has all."""
        within = self._laid_out(self.folder)
        if within is None:
            return SPLITS
        return tuple(s for s in SPLITS if is_folder(self.folder / within / FOLDERS[s]))

    @property
    def image_folder(self) -> Path:
        """The folder with the images: the root, or where the archive is unpacked."""
        return self.folder if self._laid_out(self.folder) is not None else self._unpacked

    @cached_property
    def _unpacked(self) -> Path:
        """The images of the archive, written into the cache when first needed."""
        size, changed, _ = stamp_of(self._archive.images)
        kind = self._archive.kind
        folder = self.cache_dir / f"{self.name}-{kind}-{size}-{changed}"
        self._archive.unpack(folder, self.progress)
        return folder

    @cached_property
    def _archive(self) -> Archive:
        images, kind = _find(self.folder, ARCHIVE), _SPELLINGS[self.config.boxes][0]
        wanted = f"cuhk03_new_protocol_config_{kind}.mat"
        lists = _find(self.folder, wanted)
        if images is None or lists is None:
            raise DataError(
                f"{self.folder} holds {ARCHIVE} without {wanted}",
                f"put the list beside it, from {self.source.split(';')[0]}",
            )
        return Archive(images, lists, kind)

    def _list(self, split: Split) -> SplitListing:
        within = self._laid_out(self.folder)
        if within is not None:
            return self._list_within(f"{within}/{FOLDERS[split]}")
        images = self._archive.splits()[split]
        return SplitListing(self._archive.lists.name, images)

    def _about(self) -> dict[str, Any]:
        return {
            "title": f"CUHK03-NP, {self.config.boxes}",
            "description": "People on a campus, seen by two cameras of five pairs; 1,467 "
            "identities, 767 of them for training.",
            "not": "Not redistributable, and not delivered with this project.",
            "licence": "For academic research; see the authors' terms.",
            "source": "files given by the user",
            "paper": 'Li et al., "DeepReID", CVPR 2014; protocol of Zhong et al., "Re-ranking '
            'Person Re-identification with k-reciprocal Encoding", CVPR 2017',
        }


def _find(folder: Path, name: str) -> Path | None:
    """Return the file of a name, in any case, in a folder or in one below it."""
    return next(_named(folder, name), None)


def _named(folder: Path, name: str) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
        inner = [path for one in entries if one.is_dir() for path in sorted(one.glob("*.mat"))]
    except OSError:  # whoever opens the folder tells what is wrong with it
        return
    yield from (path for path in [*entries, *inner] if path.name.lower() == name)
