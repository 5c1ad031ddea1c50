"""An output folder while work is done in it: held, logged into, and told of faults."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.core.errors import BenchmarkError
from benchmark.runner.error_translation import machine_problem, machine_problems
from benchmark.runner.logfile import logging_to
from benchmark.runner.output import OutputFolder
from results.errors import RecordError

logger = logging.getLogger(__name__)


class HarnessError(BenchmarkError):
    """A fault of the benchmark itself; its traceback is in the log."""


@contextmanager
def held_output(folder: OutputFolder, work: str = "") -> Iterator[None]:
    """Hold a folder and log into it while the body runs.

    Args:
        folder: The folder, prepared.
        work: What the body does, for the message of a fault.

    Raises:
        EnvironmentProblem: Another run holds the folder, or the machine refuses.
        HarnessError: The body raised what is no error of a user, of data or of a plugin.
    """
    with folder.locked(), machine_problems(folder.path), logging_to(folder.log):
        try:
            yield
        except (BenchmarkError, RecordError) as error:
            logger.debug("stopped: %s", error.what, exc_info=error)
            raise
        except Exception as error:
            logger.debug("stopped by a fault of the benchmark", exc_info=error)
            if machine_problem(error, folder.path):
                raise
            first = next(iter(str(error).strip().splitlines()), "")
            raise HarnessError(
                f"unexpected {type(error).__name__}{work and f' in {work}'}: {first}",
                f"the traceback is in {folder.log}; please report it",
            ) from error
