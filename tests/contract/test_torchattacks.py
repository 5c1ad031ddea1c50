"""Which classes of torchattacks can be mounted on retrieval, which cannot, and why."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from attacks.torchattacks_bridge import TorchattacksBridge
from attacks.torchattacks_classes import class_named, class_names, parameters_of
from benchmark.core.attack_batch import AttackBatch
from benchmark.core.errors import UsageError
from benchmark.core.registry import ATTACKS
from benchmark.metrics.retrieval_logits import class_indices, identity_logits
from tests.tiny_scene import make_attack, tiny

WORKS = "works"

OUTCOMES = {
    "APGD": WORKS,
    "APGDT": WORKS,
    "AutoAttack": WORKS,
    "BIM": WORKS,
    "CW": "it is bounded in L2",
    "DIFGSM": WORKS,
    "DeepFool": "it is bounded in L2",
    "EADEN": "it is bounded in L1 and L2",
    "EADL1": "it is bounded in L1",
    "EOTPGD": WORKS,
    "FAB": WORKS,
    "FFGSM": WORKS,
    "FGSM": WORKS,
    "GN": "it takes no budget",
    "JSMA": "it is bounded in L0",
    "Jitter": WORKS,
    "LGV": "it needs trainloader beside the model",
    "MIFGSM": WORKS,
    "MultiAttack": "it is built from attacks, not from a model",
    "NIFGSM": WORKS,
    "OnePixel": "it is bounded in L0",
    "PGD": WORKS,
    "PGDL2": "it is bounded in L2",
    "PGDRS": WORKS,
    "PGDRSL2": "it is bounded in L2",
    "PIFGSM": WORKS,
    "PIFGSMPP": WORKS,
    "Pixle": "it is bounded in L0",
    "RFGSM": WORKS,
    "SINIFGSM": WORKS,
    "SPSA": WORKS,
    "SparseFool": "it is bounded in L0",
    "Square": WORKS,
    "TIFGSM": WORKS,
    "TPGD": WORKS,
    "UPGD": WORKS,
    "VANILA": "it takes no budget",
    "VMIFGSM": WORKS,
    "VNIFGSM": WORKS,
}
MOUNTED = [name for name, outcome in OUTCOMES.items() if outcome == WORKS]
UNTARGETED = {"APGD", "APGDT", "AutoAttack", "FAB", "PIFGSM", "TPGD"}
"""Classes without a targeted mode; that of FAB asks for the own label, too."""

FEW_STEPS = {"steps": 3, "num_iter_set": 3, "nb_sample": 64, "n_queries": 50}
EPS_255 = 32.0
SCALE = 200.0
ROWS = (0, 2)
"""Images whose Rank-1 is right."""


@functools.cache
def mounted_name(name: str) -> str:
    known = parameters_of(class_named(name))
    return ",".join(
        [f"torchattacks:{name}", "logits=nearest"]
        + [f"{key}={value}" for key, value in FEW_STEPS.items() if key in known]
    )


def losses(images: Tensor, batch: AttackBatch) -> Tensor:
    """Return the cross-entropy of each image on nearest logits."""
    gallery = batch.gallery_guides
    labels = batch.pids, batch.camids
    logits = identity_logits(
        tiny()[0](images), gallery, *labels, "nearest", SCALE, own_rows=batch.gallery_rows
    )
    return F.cross_entropy(logits, class_indices(gallery, batch.pids), reduction="none").detach()


def test_the_table_has_every_class_that_torchattacks_exports() -> None:
    assert class_names() == sorted(OUTCOMES)


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name not in MOUNTED])
def test_what_cannot_be_mounted_says_why(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        ATTACKS.get(f"torchattacks:{name}")
    assert caught.value.what.startswith(f"{name} of torchattacks cannot be mounted: ")
    assert OUTCOMES[name] in caught.value.what
    assert caught.value.hint == f"these can: {', '.join(sorted(MOUNTED))}"


@pytest.mark.parametrize("name", MOUNTED)
def test_it_attacks_and_does_not_depend_on_the_batch(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder, batch = tiny(rows=ROWS)
    state = torch.get_rng_state()
    attack = make_attack(mounted_name(name), EPS_255, scale=SCALE)
    outcome = attack.run(encoder, batch)
    if name == "TPGD":  # it looks at no label: any other identity will do
        assert not torch.equal(outcome.images, batch.images)
    else:
        assert losses(outcome.images, batch).mean() > losses(batch.images, batch).mean()
    alone = attack.run(encoder, batch.rows(torch.tensor([1])))
    torch.testing.assert_close(alone.images[0], outcome.images[1])
    assert outcome.forwards > alone.forwards > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", MOUNTED)
def test_it_impersonates_if_it_has_a_targeted_mode(name: str) -> None:
    encoder, batch = tiny(rows=ROWS)
    attack = make_attack(mounted_name(name), EPS_255, scale=SCALE)
    none = torch.full_like(batch.camids, -1)
    target = replace(batch, pids=torch.tensor([4, 4]), camids=none, direction=-1.0)
    intents = type(attack).intents
    assert ("impersonate" in intents) == (name not in UNTARGETED)
    assert ("rank-down" in intents) == (name != "TPGD")
    if name in UNTARGETED:
        with pytest.raises(UsageError, match="cannot be told to impersonate"):
            attack.run(encoder, target)
    else:
        outcome = attack.run(encoder, target)
        assert losses(outcome.images, target).mean() < losses(batch.images, target).mean()


def test_the_bridge_is_an_attack_of_its_own_registry_name() -> None:
    assert ATTACKS.get("torchattacks") is TorchattacksBridge
