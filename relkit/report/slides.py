"""Document → one self-contained deck for a browser: reveal.js, our own theme.

A page is 1280 by 720. What stands where follows from the content, and type gets
smaller in two steps before a page is called too full. Printing needs no trick:
the style sheet gives a sheet a slide.
"""

from __future__ import annotations

import base64
import dataclasses
import math
import unicodedata
import warnings
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from markupsafe import Markup

from relkit.report.document import Arrangement, Document, arrange
from relkit.report.fonts import package_file
from relkit.report.html import (
    CSP,
    LONGEST_CELL,
    asset,
    environment,
    own_ids,
    page_frame,
    with_fonts,
)
from relkit.report.language import speaking
from relkit.report.nodes import Details, Gate, Provenance, Saved, Slide, Table, Text, Tile, Tiles
from relkit.report.statements import say
from relkit.report.theme import css_variables

_REVEAL = "_static/revealjs/dist"
REVEAL_LICENCE = "reveal.js 5.2, © 2011–2024 Hakim El Hattab (MIT)."
HEADLINE_CHARACTERS = 128  # beyond two lines of 36 px
HEADLINE_LINE = 58  # what one such line holds
# A region's room in lines of ordinary text, and how much smaller type makes of it.
ROOM = {"side": 15.0, "words": 13.5, "below": 4.5}
MORE_ROOM = (("", 1.0), ("dense", 1.35), ("crowded", 1.85))
PAGE_PIXELS, HEADLINE_PIXELS = 536, 45  # under the headline; and a line of it
# A row of a table set large, ordinary, dense; and a Latin character in each.
STEPS = (("roomy", 54, 10.5), ("", 39, 8.8), ("dense", 30, 7.3))
# Latin characters on a line of ordinary text; a Chinese one takes the room of two.
WIDTH = {"side": 43, "words": 88, "below": 118}


class CrowdedSlideWarning(UserWarning):
    """A slide holds more than fits at a size that can be read."""


def render_deck(document: Document, record: Mapping[str, Any] | None = None) -> str | None:
    """One HTML file that is a deck; None where the document has no slides.

    Args:
        document: What the notebook says, from ``read_document``.
        record: The run record, for the last page (see ``render_report``).

    Returns:
        The page: a title, the slides, the appendix, where the figures come from.
        The same document and record give the same bytes.

    Warns:
        CrowdedSlideWarning: a slide's text does not fit; say it shorter.
    """
    if not document.slides:
        return None
    with speaking(document.language):
        frame = page_frame(document, record or {})
        used: dict[str, int] = {}
        pages = [
            _page(slide, number, frame["meta"], used)
            for number, slide in enumerate(document.slides, start=2)
        ]
        script = _script()
        digest = base64.b64encode(sha256(f"\n{script}\n".encode()).digest()).decode("ascii")
        page = environment().get_template("deck.html.j2").render(
            **frame,
            pages=pages,
            total=len(pages) + 2,
            csp=f"{CSP}; script-src 'sha256-{digest}'",
            dense_account=sum(len(group["pairs"]) for group in frame["account"]) > 27,
            reveal_style=Markup(_reveal("reveal.css")),
            reveal_licence=REVEAL_LICENCE,
            script=Markup(script),
        )  # fmt: skip
        return with_fonts(page, css_variables() + asset("base.css") + asset("deck.css"))


@lru_cache(maxsize=2)
def _reveal(name: str) -> str:
    """A file of the installed reveal.js, its licence comment first."""
    text = package_file("sphinx_revealjs", f"{_REVEAL}/{name}").read_text(encoding="utf-8")
    return text.replace("</script", "<\\/script").strip()


def _script() -> str:
    return f"{_reveal('reveal.js')}\n{asset('deck.js').strip()}"


def _page(slide: Slide, number: int, source: str, used: dict[str, int]) -> dict[str, Any]:
    # What opens or was saved belongs in the report; a page in a room shows what it has.
    shown = tuple(b for b in slide.content if not isinstance(b, (Details, Saved, Provenance)))
    arrangement = arrange(own_ids(shown, used))
    density, crowded = _density(arrangement, _columns(slide.headline.text) > HEADLINE_LINE)
    if crowded:
        warnings.warn(
            f"slide {number} ({slide.headline.text[:60]!r}) holds more than fits; "
            "say it shorter or move part of it to rk.details(…)",
            CrowdedSlideWarning,
            stacklevel=3,
        )
    characters = _columns(slide.headline.text)
    long = "long" if characters > HEADLINE_CHARACTERS else ""
    room = PAGE_PIXELS - HEADLINE_PIXELS * math.ceil(2 * characters / HEADLINE_CHARACTERS)
    arrangement, table_density = _cut_tables(arrangement, room)
    return {
        "slide": slide,
        "arrangement": arrangement,
        "number": number,
        "id": f"slide-{number}",
        "appendix": slide.appendix,
        "tables": any(isinstance(block, Table) for block in arrangement.main),
        "classes": " ".join(filter(None, (density or table_density, long))),
        "source": say("page.source", source=slide.source.text).text() if slide.source else source,
    }


def _density(arrangement: Arrangement, second_line: bool) -> tuple[str, bool]:
    """The step of type size that a slide's words need, and whether none is enough."""
    need = 0.0
    regions = [("below", arrangement.below)]
    regions.append(("words", arrangement.main) if arrangement.layout == "words" else
                   ("side", arrangement.side))  # fmt: skip
    for name, blocks in regions:
        room = ROOM[name] - (6.4 if arrangement.top and name == "words" else 0.0)
        room -= 1.2 if second_line else 0.0
        need = max(need, sum(_lines(block, WIDTH[name]) for block in blocks) / room)
    for step, more in MORE_ROOM:
        if need <= more:
            return step, False
    return MORE_ROOM[-1][0], True


def _lines(block: Any, width: int) -> float:
    """About how many lines of ordinary text a block takes."""
    if isinstance(block, Text):
        paragraphs = [line for line in block.phrase.text.splitlines() if line.strip()]
        return sum(math.ceil(_columns(line) / width) + 0.6 for line in paragraphs)
    if isinstance(block, Gate):
        return math.ceil(_columns(block.phrase.text) / (width * 0.78)) + 0.4
    if isinstance(block, Tiles):
        return sum(map(_tile_lines, block.tiles)) if width == WIDTH["side"] else 5.4
    if isinstance(block, Tile):
        return _tile_lines(block)
    return 0.0


def _tile_lines(tile: Tile) -> float:
    notes = [tile.interval, tile.cases, tile.note.text if tile.note else None]
    return 3.1 + sum(0.72 * math.ceil(_columns(note) / 56) for note in notes if note)


def _columns(text: str) -> int:
    """Width of a text in Latin characters; East Asian wide ones count twice."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _cut_tables(arrangement: Arrangement, room: int) -> tuple[Arrangement, str]:
    """The arrangement with no more rows than its height takes; the report has them all."""
    taken = 150 if arrangement.top else 0
    taken += 28 * math.ceil(sum(_lines(block, WIDTH["below"]) for block in arrangement.below))
    density, changed = "", dict[str, Any]()
    for region in ("main", "side"):
        blocks = []
        for block in getattr(arrangement, region):
            if isinstance(block, Table):
                block, step = _fitted(block, room - taken, arrangement.layout == "split")
                density = density or step
            blocks.append(block)
        changed[region] = tuple(blocks)
    return dataclasses.replace(arrangement, **changed), density


def _fitted(table: Table, room: int, beside: bool) -> tuple[Table, str]:
    width = 560 if beside else 1150
    room -= 38 * bool(table.caption) + 30 * bool(table.note)
    for step, line, character in STEPS:
        heights = _row_heights(table, width, line, character)
        if sum(heights) <= room and not (beside and step == "roomy"):
            return table, step
    rows, used = 0, heights[0] + 34
    while rows < len(table.rows) and used + heights[rows + 1] <= room:
        used += heights[rows + 1]
        rows += 1
    return dataclasses.replace(table, rows=table.rows[:rows]), "dense"


def _row_heights(table: Table, width: int, line: int, character: float) -> list[float]:
    """Pixels of the head and of each row, wrapped text counted."""
    head = tuple(column.label for column in table.columns)
    widths = [[min(_columns(cell or ""), LONGEST_CELL) for cell in row]
              for row in (head, *table.rows)]  # fmt: skip
    # A browser gives each column room by the longest of its cells, and some for its edges.
    longest = [max(column) + 3 for column in zip(*widths, strict=True)]
    shares = [width / character * most / sum(longest) - 3 for most in longest]

    def height(row: list[int]) -> float:
        lines = max(
            math.ceil(each / max(share, 1)) for each, share in zip(row, shares, strict=True)
        )
        return line * (0.4 + 0.6 * max(lines, 1))

    return [height(row) for row in widths]
