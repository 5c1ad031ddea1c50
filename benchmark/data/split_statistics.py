"""What a data set holds, counted from its labels alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmark.data.image_label import ImageLabel


def split_statistics(labels: Sequence[ImageLabel]) -> dict[str, Any]:
    """Count images, identities and cameras of a split, and measure its biases.

    Args:
        labels: What is known of the images of the split.

    Returns:
        Counts; minimum, mean, maximum and quantiles of images per identity; and the shares of
        identities with more than half of their images from one camera, and with one image.
    """
    cameras: dict[int, Counter[int]] = defaultdict(Counter)
    for label in labels:
        if label.is_person:
            cameras[label.pid][label.camid] += 1
    counts = np.array([sum(c.values()) for c in cameras.values()], dtype=np.int64)
    result: dict[str, Any] = {
        "images": len(labels),
        "identities": len(cameras),
        "cameras": len({label.camid for label in labels}),
        "distractors": sum(label.distractor for label in labels),
        "junk": sum(label.junk for label in labels),
    }
    if len(counts):
        skewed = [max(c.values()) / sum(c.values()) > 0.5 for c in cameras.values()]
        quantiles = np.quantile(counts, [0.1, 0.25, 0.5, 0.75, 0.9]).round(1).tolist()
        result["images_per_identity"] = {
            "min": int(counts.min()),
            "mean": round(float(counts.mean()), 2),
            "max": int(counts.max()),
            **dict(zip(("q10", "q25", "q50", "q75", "q90"), quantiles, strict=True)),
        }
        result["cameras_per_identity_mean"] = round(
            float(np.mean([len(c) for c in cameras.values()])), 2
        )
        result["share_of_identities_mostly_from_one_camera"] = round(float(np.mean(skewed)), 3)
        result["identities_with_one_image"] = int((counts == 1).sum())
    return result
