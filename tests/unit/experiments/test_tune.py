"""A search sees held-out training identities and nothing else, and says how much it tried."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.core.errors import UsageError
from benchmark.core.registry import DATASETS
from benchmark.core.seeding import derive_seed
from benchmark.data.held_out import query_and_gallery, split_held_out
from benchmark.evaluation.evaluator import Evaluator
from benchmark.experiments.tune.candidates import read_candidates
from benchmark.experiments.tune.tune import Tune
from benchmark.metrics.embedding import embed_images
from benchmark.metrics.ranking import rank_queries
from benchmark.models.checkpoint import restore_encoder
from benchmark.models.encoder import build_encoder
from benchmark.runner.cells.cell import Cell
from benchmark.runner.journal import Journal
from tests.tiny_scene import CPU

SMALL = {"attack": ["metric-fgsm", "tiny-attack", "random-noise"], "test_dataset": ["none"]}


def candidates(tmp_path, text):
    path = tmp_path / "candidates.yaml"
    path.write_text(text)
    return path


def test_candidates_are_read_in_order_with_their_settings(tmp_path):
    path = candidates(
        tmp_path,
        "as-it-is:\nlight: {defense.weight: 0.5}\nother: {defense: none, training.epochs: 1}\n",
    )
    found = read_candidates(path, ["a", "b"])
    assert [(one.label, one.defense, one.settings) for one in found] == [
        ("a · as-it-is", "a", {}),
        ("b · as-it-is", "b", {}),
        ("a · light", "a", {"defense.weight": 0.5}),
        ("b · light", "b", {"defense.weight": 0.5}),
        ("other", "none", {"training.epochs": 1}),
    ]
    assert read_candidates(path, ["a"])[0].label == "as-it-is"


@pytest.mark.parametrize(
    "text",
    [
        "x: {dataset: synthped-campus}",
        "x: {eps: 1}",
        "x: {attack.steps: 1}",
        "x: {training.held_out: 0.4}",
        "x: {training: {held_out: 0.4}}",
        "x: {seed: 3}",
        "x: 3",
        "",
    ],
)
def test_a_candidate_cannot_change_what_is_compared(tmp_path, text):
    with pytest.raises(UsageError):
        read_candidates(candidates(tmp_path, text), ["none"])


def test_the_test_splits_are_closed_even_to_a_data_set_that_would_tell(
    run_tiny, monkeypatch, tmp_path, tiny_config
):
    """Rendering, listing or naming a test image fails: the search must not come near."""
    tiny_config()  # registers the data set
    dataset = DATASETS.get("tiny")
    names = dataset.names

    def train_only(self, split):
        assert split == "train", f"the search opened {split}"
        return names(self, split)

    monkeypatch.setattr(dataset, "names", train_only)
    done = run_tiny("tune", **SMALL)
    assert done.failures == []
    assert done.document["result"]["split"] == "held-out training identities"
    assert not (tmp_path / "out" / "experiments" / "tune" / "records").exists()
    assert Tune.opens == ("train",)


def test_scores_are_those_of_the_held_out_identities(run_tiny, tmp_path, tiny_config):
    text = "as-it-is:\nlight: {defense.weight: 0.25}\n"
    own = {"candidates": str(candidates(tmp_path, text))}
    done = run_tiny("tune", own, seed=[0, 1], **SMALL)
    result = done.document["result"]
    assert result["number_of_candidates"] == {"tiny-defense": 2}
    assert result["trainings"] == 4
    assert [one["label"] for one in result["candidates"]] == ["as-it-is", "light"]
    figures = {one["label"]: one["figures"] for one in result["candidates"]}
    assert set(figures["light"]) == {"clean", "metric-fgsm", "tiny-attack", "worst", "sum"}
    for one in figures.values():
        attacked = [one[name]["by_seed"]["0"] for name in ("metric-fgsm", "tiny-attack")]
        assert one["worst"]["by_seed"]["0"] <= min(attacked)
        total = one["clean"]["by_seed"]["0"] + one["worst"]["by_seed"]["0"]
        assert one["sum"]["by_seed"]["0"] == pytest.approx(total)
    best = max(figures, key=lambda label: figures[label]["sum"]["mean"])
    assert result["best"]["label"] == best

    # By hand: the published encoder of light at seed 1, the held-out identities, one sign step.
    config = tiny_config()
    labels = {
        line["label"]: line["cell"]
        for line in Journal(config.output / "journal.jsonl").read()
        if line["event"] == "finished"
    }
    trained = [cell for label, cell in labels.items() if label.startswith("tiny-defense · seed 1")]
    folder = config.output / "cells" / trained[-1]
    encoder = restore_encoder(folder, lambda: build_encoder(config.backbone))
    dataset = DATASETS.get("tiny")(
        image_size=config.image_size, cache_dir=config.cache_dir, progress=None
    )
    _, held_out = split_held_out(dataset.split("train"), config.training.held_out)
    query, gallery = query_and_gallery(held_out)
    eps = 8 / 255
    clean = query.tensor(slice(None))
    noise = torch.stack(
        [
            torch.rand(
                3,
                16,
                8,
                generator=torch.Generator().manual_seed(derive_seed(0, "tiny-attack", name)),
            )
            for name in query.names
        ]
    )
    adversarial = (clean + eps * (noise - 0.5).sign()).clamp(0, 1)
    with torch.no_grad():
        embedded = encoder((adversarial * 255).round() / 255)
    gallery_embeddings = embed_images(encoder, gallery, policy=CPU, batch=64, owner="x")
    ranking = rank_queries(
        embedded,
        query.pids,
        query.camids,
        gallery_embeddings,
        gallery.pids,
        gallery.camids,
        gallery_junk=gallery.junk,
        gallery_distractor=gallery.distractor,
    )
    measured = figures["light"]["tiny-attack"]["by_seed"]["1"]
    assert measured == pytest.approx(100 * np.nanmean(ranking.ap), abs=0.5)


def test_a_search_goes_on_where_it_was(run_tiny, tmp_path, monkeypatch):
    first = run_tiny("tune", **SMALL)
    monkeypatch.setattr(Cell, "compute", lambda *_: pytest.fail("a cell was computed again"))
    monkeypatch.setattr(Evaluator, "of", lambda *_: pytest.fail("a score was computed again"))
    assert run_tiny("tune", **SMALL).document == first.document


def test_a_failing_candidate_does_not_stop_the_others(run_tiny, tmp_path):
    text = "good:\nbad: {defense: tiny-broken}\n"
    done = run_tiny("tune", {"candidates": str(candidates(tmp_path, text))}, **SMALL)
    assert [one.what for one in done.failures] == ["tiny-broken · seed 0 · train tiny"]
    rows = done.document["result"]["candidates"]
    assert [bool(row["figures"]) for row in rows] == [True, False]
    assert done.document["result"]["number_of_candidates"] == {"tiny-defense": 1, "tiny-broken": 1}


@pytest.mark.parametrize(
    ("options", "assignments", "told"),
    [
        ({"attack": ["random-noise"]}, (), "needs an attack"),
        ({"eps": [4, 8]}, (), "one budget"),
        ({}, ("training.held_out=0",), "too few held-out training identities"),
    ],
)
def test_a_search_without_a_question_is_refused(run_tiny, options, assignments, told):
    with pytest.raises(UsageError, match=told):
        run_tiny("tune", None, *assignments, **{**SMALL, **options})
