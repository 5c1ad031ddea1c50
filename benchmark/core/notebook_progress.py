"""Progress of long work under the cell of a notebook."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

from benchmark.core.progress import Bar

_REDRAW_SECONDS = 0.25


class NotebookProgress:
    """Draws a live bar under a notebook's cell, with what every kernel has; no widgets needed."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Bar]:
        """Yield a bar that is drawn as HTML, at most four times a second."""
        from IPython.display import HTML, display

        start, label = time.monotonic(), escape(title)
        shown = display(HTML(label), display_id=True)

        class _HtmlBar:
            done, last = 0, start

            def advance(self, steps: int = 1, note: str = "") -> None:
                self.done += steps
                now = time.monotonic()
                if now - self.last >= _REDRAW_SECONDS:
                    self.last = now
                    self.draw(note)

            def draw(self, note: str) -> None:
                seconds = time.monotonic() - start
                bar = f"<progress max='{total}' value='{self.done}'></progress>"
                told = f"{self.done}/{total} · {seconds:.0f} s {escape(note)}"
                shown.update(HTML(f"{label} {bar} {told}"))

        bar, state = _HtmlBar(), "stopped"
        try:
            yield bar
            state = "done"
        finally:
            bar.draw(state)
