"""Excel workbooks, sheet by sheet, as rows of text."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterator
from typing import Any

from relkit.data.table_mapping import TableMapping
from relkit.data.textfiles import FoundFile
from relkit.errors import SourceError, did_you_mean

# A workbook is read whole and takes about twice its unpacked size (45 MB of 27 were
# measured), so this keeps it below 2 GB; a million rows of twenty columns are within.
LARGEST_UNPACKED = 1_000_000_000


def workbook_rows(file: FoundFile, table: TableMapping) -> Iterator[tuple[int, list[str]]]:
    """All rows of the sheet with their number, as text; blank rows count but are none.

    Raises:
        SourceError: no workbook, a damaged one, one too large to be read whole, or not the
            sheet that is mapped.
    """
    for number, cells in enumerate(_sheet(file, table), start=1):
        texts = [_text(cell) for cell in cells]
        if any(texts):
            yield number, texts


def check_size(file: FoundFile) -> None:
    """Refuse a workbook that would fill the memory before it is unpacked.

    Raises:
        SourceError: it unpacks to more than can be read whole.
    """
    try:
        with zipfile.ZipFile(file.path) as book:
            unpacked = sum(part.file_size for part in book.infolist())
    except (zipfile.BadZipFile, OSError):
        return  # an old one, or none: whoever reads it says so
    if unpacked > LARGEST_UNPACKED:
        raise SourceError(
            f"{file.shown} unpacks to {unpacked / 1e9:.1f} GB, and a workbook is read whole; at "
            f"most {LARGEST_UNPACKED / 1e9:g} GB is required: save the sheet as CSV, which is read "
            "row by row at any size"
        )


def _sheet(file: FoundFile, table: TableMapping) -> Iterator[list[Any]]:
    import python_calamine

    check_size(file)
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(file.path))
        names = book.sheet_names
        if table.sheet is None and len(names) == 1:
            return book.get_sheet_by_index(0).iter_rows()
        if table.sheet in names:
            return book.get_sheet_by_name(table.sheet).iter_rows()
    except python_calamine.CalamineError:
        raise SourceError(
            f"{file.shown} is declared as excel, but cannot be read as a workbook; it is of "
            "another format, protected by a password, or damaged"
        ) from None
    listed = ", ".join(names)
    if table.sheet is None:
        raise SourceError(f"{file.shown} has several sheets, {listed}; say which: sheet:")
    hint = did_you_mean(table.sheet, names)
    raise SourceError(f"{file.shown} has no sheet '{table.sheet}'{hint}; there are {listed}")


def _text(cell: Any) -> str:
    """A cell as a CSV would have it: whole numbers without a fraction, times in ISO 8601."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)
