"""Files found, fingerprinted, and brought into the engine as they are, row by row.

Nothing is interpreted here: text stays text until it is known what it should be,
so that a row that fails can be shown as it stands in the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.data.mapping import SourceMapping
from relkit.data.textfiles import PARQUET_MARK, FoundFile, kind_of, load_text, text_header
from relkit.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that was read.

    Attributes:
        path: Relative to the project root or to the package it is in; never a
            path of this machine.
        bytes: Its size.
        sha256: Hash of its bytes.
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


def find_files(mapping: SourceMapping) -> tuple[FoundFile, ...]:
    """The files that a mapping names, in the order of their names.

    Raises:
        SourceError: none is there; with the places looked at and near names.
    """
    found: list[FoundFile] = []
    for pattern in mapping.files:
        found += _find(pattern, mapping)
    return tuple(found)


def _find(pattern: str, mapping: SourceMapping) -> list[FoundFile]:
    bases = _bases(mapping)
    for base, prefix in bases:
        full = base / Path(pattern).expanduser()
        matches = sorted(glob(str(full), recursive=True)) if has_magic(pattern) else [str(full)]
        paths = [Path(match) for match in matches if os.path.isfile(match)]
        if paths:
            return [FoundFile(path, _shown(path, base, prefix)) for path in paths]
        if full.is_dir():
            ending = "parquet" if mapping.format == "parquet" else "csv"
            raise SourceError(
                f"{mapping.shown}: files: {pattern} is a folder; name the files in it, "
                f"like {pattern.rstrip('/')}/*.{ending}"
            )
    places = " and ".join(
        f"package {mapping.package}" if prefix else os.path.relpath(base) for base, prefix in bases
    )
    what = "no file matches" if has_magic(pattern) else "no such file:"
    raise SourceError(
        f"{mapping.shown}: {what} {pattern} (looked in {places}){_near(pattern, bases)}; "
        "put it there, or correct files: in the YAML"
    )


def _bases(mapping: SourceMapping) -> list[tuple[Path, str]]:
    """The folders that file names start from, each with what stands before them when shown."""
    if mapping.package is None:
        # Twice the same folder would be named twice where nothing is found.
        folders = dict.fromkeys((mapping.root.resolve(), mapping.path.parent.resolve()))
        return [(folder, "") for folder in folders]
    # A dotted name would import the package that it is in; the files need no import.
    spec = None if "." in mapping.package else find_spec(mapping.package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"{mapping.shown}: package: {mapping.package} is not installed; "
            "install it, or name a file of the project without package:"
        )
    return [(Path(folder), f"{mapping.package}/") for folder in spec.submodule_search_locations]


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
    engine: Any, mapping: SourceMapping, files: Sequence[FoundFile], wanted: Sequence[str]
) -> RawRows:
    """Bring the wanted columns of all files into the engine as the table `raw`.

    Args:
        engine: An Ibis DuckDB backend.
        mapping: How the files are written.
        files: Where they are.
        wanted: Columns, or products of columns like Quantity * Price, by the
            names the files have for them.

    Raises:
        SourceError: a file is not of the declared format, or lacks a column.
    """
    read = _load_parquet if mapping.format == "parquet" else load_text
    records = []
    columns: tuple[str, ...] = ()
    for number, file in enumerate(files):
        with file.path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        columns = resolve_columns(wanted, _header(file, mapping), file.shown, mapping)
        read(engine, mapping, file, number, columns)
        rows = engine.raw_sql(f"SELECT count(*) FROM raw_{number}").fetchall()[0][0]
        records.append(FileRecord(file.shown, file.path.stat().st_size, sha256, rows))
    together = " UNION ALL ".join(f"SELECT * FROM raw_{number}" for number in range(len(files)))
    engine.raw_sql(f"CREATE VIEW raw AS {together}")
    return RawRows(engine.table("raw"), columns, tuple(records))


def factors(expression: str, header: Sequence[str]) -> tuple[str, ...]:
    """The columns that an entry of the mapping stands for: itself, or a product's factors."""
    if expression in header or " * " not in expression:
        return (expression,)
    return tuple(part.strip() for part in expression.split(" * "))


def resolve_columns(
    wanted: Sequence[str], header: Sequence[str], shown: str, mapping: SourceMapping
) -> tuple[str, ...]:
    """The file's columns that are needed, each once.

    Raises:
        SourceError: columns that are not there, all of them, or twice there.
    """
    names = dict.fromkeys(name for each in wanted for name in factors(each, header))
    faults = []
    for name in names:
        if header.count(name) > 1:
            faults.append(f"column '{name}' stands {header.count(name)} times in the header")
        elif name not in header:
            faults.append(f"no column '{name}'{did_you_mean(name, header)}")
    if faults:
        raise SourceError(
            f"{shown} does not have the columns that {mapping.shown} maps",
            [*faults, f"its columns are: {', '.join(header)}{_header_hint(header, mapping)}"],
        )
    return tuple(names)


def _header_hint(header: Sequence[str], mapping: SourceMapping) -> str:
    if mapping.format == "csv" and len(header) == 1:
        for mark, name in ((";", "';'"), ("\t", "tab"), ("|", "'|'"), (",", "','")):
            if mark in header[0]:
                return f"; is it separator: {name}?"
    if mapping.encoding != "utf-8" and any(ord(letter) > 127 for letter in "".join(header)):
        return f"; are these the right letters? encoding is {mapping.encoding}"
    return ""


def _header(file: FoundFile, mapping: SourceMapping) -> list[str]:
    if mapping.format == "parquet":
        return _parquet_names(file)
    return text_header(file, mapping)


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
    engine: Any, mapping: SourceMapping, file: FoundFile, number: int, columns: Sequence[str]
) -> None:
    chosen = ", ".join(f"{_quoted(name)} AS column_{i}" for i, name in enumerate(columns))
    engine.raw_sql(
        f"CREATE VIEW raw_{number} AS SELECT {number} AS file, file_row_number + 1 AS row, "
        f"FALSE AS misaligned, {chosen} "
        f"FROM read_parquet({_literal(str(file.path))}, file_row_number = true)"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
