"""What an experiment works with: trainings, measurements and results of its own, kept as cells.

Everything goes through the cells of ``OUTPUT/cells``: what a run finished is not computed again
here, and what is computed here a run finds. Figures of an experiment's own are cells, too (`kept`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from benchmark.config.schema import RunConfig
from benchmark.core.device import DevicePolicy, device_name
from benchmark.core.errors import BenchmarkError, PluginError, UsageError
from benchmark.core.image_set import ImageSet
from benchmark.core.progress import Progress
from benchmark.core.provenance import environment
from benchmark.data.dataset import Split
from benchmark.data.held_out import split_held_out
from benchmark.data.layout import SPLITS
from benchmark.experiments.closed_datasets import ClosedDatasets
from benchmark.experiments.measurement import Measurement, Trained, clean_of, outcomes_of
from benchmark.experiments.variant import Variant
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.content import attack_content
from benchmark.runner.cells.experiment import ExperimentCell
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.choice import ChosenAttack, choose
from benchmark.runner.crafting_choice import with_crafting
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.estimate import Estimator
from benchmark.runner.executors.executor import Executor
from benchmark.runner.executors.in_process import InProcessPool
from benchmark.runner.journal import Journal
from benchmark.runner.output import OutputFolder
from benchmark.runner.plan import Plan, Trial, make_plan
from benchmark.runner.record import RecordMaker
from benchmark.runner.store import CellStore, StoredCell
from results.records.store import load_record, write_record

logger = logging.getLogger(__name__)


class Kept(NamedTuple):
    """What an experiment computed and wants to find again.

    Attributes:
        outcome: JSON values.
        arrays: Arrays by name.
    """

    outcome: dict[str, Any]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class RowFailure:
    """Something that a plugin failed; the rest of the experiment went on.

    Attributes:
        what: Which cell or row.
        error: What happened.
    """

    what: str
    error: BenchmarkError


class ExperimentContext:
    """Trains, measures and keeps results on behalf of an experiment.

    Args:
        config: The validated configuration, as for a run.
        name: Name of the experiment.
        folder: The output folder, held by this process.
        policy: Device and precision.
        progress: Where to report.
        opens: Splits that can be read.

    Attributes:
        home: ``OUTPUT/experiments/NAME``.
    """

    def __init__(
        self,
        config: RunConfig,
        name: str,
        folder: OutputFolder,
        policy: DevicePolicy,
        progress: Progress,
        opens: Sequence[Split] = SPLITS,
    ) -> None:
        config = with_crafting(config, policy)
        self.config, self.policy, self.progress = config, policy, progress
        self.home: Path = folder.path / "experiments" / name
        self._name, self._folder = name, folder
        self.store = CellStore(folder.cells, environment(device_name(policy)))
        choice = choose(config)
        self._names = tuple(choice.sources)
        self.datasets = RunDatasets(config, choice, progress)
        """All data sets of this run."""
        if set(opens) != set(SPLITS):
            self.datasets = ClosedDatasets(self.datasets, self._names, opens)
        self.attacks: tuple[ChosenAttack, ...] = choice.attacks
        """The chosen attacks with their options."""
        self._runtimes: dict[object, _Runtime] = {}
        self._failures: list[RowFailure] = []

    @property
    def variants(self) -> list[Variant]:
        """The chosen defenses as they are, in order."""
        return [Variant(name, name) for name in self.config.defense]

    @property
    def failures(self) -> list[RowFailure]:
        """What plugins failed so far."""
        failed = [one for runtime in self._runtimes.values() for one in runtime.executor.failures]
        return [RowFailure(one.cell.label, one.error) for one in failed] + self._failures

    @property
    def eps_255(self) -> float:
        """The only budget in 1/255 units.

        Raises:
            UsageError: There are several.
        """
        if len(self.config.eps) != 1:
            raise UsageError(f"experiment {self._name} takes one budget", "give a single --eps")
        return self.config.eps[0]

    def attack_inputs(self, attack: ChosenAttack) -> dict[str, object]:
        """Return what shapes the images of an attack at the only budget, for `kept`."""
        return {
            "attack": attack_content(attack),
            "eps_255": self.eps_255,
            "attack_seed": self.config.attack_seed[0],
            "eot_samples": self.config.evaluation.eot_samples,
        }

    def split(self, dataset: str, split: Split) -> ImageSet:
        """Return a split of a data set of this run.

        Raises:
            DataError: The experiment may not look at it, or it cannot be read.
        """
        return self.datasets.split(dataset, split)

    def fitted_and_held_out(self, dataset: str | None = None) -> tuple[ImageSet, ImageSet]:
        """Return the training images that trainings fit, and those of held-out identities."""
        train = self.split(dataset or self.config.dataset, "train")
        return split_held_out(train, self.config.training.held_out)

    def train(
        self,
        variants: Iterable[Variant],
        seeds: Iterable[int] | None = None,
        dataset: str | None = None,
    ) -> Iterator[Trained]:
        """Yield each variant at each seed, trained; those that their plugin fails are left out.

        Args:
            variants: What to train, one row of a table each.
            seeds: Training seeds; None: those of the run.
            dataset: Data set to train on; None: that of the run.
        """
        for variant in variants:
            for config in self._configs(variant, seeds, dataset):
                (trial,) = self._plan(config).trials
                train = Trial(
                    trial.train, clean={}, attacks={}, choices=None, probe=None, canaries={}
                )
                if self._finish(config, train):
                    yield self._trained(variant, train.train, config)

    def measure(
        self,
        variants: Iterable[Variant],
        seeds: Iterable[int] | None = None,
        dataset: str | None = None,
    ) -> Iterator[Measurement]:
        """Yield each variant at each seed, ranked clean and under every chosen attack and budget.

        The arguments are those of `train`. The record of each measurement is written under `home`.
        """
        for variant in variants:
            for config in self._configs(variant, seeds, dataset):
                plan = self._plan(config)
                (trial,) = plan.trials
                if not self._finish(config, trial):
                    continue
                maker = RecordMaker(config, plan, self.store, self.datasets)
                record, per_query = maker.make(trial)
                path = write_record(record, self.home, per_query)
                yield Measurement(
                    trained=self._trained(variant, trial.train, config),
                    record=load_record(path),
                    clean=clean_of(self.store, trial),
                    outcomes={n: outcomes_of(self.store, trial, n) for n in trial.clean},
                    query_pids={name: self.split(name, "query").pids for name in trial.clean},
                )

    def kept(
        self,
        what: str,
        version: int,
        trained: Trained,
        inputs: Mapping[str, object],
        compute: Callable[[], Kept],
    ) -> StoredCell:
        """Return what `compute` finds, computed once for the same training and inputs.

        Args:
            what: Short name of what is computed, such as ``head``.
            version: To be raised when a change of the code changes results.
            trained: The training that it is about.
            inputs: All else that shapes the result, as JSON values.
            compute: Called if it was not computed before.
        """
        if self.config.queries is not None:
            inputs = {**inputs, "queries": self.config.queries}
        cell = ExperimentCell.build(self._name, what, version, trained.cell, inputs, compute)
        found = None if self.config.fresh else self.store.find(cell.fingerprint)
        return found or cell.compute(self._runtime(trained.config).context)

    @contextmanager
    def tolerating(self, what: str) -> Iterator[None]:
        """Run the body; a plugin's failure in it is remembered and does not end the experiment."""
        try:
            yield
        except PluginError as error:
            logger.debug("%s failed", what, exc_info=error)
            self._failures.append(RowFailure(what, error))

    def _configs(
        self, variant: Variant, seeds: Iterable[int] | None, dataset: str | None
    ) -> Iterator[RunConfig]:
        config = variant.configure(self.config)
        if dataset is not None and dataset != config.dataset:
            others = [name for name in self._names if name != dataset]
            config = config.model_copy(update={"dataset": dataset, "test_dataset": others})
        for seed in config.seed if seeds is None else seeds:
            yield config.model_copy(update={"seed": [seed]})

    def _plan(self, config: RunConfig) -> Plan:
        return make_plan(config, choose(config), self._manifests, self._query_counts)

    @cached_property
    def _manifests(self) -> dict[str, str]:
        return self.datasets.manifests()

    @cached_property
    def _query_counts(self) -> dict[str, int]:
        return self.datasets.query_counts(self._names)

    def _finish(self, config: RunConfig, trial: Trial) -> bool:
        """Compute what is not finished of a trial; tell whether all of it is there."""
        plan = Plan(trial.cells, (trial,), "")
        return bool(list(self._runtime(config).executor.run(plan)))

    def _runtime(self, config: RunConfig) -> _Runtime:
        """Return the runtime for a configuration; those that compute alike share one."""
        key = (
            config.backbone,
            config.image_size,
            config.evaluation,
            config.scenario,
            tuple(config.attack_seed),
            config.training.held_out,
        )
        if key not in self._runtimes:
            context = CellContext(config, self.datasets, self.store, self.policy, self.progress)
            estimator = Estimator(config, self.datasets, self.policy)
            journal = Journal(self._folder.journal)
            executor = Executor(
                InProcessPool(context), context, journal, estimator, fresh=config.fresh
            )
            self._runtimes[key] = _Runtime(context, executor)
        return self._runtimes[key]

    def _trained(self, variant: Variant, cell: TrainCell, config: RunConfig) -> Trained:
        context = self._runtime(config).context
        stored = self.store.get(cell.fingerprint)
        return Trained(
            variant, cell, config, stored.outcome, lambda: context.encoder(cell), stored.folder
        )


@dataclass(frozen=True)
class _Runtime:
    context: CellContext
    executor: Executor
