"""Files found, fingerprinted, and brought into the engine as they are, row by row.

Nothing is interpreted here: text stays text until it is known what it should be,
so that a row that fails can be shown as it stands in the file.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.data.databases import Database, attach
from relkit.data.mapping import SourceMapping
from relkit.data.table_mapping import TableMapping
from relkit.data.textfiles import (
    PARQUET_MARK,
    FoundFile,
    first_records,
    kind_of,
    load_records,
    load_text,
    text_header,
)
from relkit.data.workbooks import workbook_rows
from relkit.errors import SourceError, did_you_mean
from relkit.personal import shown_header

if TYPE_CHECKING:
    import ibis.expr.types as ir


# Created at + minutes(First reply time in minutes)
_LATER = re.compile(r"(?P<start>.+) \+ (?P<unit>minutes|hours)\((?P<passed>.+)\)")
# A title and remarks above the header take fewer rows than this.
_TITLE_ROWS = 20


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file, or a table of a database, that was read.

    Attributes:
        path: Relative to the project root or to the package it is in, never a path of
            this machine; of a database its variable and table.
        bytes: Its size.
        sha256: Hash of its bytes, or of the rows that a database gave.
        rows: Data rows read from it; a header is not one.
    """

    path: str
    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class RawRows:
    """All rows of a source's files, as they are.

    Attributes:
        rows: `file` (index into `files`), `row` (as a spreadsheet numbers it, the
            header being row 1; in Parquet the first data row is 1), `misaligned`,
            and `column_0`, `column_1`, … for the file's columns that were asked for.
        columns: The names of those columns in the file.
        files: What was read.
    """

    rows: ir.Table
    columns: tuple[str, ...]
    files: tuple[FileRecord, ...]


def find_files(mapping: SourceMapping, table: TableMapping) -> tuple[FoundFile, ...]:
    """The files of a table, in the order of their names.

    Raises:
        SourceError: none is there; with the places looked at and near names.
    """
    found: list[FoundFile] = []
    for pattern in table.files:
        found += _find(pattern, mapping, table)
    return tuple(found)


def _find(pattern: str, mapping: SourceMapping, table: TableMapping) -> list[FoundFile]:
    bases = _bases(mapping, table.package)
    for base, prefix in bases:
        full = base / Path(pattern).expanduser()
        matches = sorted(glob(str(full), recursive=True)) if has_magic(pattern) else [str(full)]
        paths = [Path(match) for match in matches if os.path.isfile(match)]
        if paths:
            return [FoundFile(path, _shown(path, base, prefix)) for path in paths]
        if full.is_dir():
            ending = {"parquet": "parquet", "excel": "xlsx"}.get(table.format, "csv")
            raise SourceError(
                f"{mapping.shown}: files: {pattern} is a folder; name the files in it, "
                f"like {pattern.rstrip('/')}/*.{ending}"
            )
    places = " and ".join(
        f"package {table.package}" if prefix else os.path.relpath(base) for base, prefix in bases
    )
    what = "no file matches" if has_magic(pattern) else "no such file:"
    raise SourceError(
        f"{mapping.shown}: {what} {pattern} (looked in {places}){_near(pattern, bases)}; "
        + (
            f"make it by: {mapping.made_by}"
            if mapping.made_by
            else "put it there, or correct files: in the YAML"
        )
    )


def _bases(mapping: SourceMapping, package: str | None) -> list[tuple[Path, str]]:
    """The folders that file names start from, each with what stands before them when shown."""
    if package is None:
        # Twice the same folder would be named twice where nothing is found.
        folders = dict.fromkeys((mapping.root.resolve(), mapping.path.parent.resolve()))
        return [(folder, "") for folder in folders]
    # A dotted name would import the package that it is in; the files need no import.
    spec = None if "." in package else find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"{mapping.shown}: package: {package} is not installed; "
            "install it, or name a file of the project without package:"
        )
    return [(Path(folder), f"{package}/") for folder in spec.submodule_search_locations]


def _shown(path: Path, base: Path, prefix: str) -> str:
    try:
        return prefix + path.resolve().relative_to(base.resolve()).as_posix()
    except ValueError:
        return path.name


def _near(pattern: str, bases: Iterable[tuple[Path, str]]) -> str:
    for base, _ in bases:
        folder = (base / pattern).parent
        if folder.is_dir():
            names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
            hint = did_you_mean(Path(pattern).name, names)
            if hint:
                return hint
            if names:
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                return f"; there are {', '.join(names[:5])}{more}"
    return ""


def load(
    engine: Any, mapping: SourceMapping, table: TableMapping, files: Sequence[FoundFile]
) -> RawRows:
    """Bring the mapped columns of all of a table's files into the engine.

    Args:
        engine: An Ibis DuckDB backend.
        mapping: The source's.
        table: How the files are written, and what is mapped.
        files: Where they are.

    Raises:
        SourceError: a file is not of the declared format, lacks a column, or has
            other columns than the files before it.
    """
    if table.format == "database":
        return load_database(engine, mapping, table)
    wanted = tuple(table.columns.values())
    records: list[FileRecord] = []
    columns: tuple[str, ...] = ()
    for number, file in enumerate(files):
        with file.path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        before = records[0].path if records else None
        header = _header(engine, file, table, number)
        try:
            columns = _resolve(wanted, header, file.shown, mapping, table, before)
        except SourceError as fault:
            raise SourceError(
                fault.heading, [*fault.faults, *_title(file, table, wanted)]
            ) from None
        into = f"raw_{table.name}_{number}"
        if table.format == "parquet":
            _load_parquet(engine, file, into, number, columns)
        elif table.format == "duckdb":
            _load_duckdb(engine, file, table, into, number, columns)
        elif table.format == "excel":
            header = _header(engine, file, table, number)
            body = ((row, r) for row, r in workbook_rows(file, table) if row > table.header_row)
            load_records(engine, body, header, into, number, columns)
        else:
            load_text(engine, table, file, into, number, columns)
        rows = engine.raw_sql(f"SELECT count(*) FROM {into}").fetchall()[0][0]
        records.append(FileRecord(file.shown, file.path.stat().st_size, sha256, rows))
    parts = [f"raw_{table.name}_{number}" for number in range(len(files))]
    _refuse_other_types(engine, parts, columns, records)
    together = " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts)
    engine.raw_sql(f"CREATE VIEW raw_{table.name} AS {together}")
    return RawRows(engine.table(f"raw_{table.name}"), columns, tuple(records))


def _refuse_other_types(
    engine: Any, parts: Sequence[str], columns: Sequence[str], records: Sequence[FileRecord]
) -> None:
    """Files of one table whose columns are of different types; together they would be neither."""
    schemas = [engine.table(part).schema() for part in parts]
    for schema, record in zip(schemas[1:], records[1:], strict=True):
        faults = [
            f"'{name}' is {schemas[0][f'column_{i}']} in {records[0].path} "
            f"and {schema[f'column_{i}']} in {record.path}"
            for i, name in enumerate(columns)
            if not _alike(schemas[0][f"column_{i}"], schema[f"column_{i}"])
        ]
        if faults:
            raise SourceError(
                f"{record.path} has other types of columns than {records[0].path}; "
                "export both in the same way, or map them as two sources",
                faults,
            )


def _alike(one: Any, other: Any) -> bool:
    """Whether two types hold the same kind of value, in whatever width."""
    if one.is_timestamp() and other.is_timestamp():
        return bool(one.timezone == other.timezone)
    both = (one, other)
    return bool(one == other) or all(each.is_numeric() for each in both)


def factors(expression: str, header: Sequence[str]) -> tuple[str, ...]:
    """The columns that an entry of the mapping stands for: itself, or an expression's."""
    return _parts(expression, header)[0]


def joined_by(expression: str, header: Sequence[str]) -> str:
    """What stands between the columns of an expression: '*', '-', 'minutes', 'hours' or ''."""
    return _parts(expression, header)[1]


def _parts(expression: str, header: Sequence[str]) -> tuple[tuple[str, ...], str]:
    # A column may have such a name itself.
    if expression in header:
        return (expression,), ""
    if later := _LATER.fullmatch(expression):
        return (later["start"].strip(), later["passed"].strip()), later["unit"]
    for sign in ("*", "-"):
        if f" {sign} " in expression:
            return tuple(part.strip() for part in expression.split(f" {sign} ")), sign
    return (expression,), ""


def _resolve(
    wanted: Sequence[str],
    header: Sequence[str],
    shown: str,
    mapping: SourceMapping,
    table: TableMapping,
    before: str | None,
) -> tuple[str, ...]:
    """The file's columns that are needed, each once.

    Raises:
        SourceError: columns that are not there, all of them, or twice there.
    """
    names = dict.fromkeys(name for each in wanted for name in factors(each, header))
    # Of a file without a header this is its first row, somebody's name and address.
    said = shown_header(header)
    faults = []
    for name in names:
        if header.count(name) > 1:
            faults.append(f"column '{name}' stands {header.count(name)} times in the header")
        elif name not in header:
            faults.append(f"no column '{name}'{did_you_mean(name, said)}")
    if faults:
        heading = f"{shown} does not have the columns that {mapping.shown} maps"
        if before is not None:
            heading += f", though {before} has them"
        listed = ", ".join(said)
        raise SourceError(
            heading, [*faults, f"its columns are: {listed}{_header_hint(header, table)}"]
        )
    return tuple(names)


def _header_hint(header: Sequence[str], mapping: TableMapping) -> str:
    if mapping.format == "csv" and len(header) == 1:
        for mark, name in ((";", "';'"), ("\t", "tab"), ("|", "'|'"), (",", "','")):
            if mark in header[0]:
                return f"; is it separator: {name}?"
    if mapping.encoding != "utf-8" and any(ord(letter) > 127 for letter in "".join(header)):
        return f"; are these the right letters? encoding is {mapping.encoding}"
    return ""


def _title(file: FoundFile, table: TableMapping, wanted: Sequence[str]) -> list[str]:
    """Where the names of the columns stand, if a title stands above them."""
    rows: list[tuple[int, list[str]]] = []
    if table.format == "csv":
        rows = list(enumerate(first_records(file, table, _TITLE_ROWS), start=1))
    elif table.format == "excel":
        rows = list(islice(workbook_rows(file, table), _TITLE_ROWS))
    for number, names in rows:
        needed = [name for each in wanted for name in factors(each, names)]
        if set(needed) <= set(names) and number != table.header_row:
            return [f"they stand in row {number}: set header_row: {number}"]
    return []


def _header(engine: Any, file: FoundFile, table: TableMapping, number: int) -> list[str]:
    if table.format == "parquet":
        return _parquet_names(file)
    if table.format == "duckdb":
        return list(_duckdb_table(engine, file, table, number).columns)
    if table.format == "excel":
        for row, names in workbook_rows(file, table):
            if row >= table.header_row:
                return [name.strip() for name in names]
        raise SourceError(
            f"{file.shown} is empty; a header with the names of the columns is required"
        )
    return text_header(file, table)


def _duckdb_table(engine: Any, file: FoundFile, table: TableMapping, number: int) -> ir.Table:
    alias = f"file_{table.name}_{number}"
    known = {
        name
        for (name,) in engine.raw_sql("SELECT database_name FROM duckdb_databases()").fetchall()
    }
    if alias not in known:
        attach(engine, str(file.path), file.shown, table.table or "", alias)
    schema, _, name = (table.table or "").rpartition(".")
    return engine.table(name, database=(alias, schema or "main"))


def _load_duckdb(
    engine: Any,
    file: FoundFile,
    table: TableMapping,
    into: str,
    number: int,
    columns: Sequence[str],
) -> None:
    chosen = ", ".join(f"{quoted(name)} AS column_{i}" for i, name in enumerate(columns))
    schema, _, name = (table.table or "").rpartition(".")
    place = f"file_{table.name}_{number}.{quoted(schema or 'main')}.{quoted(name)}"
    engine.raw_sql(
        f"CREATE TABLE {into} AS SELECT {number} AS file, row_number() OVER () AS row, "
        f"FALSE AS misaligned, {chosen} FROM {place}"
    )


def load_database(engine: Any, mapping: SourceMapping, table: TableMapping) -> RawRows:
    """Bring the mapped columns of a database's table into the engine, read once.

    Raises:
        SourceError: the database does not let us, or the table lacks a column or changes.
    """
    database = Database(mapping, table)
    rows = database.open()
    wanted = tuple(table.columns.values())
    columns = _resolve(wanted, list(rows.columns), database.shown, mapping, table, None)
    chosen = rows.select(**{f"column_{i}": rows[name] for i, name in enumerate(columns)})
    into = f"raw_{table.name}"
    read, size, sha256 = database.read(chosen, engine, into)
    return RawRows(engine.table(into), columns, (FileRecord(database.shown, size, sha256, read),))


# Parquet


def _parquet_names(file: FoundFile) -> list[str]:
    import pyarrow.parquet as parquet

    with file.path.open("rb") as stream:
        start = stream.read(4)
    if start != PARQUET_MARK:
        kind = kind_of(file.path) or "not Parquet; if it is text, set format: csv"
        raise SourceError(f"{file.shown} is declared as parquet, but it is {kind}")
    try:
        return list(parquet.read_schema(file.path).names)
    except Exception:
        raise SourceError(
            f"{file.shown} begins as Parquet but cannot be read to its end; "
            "it is cut off or damaged, so copy or export it again"
        ) from None


def _load_parquet(
    engine: Any, file: FoundFile, into: str, number: int, columns: Sequence[str]
) -> None:
    chosen = ", ".join(f"{quoted(name)} AS column_{i}" for i, name in enumerate(columns))
    engine.raw_sql(
        f"CREATE VIEW {into} AS SELECT {number} AS file, file_row_number + 1 AS row, "
        f"FALSE AS misaligned, {chosen} "
        f"FROM read_parquet({_literal(str(file.path))}, file_row_number = true)"
    )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
