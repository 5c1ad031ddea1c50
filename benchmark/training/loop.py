"""The training loop: batches, optimiser, schedule, clipping, checkpoints, selection."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.defense import Defense
from benchmark.core.device import DevicePolicy, peak_memory_bytes
from benchmark.core.epoch_checkpoint import load_epoch, save_epoch
from benchmark.core.errors import PluginError
from benchmark.core.image_set import ImageSet
from benchmark.core.late_checks import Judge, LateChecks
from benchmark.core.progress import Bar, Progress
from benchmark.core.seeding import (
    derive_seed,
    fastest_kernels,
    seed_everything,
    seed_generators,
)
from benchmark.core.to_device import to_device
from benchmark.data.pixel_source import Rows, pixel_source
from benchmark.data.sampler import PKSampler
from benchmark.models.backbone import BackboneConfig
from benchmark.models.classifier import IdentityClassifier
from benchmark.models.encoder import ReIDEncoder, ReIDModel, build_encoder
from benchmark.training.augmentation import augmented
from benchmark.training.config import TrainingConfig
from benchmark.training.model_calls import ModelCalls, as_it_is, compiled
from benchmark.training.optimiser import adam, load_adam
from benchmark.training.pace import Pace
from benchmark.training.precision import in_update_precision, inner_dtype
from benchmark.training.ranks import ONE_RANK, Ranks
from benchmark.training.schedule import learning_rate
from benchmark.training.selection import HeldOutSelection
from benchmark.training.state import CHECKPOINT, TrainingState
from benchmark.training.step import Passes, Step, inner_attacks
from benchmark.training.synchronised_batch_norm import synchronise

OnEpoch = Callable[[Sequence[Mapping[str, float]]], None]
"""Is told one row for each epoch so far: loss, and what was measured on held-out identities."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopResult:
    """The weights of the best checkpoint, and how the training went.

    Attributes:
        encoder: In eval mode.
        classifier: Of the identities that were fitted.
        state: State at the end.
        report: Figures of how it was computed, where the recipe asks for more than usual.
    """

    encoder: ReIDEncoder
    classifier: IdentityClassifier
    state: TrainingState
    report: dict[str, object] = field(default_factory=dict)


class TrainingLoop:
    """Trains the harness's model with the training step of a defense.

    Args:
        defense: Gives the loss and its own modules.
        train: Images to fit.
        epoch_images: Images that one epoch draws, the same for every defense.
        held_out: Images to select on; may be empty.
        backbone: Which encoder.
        config: The recipe.
        policy: Device and precision.
        seed: Seed of initial weights, batches, augmentation and inner attacks.
        work_dir: Where checkpoints go.
        ranks: Which of the processes of this training this is.
    """

    def __init__(
        self,
        defense: Defense,
        *,
        train: ImageSet,
        epoch_images: int,
        held_out: ImageSet,
        backbone: BackboneConfig,
        config: TrainingConfig,
        policy: DevicePolicy,
        seed: int,
        work_dir: Path,
        ranks: Ranks = ONE_RANK,
    ) -> None:
        seed_everything(derive_seed(seed, "initial weights"))
        self._defense, self._train, self._config = defense, train, config
        policy = in_update_precision(policy, config)
        self._epochs = defense.epochs(config.epochs, config.inner.steps)
        self._validate_every = config.validate_every * max(1, self._epochs // config.epochs)
        self._policy, self._seed, self._work_dir = policy, seed, work_dir
        self._sampler = PKSampler(train.pids, config.identities, config.images, epoch_images)
        self._identities = torch.from_numpy(np.unique(train.pids)).to(policy.device)
        encoder = build_encoder(backbone)
        model = ReIDModel(encoder, len(self._identities))
        synchronise(model, ranks)
        self._ranks = ranks
        modules = defense.extra_modules(encoder.embedding_dim)
        self._model: ReIDModel = policy.place(model)  # type: ignore[assignment]
        self._modules = {name: policy.place(module) for name, module in modules.items()}
        self._parameters = [
            p for m in (model, *self._modules.values()) for p in m.parameters() if p.requires_grad
        ]
        self._optimizer = adam(self._parameters, config, policy.device)
        self._selection = HeldOutSelection(held_out, config, policy, seed, defense.name)
        self._inner_attack = inner_attacks(config, defense.name)
        self._passes, self._pace = Passes(), Pace(policy, inner_dtype(config.inner))
        self._pixels = pixel_source(train, policy.device)
        self._checks = LateChecks.on(policy.device)
        self._calls = self._ready_calls()

    def run(self, progress: Progress, on_epoch: OnEpoch | None = None) -> LoopResult:
        """Train to the end, from the last checkpoint if there is one.

        Args:
            progress: Where to report.
            on_epoch: Told the history after each epoch.
        """
        state = self._resume()
        batches, epochs = self._sampler.batches, self._epochs
        if state.epoch < epochs and self._ranks.size == 1:  # a rank passes a share of the batch
            with self._kernels():
                self._pace.time_bare_passes(self._model, self._first_images)
        with progress.task(f"training {self._defense.name}", epochs * batches) as bar:
            bar.advance(state.epoch * batches)
            while state.epoch < epochs:
                start = time.perf_counter()
                loss = self._epoch(state.epoch, bar)
                state.step_seconds += time.perf_counter() - start
                state.bare_seconds += self._pace.bare_seconds(self._passes)
                state.epoch += 1
                state.images += batches * self._config.identities * self._config.images
                row = {"epoch": float(state.epoch), "loss": loss}
                state.history.append({**row, **self._validate(state)})
                if on_epoch is not None:
                    on_epoch(state.history)
                state.seconds += time.perf_counter() - start
                self._remember(state)
        if state.best_model:
            self._model.load_state_dict(state.best_model)
        weight = self._model.classifier.weight.detach().cpu().clone()
        classifier = IdentityClassifier(weight, self._identities.cpu())
        report: dict[str, object] = {"compile": self._calls.how} if self._calls.how else {}
        return LoopResult(self._model.encoder.eval(), classifier, state, report)

    def _ready_calls(self) -> ModelCalls:
        if not self._config.compile:
            return as_it_is(self._model)
        rows = np.arange(self._config.identities * self._config.images // self._config.accumulate)
        images = self._train.tensor(rows % len(self._train)).to(self._policy.device)
        return compiled(self._model, images, self._policy)

    def _epoch(self, epoch: int, bar: Bar) -> float:
        batches = self._sampler.epoch(derive_seed(self._seed, "batches", epoch))
        losses, replays = list[float](), self._defense.replays()
        first = [index - index % replays for index in range(len(batches))]
        parts = [np.split(batches[index], self._config.accumulate) for index in first]
        self._pace.begin(self._passes)
        with self._kernels(), closing(self._pixels.batches([*chain(*parts)])) as pixels:
            for index, own in enumerate(parts):
                passed = epoch + index / len(batches)
                judge = partial(self._judge, losses, epoch, index)
                self._update(self._steps(pixels, own, passed, (epoch, first[index])), judge)
                self._pace.images += sum(map(len, own))
                bar.advance(1, self._pace.note(losses, self._passes))
        self._checks.finish()
        return float(np.mean(losses))

    def _kernels(self) -> AbstractContextManager[None]:
        return nullcontext() if self._config.deterministic else fastest_kernels()

    def _first_images(self) -> Tensor:
        """Return images of the first batch, or of its first part."""
        rows = self._sampler.epoch(derive_seed(self._seed, "batches", 0))[0]
        part = np.split(rows, self._config.accumulate)[0]
        with closing(self._pixels.batches([part])) as pixels:
            return augmented(next(pixels), 0, self._config.augment)

    def _steps(
        self, pixels: Iterator[Tensor], parts: Sequence[Rows], epoch: float, place: tuple[int, int]
    ) -> Iterator[Step]:
        """Yield the step of each part of a batch; a batch that is not split is its only part."""
        for number, rows in enumerate(parts):
            part = (number,) if len(parts) > 1 else ()
            seed = derive_seed(self._seed, "step", *place, *part)
            yield self._step(next(pixels), rows, epoch, seed)

    def _judge(self, losses: list[float], epoch: int, index: int, values: list[float]) -> None:
        """Keep the loss of a step, if it and the norm of its gradient are finite."""
        for value in values:
            if not math.isfinite(value):
                raise PluginError(
                    f"training of {self._defense.name!r} stopped: the loss or gradient is {value} "
                    f"in epoch {epoch + 1}, batch {index + 1}",
                    "lower training.learning_rate, or check the defense's loss",
                )
        losses.append(values[0])

    def _step(self, pixels: Tensor, rows: Rows, epoch: float, seed: int) -> Step:
        fraction = epoch / self._epochs
        rate = learning_rate(self._config, fraction)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        seed_generators(seed)
        device = self._policy.device
        return Step(
            images=augmented(pixels, seed, self._config.augment),
            pids=to_device(torch.from_numpy(self._train.pids[rows]), device),
            camids=to_device(torch.from_numpy(self._train.camids[rows]), device),
            rows=rows,
            identities=self._identities,
            model=self._model,
            modules=self._modules,
            config=self._config,
            policy=self._policy,
            fraction=fraction,
            epoch=epoch,
            learning_rate=rate,
            seed=seed,
            inner_attack=self._inner_attack,
            train=self._train,
            passes=self._passes,
            checks=self._checks,
            calls=self._calls,
            ranks=self._ranks,
        )

    def _update(self, steps: Iterator[Step], judge: Judge) -> None:
        """Move the weights by the mean loss of the parts of a batch."""
        self._model.train()
        for module in self._modules.values():
            module.train()
        losses = list[Tensor]()
        for step in steps:
            loss = self._loss(step) / self._config.accumulate
            if not losses:  # after the defense's own passes, which may have left gradients
                self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach().double())
        norm = nn.utils.clip_grad_norm_(self._parameters, self._config.grad_clip, foreach=True)
        self._checks.add(torch.stack([torch.stack(losses).sum(), norm.double()]), judge)
        self._optimizer.step()

    def _loss(self, step: Step) -> Tensor:
        try:
            return self._checked_loss(self._defense.training_step(step))
        except Exception:
            self._checks.finish()  # an earlier step may be to blame
            raise

    def _checked_loss(self, loss: object) -> Tensor:
        if isinstance(loss, Tensor) and loss.numel() == 1 and loss.requires_grad:
            return loss.reshape(())
        what = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        if isinstance(loss, Tensor) and loss.numel() == 1:
            what = "a constant without a gradient"
        raise PluginError(
            f"training_step of {self._defense.name!r} returned {what}, not a scalar loss",
            "return one differentiable number",
        )

    def _validate(self, state: TrainingState) -> Mapping[str, float]:
        last = state.epoch == self._epochs
        due = last or state.epoch % self._validate_every == 0
        if not due or not self._ranks.is_first or not self._selection.possible:
            return {}
        score = self._selection.score(self._model.encoder)
        if state.best_score is None or score.total >= state.best_score:
            state.best_score, state.best_epoch = score.total, state.epoch
            state.best_model = _copied(self._model.state_dict())
        return {"held_out_map": score.clean_map, "held_out_attacked_map": score.attacked_map}

    def _remember(self, state: TrainingState) -> None:
        told = [torch.tensor(state.history[-1]["loss"], device=self._policy.device)]
        modules = [p for module in self._modules.values() for p in module.parameters()]
        if not self._ranks.agree([*told, *self._model.state_dict().values(), *modules]):
            raise PluginError(
                f"the ranks of the training of {self._defense.name!r} came apart in epoch "
                f"{state.epoch}",
                "draw random numbers from step.seed alone, or set training.ranks=1",
            )
        state.model = self._model.state_dict()
        state.modules = {name: module.state_dict() for name, module in self._modules.items()}
        state.optimizer = self._optimizer.state_dict()
        state.passes = asdict(self._passes)
        if self._ranks.size > 1:
            state.peak_memory_bytes = peak_memory_bytes(self._policy.device)
        if self._ranks.is_first:
            save_epoch(self._work_dir, vars(state), CHECKPOINT)

    def _resume(self) -> TrainingState:
        stored = load_epoch(self._work_dir, CHECKPOINT)
        if stored is None:
            return TrainingState()
        state = TrainingState(**stored)
        self._model.load_state_dict(state.model)
        for name, module in self._modules.items():
            module.load_state_dict(state.modules[name])
        load_adam(self._optimizer, state.optimizer)
        self._passes = Passes(**state.passes)
        if state.epoch < self._epochs:
            logger.info("training of %s goes on after epoch %d", self._defense.name, state.epoch)
        return state


def _copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().cpu().clone() for key, value in state.items()}
