"""From files of all kinds to pixels; what is plain is decoded as it always was."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from benchmark.data.decode import decode_file, decode_noted, has_own_rule
from benchmark.data.image_file import ImageFileError

SIZE = (6, 4)
RAMP = np.arange(6 * 4, dtype=np.uint8).reshape(SIZE) * 10


def saved(tmp_path: Path, picture: Image.Image, name: str = "a.png", **options: object) -> Path:
    path = tmp_path / name
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("size", [(48, 24), (32, 16)])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_plain_pictures_are_decoded_as_ever(
    name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 24, 3), dtype=np.uint8)
    path = saved(tmp_path, Image.fromarray(noise), name)
    expected = Image.open(path).convert("RGB")
    if size != (48, 24):
        expected = expected.resize(size[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode_file(path, size), np.asarray(expected))
    assert not has_own_rule(path.read_bytes())


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP.astype(np.uint16) * 257), name)
    assert has_own_rule(path.read_bytes())
    np.testing.assert_array_equal(decode_file(path, SIZE), np.repeat(RAMP[..., None], 3, 2))


def test_16_bit_rgb_is_scaled(tmp_path: Path) -> None:
    values = np.stack([RAMP, RAMP // 2, 255 - RAMP], 2)
    path = tmp_path / "a.png"
    path.write_bytes(png_of_16_bits(values.astype(np.uint16) * 257))
    np.testing.assert_array_equal(decode_file(path, SIZE), values)


def png_of_16_bits(values: np.ndarray) -> bytes:
    """Write what Pillow cannot: RGB of 16 bits a channel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    height, width, _ = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (6, lambda p: np.rot90(p, -1)),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_the_orientation_is_applied(
    name: str, orientation: int, turn: object, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture = Image.new("RGB", (32, 16), (0, 0, 0))
    picture.paste((250, 250, 250), (0, 0, 16, 8))
    path = saved(tmp_path, picture, name, exif=exif)
    expected = turn(np.asarray(picture))  # type: ignore[operator]
    found = decode_file(path, expected.shape[:2])
    assert np.abs(found.astype(int) - expected).mean() < 3
    assert has_own_rule(path.read_bytes())


def test_an_orientation_of_16_bits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    path = saved(tmp_path, Image.fromarray(RAMP.astype(np.uint16) * 257), exif=exif)
    expected = np.repeat(RAMP[::-1, ::-1, None], 3, 2)
    np.testing.assert_array_equal(decode_file(path, SIZE), expected)


def test_broken_exif_does_not_spoil_a_sound_picture(tmp_path: Path) -> None:
    picture = Image.fromarray(RAMP)
    path = saved(tmp_path, picture, "a.jpg", exif=b"Exif\0\0broken")
    plain = saved(tmp_path, picture, "b.jpg")
    np.testing.assert_array_equal(decode_file(path, SIZE), decode_file(plain, SIZE))
    assert not has_own_rule(path.read_bytes())


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        *(("L", name) for name in ("a.bmp", "a.png", "a.tiff", "A.TIF")),
        ("1", "a.png"),
        ("LA", "a.png"),
        ("RGB", "a.BMP"),
        ("RGBA", "a.png"),
        ("RGBA", "a.tif"),
        ("P", "a.png"),
        ("P", "a.bmp"),
    ],
)
def test_all_modes_come_out_as_rgb(mode: str, name: str, tmp_path: Path) -> None:
    picture = Image.fromarray(RAMP).convert("RGB").convert(mode)
    expected = np.asarray(picture.convert("RGB"))
    path = saved(tmp_path, picture, name)
    np.testing.assert_array_equal(decode_file(path, SIZE), expected)
    assert not has_own_rule(path.read_bytes())


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_comes_out_as_rgb(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK"), name)
    assert np.abs(decode_file(path, (16, 16)) - np.array([200.0, 40, 90])).max() < 6


def test_webp_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP), "a.webp", lossless=True)
    np.testing.assert_array_equal(decode_file(path, SIZE), np.repeat(RAMP[..., None], 3, 2))


def test_a_transparent_palette_loses_its_alpha_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    picture = Image.fromarray(RAMP).convert("P")
    path = saved(tmp_path, picture, transparency=bytes(range(200)))
    np.testing.assert_array_equal(decode_file(path, SIZE), np.asarray(picture.convert("RGB")))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("mode", "name", "options", "note"),
    [
        ("RGB", "a.png", {}, None),
        ("L", "a.png", {}, None),
        ("P", "a.png", {}, "with a palette, read as RGB"),
        ("CMYK", "a.jpg", {}, "CMYK, read as RGB"),
        ("RGBA", "a.png", {}, "with transparency, which is dropped"),
        ("I;16", "a.png", {}, "of 16 bits a channel, the upper 8 are taken"),
        ("RGB", "a.jpg", {"turned": True}, "turned as their EXIF data say"),
    ],
)
def test_what_is_converted_is_said(
    mode: str, name: str, options: dict[str, bool], note: str | None, tmp_path: Path
) -> None:
    deep = mode == "I;16"
    picture = Image.fromarray(RAMP.astype(np.uint16) * 257 if deep else RAMP)
    exif = Image.Exif()
    if options:
        exif[ExifTags.Base.Orientation] = 3
    path = saved(tmp_path, picture if deep else picture.convert("RGB").convert(mode), name,
                 exif=exif)  # fmt: skip
    assert decode_noted(path, SIZE)[1] == (() if note is None else (note,))


def test_a_picture_of_100_megapixels_is_refused_without_being_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("1", (10_000, 10_000)))
    with pytest.raises(ImageFileError, match="too large for a crop of a person: 10000 x 10000"):
        decode_file(path, SIZE)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "pointer of a file in Git"),
        (b"hello", "it is not an image"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=what):
        decode_file(path, SIZE)


def test_pixels_of_32_bits_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP.astype(np.float32)), "a.tif")
    with pytest.raises(ImageFileError, match="32 bits"):
        decode_file(path, SIZE)


def test_whatever_the_parser_raises_is_told_with_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, Image.fromarray(RAMP))

    def fail(stream: io.BytesIO) -> None:
        raise IndexError

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ImageFileError, match=r"a\.png: IndexError"):
        decode_file(path, SIZE)
