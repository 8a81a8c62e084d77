"""Tables as an Excel workbook that runs nothing and loses nothing.

Every text is a text cell: an id keeps its zeros and its digits, and what begins like a
formula stays what was written, without an apostrophe that people would see. The same
table gives the same bytes.
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
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.errors import DataError, ParameterError
from relkit.report.export import begins_like_a_formula
from relkit.report.language import visible

if TYPE_CHECKING:
    from openpyxl import Workbook

# What Excel can hold; beyond it a file is called damaged on opening.
MOST_ROWS, MOST_COLUMNS, LONGEST_TEXT, LONGEST_SHEET = 1_048_576, 16_384, 32_767, 31
NARROWEST, WIDEST = 8, 48
FONT = "Microsoft YaHei"  # Chinese and Latin; where it is missing another takes its place
_CHINESE = 134  # the character set of that font, by Windows
_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_NOT_IN_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
_NOT_IN_SHEET = re.compile(r"[\[\]:*?/\\]")
# Before March 1900 Excel counts a day that never was.
_FIRST_DAY = dt.date(1900, 3, 1)
# A fixed day, so that the same table on another day is the same file.
_WRITTEN = (1980, 1, 1, 0, 0, 0)


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
    # All of them before any is written: a page cannot be left half written.
    columns = [[_Column.of(s, place) for place in range(s.frame.shape[1])] for s in sheets]
    from openpyxl import Workbook
    from openpyxl.writer.excel import ExcelWriter

    book = Workbook(write_only=True)
    book.properties.creator = "relkit"
    book.properties.created = book.properties.modified = dt.datetime(*_WRITTEN)
    styles = _Styles(book)
    for sheet, theirs in zip(sheets, columns, strict=True):
        _add(book, styles, sheet, theirs)
    out = io.BytesIO()
    # Workbook.save would write the time of day into it.
    ExcelWriter(book, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)).save()
    return _undated(out)


def _undated(file: io.BytesIO) -> bytes:
    """The same archive with one day and one system for every part."""
    out = io.BytesIO()
    with zipfile.ZipFile(file) as dated, zipfile.ZipFile(out, "w") as plain:
        for part in dated.infolist():
            entry = zipfile.ZipInfo(part.filename, _WRITTEN)
            entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
            plain.writestr(entry, dated.read(part))
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


def _add(book: Workbook, styles: _Styles, sheet: Sheet, columns: Sequence[_Column]) -> None:
    from openpyxl.utils import get_column_letter

    page = book.create_sheet(sheet.name)
    page.freeze_panes = "A2"
    for number, column in enumerate(columns, 1):
        page.column_dimensions[get_column_letter(number)].width = column.width
    if columns:
        last = f"{get_column_letter(len(columns))}{len(sheet.frame) + 1}"
        page.auto_filter.ref = f"A1:{last}"
    page.append([styles.text(page, column.head, "head") for column in columns])
    for row in range(len(sheet.frame)):
        page.append([column.cell(page, styles, row) for column in columns])


class _Styles:
    """How cells look, each look made once; openpyxl looks every new one up."""

    def __init__(self, book: Workbook) -> None:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Alignment, Font, PatternFill

        self._cell = WriteOnlyCell
        self._looks: dict[str, Any] = {}
        page = book.create_sheet("looks")
        # "@" is text.
        formats = {"head": "@", "text": "@", "quoted": "@", "day": "yyyy\\-mm\\-dd",
                   "whole": "#,##0", "number": "#,##0.00"}  # fmt: skip
        for name, number_format in formats.items():
            cell = WriteOnlyCell(page)
            cell.font = Font(name=FONT, sz=11, charset=_CHINESE, b=name == "head")
            cell.number_format = number_format
            cell.quotePrefix = name in ("head", "quoted")
            if name == "head":
                cell.fill = PatternFill("solid", fgColor="FFDCEBF3")
            else:
                cell.alignment = Alignment(vertical="top", wrap_text=True)
            self._looks[name] = cell._style
        book.remove(page)

    def text(self, page: Any, text: str, look: str = "text") -> Any:
        """A cell that is text, whatever openpyxl would take it for."""
        if look == "text" and begins_like_a_formula(text):
            look = "quoted"
        cell = self._cell(page, _string(text) or None)
        if text:
            cell.data_type = "s"
        cell._style = self._looks[look]
        return cell

    def number(self, page: Any, value: Any, look: str) -> Any:
        cell = self._cell(page, value)
        if look == "number":
            # Given as a number it would be cut to sixteen digits; some need seventeen.
            cell._value = repr(float(value))
        cell._style = self._looks[look]
        return cell


@dataclass(frozen=True, slots=True)
class _Column:
    """A column ready to be written."""

    head: str
    kind: str
    values: list[Any]

    @classmethod
    def of(cls, sheet: Sheet, place: int) -> _Column:
        """Raises DataError for what a cell cannot hold."""
        series = sheet.frame.iloc[:, place]
        kind = {"i": "whole", "u": "whole", "f": "number", "M": "day"}.get(
            series.dtype.kind, "text"
        )
        values = [None if pd.isna(v) else v for v in series.tolist()]
        head = str(sheet.frame.columns[place])
        for row, value in enumerate(values, 2):
            if kind == "text" and value is not None and len(str(value)) > LONGEST_TEXT:
                raise DataError(
                    f"sheet {sheet.name!r}: {head} has {len(str(value)):,} characters in row "
                    f"{row}; a cell of Excel holds {LONGEST_TEXT:,}. Shorten it first"
                )
            if kind == "number" and value is not None and not math.isfinite(value):
                raise DataError(
                    f"sheet {sheet.name!r}: {head} is infinite in row {row}; say why it could "
                    "not be computed, or leave it out"
                )
        return cls(head, kind, values)

    @property
    def width(self) -> int:
        """In digits of the font; a Chinese character takes two."""
        shown = (str(value) for value in self.values[:1_000] if value is not None)
        longest = 12 if self.kind == "day" else max((_wide(text) for text in shown), default=0)
        return min(max(longest + 2, _wide(self.head) + 4, NARROWEST), WIDEST)

    def cell(self, page: Any, styles: _Styles, row: int) -> Any:
        value = self.values[row]
        if value is None:
            return None
        if self.kind == "day":
            day = value.date()
            if day >= _FIRST_DAY:
                return styles.number(page, day, "day")
            return styles.text(page, day.isoformat())
        # Excel keeps fifteen digits.
        if self.kind == "text" or (self.kind == "whole" and abs(int(value)) >= 10**15):
            return styles.text(page, str(value))
        return styles.number(page, value, self.kind)


def _string(text: str) -> str:
    """Text as XML can hold it: what it cannot is spelled out, and _x0041_ stays as written."""
    plain = _NOT_IN_XML.sub(lambda match: f"[U+{ord(match[0]):04X}]", visible(text))
    return _ESCAPED.sub("_x005F_", plain)


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
