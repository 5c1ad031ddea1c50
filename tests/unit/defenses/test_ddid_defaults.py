"""The default step of DDID, written out: options that are not given must not move one bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.core.defense import Defense, Output, TrainingStep
from benchmark.core.encoder import evaluating
from benchmark.core.guides import Guides
from benchmark.core.seeding import derive_seed
from benchmark.training.step import Step
from defenses.ddid.defense import DDID
from defenses.ddid.fnes import FnesOptions, extend, mixing_weights, soften
from defenses.ddid.self_meta import self_meta_loss, split_identities
from tests.tiny_scene import fit, make_defense, same_weights

PART_OPTIONS: dict[str, object] = {"balancing": False, "discriminator_hidden": 8}


class WrittenOut(DDID):
    """Phase II with every quantity computed where it is needed, and nothing shared."""

    name = "written-out"

    def training_step(self, step: TrainingStep) -> Tensor:
        assert isinstance(step, Step)
        adversarial = step.attack("metric-pgd", step.images)
        fnes = FnesOptions()
        omega = mixing_weights(len(step.images), fnes, derive_seed(step.seed, "omega"))
        with torch.no_grad(), evaluating(step.model.encoder):
            guides = Guides(step.model.encoder(step.images), step.pids, step.camids)
        unit = F.normalize(guides.embeddings)
        _, far = guides.farthest_negative(unit, step.pids, True)
        targets = soften(step.labels, step.class_of(far), omega, step.num_classes, fnes)
        extended = extend(step.images, adversarial, omega, fnes.gamma)

        def loss_of(rows: Tensor, state: Mapping[str, Tensor] | None) -> Tensor:
            output = step.forward(torch.cat([step.images[rows], extended[rows]]), state)
            clean = output.rows(slice(None, len(rows)))
            attacked = output.rows(slice(len(rows), None))
            labels = step.labels[rows]
            loss = step.output_loss(clean, labels)
            loss = loss + step.output_loss(attacked, labels, targets[rows])
            return 0.5 * loss + self.reversed(step, clean, attacked)

        buffers = {name: value.clone() for name, value in step.model.named_buffers()}
        return self_meta_loss(
            lambda rows, moved: loss_of(rows, moved and {**buffers, **moved}),
            {n: p for n, p in step.model.named_parameters() if p.requires_grad},
            list(step.modules["discriminator"].parameters()),
            split_identities(step.labels, derive_seed(step.seed, "halves")),
            inner_rate=step.learning_rate,
            second_order=self.config.second_order,
        )

    def reversed(self, step: TrainingStep, clean: Output, attacked: Output) -> Tensor:
        both = torch.cat([clean.embeddings, attacked.embeddings])
        both = 1.01 * both.detach() - 0.01 * both
        logits = step.modules["discriminator"](F.normalize(both) * both.shape[1] ** 0.5)
        on_clean, on_attacked = logits.chunk(2)
        return F.softplus(-on_clean).mean() + F.softplus(on_attacked).mean()


@pytest.mark.parametrize("second_order", [False, True])
def test_the_defaults_are_bit_for_bit_the_step_written_out(
    second_order: bool, tmp_path: Path
) -> None:
    options = {**PART_OPTIONS, "second_order": second_order}
    written: Defense = WrittenOut(DDID.parse_config(options))
    ours = fit(make_defense("ddid", **options), tmp_path / "ours")
    theirs = fit(written, tmp_path / "written-out")
    assert ours.history == theirs.history
    assert same_weights(ours.encoder, theirs.encoder)
