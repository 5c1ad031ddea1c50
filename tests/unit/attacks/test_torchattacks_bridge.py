"""The bridge against a PGD written by hand, and what it owes beyond the attack contract."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torchattacks
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from attacks.torchattacks_bridge import LOGIT_SPREAD, TorchattacksBridge
from attacks.torchattacks_classes import class_names, parameters_of, parse_arguments
from benchmark.core.errors import DataError, UsageError
from benchmark.core.registry import ATTACKS
from benchmark.metrics.retrieval_logits import class_indices, identity_logits
from tests.tiny_scene import image_set, make_attack, scene, tiny, tiny_encoder

EPS_255 = 8.0


def pgd_by_hand(encoder, batch, scale, steps, alpha):
    """Cross-entropy PGD on centroid logits without a random start."""
    gallery, clean, eps = batch.gallery_guides, batch.images, EPS_255 / 255
    label = class_indices(gallery, batch.pids)
    images = clean.clone()
    for _ in range(steps):
        images.requires_grad_(True)
        logits = identity_logits(
            encoder(images), gallery, batch.pids, batch.camids, "centroid", scale
        )
        own = logits.gather(1, label[:, None])[:, 0]
        loss = (logits.logsumexp(1) - own).sum()
        (gradient,) = torch.autograd.grad(loss, images)
        moved = images.detach() + alpha * gradient.sign()
        images = moved.clamp(clean - eps, clean + eps).clamp(0, 1)
    return images


def test_pgd_is_the_pgd_written_by_hand():
    encoder, batch = tiny(double=True)
    name = "torchattacks:PGD,steps=5,alpha=2/255,random_start=false,logits=centroid"
    outcome = make_attack(name, EPS_255, scale=7.0).run(encoder, batch)
    expected = pgd_by_hand(encoder, batch, 7.0, 5, 2 / 255)
    torch.testing.assert_close(outcome.images, expected)
    assert outcome.forwards == outcome.backwards == 5 * len(batch.images)


def test_eps_is_the_budget_also_under_another_name():
    encoder, batch = tiny()
    for name in ("torchattacks:FGSM", "torchattacks:PIFGSM"):
        moved = make_attack(name, 3.0).run(encoder, batch).images - batch.images
        assert float(moved.abs().max()) == pytest.approx(3 / 255, abs=1e-6)
        assert torch.equal(make_attack(name, 0.0).run(encoder, batch).images, batch.images)


def test_random_classes_are_repeatable_and_go_by_the_seed_of_the_image():
    encoder, batch = tiny(rows=(0, 5))
    attack = make_attack("torchattacks:RFGSM,steps=1", EPS_255)
    first = attack.run(encoder, batch).images
    torch.manual_seed(99)
    again = attack.run(encoder, batch.rows(torch.tensor([1, 0]))).images.flip(0)
    torch.testing.assert_close(again, first)
    other = attack.run(encoder, replace(batch, seeds=[7, batch.seeds[1]])).images
    assert not torch.equal(other[0], first[0])
    torch.testing.assert_close(other[1], first[1])


def test_a_seed_that_the_class_takes_is_the_images_unless_given():
    encoder, batch = tiny(rows=(0, 2))
    batch = replace(batch, seeds=[5, 6])
    options = "eot_iter=1,n_restarts=1,steps=1,logits=nearest"
    own = make_attack(f"torchattacks:APGD,{options}", 32.0).run(encoder, batch).images
    fixed = make_attack(f"torchattacks:APGD,{options},seed=5", 32.0).run(encoder, batch).images
    assert torch.equal(own[0], fixed[0])
    assert not torch.equal(own[1], fixed[1])


@settings(max_examples=8)
@given(size=st.sampled_from([(16, 8), (8, 16), (12, 12)]), eps=st.floats(0.1, 200))
def test_classes_that_resize_to_a_square_get_images_of_any_shape(size, eps):
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(size=size), rows=[0])
    seen = []
    encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    name = "torchattacks:DIFGSM,steps=2,diversity_prob=1.0"
    outcome = make_attack(name, eps).run(encoder, batch)
    assert not torch.equal(outcome.images, batch.images)
    assert set(seen) == {torch.Size(size)}


def test_logits_do_not_saturate_even_where_embeddings_lie_far_apart():
    images = image_set(size=(16, 8))
    encoder = tiny_encoder()
    batch = scene(encoder, images)
    far = F.one_hot(batch.gallery_guides.pids).float()
    guides = replace(batch.gallery_guides, embeddings=far)
    batch = replace(batch, gallery_guides=guides, clean=far).rows(torch.tensor([0, 5]))
    seen = []

    class Watched(TorchattacksBridge):
        def _attack(self, model, image):
            seen.append(model.logits(image.clean))
            return super()._attack(model, image)

    Watched.name = "watched"
    config = Watched.Config(attack="FGSM", logits="nearest")
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, far.shape[1]))
    Watched(config, EPS_255).run(encoder, batch)
    for logits in seen:
        assert float(logits.max() - logits.min()) == pytest.approx(LOGIT_SPREAD)


def test_an_image_without_a_match_leaves_its_likeliest_identity():
    encoder, batch = tiny(rows=(0, 5))
    lonely = replace(batch, pids=torch.tensor([77, 2]))
    attack = make_attack("torchattacks:FGSM,logits=nearest", EPS_255)
    outcome = attack.run(encoder, lonely)
    gallery, nobody = batch.gallery_guides, torch.full((1,), 77)

    def logits(image):
        return identity_logits(encoder(image), gallery, nobody, nobody, "nearest", 1.0)[0]

    before, after = logits(batch.images[:1]), logits(outcome.images[:1])
    likeliest = before.argmax()
    assert F.cross_entropy(after, likeliest) > F.cross_entropy(before, likeliest)


def test_zero_gradients_leave_the_clean_image_and_no_nan():
    class Constant(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :4] * 0 + torch.tensor([1.0, 2.0, 0.0, 1.0])

    encoder = Constant()
    _, batch = tiny()
    guides = replace(batch.gallery_guides, embeddings=torch.randn(16, 4))
    batch = replace(batch, gallery_guides=guides, clean=encoder(batch.images))
    outcome = make_attack("torchattacks:MIFGSM,steps=2", EPS_255).run(encoder, batch)
    assert torch.equal(outcome.images, batch.images)


@pytest.mark.parametrize(("name", "identities"), [("FGSM", 1), ("APGDT", 3)])
def test_too_few_identities_are_refused(name, identities):
    encoder = tiny_encoder()
    batch = scene(encoder, image_set(identities=identities, size=(16, 8)), rows=[0, 2])
    attack = make_attack(f"torchattacks:{name},logits=nearest", EPS_255)
    with pytest.raises(DataError, match=f"more identities in the gallery than {identities}"):
        attack.run(encoder, batch)


@pytest.mark.parametrize(
    ("argument", "what", "hint"),
    [
        ("", "'torchattacks' does not say what it takes", "write torchattacks:PGD"),
        ("PDG", "has no attack 'PDG'", "did you mean PGD"),
        ("pgd", "has no attack 'pgd'", "did you mean PGD"),
        ("zzzzzzzz", "has no attack 'zzzzzzzz'", "it has APGD, APGDT"),
        (
            "PGDL2",
            "PGDL2 of torchattacks cannot be mounted: it is bounded in L2",
            "these can: APGD",
        ),
        ("PGD,step=3", "PGD of torchattacks has no argument 'step'", "did you mean steps?"),
        ("PGD,zz=3", "has no argument 'zz'", "it has alpha, steps, random_start"),
        ("PGD,eps=0.1", "PGD: eps is the budget of the run", "--eps"),
        ("PIFGSM,max_epsilon=0.1", "PIFGSM: max_epsilon is the budget", "--eps"),
        ("PGD,steps=many", "PGD: steps = 'many' is not of type int", "correct steps"),
        ("PGD,steps=2.5", "PGD: steps = 2.5 is not of type int", "correct steps"),
        ("PGD,random_start=1", "random_start = 1 is not of type bool", "correct random_start"),
        ("APGD,norm=L2", "APGD: norm L2 is not the benchmark's", "leave norm out"),
        ("PGD,steps", "'steps' is not one key=value", "torchattacks:PGD,steps=20"),
        ("PGD,steps=1,steps=2", "'steps=2' is not one key=value", ""),
        ("PGD,logits=near", "options of 'torchattacks': logits = 'near'", ""),
        ("AutoAttack,version=x", "AutoAttack of torchattacks refuses its arguments: Not valid", ""),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(argument, what, hint):
    with pytest.raises(UsageError) as caught:
        ATTACKS.get(f"torchattacks:{argument}")
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert "\n" not in caught.value.what + caught.value.hint


def test_a_mounted_class_is_a_plugin_of_its_own():
    plugin = ATTACKS.get("torchattacks:PGD,steps=20,logits=nearest")
    assert ATTACKS.get("torchattacks:PGD,steps=20,logits=nearest") is plugin
    assert plugin.name == "torchattacks:PGD,steps=20,logits=nearest"
    assert plugin.summary() == "PGD of torchattacks on identity logits."
    assert plugin.name not in ATTACKS.names()
    assert plugin.behaviour().id == ATTACKS.get("torchattacks").behaviour().id
    config = plugin.parse_config({"options": {"alpha": 0.5}})
    assert config.model_dump() == {
        "attack": "PGD",
        "options": {"steps": 20, "alpha": 0.5},
        "logits": "nearest",
        "scale": None,
    }
    with pytest.raises(UsageError, match="attack = 'BIM'"):
        plugin.parse_config({"attack": "BIM"})
    with pytest.raises(UsageError, match="has no argument 'decay'"):
        plugin.parse_config({"options": {"decay": 1.0}})
    assert plugin.inner_options(3, 2.0) == {"options": {"steps": 3, "alpha": 2 / 255}}
    assert ATTACKS.get("torchattacks:FGSM").inner_options(3, 2.0) == {"options": {}}


def test_values_are_read_as_python_would():
    text = "a=1,b=-0.5,c=1e-3,d=true,e=False,f=none,g=dlr,h=2/255"
    assert parse_arguments(text) == {
        **{"a": 1, "b": -0.5, "c": 1e-3, "d": True, "e": False, "f": None, "g": "dlr"},
        "h": 2 / 255,
    }
    assert type(parse_arguments("a=1")["a"]) is int


def test_logits_is_no_argument_of_any_class():
    for name in class_names():
        assert "logits" not in parameters_of(getattr(torchattacks, name))
