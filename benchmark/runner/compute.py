"""The computation of each kind of cell: in comes what it needs, out goes a folder of results."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from benchmark.checks.canary import try_on_canary
from benchmark.checks.probe import probe_encoder
from benchmark.checks.reloaded import check_reloaded
from benchmark.config.schema import RunConfig
from benchmark.core.adaptive import adaptive_view
from benchmark.core.attack import AttackTask
from benchmark.core.device import DevicePolicy
from benchmark.core.encoder import evaluating
from benchmark.core.image_set import ImageSet, no_images
from benchmark.core.metered_encoder import MeteredEncoder
from benchmark.core.progress import Progress
from benchmark.core.seeding import derive_seed, seed_everything
from benchmark.core.surrogate import SurrogateEnsemble, joined_embeddings
from benchmark.data.held_out import check_fitted, split_held_out
from benchmark.metrics.attacked import (
    CleanRanking,
    Vantage,
    attacked_images,
    attacked_ranking,
    clean_ranking,
)
from benchmark.models.checkpoint import save_encoder
from benchmark.models.classifier import save_classifier
from benchmark.runner.cells import (
    AttackCell,
    CanaryCell,
    Cell,
    CleanCell,
    PrepareCell,
    ProbeCell,
    TrainCell,
)
from benchmark.runner.shelf import Shelf
from benchmark.runner.store import CellStore, StoredCell, save_arrays
from benchmark.runner.stored import load_clean, load_trained, ranking_arrays, write_attacked
from benchmark.training.fit import Task, fit_defense

REPORT_FOLDER = "report"
PREPARED_FILE = "prepared.safetensors"


@dataclass
class Workshop:
    """Computes cells one at a time; holds what neighbouring cells share.

    Attributes:
        config: The configuration.
        shelf: The data sets.
        store: The finished cells.
        policy: Device and precision.
        progress: Where to report.
    """

    config: RunConfig
    shelf: Shelf
    store: CellStore
    policy: DevicePolicy
    progress: Progress
    _encoder: tuple[str, nn.Module] | None = field(default=None, init=False)

    def compute(self, cell: Cell, title: str = "") -> StoredCell:
        """Compute and publish a cell whose needs are finished.

        Args:
            cell: What to compute.
            title: What progress is reported under.

        Raises:
            BenchmarkError: The data, a plugin or the machine stands in the way.
        """
        seed_everything(derive_seed(cell.attack_seed, cell.label))
        if isinstance(cell, TrainCell):
            return self._train(cell)
        if isinstance(cell, CleanCell):
            return self._rank_clean(cell, title)
        if isinstance(cell, PrepareCell):
            return self._prepare(cell)
        if isinstance(cell, AttackCell):
            return self._attack(cell, title)
        if isinstance(cell, ProbeCell):
            return self._probe(cell, title)
        if isinstance(cell, CanaryCell):
            return self._canary(cell, title)
        raise TypeError(f"unknown kind of cell {cell.kind!r}")

    def encoder(self, train: TrainCell) -> nn.Module:
        """Return the trained encoder on the device, always as it was published."""
        if self._encoder is None or self._encoder[0] != train.fingerprint:
            self._encoder = None
            self._encoder = (train.fingerprint, self._load_encoder(train))
        return self._encoder[1]

    def _load_encoder(self, train: TrainCell) -> nn.Module:
        folder = self.store.get(train.fingerprint).folder
        return load_trained(folder, train, self.config, self.policy)

    def _train(self, cell: TrainCell) -> StoredCell:
        self._encoder = None
        work_dir = self.store.work_dir(cell)
        work_dir.mkdir(parents=True, exist_ok=True)
        train = self._training_images(cell)
        trained = fit_defense(
            cell.plugin,
            Task(
                train=train,
                backbone=self.config.backbone,
                training=cell.training,
                image_size=self.config.image_size,
                policy=self.policy,
                seed=cell.seed,
                progress=self.progress,
                work_dir=work_dir,
                encoders={need.defense: self._load_encoder(need) for need in cell.prerequisites},
            ),
        )

        def write(folder: Path) -> dict[str, Any]:
            save_encoder(folder, trained.encoder, {"fingerprint": cell.fingerprint, **cell.content})
            loaded = load_trained(folder, cell, self.config, self.policy)
            images = train if len(train) else self.shelf.split(cell.dataset, "query")
            check_reloaded(trained.encoder, loaded, images, policy=self.policy, owner=cell.defense)
            if trained.classifier is not None:
                save_classifier(folder, trained.classifier)
            _keep_report(work_dir, folder / REPORT_FOLDER)
            return {
                "seconds": trained.seconds,
                "epochs": trained.epochs,
                "images": trained.images,
                "peak_memory_bytes": trained.peak_memory_bytes,
                "encoder_parameters": trained.encoder_parameters,
                "report": trained.report,
                "history": trained.history,
                "passes": trained.passes,
                "label_agreement": trained.label_agreement,
            }

        stored = self.store.publish(cell, write)
        self.store.forget_work(cell)
        return stored

    def _training_images(self, cell: TrainCell) -> ImageSet:
        if not cell.plugin.trains:
            return no_images(self.config.image_size)
        return self.shelf.split(cell.dataset, "train")

    def _rank_clean(self, cell: CleanCell, title: str) -> StoredCell:
        encoder = self.encoder(cell.train)
        query = self.shelf.split(cell.dataset, "query")
        gallery = self.shelf.split(cell.dataset, "gallery")
        with self.progress.task(title, len(query) + len(gallery)) as bar:
            clean = clean_ranking(
                encoder,
                query,
                gallery,
                policy=self.policy,
                batch=self.config.evaluation.batch,
                owner=cell.defense,
                bar=bar,
            )

        def write(folder: Path) -> dict[str, Any]:
            save_arrays(
                folder,
                **ranking_arrays(clean.ranking),
                query_embeddings=clean.query_embeddings.numpy(),
                gallery_embeddings=clean.gallery_embeddings.numpy(),
            )
            return clean.ranking.summary()

        return self.store.publish(cell, write)

    def _view(self, train: TrainCell) -> nn.Module:
        """Return what a white-box attacker differentiates."""
        samples = self.config.evaluation.eot_samples
        return adaptive_view(self.encoder(train), train.plugin, samples)

    def _joined(self, views: tuple[TrainCell, ...]) -> nn.Module:
        return SurrogateEnsemble([self._load_encoder(view) for view in views])

    def _prepare(self, cell: PrepareCell) -> StoredCell:
        target = len(cell.views) == 1 and not cell.attack.surrogates
        work_dir = self.store.work_dir(cell)
        work_dir.mkdir(parents=True, exist_ok=True)
        train = self.shelf.split(cell.dataset, "train")
        fitted, held_out = split_held_out(train, self.config.training.held_out)
        check_fitted(fitted, held_out)
        encoder = self._view(cell.views[0]) if target else self._joined(cell.views)
        attack = cell.attack.plugin(cell.attack.config, cell.eps_255, cell.defense)
        start = time.perf_counter()
        with evaluating(encoder):
            prepared = attack.prepare(
                AttackTask(
                    encoder=MeteredEncoder(encoder, cell.defense),
                    train=fitted,
                    held_out=held_out,
                    policy=self.policy,
                    seed=derive_seed(cell.attack_seed, "prepare", cell.attack.name),
                    progress=self.progress,
                    work_dir=work_dir,
                )
            )
        seconds = time.perf_counter() - start

        def write(folder: Path) -> dict[str, Any]:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in prepared.items()}
            save_file(tensors, folder / PREPARED_FILE)
            return {"seconds": seconds}

        stored = self.store.publish(cell, write)
        self.store.forget_work(cell)
        return stored

    def _vantage(self, cell: AttackCell, clean: CleanRanking) -> Vantage:
        if not cell.surrogates:
            encoder = self._view(cell.clean.train)
            if cell.attack.threat.knowledge not in ("white", "none"):
                encoder = self.encoder(cell.clean.train)
            return Vantage(encoder, clean.query_embeddings, clean.gallery_embeddings)
        seen = [load_clean(self.store.get(one.fingerprint)) for one in cell.surrogates]
        return Vantage(
            self._joined(tuple(one.train for one in cell.surrogates)),
            joined_embeddings([one.query_embeddings for one in seen]),
            joined_embeddings([one.gallery_embeddings for one in seen]),
        )

    def _attack(self, cell: AttackCell, title: str) -> StoredCell:
        encoder = self.encoder(cell.clean.train)
        query = self.shelf.split(cell.dataset, "query")
        gallery = self.shelf.split(cell.dataset, "gallery")
        clean = load_clean(self.store.get(cell.clean.fingerprint))
        attack = cell.attack.plugin(cell.attack.config, cell.eps_255, cell.defense)
        if cell.prepared is not None:
            folder = self.store.get(cell.prepared.fingerprint).folder
            attack.prepared = load_file(folder / PREPARED_FILE, device=str(self.policy.device))
        scenario = self.config.scenario
        with self.progress.task(title, attacked_images(query, gallery, scenario)) as bar:
            attacked = attacked_ranking(
                encoder,
                attack,
                query,
                gallery,
                clean,
                seed=cell.attack_seed,
                policy=self.policy,
                batch=self.config.evaluation.batch,
                bar=bar,
                owner=cell.defense,
                vantage=self._vantage(cell, clean),
                scenario=scenario,
            )
        return self.store.publish(cell, lambda folder: write_attacked(folder, attacked))

    def _probe(self, cell: ProbeCell, title: str) -> StoredCell:
        clean = load_clean(self.store.get(cell.clean.fingerprint))
        figures = probe_encoder(
            self.encoder(cell.clean.train),
            self._view(cell.clean.train),
            self.shelf.split(cell.dataset, "query"),
            self.shelf.split(cell.dataset, "gallery"),
            clean,
            policy=self.policy,
            seed=cell.attack_seed,
            owner=cell.defense,
            progress=self.progress,
            title=title,
        )
        return self.store.publish(cell, lambda _: figures)

    def _canary(self, cell: CanaryCell, title: str) -> StoredCell:
        work_dir = self.store.work_dir(cell)
        work_dir.mkdir(parents=True, exist_ok=True)
        figures = try_on_canary(
            cell.attack.plugin,
            cell.attack.config,
            policy=self.policy,
            cache_dir=self.config.cache_dir,
            work_dir=work_dir,
            progress=self.progress,
            title=title,
        )
        self.store.forget_work(cell)
        return self.store.publish(cell, lambda _: figures)


def _keep_report(work_dir: Path, target: Path) -> None:
    """Keep the report of a training, pictures and figures, beside its encoder."""
    for path in sorted((*work_dir.rglob("*.png"), *work_dir.rglob("report.json"))):
        target.mkdir(exist_ok=True)
        shutil.copyfile(path, target / path.name)
