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
    CANARY_SPLITS,
    FOLDER,
    ROLES,
    read_encoder,
    read_images,
    read_strengths,
    stored_files,
)
from benchmark.core.attack import Attack, AttackTask
from benchmark.core.device import DevicePolicy
from benchmark.core.digits import told_apart
from benchmark.core.encoder import evaluating
from benchmark.core.image_set import ImageSet
from benchmark.core.metered_encoder import MeteredEncoder
from benchmark.core.plugin import PluginConfig
from benchmark.core.progress import Progress, SilentProgress
from benchmark.core.seeding import derive_seed
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.core.threat import Knowledge
from benchmark.data.held_out import split_held_out
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
SILENT = SilentProgress()
HELD_OUT = 0.12
"""Share of the training identities that a preparation selects on."""

MARGIN_MAP = 3.0
"""What mAP may be above a stored strength, for processors and releases of torch that round
differently."""
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
        surrogate: What a transfer attack sees instead of it.
        query: Its queries.
        gallery: Its gallery.
        train: Training images, for attacks that are trained first.
        clean: Its clean ranking.
        policy: Where it is.
    """

    target: nn.Module
    surrogate: nn.Module
    query: ImageSet
    gallery: ImageSet
    train: ImageSet
    clean: CleanRanking
    policy: DevicePolicy

    @property
    def clean_map(self) -> float:
        """The mAP of clean queries, in percent."""
        return self.clean.ranking.summary()["map"]

    def vantage(self, knowledge: Knowledge) -> Vantage:
        """Return what an attacker looks through: the target or, for transfer, the surrogate."""
        if knowledge != "transfer":
            clean = self.clean
            return Vantage(self.target, clean.query_embeddings, clean.gallery_embeddings)
        seen = rank_clean(self.surrogate, self.query, self.gallery, self.policy)
        return Vantage(
            SurrogateEnsemble([self.surrogate]),
            joined_embeddings([seen.query_embeddings]),
            joined_embeddings([seen.gallery_embeddings]),
        )


def open_stage(policy: DevicePolicy, folder: Path = FOLDER) -> Stage:
    """Load the canary from its folder and rank its clean queries."""
    target, surrogate = (read_encoder(role, policy, folder) for role in ROLES)
    query, gallery, train = (read_images(split, folder) for split in CANARY_SPLITS)
    clean = rank_clean(target, query, gallery, policy)
    return Stage(target, surrogate, query, gallery, train, clean, policy)


def rank_clean(
    encoder: nn.Module, query: ImageSet, gallery: ImageSet, policy: DevicePolicy
) -> CleanRanking:
    """Rank the clean queries of the canary."""
    return clean_ranking(encoder, query, gallery, policy=policy, batch=BATCH, owner=OWNER)


def ready_attack(
    plugin: type[Attack],
    config: PluginConfig,
    eps_255: float,
    stage: Stage,
    work_dir: Path,
    seed: int = SEED,
    progress: Progress = SILENT,
) -> Attack:
    """Return an attack that has been trained on the stage, by a seed, if it is one that must be.

    Raises:
        PluginError: The preparation broke its contract.
    """
    attack = plugin(config, eps_255, OWNER)
    if not attack.needs_preparation:
        return attack
    fitted, held_out = split_held_out(stage.train, HELD_OUT)
    view = stage.vantage(attack.threat_with(config).knowledge).encoder
    with evaluating(view):
        prepared = attack.prepare(
            AttackTask(
                encoder=MeteredEncoder(view, OWNER),
                train=fitted,
                held_out=held_out,
                policy=stage.policy,
                seed=derive_seed(seed, "prepare", attack.name),
                progress=progress,
                work_dir=work_dir,
            )
        )
    ready = plugin(config, eps_255, OWNER)  # a run, too, keeps nothing but what was returned
    ready.prepared = {name: tensor.to(stage.policy.device) for name, tensor in prepared.items()}
    return ready


def map_under(
    attack: Attack, stage: Stage, progress: Progress = SILENT, title: str = OWNER
) -> float:
    """Return mAP of a stage under an attack, in percent, of images rounded to 8 bits.

    Raises:
        PluginError: The attack broke its contract.
    """
    with progress.task(title, len(stage.query)) as bar:
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
            vantage=stage.vantage(attack.threat_with(attack.config).knowledge),
        )
    return attacked.ranking.summary()["map"]


def bar_for(plugin: type[Attack], config: PluginConfig, clean_map: float) -> tuple[float, str]:
    """Return the mAP that an attack must reach, and why that.

    Its stored strength is what it reaches with its usual knowledge; with another one, such as a
    universal perturbation that is trained on a surrogate, it is held to be a stranger's.
    """
    name, knowledge = plugin.name, plugin.threat_with(config).knowledge
    strengths = read_strengths()
    stored: dict[str, float] = strengths["attacks"]
    if name in stored and knowledge == plugin.threat.knowledge:
        trainings = len(strengths["trainings"].get(name, ()))
        what = f"weakest of {trainings} stored trainings" if trainings else "stored strength"
        return stored[name] + MARGIN_MAP, f"the {what} {stored[name]:.2f} + {MARGIN_MAP:g}"
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
    progress: Progress = SILENT,
    title: str = OWNER,
) -> dict[str, Any]:
    """Attack the canary with the options of the run.

    Args:
        plugin: The attack.
        config: Its options.
        policy: Where to compute.
        cache_dir: Not read: all that the canary needs is stored with the code.
        work_dir: Folder of a preparation; must exist.
        progress: Where to report.
        title: What the attack is reported under.

    Returns:
        Whether it ``passed``; ``map`` under attack, the ``bar``, ``clean_map``, in percent; the
        ``reason``, a sentence; ``seconds``.

    Raises:
        PluginError: The attack broke its contract.
    """
    stage = open_stage(policy)
    bar, why = bar_for(plugin, config, stage.clean_map)
    start = time.perf_counter()
    attack = ready_attack(plugin, config, EPS_255, stage, work_dir, progress=progress)
    reached = map_under(attack, stage, progress, title)
    seconds = time.perf_counter() - start
    passed = reached <= bar
    verdict = "is no higher than" if passed else "is above"
    found, limit = told_apart(reached, bar)
    return {
        "passed": passed,
        "map": reached,
        "bar": bar,
        "clean_map": stage.clean_map,
        "reason": f"mAP {found} under {plugin.name} at {EPS_255:g}/255 {verdict} {limit} ({why})",
        "seconds": seconds,
    }
