"""The layout of Market-1501 on disk: three folders, and file names that carry the labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from benchmark.core.errors import DataError

Split = Literal["train", "query", "gallery"]
SPLITS: tuple[Split, ...] = ("train", "query", "gallery")

FOLDERS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}
PATTERN = "pppp_cXsY_ffffff_bb.jpg"
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Endings of image files, in any case."""

MOST_DIGITS = 18
"""Of an identity or a camera, so that both fit 64 bits."""

_NAME = re.compile(
    r"(-1|\d{4,})_c(\d+)s(\d+)_(\d+)_(\d+)(?:\.jpg)?\.(?:jpe?g|png|bmp|webp|tiff?)",
    re.IGNORECASE | re.ASCII,
)


_SHORT_NAME = re.compile(
    r"(-1|\d+)_c(\d+)(?:s(\d+))?(?:_f?(\d+))?(?:[^0-9].*)?\.(?:jpe?g|png|bmp|webp|tiff?)",
    re.IGNORECASE | re.ASCII,
)
SHORT_PATTERN = "pppp_cX_….jpg"


@dataclass(frozen=True)
class ImageName:
    """What a file name says.

    Attributes:
        pid: Identity; 0 is a distractor, -1 junk.
        camid: Camera, from 1.
        sequence: Recording of that camera.
        frame: Frame of the recording.
        box: Detection in the frame.
    """

    pid: int
    camid: int
    sequence: int
    frame: int
    box: int

    def stem(self) -> str:
        """Return the file name without its suffix."""
        pid = "-1" if self.pid < 0 else f"{self.pid:04d}"
        return f"{pid}_c{self.camid}s{self.sequence}_{self.frame:06d}_{self.box:02d}"


def parse_name(name: str) -> ImageName:
    """Read the labels off a file name.

    Raises:
        DataError: The name does not follow the pattern, or a label has too many digits.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise DataError(
            f"the file name {name!r} does not follow the pattern {PATTERN}",
            "rename or remove the file; pppp is the identity (0000 distractor, -1 junk), "
            "X the camera, Y the sequence, ffffff the frame, bb the box",
        )
    pid, camid, sequence, frame, box = (int(group) for group in match.groups())
    _check_size(name, pid, camid)
    return ImageName(pid, camid, sequence, frame, box)


def parse_short_name(name: str) -> tuple[int, int, int | None]:
    """Read identity, camera and, if it is there, frame off a name such as 0001_c2_f0046182.jpg.

    DukeMTMC-reID, CUHK03-NP and PersonX name their images so.

    Raises:
        DataError: The name does not follow the pattern, or a label has too many digits.
    """
    match = _SHORT_NAME.fullmatch(name)
    if match is None:
        raise DataError(
            f"the file name {name!r} does not follow the pattern {SHORT_PATTERN}",
            "rename or remove the file; pppp is the identity, X the camera",
        )
    pid, camid, _, frame = (None if group is None else int(group) for group in match.groups())
    assert pid is not None
    assert camid is not None
    _check_size(name, pid, camid)
    return pid, camid, frame


def parse_unseen_name(name: str) -> int:
    """Read the identity off a name such as 0007_entrance.jpg, which tells no camera.

    Raises:
        DataError: The name does not begin with one, or it has too many digits.
    """
    match = re.match(r"-1(?!\d)|\d+", name, re.ASCII)
    if match is None:
        raise DataError(
            f"the file name {name!r} does not begin with an identity",
            "rename or remove the file: 0007_….jpg (0000 distractor, -1 junk)",
        )
    _check_size(name, int(match[0]))
    return int(match[0])


def _check_size(name: str, *numbers: int) -> None:
    if max(numbers) >= 10**MOST_DIGITS:
        raise DataError(
            f"the file name {name!r} gives a number that does not fit 64 bits",
            f"rename the file: identity and camera have {MOST_DIGITS} digits at most",
        )
