"""What went wrong in a cell, told in the user's words: the disk, the memory, or a plugin."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.core.errors import BenchmarkError, EnvironmentProblem, PluginError
from benchmark.core.plugin import Plugin
from benchmark.core.plugin_errors import raised_by, source_test

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded")
_LOOP = Path(__file__).resolve().parents[1] / "training" / "loop.py"
_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "not enough memory")


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors that caused it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that the disk is full."""
    return any(
        (isinstance(one, OSError) and one.errno in _FULL)
        or any(text in str(one) for text in _FULL_TEXTS)
        for one in chain(error)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error, or one behind it, says that memory ran out."""
    return any(
        isinstance(one, MemoryError)
        or (isinstance(one, RuntimeError) and any(t in str(one).lower() for t in _MEMORY_TEXTS))
        for one in chain(error)
    )


def machine_problem(error: BaseException, folder: Path) -> EnvironmentProblem | None:
    """Return what the machine refused, or None if the machine is not to blame.

    Args:
        error: What was raised.
        folder: Where the run writes.
    """
    if isinstance(error, EnvironmentProblem):
        return error
    if is_disk_full(error):
        return EnvironmentProblem(
            f"no space left on the disk of {folder}",
            "free some space and run the same command again; what is finished is kept",
        )
    if is_out_of_memory(error):
        told = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        on_gpu = any("cuda" in str(one).lower() for one in chain(error))
        return EnvironmentProblem(
            f"out of memory: {told}",
            "lower training.images or training.identities if it was a training, evaluation.batch "
            f"if not, or image_size{', or use --device cpu' if on_gpu else ''}",
        )
    if isinstance(error, OSError) and error.errno in _REFUSED:
        return EnvironmentProblem(
            f"cannot write to {error.filename or folder}: {error.strerror}",
            "make the folder writable, or choose another one with --output or --cache-dir",
        )
    return None


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
