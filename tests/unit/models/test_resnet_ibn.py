"""ResNet-50-IBN-a: named as in the field's checkpoints, and the differences between its authors."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

from benchmark.models.resnet_ibn import IBN, Layout, resnet50_trunk

LAYOUTS = get_args(Layout)


@cache
def trunk_of(ibn: bool) -> nn.Sequential:
    return resnet50_trunk(ibn).eval()


def test_half_of_the_first_normalisations_is_by_instance() -> None:
    plain, found = (set(trunk_of(ibn).state_dict()) for ibn in (False, True))
    blocks = [f"layer{i}.{j}" for i, n in ((1, 3), (2, 4), (3, 6)) for j in range(n)]
    changed = {key for key in plain if key.split(".bn1.")[0] in blocks and ".bn1." in key}
    assert plain - found == changed
    batch = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert found - plain == {f"{b}.bn1.BN.{key}" for b in blocks for key in batch} | {
        f"{b}.bn1.IN.{key}" for b in blocks for key in ("weight", "bias")
    }
    theirs = {key for key in models.resnet50().state_dict() if not key.startswith("fc.")}
    assert plain == theirs


def test_each_half_is_normalised_in_its_own_way() -> None:
    x = torch.randn(2, 6, 4, 3) * 3 + 1
    found = IBN(6).train()(x)
    torch.testing.assert_close(found[:, :3], nn.functional.instance_norm(x[:, :3]))
    expected = nn.functional.batch_norm(x[:, 3:], None, None, training=True)
    torch.testing.assert_close(found[:, 3:], expected)


def test_size_and_last_stride() -> None:
    trunk = trunk_of(ibn=True)
    with torch.no_grad():
        assert trunk(torch.rand(1, 3, 64, 32)).shape == (1, 2048, 4, 2)
        assert resnet50_trunk(last_stride=2).eval()(torch.rand(1, 3, 64, 32)).shape[2:] == (2, 1)
    assert sum(p.numel() for p in trunk.parameters()) == 23_508_032


def test_the_stems_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """FastReID pools without padding; strong-baseline has no ReLU there, but with IBN."""
    small = models.ResNet(models.resnet.Bottleneck, [1, 1, 1, 1])
    monkeypatch.setattr(models, "resnet50", lambda weights: deepcopy(small))
    images = torch.rand(1, 3, 32, 16)
    with torch.no_grad():
        for ibn in (False, True):
            ours, fast, strong = (resnet50_trunk(ibn, layout=layout).eval() for layout in LAYOUTS)
            plain = ours.bn1(ours.conv1(images))
            torch.testing.assert_close(
                fast[:4](images), F.max_pool2d(plain.relu(), 3, 2, ceil_mode=True)
            )
            pooled = F.max_pool2d(plain.relu() if ibn else plain, 3, 2, padding=1)
            torch.testing.assert_close(strong[:4](images), pooled)
