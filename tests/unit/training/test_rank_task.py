"""What ranks are given, and recipes that ranks cannot share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.core.defense import Defense
from benchmark.core.errors import PluginError
from benchmark.core.plugin import PluginConfig
from benchmark.core.registry import DEFENSES
from benchmark.training import rank_task
from benchmark.training.config import TrainingConfig
from benchmark.training.rank_task import RankTask, load_task, save_task
from defenses.none import NoDefense
from tests.tiny_scene import BACKBONE, CPU, TRAINING, image_set, make_defense


def task_of(defense: Defense, folder: Path) -> RankTask:
    images = image_set()
    half = images.subset(np.arange(len(images)) % 2 == 0)
    return RankTask(defense, images, 8, half, BACKBONE, TRAINING, CPU, 3, folder)


def test_a_task_comes_back_and_large_arrays_are_mapped_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_task, "_LARGE_BYTES", 10_000)
    task = task_of(make_defense("avmixup", gamma=3.0), tmp_path)
    save_task(tmp_path, task)
    found = load_task(tmp_path)
    assert found.defense.config == task.defense.config
    assert type(found.defense) is type(task.defense)
    assert replace(found, defense=task.defense, train=task.train, held_out=task.held_out) == task
    assert np.array_equal(found.held_out.pixels(slice(None)), task.held_out.pixels(slice(None)))
    assert isinstance(found.train.images, np.memmap)
    assert [path.name for path in tmp_path.glob("*.npy")] == ["0.npy"]


def test_a_class_that_its_registry_made_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = type("Made", (NoDefense,), {"name": "none:made"})
    monkeypatch.setitem(DEFENSES._mounted, "none:made", made)
    save_task(tmp_path, task_of(made(PluginConfig()), tmp_path))
    assert type(load_task(tmp_path).defense) is made


class Holds(NoDefense):
    """Holds what cannot be sent."""

    name = "holds"

    def __init__(self) -> None:
        super().__init__(PluginConfig())
        self.function: Callable[[], None] = lambda: None


class Notebooks(NoDefense):
    """Was written into a notebook."""

    name = "notebooks"
    __module__ = "__main__"


@pytest.mark.parametrize(
    ("build", "reason", "mend"),
    [
        (Holds, "'holds' cannot be sent to other processes: ", "what can be pickled"),
        (lambda: Notebooks(PluginConfig()), "'notebooks' lives in this process", "into a file"),
    ],
)
def test_what_cannot_be_sent_is_told(
    build: Callable[[], Defense], reason: str, mend: str, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=reason) as caught:
        save_task(tmp_path, task_of(build(), tmp_path))
    assert mend in caught.value.hint
    assert "training.ranks=1" in caught.value.hint


def test_the_recipe_tells_of_ranks_only_where_there_are_several() -> None:
    assert TrainingConfig(ranks=2).model_dump()["ranks"] == 2
    assert "ranks" not in TrainingConfig().model_dump()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"identities": 16, "ranks": 3}, "ranks=3 cannot share a batch of identities=16 evenly"),
        ({"compile": True, "ranks": 2}, "is not implemented"),
    ],
)
def test_recipes_that_ranks_cannot_share_are_refused(
    options: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        TrainingConfig.model_validate(options)
