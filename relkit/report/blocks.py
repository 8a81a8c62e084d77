"""What a notebook emits: slides, figures, tables, tiles, gates.

A block is built in the language of the moment, shows itself in JupyterLab, and
travels in the notebook's output as JSON. The data it becomes are in ``nodes``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from relkit.errors import ParameterError, did_you_mean
from relkit.intervals import Estimate
from relkit.privacy import WITHHELD, protected, shown_parameters
from relkit.report.language import FORMATS, current, visible
from relkit.report.nodes import (
    MIME,
    Block,
    Column,
    Details,
    Figure,
    Gate,
    Phrase,
    Provenance,
    Saved,
    Slide,
    Table,
    Text,
    Tile,
    Tiles,
    from_json,
)
from relkit.report.statements import Statement, say, term
from relkit.report.vocabulary import all_texts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as ChartFigure

# Files that a provenance lists one by one; a footer has to fit on a slide.
_MOST_FILES = 5

__all__ = [
    "MIME", "Block", "Column", "Details", "Figure", "Gate", "Phrase", "Provenance", "Saved",
    "Slide", "Table", "Text", "Tile", "Tiles", "describe", "details", "figure", "from_json",
    "gate", "label_text", "provenance", "slide", "table", "text", "tile", "tiles",
]  # fmt: skip
MAX_ROWS = 100
MAX_CSV = 120_000  # characters of CSV carried inside a page; more is what tables/ is for


def slide(
    headline: Statement | str | None,
    *content: Any,
    notes: Statement | str | None = None,
    appendix: bool = False,
    source: Statement | str | None = None,
) -> Slide | None:
    """A page of the deck, and a section of the report.

    Args:
        headline: The finding, with its number; None, a finding that does not
            apply, leaves the whole slide out.
        *content: Blocks, axes (become figures), statements or Markdown (become text);
            None, a statement that does not apply, is left out.
        notes: What the speaker says.
        appendix: For those who dig; comes after the story.
        source: Stands in the footer instead of the report's own source line.

    Raises:
        ParameterError: something in the content is none of these.
    """
    if headline is None:
        return None
    blocks = tuple(_as_block(item) for item in content if item is not None)
    return Slide(
        _phrase(headline), blocks, _maybe(notes, markdown=True), bool(appendix), _maybe(source)
    )


def text(words: Statement | str) -> Text:
    """A paragraph or more; a statement's template may be Markdown, its values stay text."""
    return Text(_phrase(words, markdown=True))


_DESCRIPTIONS: WeakKeyDictionary[ChartFigure, tuple[Any, Any]] = WeakKeyDictionary()


def describe(ax: Any, alt: Statement | str, data: pd.DataFrame | None = None) -> None:
    """Tie an alt text and the data behind it to a chart; ``figure`` finds them there.

    Args:
        ax: The axes that were drawn on.
        alt: What the chart shows, with its most important number.
        data: What was drawn; offered to the reader as CSV.
    """
    _DESCRIPTIONS[_chart_of(ax)] = (alt, data)


def figure(
    ax: Any,
    alt: Statement | str | None = None,
    caption: Statement | str | None = None,
    data: pd.DataFrame | None = None,
) -> Figure:
    """A chart as part of the page; closes it, so that Jupyter does not show it again.

    Args:
        ax: matplotlib axes, an array of them, a figure, or a seaborn grid.
        alt: What it shows, for those who do not see it; by default what
            ``describe`` said.
        caption: A line beneath.
        data: What was drawn, for the reader; by default what ``describe`` said.

    Raises:
        ParameterError: no alt text, or ``ax`` is no chart.
    """
    import matplotlib.pyplot as plt

    from relkit.report.svg import inline_svg

    chart = _chart_of(ax)
    described = _DESCRIPTIONS.get(chart, (None, None))
    alt = described[0] if alt is None else alt
    if alt is None or not str(alt).strip():
        raise ParameterError(
            "a figure has no alt text; give figure(ax, alt=…) a sentence that says what the "
            "chart shows, with its number"
        )
    data = described[1] if data is None else data
    words = _phrase(alt)
    width, height = (float(side) * 72 for side in chart.get_size_inches())
    svg, prefix = inline_svg(_draw(chart), words.text)
    plt.close(chart)
    return Figure(svg, prefix, width, height, words, _maybe(caption), _small_csv(data))


def _draw(chart: ChartFigure) -> str:
    import io

    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "relkit"}):
        chart.savefig(out, format="svg", facecolor="none", metadata={"Date": None})
    return out.getvalue()


def _chart_of(ax: Any) -> ChartFigure:
    first = next(iter(getattr(ax, "flat", ax if isinstance(ax, (list, tuple)) else [ax])), None)
    chart: Any = getattr(first, "figure", first)
    if not hasattr(chart, "savefig") or not hasattr(chart, "get_size_inches"):
        raise ParameterError(f"a figure takes matplotlib axes or a figure, found {ax!r}")
    return chart


def table(
    frame: pd.DataFrame,
    columns: Mapping[str, Any] | None = None,
    caption: Statement | str | None = None,
    name: str | None = None,
    note: Statement | str | None = None,
    max_rows: int | None = None,
) -> Table:
    """A table for people; the whole of it stays inside the page as CSV, if it is small.

    Args:
        frame: One row a line; the index is not shown.
        columns: Which columns, in order: name → label, or name → (label, format word).
            A label is a statement, a key of ``report/texts`` or plain text.
        caption: What the table says.
        name: Of the CSV file that a reader saves.
        note: A line beneath.
        max_rows: Rows shown at most; 100 unless said.

    Raises:
        ParameterError: a column is not in the frame, or a format word is unknown.
        DataError: a figure is infinite. One that is missing is shown as a dash.

    Customer ids are shown as pseudonyms and personal columns withheld, unless
    ``rk.set_privacy`` says otherwise.
    """
    chosen = dict(columns) if columns is not None else {str(c): str(c) for c in frame.columns}
    unknown = [c for c in chosen if c not in frame.columns]
    if unknown:
        known = [str(c) for c in frame.columns]
        raise ParameterError(
            f"table: no column {', '.join(unknown)}; the frame has {', '.join(known)}"
            + did_you_mean(str(unknown[0]), known)
        )
    # Protected with all its columns: what a name is depends on the id beside it.
    shown = protected(frame.head(MAX_ROWS if max_rows is None else max_rows))[list(chosen)]
    heads, cells = [], []
    for column, spec in chosen.items():
        head = _column(frame[column], column, spec)
        heads.append(head)
        cells.append([_cell(value, head, shown[column]) for value in shown[column]])
    return Table(
        tuple(heads), tuple(zip(*cells, strict=True)), len(frame),
        _small_csv(frame, list(chosen)), name or "table", _maybe(caption), _maybe(note),
    )  # fmt: skip


def _column(series: pd.Series, name: str, spec: Any) -> Column:
    label, word = spec if isinstance(spec, tuple) else (spec, None)
    if word is None:
        kinds = {"i": "count", "u": "count", "f": "number2", "M": "date"}
        word = kinds.get(series.dtype.kind, "text")
    if word.removesuffix("±") not in FORMATS:
        current().show(0, word)  # says which words there are
    return Column(name, label_text(label), word, word not in ("text", "term", "date"))


def _cell(value: Any, column: Column, series: pd.Series) -> str | None:
    import pandas as pd

    if isinstance(value, str) and value == WITHHELD:
        return value
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return None
    spoken = current()
    if column.format == "text":
        if isinstance(value, bool):
            return spoken.term("table.yes" if value else "table.no")
        return value.text() if isinstance(value, Statement) else visible(str(value))
    if column.format == "money" and not isinstance(value, Estimate):
        # One precision a column: cents beside whole dollars cannot be compared.
        return spoken.money(value, spoken.money_digits(float(series.abs().max())))
    return spoken.show(value, column.format)


def label_text(label: Statement | str) -> str:
    """A label in the current language: a statement, a key of the texts, or plain text."""
    if isinstance(label, Statement):
        return label.text()
    return term(label) if label in all_texts() else visible(label)


def tile(
    label: Statement | str,
    value: Any,
    format: str,
    note: Statement | str | None = None,
    n: int | None = None,
) -> Tile:
    """One figure, large. An Estimate brings its interval and its n along."""
    spoken = current()
    interval = None
    if isinstance(value, Estimate):
        kind = say(f"interval.{value.kind}_short", level=value.level).text()
        interval = f"{kind} {spoken.interval(value, format.removesuffix('±'))}"
        n = value.n if n is None else n
    cases = None if n is None else say("interval.cases", n=n).text()
    shown = spoken.show(value, format.removesuffix("±"))
    return Tile(label_text(label), shown, interval, cases, _maybe(note), _value(value))


def tiles(*tile: Tile) -> Tiles:
    """A row of figures."""
    wrong = [t for t in tile if not isinstance(t, Tile)]
    if wrong or not tile:
        raise ParameterError(f"tiles takes one or more rk.tile(…), found {wrong or 'none'}")
    return Tiles(tile)


def gate(statement: Statement | str, passed: bool | None) -> Gate:
    """Whether something that must hold does; None where it could not be measured."""
    return Gate(_phrase(statement), None if passed is None else bool(passed))


def details(summary: Statement | str, *blocks: Any) -> Details:
    """Blocks behind a line that opens them; always open in print."""
    return Details(_phrase(summary), tuple(_as_block(b) for b in blocks if b is not None))


def provenance(
    source: Any,
    parameters: Mapping[str, Any] | None = None,
    synthetic: bool | None = None,
    customers: int | None = None,
) -> Provenance:
    """Where the figures come from; becomes the footer of every page.

    Args:
        source: What ``Source.describe()`` gives, or an object that has it: any of
            name (text, or one text a language), span (first and last day), as_of,
            account (rows read, used, set_aside), currency, files (each path, rows,
            sha256), synthetic. What else it says is listed too.
        parameters: Of the notebook, by name; ids among them are shown as pseudonyms.
        synthetic: Whether the customers are simulated; what the source says if None.
        customers: How many customers the figures are about.

    Raises:
        ParameterError: ``source`` is neither.
    """
    whole = source.describe() if hasattr(source, "describe") else source
    if not isinstance(whole, Mapping):
        raise ParameterError(
            f"provenance takes a source or what its describe() gives, found {type(source).__name__}"
        )
    said = _told(whole, customers)
    simulated = bool(said.pop("synthetic", False)) if synthetic is None else bool(synthetic)
    said.pop("synthetic", None)
    files = _told_files(said.pop("files", None) or ())
    given = {name: value for name, value in said.items() if value is not None}
    facts = tuple((_named(name), _fact(name, value)) for name, value in given.items())
    # A parameter may name a customer, as the one of a profile does.
    plain = shown_parameters(parameters or {})
    shown = ((str(name), visible(str(value))) for name, value in plain.items())
    kept = {str(name): _plain_fact(value) for name, value in whole.items()}
    return Provenance(facts, files, tuple(shown), simulated, _source_line(given), kept)


def _told_files(files: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str, str], ...]:
    """Path, rows and hash of each; of many the last ones, as a rule those of the tables
    beside transactions, in one line with the hash of their hashes. A run's record has all."""
    first, rest = (files, []) if len(files) <= _MOST_FILES else (files[:2], files[2:-1])
    told = [(str(f.get("path", "")), f.get("rows"), str(f.get("sha256", ""))) for f in first]
    if rest:
        whole = hashlib.sha256("".join(str(f.get("sha256", "")) for f in rest).encode())
        line = say("provenance.other_files", n=len(rest)).text()
        told.append((line, sum(f.get("rows") or 0 for f in rest), whole.hexdigest()))
        last = files[-1]
        told.append((str(last.get("path", "")), last.get("rows"), str(last.get("sha256", ""))))
    return tuple((visible(path), _rows(rows), sha256) for path, rows, sha256 in told)


def _told(whole: Mapping[str, Any], customers: int | None) -> dict[str, Any]:
    """What a source says, flattened to what a reader is told."""
    said = dict(whole)
    name = said.get("name")
    if isinstance(name, Mapping):
        said["name"] = name.get(current().code) or next(iter(name.values()), None)
    told = {key: said.pop(key) for key in ("name",) if key in said}
    told["period"] = said.pop("span", said.pop("period", None))
    told["customers"] = customers if customers is not None else said.pop("customers", None)
    account = said.pop("account", None)
    for part in ("read", "used", "set_aside") if isinstance(account, Mapping) else ():
        told[f"rows_{part}"] = account[part]
    if isinstance(account, Mapping):
        told["reasons"] = account.get(f"reasons_{current().code}") or account.get("reasons") or None
    mapping = said.pop("mapping", None)
    if isinstance(mapping, Mapping):
        said["files"] = [*(said.get("files") or ()), mapping]
    # Accounts of more tables than transactions have a page of their own, and the run's record.
    for name in ("ids_given", "tables"):
        said.pop(name, None)
    return told | said


def _plain_fact(value: Any) -> Any:
    """A part of a source's description as plain JSON data."""
    if isinstance(value, Mapping):
        return {str(key): _plain_fact(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_fact(inner) for inner in value]
    return _value(value)


def _source_line(said: Mapping[str, Any]) -> str:
    """One line for a slide's footer: name, period, number of customers or transactions."""
    parts = [_fact("name", said["name"])] if "name" in said else []
    if "period" in said:
        parts.append(_fact("period", said["period"]))
    if isinstance(said.get("customers"), int):
        parts.append(say("provenance.cases", n=said["customers"]).text())
    elif isinstance(said.get("rows_used"), int):
        parts.append(say("provenance.rows_behind", n=said["rows_used"]).text())
    return " · ".join(parts)


def _fact(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "period" and isinstance(value, Sequence) and len(value) == 2:
        return say("provenance.from_to", start=value[0], end=value[1]).text()
    if isinstance(value, Mapping):
        return "; ".join(f"{_named(str(key))}: {_fact(str(key), v)}" for key, v in value.items())
    if name == "as_of" or hasattr(value, "isoformat"):
        return current().date(value)
    if isinstance(value, Estimate):
        return current().show(value, "number2±")
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool):
        return current().count(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(_fact("", item) for item in value)
    return value.text() if isinstance(value, Statement) else visible(str(value))


def _rows(rows: Any) -> str:
    return "" if rows is None else say("provenance.file_rows", n=rows).text()


def _named(key: str) -> str:
    known = all_texts()
    full = f"provenance.{key}"
    return term(full) if full in known else visible(key.replace("_", " "))


def _as_block(item: Any) -> Block:
    if isinstance(item, Block):
        return item
    if isinstance(item, (Statement, str)):
        return text(item)
    if hasattr(item, "savefig") or hasattr(item, "figure") or type(item).__module__ == "numpy":
        return figure(item)
    raise ParameterError(
        f"a block, axes, a statement or text is required, found {type(item).__name__}; "
        "a frame goes in rk.table(frame)"
    )


def _maybe(words: Statement | str | None, markdown: bool = False) -> Phrase | None:
    return None if words is None else _phrase(words, markdown)


def _phrase(words: Statement | str, markdown: bool = False) -> Phrase:
    if isinstance(words, str):
        return Phrase(visible(words).strip(), markdown=markdown)
    if not isinstance(words, Statement):
        raise ParameterError(f"a statement or text is required, found {words!r}")
    shown = words.markdown() if markdown else words.text()
    values = tuple((name, _value(value)) for name, value in words.values.items())
    return Phrase(shown.strip(), words.key, values, markdown)


def _value(value: Any) -> Any:
    """A statement's value as plain data."""
    if isinstance(value, Estimate):
        return {f.name: _value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Statement):
        inner = {name: _value(inside) for name, inside in value.values.items()}
        return {"key": value.key, "text": value.text(), "values": inner}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _small_csv(frame: pd.DataFrame | None, columns: list[str] | None = None) -> str | None:
    """The columns as CSV, protected; None where it is too much for a page."""
    # A row is a character and its line end at least; protecting a million is not for nothing.
    if frame is None or 3 * len(frame) > MAX_CSV:
        return None
    import pandas as pd

    from relkit.report.export import csv_text

    parts: dict[str, Any] = {}
    safe = protected(frame)
    for name, series in (safe if columns is None else safe[columns]).items():
        if any(isinstance(cell, Estimate) for cell in series):
            for part in ("value", "low", "high", "n"):
                suffix = "" if part == "value" else f"_{part}"
                parts[f"{name}{suffix}"] = [getattr(cell, part, None) for cell in series]
        else:
            parts[str(name)] = [str(c) if isinstance(c, Statement) else c for c in series]
    written = csv_text(pd.DataFrame(parts))
    return written if len(written) <= MAX_CSV else None
