"""What went wrong in a cell, told in the user's words: the disk, the memory, or a plugin."""

from __future__ import annotations

import errno
import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.core.errors import BenchmarkError, EnvironmentProblem, PluginError
from benchmark.core.plugin import Plugin

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_FULL_TEXTS = ("No space left on device", "os error 28", "Disk quota exceeded")
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
            "make the folder writable, or choose another one: --output, or for the cache "
            "REID_ROBUSTBENCH_CACHE",
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

    Args:
        error: What was raised.
        plugins: The plugins that took part, the likeliest first.
    """
    cause = error.__cause__ if isinstance(error, PluginError) else error
    if isinstance(error, BenchmarkError) and not isinstance(cause, Exception):
        return error
    for plugin in plugins:
        line = _line_in(cause, plugin) if cause is not None else None
        if line is not None:
            first = str(cause).strip().splitlines()[:1]
            told = f"{type(cause).__name__}: {first[0]}" if first else type(cause).__name__
            return PluginError(
                f"{plugin.name!r} raised {told} ({line})", "mend it; the traceback is in run.log"
            )
    return error if isinstance(error, BenchmarkError) else None


def _line_in(error: BaseException, plugin: type[Plugin]) -> str | None:
    """Return ``file, line N`` of the last frame of an error that is in the source of a plugin."""
    try:
        source = Path(inspect.getfile(plugin)).resolve()
    except (OSError, TypeError):
        return None
    in_package = plugin.__module__.count(".") >= 2
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if path == source or (in_package and path.parent == source.parent):
            return f"{path.name}, line {frame.lineno}"
    return None
