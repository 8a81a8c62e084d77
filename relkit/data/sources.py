"""From a source YAML to checked tables, every row accounted for."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from relkit.data.accounts import RowAccount, inventory, rows_set_aside
from relkit.data.contracts import TABLES
from relkit.data.engine import connect
from relkit.data.files import FileRecord
from relkit.data.mapping import read_mapping
from relkit.data.opening import OpenedTable, Tables
from relkit.data.values import parse_day
from relkit.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

# Where neither the caller nor the source's YAML says another share.
MAX_SET_ASIDE = 0.01
LATER_ROWS = ("fault", "set_aside")


class _Supplied:
    """A table of a source, read when it is first asked for; DataError where it has none."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, source: Source, owner: type) -> ir.Table:
        return source.table(self.name) if source is not None else self


@dataclass(frozen=True, slots=True)
class Source:
    """Tables that keep their contracts, and where they come from.

    Every table of the contracts is an attribute, a lazy Ibis table of the accepted rows:
    `source.customers`, `source.touches`, and so on. One that the source does not map
    raises a DataError, *not supplied*; `source.has(name)` asks before.

    Attributes:
        name: By language, 'en' and 'zh'.
        transactions: Lazy Ibis table of the accepted rows: transaction_id,
            customer_id (string), occurred_at (timestamp, wall clock of the
            source's time zone), amount (float64, refunds negative), kind
            ('purchase' or 'refund'), and currency, category where mapped. With
            line items one row an order: earliest time, sum of the lines, and no
            category.
        as_of: The last day that is looked at.
        currency: Of all amounts; None where the source does not say.
        files: What the transactions were read from.
        account: What became of each row of the transactions.
        span: First and last day with an accepted transaction.
        synthetic: Whether the customers are simulated.
        ids_given: Whether the source has transaction ids; if not, rows are
            numbered and a repeated row cannot be told from two equal purchases.
        mapping: The source YAML and its hash.
    """

    name: Mapping[str, str]
    transactions: ir.Table
    as_of: dt.date
    currency: str | None
    files: tuple[FileRecord, ...]
    account: RowAccount
    span: tuple[dt.date, dt.date]
    synthetic: bool
    ids_given: bool
    mapping: Mapping[str, str]
    _tables: Tables = field(repr=False, compare=False)

    customers = _Supplied()
    touches = _Supplied()
    feedback = _Supplied()
    tickets = _Supplied()
    engagement = _Supplied()
    contracts = _Supplied()
    assignments = _Supplied()
    referrals = _Supplied()
    owners = _Supplied()
    owner_history = _Supplied()
    interviews = _Supplied()
    survey_values = _Supplied()
    stages = _Supplied()
    needs = _Supplied()
    reviews = _Supplied()

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables that the source maps."""
        return self._tables.supplied

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the tables that it does not map."""
        return tuple(name for name in TABLES if name not in self.tables)

    def has(self, table: str) -> bool:
        """Whether the source maps a table.

        Raises:
            ParameterError: there is no table of that name.
        """
        return self._tables.has(table)

    def table(self, name: str) -> ir.Table:
        """The accepted rows of a table, lazy.

        Raises:
            DataError: not supplied, or too many of its rows fail.
            SourceError: it cannot be read.
            ParameterError: there is no table of that name.
        """
        return self._tables.open(name).rows

    def account_of(self, table: str) -> RowAccount:
        """What became of each row of a table; reads it. Raises as `table`."""
        return self._tables.open(table).account

    def span_of(self, table: str) -> tuple[dt.date, dt.date] | tuple[None, None]:
        """First and last day of a table's accepted rows; None where it has no days or rows."""
        opened = self._tables.open(table)
        dated_by = opened.contract.dated_by
        if dated_by is None:
            return None, None
        day = opened.rows[dated_by].cast("date")
        found = opened.rows.agg(first=day.min(), last=day.max()).to_pyarrow().to_pylist()[0]
        return found["first"], found["last"]

    def files_of(self, table: str) -> tuple[FileRecord, ...]:
        """What a table was read from; reads it. Raises as `table`."""
        return self._tables.open(table).files

    def set_aside(self, table: str = "transactions") -> pd.DataFrame:
        """The rows of a table that were not used.

        Returns:
            `file`, `row` (as a spreadsheet numbers it, the header being row 1;
            in Parquet the first data row is 1), the mapped columns as text as they
            stand in the file, and `reason`, several joined by '; '. Shown in a report or
            saved by it, a cell that is not what its column should hold keeps only its shape.
        """
        opened = self._tables.open(table)
        return rows_set_aside(opened.checked, opened.raw, opened.files, opened.mapping)

    def describe(self) -> dict[str, Any]:
        """All that a run record and a page's footer need, as JSON can hold it.

        Of the tables beside the transactions those that were read so far are in it.
        """
        others = [
            opened for opened in self._tables.opened if opened.contract.name != "transactions"
        ]
        said = {
            "name": dict(self.name),
            "mapping": dict(self.mapping),
            "files": [
                {"path": f.path, "bytes": f.bytes, "sha256": f.sha256, "rows": f.rows}
                for f in (*self.files, *(f for opened in others for f in opened.files))
            ],
            "account": _account_as_json(self.account),
            "span": [day.isoformat() for day in self.span],
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "synthetic": self.synthetic,
            "ids_given": self.ids_given,
        }
        if others:
            said["tables"] = {each.contract.name: _account_as_json(each.account) for each in others}
        return said

    def to_frame(self, table: str = "transactions") -> pd.DataFrame:
        """The inventory: one row a file, with its rows, its days, its size and hash."""
        opened = self._tables.open(table)
        return inventory(opened.checked, opened.files, opened.contract.dated_by)


def _account_as_json(account: RowAccount) -> dict[str, Any]:
    return {
        "read": account.read,
        "used": account.used,
        "set_aside": account.set_aside,
        "reasons": dict(account.reasons),
        "reasons_zh": dict(account.reasons_zh),
    }


def open_source(
    path: str | os.PathLike[str],
    *,
    as_of: str | dt.date | None = None,
    max_set_aside: float | None = None,
    later_rows: str = "fault",
) -> Source:
    """Read a source, hold every row against its contract, and account for all of them.

    The transactions are read now, with the tables they refer to; every other table when
    it is first asked for, under the same conditions.

    Args:
        path: A source YAML; a relative path is looked for in the working
            directory and in each folder above it. Files named in the YAML are
            looked for from the folder where that path starts, then beside the YAML.
        as_of: The last day to look at, like '1998-06-30'; by default the last
            day in the data.
        max_set_aside: Share of a table's rows that may fail, in [0, 1]; by default what
            the YAML says, or 0.01. Beyond it nothing is computed, since the rows that are
            left no longer speak for all.
        later_rows: What rows after `as_of` are: 'fault' stops, 'set_aside' looks at
            the state as of that day; they do not count towards `max_set_aside`.

    Raises:
        ParameterError: an argument that cannot be meant.
        SourceError: no such file, not the declared format, a column is missing.
        DataError: too many rows fail, or nothing is left; all faults at once.
    """
    _check_options(max_set_aside, later_rows)
    day = parse_day(as_of, "as_of")
    mapping = read_mapping(path)
    if max_set_aside is None:
        said = mapping.max_set_aside
        max_set_aside = MAX_SET_ASIDE if said is None else said
    tables = Tables(connect(), mapping, day, max_set_aside, later_rows)
    opened = tables.open("transactions")
    first, last = _span(opened)
    return Source(
        name=mapping.name,
        transactions=opened.rows,
        as_of=day or last,
        currency=opened.currency,
        files=opened.files,
        account=opened.account,
        span=(first, last),
        synthetic=mapping.synthetic,
        ids_given="transaction_id" in opened.mapping.mapped,
        mapping={"path": mapping.shown, "sha256": mapping.sha256},
        _tables=tables,
    )


def _span(opened: OpenedTable) -> tuple[dt.date, dt.date]:
    good = opened.checked.accepted()
    ends = good.agg(first=good.occurred_at.min(), last=good.occurred_at.max())
    found = ends.to_pyarrow().to_pylist()[0]
    return found["first"].date(), found["last"].date()


def _check_options(max_set_aside: float | None, later_rows: str) -> None:
    number = max_set_aside is None or (
        isinstance(max_set_aside, (int, float)) and not isinstance(max_set_aside, bool)
    )
    if not number or not 0 <= (max_set_aside or 0) <= 1:
        raise ParameterError(
            f"max_set_aside={max_set_aside!r} must be a share in [0, 1]; give 1 % as 0.01"
        )
    if later_rows not in LATER_ROWS:
        hint = did_you_mean(str(later_rows), LATER_ROWS)
        raise ParameterError(f"later_rows={later_rows!r} must be fault or set_aside{hint}")
