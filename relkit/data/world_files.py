"""A synthetic world as a folder: tables, a source that relkit opens, and the truth apart.

    README.md
    world.json                  what it was made of, and the hash of each file
    params/sources/world.yaml   the source; relkit reads the tables through it
    data/*.parquet              the tables (and data/*.csv where asked for)
    truth/*.parquet             what no company knows; no source points here

The folder appears in one rename, so it is there whole or not at all. Tables are
written block by block: memory does not grow with the number of customers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from relkit.data.world_blocks import world_blocks
from relkit.data.world_parameters import (
    SNAPSHOT,
    START,
    WEEKS,
    WorldFaults,
    WorldParameters,
    check_parameters,
)
from relkit.data.world_texts import readme_text, source_text
from relkit.errors import ParameterError, RunError

if TYPE_CHECKING:
    import pandas as pd

RECORD = "world.json"
FORMAT = "relkit synthetic world 1"


@dataclass(frozen=True, slots=True)
class WrittenWorld:
    """A world on disk.

    Attributes:
        folder: Where it is.
        source: The source YAML in it.
        rows: Rows by table.
        truth_rows: Rows by table of the truth.
        as_of: The last day before the snapshot.
    """

    folder: Path
    source: Path
    rows: Mapping[str, int]
    truth_rows: Mapping[str, int]
    as_of: dt.date

    def to_frame(self) -> pd.DataFrame:
        """Rows of each table, and whether it is the truth."""
        import pandas as pd

        listed = [(name, rows, False) for name, rows in self.rows.items()]
        listed += [(name, rows, True) for name, rows in self.truth_rows.items()]
        return pd.DataFrame(listed, columns=["table", "rows", "truth"])

    def describe(self) -> str:
        """What a command prints: where it is, what it holds, how to open it."""
        width = max(len(name) for name in self.rows)
        lines = [f"Synthetic world in {self.folder}"]
        lines += [f"  {name:<{width}}  {rows:>12,} rows" for name, rows in self.rows.items()]
        lines += [
            f"  truth kept apart in {self.folder / 'truth'}: {', '.join(self.truth_rows)}",
            f"Open it: source: {self.source}, as_of: {self.as_of}, later_rows: set_aside",
        ]
        return "\n".join(lines)


def write_world(
    folder: str | os.PathLike[str],
    customers: int = 20_000,
    seed: int = 1,
    kind: str = "full",
    weeks: int = WEEKS,
    snapshot: int = SNAPSHOT,
    faults: WorldFaults | str | None = "planted",
    accounts: int | None = None,
    start: str | dt.date = START,
    randomised_from: int | None = None,
    tables: Iterable[str] | None = None,
    csv: bool = False,
) -> WrittenWorld:
    """Write a synthetic world; the same arguments write the same bytes.

    Args:
        folder: To be made; a world that this function wrote there before is replaced.
        customers: As for `simulate_world`, like all up to `tables`.
        seed: See there.
        kind: See there.
        weeks: See there.
        snapshot: See there.
        faults: See there.
        accounts: See there.
        start: See there.
        randomised_from: See there.
        tables: See there.
        csv: Whether to write the tables as CSV too.

    Raises:
        ParameterError: arguments that cannot be meant, no transactions, or a folder
            that holds anything else than a world as it was written.
        RunError: the disk is full or may not be written; nothing is left behind.
    """
    world = check_parameters(
        customers, seed, kind, weeks, snapshot, faults, accounts, start, randomised_from, tables
    )
    if not world.wants("transactions"):
        raise ParameterError(
            "tables must name transactions too: no source can be opened without them"
        )
    target = Path(os.path.abspath(Path(folder).expanduser()))
    _refuse_foreign(target, str(folder))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
            draft = Path(scratch) / "world"
            rows, truth_rows = _write(draft, world, csv)
            _put_in_place(draft, target, Path(scratch) / "earlier")
    except OSError as fault:
        raise RunError(
            f"{folder}: cannot be written: {fault.strerror or fault}; nothing was left behind"
        ) from None
    return WrittenWorld(
        folder=Path(folder),
        source=Path(folder) / "params" / "sources" / "world.yaml",
        rows=rows,
        truth_rows=truth_rows,
        as_of=world.as_of,
    )


def _put_in_place(draft: Path, target: Path, earlier: Path) -> None:
    if not target.exists():
        os.rename(draft, target)
        return
    os.rename(target, earlier)
    try:
        os.rename(draft, target)
    except BaseException:
        os.rename(earlier, target)
        raise


def _refuse_foreign(target: Path, shown: str) -> None:
    """Only a folder that holds a world as it was written, and nothing else, may be replaced."""
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise ParameterError(f"{shown} is not a folder; name one that is not there yet")
    present = {
        path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()
    }
    if not present:
        return
    try:
        record = json.loads((target / RECORD).read_text(encoding="utf-8"))
        hashes = {RECORD: None, **record["files"]} if record["format"] == FORMAT else {}
        ours = {n for n in present & set(hashes) if hashes[n] in (None, _sha256(target / n))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = set()
    foreign = sorted(present - ours)
    if foreign:
        more = f" and {len(foreign) - 3:,} more" if len(foreign) > 3 else ""
        raise ParameterError(
            f"{shown} holds what is not, or no longer, of a synthetic world "
            f"({', '.join(foreign[:3])}{more}); nothing was changed; name another folder"
        )


def _write(
    folder: Path, world: WorldParameters, csv: bool
) -> tuple[dict[str, int], dict[str, int]]:
    with _Tables(folder / "data", csv) as data, _Tables(folder / "truth", False) as truth:
        for block in world_blocks(world):
            data.add(block.tables)
            truth.add(block.truth)
    sources = folder / "params" / "sources"
    sources.mkdir(parents=True)
    for form in ("parquet", "csv") if csv else ("parquet",):
        name = "world.yaml" if form == "parquet" else "world_csv.yaml"
        text = source_text(world, form, data.columns)
        (sources / name).write_text(text, encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(readme_text(world, csv), encoding="utf-8", newline="\n")
    order = {name: data.rows[name] for name in world.tables}
    files = {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record: dict[str, Any] = {
        "format": FORMAT,
        "synthetic": True,
        "parameters": world.to_dict(),
        "rows": order,
        "truth_rows": truth.rows,
        "files": files,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8", newline="\n")
    return order, truth.rows


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Tables:
    """Open files of tables that grow block by block; closed however the block ends."""

    def __init__(self, folder: Path, csv: bool) -> None:
        folder.mkdir(parents=True)
        self.folder, self.csv = folder, csv
        self.rows: dict[str, int] = {}
        self.columns: dict[str, list[str]] = {}
        self._writers: dict[str, list[Any]] = {}

    def __enter__(self) -> _Tables:
        return self

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        for name, table in tables.items():
            if name not in self._writers:
                self._writers[name] = self._open(name, table.schema)
                self.rows[name], self.columns[name] = 0, table.column_names
            for writer in self._writers[name]:
                writer.write_table(table)
            self.rows[name] += table.num_rows

    def _open(self, name: str, schema: pa.Schema) -> list[Any]:
        from pyarrow import csv, parquet

        # Nothing but the rows goes into a file: no schema of a library, no time of writing.
        writers: list[Any] = [
            parquet.ParquetWriter(
                self.folder / f"{name}.parquet", schema, compression="zstd", store_schema=False
            )
        ]
        if self.csv:
            options = csv.WriteOptions(quoting_style="needed")
            writers.append(
                csv.CSVWriter(self.folder / f"{name}.csv", schema, write_options=options)
            )
        return writers

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for writer in (w for writers in self._writers.values() for w in writers):
            writer.close()
