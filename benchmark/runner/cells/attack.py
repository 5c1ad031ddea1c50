"""Attack images of a data set and rank the gallery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from benchmark.config.schema import RunConfig
from benchmark.core.attack import Attack
from benchmark.evaluation.attack_inputs import (
    AttackInputs,
    ImageSide,
    attacked_share,
    attacked_sides,
)
from benchmark.evaluation.evaluator import Evaluator
from benchmark.evaluation.perturbed_images import joined
from benchmark.evaluation.rankings import AttackedRanking
from benchmark.evaluation.shards import SHARD_IMAGES, Shard, shards_of
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.attack_on_target import AttackOnTarget
from benchmark.runner.cells.clean import CleanCell
from benchmark.runner.cells.kept_shard import read_perturbed, write_perturbed
from benchmark.runner.cells.precision import PrecisionCell
from benchmark.runner.cells.prepare import PrepareCell
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.store import ranking_arrays, save_arrays

MEASUREMENT_VERSION = 2
"""Raised when what is kept of an attacked data set changes, and not its ranking."""


@dataclass(frozen=True, kw_only=True)
class AttackCell(AttackOnTarget):
    """Attack images of a data set and rank the gallery.

    Attributes:
        precision: What looked whether TF32 is enough; None: it crafts in float32.
    """

    kind: ClassVar[str] = "attack"

    precision: PrecisionCell | None

    @classmethod
    def build(
        cls,
        clean: CleanCell,
        attack: ChosenAttack,
        eps_255: float,
        attack_seed: int,
        config: RunConfig,
        *,
        surrogates: tuple[CleanCell, ...] = (),
        prepared: PrepareCell | None = None,
        precision: PrecisionCell | None = None,
    ) -> Self:
        """Build the cell."""
        content: dict[str, object] = {"measurement": MEASUREMENT_VERSION}
        if clean.train.plugin.adaptive.random:
            content["measured_with"] = "the same noise for every attack"
        if any(cell.train.plugin.adaptive.random for cell in (clean, *surrogates)):
            content["seeded"] = f"anew for each shard of {SHARD_IMAGES}"
        if precision is not None:
            content["crafting"] = {"wanted": "tf32", "compared": precision.fingerprint}
        return cls.on(
            clean,
            attack,
            eps_255,
            attack_seed,
            config,
            surrogates=surrogates,
            prepared=prepared,
            content=content,
            beside=() if precision is None else (precision,),
            precision=precision,
        )

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"{self.attack.name} {self.eps_255:g}/255 {self.dataset}{self._number}"

    def parts(self, context: CellContext) -> tuple[str, ...]:
        """Return the names of the shards; none if all attacked images are one."""
        shards = self._shards(context)
        return tuple(shards) if len(shards) > 1 else ()

    def part_seed(self, part: str) -> int:
        """Return the seed of a shard; the first one begins as all images in one piece do."""
        is_first = part.split("-")[1] == "0"
        return self.random_seed if is_first else super().part_seed(part)

    def _compute_part(self, context: CellContext, part: str, title: str) -> Write:
        shard = self._shards(context)[part]
        evaluator, attack, inputs = self._attacker(context)
        with context.progress.task(title, shard.images) as bar:
            crafted = evaluator.perturbed(attack, inputs, shard.side, self.attack_seed, bar, shard)
        return lambda folder: write_perturbed(folder, crafted)

    def _compute(self, context: CellContext, title: str) -> Write:
        evaluator, attack, inputs = self._attacker(context)
        sides, shards = attacked_sides(context.config.scenario), self._shards(context)
        if self.parts(context):
            kept = {name: read_perturbed(context.store.get_part(self, name)) for name in shards}
            perturbed = {
                side: joined([kept[name] for name, one in shards.items() if one.side == side])
                for side in sides
            }
        else:
            with context.progress.task(title, sum(one.images for one in shards.values())) as bar:
                perturbed = {
                    side: evaluator.perturbed(attack, inputs, side, self.attack_seed, bar)
                    for side in sides
                }
        attacked = evaluator.ranked(perturbed, inputs.targets)
        rendered = context.datasets.dataset(self.dataset).rendered
        return lambda folder: _write(folder, attacked, with_images=rendered)

    def _attacker(self, context: CellContext) -> tuple[Evaluator, Attack, AttackInputs]:
        """Return the target, the attack on it, and what the attack is handed."""
        evaluator, attack = self.clean.evaluator(context), self.ready_attack(context)
        surrogates = [one.surrogate(context) for one in self.surrogates]
        evaluator = replace(
            evaluator,
            adjusts=all(one.adjusts for one in (evaluator, *surrogates)),
            crafting=self.precision.chosen(context.store) if self.precision else "float32",
        )
        view = evaluator.view(self.attack.threat, surrogates)
        inputs = evaluator.inputs(view, self.attack_seed, context.config.scenario)
        return evaluator, attack, inputs

    def _shards(self, context: CellContext) -> dict[str, Shard]:
        config = context.config
        counts = {
            side: self._attacked_count(context, side) for side in attacked_sides(config.scenario)
        }
        return {shard.name: shard for shard in shards_of(counts, config.evaluation.batch)}

    def _attacked_count(self, context: CellContext, side: ImageSide) -> int:
        """Return how many images of a set are attacked; reads no pixels."""
        datasets = context.datasets
        if side == "query":
            return datasets.count(self.dataset, side)
        query, gallery = (datasets.labels(self.dataset, split) for split in self.reads)
        looked_for = {one.pid for one in query if one.is_person}
        shown = sum(one.is_person and one.pid in looked_for for one in gallery)
        return attacked_share(shown, context.config.scenario.fraction)

    def passes(self, costs: Estimator) -> float:
        """Return what the attack expects of every query."""
        return self.passes_of(costs.images(self.dataset, "query"), costs)

    def bytes(self, costs: Estimator) -> int:
        """Return the bytes of the outcome of each query."""
        return 48 * costs.images(self.dataset, "query")


def _write(folder: Path, attacked: AttackedRanking, with_images: bool) -> dict[str, Any]:
    """Write the rankings of an attacked data set into a folder; return its figures."""
    target, listed = attacked.target, attacked.listed
    images = listed.images if with_images else None
    save_arrays(
        folder,
        **ranking_arrays(attacked.ranking),
        **ranking_arrays(attacked.ranking_float, "float_"),
        **(ranking_arrays(target.attacked, "target_") if target else {}),
        listed_rows=listed.rows,
        listed_clean=listed.clean,
        listed_attacked=listed.attacked,
        **({} if images is None else {"listed_images": images}),
    )
    return {
        **attacked.ranking.summary(),
        "map_float": attacked.ranking_float.summary()["map"],
        "map_jpeg": attacked.ranking_jpeg.summary()["map"],
        "seconds": attacked.seconds,
        "forwards": attacked.forwards,
        "backwards": attacked.backwards,
        "black_box_queries": attacked.queries,
        "images": attacked.images,
        "max_distance_255": attacked.max_distance_255,
        "trace": attacked.trace,
        "images_sha256": attacked.images_sha256,
        **({} if attacked.halved_to is None else {"halved_batch": attacked.halved_to}),
        "curve": [{"queries": n, "map": value} for n, value in sorted(attacked.curve.items())],
        "target": None
        if target is None
        else {"clean": target.clean.summary(), "attacked": target.attacked.summary()},
    }
