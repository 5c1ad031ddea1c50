"""The canary: a stored undefended encoder on which every attack must show its strength.

An attack that is broken, or weakened by its options, makes every defense look robust. So before
its numbers count, it attacks the stored encoder with the options of the run at 8/255, through the
code that attacks the defenses, and has to bring mAP down to a bar.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from benchmark.checks.stored_canary import (
    Role,
    read_encoder,
    read_images,
    read_strengths,
    stored_files,
)
from benchmark.core.attack import Attack, AttackTask
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import SilentProgress
from benchmark.core.seeding import derive_seed
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.core.threat import Knowledge
from benchmark.data.held_out import split_held_out
from benchmark.data.records import ImageSet
from benchmark.metrics.attacked import (
    CleanRanking,
    Vantage,
    attacked_ranking,
    clean_ranking,
)

CANARY_VERSION = 1
EPS_255 = 8.0
SEED = 0
BATCH = 64
OWNER = "canary"
HELD_OUT = 0.12
"""Share of the training identities that a preparation selects on."""

MARGIN_MAP = 3.0
"""What mAP may be above a stored strength: other processors and releases of torch round
differently, and of 48 queries each counts for 2 points of rank-1."""
WHITE_SHARE = 0.5
"""A white-box attack without a stored strength must bring mAP below this share of the clean one."""
CONTROL_MARGIN_MAP = 5.0
"""Another attack without one must bring mAP this far below that under random noise."""
CONTROL = "random-noise"


@dataclass(frozen=True)
class Stage:
    """The canary, loaded.

    Attributes:
        target: The encoder that is attacked.
        query: Its queries.
        gallery: Its gallery.
        train: Training images, for attacks that are trained first.
        clean: Its clean ranking.
        policy: Where it is.
    """

    target: nn.Module
    query: ImageSet
    gallery: ImageSet
    train: ImageSet
    clean: CleanRanking
    policy: DevicePolicy

    def vantage(self, knowledge: Knowledge) -> Vantage:
        """Return what an attacker looks through: the target or, for transfer, the surrogate."""
        if knowledge != "transfer":
            clean = self.clean
            return Vantage(self.target, clean.query_embeddings, clean.gallery_embeddings)
        surrogate = read_encoder("surrogate", self.policy)
        seen = rank_clean(surrogate, self.query, self.gallery, self.policy)
        return Vantage(
            SurrogateEnsemble([surrogate]),
            joined_embeddings([seen.query_embeddings]),
            joined_embeddings([seen.gallery_embeddings]),
        )


def open_stage(policy: DevicePolicy, role: Role = "target") -> Stage:
    """Load the canary and rank its clean queries; `role` is the encoder that is attacked."""
    target = read_encoder(role, policy)
    query, gallery, train = (read_images(split) for split in ("query", "gallery", "train"))
    clean = rank_clean(target, query, gallery, policy)
    return Stage(target, query, gallery, train, clean, policy)


def rank_clean(
    encoder: nn.Module, query: ImageSet, gallery: ImageSet, policy: DevicePolicy
) -> CleanRanking:
    """Rank the clean queries of the canary."""
    return clean_ranking(encoder, query, gallery, policy=policy, batch=BATCH, owner=OWNER)


def prepare_on(
    attack: Attack, encoder: nn.Module, train: ImageSet, policy: DevicePolicy, work_dir: Path
) -> None:
    """Let an attack that is trained first do so against an encoder, if it is one."""
    if not attack.needs_preparation:
        return
    fitted, held_out = split_held_out(train, HELD_OUT)
    with evaluating(encoder):
        prepared = attack.prepare(
            AttackTask(
                encoder=encoder,
                train=fitted,
                held_out=held_out,
                policy=policy,
                seed=derive_seed(SEED, "prepare", attack.name),
                progress=SilentProgress(),
                work_dir=work_dir,
            )
        )
    attack.prepared = {name: tensor.to(policy.device) for name, tensor in prepared.items()}


def map_under(attack: Attack, stage: Stage, work_dir: Path) -> float:
    """Return mAP of the canary under an attack, in percent.

    Raises:
        PluginError: The attack broke its contract.
    """
    view = stage.vantage(attack.threat_with(attack.config).knowledge)
    prepare_on(attack, view.encoder, stage.train, stage.policy, work_dir)
    with SilentProgress().task(OWNER, len(stage.query)) as bar:
        attacked = attacked_ranking(
            stage.target,
            attack,
            stage.query,
            stage.gallery,
            stage.clean,
            seed=SEED,
            policy=stage.policy,
            batch=BATCH,
            bar=bar,
            owner=OWNER,
            vantage=view,
        )
    return attacked.ranking.summary()["map"]


def bar_for(name: str, knowledge: Knowledge, clean_map: float) -> tuple[float, str]:
    """Return the mAP that an attack must reach, and why that."""
    stored: dict[str, float] = read_strengths()["attacks"]
    if name in stored:
        bar = stored[name] + MARGIN_MAP
        return bar, f"the stored strength {stored[name]:.1f} + {MARGIN_MAP:g}"
    if knowledge == "none":
        return clean_map + MARGIN_MAP, "a control"
    if knowledge == "white":
        return WHITE_SHARE * clean_map, f"{WHITE_SHARE:g} of the clean {clean_map:.1f}"
    control = stored[CONTROL]
    bar = control - CONTROL_MARGIN_MAP
    return bar, f"{CONTROL_MARGIN_MAP:g} below the {control:.1f} under random noise"


@cache
def canary_content() -> dict[str, object]:
    """Return what identifies the canary: its weights, images and stored strengths."""
    return {"version": CANARY_VERSION, "files": stored_files()}


def try_on_canary(
    plugin: type[Attack],
    config: PluginConfig,
    *,
    policy: DevicePolicy,
    cache_dir: Path,
    work_dir: Path,
) -> dict[str, Any]:
    """Attack the canary with the options of the run.

    Args:
        plugin: The attack.
        config: Its options.
        policy: Where to compute.
        cache_dir: Not read: all that the canary needs is stored with the code.
        work_dir: Folder of a preparation; must exist.

    Returns:
        Whether it ``passed``; ``map`` under attack, the ``bar``, ``clean_map``, in percent; the
        ``reason``, a sentence; ``seconds``.

    Raises:
        PluginError: The attack broke its contract.
    """
    stage = open_stage(policy)
    clean_map = stage.clean.ranking.summary()["map"]
    bar, why = bar_for(plugin.name, plugin.threat_with(config).knowledge, clean_map)
    start = time.perf_counter()
    reached = map_under(plugin(config, EPS_255, OWNER), stage, work_dir)
    seconds = time.perf_counter() - start
    passed = reached <= bar
    verdict = "is no higher than" if passed else "is above"
    return {
        "passed": passed,
        "map": reached,
        "bar": bar,
        "clean_map": clean_map,
        "reason": f"mAP {reached:.1f} under {plugin.name} at {EPS_255:g}/255 {verdict} "
        f"{bar:.1f} ({why})",
        "seconds": seconds,
    }
