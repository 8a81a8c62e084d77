"""A source's transactions kept by customer and day as well, where there are many.

Merging purchases by customer and day is most of the work of every summary, and always
the same: so it is done once, when it is first asked for. An engine would merge six million
groups to get as many rows; sorting hashes of the ids takes a third of that. What a notebook
filters or changes is another table, which the engine merges anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relkit.data.engine import said_when_full, selected

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd
    import pyarrow as pa

# Below, an engine merges in less than a second.
ROWS_WORTH_KEEPING = 1_000_000
# As many as are sorted at once, in some 60 bytes each; for more, the file is read again.
ROWS_AT_A_TIME = 15_000_000
# As many as are merged and written at once, and how often that an engine groups by customer.
ROWS_A_SLICE = 500_000
SLICES_AT_A_TIME = 2
_ROWS_A_CHUNK = 100_000
# Rows are sorted by 64 bits: the hash of their customer, 16 for the day since 1970 (which a
# source's rows do not lie before), and a last one for refunds.
HASH = "hash(customer_id)"
_LOW_BITS = 17
_HASH_STEP = 2**_LOW_BITS
_HASH_MASK = 2**64 - _HASH_STEP
# From here on, a sum of millionths is no decimal(18, 6).
_LARGEST_SUM = 10**18
_numbers = count()


@dataclass(frozen=True, slots=True)
class Daily:
    """Transactions by customer and day.

    Attributes:
        engine: That the transactions belong to.
        slices: Files with the rows of some customers each, in the engine's folder.
        ids: customer_id, sorted.
        places: Of each customer's number, from 0, its place in `ids`.
    """

    engine: Any
    slices: tuple[Path, ...]
    ids: pa.Array
    places: np.ndarray[Any, Any]

    def parts(self) -> Iterator[ir.Table]:
        """The rows of `by_customer_and_grain`, some customers at a time.

        customer_id is a number, grain_at a date, and the refunds of a day stand in a row
        beside the one of its purchases.
        """
        import pyarrow.dataset

        for first in range(0, len(self.slices), SLICES_AT_A_TIME):
            paths = self.slices[first : first + SLICES_AT_A_TIME]
            name = f"relkit_{paths[0].stem}"
            # Read when it is asked for, bit by bit.
            days = pyarrow.dataset.dataset([str(path) for path in paths], format="ipc")
            self.engine.con.register(name, days)
            rows = self.engine.table(name)
            bought = rows.purchases > 0
            yield rows.mutate(
                bought=bought.ifelse(rows.amount, None),
                refunded=bought.ifelse(None, rows.amount),
                first_at=bought.ifelse(rows.first_at, None),
                last_at=bought.ifelse(rows.last_at, None),
            ).drop("amount")

    def named(self, numbers: np.ndarray[Any, Any]) -> tuple[pd.Series, np.ndarray[Any, Any]]:
        """Sorted ids of customers' numbers, and the order that the numbers have to be put in."""
        import pyarrow as pa

        places = self.places[numbers]
        order = np.argsort(places)
        # Text with long offsets is what pandas wants; another kind would be copied once more.
        ids = self.ids if len(numbers) == len(self.ids) else self.ids.take(pa.array(places[order]))
        return ids.cast(pa.large_string()).to_pandas().astype("str"), order


def offer_daily(engine: Any, transactions: ir.Table, rows: int) -> None:
    """Let summaries merge a source's transactions once, if there are enough to be worth it."""
    if rows >= ROWS_WORTH_KEEPING:
        offered: dict[str, int | Daily | None] = getattr(engine, "relkit_daily", {})
        engine.relkit_daily = offered | {transactions.op().name: rows}


def kept_daily(transactions: Any) -> Daily | None:
    """The days of a source's own transactions, unchanged; None of any other."""
    import ibis
    import ibis.expr.operations as operations

    if not isinstance(transactions, ibis.Table):
        return None
    node = transactions.op()
    if not isinstance(node, operations.DatabaseTable):
        return None
    offered: dict[str, int | Daily | None] = getattr(node.source, "relkit_daily", {})
    found = offered.get(node.name)
    if isinstance(found, int):
        found = offered[node.name] = _merged(node.source, transactions)
    return found


def _merged(engine: Any, transactions: ir.Table) -> Daily | None:
    """All customers by day; None where a sum is beyond what is kept exactly."""
    import pyarrow as pa

    rows = int(transactions.count().to_pyarrow().as_py())
    pieces = max(1, -(-rows // ROWS_AT_A_TIME))
    slices: list[Path] = []
    names: list[pa.Table] = []
    for piece in range(pieces):
        known = sum(map(len, names))
        read = _read(transactions, rows, piece, pieces)
        ids = read.ids
        firsts = _sliced(read, known, Path(engine.relkit_folder.name), slices)
        # All but the ids goes before the next step takes memory.
        del read
        if firsts is None:
            return None
        names.append(_taken(ids, firsts, known))
        del ids
    ids, places = _sorted(engine, pa.concat_tables(names))
    return Daily(engine, tuple(slices), ids, places)


@dataclass(slots=True)
class _Rows:
    """Transactions as they are read.

    Attributes:
        keys: Hash of the customer, day, kind: see _HASH_MASK.
        others: Another hash of the customer, which tells those apart whose first is the same.
        times: Microseconds since 1970.
        amounts: Whole millionths.
        ids: customer_id, a batch each.
    """

    keys: np.ndarray[Any, Any]
    others: np.ndarray[Any, Any]
    times: np.ndarray[Any, Any]
    amounts: np.ndarray[Any, Any]
    ids: list[pa.Array]


def _read(transactions: ir.Table, rows: int, piece: int, pieces: int) -> _Rows:
    """The rows of one of as many parts of all customers."""
    import pyarrow as pa

    name = transactions.op().name
    some = f"WHERE hash(customer_id) % {pieces} = {piece}" if pieces > 1 else ""
    query = f"""
        SELECT
            customer_id,
            ({HASH} & {_HASH_MASK}::UBIGINT)
                | ((CAST(occurred_at AS DATE) - DATE '1970-01-01') * 2
                    + CAST(kind <> 'purchase' AS BIGINT))::UBIGINT,
            hash('#' || customer_id),
            epoch_us(occurred_at),
            CAST(amount AS DECIMAL(18, 6))
        FROM "{name}" {some}"""
    columns = [np.empty(rows, kind) for kind in ("uint64", "uint32", "int64", "int64")]
    ids, end = [], 0
    for batch in selected(transactions.get_backend(), query):
        start, end = end, end + batch.num_rows
        for column, values in zip(columns, batch.columns[1:], strict=True):
            column[start:end] = _whole(values)
        # A copy, since the other columns live as long as any one of a batch.
        ids.append(pa.concat_arrays([batch.column(0), pa.array([], batch.column(0).type)]))
    keys, others, times, amounts = (column[:end] for column in columns)
    return _Rows(keys, others, times, amounts, ids)


def _whole(values: pa.Array) -> np.ndarray[Any, Any]:
    """Whole numbers; of decimals of up to 18 digits the units of their last one."""
    import pyarrow as pa

    if not pa.types.is_decimal128(values.type):
        return values.to_numpy()
    # 16 bytes each, the lower half first, which holds 18 digits and their sign.
    return np.frombuffer(values.buffers()[1], "<i8")[2 * values.offset :: 2][: len(values)]


def _sliced(
    rows: _Rows, known: int, folder: Path, slices: list[Path]
) -> np.ndarray[Any, Any] | None:
    """Writes the days; gives a row of each customer, who are numbered from `known`."""
    firsts: list[np.ndarray[Any, Any]] = []
    for some in _some_customers(rows.keys):
        merged = _days(rows, some, known)
        if merged is None:
            return None
        days, each = merged
        slices.append(_written(days, folder))
        firsts.append(each)
        known += len(each)
    return np.concatenate(firsts) if firsts else np.empty(0, "int64")


def _some_customers(keys: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    """The rows in the order of their keys, all those of some hashes at a time."""
    order = np.argsort(keys).astype("int32")
    begin = 0
    while begin < len(order):
        end = begin + ROWS_A_SLICE
        if end < len(order):
            # To the end of the last one's rows.
            last = keys[order[end - 1]] | np.uint64(_HASH_STEP - 1)
            end = int(np.searchsorted(keys, last, "right", sorter=order))
        yield order[begin:end]
        begin = end


def _days(
    rows: _Rows, order: np.ndarray[Any, Any], first: int
) -> tuple[pa.Table, np.ndarray[Any, Any]] | None:
    """Rows in order → their days, and a row of each customer; they are numbered from `first`."""
    import pyarrow as pa

    keys, others = rows.keys[order], rows.others[order]
    customer = _begins(keys, _HASH_STEP)
    if not np.array_equal(customer, _begins(others)):
        # Two customers have one hash; or, once in thousands of times, neighbours the other one.
        again = np.lexsort((keys, others, keys >> np.uint64(_LOW_BITS)))
        order, keys, others = order[again], keys[again], others[again]
        customer = _begins(keys, _HASH_STEP) | _begins(others)
    starts = np.flatnonzero(customer | _begins(keys))
    ends = np.append(starts[1:], len(order))
    low = keys[starts] & np.uint64(_HASH_STEP - 1)
    del keys, others
    amounts, times = rows.amounts[order], rows.times[order]
    if max(int(amounts.max()), -int(amounts.min())) * int((ends - starts).max()) >= _LARGEST_SUM:
        return None
    days = pa.table(
        {
            "customer_id": np.cumsum(customer, dtype="int32")[starts] + np.int32(first - 1),
            "grain_at": pa.array((low >> np.uint64(1)).astype("int32")).view(pa.date32()),
            "purchases": np.where(low & np.uint64(1), 0, ends - starts).astype("int32"),
            "amount": pa.array(_one(np.add, amounts, starts, ends)).view(pa.decimal64(18, 6)),
            "first_at": pa.array(_one(np.minimum, times, starts, ends)).view(pa.timestamp("us")),
            "last_at": pa.array(_one(np.maximum, times, starts, ends)).view(pa.timestamp("us")),
        }
    )
    return days, order[customer]


def _begins(values: np.ndarray[Any, Any], step: int = 1) -> np.ndarray[Any, Any]:
    """Whether a value is another than the one before it, in its bits from that of `step` on."""
    begins = np.ones(len(values), "bool")
    np.greater_equal(values[1:] ^ values[:-1], values.dtype.type(step), out=begins[1:])
    return begins


def _one(
    kind: np.ufunc,
    values: np.ndarray[Any, Any],
    starts: np.ndarray[Any, Any],
    ends: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """One value of those from each start to its end; most stand alone."""
    found = values[starts]
    many = np.flatnonzero(ends - starts > 1)
    if len(many):
        bounds = np.column_stack([starts[many], ends[many]]).ravel()
        # The end of all is no place to begin at, and the last one goes as far anyway.
        bounds = bounds[:-1] if bounds[-1] == len(values) else bounds
        found[many] = kind.reduceat(values, bounds)[::2]
    return found


def _taken(batches: list[pa.Array], rows: np.ndarray[Any, Any], known: int) -> pa.Table:
    """The ids of some rows, which are counted over all batches, and their numbers."""
    import pyarrow as pa

    numbers = np.argsort(rows)
    rows = rows[numbers]
    begins = np.cumsum([0, *map(len, batches)])
    cuts = np.searchsorted(rows, begins)
    found = [
        batch.take(pa.array(rows[first:last] - begin))
        for batch, begin, (first, last) in zip(batches, begins[:-1], pairwise(cuts), strict=True)
    ]
    ids = pa.chunked_array(found, "string")
    return pa.table({"id": ids, "number": (numbers + known).astype("int32")})


def _written(days: pa.Table, folder: Path) -> Path:
    import pyarrow as pa

    path = folder / f"days_{next(_numbers)}.arrow"
    with (
        said_when_full(),
        pa.OSFile(str(path), "wb") as file,
        pa.ipc.new_file(file, days.schema) as writer,
    ):
        writer.write_table(days, max_chunksize=_ROWS_A_CHUNK)
    return path


def _sorted(engine: Any, named: pa.Table) -> tuple[pa.Array, np.ndarray[Any, Any]]:
    """Ids in order, and the place in it of each number."""
    import pyarrow as pa

    name = f"relkit_ids_{next(_numbers)}"
    engine.con.register(name, named)
    found = list(selected(engine, f"SELECT id, number FROM {name} ORDER BY id"))
    engine.con.unregister(name)
    places = np.empty(len(named), "int32")
    numbers = np.concatenate([batch.column(1).to_numpy() for batch in found])
    places[numbers] = np.arange(len(named), dtype="int32")
    return pa.concat_arrays([batch.column(0) for batch in found]), places
