"""A whole run: check, plan, compute, record, leaderboard."""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmark.config.load import to_yaml
from benchmark.config.schema import RunConfig
from benchmark.core.device import choose_device, device_name
from benchmark.core.files import publish
from benchmark.core.plugin import Plugin
from benchmark.core.progress import Progress
from benchmark.core.provenance import environment
from benchmark.evaluation.targets import check_targets
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.train import REPORT_FOLDER
from benchmark.runner.choice import Choice, choose
from benchmark.runner.crafting_choice import with_crafting
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.estimate import Estimator
from benchmark.runner.event_files import EventFiles, check_tensorboard
from benchmark.runner.executors.choose_pool import choose_pool
from benchmark.runner.executors.executor import Executor, Failure
from benchmark.runner.executors.grid_progress import GridProgress
from benchmark.runner.executors.pool import Pool
from benchmark.runner.executors.ray_cluster import check_ray_is_installed
from benchmark.runner.executors.worker import WorkerTask
from benchmark.runner.executors.worker_count import threads_of, worker_count
from benchmark.runner.held_output import held_output
from benchmark.runner.journal import Journal
from benchmark.runner.output import OutputFolder, copy_folder
from benchmark.runner.plan import Plan, make_plan
from benchmark.runner.ranked_lists import ranked_lists_of
from benchmark.runner.record import RecordMaker
from benchmark.runner.store import CellStore
from benchmark.training.rank_launch import check_ranks
from results.board.boards import Board
from results.board.make_boards import make_boards
from results.records.published import zoo_records
from results.records.query_outcomes import read_measured
from results.records.ranked_lists import write_ranked_lists
from results.records.schema import Record
from results.records.store import load_record, write_record
from results.render.leaderboard import write_leaderboard

logger = logging.getLogger(__name__)


@dataclass
class RunOutcome:
    """What a run made.

    Attributes:
        records: The records of this run, with their files.
        all_records: All records in the output folder.
        boards: The boards of all records.
        published: Published records, to be shown beside those of the same protocol.
        reports: Folders with the pictures and figures of trainings that made some.
        board: The files of the leaderboard over all boards.
        failures: Cells that a plugin failed; their records are missing.
    """

    records: list[tuple[Record, Path]] = field(default_factory=list)
    all_records: list[Record] = field(default_factory=list)
    boards: list[Board] = field(default_factory=list)
    published: tuple[Record, ...] = ()
    reports: list[Path] = field(default_factory=list)
    board: list[Path] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def flags(self) -> list[str]:
        """Sanity flags of all records of this run, one line each, by the row of the board."""
        rows = [row for board in self.boards for row in board.rows]
        labels = {record.id: row.label for row in rows for record in row.records}
        lines = []
        for record, _ in self.records:
            flags = [*record.flags, *(flag for attack in record.attacks for flag in attack.flags)]
            who = f"{labels.get(record.id, record.defense.name)} seed {record.seed}"
            lines += [f"{who}: {flag.id}: {flag.message}" for flag in flags]
        return lines


def run_benchmark(config: RunConfig, progress: Progress) -> RunOutcome:
    """Run everything that a configuration asks for, and what is not finished already.

    Raises:
        BenchmarkError: Nothing or not everything could be computed; what is finished is kept.
        RecordError: A record of an earlier run in the same folder cannot be read.
    """
    if config.tensorboard:
        check_tensorboard()
    if config.executor == "ray":
        check_ray_is_installed()
    # The nodes of a cluster may have GPUs where the driver has none.
    device = config.device if config.executor == "local" else "auto"
    choice, policy = choose(config), choose_device(device)
    check_ranks(config.training.ranks, policy)
    config, workers = with_crafting(config, policy), worker_count(config, choice, policy)
    folder = OutputFolder(config.output)
    folder.prepare()
    with held_output(folder):
        if folder.records.is_dir():
            read_measured([folder.records])  # a damaged one is told before any work
        datasets = RunDatasets(config, choice, progress)
        counts = datasets.query_counts(choice.datasets)
        without = datasets.without_cameras(choice.datasets)
        plan = make_plan(config, choice, datasets.manifests(), counts, without)
        datasets.check(plan.cells)
        _check_scenario(config, choice, datasets)
        publish(folder.config, to_yaml(config).encode())
        logger.debug("plan of %d cells, protocol %s", len(plan.cells), plan.protocol)
        _warn_of_data(datasets, choice)
        _warn_of_bases(config, choice)
        _warn_of_unknown_sources(choice)
        store = CellStore(folder.cells, environment(device_name(policy)))
        context = CellContext(config, datasets, store, policy, progress)
        task = WorkerTask(config, datasets.manifests(), counts, store.environment)
        grid = GridProgress(progress)
        with closing(choose_pool(context, task, workers, grid)) as pool:
            return _compute(pool, context, plan, folder, grid)


def _compute(
    pool: Pool, context: CellContext, plan: Plan, folder: OutputFolder, grid: GridProgress
) -> RunOutcome:
    config, datasets, store = context.config, context.datasets, context.store
    events = EventFiles(folder.tensorboard).follow(plan.cells, store)
    journal = Journal(folder.journal, events if config.tensorboard else None)
    estimator = Estimator(config, datasets, context.policy, threads_of(max(1, pool.capacity)))
    estimator.learn(journal.read())
    store.clean_up()
    executor = Executor(pool, context, journal, estimator, fresh=config.fresh, grid=grid)
    maker = RecordMaker(config, plan, store, datasets)
    outcome = RunOutcome(failures=executor.failures)
    order: dict[Path, int] = {}
    with closing(executor.run(plan)) as trials:
        for trial in trials:
            record, per_query = maker.make(trial)
            path = write_record(record, folder.path, per_query)
            if (lists := ranked_lists_of(record, trial, store, datasets)) is not None:
                write_ranked_lists(lists, path)
            source = store.get(trial.train.fingerprint).folder / REPORT_FOLDER
            if source.is_dir():
                outcome.reports.append(copy_folder(source, folder.reports / path.stem))
            outcome.records.append((load_record(path), path))
            order[path] = plan.trials.index(trial)
    outcome.records.sort(key=lambda made: order[made[1]])  # not by who was quicker
    outcome.all_records, measured = read_measured([folder.records])
    if outcome.all_records:
        outcome.boards = make_boards(outcome.all_records, measured)
        outcome.published = zoo_records()
        outcome.board = write_leaderboard(outcome.boards, folder.path, outcome.published)
    return outcome


def _warn_of_bases(config: RunConfig, choice: Choice) -> None:
    for name, defense in choice.defenses.items():
        for base in defense.prerequisites():
            if config.defense_config.get(base):
                logger.warning(
                    "%s builds on %s with its default options, not with those given", name, base
                )


def _warn_of_unknown_sources(choice: Choice) -> None:
    attacks = [attack.plugin for attack in choice.attacks]
    plugins: list[Plugin | type[Plugin]] = [*choice.defenses.values(), *attacks, choice.backbone]
    for plugin in plugins:
        for reason in plugin.behaviour().unknown:
            logger.warning(
                "%s: %s; what it takes part in is computed anew in each run. "
                "Declare sources = [...] in the file to have it reused",
                plugin.name,
                reason,
            )


def _check_scenario(config: RunConfig, choice: Choice, datasets: RunDatasets) -> None:
    """Refuse targets that there are not, before any work."""
    if config.scenario.intent == "dodge" or not choice.attacks:
        return
    for name in choice.datasets:
        query, gallery = datasets.labels(name, "query"), datasets.labels(name, "gallery")
        shown = {label.pid for label in gallery if label.is_person}
        check_targets(np.array([label.pid for label in query]), np.array(sorted(shown), np.int64))


def _warn_of_data(datasets: RunDatasets, choice: Choice) -> None:
    for name in choice.datasets:
        for warning in datasets.dataset(name).warnings():
            logger.warning("%s: %s", name, warning)
