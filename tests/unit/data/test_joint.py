"""Several data sets as one: who is who stays apart, and no pixel is copied."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.core.errors import DataError
from benchmark.data.joint import JointDataset, joint_class
from benchmark.data.layout import FOLDERS, SPLITS


@pytest.fixture
def joint(plaza, campus) -> JointDataset:
    return joint_class([type(plaza), type(campus)])([plaza, campus])


def test_splits_follow_each_other_and_identities_and_cameras_are_apart(joint, plaza, campus):
    assert joint.name == "synthped-plaza+synthped-campus"
    assert joint.rendered
    for split in SPLITS:
        ours, first, second = joint.split(split), plaza.split(split), campus.split(split)
        cut = len(first)
        assert len(ours) == cut + len(second)
        np.testing.assert_array_equal(ours.pixels(slice(cut)), first.pixels(slice(None)))
        np.testing.assert_array_equal(ours.pixels(slice(cut, None)), second.pixels(slice(None)))
        assert not set(ours.camids[:cut]) & set(ours.camids[cut:])
        people = ours.people
        assert not set(ours.pids[:cut][people[:cut]]) & set(ours.pids[cut:][people[cut:]])
        np.testing.assert_array_equal(ours.pids[:cut], first.pids)
        shift = np.unique((ours.pids[cut:] - second.pids)[people[cut:]])
        assert len(shift) == 1
        np.testing.assert_array_equal(ours.junk[cut:], second.junk)
        assert ours.names[0] == f"synthped-plaza/{first.names[0]}"
    assert len(joint.split("gallery").identities) == sum(
        len(one.split("gallery").identities) for one in (plaza, campus)
    )


def test_pixels_are_indexed_as_an_array_is(joint):
    images = joint.split("query").images
    whole = np.asarray(images)
    mask = np.arange(len(whole)) % 3 == 0
    for index in (3, -1, [5, 0, len(whole) - 1], slice(2, 70, 7), mask, np.empty(0, int)):
        np.testing.assert_array_equal(images[index], whole[index])
    assert images.shape == whole.shape
    with pytest.raises(IndexError):
        images[len(whole)]


def test_the_hash_follows_the_sources_and_their_order(joint, plaza, campus):
    turned = joint_class([type(campus), type(plaza)])([campus, plaza])
    hashes = {one.manifest_sha256() for one in (joint, turned, plaza, campus)}
    assert len(hashes) == 4


def test_a_source_without_a_split_is_told(plaza, market_root, open_market):
    for path in (market_root / FOLDERS["train"]).iterdir():
        path.unlink()
    (market_root / FOLDERS["train"]).rmdir()
    market = open_market(market_root, plaza.image_size)
    joint = joint_class([type(plaza), type(market)])([plaza, market])
    assert joint.present() == ("query", "gallery")
    assert len(joint.split("query")) == len(plaza.names("query")) + 2
    with pytest.raises(DataError, match="bounding_box_train"):
        joint.split("train")
