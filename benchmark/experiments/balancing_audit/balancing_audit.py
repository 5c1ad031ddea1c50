"""``balancing-audit``: are the images that balance a training split right, different and new?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import Field

from benchmark.core.errors import UsageError
from benchmark.core.image_set import ImageSet, concatenate
from benchmark.core.plugin import Card, PluginConfig
from benchmark.core.registry import DEFENSES
from benchmark.data.contact_sheet import contact_sheet
from benchmark.experiments.balancing_audit.added_images import added_images, undefended_training
from benchmark.experiments.balancing_audit.auditor import SHEET_COLUMNS, Auditor, Figures
from benchmark.experiments.balancing_audit.synthetic_audit import balance_of
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import MISSING, Findings, Table, picture_png
from benchmark.experiments.summary import OverSeeds
from benchmark.experiments.variant import Variant
from results.board.columns import TableCell

REAL = "real"

ROWS = {
    "right": ("right identity, audit encoder, %", 100.0, 1),
    "cosine": ("cosine to the identity, audit encoder", 1.0, 3),
    "right_gate": ("right identity, gate's encoder, %", 100.0, 1),
    "spread": ("spread within identity, 1 - cosine", 1.0, 3),
    "spread_share": ("… over that of real images of the same identities", 1.0, 2),
    "feature_spread": ("spread within identity, features of all scales", 1.0, 3),
    "feature_spread_share": ("… over that of real images of the same identities", 1.0, 2),
    "pixels_median": ("nearest real image, pixel RMS, median", 1.0, 3),
    "pixels_least": ("nearest real image, pixel RMS, least", 1.0, 3),
    "pixels_close": ("nearer in pixels than 95% of real ones are to each other, %", 100.0, 1),
    "copies": ("near copies, %", 100.0, 1),
    "embedding_median": ("nearest real image, 1 - cosine, median", 1.0, 3),
    "embedding_close": ("nearer in embedding than 95% of real ones are to each other, %", 100.0, 1),
    "camera": ("camera as labelled, %", 100.0, 1),
}
"""Title, factor and digits of each row of the first table."""

BALANCE_ROWS = {
    "images": ("images", 0),
    "least": ("fewest images of an identity", 0),
    "median": ("median", 1),
    "most": ("most", 0),
    "variation": ("standard deviation over mean", 2),
    "one_camera": ("identities mostly from one camera, %", 1),
    "cameras": ("cameras of an identity, mean", 2),
}


class BalancingAudit(Experiment):
    """What balancing adds: identity, diversity, memorisation, camera and counts."""

    card = Card(
        title="Audit of the images that balance the training split",
        paper="On phase I of Zhou et al., AAAI 2026, arXiv 2511.09933, which reports none of this",
        notes="All measures are chosen. Images are judged by an undefended encoder of another "
        "seed than the one whose gate accepted them; it saw the same training images, as the "
        "synthetic ones show training identities, so that the two may err alike. Distances on all "
        "scales are those of this encoder, not LPIPS. Test splits are closed to this experiment.",
    )
    defaults = {"defense": ["ddid"], "test_dataset": ["none"]}
    opens = ("train",)

    class Config(PluginConfig):
        """Options of the experiment."""

        sources: list[str] = ["diffusion", "augmentation", "oversampling"]
        """Values of balancing_options.source to compare, for defenses that have it."""
        seed_offset: int = Field(default=1000, ge=1)
        """The audit encoder's seed is that of the training plus this."""
        near_copy: float = Field(default=0.02, ge=0, le=1)
        """Root mean square difference, in [0, 1], below which an image is a copy; chosen, the
        same as the gate's least distance."""
        pairs: int = Field(default=10, ge=1)
        """Most pairs of an identity whose features are compared."""
        camera_epochs: int = Field(default=10, ge=1)
        """Training of the camera classifier; chosen."""
        sheet_rows: int = Field(default=12, ge=1)
        """Images on each contact sheet."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Audit every source at every seed."""
        fitted, _ = context.fitted_and_held_out()
        figures: dict[str, dict[int, Figures]] = defaultdict(dict)
        sets: dict[str, dict[int, ImageSet]] = defaultdict(dict)
        sheets: dict[str, bytes] = {}
        for seed in context.config.seed:
            auditor = self._auditor(context, seed)
            figures[REAL][seed] = auditor.real_figures()
            sets[REAL][seed] = fitted
            for variant in self._variants(context):
                with context.tolerating(f"{variant.label} · seed {seed}"):
                    added = added_images(context, variant, seed)
                    figures[variant.label][seed] = auditor.added_figures(added.images)
                    sets[variant.label][seed] = concatenate(fitted, added.images)
                    name = f"{variant.label}-seed{seed}".replace(" ", "-")
                    rows, labels = auditor.sheet(added.images, self.config.sheet_rows)
                    sheets[name] = picture_png(contact_sheet(rows, labels, headings=SHEET_COLUMNS))
        if set(figures) == {REAL}:
            raise UsageError("nothing was added that could be audited", "see the messages above")
        tables = [_audit_table(figures, self.config), _balance_table(sets)]
        return Findings(tables, _result(figures, sets), sheets)

    def _variants(self, context: ExperimentContext) -> list[Variant]:
        variants = []
        several = sum(_has_sources(one.defense) for one in context.variants) > 1
        for one in context.variants:
            if _has_sources(one.defense):
                key, of = "defense.balancing_options.source", f"{one.label} " if several else ""
                variants += [
                    Variant(f"{of}{source}", one.defense, {key: source})
                    for source in self.config.sources
                ]
            else:
                variants.append(one)
        return variants

    def _auditor(self, context: ExperimentContext, seed: int) -> Auditor:
        fitted, held_out = context.fitted_and_held_out()
        config = self.config
        return Auditor(
            encoder=undefended_training(context, seed + config.seed_offset).encoder,
            gate=undefended_training(context, seed).encoder,
            real=fitted,
            held_out=held_out,
            backbone=context.config.backbone,
            policy=context.policy,
            progress=context.progress,
            batch=context.config.evaluation.batch,
            seed=seed,
            near_copy=config.near_copy,
            pairs=config.pairs,
            camera_epochs=config.camera_epochs,
        )


def _has_sources(defense: str) -> bool:
    options = DEFENSES.get(defense).Config.model_fields.get("balancing_options")
    fields = getattr(getattr(options, "annotation", None), "model_fields", {})
    return "source" in fields


def _audit_table(figures: dict[str, dict[int, Figures]], config: BalancingAudit.Config) -> Table:
    body = []
    for key, (title, factor, digits) in ROWS.items():
        cells = []
        for by_seed in figures.values():
            found = {s: one[key] for s, one in by_seed.items()}
            known = {s: factor * v for s, v in found.items() if v is not None}
            cells.append(OverSeeds(known).cell(digits) if known else TableCell(MISSING))
        body.append((title, cells))
    return Table(
        "Added images beside the real ones",
        "Measure",
        list(figures),
        body,
        note="Real images are compared with the others: each is left out of its own centroid and "
        "is not its own neighbour. Rows on near images therefore stand at 5 for real ones by "
        f"construction. A near copy differs by less than {config.near_copy:g} in pixel RMS. The "
        "camera classifier is tested on real images of held-out identities in the first column.",
    )


def _balance_table(sets: dict[str, dict[int, ImageSet]]) -> Table:
    body = []
    for key, (title, digits) in BALANCE_ROWS.items():
        factor = 100.0 if key == "one_camera" else 1.0
        cells = []
        for by_seed in sets.values():
            values = {s: factor * float(_balance(one)[key]) for s, one in by_seed.items()}
            cells.append(OverSeeds(values).cell(digits))
        body.append((title, cells))
    columns = [label if label == REAL else f"with {label}" for label in sets]
    return Table("Images of identities before and after", "Count", columns, body)


def _balance(images: ImageSet) -> dict[str, float]:
    return asdict(balance_of(images.pids, images.camids))


def _result(
    figures: dict[str, dict[int, Figures]], sets: dict[str, dict[int, ImageSet]]
) -> dict[str, Any]:
    return {
        label: {
            str(seed): {
                "figures": one,
                "balance": _balance(sets[label][seed]),
                "images_by_identity": _by_identity(sets[label][seed]),
            }
            for seed, one in by_seed.items()
        }
        for label, by_seed in figures.items()
    }


def _by_identity(images: ImageSet) -> dict[str, int]:
    pids, counts = np.unique(images.pids, return_counts=True)
    return {str(pid): int(count) for pid, count in zip(pids, counts, strict=True)}
