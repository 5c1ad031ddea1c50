"""Which units are ready, which go first, and what a failure or an interrupt leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.core.errors import EnvironmentProblem, PluginError
from benchmark.runner.cells.cell import Cell
from benchmark.runner.estimate import Workload
from benchmark.runner.executors.executor import Executor
from benchmark.runner.executors.pool import Finished
from benchmark.runner.executors.schedule import longest_first, shares, units_of, wall_seconds
from benchmark.runner.executors.unit import Unit
from benchmark.runner.journal import Journal
from benchmark.runner.plan import Plan
from benchmark.runner.store import CellStore


@dataclass(frozen=True, kw_only=True)
class ToyCell(Cell):
    """Costs what it is told and has the parts that it is told."""

    kind = "toy"

    name: str
    cost: float = 1
    own_parts: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    """Parts that need no other cell."""

    @property
    def label(self):
        return self.name

    def parts(self, context):
        return self.own_parts

    def part_needs(self, part):
        return () if part in self.free else super().part_needs(part)

    def _compute(self, context, title):
        raise NotImplementedError

    def passes(self, costs):
        return self.cost


def toy(name: str, *parents: Cell, **options: Any) -> ToyCell:
    return ToyCell(
        defense="toy",
        seed=0,
        dataset="toy",
        content={"name": name},
        parents=parents,
        name=name,
        **options,
    )


@dataclass
class ToyPool:
    """Ends the units that it was given first, first; publishes nothing but cells."""

    store: CellStore
    capacity: int
    errors: dict[str, Exception] = field(default_factory=dict)
    given: list[Unit] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    most: int = 0

    def submit(self, unit: Unit) -> None:
        self.log.append(unit.label)
        self.given.append(unit)
        self.most = max(self.most, len(self.given))
        assert self.most <= self.capacity

    def wait(self) -> Finished:
        unit = self.given.pop(0)
        error = self.errors.get(unit.label)
        if isinstance(error, KeyboardInterrupt):
            raise error
        if error is None and unit.part is None:
            self.store.publish(unit.cell, lambda _: {})
        return Finished(unit, 1.0, "toy", error)

    def close(self) -> None:
        pass


def executor(pool: ToyPool, **options: Any) -> Executor:
    context: Any = SimpleNamespace(store=pool.store)
    estimator: Any = SimpleNamespace(
        workload=lambda cell: Workload("toy", cell.passes(None)),
        seconds_of=lambda work: work.passes,
    )
    return Executor(pool, context, Journal(pool.store.folder / "journal"), estimator, **options)


def plan_of(*cells: Cell) -> Plan:
    trials: Any = tuple(SimpleNamespace(cells=(*cell.ancestors(), cell)) for cell in cells)
    ordered = {one.fingerprint: one for cell in cells for one in (*cell.ancestors(), cell)}
    return Plan(tuple(ordered.values()), trials, "")


def ran(tmp_path, *cells: Cell, capacity: int = 2, **errors: Exception) -> tuple[ToyPool, Executor]:
    pool = ToyPool(CellStore(tmp_path), capacity, errors)
    runs = executor(pool)
    for _ in runs.run(plan_of(*cells)):
        pass
    return pool, runs


def test_one_worker_goes_in_the_order_of_the_plan(tmp_path):
    first = toy("first")
    cells = (toy("short", first), toy("long", first, cost=9), toy("other", cost=5))
    pool, _ = ran(tmp_path, *cells, capacity=1)
    assert pool.log == ["first", "short", "long", "other"]


def test_several_workers_begin_with_the_longest_way(tmp_path):
    clean = toy("clean", cost=1)
    pool, _ = ran(tmp_path, toy("alone", cost=5), toy("ddid", clean, cost=9), toy("last", cost=1))
    assert pool.log == ["clean", "alone", "ddid", "last"]
    assert pool.most == 2


def test_a_part_that_needs_nothing_does_not_wait(tmp_path):
    clean = toy("clean", cost=4)
    ddid = toy("ddid", clean, cost=8, own_parts=("diffusion", "judged"), free=("diffusion",))
    pool, _ = ran(tmp_path, ddid)
    assert pool.log == ["clean", "ddid · diffusion", "ddid · judged", "ddid"]
    assert pool.most == 2


def test_a_cell_is_put_together_when_all_parts_are_there(tmp_path):
    pool, runs = ran(tmp_path, toy("attack", own_parts=("a", "b", "c")), capacity=3)
    assert pool.log == ["attack · a", "attack · b", "attack · c", "attack"]
    events = Journal(tmp_path / "journal").read()
    assert [event["event"] for event in events] == ["started", *3 * ["part"], "finished"]
    assert events[-1]["seconds"] == 4
    assert events[-1]["passes"] == 1
    assert not runs.failures


def test_parts_that_are_kept_are_not_computed_and_not_counted(tmp_path):
    cell = toy("attack", own_parts=("a", "b"))
    CellStore(tmp_path).publish_part(cell, "a", lambda _: {})
    pool, _ = ran(tmp_path, cell)
    assert pool.log == ["attack · b", "attack"]
    assert Journal(tmp_path / "journal").read()[-1]["passes"] == 0.5


def test_a_plugin_that_fails_voids_what_needs_it(tmp_path):
    bad, good = toy("bad"), toy("good")
    needs_both = toy("both", bad, good)
    pool, runs = ran(tmp_path, needs_both, good, toy("after", needs_both), bad=PluginError("no"))
    assert pool.log == ["bad", "good"]
    assert [failure.cell.label for failure in runs.failures] == ["bad"]
    again = plan_of(needs_both, toy("new"))
    assert [trial.cells[-1].label for trial in runs.run(again)] == ["new"]


def test_a_failed_part_fails_its_cell_once(tmp_path):
    cell = toy("attack", own_parts=("a", "b", "c", "d"))
    error = PluginError("no")
    pool, runs = ran(tmp_path, cell, capacity=2, **{"attack · a": error, "attack · b": error})
    assert pool.log == ["attack · a", "attack · b"]
    assert len(runs.failures) == 1


def test_the_machine_ends_the_run_and_what_is_finished_stays(tmp_path):
    with pytest.raises(EnvironmentProblem):
        ran(tmp_path, toy("one"), toy("two"), two=EnvironmentProblem("full", "free some"))
    assert [e["event"] for e in Journal(tmp_path / "journal").read()][-2:] == ["finished", "failed"]
    pool, _ = ran(tmp_path, toy("one"), toy("two"))
    assert pool.log == ["two"]


def test_an_interrupt_is_noted_for_all_that_was_going_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path, toy("one"), toy("two"), one=KeyboardInterrupt())  # type: ignore[arg-type]
    stopped = [
        e["label"] for e in Journal(tmp_path / "journal").read() if e["event"] == "interrupted"
    ]
    assert stopped == ["one", "two"]


def test_a_trial_is_yielded_as_soon_as_it_is_finished(tmp_path):
    pool = ToyPool(CellStore(tmp_path), 1)
    seen = [
        (trial.cells[-1].label, list(pool.log))
        for trial in executor(pool).run(plan_of(toy("one"), toy("two")))
    ]
    assert seen == [("one", ["one", "two"]), ("two", ["one", "two"])]  # the next one goes on


def test_shares_of_a_cell_and_the_longest_way():
    one, two = toy("one", cost=4), toy("two", cost=2, own_parts=("a", "b"))
    units = [*units_of(one, ()), *units_of(two, two.own_parts)]
    seconds = shares(units[:1], 4) | shares(units[1:], 2)
    assert [seconds[unit.key] for unit in units] == [4, 1, 1, 0]
    assert [unit.label for unit in longest_first(units, seconds)] == [
        "one",
        "two · a",
        "two · b",
        "two",
    ]


def test_parts_may_be_a_share_of_the_work_of_a_cell(monkeypatch):
    monkeypatch.setattr(ToyCell, "share_of_parts", 0.25)
    units = units_of(toy("one"), ("a", "b"))
    assert [*shares(units, 8).values()] == [1, 1, 6]
    assert [*shares(units_of(toy("two"), ()), 8).values()] == [8]


@pytest.mark.parametrize(("workers", "expected"), [(1, 12), (2, 6.5), (3, 5), (9, 4.5)])
def test_the_wall_time_of_some_workers(workers, expected):
    clean = toy("clean", cost=1)
    attacks = [toy(f"attack {n}", clean, cost=2) for n in range(2)]
    long = toy("long", clean, own_parts=("a", "b"), free=("a",))
    cells = [(clean, 1), *((one, 2) for one in attacks), (long, 7)]
    units = [unit for cell, _ in cells for unit in units_of(cell, cell.own_parts)]
    seconds = {
        key: value
        for cell, cost in cells
        for key, value in shares(units_of(cell, cell.own_parts), cost).items()
    }
    assert wall_seconds(units, seconds, [], workers) == expected
