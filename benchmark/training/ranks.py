"""The ranks of a training: processes that share the passes of every batch and agree on the rest.

The batch, its labels, what is drawn and the loss are whole and the same on every rank, so that
mining, guides and defenses see what they see on one. Only passes through the model are split: each
rank takes its own rows. Four operators lead from the whole to the own rows and back, each the
gradient of another (as f and g of Shoeybi et al. 2019, arXiv 1909.08053, section 3):

    split    whole batch -> own rows          gradient: gather
    gather   own rows -> whole batch          gradient: split
    shared   one value -> used on own rows    gradient: sum over ranks
    summed   parts -> their sum over ranks    gradient: shared

torch.distributed.nn has gradients for a loss of each rank's own, which would count ours once more
for each rank.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from benchmark.core.defense import Output

T = TypeVar("T", Tensor, Output)

APART = 1e-4
"""Relative difference that is more than rounding: kernels that are not deterministic differ."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of one training.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
    """

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Whether it writes checkpoints, reports progress and selects."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Return this rank's rows of a batch; batches are sorted by identity."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def split(self, batch: Tensor) -> Tensor:
        """Return this rank's rows of a (B, …) batch that all ranks hold."""
        return batch if self.size == 1 else _apply(_Split, batch, self)

    def gather(self, own: Tensor, count: int) -> Tensor:
        """Return the (count, …) rows of all ranks on each of them."""
        return own if self.size == 1 else _apply(_Gather, own, self, count)

    def shared(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return values that all ranks hold, for use on own rows."""
        return tuple(values) if self.size == 1 else _Shared.apply(*values)

    def run(self, model: Callable[[Tensor], T], images: Tensor) -> T:
        """Return what a model gives for (B, 3, H, W) images, each rank passing its own rows."""
        if self.size == 1:
            return model(images)
        return self.gathered(model(self.split(images)), len(images))

    def gathered(self, own: T, count: int) -> T:
        """Return the outputs for `count` images of all ranks."""
        if isinstance(own, Tensor):
            return cast(T, self.gather(own, count))
        parts = (own.features, own.embeddings, own.logits)
        return Output(*(self.gather(part, count) for part in parts))

    def gathering(self, model: nn.Module, count: int) -> nn.Module:
        """Return a model that gives the outputs for `count` images of all ranks for own rows."""
        return model if self.size == 1 else _GatheringModel(model, self, count)

    def parameters_of(
        self, model: nn.Module, state: Mapping[str, Tensor] | None
    ) -> Mapping[str, Tensor] | None:
        """Return the parameters of a model, and `state` in place of some, for use on own rows."""
        if self.size == 1:
            return state
        chosen = {**dict(model.named_parameters()), **(state or {})}
        names = [name for name, value in chosen.items() if value.requires_grad]
        values = self.shared([chosen[name] for name in names]) if names else ()
        return {**chosen, **dict(zip(names, values, strict=True))}

    def total(self, number: int) -> int:
        """Return the sum of a number over the ranks."""
        if self.size == 1:
            return number
        held = torch.tensor(number)  # on the CPU, so that no device is waited for
        dist.all_reduce(held)
        return int(held)

    def agree(self, tensors: Sequence[Tensor]) -> bool:
        """Whether the ranks hold the same tensors but for rounding, by their norms."""
        if self.size == 1:
            return True
        norms = torch.stack([one.detach().double().norm() for one in tensors])
        everybodys = self.gather(norms[None], self.size)
        return bool(torch.isclose(everybodys, norms, rtol=APART).all())


ONE_RANK = Ranks(0, 1)
"""A training in one process."""


class _GatheringModel(nn.Module):
    def __init__(self, model: nn.Module, ranks: Ranks, count: int) -> None:
        super().__init__()
        self.model, self._ranks, self._count = model, ranks, count

    def forward(self, own: Tensor) -> Output:
        output: Output = self.model(own)
        return self._ranks.gathered(output, self._count)


def _apply(function: type[torch.autograd.Function], *arguments: object) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, batch: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks, ctx.count = ranks, len(batch)
        return batch[ranks.share(len(batch))]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _apply(_Gather, gradients[0], ctx.ranks, ctx.count), None


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, ranks: Ranks, count: int) -> Tensor:
        ctx.ranks = ranks
        shares = [Ranks(rank, ranks.size).share(count) for rank in range(ranks.size)]
        lengths = [share.stop - share.start for share in shares]
        sent = own.new_zeros(max(lengths), *own.shape[1:])  # pieces that travel are of one size
        sent[: len(own)] = own
        pieces = [torch.empty_like(sent) for _ in shares]
        dist.all_gather(pieces, sent)
        whole = torch.cat([piece[:n] for piece, n in zip(pieces, lengths, strict=True)])
        if own.ndim == 4 and own.is_contiguous(memory_format=torch.channels_last):
            return whole.contiguous(memory_format=torch.channels_last)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return _apply(_Split, gradients[0], ctx.ranks), None, None


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *values: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)  # what the loss does not use has no gradient, as on one
        return tuple(value.view_as(value) for value in values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        there = [one for one in gradients if one is not None]
        sums = iter(_Summed.apply(*there) if there else ())
        return tuple(None if one is None else next(sums) for one in gradients)


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        flat = torch.cat([part.reshape(-1) for part in parts])  # one message for all of them
        dist.all_reduce(flat)
        sums = torch.split(flat, [part.numel() for part in parts])
        return tuple(s.view(p.shape).to(p.dtype) for s, p in zip(sums, parts, strict=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        there = [one for one in gradients if one is not None]
        shared = iter(_Shared.apply(*there) if there else ())
        return tuple(None if one is None else next(shared) for one in gradients)
