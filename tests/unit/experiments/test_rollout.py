"""Attention roll-out against its definition, and the networks that it and Grad-CAM are for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import PluginError
from benchmark.experiments.attention.saliency import saliency
from benchmark.models.encoder import ReIDEncoder
from benchmark.models.osnet import osnet
from benchmark.models.timm_vit import attention_layers, timm_vit

IMAGES = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def encoder_of(**options: object) -> ReIDEncoder:
    torch.manual_seed(0)
    tiny = {"depth": 3, "embed_dim": 24, "num_heads": 2}
    network = timm_vit("vit_tiny_patch16_224", **{**tiny, **options})
    for layer in attention_layers(network):
        nn.init.normal_(layer.qkv.weight, std=0.3)  # type: ignore[union-attr, arg-type]
    return ReIDEncoder(network, 24).eval()


def maps_of(encoder: nn.Module, images: Tensor = IMAGES) -> Tensor:
    return saliency(encoder, images, torch.ones(len(images), 24), "x")


def by_hand(network: nn.Module, images: Tensor) -> Tensor:
    """Return (B, N, N): each token's share of each patch, block by block (Abnar & Zuidema)."""
    inputs: list[Tensor] = []
    layers = attention_layers(network)
    hooks = [one.register_forward_pre_hook(lambda _, x: inputs.append(x[0])) for one in layers]
    network(images)
    for hook in hooks:
        hook.remove()
    flow = torch.eye(inputs[0].shape[1]).expand(len(images), -1, -1)
    for layer, x in zip(layers, inputs, strict=True):
        q, k, _ = layer.qkv(x).chunk(3, dim=-1)  # type: ignore[operator]
        heads = [
            (q[..., part] @ k[..., part].transpose(1, 2) / 12**0.5).softmax(-1)
            for part in (slice(0, 12), slice(12, 24))
        ]
        flow = (0.5 * (heads[0] + heads[1]) / 2 + 0.5 * torch.eye(x.shape[1])) @ flow
    return flow


@pytest.mark.parametrize("pooled", ["token", "avg"])
def test_it_is_the_product_of_attention_with_the_way_around_it(pooled: str) -> None:
    encoder = encoder_of(global_pool=pooled)
    found = maps_of(encoder)
    with torch.no_grad():
        flow = by_hand(encoder.trunk, (IMAGES - encoder.mean) / encoder.std)
    torch.testing.assert_close(flow.sum(-1), torch.ones(2, 9))
    rows = flow[:, 0] if pooled == "token" else flow.mean(1)
    expected = F.interpolate(rows[:, 1:].reshape(2, 1, 4, 2), size=(64, 32), mode="bilinear")
    torch.testing.assert_close(found, expected[:, 0])
    assert float(found.std()) > 1e-3


def test_patches_that_reach_beyond_the_image_are_cut() -> None:
    found = maps_of(encoder_of(), IMAGES[:, :, :50, :20])
    padded = F.pad((IMAGES[:, :, :50, :20] - encoder_of().mean) / encoder_of().std, (0, 12, 0, 14))
    with torch.no_grad():
        rows = by_hand(encoder_of().trunk, padded)[:, 0, 1:].reshape(2, 1, 4, 2)
    whole = F.interpolate(rows, size=(64, 32), mode="bilinear")
    torch.testing.assert_close(found, whole[:, 0, :50, :20])


def test_the_encoder_is_left_as_it_was() -> None:
    encoder = encoder_of()
    layers = attention_layers(encoder)
    layers[0].fused_attn = True  # type: ignore[assignment]
    before = encoder(IMAGES)
    first = maps_of(encoder)
    assert [layer.fused_attn for layer in layers] == [True, False, False]
    torch.testing.assert_close(encoder(IMAGES), before, rtol=0, atol=0)
    torch.testing.assert_close(maps_of(encoder), first, rtol=0, atol=0)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in encoder.modules())


class Resized(nn.Module):
    """Embeds images at another size, and perhaps twice."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.inner, self.passes = encoder_of(), passes

    def forward(self, images: Tensor) -> Tensor:
        larger = F.interpolate(images, size=(128, 64), mode="bilinear")
        return torch.stack([self.inner(larger) for _ in range(self.passes)]).mean(0)


def test_wrapped_encoders_are_looked_into_and_several_passes_refused() -> None:
    found = maps_of(Resized(1))
    larger = F.interpolate(IMAGES, size=(128, 64), mode="bilinear")
    inner = maps_of(encoder_of(), larger)
    expected = F.interpolate(inner[:, None], size=(64, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found, expected)
    with pytest.raises(PluginError, match="one pass of global attention"):
        maps_of(Resized(2))


def test_a_network_that_pools_by_itself_is_explained_at_its_last_map() -> None:
    torch.manual_seed(0)
    network = osnet("osnet_x0_25").eval()
    encoder = ReIDEncoder(network, 512).eval()
    reference = torch.randn(2, 512)
    found = saliency(encoder, IMAGES, reference, "x")
    with torch.no_grad():
        features = network[: list(dict(network.named_children())).index("pool")](
            (IMAGES - encoder.mean) / encoder.std
        )
    leaf = features.requires_grad_(True)
    embedding = encoder.neck(network.fc(leaf.mean((2, 3))))
    (gradient,) = torch.autograd.grad(F.cosine_similarity(embedding, reference).sum(), leaf)
    small = F.relu((gradient.mean((2, 3), keepdim=True) * leaf.detach()).sum(1, keepdim=True))
    expected = F.interpolate(small, size=(64, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(found, expected)
    assert float(found.max()) > 0
