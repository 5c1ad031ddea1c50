"""The fingerprint of a protocol: two records are compared only if theirs is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.schema import RunConfig
from benchmark.core.fingerprint import fingerprint
from benchmark.core.threat import EOT_SAMPLES
from benchmark.runner.cells.content import attack_content
from benchmark.runner.cells.train import TrainCell
from benchmark.runner.choice import ChosenAttack

PROTOCOL_NAME = "white-box-query"
PROTOCOL_VERSION = 1
"""Raised when a change of ranking, of the attack loop or of the encoder changes results."""

_OF_A_SURROGATE = ("dataset", "backbone", "image_size", "training", "seed")


def protocol_fingerprint(
    config: RunConfig,
    attacks: Sequence[ChosenAttack],
    manifests: Mapping[str, str],
    surrogates: Sequence[TrainCell],
    queries: Mapping[str, object],
    without_cameras: Sequence[str] = (),
) -> str:
    """Return the fingerprint of data, attacks, budgets and scoring.

    What goes without saying is left out, so that records from before it could be said stay
    comparable: the default scenario, the default draws of EOT, and that cameras are known.

    Args:
        config: The configuration.
        attacks: The attacks.
        manifests: Hash of the content of each data set that is attacked, by name, in order.
        surrogates: Trainings of what attackers attack in place of the target.
        queries: How some queries are chosen; empty where all are taken.
        without_cameras: Data sets whose ranking leaves out nothing but the query's own image.
    """
    seeds = config.attack_seed
    content: dict[str, object] = {
        "name": PROTOCOL_NAME,
        "version": PROTOCOL_VERSION,
        "datasets": [{"name": n, "manifest_sha256": sha} for n, sha in manifests.items()],
        "attacks": sorted(map(attack_content, attacks), key=lambda attack: str(attack["name"])),
        "eps_255": sorted(config.eps),
        "attack_seed": seeds if len(seeds) > 1 else seeds[0],
        **queries,
    }
    if not config.scenario.is_default:
        content["scenario"] = config.scenario.model_dump(mode="json")
    if config.evaluation.eot_samples != EOT_SAMPLES:
        content["eot_samples"] = config.evaluation.eot_samples
    if without_cameras:
        content["without_cameras"] = sorted(without_cameras)
    if config.evaluation.rerank is not None:
        content["rerank"] = config.evaluation.rerank.model_dump(mode="json")
    if surrogates:
        seen = [
            {"defense": cell.defense, **{key: cell.content[key] for key in _OF_A_SURROGATE}}
            for cell in surrogates
        ]
        content["surrogates"] = sorted(seen, key=str)
    return fingerprint(content)
