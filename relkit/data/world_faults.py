"""WorldFaults planted in the synthetic world's tables, each of them listed.

WorldFaults have random streams of their own: the world beneath them is the clean one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from relkit.data.world_columns import Array, choose, moments, numbered
from relkit.data.world_consumers import consumer_ids
from relkit.data.world_parameters import WorldFaults, WorldParameters
from relkit.data.world_people import DECISION_MAKERS, INDUSTRIES, REGIONS

ROW_FAULTS = (
    "missing_customer",
    "negative_amount",
    "future_date",
    "hundredfold_amount",
    "unknown_customer",
    "duplicate",
)
SECOND_ID, UNKNOWN_ID = 50_000_000, 90_000_000  # added to the number that an id is made of
TIME_OF = {"engagement": "date", "touches": "occurred_at"}  # feeds that may stop
FUTURE = dt.datetime(2099, 12, 31)
LIST_COLUMNS = ("table", "key", "column", "kind", "was", "became")
_FIELD_VALUES = {"industry": INDUSTRIES, "region": REGIONS, "decision_maker": DECISION_MAKERS}


def fault_list(
    table: str, kind: str, column: str, key: Any, was: Any = None, became: Any = None
) -> pa.Table:
    """Planted faults in the form of the list: one row each, values as text."""
    count = len(key)
    columns: dict[str, Any] = {
        "table": pa.repeat(table, count),
        "key": _text(key),
        "column": pa.repeat(column, count),
        "kind": pa.repeat(kind, count),
        "was": pa.nulls(count, pa.string()) if was is None else _text(was),
        "became": pa.nulls(count, pa.string()) if became is None else _text(became),
    }
    return pa.table(columns)


def _text(values: Any) -> pa.Array:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def empty_list() -> pa.Table:
    """The list of a clean world."""
    return pa.table({name: pa.array([], pa.string()) for name in LIST_COLUMNS})


@dataclass(slots=True)
class Planting:
    """Tables of a block while faults are planted in them.

    Attributes:
        tables: As they are by now.
        faults: Lists of what was planted.
        silenced: Rows that a feed lost because it stopped.
    """

    tables: dict[str, pa.Table]
    faults: list[pa.Table] = field(default_factory=list)
    silenced: int = 0

    def silence(self, world: WorldParameters, *names: str) -> None:
        """Take the rows of the weeks in which a feed stopped out of its table."""
        if world.silence is None:
            return
        name, *weeks = world.silence
        if name not in names or name not in self.tables:
            return
        begin, end = moments(np.array(weeks, float), world.start)
        rows = self.tables[name]
        when = rows[TIME_OF[name]]
        lost = pc.and_(pc.greater_equal(when, begin), pc.less(when, end))
        self.tables[name] = rows.filter(pc.invert(lost))
        self.silenced += rows.num_rows - self.tables[name].num_rows


def plant_in_consumers(
    world: WorldParameters, tables: dict[str, pa.Table], number: Array, block: int
) -> Planting:
    """A block of consumers' tables with faults, and the list of them."""
    planting = Planting(dict(tables))
    if world.faults is not None and "transactions" in tables:
        second = _second_ids(world, world.faults, planting.tables, number, block)
        rows, listed = _row_faults(world, world.faults, planting.tables["transactions"], block)
        planting.tables["transactions"] = rows
        planting.faults += [second, *listed]
    planting.silence(world, "touches")
    return planting


def plant_in_accounts(world: WorldParameters, tables: dict[str, pa.Table], block: int) -> Planting:
    """A block of accounts' tables with faults, and the list of them."""
    planting = Planting(dict(tables))
    if world.faults is not None:
        rng = world.stream("field faults", block)
        for name in ("interviews", "survey_values"):
            if name in tables:
                planting.tables[name], listed = _disagreement(rng, world.faults, name, tables[name])
                planting.faults.append(listed)
    planting.silence(world, "engagement", "touches")
    return planting


def _second_ids(
    world: WorldParameters,
    rates: WorldFaults,
    tables: dict[str, pa.Table],
    number: Array,
    block: int,
) -> pa.Table:
    """Some who came back were taken for new: their later purchases have another id."""
    rng = world.stream("second ids", block)
    transactions = tables["transactions"]
    buyer = pc.index_in(transactions["customer_id"], value_set=consumer_ids(number)).to_numpy()
    bought = np.bincount(buyer, minlength=len(number))
    chosen = rng.random(len(number)) < rates.second_id
    # Of k purchases, the last 1 … k - 1 go under the second id.
    later = 1 + np.floor(rng.random(len(number)) * np.maximum(bought - 1, 1)).astype(np.int64)
    chosen &= bought >= 2
    from_end = np.cumsum(bought)[buyer] - np.arange(len(buyer))  # 1 for the last purchase
    moved = chosen[buyer] & (from_end <= later[buyer])
    second = consumer_ids(number + SECOND_ID)
    customer = pc.if_else(
        pa.array(moved), second.take(pa.array(buyer)), transactions["customer_id"].combine_chunks()
    )
    tables["transactions"] = _with(transactions, "customer_id", customer)
    who = np.flatnonzero(chosen)
    if "customers" in tables:
        begins = (np.cumsum(bought) - later)[who]
        again = tables["customers"].take(pa.array(who))
        again = _with(again, "customer_id", second.take(pa.array(who)))
        again = _with(again, "created_at", transactions["occurred_at"].take(pa.array(begins)))
        again = _with(again, "email", pc.utf8_upper(again["email"]))
        tables["customers"] = pa.concat_tables([tables["customers"], again])
    first = consumer_ids(number[who])
    return fault_list(
        "customers", "second_id", "customer_id", second.take(pa.array(who)), was=first
    )


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def _row_faults(
    world: WorldParameters, rates: WorldFaults, rows: pa.Table, block: int
) -> tuple[pa.Table, list[pa.Table]]:
    """WorldFaults of single transactions; a row has at most one."""
    rng = world.stream("row faults", block)
    count = rows.num_rows
    shares = [getattr(rates, name) for name in ROW_FAULTS]
    code = choose(rng, [*shares, 1 - sum(shares)], count)
    digit = rng.integers(100_000, size=count)
    changes: Mapping[str, tuple[str, Callable[[pa.Table, Array], Any]]] = {
        "missing_customer": ("customer_id", lambda t, _: pa.nulls(t.num_rows, pa.string())),
        "negative_amount": ("amount", lambda t, _: pc.negate(t["amount"])),
        "future_date": (
            "occurred_at",
            lambda t, _: pa.repeat(pa.scalar(FUTURE, pa.timestamp("us")), t.num_rows),
        ),
        "hundredfold_amount": ("amount", lambda t, _: pc.round(pc.multiply(t["amount"], 100.0), 2)),
        "unknown_customer": (
            "customer_id",
            lambda t, d: numbered("SYN-C", (UNKNOWN_ID + d, 8)),
        ),
    }
    planted = []
    for kind, (column, change) in changes.items():
        hit = np.flatnonzero(code == ROW_FAULTS.index(kind))
        before = rows.take(pa.array(hit))
        after = change(before, digit[hit])
        planted.append(
            fault_list(
                "transactions", kind, column, before["transaction_id"], before[column], after
            )
        )
        mask = pa.array(code == ROW_FAULTS.index(kind))
        values = after.combine_chunks() if isinstance(after, pa.ChunkedArray) else after
        whole = pc.replace_with_mask(rows[column].combine_chunks(), mask, values)
        rows = _with(rows, column, whole)
    twice = code == ROW_FAULTS.index("duplicate")
    again = rows["transaction_id"].filter(pa.array(twice))
    planted.append(fault_list("transactions", "duplicate", "transaction_id", again))
    return rows.take(pa.array(np.repeat(np.arange(count), 1 + twice))), planted


def _disagreement(
    rng: np.random.Generator, rates: WorldFaults, name: str, rows: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Values that differ from what the company's own records say."""
    hit = rng.random(rows.num_rows) < rates.disagreement
    step = rng.random(rows.num_rows)
    was, about = rows["value"].to_pylist(), rows["field"].to_pylist()
    became = list(was)
    for row in np.flatnonzero(hit):
        others = [value for value in _FIELD_VALUES[about[row]] if value != was[row]]
        became[row] = others[int(step[row] * len(others))]
    changed = _with(rows, "value", pa.array(became, pa.string()))
    found = rows.filter(pa.array(hit))
    key = pc.binary_join_element_wise(found["customer_id"], found["field"], "/")
    values = pa.array(became, pa.string()).filter(pa.array(hit))
    return changed, fault_list(name, "disagreement", "value", key, found["value"], values)


def silence_list(world: WorldParameters, lost: int) -> pa.Table:
    """The one entry of the feed that stopped; `lost` is how many rows it lost."""
    if world.silence is None:
        return empty_list()
    name, first, back = world.silence
    days = [(world.start + dt.timedelta(days=7 * week)).isoformat() for week in (first, back)]
    return fault_list(
        name, "source_stops", TIME_OF[name], ["/".join(days)], was=[str(lost)], became=["0"]
    )
