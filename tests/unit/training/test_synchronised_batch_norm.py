"""Batch normalisation over ranks beside the plain one on the whole batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.errors import PluginError
from benchmark.training.ranks import ONE_RANK, Ranks
from benchmark.training.synchronised_batch_norm import SynchronisedBatchNorm, synchronise
from tests.on_ranks import on_ranks

COUNT = 5


def model() -> nn.Sequential:
    """Two kinds, one that averages over all batches and one without weights."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.BatchNorm2d(4, momentum=None, affine=False),
        nn.Flatten(),
        nn.BatchNorm1d(4 * 6 * 4),
    ]
    return nn.Sequential(*layers).double()


def trained(ranks: Ranks) -> dict[str, Tensor]:
    """Return gradients of a loss and of its gradient's norm, and the running statistics."""
    network = model()
    synchronise(network, ranks)
    images = torch.rand(COUNT, 3, 8, 6, generator=torch.Generator().manual_seed(1)).double()
    images.requires_grad_(True)
    names = [name for name, _ in network.named_parameters()]
    for _ in range(2):
        values = ranks.shared(list(network.parameters()))
        replaced = dict(zip(names, values, strict=True))
        output = torch.func.functional_call(network, replaced, (ranks.split(images),))
        loss = (ranks.gather(output, COUNT) ** 3).mean()
        gradients = torch.autograd.grad(loss, list(network.parameters()), create_graph=True)
    (loss + sum(one.square().sum() for one in gradients)).backward()
    found = {f"gradient of {n}": p.grad for n, p in network.named_parameters()}
    found |= {"gradient of images": images.grad, "loss": loss.detach()}
    found |= dict(network.state_dict())
    network.eval()
    with torch.no_grad():
        found["in eval mode"] = network(images)
    return {name: value for name, value in found.items() if value is not None}


def test_several_ranks_normalise_as_one() -> None:
    alone = trained(ONE_RANK)
    for found in on_ranks(trained):
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-10, msg=name)


def test_it_holds_the_parameters_and_buffers_of_the_plain_one() -> None:
    network = model()
    before = copy.copy(network.state_dict(keep_vars=True))
    synchronise(network, Ranks(0, 2))
    after = network.state_dict(keep_vars=True)
    assert before.keys() == after.keys()
    assert all(before[key] is after[key] for key in before)
    assert sum(isinstance(one, SynchronisedBatchNorm) for one in network.modules()) == 3


def test_one_rank_keeps_the_plain_one() -> None:
    network = model()
    synchronise(network, ONE_RANK)
    assert not any(isinstance(one, SynchronisedBatchNorm) for one in network.modules())


class Ghost(nn.BatchNorm2d):
    """Normalises in a way of its own."""


@pytest.mark.parametrize(
    ("layer", "reason"), [(Ghost(3), "Ghost cannot be shared"), (nn.Dropout(0.1), "at random")]
)
def test_what_cannot_be_split_is_refused(layer: nn.Module, reason: str) -> None:
    with pytest.raises(PluginError, match=reason) as caught:
        synchronise(nn.Sequential(layer), Ranks(0, 2))
    assert "training.ranks=1" in caught.value.hint
    synchronise(nn.Sequential(layer, nn.Dropout(0.0)), ONE_RANK)
