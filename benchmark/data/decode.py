"""From an image file to pixels."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from benchmark.data.image_file import ImageFileError, read_file

DECODING_RULE = 2
"""Raise it when the pixels of files that `has_own_rule` names come out differently.

Rule 1 turned 16-bit grey white and left pictures as the sensor held them. All other files are
decoded as they always were."""


warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # told by MOST_PIXELS

MOST_PIXELS = 64_000_000
"""A crop of a person has some ten thousand; larger pictures are a mistake, or an attempt to fill
the memory."""


def decode_file(path: Path, image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pixels (H, W, 3) of an image file at `image_size`.

    16 bits become 8, the orientation in EXIF is applied, alpha is dropped, and of several frames
    the first is taken.

    Raises:
        ImageFileError: The file is truncated, not an image, too large, or cannot be read.
    """
    return decode_noted(path, image_size)[0]


def decode_noted(
    path: Path, image_size: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return what `decode_file` does, and in words what was converted beside the size.

    Raises:
        ImageFileError: As `decode_file`.
    """
    height, width = image_size
    data = read_file(path)
    if not data:
        raise ImageFileError("empty files", f"the image {path} is empty")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if math.prod(picture.size) > MOST_PIXELS:
                raise Image.DecompressionBombError("{} x {} pixels".format(*picture.size))
            notes = _notes(picture)
            rgb = _rgb(picture)
        if rgb.size != (width, height):
            rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(rgb), notes
    except UnidentifiedImageError as error:
        what = f"cannot decode the image {path}: it is {_kind(data)}"
        raise ImageFileError("not images", what) from error
    except Image.DecompressionBombError as error:
        what = f"the image {path} is too large for a crop of a person: {error}"
        raise ImageFileError("too large images", what) from error
    except Exception as error:  # Pillow lets through whatever its parsers stumble over
        what = f"cannot decode the image {path}: {str(error) or type(error).__name__}"
        raise ImageFileError("damaged images", what) from error


def _kind(data: bytes) -> str:
    start = data[:256].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page, not an image"
    if start.startswith(b"version https://git-lfs"):
        return "the pointer of a file in Git LFS, not an image"
    return "not an image"


def _notes(picture: Image.Image) -> tuple[str, ...]:
    made = {
        "turned as their EXIF data say": _orientation(picture) != 1,
        "of 16 bits a channel, the upper 8 are taken": _is_deep(picture),
        "CMYK, read as RGB": picture.mode == "CMYK",
        "with a palette, read as RGB": picture.mode in ("P", "PA"),
        "with transparency, which is dropped": picture.has_transparency_data,
    }
    return tuple(note for note, is_so in made.items() if is_so)


def notes_of_file(path: Path) -> tuple[str, ...]:
    """Return in words what decoding converts beside the size; reads the head of the file.

    Raises:
        ImageFileError: The file cannot be read.
    """
    try:
        with Image.open(io.BytesIO(read_file(path))) as picture:
            return _notes(picture)
    except ImageFileError:
        raise
    except Exception:  # decoding tells what is wrong with it
        return ()


def has_own_rule(data: bytes) -> bool:
    """Whether the pixels of a file are not just its first frame as RGB (`DECODING_RULE`)."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return _is_deep(picture) or _orientation(picture) != 1
    except Exception:  # what cannot be decoded has no pixels
        return False


def _rgb(picture: Image.Image) -> Image.Image:
    picture.load()
    upright = ImageOps.exif_transpose(picture) if _orientation(picture) != 1 else picture
    if _is_deep(upright):
        upright = _to_8_bits(upright, picture.format)
    upright.info.pop("transparency", None)  # only worth a warning: alpha is dropped
    return upright.convert("RGB")


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF says nothing of the pixels
        return 1


def _is_deep(picture: Image.Image) -> bool:
    """Whether pixels have one channel of more than 8 bits; Pillow itself shortens RGB."""
    return picture.mode.startswith(("I", "F"))


def _to_8_bits(picture: Image.Image, format_: str | None) -> Image.Image:
    if picture.mode in ("F", "I") and format_ != "PNG":
        raise ValueError("pixels of 32 bits have no known white; save it with 8 or 16 bits")
    high = np.asarray(picture).astype(np.int64) >> 8
    return Image.fromarray(high.astype(np.uint8))
