"""What a run would do: cells, minutes, disk, missing data. Computes nothing, writes nothing."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.config.schema import RunConfig
from benchmark.core.device import DevicePolicy, choose_device
from benchmark.core.errors import DataError
from benchmark.core.progress import SilentProgress
from benchmark.runner.cell_context import CellContext
from benchmark.runner.cells.cell import Cell
from benchmark.runner.cells.work import splits_read
from benchmark.runner.choice import choose
from benchmark.runner.crafting_choice import with_crafting
from benchmark.runner.datasets import RunDatasets
from benchmark.runner.estimate import Estimator
from benchmark.runner.executors.schedule import shares, units_of, wall_seconds
from benchmark.runner.executors.worker_count import threads_of, worker_count
from benchmark.runner.journal import Journal
from benchmark.runner.output import OutputFolder
from benchmark.runner.plan import make_plan
from benchmark.runner.store import CellStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlannedCell:
    """One line of a preview.

    Attributes:
        defense: Defense.
        seed: Training seed.
        title: What is done.
        fingerprint: Identity of the result.
        finished: Whether it is finished already.
        seconds: Predicted seconds; 0 if finished.
    """

    defense: str
    seed: int
    title: str
    fingerprint: str
    finished: bool
    seconds: float


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    Attributes:
        cells: Its cells, in order.
        minutes: Predicted minutes of work that is not finished, rendering included.
        workers: How many would do it.
        wall_minutes: Predicted minutes until they are through.
        disk_bytes: Predicted bytes to be written.
        free_bytes: Free bytes on the disk of the output folder.
        found: Folder of each data set that reads files and was found.
        to_render: Data sets whose pixels are not in the cache yet.
        missing: What stands in the way: data that is not there, one line each.
        protocol: Fingerprint of the protocol.
    """

    cells: list[PlannedCell]
    minutes: float
    workers: int
    wall_minutes: float
    disk_bytes: int
    free_bytes: int
    found: dict[str, str]
    to_render: list[str]
    missing: list[str]
    protocol: str

    def as_json(self) -> dict[str, Any]:
        """Return the preview as plain values."""
        return asdict(self)


def preview(config: RunConfig, policy: DevicePolicy | None = None) -> Preview:
    """Predict a run.

    Args:
        config: The configuration.
        policy: Where it would run; None: where the configuration says.

    Raises:
        BenchmarkError: A wrong name, option or plugin.
    """
    choice, policy = choose(config), policy or choose_device(config.device)
    config = with_crafting(config, policy)
    workers = worker_count(config, choice, policy)
    datasets = RunDatasets(config, choice, SilentProgress())
    missing = _missing(choice.sources, lambda name: datasets.dataset(name).manifest_sha256())
    manifests = {
        name: "missing" if name in missing else datasets.dataset(name).manifest_sha256()
        for name in choice.sources
    }
    plan = make_plan(config, choice, manifests, datasets.query_counts(choice.datasets))
    reads = splits_read(plan.cells)
    missing |= _missing(
        [name for name in reads if name not in missing],
        lambda name: [datasets.dataset(name).names(split) for split in reads[name]],
    )
    folder = OutputFolder(config.output)
    store, estimator = (
        CellStore(folder.cells),
        Estimator(config, datasets, policy, threads_of(workers)),
    )
    estimator.learn(Journal(folder.journal).read())

    def planned(cell: Cell) -> PlannedCell:
        finished = not config.fresh and store.find(cell.fingerprint) is not None
        unknown = finished or cell.dataset in missing
        seconds = 0.0 if unknown else estimator.seconds(cell)
        return PlannedCell(cell.defense, cell.seed, cell.title, cell.fingerprint, finished, seconds)

    cells = [planned(cell) for cell in plan.cells]
    at_hand = {name: splits for name, splits in reads.items() if name not in missing}
    members = datasets.members(at_hand)
    waiting = [c for c, p in zip(plan.cells, cells, strict=True) if not p.finished]
    written = sum(c.bytes(estimator) for c in waiting if c.dataset in at_hand)
    data = {name: estimator.data_bytes(name, splits) for name, splits in members.items()}
    rendering = sum(estimator.render_seconds(name, splits) for name, splits in members.items())
    seconds = sum(p.seconds for p in cells) + rendering
    context = CellContext(config, datasets, store, policy, SilentProgress())
    units = [units_of(c, c.parts(context) if c.dataset in at_hand else ()) for c in waiting]
    predicted = {p.fingerprint: p.seconds for p in cells}
    costs = [shares(own, predicted[own[0].cell.fingerprint]) for own in units]
    wall = wall_seconds(
        [unit for own in units for unit in own],
        {key: cost for own in costs for key, cost in own.items()},
        [(p.fingerprint, None) for p in cells if p.finished],
        workers,
    )
    return Preview(
        cells=cells,
        minutes=seconds / 60,
        workers=workers,
        wall_minutes=(wall + rendering) / 60,
        disk_bytes=written + sum(data.values()),
        free_bytes=shutil.disk_usage(_existing(config.output)).free,
        found={n: str(root.path) for n, root in datasets.roots.items() if root.path is not None},
        to_render=[name for name, size in data.items() if size],
        missing=list(missing.values()),
        protocol=plan.protocol,
    )


def _missing(names: Iterable[str], look: Callable[[str], object]) -> dict[str, str]:
    """Return what is wrong with each data set at which one cannot look."""
    missing = {}
    for name in names:
        try:
            look(name)
        except DataError as error:
            missing[name] = f"{name}: {error.what} → {error.hint}"
    return missing


def _existing(path: Path) -> Path:
    """Return the path or its closest parent that exists."""
    path = path.absolute()
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path
