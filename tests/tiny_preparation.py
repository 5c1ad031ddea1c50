"""Attacks that are trained first, on the tiny encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackTask
from benchmark.core.encoder import evaluating
from benchmark.core.progress import Progress, SilentProgress
from tests.kills import KillAfter, Killed
from tests.tiny_scene import CPU, image_set, tiny_encoder


def task(
    folder: Path,
    *,
    size: tuple[int, int] = (16, 8),
    seed: int = 0,
    progress: Progress | None = None,
    encoder: nn.Module | None = None,
    held_out: bool = True,
) -> AttackTask:
    """Return a preparation on 32 images of eight identities."""
    others = image_set(identities=3, size=size, first_pid=20)
    return AttackTask(
        encoder=encoder or tiny_encoder(),
        train=image_set(identities=8, size=size),
        held_out=others if held_out else others.subset([]),
        policy=CPU,
        seed=seed,
        progress=progress or SilentProgress(),
        work_dir=folder,
    )


def prepared(attack: Attack, one: AttackTask) -> dict[str, Tensor]:
    """Prepare an attack as the harness does."""
    with evaluating(one.encoder):
        return attack.prepare(one)


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """Fail unless two preparations are bit-equal."""
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def assert_kills_do_not_matter(
    build: type[Attack], options: dict[str, object], folder: Path, kills: tuple[int, ...]
) -> None:
    """Fail unless a preparation that is killed again and again ends as one that is not."""
    parsed = build.parse_config(options)
    whole = prepared(build(parsed, 8.0), task(folder / "whole"))
    for steps in kills:
        with pytest.raises(Killed):
            prepared(build(parsed, 8.0), task(folder / "killed", progress=KillAfter(steps)))
    torch.manual_seed(77)
    resumed = prepared(build(parsed, 8.0), task(folder / "killed"))
    assert_same(whole, resumed)
