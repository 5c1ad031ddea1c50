"""Train an attack that is trained before it attacks, on training images."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmark.config.schema import EvaluationConfig
from benchmark.data.held_out import check_fitted, split_held_out
from benchmark.data.layout import Split
from benchmark.evaluation.evaluator import seen_by
from benchmark.evaluation.preparation import prepare_attack
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.content import attack_content, draws_content
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.cells.work import Write
from benchmark.runner.choice import ChosenAttack
from benchmark.runner.estimate import Estimator
from benchmark.runner.protocol import PROTOCOL_VERSION

PREPARED_FILE = "prepared.safetensors"


@dataclass(frozen=True, kw_only=True)
class PrepareCell(Cell):
    """Train an attack that is trained before it attacks, on training images.

    Attributes:
        parents: Trainings whose encoders it is trained against: the target's, or surrogates.
        attack: The attack.
        eps_255: Its budget in 1/255 units.
    """

    kind: ClassVar[str] = "prepare"
    reads: ClassVar[tuple[Split, ...]] = ("train",)

    parents: tuple[TrainCell, ...]
    attack: ChosenAttack
    eps_255: float

    @classmethod
    def build(
        cls,
        target: TrainCell,
        surrogates: tuple[TrainCell, ...],
        attack: ChosenAttack,
        eps_255: float,
        attack_seed: int,
        evaluation: EvaluationConfig,
    ) -> Self:
        """Build the cell that trains an attack on the training images of its target."""
        views = surrogates or (target,)
        content: dict[str, object] = {
            "kind": cls.kind,
            "version": PROTOCOL_VERSION,
            "views": [view.fingerprint for view in views],
            "dataset": target.data,
            "attack": attack_content(attack),
            "eps_255": eps_255,
            "attack_seed": attack_seed,
            **draws_content(target.plugin, evaluation),
        }
        return cls(
            defense=target.defense,
            seed=target.seed,
            dataset=target.dataset,
            content=content,
            parents=views,
            plugins=(attack.plugin, *(type(view.plugin) for view in views)),
            attack=attack,
            eps_255=eps_255,
        )

    @property
    def title(self) -> str:
        """What the cell does, without the defense."""
        return f"prepare {self.attack.name} {self.eps_255:g}/255{self._number}"

    def _compute(self, context: CellContext, title: str) -> Write:
        train = context.datasets.split(self.dataset, "train")
        fitted, held_out = split_held_out(train, context.config.training.held_out)
        check_fitted(fitted, held_out)
        (first, *_) = self.parents
        view = (
            context.ensemble(self.parents)
            if self.attack.surrogates
            else seen_by(self.attack.threat, context.encoder(first), context.view(first))
        )
        start = time.perf_counter()
        prepared = prepare_attack(
            self.attack.at(self.eps_255, self.defense),
            view,
            fitted,
            held_out,
            policy=context.policy,
            seed=self.attack_seed,
            progress=context.progress,
            work_dir=context.work_dir(self),
        )
        seconds = time.perf_counter() - start

        def write(folder: Path) -> dict[str, Any]:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in prepared.items()}
            save_file(tensors, folder / PREPARED_FILE)
            return {"seconds": seconds}

        return write

    def load(self, context: CellContext) -> dict[str, Tensor]:
        """Return what the attack prepared, on the device; the cell must be finished."""
        path = context.store.get(self.fingerprint).folder / PREPARED_FILE
        return load_file(path, device=str(context.policy.device))

    def passes(self, costs: Estimator) -> float:
        """Return what the attack expects, with the networks that it has beside the encoder."""
        attack = self.attack.at(self.eps_255)
        beside = attack.own_flops(*costs.config.image_size) / costs.network.flops
        return attack.preparation_passes(costs.images(self.dataset, "train")) * (1 + beside)
