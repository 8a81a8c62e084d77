"""Document → one self-contained HTML report; and how a block looks in JupyterLab."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from relkit.report.language import current, say
from relkit.report.nodes import Block, Figure, Gate, Phrase, Saved, Table

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST_CELL = 200  # characters of one table cell; the CSV has the whole
_TOGETHER = re.compile(r"[^\s（(]*\d (?:k|M|bn)(?![A-Za-z])|n = [\d,]+")


@lru_cache(maxsize=1)
def markdown() -> Any:
    """The Markdown reader: HTML and images in it are text, a URL is no link by itself."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates; every value that enters one is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("relkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(prose=prose, svg=svg, shortened=shortened, tied=tied, data_uri=data_uri)
    found.globals.update(
        first_rows=first_rows, gate_word=gate_word, saved_line=saved_line, say=_say
    )
    return found


def notebook_html(block: Block) -> str:
    """The block with inline styles alone, so that it stands in any notebook viewer."""
    return environment().get_template("notebook.html.j2").render(block=block)


def prose(phrase: Phrase) -> Markup:
    """A phrase as HTML: Markdown where it is Markdown, else a paragraph of text."""
    if phrase.markdown:
        return Markup(markdown().render(phrase.text))
    return Markup("<p>{}</p>").format(tied(phrase.text))


def svg(block: Figure) -> Markup:
    """The chart, as relkit wrote it."""
    return Markup(block.svg)


def tied(text: str) -> Markup:
    """Escaped text in which an amount and its unit stay on one line."""
    out, end = [], 0
    for match in _TOGETHER.finditer(text):
        out += [
            escape(text[end : match.start()]),
            Markup('<span class="nb">{}</span>').format(match[0]),
        ]
        end = match.end()
    return Markup("").join([*out, escape(text[end:])])


def shortened(text: str) -> str:
    """A cell's text, cut where it would push all else off the page."""
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def data_uri(csv: str) -> str:
    """A CSV file that a link carries itself; opens in spreadsheets as UTF-8."""
    return "data:text/csv;charset=utf-8," + quote("\ufeff" + csv)


def first_rows(block: Table) -> str:
    return _say("table.first_rows", shown=len(block.rows), rows=block.total_rows)


def gate_word(block: Gate) -> str:
    word = {True: "passed", False: "failed", None: "unknown"}[block.passed]
    return current().term(f"gate.{word}")


def saved_line(block: Saved) -> str:
    return _say("saved.table", name=block.name, rows=block.rows, files=", ".join(block.files))


def _say(key: str, **values: Any) -> str:
    return say(key, **values).text()
