"""The engine that files are read into: DuckDB in this process, through Ibis."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relkit.errors import ParameterError, RunError, SourceError

if TYPE_CHECKING:
    import ibis.expr.types as ir

_numbers = count()
# What is beyond goes to disk, slower, and never fills the machine.
_MEGABYTES = 150
_BYTES_A_ROW = 16
_ROWS_IN_ORDER = 1_000_000
# Each thread of the engine wants memory of its own, and a laptop's are enough.
_THREADS = 4
# Who has more memory to give, or less, says so in this variable, in MB.
MEMORY = "RELKIT_MEMORY_MB"
_BATCH_ROWS = 100_000


def connect() -> Any:
    """An engine of one's own, empty."""
    engine = _engine_class()().connect()
    # The machine's own zone must never decide which day a purchase belongs to.
    engine.raw_sql("SET TimeZone = 'UTC'")
    engine.raw_sql(f"SET threads = {min(_THREADS, os.cpu_count() or 1)}")
    # Beyond its memory tables and merging go to a folder of their own, which ends with the engine.
    make_room(engine, 0)
    folder = tempfile.TemporaryDirectory(prefix="relkit-", ignore_cleanup_errors=True)
    engine.raw_sql(f"SET temp_directory = '{folder.name}'")
    # Kept as long as the engine, and removed with it.
    engine.relkit_folder = folder
    return engine


def make_room(engine: Any, rows: int) -> None:
    """Give the engine the memory that so many rows need; a machine's own limit is not known.

    Raises:
        ParameterError: RELKIT_MEMORY_MB is set to what is no number of MB.
    """
    wanted = _MEGABYTES + rows * _BYTES_A_ROW // 1_000_000
    megabytes = _given_megabytes() or wanted
    engine.raw_sql(f"SET memory_limit = '{megabytes}MB'")
    engine.relkit_megabytes = megabytes
    if rows > _ROWS_IN_ORDER:
        # Rows carry their number, so the order that they are kept in may go for memory.
        engine.raw_sql("SET preserve_insertion_order = false")


def _given_megabytes() -> int | None:
    given = os.environ.get(MEMORY, "").strip()
    if not given:
        return None
    if not given.isdigit() or int(given) < _MEGABYTES:
        raise ParameterError(
            f"{MEMORY}={given!r} must be a whole number of MB from {_MEGABYTES}, like 2000; "
            "without it relkit chooses by the number of rows"
        )
    return int(given)


def keep(engine: Any, name: str, rows: ir.Table) -> ir.Table:
    """Rows evaluated once: later questions read the result and not the files again.

    Args:
        engine: As `connect` gives it, or another one of DuckDB.
        name: What they are; a number is added to it.
        rows: The rows.
    """
    with unfused():
        return engine.create_table(f"{name}_{next(_numbers)}", rows)


def drop(engine: Any, table: ir.Table) -> None:
    """Remove a table that was kept."""
    engine.raw_sql(f'DROP TABLE "{table.op().name}"')


def look(engine: Any, name: str, rows: ir.Table) -> ir.Table:
    """Rows that are worked out anew whenever they are asked for; they take no memory."""
    with unfused():
        return engine.create_view(f"{name}_{next(_numbers)}", rows)


def batches(rows: ir.Table) -> Iterator[Any]:
    """Rows as Arrow record batches, one after the other and never all of them at once."""
    engine = rows.get_backend()
    with unfused():
        query = engine.compile(rows)
    return selected(engine, query)


def selected(engine: Any, query: str) -> Iterator[Any]:
    """What a query in the engine's own SQL finds, as `batches` gives it."""
    with said_when_full(engine):
        yield from engine.con.sql(query).to_arrow_reader(_BATCH_ROWS)


def watch(engine: Any, files: Iterable[tuple[str, Path, os.stat_result]]) -> None:
    """Keep in mind what files were like that are read again whenever rows are asked for."""
    known: list[Any] = getattr(engine, "relkit_watched", [])
    engine.relkit_watched = [*known, *files]


def refuse_changed_files(rows: ir.Table) -> None:
    """Before rows are worked out: are the files that they come from as they were checked?

    Raises:
        SourceError: one of them is another by now, or gone.
    """
    backends, _ = rows._find_backends()
    for engine in backends:
        for shown, path, before in getattr(engine, "relkit_watched", ()):
            try:
                now = path.stat()
                same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
            except OSError:
                same = False
            if not same:
                raise SourceError(
                    f"{shown} has changed since it was checked; "
                    "open the source again, and leave its files alone until all is computed"
                )


@contextmanager
def unfused() -> Iterator[None]:
    """Expressions become SQL step by step.

    Fused into one, the steps of the reading repeat each other many times over: on
    half a million rows 7.7 s in place of 0.9 s.
    """
    import ibis

    fused = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        yield
    finally:
        ibis.options.sql.fuse_selects = fused


def time_zones(engine: Any) -> list[str]:
    """The names of all time zones."""
    return [name for (name,) in engine.raw_sql("SELECT name FROM pg_timezone_names()").fetchall()]


def today_in(engine: Any, time_zone: str | None) -> dt.date:
    """The day it is in a time zone; without one, the last day that has begun anywhere."""
    # Etc/GMT-14 is the zone 14 hours ahead of UTC: its sign is turned round.
    zone = time_zone or "Etc/GMT-14"
    found = engine.con.execute("SELECT CAST(timezone(?, now()) AS DATE)", [zone]).fetchall()
    day: dt.date = found[0][0]
    return day


@lru_cache(maxsize=1)
def _engine_class() -> Any:
    """Ibis's DuckDB, which says in relkit's words when memory or disk are full."""
    from ibis.backends.duckdb import Backend

    class Engine(Backend):
        def raw_sql(self, query: Any, **options: Any) -> Any:
            with said_when_full(self):
                return super().raw_sql(query, **options)

        def create_table(self, name: str, /, *rows: Any, **options: Any) -> Any:
            with said_when_full(self):
                return super().create_table(name, *rows, **options)

        def execute(self, expr: Any, /, **options: Any) -> Any:
            with said_when_full(self):
                return super().execute(expr, **options)

        def to_pyarrow(self, expr: Any, /, **options: Any) -> Any:
            with said_when_full(self):
                return super().to_pyarrow(expr, **options)

    return Engine


@contextmanager
def said_when_full(engine: Any = None) -> Iterator[None]:
    """Say in relkit's words that an engine's memory, or the disk, is full.

    Raises:
        RunError: it is.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as fault:
        megabytes = getattr(engine, "relkit_megabytes", None)
        first = str(fault).splitlines()[0]
        raise RunError(
            f"the engine needs more than the {megabytes:,} MB of memory it may use, or the disk "
            "for what is beyond is full",
            [
                f"give it more, where the machine has it: {MEMORY}={2 * (megabytes or 0)}",
                "or make room where temporary files go: the folder that TMPDIR names",
                "or read less: fewer files, or a later first day",
                f"it says: {first}",
            ],
        ) from None
    except (duckdb.IOException, OSError) as fault:
        if "No space left" not in str(fault):
            raise
        raise RunError(
            "the disk is full: large tables need room for temporary files; make room there, or "
            "let TMPDIR name a folder on another disk"
        ) from None
