"""Draw the way of the data: images/data-flow.svg.

    python docs/draw_data_flow.py

Mermaid was looked at: the site would fetch it from the network.
"""

from __future__ import annotations

from pathlib import Path

PICTURE = Path(__file__).with_name("images") / "data-flow.svg"
WIDTH, HEIGHT = 200, 62
BOXES = {  # column, row, title, what it is
    "images": (0, 0, "training images", "identities, cameras"),
    "training": (1, 0, "training", "the defense's loss"),
    "encoder": (2, 0, "encoder", "image → embedding"),
    "queries": (0, 1, "queries", "other identities"),
    "attack": (1, 1, "attack", "within 8/255, for each query"),
    "rounded": (2, 1, "attacked queries", "rounded to 8 bits"),
    "gallery": (0, 2, "gallery", "other cameras"),
    "ranking": (1, 2, "ranking", "by cosine, matches counted"),
    "worst": (2, 2, "worst case", "lowest AP of each query"),
    "record": (1, 3, "record", "one file, outcomes beside it"),
    "board": (2, 3, "board", "mean, spread, groups"),
}
ARROWS = (
    ("images", "training"), ("training", "encoder"), ("queries", "attack"), ("encoder", "attack"),
    ("attack", "rounded"), ("rounded", "ranking"), ("gallery", "ranking"), ("ranking", "worst"),
    ("worst", "record"), ("record", "board"),
)  # fmt: skip


def _corner(name: str) -> tuple[int, int]:
    column, row, _, _ = BOXES[name]
    return 10 + column * (WIDTH + 60), 10 + row * (HEIGHT + 40)


def _box(name: str) -> str:
    x, y = _corner(name)
    _, _, title, about = BOXES[name]
    middle = x + WIDTH // 2
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{middle}" y="{y + 27}" class="title">{title}</text>'
        f'<text x="{middle}" y="{y + 47}">{about}</text>'
    )


def _arrow(start: str, end: str) -> str:
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    if y1 == y2:
        ends = x1 + WIDTH, y1 + HEIGHT // 2, x2 - 3, y2 + HEIGHT // 2
    else:
        ends = x1 + WIDTH // 2, y1 + HEIGHT, x2 + WIDTH // 2, y2 - 3
    return '<path d="M{} {} L{} {}"/>'.format(*ends)


def picture() -> str:
    """Return the SVG."""
    wide, high = 3 * WIDTH + 140, 4 * HEIGHT + 140
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
        'aria-label="Training images make an encoder; queries are attacked through it, rounded, '
        "ranked before the gallery; the worst case of each query goes into a record, and records "
        'make a board.">',
        "<style>svg{background:#fff;font:13px sans-serif}text{text-anchor:middle;fill:#333}"
        ".title{font-weight:bold;font-size:15px}rect{fill:#eef3fa;stroke:#4a6fa5}"
        "path{stroke:#4a6fa5;fill:none;marker-end:url(#tip)}</style>",
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill:#4a6fa5;marker-end:none"/></marker>',
        *map(_box, BOXES),
        *(_arrow(*ends) for ends in ARROWS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
