"""What labels alone tell of a data set: wrong counts, leaks of identities, queries in vain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from benchmark.core.listing import listed
from benchmark.data.defect import Defect
from benchmark.data.image_label import ImageLabel, SplitCounts
from benchmark.data.layout import Split

Labels = Sequence[ImageLabel]
MOST_NAMED = 5


def counted(labels: Labels) -> SplitCounts:
    """Return how many images, identities and cameras there are, as papers count them."""
    people = {label.pid for label in labels if label.is_person}
    return SplitCounts(len(labels), len(people), len({label.camid for label in labels}))


def count_defects(
    split: Split, labels: Labels, published: SplitCounts | None, source: str
) -> Iterator[Defect]:
    """Tell what a split holds, and where that is not what was published.

    Args:
        split: Its name.
        labels: What is known of its images.
        published: What the paper states of it, if that is known.
        source: Where the set is asked for.
    """
    found = counted(labels)
    yield Defect("info", "counts", f"{split}: {_counts(found)}")
    if published not in (None, found):
        message = f"{split}: {_counts(found)}, where {_counts(published)} are published"
        hint = f"fetch the whole set ({source}); nothing, if it is not meant to be that one"
        yield Defect("warning", "published", message, hint)


def identity_defects(labels: Mapping[Split, Labels]) -> Iterator[Defect]:
    """Find training images of nobody, single images, and identities of train that are tested."""
    if "train" not in labels:
        return
    train = Counter(label.pid for label in labels["train"] if label.is_person)
    nobody = len(labels["train"]) - train.total()
    if nobody:
        message = f"{nobody} training images are junk or distractors"
        yield Defect("error", "identities", message, "remove them: they show no identity")
    single = sum(count == 1 for count in train.values())
    if single:
        message = f"{single} training identities have a single image"
        yield Defect("warning", "single", message, "the sampler repeats it")
    tests = (*labels.get("query", ()), *labels.get("gallery", ()))
    both = sorted(train.keys() & {label.pid for label in tests if label.is_person})
    if both:
        message = f"{len(both)} identities are in train and in test: {_pids(both)}"
        hint = "training and test identities must be disjoint: remove their images from one"
        yield Defect("error", "identities", message, hint)


def query_defects(labels: Mapping[Split, Labels]) -> Iterator[Defect]:
    """Find queries that no image of the gallery can answer."""
    if not {"query", "gallery"} <= labels.keys():
        return
    seen: dict[int, set[int]] = defaultdict(set)
    for label in labels["gallery"]:
        if label.is_person:
            seen[label.pid].add(label.camid)
    lost = [
        label
        for label in labels["query"]
        if not (label.is_person and seen[label.pid] - {label.camid})
    ]
    absent = sorted({label.pid for label in lost if not seen[label.pid]})
    if absent:
        message = f"{len(absent)} identities of queries are not in the gallery: {_pids(absent)}"
        hint = "put their gallery images back, or remove the queries"
        yield Defect("warning", "queries", message, hint)
    if lost:
        names = listed([label.name for label in lost], MOST_NAMED)
        message = (
            f"{len(lost)} queries have no match in the gallery and are not scored: their identity "
            f"is not there, or seen by their own camera alone: {names}"
        )
        yield Defect("warning", "queries", message, "nothing, if that is meant")


def _counts(one: SplitCounts) -> str:
    return f"{one.images} images, {one.identities} identities, {one.cameras} cameras"


def _pids(pids: Sequence[int]) -> str:
    return listed([f"{pid:04d}" for pid in pids], MOST_NAMED)
