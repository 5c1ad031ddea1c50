"""A folder that goes from one store to another arrives whole, or is refused."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from benchmark.core.errors import EnvironmentProblem
from benchmark.runner.packed_folder import PackedFolder
from benchmark.runner.store import CellStore, save_arrays
from tests.tiny_cell import tiny_cell


def write(folder):
    save_arrays(folder, ap=np.arange(3.0))
    (folder / "encoder").mkdir()
    (folder / "encoder" / "card.json").write_text("{}")
    return {"map": 12.5}


@pytest.fixture
def stores(tmp_path):
    here, there = CellStore(tmp_path / "here"), CellStore(tmp_path / "there")
    here.publish(tiny_cell("clean"), write)
    here.publish_part(tiny_cell("attack"), "rows-0", write)
    return here, there


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("kind", "part"), [("clean", None), ("attack", "rows-0")])
def test_a_folder_arrives_as_it_was_published(stores, kind, part):
    here, there = stores
    name = tiny_cell(kind).fingerprint, part
    packed = pickle.loads(pickle.dumps(PackedFolder.of(here, *name)))
    for _ in range(2):  # the second time it is there already
        packed.unpack(there)
    assert content(there.path(*name)) == content(here.path(*name))
    assert not list(there.folder.rglob(".partial-*"))


def test_what_is_damaged_on_the_way_is_refused_and_leaves_nothing(stores):
    here, there = stores
    packed = PackedFolder.of(here, tiny_cell("clean").fingerprint, None)
    spoilt = {**packed.files, "arrays.npz": packed.files["arrays.npz"][:-1] + b"x"}
    with pytest.raises(EnvironmentProblem, match="damaged on its way"):
        dataclasses.replace(packed, files=spoilt).unpack(there)
    assert not list(there.folder.iterdir())


def test_a_damaged_copy_is_replaced(stores):
    here, there = stores
    packed = PackedFolder.of(here, tiny_cell("clean").fingerprint, None)
    packed.unpack(there)
    (there.path(packed.fingerprint) / "arrays.npz").write_bytes(b"")
    packed.unpack(there)
    assert there.get(packed.fingerprint).arrays()["ap"].tolist() == [0, 1, 2]
