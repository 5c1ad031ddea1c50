"""Self-meta learning: a step on some identities must help on the others (Zhou et al., AAAI 2026).

    theta' = theta - alpha grad L_mtr(theta)
    L = L_mtr(theta) + L_mte(theta')

The batch is split by identity, so the two halves share none. First order drops the derivative of
the inner gradient (Finn et al., ICML 2017, section 5.2); second order keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

LossOf = Callable[[Tensor, Mapping[str, Tensor] | None], Tensor]


def split_identities(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Split the rows of a batch into two halves that share no identity.

    Args:
        labels: (B,) classes, at least two different ones.
        seed: Seed of the choice.

    Returns:
        Row indices of the meta-train and of the meta-test half.
    """
    classes = torch.unique(labels.cpu())
    generator = torch.Generator().manual_seed(seed)
    order = classes[torch.randperm(len(classes), generator=generator)]
    first = torch.isin(labels.cpu(), order[: len(order) // 2]).to(labels.device)
    return torch.nonzero(first).squeeze(1), torch.nonzero(~first).squeeze(1)


def self_meta_loss(
    loss_of: LossOf,
    adapted: Mapping[str, Tensor],
    fixed: Sequence[Tensor],
    halves: tuple[Tensor, Tensor],
    *,
    inner_rate: float,
    second_order: bool,
) -> Tensor:
    """Return (L_mtr + L_mte) / 2 with the gradient of self-meta learning.

    The factor 1/2 keeps the scale of a plain batch mean, so weight decay and clipping weigh the
    same as in the baseline.

    In first order the gradient of L_mtr is computed once, for the inner step, and enters the
    result as a linear term, which saves a second backward pass.

    Args:
        loss_of: Loss of some rows under replaced parameters; None: the current ones.
        adapted: Parameters that the inner step moves, by name.
        fixed: Further trained parameters that it does not move.
        halves: Rows of meta-train and meta-test.
        inner_rate: alpha.
        second_order: Differentiate through the inner gradient.
    """
    meta_train, meta_test = halves
    train_loss = loss_of(meta_train, None)
    every = [*adapted.values(), *fixed]
    gradients = torch.autograd.grad(
        train_loss, every, create_graph=second_order, materialize_grads=True
    )
    moved = {
        name: parameter - inner_rate * gradient
        for (name, parameter), gradient in zip(adapted.items(), gradients, strict=False)
    }
    test_loss = loss_of(meta_test, moved)
    if second_order:
        return 0.5 * (train_loss + test_loss)
    linear = sum(
        (gradient * (parameter - parameter.detach())).sum()
        for parameter, gradient in zip(every, gradients, strict=True)
    )
    return 0.5 * (train_loss.detach() + linear + test_loss)
