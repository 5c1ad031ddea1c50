"""The contract suites by kind and name, for the command ``check`` and for tests of plugins."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.checks.attack_contract import check_attack
from benchmark.checks.contract import CheckResult
from benchmark.checks.dataset_contract import check_dataset
from benchmark.checks.defense_contract import check_defense
from benchmark.config.data_roots import DataRoots, data_roots
from benchmark.core.device import choose_device
from benchmark.core.errors import unknown_name
from benchmark.core.registry import ATTACKS, DATASETS, DEFENSES, EXPERIMENTS
from benchmark.core.seeding import seed_everything
from benchmark.experiments.experiment_contract import check_experiment
from benchmark.runner.datasets import find_roots

_REGISTRIES = {
    "defense": DEFENSES,
    "attack": ATTACKS,
    "dataset": DATASETS,
    "experiment": EXPERIMENTS,
}


class BrokenContractError(AssertionError):
    """A plugin breaks its contract; the message has a line for each check that fails."""


def check_contract(
    kind: str,
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    data_root: str | Path | None = None,
    device: str = "cpu",
) -> list[CheckResult]:
    """Run the contract suite of a registered plugin; made to be a test of its own.

    Args:
        kind: ``defense``, ``attack``, ``dataset`` or ``experiment``.
        name: Its registry name.
        options: Options to check it with.
        data_root: Folder of a data set that reads files.
        device: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        What each check saw.

    Raises:
        BrokenContractError: A check fails.
        UsageError: There is no such plugin, or it has no such options.
    """
    roots = data_roots({} if data_root is None else {name: str(data_root)})
    results = contract_results(kind, name, options or {}, roots=roots, device=device)
    failed = [f"{one.name}: {one.detail}" for one in results if not one.passed]
    if failed:
        lines = "\n  ".join(failed)
        raise BrokenContractError(f"the {kind} {name} breaks its contract:\n  {lines}")
    return results


def contract_results(
    kind: str, name: str, options: Mapping[str, Any], *, roots: DataRoots, device: str
) -> list[CheckResult]:
    """Return the outcome of each check of a registered plugin, whether it passes or not.

    Raises:
        BenchmarkError: There is no such plugin, no such option, or no data.
    """
    if kind not in _REGISTRIES:
        raise unknown_name("kind", kind, _REGISTRIES)
    plugin: type[Any] = _REGISTRIES[kind].get(name)
    seed_everything(0)
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        if kind == "experiment":
            return check_experiment(plugin, options, device=device, work_dir=work_dir)
        if kind == "dataset":
            found = find_roots({name: plugin}, roots, {name: options})[name]
            if found.problem is not None:
                raise found.problem
            return check_dataset(plugin, options, root=found.path, work_dir=work_dir)
        suite = check_attack if kind == "attack" else check_defense
        return suite(plugin, options, policy=choose_device(device), work_dir=work_dir)
