from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.core.progress import SilentProgress
from benchmark.data.layout import FOLDERS, SPLITS
from benchmark.data.market1501 import Market1501
from benchmark.data.synthped.dataset import SynthPed, SynthPedCampus, SynthPedPlaza


def open_smoke(domain: str, cache_dir: Path, **options: object) -> SynthPed:
    kind = {"synthped-plaza": SynthPedPlaza, "synthped-campus": SynthPedCampus}[domain]
    settings: dict = {"workers": 1, **options}
    return kind({"size": "smoke"}, cache_dir=cache_dir, progress=SilentProgress(), **settings)


@pytest.fixture(name="open_smoke", scope="session")
def open_smoke_fixture() -> Callable[..., SynthPed]:
    return open_smoke


@pytest.fixture(scope="session")
def smoke_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("smoke-cache")


@pytest.fixture(scope="session")
def plaza(smoke_cache: Path) -> SynthPed:
    return open_smoke("synthped-plaza", smoke_cache)


@pytest.fixture(scope="session")
def campus(smoke_cache: Path) -> SynthPed:
    return open_smoke("synthped-campus", smoke_cache)


MARKET_NAMES = {
    "train": ("0002_c1s1_000451_03.jpg", "0002_c2s1_000301_01.png", "0007_c1s1_000101_01.jpg"),
    "query": ("0003_c1s1_000001_00.jpg", "0004_c2s3_000007_00.jpg"),
    "gallery": (
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
        "0003_c2s1_000021_02.jpg",
        "0003_c1s1_000031_02.png",
    ),
}


@pytest.fixture
def market_root(tmp_path: Path) -> Path:
    """A tiny folder in the layout of Market-1501, jpg and png mixed."""
    root = tmp_path / "market"
    rng = np.random.default_rng(0)
    for split in SPLITS:
        folder = root / FOLDERS[split]
        folder.mkdir(parents=True)
        for name in MARKET_NAMES[split]:
            pixels = rng.integers(0, 256, (48, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
    (root / FOLDERS["train"] / "Thumbs.db").write_bytes(b"not an image")
    return root


@pytest.fixture
def open_market(tmp_path: Path) -> Callable[..., Market1501]:
    def open_(root: Path | None, image_size: tuple[int, int] = (32, 16)) -> Market1501:
        return Market1501(
            image_size=image_size,
            root=root,
            cache_dir=tmp_path / "cache",
            progress=SilentProgress(),
            workers=1,
        )

    return open_
