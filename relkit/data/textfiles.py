"""Text files row by row: CSV and the fixed-width text of CDNOW.

Read record by record and not by the engine's own reader, so that every row keeps
the number under which people find it, and none is lost without a word.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.data.table_mapping import TableMapping
from relkit.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 50_000
LONGEST_LINE = 10_000_000
_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook (.xlsx) or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"<!DOCTYPE html", "a web page; was it saved in place of the download?"),
    (b"<html", "a web page; was it saved in place of the download?"),
)
PARQUET_MARK = b"PAR1"
_GZIP_MARK = b"\x1f\x8b"
_CDNOW_COLUMNS = {
    4: ("customer_id", "date", "units", "dollars"),
    5: ("customer_id", "sample_id", "date", "units", "dollars"),
}
# No file holds this line; it shows whether a quote is still open where the file ends.
_END = "\x00relkit end of file\x00"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of a source: where it is, and as what it is shown."""

    path: Path
    shown: str


def text_header(file: FoundFile, mapping: TableMapping) -> list[str]:
    """The names of a text file's columns.

    Raises:
        SourceError: the file is of another format, or has no header.
    """
    _refuse_other_formats(file, mapping)
    with _decoding(file, mapping), _open_text(file, mapping) as lines:
        if mapping.format == "cdnow":
            return list(_cdnow_columns(lines, file))
        bounded = _bounded(lines, file)
        for row, record in enumerate(csv.reader(bounded, delimiter=mapping.separator), start=1):
            if record and row >= mapping.header_row:
                return [name.strip() for name in record]
    raise SourceError(f"{file.shown} is empty; a header with the names of the columns is required")


def kind_of(path: Path) -> str:
    """What a file is by its first bytes, or '' where they are not known."""
    with path.open("rb") as stream:
        start = stream.read(4096)
    for signature, kind in _SIGNATURES:
        if start.lstrip().lower().startswith(signature.lower()):
            return kind
    return ""


def _refuse_other_formats(file: FoundFile, mapping: TableMapping) -> None:
    with file.path.open("rb") as stream:
        start = stream.read(4096)
    kind = kind_of(file.path)
    if start.startswith(PARQUET_MARK):
        kind = "Parquet; set format: parquet"
    elif kind.startswith(("an Excel", "an old Excel")):
        kind += "; set format: excel, or save the sheet as CSV"
    elif not kind and mapping.encoding != "utf-16":
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            kind = "text in UTF-16; set encoding: utf-16"
        # A stray zero byte may stand in a row; in the first line it is no text at all.
        elif b"\x00" in start.split(b"\n")[0] and not start.startswith(_GZIP_MARK):
            kind = "not text; it has binary bytes"
    if kind:
        raise SourceError(f"{file.shown} is declared as {mapping.format}, but it is {kind}")


def _open_bytes(path: Path) -> Any:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP_MARK
    return gzip.open(path, "rb") if compressed else path.open("rb")


def _open_text(file: FoundFile, mapping: TableMapping) -> io.TextIOWrapper:
    # A byte-order mark would otherwise become part of the first column's name.
    encoding = "utf-8-sig" if mapping.encoding == "utf-8" else mapping.encoding
    return io.TextIOWrapper(_open_bytes(file.path), encoding=encoding, newline="")


@contextmanager
def _decoding(file: FoundFile, mapping: TableMapping) -> Iterator[None]:
    """Turns what goes wrong while text is read into a SourceError that says where."""
    try:
        yield
    except UnicodeError:
        raise SourceError(_wrong_encoding(file, mapping.encoding)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise SourceError(
            f"{file.shown} is compressed but cut off or damaged; copy it again"
        ) from None


def _bounded(lines: Any, file: FoundFile) -> Iterator[str]:
    """A file's lines; one that would fill the memory is refused before it does."""
    number = 0
    while line := lines.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise SourceError(
                f"{file.shown}: line {number} is longer than {LONGEST_LINE:,} characters; "
                "is it a CSV with a line a row? Export it again"
            )
        yield line


def first_records(file: FoundFile, mapping: TableMapping, rows: int) -> list[list[str]]:
    """The first rows of a CSV, wherever its header is."""
    with _decoding(file, mapping), _open_text(file, mapping) as lines:
        reader = csv.reader(_bounded(lines, file), delimiter=mapping.separator)
        return [[name.strip() for name in record] for record, _ in zip(reader, range(rows))]  # noqa: B905


def _wrong_encoding(file: FoundFile, encoding: str) -> str:
    message = f"{file.shown} is not {encoding}"
    # A line feed is a byte of its own in all of these but UTF-16, so lines can be told.
    with _open_bytes(file.path) as lines:
        for number, line in enumerate(lines, start=1):
            if not _decodes(line, encoding):
                reads = [e for e in ("utf-8", "gb18030", "cp1252") if _decodes(line, e)]
                hint = f" (it reads as {' or '.join(reads)})" if reads else ""
                return f"{message}: line {number} cannot be read{hint}; set encoding: in the YAML"
    return f"{message}; set encoding: in the YAML"


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeError:
        return False
    return True


def _cdnow_columns(lines: Iterable[str], file: FoundFile) -> tuple[str, ...]:
    for line in lines:
        fields = line.split()
        if fields and fields[0].isdigit():
            if len(fields) in _CDNOW_COLUMNS:
                return _CDNOW_COLUMNS[len(fields)]
            break
    raise SourceError(
        f"{file.shown} is declared as cdnow, but its lines are not "
        "'customer yyyymmdd units dollars', with blanks between; is it format: csv?"
    )


def load_text(
    engine: Any,
    mapping: TableMapping,
    file: FoundFile,
    into: str,
    number: int,
    columns: Sequence[str],
) -> None:
    """Bring the columns of a text file into the engine as the table `into`."""
    header = text_header(file, mapping)
    with _decoding(file, mapping), _open_text(file, mapping) as lines:
        split = _cdnow_records if mapping.format == "cdnow" else _csv_records
        load_records(engine, split(lines, file, mapping), header, into, number, columns)


def load_records(
    engine: Any,
    records: Iterator[tuple[int, list[str]]],
    header: Sequence[str],
    into: str,
    number: int,
    columns: Sequence[str],
) -> None:
    """Bring the columns of numbered records of text into the engine as the table `into`."""
    import pyarrow as pa

    chosen = [header.index(name) for name in columns]
    schema = pa.schema(
        [("file", pa.int32()), ("row", pa.int64()), ("misaligned", pa.bool_())]
        + [(f"column_{i}", pa.string()) for i in range(len(columns))]
    )
    batches = _batches(records, number, len(header), chosen, schema)
    # DuckDB would pack a fault of the reading into its own, so keep the first one.
    faults: list[BaseException] = []
    reader = pa.RecordBatchReader.from_batches(schema, _noting(batches, faults))
    connection = engine.con
    connection.register("incoming", reader)
    try:
        connection.execute(f"CREATE TABLE {into} AS SELECT * FROM incoming")
    except Exception:
        if faults:
            raise faults[0] from None
        raise
    finally:
        connection.unregister("incoming")


def _noting(batches: Iterator[pa.RecordBatch], faults: list[BaseException]) -> Iterator[Any]:
    try:
        yield from batches
    except Exception as fault:
        faults.append(fault)
        raise


def _csv_records(
    lines: Iterable[str], file: FoundFile, mapping: TableMapping
) -> Iterator[tuple[int, list[str]]]:
    """Data records with their row number; blank lines count as rows but are none."""
    # Each string is one line to the reader, so the end shows up as a record of its
    # own unless a quote is open there.
    bounded = _bounded(lines, file)
    reader = csv.reader(chain(bounded, [_END]), delimiter=mapping.separator)
    row, before, header_passed = 0, 0, False
    try:
        for record in reader:
            row += 1
            if record == [_END]:
                return
            if record and header_passed:
                if record[-1].endswith(_END):
                    raise SourceError(
                        f"{file.shown}: a quote that is opened in row {row} (line {before + 1}) "
                        "is never closed; close it or remove it"
                    )
                yield row, record
            header_passed = header_passed or (bool(record) and row >= mapping.header_row)
            before = reader.line_num
    except csv.Error as fault:
        raise SourceError(
            f"{file.shown}: row {row + 1} (line {before + 1}) cannot be read: {fault}; "
            "is a quote opened there and never closed?"
        ) from None


def _cdnow_records(
    lines: Iterable[str], file: FoundFile, mapping: TableMapping
) -> Iterator[tuple[int, list[str]]]:
    for row, line in enumerate(lines, start=1):
        fields = line.split()
        if fields and not (row == 1 and not fields[0].isdigit()):
            yield row, fields


def _batches(
    records: Iterator[tuple[int, list[str]]],
    number: int,
    width: int,
    chosen: Sequence[int],
    schema: pa.Schema,
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    rows: list[int] = []
    shifted: list[bool] = []
    kept: list[list[str]] = []

    def batch() -> pa.RecordBatch:
        columns: Iterable[Sequence[str]] = zip(*kept, strict=True) if kept else [()] * len(chosen)
        arrays = [pa.array([number] * len(rows), pa.int32()), pa.array(rows), pa.array(shifted)]
        arrays += [pa.array(column, pa.string()) for column in columns]
        made = pa.record_batch(arrays, schema=schema)
        for filled in (rows, shifted, kept):
            filled.clear()
        return made

    for row, record in records:
        misaligned = len(record) != width
        if misaligned and len(record) < width:
            record = record + [""] * (width - len(record))
        rows.append(row)
        shifted.append(misaligned)
        kept.append([record[place] for place in chosen])
        if len(rows) == _BATCH_ROWS:
            yield batch()
    if rows:
        yield batch()
