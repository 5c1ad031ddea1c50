"""What ranks exchange, and that its gradients are those of one process, once and twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark.core.errors import UsageError
from benchmark.training.ranks import ONE_RANK, Ranks
from tests.on_ranks import on_ranks

COUNT = 7  # uneven: 3 rows and 4


def numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)).double()


def network(ranks: Ranks) -> dict[str, Tensor]:
    """A layer on own rows, a loss over all pairs of the batch, a step on it and the loss there."""
    batch = numbers(COUNT, 3).requires_grad_(True)
    weight = (numbers(4, 3) + 1).requires_grad_(True)
    unused = numbers(2).requires_grad_(True)

    def loss_at(value: Tensor) -> Tensor:
        own, _ = ranks.shared([value, unused])
        hidden = ranks.gather(torch.tanh(ranks.split(batch) @ own.T), COUNT)
        return torch.cdist(hidden + 1, hidden).square().mean()

    loss = loss_at(weight)
    gradient, none = torch.autograd.grad(
        loss, [weight, unused], create_graph=True, allow_unused=True
    )
    assert none is None
    after = loss_at(weight - 0.1 * gradient)
    after.backward()
    assert batch.grad is not None
    assert weight.grad is not None
    return {
        "loss": loss.detach(),
        "gradient": gradient.detach(),
        "after": after.detach(),
        "of the batch": batch.grad,
        "of the weight": weight.grad,
    }


def test_several_ranks_give_losses_and_gradients_of_one() -> None:
    alone = network(ONE_RANK)
    for found in on_ranks(network):
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-13)


def totals(ranks: Ranks) -> tuple[int, bool, bool]:
    same, other = torch.ones(3), torch.ones(3) * (1 + 1e-3 * ranks.rank)
    return ranks.total(ranks.rank + 1), ranks.agree([same, same]), ranks.agree([same, other])


def test_numbers_are_added_and_weights_compared() -> None:
    assert on_ranks(totals) == [(3, True, False)] * 2
    assert totals(ONE_RANK) == (1, True, True)


def layout(ranks: Ranks) -> tuple[Tensor, bool]:
    images = torch.arange(2 * 3 * 4 * 2.0).view(2, 3, 4, 2).to(memory_format=torch.channels_last)
    whole = ranks.gather(ranks.split(images), 2)
    return whole, whole.is_contiguous(memory_format=torch.channels_last)


def test_images_keep_their_layout() -> None:
    expected, _ = layout(ONE_RANK)
    for whole, is_kept in on_ranks(layout):
        assert is_kept
        assert torch.equal(whole, expected)


@pytest.mark.parametrize(("count", "size"), [(8, 2), (7, 3), (5, 4)])
def test_the_shares_are_the_batch(count: int, size: int) -> None:
    rows = list(range(count))
    shares = [rows[Ranks(rank, size).share(count)] for rank in range(size)]
    assert [row for share in shares for row in share] == rows
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_no_rank_goes_without_rows() -> None:
    with pytest.raises(UsageError, match="3 images at once cannot be shared by 4 ranks"):
        Ranks(0, 4).share(3)


def test_one_rank_passes_everything_on_as_it_is() -> None:
    batch = numbers(3, 2)
    assert ONE_RANK.split(batch) is batch
    assert ONE_RANK.gather(batch, 3) is batch
    assert ONE_RANK.shared([batch]) == (batch,)
    assert ONE_RANK.run(lambda images: images, batch) is batch
    assert ONE_RANK.parameters_of(torch.nn.Linear(2, 2), None) is None
