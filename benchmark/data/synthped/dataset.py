"""The two SynthPed domains as data sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from benchmark.core.fingerprint import fingerprint
from benchmark.core.plugin import PluginConfig
from benchmark.data.dataset import Dataset
from benchmark.data.layout import SPLITS, Split
from benchmark.data.synthped.build import BIAS, SIZES, Shot, plan_shots
from benchmark.data.synthped.domains import DOMAINS
from benchmark.data.synthped.known_hashes import KNOWN_SHA256
from benchmark.data.synthped.pool import RenderPool
from benchmark.data.synthped.renderer import RENDERER_VERSION, Recipe

SYNTHPED_VERSION = 1
"""Raise it with every change of the plan: identities, counts, names."""


class SynthPed(Dataset):
    """A rendered domain; needs no files, and is the same to the bit on every machine."""

    rendered = True

    class Config(PluginConfig):
        """Options of a rendered domain.

        Attributes:
            size: ``smoke`` (seconds), ``embedded`` (the default) or ``full`` (Market's size).
            seed: Seed of identities, cameras and images.
        """

        size: Literal["smoke", "embedded", "full"] = "embedded"
        seed: int = pydantic.Field(default=0, ge=0, lt=2**32)

    config: Config

    def default_image_size(self) -> tuple[int, int]:
        """Return the resolution of the size."""
        size = SIZES[self.config.size]
        return size.height, size.width

    def _shots(self, split: Split) -> tuple[Shot, ...]:
        plan = plan_shots(self.name, self.config.size, self.config.seed)
        shots: tuple[Shot, ...] = getattr(plan, split)
        return shots

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the file names of `split`, sorted; renders nothing."""
        return tuple(shot.name for shot in self._shots(split))

    def _pool(self) -> RenderPool:
        recipe = Recipe(self.name, self.config.seed, *self.image_size)
        return RenderPool(recipe, self.workers)

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""
        shots = self._shots(split)
        with self.progress.task(f"rendering {self.name} {split}", len(shots)) as bar:
            done = 0
            for chunk in self._pool().files(shots):
                for data in chunk:
                    yield shots[done].name, data
                    done += 1
                bar.advance(len(chunk))

    def _decoded(self, split: Split) -> Iterator[NDArray[np.uint8]]:
        shots = self._shots(split)
        with self.progress.task(f"rendering {self.name} {split}", len(shots)) as bar:
            for chunk in self._pool().pixels(shots):
                yield chunk
                bar.advance(len(chunk))

    def _compute_manifest(self) -> str:
        return fingerprint(
            {
                "name": self.name,
                "version": SYNTHPED_VERSION,
                "renderer": RENDERER_VERSION,
                "size": self.config.size,
                "seed": self.config.seed,
                "image_size": list(self.image_size),
                "files": {split: list(self.names(split)) for split in SPLITS},
            }
        )

    def known_sha256(self) -> str:
        """Return the stored hash of this size; empty for other seeds and image sizes."""
        if self.config.seed or self.image_size != self.default_image_size():
            return ""
        return KNOWN_SHA256.get((self.name, self.config.size), "")

    def _about(self) -> dict[str, Any]:
        domain, size = DOMAINS[self.name], SIZES[self.config.size]
        return {
            "title": domain.title,
            "description": f"{domain.description} People are rendered from round cones, clothed, "
            "and caught by cameras with their own light, colours, noise and compression.",
            "not": "Not real people: absolute numbers do not transfer to real data. Orders of "
            "methods on it are hints to be checked on real data.",
            "licence": "The project's licence; every pixel is made by its code, nobody is shown.",
            "source": "rendered by benchmark.data.synthped",
            "generation": {
                "version": SYNTHPED_VERSION,
                "renderer": RENDERER_VERSION,
                "cameras": domain.cameras,
                "long_tail": {
                    "train_median": size.train_median,
                    "test_median": size.test_median,
                    "sigma_of_log": size.sigma,
                    "most": size.most,
                },
                "bias": dict(BIAS),
                "occlusion_range": list(domain.occlusion),
                "company": domain.company,
            },
        }


class SynthPedPlaza(SynthPed):
    """A paved square in summer, six cameras."""

    name: ClassVar[str] = "synthped-plaza"


class SynthPedCampus(SynthPed):
    """A campus in winter, eight cameras."""

    name: ClassVar[str] = "synthped-campus"
