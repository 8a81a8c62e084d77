"""A file nobody described: its format, encoding, separator, header, and its first rows."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from relkit.data.table_mapping import TableMapping
from relkit.data.textfiles import PARQUET_MARK, FoundFile, first_records, kind_of
from relkit.data.times import ISO_TIME
from relkit.data.values import Reading
from relkit.data.workbooks import check_size, workbook_rows
from relkit.errors import SourceError
from relkit.personal import has_address

SAMPLE_ROWS = 5_000
_TITLE_ROWS = 20
_LONGEST_NAME = 120
_START_BYTES = 2_000_000
_SEPARATORS = (",", ";", "\t", "|")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_NUMBER = re.compile(r"[-+]?[\d.,]+")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a file, and how it has to be read.

    Attributes:
        format: 'csv', 'excel' or 'parquet'.
        names: Of its columns.
        columns: The values of each, as text; '' where there is none.
        types: Of a Parquet file's columns; '' of a file of text.
        settings: Key of a source YAML → value, where it is not the default.
        notes: What was not certain.
    """

    format: str
    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    types: tuple[str, ...]
    settings: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_sample(path: Path) -> Sample:
    """The first rows of a CSV, workbook or Parquet file.

    Raises:
        SourceError: no such file, none of these formats, empty, or damaged.
    """
    if not path.is_file():
        raise SourceError(f"{path.name}: no such file; name a CSV, Parquet or Excel file")
    file = FoundFile(path, path.name)
    with path.open("rb") as stream:
        start = stream.read(4)
    if start == PARQUET_MARK:
        return _parquet(file)
    kind = kind_of(path)
    if kind.startswith(("an Excel", "an old Excel")):
        return _excel(file)
    if kind:
        raise SourceError(f"{path.name} is {kind}; CSV, Parquet or Excel is required")
    return _csv(file)


def _parquet(file: FoundFile) -> Sample:
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(file.path) as opened:
            schema = opened.schema_arrow
            batch = next(opened.iter_batches(SAMPLE_ROWS), None)
    except Exception:
        raise SourceError(
            f"{file.shown} begins as Parquet but cannot be read to its end; "
            "it is cut off or damaged, so copy or export it again"
        ) from None
    values = batch.to_pydict() if batch is not None else {name: [] for name in schema.names}
    columns = tuple(
        tuple("" if value is None or value != value else str(value) for value in values[name])
        for name in schema.names
    )
    return Sample("parquet", tuple(schema.names), columns, tuple(str(t) for t in schema.types))


def _excel(file: FoundFile) -> Sample:
    import python_calamine

    settings: dict[str, str] = {}
    notes: list[str] = []
    check_size(file)
    try:
        names = python_calamine.CalamineWorkbook.from_path(str(file.path)).sheet_names
    except Exception:
        raise SourceError(
            f"{file.shown} looks like a workbook, but cannot be read as one; it is protected by "
            "a password, or damaged"
        ) from None
    if len(names) > 1:
        settings["sheet"] = names[0]
        others = ", ".join(names[1:])
        notes.append(f"sheet: the first of {len(names)} was looked at; others: {others}")
    table = TableMapping("transactions", "excel", {}, Reading(), sheet=settings.get("sheet"))
    rows: list[list[str]] = []
    for number, texts in islice(workbook_rows(file, table), SAMPLE_ROWS + _TITLE_ROWS):
        rows += [[]] * (number - 1 - len(rows)) + [texts]
    return _with_header(file, "excel", rows, settings, notes)


def _csv(file: FoundFile) -> Sample:
    settings: dict[str, str] = {}
    notes: list[str] = []
    encoding = _encoding(file.path)
    if encoding != "utf-8":
        settings["encoding"] = encoding
        if encoding in ("gb18030", "cp1252"):
            notes.append(f"encoding: {encoding} is a guess; look whether all letters are right")
    best: list[list[str]] = []
    chosen, most = ",", 1
    for separator in _SEPARATORS:
        table = TableMapping(
            "transactions", "csv", {}, Reading(), separator=separator, encoding=encoding
        )
        records = first_records(file, table, SAMPLE_ROWS + _TITLE_ROWS)
        width = _usual_width(records)
        if not best or width > most:
            best, chosen, most = records, separator, width
    if chosen != ",":
        settings["separator"] = "tab" if chosen == "\t" else chosen
    return _with_header(file, "csv", best, settings, notes)


def _usual_width(records: Sequence[Sequence[str]]) -> int:
    widths = Counter(len(record) for record in records if record)
    return widths.most_common(1)[0][0] if widths else 0


def _encoding(path: Path) -> str:
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if compressed else path.open("rb") as stream:
            start = stream.read(_START_BYTES)
    except (OSError, EOFError):
        raise SourceError(
            f"{path.name} is compressed but cut off or damaged; copy it again"
        ) from None
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    # A letter may be cut in two where the bytes end.
    start = start[: start.rfind(b"\n") + 1] or start
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        # Western letters beyond ASCII mostly stand alone, Chinese ones are pairs of bytes.
        runs = [len(run) for run in _HIGH_BYTES.findall(start)]
        return "gb18030" if sum(n % 2 == 0 for n in runs) > len(runs) / 2 else "cp1252"
    return "utf-8"


def _with_header(
    file: FoundFile,
    format_: str,
    rows: Sequence[list[str]],
    settings: dict[str, str],
    notes: list[str],
) -> Sample:
    """Rows under the first one that has a name for every column and no number."""
    width = _usual_width(rows)
    place = next((i for i, row in enumerate(rows[:_TITLE_ROWS]) if _is_header(row, width)), None)
    if place is None:
        raise SourceError(
            f"{file.shown}: no row with the names of the columns among the first {_TITLE_ROWS}; "
            "one is required, with a name for every column"
        )
    if place:
        settings["header_row"] = str(place + 1)
        notes.append(f"header_row: the names of the columns stand in row {place + 1}")
    body = [row for row in rows[place + 1 :] if len(row) == width and any(row)]
    names = tuple(name.strip() for name in rows[place])
    columns = tuple(tuple(row[i].strip() for row in body) for i in range(width))
    return Sample(format_, names, columns, ("",) * width, settings, tuple(notes))


def _is_header(row: Sequence[str], width: int) -> bool:
    return len(row) == width and all(_is_name(name.strip()) for name in row)


def _is_name(cell: str) -> bool:
    """Whether a cell can be a column's name: no number, no day, no address, not a letter long."""
    is_value = _NUMBER.fullmatch(cell) or ISO_TIME.match(cell) or has_address(cell)
    return bool(cell) and not is_value and len(cell) <= _LONGEST_NAME
