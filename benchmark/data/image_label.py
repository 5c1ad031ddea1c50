"""What a data set says of its images without reading them."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.data.layout import ImageName


@dataclass(frozen=True, slots=True)
class ImageLabel:
    """What is known of one image.

    Attributes:
        name: Path relative to the folder of its split, with ``/`` between the parts.
        pid: Identity; any number, unless `junk` or `distractor` say that it shows nobody.
        camid: Camera, not negative.
        junk: Whether it is neither right nor wrong, such as a part of a body: it is not ranked.
        distractor: Whether it shows nobody who is looked for: it is wrong for every query.
        sequence: Recording of the camera, where it is known.
        frame: Frame of the recording, where it is known.
    """

    name: str
    pid: int
    camid: int
    junk: bool = False
    distractor: bool = False
    sequence: int | None = None
    frame: int | None = None

    @property
    def is_person(self) -> bool:
        """Whether it shows somebody with an identity."""
        return not (self.junk or self.distractor)


@dataclass(frozen=True)
class SplitCounts:
    """What the paper of a data set states of one split.

    Attributes:
        images: Images, junk and distractors included.
        identities: Identities of people, without junk and distractors.
        cameras: Cameras.
    """

    images: int
    identities: int
    cameras: int


def market_label(name: str, said: ImageName) -> ImageLabel:
    """Return the label of an image that is named as in Market-1501: -1 is junk, 0 a distractor."""
    return ImageLabel(
        name,
        said.pid,
        said.camid,
        junk=said.pid < 0,
        distractor=said.pid == 0,
        sequence=said.sequence,
        frame=said.frame,
    )
