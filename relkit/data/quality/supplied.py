"""Tables of a source, or frames by name; and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from relkit.data.engine import keep
from relkit.data.sources import Source
from relkit.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir

# A source, or tables by name: Ibis tables or frames, such as `simulate_world(…).tables`.
Tables: TypeAlias = Source | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NotSupplied:
    """Why nothing was measured: there is no table to measure it on.

    Attributes:
        tables: Those that are missing; one of them at least is needed.
    """

    tables: tuple[str, ...]


def has(tables: Tables, name: str) -> bool:
    """Whether there is a table of this name."""
    return tables.has(name) if isinstance(tables, Source) else name in tables


def supplied(tables: Tables, name: str, needed: tuple[str, ...] = ()) -> ir.Table:
    """A table, lazy.

    Args:
        tables: A source, or tables by name.
        name: Of the table.
        needed: Columns that it must have.

    Raises:
        DataError: not supplied, or without a column that is needed.
    """
    import ibis

    if isinstance(tables, Source):
        rows = tables.table(name)
    elif name in tables:
        given = tables[name]
        rows = given if isinstance(given, ibis.Table) else ibis.memtable(_plain(given))
    else:
        there = ", ".join(tables) or "none"
        raise DataError(f"not supplied: {name}; the tables given are {there}")
    names = list(rows.columns)
    missing = [f"no column '{n}'{did_you_mean(n, names)}" for n in needed if n not in names]
    if missing:
        raise DataError(f"{name} need {', '.join(needed)}; there are {', '.join(names)}", missing)
    return rows


@contextmanager
def evaluated(rows: ir.Table) -> Iterator[ir.Table]:
    """Rows computed once for several questions, and let go of afterwards."""
    import ibis

    engine = ibis.get_backend(rows)
    if engine.name != "duckdb":
        # Nothing is written into somebody else's database.
        yield ibis.memtable(rows.to_pyarrow())
        return
    table = keep(engine, "relkit_quality", rows)
    try:
        yield table
    finally:
        engine.raw_sql(f'DROP TABLE "{table.op().name}"')


def _plain(frame: Any) -> Any:
    return frame.reset_index(drop=True)
