"""The detection protocol: contexts by hand, a fair attacker, and a detector that can be evaded."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark.core.errors import DataError
from benchmark.core.guides import Guides
from benchmark.core.legal_images import round_to_8_bits
from benchmark.core.progress import SILENT_BAR, SilentProgress
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.evaluation.evaluator import Evaluator
from benchmark.experiments.detection.detection_scene import (
    DetectionScene,
    ScoredQueries,
    behind_the_detector,
    mean_ap,
    with_match,
)
from benchmark.experiments.detection.detector import Detector, fit_detector
from benchmark.experiments.detection.evading_attack import Evading, decoys
from benchmark.experiments.detection.retrieval_context import ContextExtractor, largest_k
from benchmark.metrics.ranking import RankingResult
from tests.tiny_scene import CPU, image_set, make_attack, tiny_encoder

K = 3


def unit(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=generator))


@pytest.fixture(scope="module")
def extractor() -> ContextExtractor:
    generator = torch.Generator().manual_seed(0)
    camids = torch.tensor([1, 1, 2, 2, 3, 3, 3, 1])
    return ContextExtractor(
        (unit(generator, 8, 5), unit(generator, 8, 4), unit(generator, 8, 5)), camids, K
    )


def context_by_hand(queries, galleries, camid, camids):
    """Return the context of one query, straight from the definition, with loops."""
    experts = range(len(galleries))
    supports = []
    for m in experts:
        allowed = [g for g in range(len(camids)) if camids[g] != camid]
        ranked = sorted(allowed, key=lambda g, m=m: -float(queries[m] @ galleries[m][g]))
        supports.append(ranked[:K])
    values = [float(queries[m] @ galleries[m][g]) for m in experts for g in supports[m]]
    for m in experts:
        for i, j in itertools.combinations(supports[m], 2):
            values.append(float(galleries[m][i] @ galleries[m][j]))
    for m, n in itertools.combinations(experts, 2):
        a, b = set(supports[m]), set(supports[n])
        values.append(len(a & b) / len(a | b))
    for m, n in itertools.permutations(experts, 2):
        values += [float(queries[n] @ galleries[n][g]) for g in supports[m]]
    return values


def test_the_context_is_the_definition(extractor):
    generator = torch.Generator().manual_seed(1)
    queries = [unit(generator, 6, gallery.shape[1]) for gallery in extractor.galleries]
    camids = torch.tensor([1, 2, 3, 1, 9, 2])
    features = extractor.features(queries, camids)
    assert features.shape == (6, extractor.width)
    for row in range(6):
        expected = context_by_hand(
            [q[row] for q in queries], extractor.galleries, camids[row], extractor.camids
        )
        np.testing.assert_allclose(features[row].numpy(), expected, atol=1e-6)


def test_joined_embeddings_come_apart_again(extractor):
    generator = torch.Generator().manual_seed(2)
    own = [torch.randn(4, g.shape[1], generator=generator) * 7 for g in extractor.galleries]
    for part, raw in zip(extractor.parts(joined_embeddings(own)), own, strict=True):
        torch.testing.assert_close(part, F.normalize(raw))


def test_the_gradient_of_a_context_is_that_of_differences(extractor):
    wide = ContextExtractor(tuple(g.double() for g in extractor.galleries), extractor.camids, K)
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(wide.width, generator=generator).double()
    raw = [torch.randn(2, g.shape[1], generator=generator).double() for g in wide.galleries]
    camids = torch.tensor([1, 2])

    def value(first):
        queries = [F.normalize(one) for one in (first, *raw[1:])]
        return (wide.features(queries, camids) @ weights).sum()

    leaf = raw[0].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    assert torch.autograd.gradcheck(value, (leaf,), eps=1e-7, atol=1e-5)
    assert float(gradient.abs().max()) > 0


def test_support_sets_are_no_larger_than_every_query_allows():
    assert largest_k(torch.tensor([1, 2]), torch.tensor([1, 1, 1, 2])) == 1
    assert largest_k(torch.tensor([3]), torch.tensor([1, 1, 1, 2])) == 4


def separable(shift: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    benign = torch.randn(60, 6, generator=generator)
    attacked = torch.randn(25, 6, generator=generator)
    attacked[:, 0] += shift
    return benign, attacked


def fitted(benign: torch.Tensor, attacked: torch.Tensor, seed: int = 0, steps: int = 100):
    options = {"hidden": 8, "learning_rate": 1e-2, "weight_decay": 1e-2}
    return fit_detector(benign, attacked, steps=steps, seed=seed, **options)


def test_a_detector_learns_what_can_be_told_apart_and_is_repeatable():
    benign, attacked = separable()
    detector = fitted(benign, attacked)
    assert float((detector.logits(benign) < 0).float().mean()) > 0.9
    assert float((detector.logits(attacked) > 0).float().mean()) > 0.9
    torch.manual_seed(123)
    state = torch.get_rng_state()
    again = fitted(benign, attacked)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(again.logits(benign), detector.logits(benign))
    assert not torch.equal(fitted(benign, attacked, 1).logits(benign), detector.logits(benign))


def test_scale_and_offset_of_a_feature_do_not_matter():
    benign, attacked = separable()
    scale, offset = torch.tensor([1, 10, 0.1, 3, 1, 1]), torch.tensor([0, 5, -2, 0, 1, 9])
    moved = fitted(benign * scale + offset, attacked * scale + offset)
    torch.testing.assert_close(
        moved.logits(benign * scale + offset),
        fitted(benign, attacked).logits(benign),
        rtol=1e-2,
        atol=1e-2,
    )


def test_both_kinds_weigh_the_same():
    """Attacked images, each three times, are no more evidence than once."""
    benign, attacked = separable(1.0)
    thrice = fitted(benign, attacked.repeat(3, 1), steps=20)
    # The standardisation sees more of the attacked kind; it is put back to compare the fit alone.
    once = fitted(benign, attacked, steps=20)
    shares = [float(torch.sigmoid(one.logits(benign)).mean()) for one in (once, thrice)]
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


@pytest.fixture(scope="module")
def scene() -> DetectionScene:
    images = image_set(identities=5, cameras=3, per_camera=2, size=(16, 8))
    is_query = np.arange(len(images)) % 2 == 0
    encoders = [tiny_encoder(seed) for seed in (0, 1, 2)]
    return DetectionScene(
        encoders,
        encoders,
        images.subset(is_query),
        images.subset(~is_query),
        policy=CPU,
        batch=7,
        owner="tiny",
    )


def test_an_attack_is_that_of_a_run(scene):
    """The target ranks what the detector is shown as a run's attack cell ranks it."""
    query, gallery, target = scene._query, scene._gallery, tiny_encoder(0)
    attack = make_attack("metric-ifgsm")
    evaluator = Evaluator.of(target, query, gallery, policy=CPU, owner="tiny", batch=7)
    run = evaluator.attacked(attack, 3)
    joined = scene.attacked(make_attack("metric-ifgsm"), 3, SILENT_BAR)
    extractor = scene.extractor(K)
    scored = scene.score(extractor, watchful(extractor), joined)
    np.testing.assert_allclose(scored.ranking.ap, run.ranking.ap, atol=1e-6)
    untouched = scene.score(extractor, watchful(extractor), scene.clean())
    np.testing.assert_allclose(untouched.ranking.ap, evaluator.clean.ranking.ap, atol=1e-6)
    assert mean_ap(scored.ranking) < mean_ap(untouched.ranking)


def watchful(extractor: ContextExtractor, seed: int = 5) -> Detector:
    """Return a detector with random weights, for what does not depend on them."""
    generator = torch.Generator().manual_seed(seed)
    benign = torch.rand(30, extractor.width, generator=generator)
    return fitted(benign, torch.rand(30, extractor.width, generator=generator), steps=5)


def trained(scene: DetectionScene, extractor: ContextExtractor) -> Detector:
    """Return a detector that was fitted on the queries and an attack on them."""
    with SilentProgress().task("", 1) as bar:
        joined = scene.attacked(make_attack("metric-ifgsm"), 0, bar)
    contexts = [scene.features(extractor, one) for one in (scene.clean(), joined)]
    return fitted(*contexts, steps=50)


def evading(
    extractor: ContextExtractor, detector: Detector, eps_255: float = 8.0, **options: object
) -> Evading:
    attack = Evading(Evading.parse_config({"steps": 6, **options}), eps_255)
    attack.extractor, attack.detector = extractor, detector
    return attack


def crafted(scene: DetectionScene, attack: Evading) -> torch.Tensor:
    with SilentProgress().task("", 1) as bar:
        return scene.attacked(attack, 0, bar)


@pytest.mark.parametrize("strategy", ["push", "decoy"])
def test_the_weight_trades_damage_for_calm(scene, strategy):
    extractor = scene.extractor(K)
    detector = trained(scene, extractor)
    loud, calm = (
        scene.score(
            extractor,
            detector,
            crafted(scene, evading(extractor, detector, strategy=strategy, weight=w)),
        )
        for w in (0.0, 100.0)
    )
    clean = scene.score(extractor, detector, scene.clean())
    assert calm.scores.mean() < loud.scores.mean() - 0.5
    assert mean_ap(loud.ranking) < mean_ap(calm.ranking)
    assert mean_ap(loud.ranking) < mean_ap(clean.ranking)


def test_a_decoy_draws_every_expert_to_one_wrong_person(scene):
    extractor = scene.extractor(2)
    attack = evading(extractor, watchful(extractor), strategy="decoy", weight=0)
    gallery = Guides.of(scene._gallery, joined_embeddings(scene._stored), CPU.device)
    pids, camids = (torch.from_numpy(a) for a in (scene._query.pids, scene._query.camids))
    clean = extractor.parts(scene.clean())
    chosen = decoys(gallery, clean, extractor.galleries, pids, camids, extractor.k)
    same = gallery.pids[None] == pids[:, None]
    assert not bool((chosen & same).any())
    assert not bool((chosen & (gallery.camids[None] == camids[:, None])).any())
    for before, after, own in zip(
        clean, extractor.parts(crafted(scene, attack)), extractor.galleries, strict=True
    ):
        means = [torch.stack([own[rows].mean(0) for rows in groups]) for groups in (chosen, same)]
        gains = [(one * (means[0] - means[1])).sum(1) for one in (before, after)]
        assert float(gains[1].mean()) > float(gains[0].mean())


def test_the_adaptive_attacker_stays_in_the_ball_and_is_the_same_in_any_batch(scene):
    extractor = scene.extractor(K)
    detector = watchful(extractor)
    options = {"strategy": "decoy", "weight": 0.1, "steps": 4}
    whole = crafted(scene, evading(extractor, detector, 4.0, **options))
    scene._batch, before = 4, scene._batch
    try:
        torch.testing.assert_close(
            crafted(scene, evading(extractor, detector, 4.0, **options)),
            whole,
            atol=1e-4,
            rtol=1e-4,
        )
    finally:
        scene._batch = before
    # By hand for the first image: the base class voids what leaves the ball; rounding stays in it.
    clean = scene._query.tensor(np.array([0]))
    assert float((round_to_8_bits(clean + 1, clean, 4.0) - clean).abs().max()) <= 4 / 255 + 1e-6
    unmoved = crafted(scene, evading(extractor, detector, 0.0, **options))
    torch.testing.assert_close(unmoved, scene.clean(), atol=1e-5, rtol=1e-5)


def test_decoys_fill_a_support_set_with_what_can_be_retrieved():
    pids, camids = torch.tensor([1, 1, 2, 3, 3, 3]), torch.tensor([1, 1, 1, 1, 1, 2])
    vectors = F.normalize(torch.tensor([[1.0, 0], [1, 0], [0.9, 0.1], [0, 1], [0, 1], [0, 1]]))
    guides = Guides(vectors, pids, camids)

    def found(k: int, *cameras: int) -> list[list[int]]:
        count = len(cameras)
        queries = torch.tensor([[1.0, 0]]).expand(count, 2)
        own = torch.ones(count, dtype=torch.int64)
        mask = decoys(guides, [queries], (vectors,), own, torch.tensor(cameras), k)
        return [row.nonzero().flatten().tolist() for row in mask]

    assert found(1, 3) == [[2]]
    assert found(3, 3) == [[3, 4, 5]]
    assert found(9, 3) == [[2]]  # nobody fills the set: the nearest one
    assert found(2, 2) == [[3, 4]]  # what camera 2 has seen is not retrieved for its queries
    assert found(1, 1) == [[5]]
    assert found(3, 3, 2) == [[3, 4, 5], [2]]  # of each query by itself
    alone = Guides(vectors[:3], pids[:3], camids[:3])
    with pytest.raises(DataError, match="no decoy"):
        decoys(alone, [vectors[:1]], (vectors[:3],), pids[:1], camids[:1], 1)


def ranking(ap: list[float]) -> RankingResult:
    values = np.array(ap)
    rank = np.where(np.isnan(values), 0, 1)
    return RankingResult(values, values, rank)


def test_behind_the_detector_only_what_passes_counts():
    clean = ScoredQueries(np.zeros(4), ranking([0.9, 0.8, 0.7, np.nan]))
    attacked = {
        "loud": ScoredQueries(np.array([5.0, 5, 5, 5]), ranking([0, 0, 0, np.nan])),
        "quiet": ScoredQueries(np.array([-1.0, 2, 1, -1]), ranking([0.5, 0.1, 0.9, np.nan])),
    }
    found = behind_the_detector(clean, attacked, 1.0)
    assert found["map"] == pytest.approx(100 * (0.5 + 0.8 + 0.7) / 3)
    assert found["evaded"] == pytest.approx(100 / 3)
    everything = behind_the_detector(clean, attacked, np.inf)
    assert (everything["map"], everything["evaded"]) == (0, 100)


def test_the_map_of_some_queries():
    one = ranking([0.2, 0.4, np.nan])
    assert mean_ap(one) == pytest.approx(30)
    assert mean_ap(one, np.array([False, True, True])) == pytest.approx(40)
    assert mean_ap(one, np.array([False, False, True])) is None


def test_images_without_a_match_are_left_out():
    images = image_set(identities=3, cameras=2, per_camera=1)
    single = np.array([True, True, True, False, True, True])  # identity 2 in one camera only
    assert with_match(images.subset(single)).pids.tolist() == [1, 1, 3, 3]


def test_the_view_is_what_evading_differentiates(scene):
    """An encoder without gradient is attacked through its view, by all experts."""

    class Flat(torch.nn.Module):
        def __init__(self, plain):
            super().__init__()
            self.plain = plain

        def forward(self, images):
            return self.plain(images.detach())

    encoders = [tiny_encoder(seed) for seed in (0, 1)]
    flat = [Flat(one) for one in encoders]
    options = {"policy": CPU, "batch": 9, "owner": "tiny"}
    sets = scene._query, scene._gallery
    honest = DetectionScene(flat, encoders, *sets, **options)
    extractor = honest.extractor(K)
    attack = evading(extractor, watchful(extractor), weight=0)
    assert not torch.allclose(crafted(honest, attack), honest.clean(), atol=1e-3)
    assert isinstance(honest._views, SurrogateEnsemble)
