"""What a defense carries from step to step and that is no parameter, such as a perturbation."""

from __future__ import annotations

from torch import Tensor, nn


class Carried(nn.Module):
    """Tensors of any shape that survive a resume; return it among `Defense.extra_modules`.

    Attributes:
        tensors: By name. After a resume they lie on the CPU, where checkpoints are read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tensors: dict[str, Tensor] = {}

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return what the checkpoint keeps."""
        return dict(self.tensors)

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Take what the checkpoint kept."""
        self.tensors = dict(state)
