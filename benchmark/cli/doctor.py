"""``doctor``: is this machine fit for a run, and does everything registered import?"""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from benchmark.cli.doctor_line import GIB, Line
from benchmark.cli.doctor_machine import check_extras, check_machine, check_torch
from benchmark.cli.options import CacheDir, DataRoot, Json
from benchmark.cli.paths import absolute
from benchmark.cli.screen import write_json, write_line

if TYPE_CHECKING:
    from benchmark.data.dataset import Dataset

DISTRIBUTION = "reid-robustbench"
PINNED_REQUESTS = "2.25."
"""Releases of requests that torchattacks asks for."""


def doctor(
    output: Annotated[
        Path, typer.Option(help="Where results would go.", metavar="DIR", parser=absolute)
    ] = Path("runs"),
    cache_dir: CacheDir = None,
    data_root: DataRoot = None,
    json_: Json = False,
) -> int:
    """Check Python, torch, device, load, memory, disk, cache, every plugin, and the data."""
    from benchmark.core.errors import EXIT_ENVIRONMENT, EXIT_OK

    lines = [line for check in CHECKS for line in check()]
    lines += [*check_cache(cache_dir), *check_disk(output), *check_data(data_root)]
    if json_:
        write_json([line._asdict() for line in lines])
    else:
        for line in lines:
            write_line(f"{line.level:<5} {line.subject}: {line.message}")
    return EXIT_ENVIRONMENT if any(line.level == "fail" for line in lines) else EXIT_OK


def check_python() -> Iterator[Line]:
    """Check the interpreter."""
    fits = sys.version_info >= (3, 11)
    yield Line("ok" if fits else "fail", "python", f"{platform.python_version()} at {sys.prefix}")


def check_names() -> Iterator[Line]:
    """Tell who else has modules of the names of the project's packages, which are common words."""
    from benchmark.core.own_packages import OWN_PACKAGES, ROOT, namesakes

    yield Line("ok", "names", f"{', '.join(OWN_PACKAGES)} are those in {ROOT}")
    owners = packages_distributions()
    for name in OWN_PACKAGES:
        for path in namesakes(name):
            others = sorted({*owners.get(name, ())} - {DISTRIBUTION})
            installed = f", of {', '.join(others)}" if others and "-packages" in str(path) else ""
            hint = "rename or uninstall it if you want to import it beside this project"
            yield Line("warn", "names", f"{name} is also {path}{installed}; it is hidden → {hint}")


def check_cache(cache_dir: Path | None) -> Iterator[Line]:
    """Check the folder for rendered data."""
    from benchmark.config.schema import default_cache_dir

    yield from _writable("cache", cache_dir or default_cache_dir(), "choose another --cache-dir")


def check_disk(output: Path) -> Iterator[Line]:
    """Check the folder for results and the space on its disk."""
    yield from _writable("output", output, "choose another --output")
    free = shutil.disk_usage(_existing(output)).free / GIB
    yield Line("ok" if free >= 1 else "warn", "disk", f"{free:.1f} GiB free")


def check_data(given: Sequence[str] | None) -> Iterator[Line]:
    """Tell which data sets that read files were found, and where."""
    from benchmark.config.data_roots import DATA_VARIABLE, data_roots, folders_of_environment
    from benchmark.core.errors import BenchmarkError
    from benchmark.core.registry import DATASETS
    from benchmark.data.folder_listing import is_folder
    from benchmark.runner.datasets import find_roots

    plugins = {}
    for name in DATASETS.names():
        with suppress(BenchmarkError):  # told by `check_plugins`
            plugins[name] = cast("type[Dataset]", DATASETS.get(name))
    try:
        roots = data_roots(given)
        folders = (*roots.folders, *roots.named.values(), *folders_of_environment())
        lost = [folder for folder in folders if not is_folder(folder)]
        found = find_roots(plugins, roots, {})
    except (BenchmarkError, ValueError) as error:
        hint = f" → {error.hint}" if isinstance(error, BenchmarkError) else ""
        yield Line("fail", "data", f"{error}{hint}")
        return
    for folder in lost:
        yield Line("warn", "data", f"no folder {folder}")
    for name, root in found.items():
        if root.problem is None and not plugins[name].rendered:
            yield Line("ok", "data", f"{name}: {root.path or 'needs no files'}")
    absent = [name for name, root in found.items() if root.problem is not None]
    if absent and folders:
        yield Line("ok", "data", f"not found: {', '.join(absent)}")
    elif absent:
        where = f"give a folder with --data-root or {DATA_VARIABLE}"
        yield Line("ok", "data", f"not looked for: {', '.join(absent)}; {where}")


def check_plugins() -> Iterator[Line]:
    """Import everything that is registered."""
    from benchmark.cli.kinds import PLUGIN_KINDS, registry_of
    from benchmark.core.errors import BenchmarkError

    for kind in PLUGIN_KINDS:
        registry, good = registry_of(kind), 0
        for name in registry.names():
            try:
                registry.get(name)
                good += 1
            except BenchmarkError as error:
                yield Line("fail", kind, f"{error.what} → {error.hint}")
        yield Line("ok", kind, f"{good} import")


def check_torchattacks() -> Iterator[Line]:
    """Check the optional torchattacks and tell what it brings along."""
    from benchmark.core.errors import BenchmarkError
    from benchmark.core.registry import ATTACKS

    found = _version("torchattacks")
    try:
        ATTACKS.get("torchattacks:PGD")
    except BenchmarkError as error:
        told = f"{error.what} → {error.hint}"
        yield Line("warn" if found else "ok", "torchattacks", told)
        return
    yield Line("ok", "torchattacks", f"{found}; it brings a package robustbench of its own")
    if len(packages_distributions().get("robustbench", ())) > 1:
        yield Line("warn", "robustbench", "torchattacks overwrote files of it; uninstall one")
    requests = _version("requests") or ""
    if requests.startswith(PINNED_REQUESTS):
        hint = "has known security holes; pip install --upgrade requests"
        yield Line("warn", "requests", f"{requests}, which torchattacks pins, {hint}")


CHECKS: tuple[Callable[[], Iterator[Line]], ...] = (
    check_python,
    check_names,
    check_torch,
    check_machine,
    check_plugins,
    check_extras,
    check_torchattacks,
)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _writable(subject: str, path: Path, hint: str) -> Iterator[Line]:
    found = _existing(path)
    try:
        with tempfile.TemporaryFile(dir=found):
            yield Line("ok", subject, f"{path} is writable")
    except OSError:
        yield Line("fail", subject, f"{path} is not writable; {hint}")
