"""The engine that files are read into: DuckDB in this process, through Ibis."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis.expr.types as ir

_numbers = count()


def connect() -> Any:
    """An engine of one's own, empty."""
    import ibis

    engine = ibis.duckdb.connect()
    # The machine's own zone must never decide which day a purchase belongs to.
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine


def keep(engine: Any, name: str, rows: ir.Table) -> ir.Table:
    """Rows evaluated once: later questions read the result and not the files again."""
    import ibis

    # Fused into one, the steps of the reading repeat each other many times over: on
    # half a million rows 7.7 s in place of 0.9 s.
    fused = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        return engine.create_table(f"{name}_{next(_numbers)}", rows)
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
