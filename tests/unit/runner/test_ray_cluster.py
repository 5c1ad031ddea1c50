"""Where a Ray cluster is looked for, and how many workers of how many threads fit on it."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from benchmark.core.errors import BenchmarkError, UsageError
from benchmark.runner.executors.ray_cluster import (
    RayNode,
    RayWorkers,
    check_ray_is_installed,
    connect,
    workers_on,
)

TWO_CORES, EIGHT_CORES, HEAD = RayNode(2), RayNode(8), RayNode(0)
TWO_GPUS = RayNode(16, gpus=2)


@pytest.mark.parametrize(
    ("nodes", "device", "wanted", "expected"),
    [
        ([TWO_CORES], "cpu", None, (1, 2, False)),
        ([TWO_CORES], "cpu", 2, (2, 1, False)),
        ([HEAD, TWO_CORES, EIGHT_CORES], "auto", None, (5, 2, False)),
        ([TWO_CORES, EIGHT_CORES], "auto", 3, (3, 2, False)),
        ([TWO_CORES, EIGHT_CORES], "auto", 2, (2, 4, False)),
        ([TWO_CORES, TWO_GPUS], "auto", None, (2, 8, True)),
        ([TWO_GPUS, TWO_GPUS], "cuda", 1, (1, 16, True)),
        ([TWO_GPUS, TWO_GPUS], "cuda", None, (4, 8, True)),
        ([TWO_GPUS], "cpu", 16, (16, 1, False)),
    ],
)
def test_workers_have_as_many_threads_as_fit(nodes, device, wanted, expected):
    workers = workers_on(nodes, device, wanted)
    assert workers == RayWorkers(*expected)
    assert workers.fit(nodes) >= workers.count


def test_a_node_less_and_fewer_workers_fit():
    workers = workers_on([TWO_CORES, TWO_CORES], "cpu", 2)
    assert workers.fit([TWO_CORES]) == 1
    assert workers.fit([HEAD]) == 0


@pytest.mark.parametrize(
    ("nodes", "device", "wanted", "what", "hint"),
    [
        ([TWO_CORES], "cpu", 3, "3 workers, but the Ray cluster has 2 CPUs", "--workers 2"),
        ([TWO_GPUS], "auto", 3, "3 workers, but the Ray cluster has 2 GPUs", "--workers 2"),
        ([TWO_CORES], "cuda", None, "no node of the Ray cluster has a GPU", "--device cpu"),
        ([HEAD], "cpu", None, "no CPU for a worker", "ray start"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_mend(nodes, device, wanted, what, hint):
    with pytest.raises(BenchmarkError, match=what) as error:
        workers_on(nodes, device, wanted)
    assert hint in error.value.hint


def test_without_ray_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(
        "benchmark.runner.executors.ray_cluster.find_spec",
        lambda name: None if name == "ray" else importlib.util.find_spec(name),
    )
    with pytest.raises(UsageError, match="needs Ray") as error:
        check_ray_is_installed()
    assert "reid-robustbench[ray]" in error.value.hint


@pytest.mark.parametrize("address", ["here", "host:port", "ray://127.0.0.1:10001", ":6379"])
def test_an_address_that_is_none_is_refused_at_once(monkeypatch, address):
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(UsageError, match="is no HOST:PORT") as error:
        connect()
    assert "ray start --head" in error.value.hint


def test_an_address_at_which_nothing_answers_is_refused_at_once(monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(UsageError, match="no Ray cluster answers") as error:
        connect()
    assert "unset it" in error.value.hint
