"""What the processes of one training are given: the arguments of its loop, in a folder."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.core.defense import Defense
from benchmark.core.device import DevicePolicy
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.plugin import PLUGIN_FILE_PREFIX, Plugin
from benchmark.core.plugin_errors import told
from benchmark.core.registry import DEFENSES, load_plugin_file
from benchmark.models.backbone import BackboneConfig
from benchmark.training.config import TrainingConfig

_TASK = "task.pickle"
_LARGE_BYTES = 2**20
"""Arrays from this size on lie in files of their own, which all ranks map into memory."""


@dataclass(frozen=True)
class RankTask:
    """The arguments of `TrainingLoop`, in the same words."""

    defense: Defense
    train: ImageSet
    epoch_images: int
    held_out: ImageSet
    backbone: BackboneConfig
    config: TrainingConfig
    policy: DevicePolicy
    seed: int
    work_dir: Path


def save_task(folder: Path, task: RankTask) -> None:
    """Write a task, and which plugin files it needs.

    Raises:
        PluginError: The defense cannot be sent to other processes.
    """
    defense = type(task.defense)
    if defense.__module__ == "__main__":
        raise PluginError(
            f"the defense {defense.name!r} lives in this process alone, and ranks are processes of "
            "their own",
            "put it into a file and give that as plugin, or set training.ranks=1",
        )
    files = [
        module.__file__
        for name, module in list(sys.modules.items())
        if name.startswith(PLUGIN_FILE_PREFIX) and module.__file__
    ]
    with (folder / _TASK).open("wb") as stream:
        pickler = _Pickler(stream, folder)
        try:
            pickler.dump(files)
            pickler.dump(task)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise PluginError(
                f"the defense {defense.name!r} cannot be sent to other processes: {told(error)}",
                "keep in it what can be pickled, or set training.ranks=1",
            ) from error


def load_task(folder: Path) -> RankTask:
    """Return the task that lies in a folder, its plugins loaded."""
    with (folder / _TASK).open("rb") as stream:
        unpickler = _Unpickler(stream, folder)
        for path in unpickler.load():
            load_plugin_file(Path(path))
        task: RankTask = unpickler.load()
    return task


class _Pickler(pickle.Pickler):
    def __init__(self, stream: Any, folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder
        self._known: dict[int, tuple[NDArray[Any], str]] = {}

    def persistent_id(self, obj: Any) -> str | None:
        if not isinstance(obj, np.ndarray) or obj.nbytes < _LARGE_BYTES:
            return None
        if id(obj) not in self._known:
            name = f"{len(self._known)}.npy"
            np.save(self._folder / name, obj)
            self._known[id(obj)] = obj, name  # which also keeps it, so that its id stays its own
        return self._known[id(obj)][1]

    def reducer_override(self, obj: Any) -> Any:
        # Classes that a registry makes on demand are found under no name of a module.
        is_defense = isinstance(obj, type) and issubclass(obj, Defense)
        if is_defense and DEFENSES.has(obj.name) and DEFENSES.get(obj.name) is obj:
            return _defense_class, (obj.name,)
        return NotImplemented


def _defense_class(name: str) -> type[Plugin]:
    return DEFENSES.get(name)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: Any, folder: Path) -> None:
        super().__init__(stream)
        self._folder = folder

    def persistent_load(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self._folder / name, mmap_mode="r")
        return array
