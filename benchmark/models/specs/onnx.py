"""A network as an ONNX file: differentiable through onnx2torch where that agrees with onnxruntime.

Where it does not convert, or gives other embeddings, onnxruntime computes them and the encoder is a
black box.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.core.errors import BenchmarkError, DataError, UsageError
from benchmark.core.fingerprint import sha256_file
from benchmark.models.foreign_weights import check_file_kind, first_line
from benchmark.models.specs.kinds import USUAL, SpecKind

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Of the largest entry, or of 1: what a conversion may differ from onnxruntime."""
TRIED_IMAGES = 3
KNOWN_OPSET = 17
"""Newest version of the operators that the converter knows throughout."""
Reading = Literal["as it is", "translated", "relabelled"]
READINGS: tuple[Reading, ...] = ("as it is", "translated", "relabelled")
"""How a file is given to the converter. Many operators have not changed since that version, so that
another number is enough; what that does is compared with onnxruntime as everything is."""


@contextmanager
def _extra() -> Iterator[None]:
    """Tell whose packages are missing in the body, which imports them."""
    try:
        yield
    except ImportError as error:
        raise UsageError(
            f"ONNX files cannot be used: {error}", "pip install 'reid-robustbench[onnx]'"
        ) from error


class RuntimeNetwork(nn.Module):
    """A network that onnxruntime computes on the CPU; it has no gradient.

    Args:
        path: The ONNX file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors share no class with others
            raise DataError(
                f"{path} is no network that onnxruntime runs: {first_line(error)}",
                "export it again, with a current opset",
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __deepcopy__(self, memo: dict[int, Any]) -> RuntimeNetwork:
        return self  # a session cannot be copied, and holds nothing that changes

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings."""
        given = images.detach().cpu().contiguous().numpy()
        (embeddings,) = self._session.run([self._output], {self._input: given})
        return torch.from_numpy(np.array(embeddings)).to(images.device)

    @property
    def shape(self) -> list[object]:
        """Shape of the images, with names where it is free."""
        return list(self._session.get_inputs()[0].shape)

    @property
    def kinds(self) -> tuple[list[str], int]:
        """Types of the inputs, and how many outputs there are."""
        return [one.type for one in self._session.get_inputs()], len(self._session.get_outputs())


class FixedBatch(nn.Module):
    """A network that takes so many images at once and no other number.

    Args:
        network: The network.
        batch: So many.
    """

    def __init__(self, network: nn.Module, batch: int) -> None:
        super().__init__()
        self.network, self.batch = network, batch

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, D) embeddings; the last batch is filled with its last image."""
        parts = []
        for part in torch.split(images, self.batch):
            missing = self.batch - len(part)
            filled = torch.cat([part, part[-1:].expand(missing, -1, -1, -1)]) if missing else part
            parts.append(self.network(filled)[: len(part)])
        return torch.cat(parts)


@dataclass(frozen=True)
class Opened:
    """What an ONNX file gave.

    Attributes:
        network: Differentiable, or a `RuntimeNetwork`.
        problem: Why it is not differentiable; empty if it is.
        difference: Largest difference of the conversion from onnxruntime; None: not converted.
    """

    network: nn.Module
    problem: str
    difference: float | None


class Onnx(SpecKind):
    """``onnx:FILE``."""

    def check(self, argument: str) -> None:
        """Refuse to go on without the packages; see `SpecKind.check`."""
        with _extra():
            import onnx  # noqa: F401
            import onnx2torch  # noqa: F401
            import onnxruntime  # noqa: F401

    def usual(self, argument: str) -> dict[str, Any]:
        """Return the preprocessing; the size is that of the file, if it is fixed there."""
        path = Path(argument)
        if not path.is_file():
            return dict(USUAL)  # the file itself is asked for later
        height, width = _checked_runtime(path).shape[2:]
        fixed = isinstance(height, int) and isinstance(width, int)
        return dict(USUAL) | ({"size": (height, width)} if fixed else {})

    def build(self, argument: str, size: tuple[int, int], feature: str | None) -> nn.Module:
        """Read and convert the network; see `SpecKind.build`."""
        return deepcopy(_open(Path(argument), size).network)

    def gradient_problem(self, argument: str, size: tuple[int, int]) -> str:
        """Return why onnx2torch does not give the network; empty if it does."""
        return _open(Path(argument), size).problem

    def notes(self, argument: str, size: tuple[int, int]) -> dict[str, object]:
        """Return how the network was made."""
        opened = _open(Path(argument), size)
        if opened.problem:
            return {"onnx": f"onnxruntime, black-box alone: {opened.problem}"}
        return {"onnx": f"onnx2torch, differs from onnxruntime by {opened.difference:.1e} at most"}


def _open(path: Path, size: tuple[int, int]) -> Opened:
    return _opened(path, sha256_file(path), size)


@lru_cache(maxsize=2)
def _opened(path: Path, sha256: str, size: tuple[int, int]) -> Opened:
    """Convert a file, once for its content."""
    warnings.filterwarnings("ignore", module=r"onnx2torch\.")  # torch, on code that is not ours
    runtime = _checked_runtime(path)
    batch = runtime.shape[0]
    reference = FixedBatch(runtime, batch) if isinstance(batch, int) else runtime
    problem, difference = "", None
    for reading in READINGS:
        try:
            converted = _converted(path, reading).eval()
            network = FixedBatch(converted, batch) if isinstance(batch, int) else converted
            problem, difference = _compared(network, reference, size)
        except BenchmarkError:
            raise
        except Exception as error:  # whatever a converter of strangers' graphs meets
            logger.debug("%s, %s: not converted", path, reading, exc_info=error)
            problem = problem or f"onnx2torch: {first_line(error)}"
            continue
        if not problem:
            return Opened(network, "", difference)
    logger.warning(
        "%s: no gradient, so black-box alone: %s; an export with opset_version=%d may have one",
        path.name,
        problem,
        KNOWN_OPSET,
    )
    return Opened(reference, problem, difference)


def _compared(
    network: nn.Module, reference: nn.Module, size: tuple[int, int]
) -> tuple[str, float | None]:
    """Return what is wrong with a conversion, and by how much it differs."""
    images = torch.randn(TRIED_IMAGES, 3, *size, generator=torch.Generator().manual_seed(0))
    expected, found = reference(images), network(images.requires_grad_())
    if found.shape != expected.shape:
        return f"onnx2torch gives {tuple(found.shape)}, onnxruntime {tuple(expected.shape)}", None
    if not found.requires_grad:
        return "its embeddings carry no gradient to the images", None
    difference = float((found.detach() - expected).abs().max())
    if difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        return "", difference
    return f"onnx2torch differs from onnxruntime by {difference:.1e}", difference


def _converted(path: Path, reading: Reading) -> nn.Module:
    import onnx
    import onnx2torch
    from onnx import version_converter

    model = onnx.load(path)
    if reading == "translated":
        model = version_converter.convert_version(model, KNOWN_OPSET)
    elif reading == "relabelled":
        for one in model.opset_import:
            one.version = min(one.version, KNOWN_OPSET)
    _without_identities(model.graph)
    network: nn.Module = onnx2torch.convert(model)
    return network.requires_grad_(False)


def _without_identities(graph: Any) -> None:
    """Take out nodes that pass on what they are given: exporters share equal weights by them.

    The converter looks for weights and finds nodes.
    """
    outputs = {one.name for one in graph.output}
    identities = [node for node in graph.node if node.op_type == "Identity"]
    idle = [node for node in identities if node.output[0] not in outputs]
    source = {node.output[0]: node.input[0] for node in idle}
    for node in idle:
        graph.node.remove(node)
    for node in graph.node:
        for place, name in enumerate(node.input):
            while name in source:
                name = source[name]
            node.input[place] = name


def _checked_runtime(path: Path) -> RuntimeNetwork:
    """Return the network in onnxruntime.

    Raises:
        DataError: The file is none, or takes something else than float images (B, 3, H, W).
    """
    check_file_kind(path)
    runtime = RuntimeNetwork(path)
    (kinds, outputs), shape = runtime.kinds, runtime.shape
    colours = shape[1] if len(shape) == 4 else 0
    if kinds != ["tensor(float)"] or (isinstance(colours, int) and colours != 3):
        raise DataError(
            f"{path.name} takes {', '.join(kinds)} of shape {shape}",
            "export an encoder of float32 images (B, 3, H, W) as its only input",
        )
    if outputs > 1:
        logger.info("%s: the first of its %d outputs is the embedding", path.name, outputs)
    return runtime
