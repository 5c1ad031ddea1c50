"""Batch normalisation over the rows of all ranks (Ioffe and Szegedy, ICML 2015).

    mean = sum_r w_r mean_r,   var = sum_r w_r (var_r + (mean_r - mean)^2),   w_r = n_r / sum n

Ranks exchange the statistics of their own rows, with a gradient. torch's SyncBatchNorm computes the
same, but needs a GPU and cannot be differentiated twice, as second-order meta steps do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from benchmark.core.errors import PluginError
from benchmark.training.ranks import Ranks

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ONE = "set training.ranks=1, or choose another backbone"


class SynchronisedBatchNorm(_BatchNorm):
    """Stands in for a plain one, with its parameters and buffers; in eval mode it is one.

    Args:
        plain: What it stands in for.
        ranks: Whose rows are one batch.
    """

    def __init__(self, plain: _BatchNorm, ranks: Ranks) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine)
        self.track_running_stats, self.training = plain.track_running_stats, plain.training
        self._parameters, self._buffers = plain._parameters, plain._buffers
        self._ranks = ranks

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, C, …) values, normalised by channel over the rows of all ranks."""
        if not self.training:
            return super().forward(input)
        mean, variance, count = self._statistics(input)
        self._remember(mean.detach(), variance.detach(), count)
        scale = torch.rsqrt(variance + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        shape = (1, -1, *[1] * (input.ndim - 2))
        return torch.addcmul(shift.view(shape), input, scale.view(shape)).to(input.dtype)

    def _statistics(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean (C,), biased variance (C,) and number of values of a channel, over ranks."""
        over = [axis for axis in range(rows.ndim) if axis != 1]
        precise = rows.float() if rows.dtype in (torch.bfloat16, torch.float16) else rows
        variance, mean = torch.var_mean(precise, over, correction=0)
        values = mean.new_full((1,), rows.numel() // rows.shape[1])
        own = torch.cat([mean, variance, values])[None]
        (every,) = self._ranks.shared([self._ranks.gather(own, self._ranks.size)])
        means, variances, counts = torch.split(every, [len(mean), len(mean), 1], 1)
        count = counts.sum().detach()
        weights = counts.detach() / count
        mean = (weights * means).sum(0)
        variance = (weights * (variances + (means - mean).square())).sum(0)
        return mean, variance, count

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
        self.running_mean.add_(share * (mean - self.running_mean))
        self.running_var.add_(share * (variance * (count / (count - 1)) - self.running_var))

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any; the plain one was made for what it is given."""


def synchronise(model: nn.Module, ranks: Ranks) -> None:
    """Let every batch normalisation of a model see the rows of all ranks.

    Raises:
        PluginError: A part of the model would compute something else on several ranks.
    """
    if ranks.size == 1:
        return
    for module in model.modules():
        kind = type(module).__name__
        if isinstance(module, _BatchNorm) and type(module) not in PLAIN:
            raise PluginError(f"the statistics of a {kind} cannot be shared by several ranks", ONE)
        chance = module.p if isinstance(module, _DropoutNd) else getattr(module, "drop_prob", 0)
        if chance:
            raise PluginError(
                f"a {kind} of the encoder draws at random in training, on each rank for itself", ONE
            )
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, SynchronisedBatchNorm(child, ranks))
