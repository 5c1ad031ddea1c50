"""What a plugin raised, told in one line: the error, and where in the plugin's own files it was."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from benchmark.core.errors import BenchmarkError, PluginError
from benchmark.core.plugin import Plugin

HINT = "mend it; the traceback is in run.log"
NO_EXIT = "call neither sys.exit nor argparse there: a script's own part belongs under __main__"

_TOLD = 200
"""Characters of an error's first line that are shown."""
_ENGINE = "_engine_run_backward"


def told(error: BaseException) -> str:
    """Return the type and the first line of an error."""
    first = next(iter(str(error).strip().splitlines()), "")[:_TOLD]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def raised_by(plugin: type[Plugin], error: BaseException) -> PluginError:
    """Return the error of a plugin that raised, with its line if its own files were passed."""
    what = f"{plugin.name!r} raised {told(error)}{line_in(error, plugin)}"
    return PluginError(what, hint_of(error))


@contextmanager
def plugin_faults(plugin: type[Plugin]) -> Iterator[None]:
    """Turn what a plugin raises in the body, and is no error of the benchmark, into its own."""
    try:
        yield
    except BenchmarkError:
        raise
    except (Exception, SystemExit) as error:
        raise raised_by(plugin, error) from error


def hint_of(error: BaseException) -> str:
    """Return how to mend what raised an error."""
    return NO_EXIT if isinstance(error, SystemExit) else HINT


def line_in(error: BaseException, plugin: type[Plugin]) -> str:
    """Return `` (file, line N)`` of the last line of a plugin that an error came through."""
    return _last(error, source_test(plugin))


def line_outside_torch(error: BaseException) -> str:
    """Return `` (file, line N)`` of the last line that an error came through outside of torch."""
    torch = find_spec("torch")
    library = Path(str(torch and torch.origin)).resolve().parent
    caller = Path(__file__).resolve().with_name("encoder.py")
    return _last(error, lambda path: path != caller and library not in path.parents)


def source_test(plugin: type[Plugin]) -> Callable[[Path], bool]:
    """Return what tells whether a file is a plugin's own, or one of a plugin that it is made of."""
    files: set[Path] = set()
    folders: set[Path] = set()
    for base in plugin.__mro__:
        if not issubclass(base, Plugin) or base.__module__.startswith("benchmark.core."):
            continue
        try:
            path = Path(inspect.getfile(base)).resolve()
        except (OSError, TypeError):
            continue
        files.add(path)
        if base.__module__.count(".") >= 2 and not base.__module__.startswith("benchmark."):
            folders.add(path.parent)
    return lambda path: path in files or path.parent in folders


def in_backward(error: BaseException) -> bool:
    """Whether autograd was going backward when an error was raised."""
    return any(frame.name == _ENGINE for frame in traceback.extract_tb(error.__traceback__))


def _last(error: BaseException, wanted: Callable[[Path], bool]) -> str:
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename).resolve()
        if wanted(path):
            return f" ({path.name}, line {frame.lineno})"
    return ""
