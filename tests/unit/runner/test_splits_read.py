"""A split is asked for and decoded where a cell reads its images, and nowhere else."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from benchmark.core.errors import DataError
from benchmark.core.progress import SilentProgress
from benchmark.data.layout import FOLDERS
from benchmark.runner.cells.cell import Cell
from benchmark.runner.choice import choose
from benchmark.runner.plan import make_plan
from benchmark.runner.preview import preview
from benchmark.runner.run import run_benchmark
from results.board.make_boards import make_boards
from tests.tiny_scene import image_set

FACTORY = {"pretrained": {"factory": "tests.plugins.factories:good"}}


@pytest.fixture
def test_only(tmp_path):
    """A folder of queries and a gallery, without training images."""
    images = image_set(identities=4, per_camera=3, size=(16, 8))
    for row, name in enumerate(images.names):
        folder = tmp_path / "data" / FOLDERS["query" if row % 3 == 0 else "gallery"]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images[row]).save(folder / name.replace(".jpg", ".png"))
    return tmp_path / "data"


def config_of(tiny_config, root, **options):
    given = {"dataset": "market1501", "data_root": root, "defense_config": FACTORY, **options}
    return tiny_config(**{"attack": ["metric-fgsm"], "defense": ["pretrained"], **given})


def test_an_encoder_that_exists_is_measured_without_training_images(tiny_config, test_only):
    config = config_of(tiny_config, test_only)
    shown = preview(config)
    assert shown.missing == []
    assert shown.cells[0].seconds == 0
    ((record, _),) = run_benchmark(config, SilentProgress()).records
    assert record.attacks[0].map <= record.clean.map
    assert (record.training.epochs, record.training.images) == (0, 0)
    assert record.training.label_agreement is None
    assert record.backbone == FACTORY["pretrained"]["factory"], "the run's backbone is not built"
    assert record.training.recipe == {}
    ((row,),) = (board.rows for board in make_boards([record]))
    assert not row.is_thin, "more seeds would give the same encoder"


def test_it_does_not_depend_on_what_the_run_trains_others_with(tiny_config, test_only):
    def fingerprints(**options):
        config = config_of(tiny_config, test_only, **options)
        plan = make_plan(config, choose(config), {"market1501": "a" * 64})
        return [cell.fingerprint for cell in plan.cells]

    others = [
        {"backbone": {"name": "resnet18"}},
        {"training": {"epochs": 7, "inner": {"eps_255": 3.0, "attack": "sma"}}},
    ]
    assert all(fingerprints(**options) == fingerprints() for options in others)
    assert fingerprints(image_size=(32, 16)) != fingerprints()


def test_a_gallery_of_one_identity_is_flagged(tiny_config, test_only):
    for path in test_only.rglob("*.png"):
        if not path.name.startswith("0001"):
            path.unlink()
    config = config_of(tiny_config, test_only, attack=["metric-pgd", "fna"])
    ((record, _),) = run_benchmark(config, SilentProgress()).records
    assert record.worst_case.map == 100
    (flag,) = record.flags
    assert flag.id == "nothing-to-rank"
    assert flag.message.startswith("2 of 2 queries have no wrong image")
    with pytest.raises(DataError, match="no target"):
        run_benchmark(
            config_of(tiny_config, test_only, scenario={"intent": "impersonate"}), SilentProgress()
        )


def test_its_training_images_are_not_decoded_where_there_are_some(tiny_config, test_only):
    train = test_only / FOLDERS["train"]
    shutil.copytree(test_only / FOLDERS["query"], train)
    for path in train.iterdir():
        path.write_bytes(b"no image")
    config = config_of(tiny_config, test_only)
    assert len(run_benchmark(config, SilentProgress()).records) == 1


@pytest.mark.parametrize(
    "wanting", [{"defense": ["pretrained", "none"]}, {"attack": ["uap"]}, {"attack": ["di"]}]
)
def test_what_needs_training_images_says_so_before_any_work(
    tiny_config, test_only, monkeypatch, wanting
):
    monkeypatch.setattr(Cell, "compute", lambda *_: pytest.fail("work was done"))
    config = config_of(tiny_config, test_only, **wanting)
    with pytest.raises(DataError, match=r"no folder .*bounding_box_train"):
        run_benchmark(config, SilentProgress())
    assert "bounding_box_train" in preview(config).missing[0]


def test_other_training_images_are_the_same_encoder_and_other_preparations(tiny_config):
    def prints(manifest):
        config = tiny_config(defense=["pretrained"], defense_config=FACTORY, attack=["uap"])
        plan = make_plan(config, choose(config), {"tiny": manifest, "tiny-other": "b" * 64})
        return {cell.kind: cell.fingerprint for cell in plan.cells}

    one, other = prints("a" * 64), prints("c" * 64)
    assert {kind for kind in one if one[kind] == other[kind]} == {"train"}
