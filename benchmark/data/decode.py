"""From an image file to pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchmark.core.errors import DataError

MEND = "fetch the file again, remove it, or leave such files out with --set on_corrupt=skip"


def decode_file(path: Path, image_size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the pixels (H, W, 3) of an image file at `image_size`.

    Raises:
        DataError: The file is truncated, not an image, or cannot be read.
    """
    height, width = image_size
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            rgb = picture.convert("RGB")
        if rgb.size != (width, height):
            rgb = rgb.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(rgb)
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        reason = "it is not an image" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"cannot decode the image {path}: {reason}", MEND) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"the image {path} is too large: {error}", MEND) from error
