"""The section ``encoder`` of a run: which network, which weights, what stands before it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from benchmark.core.errors import UsageError, unknown_name
from benchmark.core.plugin import PluginConfig

KINDS = {
    "torchreid": "benchmark.models.specs.torchreid:Torchreid",
    "torchvision": "benchmark.models.specs.torchvision:Torchvision",
    "timm": "benchmark.models.specs.timm:Timm",
    "fastreid": "benchmark.models.specs.bag_of_tricks:FastReID",
    "strong-baseline": "benchmark.models.specs.bag_of_tricks:StrongBaseline",
    "torchscript": "benchmark.models.specs.torchscript:TorchScript",
    "onnx": "benchmark.models.specs.onnx:Onnx",
}
"""What may stand before the colon of a spec, and the class that knows it."""
FILE_KINDS = ("torchscript", "onnx")
"""Kinds whose argument is the file that holds the network."""

Resize = Literal["bilinear", "bicubic", "nearest"]
Channels = Literal["rgb", "bgr"]
Range = Literal["0-1", "0-255"]
Feature = Literal["before", "after"]
Side = Annotated[int, Field(ge=8, le=2048)]
Triple = tuple[float, float, float]
Positive = Annotated[float, Field(gt=0)]


def split_spec(spec: str) -> tuple[str, str]:
    """Return kind and argument of a spec.

    Raises:
        UsageError: It has another form, or nobody knows the kind.
    """
    kind, colon, argument = spec.partition(":")
    if kind not in KINDS and colon:
        raise unknown_name("kind of encoder", kind, KINDS)
    if not argument.strip():
        known = ", ".join(f"{one}:{'FILE' if one in FILE_KINDS else 'NAME'}" for one in KINDS)
        raise UsageError(f"the encoder {spec!r} is no KIND:NAME", f"give one of {known}")
    return kind, argument


def _as_path(value: object) -> object:
    """Make a path absolute from the start: a module that changes the folder moves nothing."""
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


class EncoderConfig(PluginConfig):
    """An encoder by its spec; what is unset is as the project of that spec has it."""

    spec: str
    """KIND:NAME, such as torchreid:osnet_x0_25; or KIND:FILE for torchscript and onnx."""
    weights: Annotated[Path, BeforeValidator(_as_path)] | None = None
    """Weights, as .safetensors or a checkpoint of torch.save; unset: random ones."""
    size: tuple[Side, Side] | None = None
    """Height and width that the network is given."""
    resize: Resize | None = None
    """Filter that brings images to that size; downward it smooths first, as Pillow does."""
    mean: Triple | None = None
    """Subtracted from the three channels, in the order and the range that the network is given."""
    std: tuple[Positive, Positive, Positive] | None = None
    """What the channels are then divided by."""
    channels: Channels | None = None
    """Order of the colours that the network is given."""
    range: Range | None = None
    """Range of the pixels before the mean is subtracted."""
    feature: Feature | None = None
    """Ranked feature, before or after the BNNeck, for networks that have one."""
    flip: bool | None = None
    """Average the embeddings of an image and of its mirror image."""

    @field_validator("spec")
    @classmethod
    def _has_a_known_kind(cls, spec: str) -> str:
        split_spec(spec.strip())
        return spec.strip()

    @property
    def kind(self) -> str:
        """What stands before the colon."""
        return split_spec(self.spec)[0]

    @property
    def argument(self) -> str:
        """What stands behind the colon."""
        return split_spec(self.spec)[1]
