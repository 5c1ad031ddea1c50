"""Between a run and its workers on a Ray cluster: a process of its own.

Ray ends a process whose cluster is gone, after a minute and whatever that process does. So the run
itself is no part of the cluster: it says to this process what is to be computed, and is told.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import ray
from ray import ObjectRef, ObjectRefGenerator
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayError

from benchmark.core.errors import BenchmarkError, EnvironmentProblem
from benchmark.runner.executors.messages import Ended
from benchmark.runner.executors.ray_cluster import RayWorkers, connect, living_nodes, workers_on
from benchmark.runner.executors.ray_messages import (
    GONE,
    RayGreeting,
    RayJob,
    RayNews,
    RayOrder,
    RayReady,
)
from benchmark.runner.executors.ray_worker import RayWorker
from benchmark.runner.executors.unit import Key
from benchmark.runner.packed_folder import PackedFolder
from benchmark.runner.store import CellStore

_LOSSES = 3
"""Workers that may be lost with the same unit, or before they greet."""

_LISTEN_SECONDS = 0.1
_LEAVE_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 30.0
_MEND = (
    "if memory ran short, use fewer --workers or a smaller evaluation.batch; what is finished is "
    "kept: run the same command again"
)
_INSTALL = (
    "install the same Python, Ray and reid-robustbench on all nodes; more is in ray.log of the "
    "output folder"
)


@dataclass
class _Member:
    """A worker, from the outside."""

    actor: ActorHandle
    pending: ObjectRef | ObjectRefGenerator | None
    greeting: RayGreeting | None = None
    order: RayOrder | None = None
    spoilt: BenchmarkError | None = None
    """Why the result could not be kept."""


class RayBroker:
    """Gives units to workers on a Ray cluster, and once more to another one if a worker is lost.

    Args:
        job: What the run is.
        workers: How many workers compute, and how.
        tell: Sends a message to the run.
    """

    def __init__(self, job: RayJob, workers: RayWorkers, tell: Callable[[object], None]) -> None:
        self._job, self._workers, self._tell = ray.put(job), workers, tell
        self._store = CellStore(job.folder)
        self._orders: deque[RayOrder] = deque()
        self._lost: Counter[Key | None] = Counter()
        self._held: dict[str, set[Key]] = defaultdict(set)
        self._looked = time.monotonic()
        actor = ray.remote(RayWorker)  # type: ignore[call-overload]
        self._start_actor = actor.options(
            num_cpus=workers.threads,
            num_gpus=int(workers.on_gpu),
            max_restarts=0,
            scheduling_strategy="SPREAD",
        ).remote
        self._members = [self._started() for _ in range(workers.count)]

    def take(self, order: RayOrder) -> None:
        """Take an order."""
        self._orders.append(order)
        self._assign()

    def listen(self, seconds: float) -> None:
        """Hear what workers tell, for so long at most, and give orders to those that are idle.

        Raises:
            EnvironmentProblem: No worker can be had any more.
        """
        pending = {one.pending: one for one in self._members if one.pending is not None}
        if not pending:
            time.sleep(seconds)
            return
        for ready in ray.wait(list(pending), timeout=seconds, fetch_local=False)[0]:
            self._hear(pending[ready])
        self._assign()
        if not any(one.greeting for one in self._members):
            self._look_for_room()

    def close(self) -> None:
        """End all workers."""
        leaving = [one.actor.leave.remote() for one in self._members if one.pending is None]
        if leaving:
            ray.wait(leaving, num_returns=len(leaving), timeout=_LEAVE_SECONDS)
        for one in self._members:
            ray.kill(one.actor)

    def _started(self) -> _Member:
        actor = self._start_actor(self._job)
        return _Member(actor, actor.greet.remote())

    def _assign(self) -> None:
        idle = [one for one in self._members if one.pending is None]
        while idle and self._orders:
            self._begin(idle.pop(0), self._orders.popleft())

    def _begin(self, member: _Member, order: RayOrder) -> None:
        greeting = member.greeting
        assert greeting is not None
        member.order, lacking = order, []
        if not greeting.shares_folder:
            lacking = [key for key in order.needs if key not in self._held[greeting.node]]
        needed = [PackedFolder.of(self._store, *key) for key in lacking]
        compute = member.actor.compute.options(num_returns="streaming")
        member.pending = compute.remote(order.asked, needed)

    def _hear(self, member: _Member) -> None:
        try:
            if isinstance(member.pending, ObjectRefGenerator):
                self._told(member, ray.get(next(member.pending)))
            else:
                member.greeting, member.pending = ray.get(member.pending), None
        except RayError as error:
            self._replace(member, error)

    def _told(self, member: _Member, message: object) -> None:
        order, greeting = member.order, member.greeting
        assert order is not None
        assert greeting is not None
        if isinstance(message, PackedFolder):
            try:
                message.unpack(self._store)
            except EnvironmentProblem as error:
                member.spoilt = error
            return
        if isinstance(message, Ended):
            if message.error is None:
                self._held[greeting.node].update((*order.needs, order.key))
                message = replace(message, error=member.spoilt)
            member.order = member.pending = member.spoilt = None
        self._tell(RayNews(order.key, greeting.name, message))

    def _replace(self, member: _Member, error: RayError) -> None:
        """Have another worker do what a lost one did.

        Raises:
            EnvironmentProblem: Workers are lost before they compute anything.
        """
        greeting, order = member.greeting, member.order
        ray.kill(member.actor)  # it may be there still, and only out of reach
        self._members[self._members.index(member)] = self._started()
        if greeting is not None:
            self._held.pop(greeting.node, None)  # it may have died while cells were sent to it
        told = f"{_LOSSES} workers in a row were lost; the last one: {_first_line(error)}"
        if order is None or greeting is None:
            self._lost[None] += 1
            if self._lost[None] >= _LOSSES:
                raise EnvironmentProblem(f"before they computed anything, {told}", _INSTALL)
            return
        self._lost[order.key] += 1
        if self._lost[order.key] >= _LOSSES:
            ended = Ended(0.0, EnvironmentProblem(f"{order.asked.title}: {told}", _MEND))
            self._tell(RayNews(order.key, greeting.name, ended))
        else:
            self._log(f"worker {greeting.name} was lost; another one does {order.asked.title}")
            self._orders.appendleft(order)

    def _look_for_room(self) -> None:
        """Look, now and then, whether a worker can come up at all.

        Raises:
            EnvironmentProblem: None can.
        """
        if time.monotonic() - self._looked < _LOOK_EVERY_SECONDS:
            return
        self._looked, nodes = time.monotonic(), living_nodes()
        if ray.get_runtime_context().get_node_id() not in nodes or not self._workers.fit(
            list(nodes.values())
        ):
            raise EnvironmentProblem(*GONE)
        self._log("waiting for a worker to start; other work may take all of the Ray cluster")

    def _log(self, line: str) -> None:
        head = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
        self._tell(logging.makeLogRecord({**head, "msg": line}))


def _first_line(error: RayError) -> str:
    """Return what Ray tells of a loss, in one line."""
    if isinstance(error, OutOfMemoryError):
        return "its node ran out of memory"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if "dead because" in line or "Error" in line]
    return (reasons or lines or [type(error).__name__])[-1][:200]


def main(descriptor: int) -> None:
    """Compute on a Ray cluster what the run asks for over a connection, until it is closed.

    Args:
        descriptor: File descriptor of the connection.
    """
    connection = Connection(descriptor)
    broker = None
    try:
        job: RayJob = connection.recv()
        place, config = connect(), job.task.config
        nodes = list(living_nodes().values())
        workers = workers_on(nodes, config.device, config.workers)
        connection.send(RayReady(place, workers))
        broker = RayBroker(job.on(workers), workers, connection.send)
        while True:
            while connection.poll():
                broker.take(connection.recv())
            broker.listen(_LISTEN_SECONDS)
    except BenchmarkError as error:
        connection.send(error)
    except (EOFError, ConnectionError):  # the run has ended
        pass
    finally:
        if broker is not None:
            broker.close()
        ray.shutdown()
