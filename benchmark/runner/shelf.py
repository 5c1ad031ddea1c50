"""The data sets of a run, opened once and read when first needed."""

from __future__ import annotations

from pathlib import Path

from benchmark.config.schema import RunConfig
from benchmark.core.progress import Progress
from benchmark.data.dataset import Dataset, Split
from benchmark.data.records import ImageSet
from benchmark.runner.choice import Choice


class Shelf:
    """Opens the data sets of a run with its options.

    Args:
        config: The configuration.
        choice: What its names stand for.
        progress: Where rendering reports.
    """

    def __init__(self, config: RunConfig, choice: Choice, progress: Progress) -> None:
        self._datasets = {
            name: open_dataset(
                plugin,
                image_size=config.image_size,
                size=config.size,
                root=config.data_root,
                cache_dir=config.cache_dir,
                progress=progress,
            )
            for name, plugin in choice.sources.items()
        }

    def dataset(self, name: str) -> Dataset:
        """Return a data set of this run."""
        return self._datasets[name]

    def split(self, name: str, split: Split) -> ImageSet:
        """Return a split of a data set; the first call may render it."""
        return self._datasets[name].split(split)

    def manifests(self) -> dict[str, str]:
        """Return the hash of the content of each data set; renders nothing.

        Raises:
            DataError: Images are missing.
        """
        return {name: dataset.manifest_sha256() for name, dataset in self._datasets.items()}


def open_dataset(
    plugin: type[Dataset],
    *,
    image_size: tuple[int, int] | None,
    size: str | None,
    root: Path | None,
    cache_dir: Path,
    progress: Progress,
) -> Dataset:
    """Open a data set; `size` is for those that are rendered in several sizes."""
    options = {"size": size} if size is not None and "size" in plugin.Config.model_fields else {}
    return plugin(options, image_size=image_size, root=root, cache_dir=cache_dir, progress=progress)
