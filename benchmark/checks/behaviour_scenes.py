"""Small fixed runs in which every plugin shows what it does, for the comparison of two sources.

A run is the command line of a source tree in a process of its own, so that trees of any age can be
asked. Its arithmetic is pinned (one thread, no instructions that only some processors have), so
that the same source gives the same bits on other machines with the same torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors.numpy import load_file

Outputs = dict[str, dict[str, str]]
"""By the label of each cell: hashes of its arrays, by their names."""

_PINNED = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "CUDA_VISIBLE_DEVICES": "",
    "REID_ROBUSTBENCH_TRACEBACK": "",
}
_RUN_ALL = """
import json, sys
from benchmark.cli.app import main
for arguments in json.load(sys.stdin):
    try:
        main(arguments)
    except SystemExit:
        pass
"""
_SMALL_DIFFUSION: dict[str, Any] = {"steps": 4, "network": {"widths": [16, 24]}}
_BALANCING: dict[str, Any] = {
    "balancing_options": {"delta1": 4, "attempts": 1, "diffusion": _SMALL_DIFFUSION}
}
_PRESET: dict[str, Any] = {
    "preset": "smoke",
    "image_size": [32, 16],
    "test_dataset": ["none"],
    "training": {"epochs": 1, "identities": 4, "images": 2},
    "evaluation": {"checks": False, "eot_samples": 2},
}
_ALWAYS: dict[str, dict[str, Any]] = {
    "ddid": _BALANCING,
    "free-ddid": _BALANCING,
    "diffpure": {"diffusion": _SMALL_DIFFUSION},
    "pretrained": {"factory": "torch.nn:Flatten"},
}
_BRIEF = {"epochs": 1, "epoch_steps": 2, "identities": 4, "images": 2}
_ATTACKS: dict[str, dict[str, Any]] = {
    "uap": _BRIEF,
    "muap": _BRIEF,
    "mis-ranking": _BRIEF,
    "hsja": {"queries": 200},
    "bandits": {"queries": 100},
    "square": {"queries": 100},
    **{name: {"steps": 4} for name in ("di", "tim", "ti-dim", "ensemble-transfer")},
}
_OFF = {"balancing": False, "discriminator": False, "fnes": False, "self_meta": False}
_VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "ddid": (
        {"clean_share": 0.25, "fnes_options": {"gamma": 1.33}, "inner_rate_scale": 0.5},
        {**_OFF, "self_meta": True},
        {**_OFF, "self_meta": True, "second_order": True},
        {**_OFF, "fnes": True},
        {**_OFF, "discriminator": True},
        {**_OFF, "balancing": True},
        {**_OFF, "discriminator": True, "discriminator_update": "alternating"},
        {"balancing_options": {"source": "augmentation", "most": 8, "delta1": 4}},
        {"balancing_options": {"source": "oversampling", "most": 8, "delta1": 4}},
    ),
    "free-ddid": ({**_OFF, "fnes": True}, {**_OFF, "discriminator": True, "replays": 2}),
}
"""Options beside the default ones, as published results use them."""

ALIKE = {
    **{f"osnet-{width}": "osnet-x0-25" for width in ("x1-0", "x0-75", "x0-5")},
    "resnet50": "resnet18",
    "vit-base": "vit-small",
}
"""Backbones that differ from another by their size alone: it shows what they do."""
_FEW_STEPS = {"training": {"epochs": 1, "identities": 16, "images": 4}}
_BACKBONES = dict.fromkeys(("resnet18", "resnet50-ibn-a", "vit-small"), _FEW_STEPS)
"""Options for backbones whose steps are slow."""

_ATTACK_OF_DEFENSES = "metric-ifgsm"
WITH_ARGUMENT = {"torchattacks": "torchattacks:PGD", "zoo": "zoo:none"}
_OF_THE_ZOO = {"image_size": [64, 32], "backbone": {"width": 16}}
"""What its weights are made for; so it is played apart from the others."""
DEFAULT = "default"
"""Name of the run with default options."""


@dataclass(frozen=True)
class Scene:
    """A run of several plugins.

    Attributes:
        name: What tells it from others.
        defenses: Defenses of the run.
        attacks: Attacks of the run.
        options: Further keys of its configuration.
    """

    name: str
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]
    options: Mapping[str, Any]


def scenes(kind: str, names: Sequence[str]) -> list[Scene]:
    """Return the runs in which plugins of a kind show all that they do.

    Args:
        kind: ``defense``, ``attack`` or ``backbone``.
        names: Registry names.
    """
    if kind == "attack":
        attacks = tuple(WITH_ARGUMENT.get(name, name) for name in names)
        return [Scene(DEFAULT, ("none",), attacks, {})]
    if kind == "backbone":
        shown = dict.fromkeys(ALIKE.get(name, name) for name in names)
        return [
            Scene(
                name,
                ("none",),
                ("random-noise",),
                {"backbone": {"name": name}, **_BACKBONES.get(name, {})},
            )
            for name in shown
        ]
    found = []
    if others := tuple(name for name in names if name != "zoo"):
        found.append(Scene(DEFAULT, others, (_ATTACK_OF_DEFENSES,), {}))
    if "zoo" in names:
        chosen = (WITH_ARGUMENT["zoo"],)
        found.append(Scene("zoo-apart", chosen, (_ATTACK_OF_DEFENSES,), _OF_THE_ZOO))
    for name in names:
        for number, options in enumerate(_VARIANTS.get(name, ())):
            own = {"defense_config": {name: options}}
            found.append(Scene(f"{name}-{number}", (name,), (_ATTACK_OF_DEFENSES,), own))
    return found


def play(wanted: Iterable[Scene], tree: Path, folder: Path) -> Outputs:
    """Run scenes with the source of a tree; what a tree does not know of is not among the outputs.

    Args:
        wanted: The scenes.
        tree: Root of a source tree.
        folder: An empty folder for the results.
    """
    calls, homes, below = [], {}, folder / "all.yaml"
    options = {**_PRESET, "defense_config": _ALWAYS, "attack_config": _ATTACKS}
    below.write_text(yaml.safe_dump(options), "utf-8")
    for scene in wanted:
        preset = folder / f"{scene.name}.yaml"
        preset.write_text(yaml.safe_dump({"preset": str(below), **scene.options}), "utf-8")
        homes[scene.name] = folder / scene.name
        calls.append(
            [
                *("run", "--preset", str(preset), "--defense", ",".join(scene.defenses)),
                *(part for attack in scene.attacks for part in ("--attack", attack)),
                *("--output", str(homes[scene.name]), "--device", "cpu"),
            ]
        )
    environment = {**os.environ, **_PINNED, "PYTHONPATH": str(tree)}
    with (folder / "log.txt").open("w") as log:
        subprocess.run(
            [sys.executable, "-c", _RUN_ALL],
            input=json.dumps(calls),
            text=True,
            cwd=tree,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return {
        f"{name}: {label}": hashes
        for name, home in homes.items()
        for label, hashes in _outputs(home).items()
    }


def _outputs(home: Path) -> Outputs:
    found = {}
    for card in sorted(home.glob("cells/*/cell.json")):
        content = json.loads(card.read_text("utf-8"))
        outcome = content["outcome"]
        hashes = {
            key: _sha256(json.dumps(outcome[key]).encode())
            for key in ("images_sha256", "trace", "history")
            if key in outcome
        }
        for path in sorted(card.parent.glob("*.safetensors")):
            hashes |= {f"{path.stem}/{n}": _of_array(a) for n, a in load_file(path).items()}
        if (card.parent / "arrays.npz").is_file():
            with np.load(card.parent / "arrays.npz", allow_pickle=False) as arrays:
                hashes |= {name: _of_array(arrays[name]) for name in arrays.files}
        found[content["label"]] = hashes
    return found


def _of_array(array: np.ndarray[Any, Any]) -> str:
    """Return the hash of an array; doubles, which numpy sums up, count to nine digits."""
    plain = array.round(9) if array.dtype == np.float64 else array
    return _sha256(f"{plain.dtype} {plain.shape}".encode() + plain.tobytes())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
