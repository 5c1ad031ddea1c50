"""Which images to synthesise (DDID, arXiv 2511.09933, Phase I): a pure function of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.core.image_set import ImageSet

Reason = Literal["inter-identity", "intra-identity"]


@dataclass(frozen=True)
class SynthesisRequest:
    """Ask for `count` images of identity `pid` as camera `camid` would see it.

    Attributes:
        pid: Identity.
        camid: Camera, as on disk.
        count: Number of images.
        reason: "inter-identity": the identity has too few images; "intra-identity": one camera
            holds too many of them.
    """

    pid: int
    camid: int
    count: int
    reason: Reason


def plan_balance(train: ImageSet, delta1: int, delta2: float) -> list[SynthesisRequest]:
    """Plan the synthetic images that balance a training split (DDID, Phase I, a and b).

    (a) inter-identity: an identity with n_i < delta1 images gets delta1 - n_i more. The paper
    leaves their cameras open; chosen: the cameras that saw the identity, each image to the one
    that holds the fewest so far (ties: the lower number), as unseen cameras are what (b) is for.
    (b) intra-identity: an identity whose fullest camera holds a share n_{i,c_i} / n_i > delta2
    gets one image for each other camera of the split. Shares are those of the real images.

    Args:
        train: Training split; distractors and junk are left alone.
        delta1: Images that every identity should have; 0 turns (a) off.
        delta2: Largest share of one camera, in [0, 1]; 1 turns (b) off.

    Returns:
        Requests in the order of identity, reason (inter first) and camera.
    """
    cameras = np.unique(train.camids[train.people])
    requests: list[SynthesisRequest] = []
    for pid in train.identities.tolist():
        own = train.camids[train.pids == pid]
        held = {int(c): int((own == c).sum()) for c in cameras}
        requests += _inter(pid, held, delta1)
        requests += _intra(pid, held, delta2)
    return requests


def _inter(pid: int, held: dict[int, int], delta1: int) -> list[SynthesisRequest]:
    filled = {camid: count for camid, count in held.items() if count}
    for _ in range(delta1 - sum(held.values())):
        filled[min(filled, key=lambda camid: (filled[camid], camid))] += 1
    return [
        SynthesisRequest(pid, camid, count - held[camid], "inter-identity")
        for camid, count in sorted(filled.items())
        if count > held[camid]
    ]


def _intra(pid: int, held: dict[int, int], delta2: float) -> list[SynthesisRequest]:
    fullest = max(held, key=lambda camid: (held[camid], -camid))
    if held[fullest] / sum(held.values()) <= delta2:
        return []
    return [
        SynthesisRequest(pid, camid, 1, "intra-identity")
        for camid in sorted(held)
        if camid != fullest
    ]
