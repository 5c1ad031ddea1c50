"""What went wrong in a cell, told in the user's words: the disk, the memory, or a plugin."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.core.errors import BenchmarkError, EnvironmentProblem, PluginError, causes
from benchmark.core.files import disk_problem
from benchmark.core.out_of_memory import is_out_of_memory
from benchmark.core.plugin import Plugin
from benchmark.core.plugin_errors import raised_by, source_test

_LOOP = Path(__file__).resolve().parents[1] / "training" / "loop.py"


def machine_problem(error: BaseException, folder: Path) -> EnvironmentProblem | None:
    """Return what the machine refused, or None if the machine is not to blame.

    Args:
        error: What was raised.
        folder: Where the run writes.
    """
    if isinstance(error, EnvironmentProblem):
        return error
    problem = disk_problem(error, folder)
    if problem is None and is_out_of_memory(error):
        told = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        on_gpu = any("cuda" in str(one).lower() for one in causes(error))
        return EnvironmentProblem(
            f"out of memory: {told}",
            "lower training.images or training.identities if it was a training, evaluation.batch "
            f"if not, or image_size{', or use --device cpu' if on_gpu else ''}",
        )
    return problem


@contextmanager
def machine_problems(folder: Path) -> Iterator[None]:
    """Turn a full disk, a refusal to write or a want of memory into an EnvironmentProblem."""
    try:
        yield
    except Exception as error:
        problem = machine_problem(error, folder)
        if problem is None or problem is error:
            raise
        raise problem from error


def plugin_problem(error: BaseException, *plugins: type[Plugin]) -> BenchmarkError | None:
    """Return the error of a plugin that raised, with its file and line; None if none did.

    What a plugin says of its data or its options is about its own rows: a PluginError, too. What
    the harness's training loop says of them, under a plugin that called it, is about all.

    Args:
        error: What was raised.
        plugins: The plugins that took part, the likeliest first.
    """
    if isinstance(error, PluginError):
        return error
    for plugin in plugins:
        if not _came_through(error, plugin):
            continue
        if isinstance(error, BenchmarkError):
            return PluginError(f"{plugin.name!r}: {error.what}", error.hint)
        return raised_by(plugin, error)
    if isinstance(error, SystemExit) and plugins:  # the benchmark never leaves by itself
        return raised_by(plugins[0], error)
    return error if isinstance(error, BenchmarkError) else None


def _came_through(error: BaseException, plugin: type[Plugin]) -> bool:
    """Whether an error was raised by a plugin, or by what it called but the training loop."""
    is_own = source_test(plugin)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if is_own(path):
            return True
        if path == _LOOP and isinstance(error, BenchmarkError):
            return False
    return False
