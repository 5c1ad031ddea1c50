"""What images tell of a data set: their sizes, damaged caches, pictures in two splits."""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from PIL import Image

from benchmark.core.image_set import ImageSet
from benchmark.core.listing import listed
from benchmark.data.dataset import Dataset
from benchmark.data.defect import Defect
from benchmark.data.layout import Split

LEAST_SIZE = (16, 8)
"""Height and width below which nobody can be told from anybody."""
MOST_NAMED = 5


def size_defects(dataset: Dataset, split: Split) -> Iterator[Defect]:
    """Tell the sizes of the files of a split, none of which may be broken."""
    sizes: Counter[tuple[int, int]] = Counter()
    tiny, wide = [], []
    for name, data in dataset.files(split):
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
        sizes[height, width] += 1
        if height < LEAST_SIZE[0] or width < LEAST_SIZE[1]:
            tiny.append(name)
        if width > height:
            wide.append(name)
    if not sizes:
        return
    (often, count), total = sizes.most_common(1)[0], sizes.total()
    small, large = min(sizes, key=_area), max(sizes, key=_area)
    text = f"{split}: all images are {_text(often)}"
    if len(sizes) > 1:
        text = (
            f"{split}: images from {_text(small)} to {_text(large)}, "
            f"most often {_text(often)} ({100 * count / total:.0f}%)"
        )
    yield Defect("info", "sizes", f"{text} (height x width)")
    if wide:
        yield Defect("info", "sizes", f"{split}: {len(wide)} are wider than high: {_named(wide)}")
    if tiny:
        message = f"{split}: {len(tiny)} are smaller than {_text(LEAST_SIZE)}: {_named(tiny)}"
        yield Defect("warning", "sizes", message, "remove them, or fetch them in full size")


def cache_defects(
    dataset: Dataset, split: Split, images: dict[Split, ImageSet]
) -> Iterator[Defect]:
    """Put the images of a split into `images`; tell whether decoded ones had been damaged."""
    was_damaged = dataset.cache.is_damaged(split)
    images[split] = dataset.split(split)
    if was_damaged:
        path = dataset.cache.array_path(split)
        message = f"{split}: {path} had changed since it was written; it was made again"
        yield Defect("warning", "pixels", message, "check the disk if that happens again")
    record = dataset.cache.record(split)
    if record is not None:
        found = record["sha256"][:16]
        yield Defect("info", "pixels", f"{split}: SHA-256 of the pixels is {found}…")


def duplicate_defects(images: Mapping[Split, ImageSet], cameras: bool) -> Iterator[Defect]:
    """Find pictures that are in two splits.

    Args:
        images: The splits.
        cameras: Whether cameras are known; if not, a query may be in the gallery under its name.
    """
    seen: dict[bytes, tuple[Split, str]] = {}
    pairs: dict[tuple[Split, Split], list[str]] = defaultdict(list)
    for split, found in images.items():
        for start in range(0, len(found), 256):
            block = found.pixels(slice(start, start + 256))
            for offset, pixels in enumerate(block):
                key = hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
                name = found.names[start + offset]
                first, other = seen.setdefault(key, (split, name))
                if first != split and (cameras or name != other):
                    same = f"{first}/{other} and {split}/{name} are the same picture"
                    pairs[first, split].append(same)
    for pair, lines in pairs.items():
        total = f"{len(lines)} pictures of {pair[1]} are in {pair[0]}, too"
        for line in (total, *lines):
            level = "error" if "train" in pair else "warning"
            yield Defect(level, "duplicates", line, "remove one of them")  # type: ignore[arg-type]


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _named(names: list[str]) -> str:
    return listed(names, MOST_NAMED)
