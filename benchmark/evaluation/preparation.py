"""Attacks that are trained before they attack."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from benchmark.core.attack import Attack, AttackTask
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.image_set import ImageSet
from benchmark.core.metered_encoder import MeteredEncoder
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed


def prepare_attack(
    attack: Attack,
    view: nn.Module,
    train: ImageSet,
    held_out: ImageSet,
    *,
    policy: DevicePolicy,
    seed: int,
    progress: Progress,
    work_dir: Path,
) -> dict[str, Tensor]:
    """Return what an attack learns on training images.

    Args:
        attack: The attack with its budget; it keeps nothing that counts.
        view: What it is trained against.
        train: Images of training identities.
        held_out: Images of other training identities, to choose a checkpoint on.
        policy: Where to run.
        seed: Attack seed.
        progress: Where to report.
        work_dir: Folder that outlives an interruption.

    Raises:
        PluginError: The preparation broke its contract.
    """
    with evaluating(view):
        return attack.prepare(
            AttackTask(
                encoder=MeteredEncoder(view, attack.owner),
                train=train,
                held_out=held_out,
                policy=policy,
                seed=derive_seed(seed, "prepare", attack.name),
                progress=progress,
                work_dir=work_dir,
            )
        )
