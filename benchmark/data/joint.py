"""Several data sets as one: identities and cameras are kept apart, pixels stay where they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from benchmark.core.dataset_names import JOINT
from benchmark.core.errors import UsageError
from benchmark.core.fingerprint import fingerprint
from benchmark.core.image_set import ImageSet
from benchmark.data.dataset import Dataset, labelled_images
from benchmark.data.image_label import ImageLabel
from benchmark.data.joint_pixels import JointPixels
from benchmark.data.layout import SPLITS, Split


class JointDataset(Dataset):
    """Data sets that are trained on together, each split of them one after another.

    Identities and cameras of each source are moved behind those of the sources before it, in all
    splits alike.

    Args:
        sources: The opened data sets, of one image size, in the order of `members`.
    """

    members: ClassVar[tuple[type[Dataset], ...]] = ()
    """Classes of the sources."""

    def __init__(self, sources: Sequence[Dataset]) -> None:
        first = sources[0]
        super().__init__(
            image_size=first.image_size,
            cache_dir=first.cache_dir,
            progress=first.progress,
            workers=first.workers,
        )
        self._sources = tuple(sources)

    def default_image_size(self) -> tuple[int, int]:
        """Return the image size of the sources."""
        raise UsageError("a joint data set has the image size of its sources", "give them one")

    def present(self) -> tuple[Split, ...]:
        """Return the splits that all sources have."""
        return tuple(s for s in SPLITS if all(s in one.present() for one in self._sources))

    def names(self, split: Split) -> tuple[str, ...]:
        """Return the names of all sources, each behind the name of its source.

        Raises:
            DataError: A source does not have the split.
        """
        return tuple(f"{one.name}/{name}" for one in self._sources for name in one.names(split))

    def files(self, split: Split) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each file of `split`, in the order of `names`."""
        for one in self._sources:
            for name, data in one.files(split):
                yield f"{one.name}/{name}", data

    @property
    def cameras(self) -> bool:
        """Whether the cameras of all sources are known."""
        return all(one.cameras for one in self._sources)

    def labels(self, split: Split) -> Sequence[ImageLabel]:
        """Return the labels of all sources, identities and cameras moved apart."""
        return [
            replace(
                label,
                name=f"{one.name}/{label.name}",
                pid=label.pid + (pid if label.is_person else 0),
                camid=label.camid + camid,
            )
            for one, (pid, camid) in zip(self._sources, self._offsets, strict=True)
            for label in one.labels(split)
        ]

    def split(self, split: Split) -> ImageSet:
        """Return one split; its pixels are those of the sources, which are not copied."""
        if split not in self._splits:
            pixels = JointPixels([one.split(split) for one in self._sources])
            labels = self.labels(split)
            self._splits[split] = labelled_images(cast(NDArray[np.uint8], pixels), labels)
        return self._splits[split]

    def warnings(self) -> list[str]:
        """Return what is unusual about the sources, yet usable."""
        return [f"{one.name}: {line}" for one in self._sources for line in one.warnings()]

    @cached_property
    def _offsets(self) -> list[tuple[int, int]]:
        """What is added to the identities and to the cameras of each source."""
        offsets, pid, camid = [], 0, 0
        for one in self._sources:
            offsets.append((pid, camid))
            labels = [label for split in one.present() for label in one.labels(split)]
            pid += 1 + max((label.pid for label in labels), default=0)
            camid += 1 + max((label.camid for label in labels), default=0)
        return offsets

    def _decoded(self, split: Split) -> Iterator[NDArray[np.uint8]]:
        yield self.split(split).pixels(slice(None))

    def _compute_manifest(self) -> str:
        parts = [[one.name, one.manifest_sha256()] for one in self._sources]
        return fingerprint({"layout": "joint", "sources": parts})

    def _about(self) -> dict[str, Any]:
        return {
            "title": " and ".join(one.name for one in self._sources),
            "description": "Several data sets as one; identities and cameras are kept apart.",
            "not": "No data set of its own: see those that it is made of.",
            "licence": "those of its parts",
        }


def joint_class(members: Sequence[type[Dataset]]) -> type[JointDataset]:
    """Return the class of some data sets taken together."""
    name = JOINT.join(member.name for member in members)
    rendered = all(member.rendered for member in members)
    content = {"name": name, "members": tuple(members), "rendered": rendered}
    return type("JointDataset", (JointDataset,), {**content, "__module__": __name__})
