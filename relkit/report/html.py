"""Document → one self-contained HTML report; and how a block looks in JupyterLab."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup, escape

from relkit.report.document import Document, Prose, arrange
from relkit.report.fonts import FONT_STACK, LICENCE_NOTE, font_faces
from relkit.report.language import current, speaking, visible
from relkit.report.nodes import Block, Column, Details, Figure, Gate, Phrase, Saved, Slide, Table
from relkit.report.statements import say
from relkit.report.theme import css_variables

if TYPE_CHECKING:
    from jinja2 import Environment

CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)
STYLES_HERE = "/*relkit:styles*/"
_CSS_TEXT = "…–0123456789"  # what the style sheets and the script may add to a page
LONGEST_WORD = 24
LONGEST_PHRASE = 26
_PHRASE_END = re.compile(r"[\s，。：；、？！（）]+")
_UNIT = re.compile(r"(.*\d)( ?[^\d\s%.,][^\d]*)")
LONGEST_CELL = 200  # characters of one table cell; the CSV has the whole
# Bounded, so that a name of 10,000 characters is read in no time.
_TOGETHER = re.compile(
    r"[^\s（(\d]{0,4}[\d,.]{1,20} (?:k|M|bn)(?![A-Za-z])|n = [\d,]{1,20}"
    r"|[\d,.]{1,20} ?(?:[%年月日位个周天次名万亿]{1,4}[美欧]?元?|[美欧]?元)"
)


@lru_cache(maxsize=1)
def markdown() -> Any:
    """The Markdown reader: HTML and images in it are text, a URL is no link by itself."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    reader.add_render_rule("text", lambda self, tokens, at, options, env: tied(tokens[at].content))
    return reader


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
    found.filters.update(
        prose=prose, svg=svg, shortened=shortened, tied=tied, with_unit=with_unit, data_uri=data_uri
    )
    found.globals.update(
        cell_class=cell_class,
        heading_class=heading_class,
        first_rows=first_rows,
        gate_word=gate_word,
        saved_line=saved_line,
        say=_say,
        term=lambda key: current().term(key),
    )
    return found


def notebook_html(block: Block) -> str:
    """The block with inline styles alone, so that it stands in any notebook viewer."""
    return environment().get_template("notebook.html.j2").render(block=block)


def render_report(document: Document, record: Mapping[str, Any] | None = None) -> str:
    """One HTML file that needs nothing else: no network, no script, its own type.

    Args:
        document: What the notebook says, from ``read_document``.
        record: The run record; whatever it holds of report, run_id, notebook,
            parameters, data, versions, relkit_version, started_at, code_revision
            stands in the footer.

    Returns:
        The page; the same document and record give the same bytes.
    """
    with speaking(document.language):
        parts, contents = _body(document)
        frame = page_frame(document, record or {})
        page = environment().get_template("report.html.j2")
        styles = css_variables() + asset("base.css") + asset("report.css")
        return with_fonts(page.render(**frame, parts=parts, contents=contents, csp=CSP), styles)


def page_frame(document: Document, record: Mapping[str, Any]) -> dict[str, Any]:
    """What the report and the deck both say around their content."""
    source = document.provenance
    started = str(record.get("started_at") or "")[:10]
    meta = [source.line if source else "", current().date(started) if started else ""]
    return {
        "language": document.language.html_code,
        "title": document.title or str(record.get("report") or current().term("page.report")),
        "lead": Markup(markdown().render(document.lead)),
        "meta": " · ".join(piece for piece in meta if piece),
        "synthetic": document.synthetic,
        "red_gates": document.red_gates,
        "account": account(document, record),
        "licence": LICENCE_NOTE,
        "styles": STYLES_HERE,
    }


def account(document: Document, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The provenance as titled groups of (name, text): source, parameters, run."""
    source = document.provenance
    read = [
        (path, " · ".join(filter(None, (rows, f"SHA-256 {digest[:12]}" if digest else ""))))
        for path, rows, digest in (source.files if source and source.files else _files(record))
    ]
    given = record.get("parameters") or {}
    parameters = (
        list(source.parameters)
        if source and source.parameters
        else [(str(name), visible(str(value))) for name, value in given.items()]
    )
    names = ("report", "notebook", "run_id", "started_at", "relkit_version", "code_revision")
    run = [(current().term(f"provenance.{n}"), str(record[n])) for n in names if record.get(n)]
    versions = record.get("versions") or {}
    if versions:
        shown = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        run.append((current().term("provenance.versions"), shown))
    groups = (
        ("name", [*(source.facts if source else ()), *read]),
        ("parameters", parameters),
        ("run", run),
    )
    return [
        {"title": current().term(f"provenance.{name}"), "pairs": pairs}
        for name, pairs in groups
        if pairs
    ]


def _files(record: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for entry in record.get("data") or ():
        rows = entry.get("rows")
        shown = "" if rows is None else _say("provenance.file_rows", n=rows)
        found.append((visible(str(entry.get("path", ""))), shown, str(entry.get("sha256", ""))))
    return found


def _body(document: Document) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The parts as the template takes them, and the contents: sections and findings."""
    parts: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    used: dict[str, int] = {}
    level = 1
    for part in document.parts:
        if isinstance(part, Prose):
            words, headings = _prose(part.markdown, level, len(contents))
            parts.append({"words": words})
            contents += [{**h, "section": True, "inner": []} for h in headings if h["level"] == 2]
            level = headings[-1]["level"] if headings else level
        elif isinstance(part, Slide):
            finding = {"id": f"finding-{len(parts) + 1}", "text": part.headline.text}
            inside = bool(contents) and contents[-1]["section"]
            (contents[-1]["inner"] if inside else contents).append(
                finding if inside else {**finding, "section": False, "inner": []}
            )
            unique = dataclasses.replace(part, content=own_ids(part.content, used))
            shown = arrange(unique.content)
            parts.append(
                {"slide": unique, "arrangement": shown, "level": 3 if inside else 2, **finding}
            )
            level = 3 if inside else 2
        else:
            parts.append({"block": own_ids((part,), used)[0]})
    return parts, contents


def _prose(source: str, level: int, sections: int) -> tuple[Markup, list[dict[str, Any]]]:
    """Prose as HTML whose headings follow on from ``level`` without a step left out."""
    tokens = markdown().parse(source)
    headings: list[dict[str, Any]] = []
    for position, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        level = max(2, min(int(token.tag[1]), level + 1))
        token.tag = tokens[position + 2].tag = f"h{level}"
        number = sections + 1 + sum(h["level"] == 2 for h in headings)
        heading = {
            "level": level,
            "id": f"section-{number}",
            "text": _plain_text(tokens[position + 1]),
        }
        if level == 2:
            token.attrSet("id", heading["id"])
        headings.append(heading)
    reader = markdown()
    return Markup(reader.renderer.render(tokens, reader.options, {})), headings


def _plain_text(token: Any) -> str:
    return "".join(child.content for child in token.children or ())


def own_ids(blocks: tuple[Any, ...], used: dict[str, int]) -> tuple[Any, ...]:
    """The blocks with ids that no other chart of the page has, should one come twice."""
    out = []
    for block in blocks:
        if isinstance(block, Figure):
            seen = used[block.prefix] = used.get(block.prefix, 0) + 1
            if seen > 1:
                prefix = f"{block.prefix}{seen}-"
                block = dataclasses.replace(
                    block, prefix=prefix, svg=block.svg.replace(block.prefix, prefix)
                )
        elif isinstance(block, Details):
            block = dataclasses.replace(block, blocks=own_ids(block.blocks, used))
        out.append(block)
    return tuple(out)


def with_fonts(page: str, styles: str) -> str:
    """The page with its styles and the glyphs that its own text needs."""
    faces = font_faces(unescape(page) + _CSS_TEXT)
    return page.replace(STYLES_HERE, faces + f":root{{--type:{FONT_STACK}}}" + styles, 1)


@lru_cache(maxsize=16)
def asset(name: str) -> str:
    """A file of ``report/assets``."""
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")


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


def with_unit(text: str) -> Markup:
    """A tile's value whose unit is set smaller: 193 large, 万美元 small."""
    match = _UNIT.fullmatch(text)
    if match is None:
        return Markup(escape(text))
    return Markup('{}<span class="unit">{}</span>').format(match[1], match[2])


def heading_class(text: str, line: int = LONGEST_PHRASE) -> str:
    """Chinese headings break between phrases, unless a phrase is longer than a line."""
    longest = max(map(len, _PHRASE_END.split(text)))
    return "loose" if longest > line else "phrased"


def shortened(text: str) -> str:
    """A cell's text, cut where it would push all else off the page."""
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…"


def data_uri(csv: str) -> str:
    """A CSV file that a link carries itself; opens in spreadsheets as UTF-8."""
    return "data:text/csv;charset=utf-8," + quote("\ufeff" + csv)


def cell_class(cell: str | None, column: Column) -> str:
    """How a cell is set: figures right, dates whole, and what has no spaces may break."""
    if column.numeric:
        return "numeric"
    if column.format in ("date", "month"):
        return "whole"
    longest = max(map(len, (cell or "").split()), default=0)
    return "unbroken" if longest > LONGEST_WORD else "cell"


def first_rows(block: Table) -> str:
    return _say("table.first_rows", shown=len(block.rows), rows=block.total_rows)


def gate_word(block: Gate) -> str:
    word = {True: "passed", False: "failed", None: "unknown"}[block.passed]
    return current().term(f"gate.{word}")


def saved_line(block: Saved) -> str:
    return _say("saved.table", name=block.name, rows=block.rows, files=", ".join(block.files))


def _say(key: str, **values: Any) -> str:
    return say(key, **values).text()
