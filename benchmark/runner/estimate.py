"""Predict what a plan costs: image passes times seconds a pass, learned from earlier journals.

Nothing is computed to predict. The size of a network comes from a forward pass on torch's meta
device, which holds no numbers; seconds come from cells of the same kind that ran here before,
else from the stored constants below.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import torch
from torch import nn

from benchmark.config.schema import RunConfig
from benchmark.core.defense import Defense
from benchmark.core.device import DevicePolicy
from benchmark.core.plugin import Plugin
from benchmark.core.registry import BACKBONES
from benchmark.data.layout import Split
from benchmark.models.backbone import BackboneConfig
from benchmark.models.encoder import build_encoder
from benchmark.runner.datasets import RunDatasets

logger = logging.getLogger(__name__)

CPU_FLOPS_PER_CORE = 5e10
"""Multiply-adds times two that one core achieves in forward and backward passes, with AVX2."""
GPU_FLOPS = 1.2e13
"""The same of a current GPU in float32."""
RENDER_CORE_SECONDS_PER_PIXEL = 1.4e-6
"""Rendering of a pedestrian on one core."""


@dataclass(frozen=True)
class Workload:
    """How much work a cell is.

    Attributes:
        key: What is done, without how often; workloads of equal keys cost the same a pass.
        passes: Images that go forward and backward.
    """

    key: str
    passes: float


class NetworkSize(NamedTuple):
    """How large an encoder is."""

    flops: int
    """Floating-point operations of a forward pass of one image."""
    parameters: int
    """How many numbers it learns."""
    dim: int
    """Length of an embedding."""


class CostedWork(Protocol):
    """Work that says how often an image goes through a network."""

    kind: ClassVar[str]

    @property
    def plugins(self) -> tuple[type[Plugin], ...]:
        """Classes of the plugins that take part, the one that counts first."""

    def passes(self, costs: Estimator) -> float:
        """Return about how many images go forward and backward."""


class Estimator:
    """Predicts seconds and bytes of cells before they are computed.

    Args:
        config: The configuration.
        datasets: The data sets; only their file names are read.
        policy: Where it would run.
        threads: Of a worker; None: those of this process.
    """

    def __init__(
        self,
        config: RunConfig,
        datasets: RunDatasets,
        policy: DevicePolicy,
        threads: int | None = None,
    ) -> None:
        self.config, self._datasets, self._policy = config, datasets, policy
        self._threads = threads or torch.get_num_threads()
        self._measured: dict[str, float] = {}
        self._slowdowns: dict[str, float] = {}

    def learn(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take the seconds a pass from the finished cells of a journal."""
        rates: dict[str, list[float]] = defaultdict(list)
        for event in events:
            if event.get("event") == "finished" and event.get("passes"):
                rates[event.get("work", "")].append(event["seconds"] / event["passes"])
        self._measured.update({key: median(values) for key, values in rates.items()})

    def workload(self, cell: CostedWork) -> Workload:
        """Return how much work a cell is."""
        config = self.config
        name = cell.plugins[0].name
        height, width = config.image_size
        parts = (cell.kind, name, config.backbone.name, config.backbone.width, f"{height}x{width}")
        key = ":".join(map(str, (*parts, self._policy.device.type)))
        return Workload(key, cell.passes(self))

    def seconds(self, cell: CostedWork) -> float:
        """Return the predicted seconds of a cell."""
        return self.seconds_of(self.workload(cell))

    def seconds_of(self, work: Workload) -> float:
        """Return the predicted seconds of so much work."""
        rate = self._measured.get(work.key)
        return work.passes * (self._seconds_per_pass if rate is None else rate)

    def render_seconds(self, dataset: str, splits: Iterable[Split]) -> float:
        """Return the predicted seconds until the pixels of splits are in the cache."""
        height, width = self.config.image_size
        pixels = self._images_to_decode(dataset, splits) * height * width
        return pixels * RENDER_CORE_SECONDS_PER_PIXEL / (os.cpu_count() or 1)

    def data_bytes(self, dataset: str, splits: Iterable[Split]) -> int:
        """Return the bytes of pixels that splits of a data set will add to the cache."""
        height, width = self.config.image_size
        return self._images_to_decode(dataset, splits) * height * width * 3

    def images(self, dataset: str, *splits: Split) -> int:
        """Return how many images of splits of a data set are used."""
        return sum(self._datasets.count(dataset, split) for split in splits)

    def slowdown(self, plugin: Defense) -> float:
        """Return what embedding an image costs beside the plain encoder; 1 if it cannot be told."""
        if type(plugin).build_encoder is Defense.build_encoder:
            return 1.0
        key = f"{plugin.name} {plugin.config.model_dump_json()}"
        if key not in self._slowdowns:
            try:
                flops = _network_of(plugin.build_encoder, self._plain, self.config.image_size).flops
            except (Exception, SystemExit) as error:  # it may not run on a device without numbers
                logger.debug("the size of the encoder of %s is not known: %s", key, error)
                flops = self.network.flops
            self._slowdowns[key] = flops / self.network.flops
        return self._slowdowns[key]

    def _images_to_decode(self, name: str, splits: Iterable[Split]) -> int:
        dataset = self._datasets.dataset(name)
        return sum(len(dataset.names(s)) for s in splits if dataset.cache.record(s) is None)

    @property
    def _seconds_per_pass(self) -> float:
        on_gpu = self._policy.device.type == "cuda"
        speed = GPU_FLOPS if on_gpu else CPU_FLOPS_PER_CORE * self._threads
        return 3 * self.network.flops / speed

    @property
    def network(self) -> NetworkSize:
        """Size and cost of the plain encoder."""
        backbone = cast(Hashable, BACKBONES.get(self._plain.name))  # the name may be taken over
        return _plain_network(self._plain, self.config.image_size, backbone)

    @property
    def _plain(self) -> BackboneConfig:
        return self.config.backbone.model_copy(update={"weights": "none"})


@cache
def _plain_network(plain: BackboneConfig, size: tuple[int, int], backbone: Hashable) -> NetworkSize:
    """Return size and cost of the plain encoder of a backbone, which is the one of that name."""
    return _network_of(lambda encoder: encoder(), plain, size)


def _network_of(
    build: Callable[[Callable[[], nn.Module]], nn.Module],
    plain: BackboneConfig,
    size: tuple[int, int],
) -> NetworkSize:
    """Return size and cost of what `build` makes of the plain encoder.

    What it warns of is not shown: weights that it loads go nowhere, and torch warns of each.
    """
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, not always needed

    with (
        warnings.catch_warnings(action="ignore"),
        torch.device("meta"),
        torch.no_grad(),
        FlopCounterMode(display=False) as counter,
    ):
        encoder = build(lambda: build_encoder(plain)).eval()
        embeddings = encoder(torch.empty(1, 3, *size))
    return NetworkSize(
        flops=counter.get_total_flops(),
        parameters=sum(p.numel() for p in encoder.parameters()),
        dim=embeddings.shape[1],
    )
