"""What every experiment has: options, defaults of the run that it wants, and its findings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from benchmark.core.plugin import Plugin, PluginConfig
from benchmark.data.layout import SPLITS, Split
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.findings import Findings


class Experiment(Plugin, ABC):
    """Base of every experiment; an author writes `run`.

    Its `Config` are the options that ``--set experiment.KEY=VALUE`` sets; its `card` says which
    table or figure of which paper it repeats, and what was chosen.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Keys of the run's configuration that neither an option nor the preset need give, such as
    ``defense`` and ``attack``."""
    settings: ClassVar[tuple[str, ...]] = ()
    """``KEY=VALUE`` assignments into the run's configuration that go before the user's own."""
    opens: ClassVar[tuple[Split, ...]] = SPLITS
    """Splits that it is given; it cannot read any other."""

    def __init__(self, config: PluginConfig) -> None:
        self.config = config

    @abstractmethod
    def run(self, context: ExperimentContext) -> Findings:
        """Return what was found; everything slow goes through `context`, which remembers it.

        Raises:
            BenchmarkError: A user's mistake, or nothing could be computed.
        """
