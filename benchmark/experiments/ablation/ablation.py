"""``ablation``: what each module adds to a baseline, and what the whole loses without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from benchmark.core.errors import UsageError
from benchmark.core.plugin import Card, PluginConfig
from benchmark.experiments.compared_rows import (
    PAIRED_NOTE,
    Row,
    compared,
    keys_of,
    map_cells,
    measured_rows,
    notes,
    rows_json,
)
from benchmark.experiments.context import ExperimentContext
from benchmark.experiments.ddid_paper import PAPER_ATTACKS, PAPER_PAIR, PAPER_SETTINGS, paper_gains
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.findings import MISSING, Findings, Table, text
from benchmark.experiments.summary import PairedGain
from benchmark.experiments.variant import Variant
from results.board.columns import TableCell

PAPER_GAINS = paper_gains()

NOTE = (
    f"{PAIRED_NOTE}, the column by seed shows it. An interval that includes zero says that the two "
    "are not separable here. The paper's figures are second-hand, of other data."
)


@dataclass(frozen=True)
class ModuleRow:
    """A row: modules that are on, None for the baseline itself."""

    variant: Variant
    modules: tuple[str, ...] | None


class Ablation(Experiment):
    """Table 3 of the DDID paper: each module alone on the baseline, all, and all but one."""

    card = Card(
        title="Ablation: the modules of DDID one by one",
        paper="Zhou et al., AAAI 2026, arXiv 2511.09933, table 3",
        claims="Each module alone gains over metric AT, and all together gain most.",
        notes="The paper's rows are read as single modules on top of metric AT. All-but-one rows "
        "are added. --defense takes the baseline and the defense with the switches.",
    )
    defaults = {
        "defense": ["metric-at", "ddid"],
        "attack": list(PAPER_ATTACKS),
        "eps": [8.0],
        "test_dataset": ["none"],
    }
    settings = PAPER_SETTINGS

    class Config(PluginConfig):
        """Options of the experiment."""

        modules: list[str] = Field(
            default=["balancing", "discriminator", "self_meta", "fnes"], min_length=1
        )
        """Switches of the defense: options that are true or false; others stay as they are."""

    config: Config

    def run(self, context: ExperimentContext) -> Findings:
        """Measure every row and its gain over the baseline."""
        if len(context.config.defense) != 2:
            raise UsageError(
                "an ablation is of one defense over one baseline",
                "give both, such as --defense metric-at,ddid",
            )
        base, defense = context.config.defense
        rows = ablation_rows(base, defense, self.config.modules)
        measured = measured_rows(context, [row.variant for row in rows])
        baseline = measured.get(base)
        if baseline is None:
            raise UsageError("the baseline could not be measured", "see the messages above")
        dataset = context.config.dataset
        gains = {
            label: {key: one.gain for key, one in compared(row, baseline, dataset).items()}
            for label, row in measured.items()
            if row is not baseline
        }
        modules = {row.variant.label: row.modules for row in rows}
        is_papers = set(self.config.modules) == set(Ablation.Config().modules)
        paper = PAPER_GAINS if is_papers and (defense, base) == PAPER_PAIR else {}
        result: dict[str, Any] = {"baseline": base, "rows": rows_json(measured)}
        for one in result["rows"]:
            label = one["label"]
            one["modules"] = None if modules[label] is None else list(modules[label] or ())
            found = gains.get(label, {})
            one["gain"] = {key: gain.as_json() for key, gain in found.items() if gain}
            one["paper_gain"] = paper.get(label, {})
        return Findings(_tables(measured, gains, paper, dataset), result)


def ablation_rows(baseline: str, defense: str, modules: Sequence[str]) -> list[ModuleRow]:
    """Return the rows: baseline, each module alone, all, and all but each one."""

    def row(label: str, on: Sequence[str]) -> ModuleRow:
        settings = {f"defense.{module}": module in on for module in modules}
        return ModuleRow(Variant(label, defense, settings), tuple(on))

    rows = [ModuleRow(Variant(baseline, baseline), None)]
    rows += [row(f"+ {module}", [module]) for module in modules]
    rows.append(row("all", modules))
    if len(modules) > 2:  # with two, all but one is the other one alone
        rows += [
            row(f"all − {module}", [one for one in modules if one != module]) for module in modules
        ]
    return rows


def _tables(
    measured: dict[str, Row],
    gains: dict[str, dict[str, PairedGain | None]],
    paper: dict[str, dict[str, float]],
    dataset: str,
) -> list[Table]:
    keys = keys_of(measured, dataset)
    body = map_cells(measured, dataset, keys)
    tables = [Table(f"mAP on {dataset} in percent", "Variant", keys, body, notes(measured))]
    base = next(iter(measured))
    for key in keys:
        rows = []
        for label, by_key in gains.items():
            gain = by_key[key]
            published = paper.get(label, {}).get(key)
            shown = gain.cell() if gain else TableCell(MISSING)
            seeds = ", ".join(f"{value:+.2f}" for value in gain.by_seed.values()) if gain else ""
            rows.append((label, [shown, TableCell(seeds), text(published, 2, sign=True)]))
        columns = ["Gain in mAP, 95% CI", "By seed", "Paper"]
        tables.append(Table(f"{key}: gain over {base}", "Variant", columns, rows))
    return [*tables[:-1], replace(tables[-1], note=NOTE)]
