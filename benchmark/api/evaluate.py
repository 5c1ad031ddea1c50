"""Measure an encoder of the caller's as a run measures a defense."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from benchmark.api.evaluation import Evaluation
from benchmark.api.live_encoder import NAME, as_module, check_encoder, live_options
from benchmark.config.load import load_run_config
from benchmark.config.schema import OF_ENCODERS
from benchmark.core.device import choose_device
from benchmark.core.errors import UsageError
from benchmark.core.progress import Progress
from benchmark.core.progress_choice import make_progress
from benchmark.runner.run import run_benchmark


def evaluate(
    encoder: nn.Module | Callable[[], nn.Module] | str | Mapping[str, Any],
    dataset: str | Sequence[str] = "synthped-plaza",
    *,
    weights: str | Path | None = None,
    attacks: str | Sequence[str] = "default",
    eps: float | Sequence[float] = 8,
    data_root: str | Path | Mapping[str, str | Path] | Sequence[str | Path] | None = None,
    queries: int | None = None,
    seed: int | Sequence[int] = 0,
    device: str = "auto",
    image_size: tuple[int, int] = (64, 32),
    label: str | None = None,
    random: bool = False,
    non_differentiable: bool = False,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Evaluation:
    """Attack an encoder and rank, as `python -m benchmark run` does with what it trained.

    The encoder is copied; the caller's stays where and as it is.

    Args:
        encoder: From float32 images (B, 3, H, W) in [0, 1] to embeddings (B, D), ranked by cosine;
            or a callable that returns it. Normalisation and resizing belong inside it. Or a spec
            such as ``torchreid:osnet_x0_25``, or the section ``encoder`` of a run as a mapping,
            such as ``{"spec": "onnx:net.onnx", "channels": "bgr"}``; docs/pretrained.md.
        weights: File with the weights of a spec.
        dataset: Data set whose queries are attacked before its gallery; of a list, the sets are
            joined.
        attacks: Attacks or groups by name.
        eps: Budgets in 1/255 units.
        data_root: Folder that is the data set or holds it, or a mapping from names to folders;
            None: $REID_ROBUSTBENCH_DATA.
        queries: A stored choice of so many queries, for a quick look; None: all.
        seed: Attack seeds.
        device: ``auto``, ``cpu`` or ``cuda``.
        image_size: (H, W) of the images that the encoder is given.
        label: Name of its row on boards; None: the class of the encoder, or its spec.
        random: The encoder draws random numbers; attackers average over draws (EOT).
        non_differentiable: Some part has no useful gradient; a method ``surrogate()`` is BPDA's.
        output: Folder for cells and records, where a repetition finds what is finished; None:
            a folder that goes with the `Evaluation`.
        progress: Where to report; None: bars in a terminal and a notebook, else plain lines.
        options: Further keys of a run's configuration, such as ``size="smoke"``.

    Raises:
        UsageError: An unknown name or option, or the encoder is neither module nor spec.
        DataError: Images are missing or cannot be read.
        PluginError: The encoder breaks its contract, or it or an attack raised.
        EnvironmentProblem: The machine refuses: no space, no memory, a folder that is in use.
    """
    section = _section(encoder, weights)
    module = None if section else as_module(encoder)
    temporary = TemporaryDirectory(prefix="reid-robustbench-") if output is None else None
    config = load_run_config(
        {
            "defense": [OF_ENCODERS if module is None else NAME],
            "encoder": section,
            "dataset": dataset,
            "test_dataset": ["none"],
            "data_root": data_root,
            "attack": attacks,
            "eps": eps,
            "queries": queries,
            "attack_seed": seed,
            "device": device,
            "image_size": image_size,
            "label": label or (type(module).__qualname__ if module is not None else None),
            "output": temporary.name if temporary else output,
        }
        | options
    )
    declared: dict[str, object] = {"random": random, "non_differentiable": non_differentiable}
    if module is not None:
        policy = choose_device(config.device)
        check_encoder(module, config.image_size, policy, not non_differentiable)
        declared = live_options(module, random=random, non_differentiable=non_differentiable)
    (defense,) = config.defense
    config = config.model_copy(update={"defense_config": {defense: declared}})
    outcome = run_benchmark(config, progress or make_progress())
    if outcome.failures:
        raise outcome.failures[0].error
    ((record, path),) = outcome.records
    return Evaluation(record, path, temporary)


def _section(encoder: object, weights: str | Path | None) -> dict[str, Any] | None:
    """Return the section ``encoder`` of a run; None for an encoder that is at hand."""
    if isinstance(encoder, str):
        section: dict[str, Any] = {"spec": encoder}
    elif isinstance(encoder, Mapping):
        section = dict(encoder)
    elif weights is None:
        return None
    else:
        raise UsageError(
            "weights were given for an encoder that is no spec", "load them into the encoder"
        )
    return section if weights is None else {**section, "weights": weights}
