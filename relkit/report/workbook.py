"""Tables as an Excel workbook that runs nothing and loses nothing.

Every text is a text cell: an id keeps its zeros and its digits, and what begins like a
formula stays what was written, without an apostrophe that people would see. The same
table gives the same bytes.

Written as Office Open XML (ECMA-376), part by part, since all that is needed of the
format are text, numbers and days in a grid.
"""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.report.language import visible

# What Excel can hold; beyond it a file is called damaged on opening.
MOST_ROWS, MOST_COLUMNS, LONGEST_TEXT, LONGEST_SHEET = 1_048_576, 16_384, 32_767, 31
NARROWEST, WIDEST = 8, 48
FONT = "Microsoft YaHei"  # Chinese and Latin; where it is missing another takes its place
_FORMULA = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_NOT_IN_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
_NOT_IN_SHEET = re.compile(r"[\[\]:*?/\\]")
_FIRST_DAY = dt.date(1899, 12, 30)
# Places in the list of styles below.
_HEAD, _TEXT, _QUOTED, _DAY, _WHOLE, _NUMBER = 1, 2, 3, 4, 5, 6
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of a workbook.

    Attributes:
        name: On its tab.
        frame: One row a line, the index is not written; its columns are the header.
            Whole numbers, other numbers, days (a time of day is dropped) and text keep
            their kind; an empty cell stays empty.
    """

    name: str
    frame: pd.DataFrame


def workbook_bytes(sheets: Sequence[Sheet]) -> bytes:
    """The sheets as an .xlsx, with the header frozen and columns wide enough to read.

    What may be shown of people is for the caller to decide; nothing is withheld here.

    Raises:
        ParameterError: no sheet, names that Excel cannot hold, two of one name, two
            columns of one name.
        DataError: more rows, columns or characters than Excel can hold, an infinite number.
    """
    _check(sheets)
    parts = {
        "[Content_Types].xml": _content_types(len(sheets)),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _workbook(sheets),
        "xl/_rels/workbook.xml.rels": _relations(
            [
                *(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)),
                ("styles", "styles.xml"),
            ]
        ),
        "xl/styles.xml": _STYLES,
        **{f"xl/worksheets/sheet{n}.xml": _sheet(s) for n, s in enumerate(sheets, 1)},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            # A fixed day and system: the same table on another day is the same file.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            file.writestr(entry, (_XML + text).encode("utf-8"))
    return out.getvalue()


def write_workbook(path: Path, sheets: Sequence[Sheet]) -> None:
    """The sheets as a file; errors as ``workbook_bytes``."""
    path.write_bytes(workbook_bytes(sheets))


def _check(sheets: Sequence[Sheet]) -> None:
    names = [sheet.name for sheet in sheets]
    faults = [] if sheets else ["no sheet; at least one is required"]
    faults += [
        f"sheet {name!r}: 1 to {LONGEST_SHEET} characters without []:*?/\\ or a quote at an end "
        "are required"
        for name in names
        if not 1 <= len(name) <= LONGEST_SHEET
        or _NOT_IN_SHEET.search(name)
        or name.strip("'") != name
        or visible(name) != name
    ]
    # Excel does not tell "Tiers" from "tiers".
    if len({name.casefold() for name in names}) < len(names):
        faults.append(f"two sheets share a name: {', '.join(names)}")
    for sheet in sheets:
        columns = [str(column) for column in sheet.frame.columns]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            faults.append(f"sheet {sheet.name!r}: two columns are called {', '.join(twice)}")
    if faults:
        raise ParameterError("workbook: sheets that cannot be written", faults)
    for sheet in sheets:
        rows, columns_wide = sheet.frame.shape
        if rows + 1 > MOST_ROWS or columns_wide > MOST_COLUMNS:
            raise DataError(
                f"sheet {sheet.name!r}: {rows:,} rows and {columns_wide:,} columns; Excel holds "
                f"{MOST_ROWS - 1:,} rows below the header and {MOST_COLUMNS:,} columns. Save the "
                "whole with rk.save_table, and a part as a workbook"
            )


def _sheet(sheet: Sheet) -> str:
    columns = [_Column.of(sheet, place) for place in range(sheet.frame.shape[1])]
    rows = [_row(1, [_text_cell(f"{_letters(c.place)}1", c.head, _HEAD) for c in columns])]
    for number in range(2, len(sheet.frame) + 2):
        cells = (c.cell(number) for c in columns)
        rows.append(_row(number, [cell for cell in cells if cell]))
    widths = "".join(
        f'<col min="{c.place + 1}" max="{c.place + 1}" width="{c.width}" customWidth="1"/>'
        for c in columns
    )
    last = f"{_letters(max(len(columns) - 1, 0))}{len(sheet.frame) + 1}"
    filtered = f'<autoFilter ref="A1:{last}"/>' if columns else ""
    cols = f"<cols>{widths}</cols>" if widths else ""
    return (
        f'<worksheet xmlns="{_MAIN}"><dimension ref="A1:{last}"/>'
        '<sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews>'
        f'<sheetFormatPr defaultRowHeight="16"/>{cols}'
        f"<sheetData>{''.join(rows)}</sheetData>"
        f"{filtered}</worksheet>"
    )


@dataclass(frozen=True, slots=True)
class _Column:
    """A column ready to be written."""

    sheet: str
    place: int
    head: str
    kind: str
    values: list[Any]

    @classmethod
    def of(cls, sheet: Sheet, place: int) -> _Column:
        series = sheet.frame.iloc[:, place]
        kind = {"i": "whole", "u": "whole", "f": "number", "M": "day"}.get(
            series.dtype.kind, "text"
        )
        values = [None if pd.isna(v) else v for v in series.tolist()]
        head = str(sheet.frame.columns[place])
        return cls(sheet.name, place, head, kind, values)

    @property
    def width(self) -> int:
        """In digits of the font; a Chinese character takes two."""
        shown = (str(value) for value in self.values[:1_000] if value is not None)
        longest = 12 if self.kind == "day" else max((_wide(text) for text in shown), default=0)
        return min(max(longest + 2, _wide(self.head) + 4, NARROWEST), WIDEST)

    def cell(self, number: int) -> str:
        value, where = self.values[number - 2], f"{_letters(self.place)}{number}"
        if value is None:
            return ""
        if self.kind == "day":
            days = (value.date() - _FIRST_DAY).days
            if days > 60:  # before March 1900 Excel counts a day that never was
                return f'<c r="{where}" s="{_DAY}"><v>{days}</v></c>'
            return _text_cell(where, value.date().isoformat(), _TEXT)
        if self.kind == "text" or (self.kind == "whole" and abs(int(value)) >= 10**15):
            return self._text(where, str(value), number)
        if not math.isfinite(value):
            raise DataError(
                f"sheet {self.sheet!r}: {self.head} is infinite in row {number}; say why it could "
                "not be computed, or leave it out"
            )
        style = _WHOLE if self.kind == "whole" else _NUMBER
        return f'<c r="{where}" s="{style}"><v>{value!r}</v></c>'

    def _text(self, where: str, text: str, number: int) -> str:
        if len(text) > LONGEST_TEXT:
            raise DataError(
                f"sheet {self.sheet!r}: {self.head} has {len(text):,} characters in row {number}; "
                f"a cell of Excel holds {LONGEST_TEXT:,}. Shorten it first"
            )
        return _text_cell(where, text, _QUOTED if _FORMULA.match(text) else _TEXT)


def _text_cell(where: str, text: str, style: int) -> str:
    return f'<c r="{where}" s="{style}" t="inlineStr"><is>{_string(text)}</is></c>'


def _string(text: str) -> str:
    """Text as XML can hold it: what it cannot is spelled out, and _x0041_ stays as written."""
    plain = _NOT_IN_XML.sub(lambda match: f"[U+{ord(match[0]):04X}]", visible(text))
    return f'<t xml:space="preserve">{escape(_ESCAPED.sub("_x005F_", plain))}</t>'


def _row(number: int, cells: Sequence[str]) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def _letters(place: int) -> str:
    """The letters of a column: 0 is A, 26 is AA."""
    letters, rest = "", place + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def _content_types(sheets: int) -> str:
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = [
        ("/xl/workbook.xml", f"{office}.sheet.main+xml"),
        ("/xl/styles.xml", f"{office}.styles+xml"),
        *(
            (f"/xl/worksheets/sheet{n}.xml", f"{office}.worksheet+xml")
            for n in range(1, sheets + 1)
        ),
    ]
    listed = "".join(f'<Override PartName="{n}" ContentType="{kind}"/>' for n, kind in overrides)
    relations = "application/vnd.openxmlformats-package.relationships+xml"
    return (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="rels" ContentType="{relations}"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _workbook(sheets: Sequence[Sheet]) -> str:
    listed = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, sheet in enumerate(sheets, 1)
    )
    return f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>'


def _style(number_format: int, more: str = "") -> str:
    return (
        f'<xf numFmtId="{number_format}" fontId="0" fillId="0" borderId="0" xfId="0" '
        f'applyNumberFormat="1" applyAlignment="1"{more}>'
        '<alignment vertical="top" wrapText="1"/></xf>'
    )


# 49 is text, 3 and 4 are numbers with their thousands set off; 164 is ours.
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    f'<fonts count="2"><font><sz val="11"/><name val="{FONT}"/><charset val="134"/></font>'
    f'<font><b/><sz val="11"/><name val="{FONT}"/><charset val="134"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid">'
    '<fgColor rgb="FFDCEBF3"/><bgColor indexed="64"/></patternFill></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="7">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" '
    'applyFont="1" applyFill="1" quotePrefix="1"/>'
    + _style(49)
    + _style(49, ' quotePrefix="1"')
    + _style(164)
    + _style(3)
    + _style(4)
    + "</cellXfs>"
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
