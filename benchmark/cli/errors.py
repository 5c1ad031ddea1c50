"""How an error reaches the user: what went wrong, how to mend it, an exit code; no traceback."""

from __future__ import annotations

import errno
import os
import sys
import traceback

from benchmark.cli.screen import write_json
from benchmark.core.errors import (
    EXIT_DATA,
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    BenchmarkError,
)
from results.errors import RecordError, WriteRefusedError
from results.records.printable import without_controls

TRACEBACK_VARIABLE = "REID_ROBUSTBENCH_TRACEBACK"


class InterruptedRunError(BenchmarkError):
    """The user stopped a run."""

    exit_code = EXIT_INTERRUPTED


def report_error(error: BaseException, *, as_json: bool = False) -> int:
    """Show an error on stderr, and as a JSON document on stdout if asked; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    what, hint, code = describe_error(error)
    if not what:
        return code
    show_error(what, hint, is_stop=code == EXIT_INTERRUPTED)
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    if as_json:
        write_json({"error": {"what": what, "hint": hint, "exit_code": code}})
    return code


def report_unwritten(error: OSError | None, code: int) -> int:
    """Tell why stdout took not everything, and return the exit code of a command that gave `code`.

    A reader that has read enough, as ``head`` has, is no error.
    """
    if error is None or error.errno == errno.EPIPE:
        return code
    show_error(
        f"standard output cannot be written: {error.strerror}",
        "free some space or print elsewhere; what is finished on disk is kept",
    )
    return code or EXIT_ENVIRONMENT


def show_error(what: str, hint: str, *, is_stop: bool = False, grade: str = "error") -> None:
    """Write an error, or a warning, in two lines on stderr; a stop by the user in one."""
    lines = f"{what}\n" if is_stop else f"{grade}: {what}\n" + (f"  → {hint}\n" if hint else "")
    sys.stderr.write(without_controls(lines))
    sys.stderr.flush()


def describe_error(error: BaseException) -> tuple[str, str, int]:
    """Return what went wrong, how to mend it, and the exit code."""
    if isinstance(error, BenchmarkError):
        return error.what, error.hint, error.exit_code
    if isinstance(error, WriteRefusedError):
        return error.what, error.hint, EXIT_ENVIRONMENT
    if isinstance(error, RecordError):
        return error.what, error.hint, EXIT_DATA
    if isinstance(error, OSError) and error.filename is not None:  # a path that a user gave
        return f"{error.filename}: {error.strerror}", "check the path", EXIT_ENVIRONMENT
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return "stopped", "", EXIT_INTERRUPTED
    format_message = getattr(error, "format_message", None)
    if format_message is not None:  # an error of the option parser
        message = str(format_message()).strip()
        return message.rstrip("."), "see the command's --help", EXIT_USAGE
    first = next(iter(str(error).strip().splitlines()), "")
    return (
        f"unexpected {type(error).__name__}: {first}",
        f"please report it; set {TRACEBACK_VARIABLE}=1 to see the traceback",
        1,
    )
