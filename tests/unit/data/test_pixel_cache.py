from __future__ import annotations

import errno
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.core.errors import EnvironmentProblem
from benchmark.core.files import disk_errors, publish
from benchmark.data.cache import PixelCache

NAMES = ("a.jpg", "b.jpg", "c.jpg")
SIZE = (4, 2)
PIXELS = np.arange(3 * 4 * 2 * 3, dtype=np.uint8).reshape(3, 4, 2, 3)


class Renderer:
    """Yields `PIXELS` in two chunks and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Iterator[NDArray[np.uint8]]:
        self.calls += 1
        yield PIXELS[:2]
        yield PIXELS[2:]


@pytest.fixture
def cache(tmp_path: Path) -> PixelCache:
    return PixelCache(tmp_path / "set")


def test_pixels_are_rendered_once_and_mapped(cache: PixelCache) -> None:
    render = Renderer()
    for _ in range(3):
        pixels = cache.load("train", NAMES, SIZE, render)
        np.testing.assert_array_equal(pixels, PIXELS)
        assert isinstance(pixels, np.memmap)
        assert not pixels.flags.writeable
    assert render.calls == 1
    record = cache.record("train")
    assert record is not None
    assert record["sha256"] == hashlib.sha256(PIXELS.tobytes()).hexdigest()
    np.testing.assert_array_equal(np.load(cache.array_path("train")), PIXELS)
    assert not cache.is_damaged("train")
    assert sorted(p.name for p in cache.folder.iterdir() if p.suffix != ".lock") == [
        "train.json",
        "train.npy",
    ]


@pytest.mark.parametrize(
    "damage",
    ["truncate", "empty", "header", "bits", "longer", "shape", "record", "odd record", "no record"],
)
def test_a_damaged_file_is_made_again(
    cache: PixelCache, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    render = Renderer()
    cache.load("train", NAMES, SIZE, render)
    path = cache.array_path("train")
    data = path.read_bytes()
    if damage == "truncate":
        path.write_bytes(data[:-5])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "header":
        path.write_bytes(b"\x00" * 10 + data[10:])
    elif damage == "bits":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "longer":
        path.write_bytes(data + b"\0")
    elif damage == "odd record":
        odd = {"names": list(NAMES), "shape": 5, "sha256": None}
        cache.record_path("train").write_text(json.dumps(odd), encoding="utf-8")
    elif damage == "shape":
        np.save(path, PIXELS[:2])
    elif damage == "record":
        cache.record_path("train").write_text("{", encoding="utf-8")
    else:
        cache.record_path("train").unlink()
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cache.load("train", NAMES, SIZE, render), PIXELS)
    assert render.calls == 2


def test_other_names_are_not_taken_for_these(cache: PixelCache) -> None:
    render = Renderer()
    cache.load("train", NAMES, SIZE, render)
    cache.load("train", ("x.jpg", *NAMES[1:]), SIZE, render)
    assert render.calls == 2


def test_an_interrupted_rendering_leaves_nothing(cache: PixelCache) -> None:
    def broken() -> Iterator[NDArray[np.uint8]]:
        yield PIXELS[:1]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.load("train", NAMES, SIZE, broken)
    assert {p.suffix for p in cache.folder.iterdir()} <= {".lock"}
    np.testing.assert_array_equal(cache.load("train", NAMES, SIZE, Renderer()), PIXELS)


def test_two_at_once_render_once(cache: PixelCache) -> None:
    render, found = Renderer(), []

    def load() -> None:
        found.append(PixelCache(cache.folder).load("train", NAMES, SIZE, render))

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert render.calls == 1
    assert len(found) == 4


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "no space left"), (errno.EROFS, "cannot write")]
)
def test_a_refusing_disk_is_explained(code: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=words) as caught, disk_errors(tmp_path):
        raise OSError(code, "refused")
    assert caught.value.hint


@pytest.mark.parametrize("name", ["train.npy", "train.json"])
def test_something_else_of_the_name_is_told(name: str, cache: PixelCache) -> None:
    (cache.folder / name).mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match="cannot write to") as caught:
        cache.load("train", NAMES, SIZE, Renderer())
    assert "in the way" in caught.value.hint


def test_a_full_disk_while_writing_leaves_no_draft(tmp_path: Path) -> None:
    def write(stream: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(EnvironmentProblem):
        publish(tmp_path / "file", write)
    assert not list(tmp_path.iterdir())
