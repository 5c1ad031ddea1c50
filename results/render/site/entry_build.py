"""From a row of a board to what its page says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from results.board import record_metrics as metrics
from results.board.boards import THIN, Board, Row
from results.board.columns import over_seeds
from results.board.curves import CurvePanel, answer_panels, budget_panels
from results.records.ranked_lists import RankedLists, load_ranked_lists, ranked_lists_path
from results.records.schema import Record
from results.render.site.context import SiteContext, board_path, compare_path, entry_path, row_id
from results.render.site.entry_attacks import (
    attacks_of,
    curves_of,
    headline,
    other_data,
)
from results.render.site.entry_content import EntryPage, Place, Relative, TrainingOfRow
from results.report import wording
from results.report.content import Facts
from results.report.listed_queries import listed_queries
from results.report.raised_flags import raised_flags
from results.statistics.spread import ENOUGH_SEEDS
from results.trust.statement import Trust, shipped

NO_DATE = "n/a: not in the history of a repository"
NO_COMMAND = "n/a: no command is known for these records"
_PAPERS = "references"
"""Key of a card; what it holds is shown as papers."""
_NO_FILE = "n/a: it does not lie beside the record"

Places = Mapping[tuple[str, str], Sequence[tuple[Board, Row]]]
"""Rows of all boards, by defense and data set."""


class EntryMaker:
    """Makes what the pages of the rows of all boards say.

    Args:
        context: What the site is told.
    """

    def __init__(self, context: SiteContext) -> None:
        self._context = context
        self._panels: dict[str, tuple[list[CurvePanel], list[CurvePanel]]] = {
            board.slug: (budget_panels(board), answer_panels(board)) for board in context.boards
        }
        relatives: dict[tuple[str, str], list[tuple[Board, Row]]] = {}
        for board in context.boards:
            for row in board.rows:
                relatives.setdefault(_kind(row), []).append((board, row))
        self._relatives: Places = relatives

    def make(self, board: Board, row: Row) -> tuple[EntryPage, Mapping[str, bytes]]:
        """Return what the page of a row says, and the pictures of its ranked lists.

        Raises:
            RecordError: A file of ranked lists is damaged, or outcomes lack an attack of theirs.
        """
        context, record = self._context, row.records[0]
        budgets, answers = self._panels[board.slug]
        listing = self._lists(row)
        words = context.glossary
        names = dict.fromkeys(one.name for one in record.attacks)
        entry = EntryPage(
            label=row.label,
            defense=record.defense.name,
            board=board.subject,
            threat_title=board.threat,
            board_page=board_path(board),
            compare_page=f"{compare_path(board)}#a={row_id(row)}",
            rows=len(board.rows),
            group=board.groups.get(row.label),
            targeted=board.targeted,
            headline=headline(row),
            remarks=tuple(_remarks(board, row)),
            command=context.commands.get(row_id(row), NO_COMMAND),
            threat=tuple(wording.threat(record)),
            about_attacks=tuple((n, words.attacks[n]) for n in names if words.attacks.get(n)),
            flags=raised_flags(row.records, words),
            attacks=attacks_of(board, row),
            curves=curves_of(budgets, row, fewest=3),
            answer_curves=curves_of(answers, row, fewest=2),
            trainings=tuple(self._training(one) for one in row.records),
            places=_places(row),
            protocol=record.protocol.fingerprint,
            configuration=wording.configuration(record),
            card=_card(record),
            papers=words.references.get(f"defense/{record.defense.name}", ()),
            trust=tuple(_trust(row)),
            other_data=other_data(row),
            listed=None
            if listing is None
            else listed_queries(listing[1], context.measured.get(listing[0].id)),
            gallery_attacked=any(one.side != "query" for one in record.attacks),
            relatives=tuple(self._related(board, row)),
        )
        return entry, {} if listing is None else listing[1].pictures

    def _lists(self, row: Row) -> tuple[Record, RankedLists] | None:
        """Return the ranked lists of the first training that has some."""
        for record in row.records:
            file = self._context.files.get(record.id)
            lists = None if file is None else load_ranked_lists(file)
            if lists is not None:
                return record, lists
        return None

    def _training(self, record: Record) -> TrainingOfRow:
        training, attacks = record.training, record.attacks
        return TrainingOfRow(
            seed=record.seed,
            clean_map=record.clean.map,
            worst_map=metrics.worst_map(record),
            seconds=training.seconds,
            epochs=training.epochs,
            memory_bytes=training.peak_memory_bytes,
            attack_seconds=sum(one.seconds + (one.prepare_seconds or 0) for one in attacks),
            attack_forwards=sum(one.forwards for one in attacks),
            attack_backwards=sum(one.backwards for one in attacks),
            answers=sum(one.queries for one in attacks),
            device=record.environment.device,
            published=self._context.published.get(record.id, NO_DATE),
            facts=(
                *_passes(record),
                *_hashes(record),
                *_files(record, self._context.files.get(record.id)),
            ),
        )

    def _related(self, board: Board, row: Row) -> Iterator[Relative]:
        for other, one in self._relatives[_kind(row)]:
            dates = {self._context.published.get(record.id) for record in one.records} - {None}
            same = other.slug == board.slug
            yield Relative(
                label=one.label,
                page=Path(entry_path(one)).name,
                differs="this board" if same else f"{other.subject} · {other.threat}",
                seeds=len(one.records),
                clean_map=over_seeds(one, metrics.clean_map),
                worst_map=over_seeds(one, metrics.worst_map),
                published=max((date for date in dates if date), default=NO_DATE),
                is_this=one is row,
            )


def _kind(row: Row) -> tuple[str, str]:
    return row.records[0].defense.name, row.records[0].dataset


def _numbers(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _remarks(board: Board, row: Row) -> Iterator[str]:
    if not row.records[0].attacks:
        yield "Nothing was attacked: this row says nothing about robustness."
    if board.targeted:
        yield "Attacks have a target identity: read the mAP of the targets, not the own one."
    if any(one.side != "query" for one in row.records[0].attacks):
        yield "The worst case is a lower bound: one gallery holds one attack for all queries."
    if few := row.records[0].protocol.queries:
        yield (
            f"A quick look at {few.chosen} of {few.of} queries: not to be compared with results "
            "of all queries."
        )
    if row.is_thin:
        yield (
            f"{THIN} Fewer than {ENOUGH_SEEDS} trainings: how far trainings differ is not known."
        )


def _places(row: Row) -> tuple[Place, ...]:
    """Return where it was computed, once for all trainings that were computed alike."""
    found: dict[Facts, list[int]] = {}
    for record in row.records:
        facts = tuple(pair for pair in wording.environment(record) if pair[0] != "Commit")
        found.setdefault(facts, []).append(record.seed)
    return tuple(Place(tuple(seeds), facts) for facts, seeds in found.items())


def _card(record: Record) -> Facts:
    card = record.defense.card.items()
    return tuple((key.capitalize(), str(one)) for key, one in card if one and key != _PAPERS)


def _trust(row: Row) -> Iterator[tuple[str, str]]:
    """Yield how far the row may be trusted, and what was stated of its records, by date."""
    yield "now", row.trust.remark
    stated: dict[Trust, list[int]] = {}
    for record in row.records:
        for one in shipped().get(record.id, ()):
            stated.setdefault(one, []).append(record.seed)
    for one, seeds in sorted(stated.items(), key=lambda item: item[0].date):
        yield one.date, f"training seed {_numbers(seeds)}: {one.remark}"


def _passes(record: Record) -> Iterator[tuple[str, str]]:
    for name, images in record.training.passes.items():
        yield f"Image passes, {name.replace('_', ' ')}", f"{images:,}"
    if not record.training.passes:
        yield "Image passes", "n/a: its training did not count them, or nothing was trained"


def _hashes(record: Record) -> Iterator[tuple[str, str]]:
    yield "Record", record.id
    yield "Protocol", record.protocol.fingerprint
    yield "Behaviour", record.defense.behaviour
    yield "Source", record.defense.source_sha256
    yield "Commit", record.environment.git_commit or "n/a: not computed in a repository"


def _files(record: Record, file: Path | None) -> Iterator[tuple[str, str]]:
    yield "File of the record", "n/a: it was not read from a file" if file is None else file.name
    yield "Outcome of each query", record.per_query or _NO_FILE
    lists = None if file is None else ranked_lists_path(file)
    yield "Ranked lists", lists.name if lists is not None and lists.is_file() else _NO_FILE
