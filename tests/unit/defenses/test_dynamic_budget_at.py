from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attacks.metric_pgd import MetricPGD
from benchmark.core.attack_batch import AttackBatch
from defenses.dynamic_budget_at import budget_share
from tests.tiny_scene import make_defense
from tests.unit.defenses.tiny_step import CONFIG, retrieval_loss, tiny_step, unit_rows

EPS, ALPHA = CONFIG.inner.eps_255, CONFIG.inner.alpha_255


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_radius_grows_with_the_gap_from_low_to_all(
    one: float, other: float, margin: float, low: float
) -> None:
    gaps = torch.tensor([*sorted([one, other]), -margin, 0.0, margin], dtype=torch.float64)
    small, large, least, middle, most = budget_share(gaps, margin, low).tolist()
    assert low - 1e-12 <= small <= large <= 1 + 1e-12
    assert (least, middle, most) == pytest.approx((low, (1 + low) / 2, 1))


@pytest.mark.parametrize("low", [0.25, 1.0])
def test_radius_and_step_follow_the_clean_margin_of_each_image(low: float) -> None:
    step = tiny_step()
    make_defense("dynamic-budget-at", low=low).training_step(step)
    (crafted,) = step.ascents
    unit, labels = unit_rows(step.eval_output(step.images).embeddings), step.labels.numpy()
    expected = []
    for i, own in enumerate(labels):
        gaps = np.linalg.norm(unit - unit[i], axis=1)
        gap = gaps[labels != own].min() - gaps[labels == own].max()
        share = min(1.0, max(0.0, (gap + 0.3) / 0.6))
        expected.append(low + (1 - low) * share)
    if low < 1:
        assert np.ptp(expected) > 0.05
    radii, steps = (crafted.options[key].numpy() for key in ("eps_255", "alpha_255"))
    np.testing.assert_allclose(radii, EPS * np.array(expected), rtol=1e-4)
    np.testing.assert_allclose(steps, ALPHA * np.array(expected), rtol=1e-4)
    reached = (crafted.images - step.images).abs().amax((1, 2, 3)).numpy() * 255
    np.testing.assert_allclose(reached, radii, rtol=1e-3)


def test_the_objective_is_that_of_metric_pgd() -> None:
    step = tiny_step()
    make_defense("dynamic-budget-at").training_step(step)
    (crafted,) = step.ascents
    guides, rows = step.guides(step.images), torch.arange(len(step.images))
    attack = MetricPGD(MetricPGD.Config(), EPS)
    batch = AttackBatch(
        images=step.images,
        pids=step.pids,
        camids=step.camids,
        seeds=[0] * len(rows),
        query_guides=guides,
        gallery_guides=guides,
        query_rows=rows,
        gallery_rows=rows,
        clean=guides.embeddings,
    )
    output = step.eval_output(crafted.images)
    theirs = attack.objective(attack.vectors(output.embeddings), attack.begin(batch))
    torch.testing.assert_close(crafted.objective(output), theirs)


def test_clean_and_adversarial_images_weigh_the_same_in_one_batch() -> None:
    step = tiny_step()
    loss = make_defense("dynamic-budget-at").training_step(step)
    (crafted,), count = step.ascents, len(step.images)
    output = step.trained_output(step.images, crafted.images)
    clean = retrieval_loss(output.rows(slice(None, count)), step.labels)
    attacked = retrieval_loss(output.rows(slice(count, None)), step.labels)
    assert float(loss.detach()) == pytest.approx((clean + attacked) / 2, abs=1e-5)
