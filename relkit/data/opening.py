"""The tables of a source, each read and checked when it is first asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from relkit.data.accounts import RowAccount, account_of
from relkit.data.checking import CheckedRows, Mapped, all_known, check_rows, some_repeat
from relkit.data.complaints import describe_faults, in_rows
from relkit.data.contracts import TABLES, contracts
from relkit.data.currencies import currency_of
from relkit.data.daily import offer_daily
from relkit.data.engine import drop, keep, look, make_room, time_zones, today_in, unfused, watch
from relkit.data.files import FileRecord, RawRows, factors, find_files, joined_by, load
from relkit.data.keys import (
    AFTER_AS_OF,
    mark_later,
    mark_overlaps,
    mark_repeats,
    mark_shared_orders,
    mark_unknown,
)
from relkit.data.mapping import SourceMapping
from relkit.data.reading_faults import in_words
from relkit.data.schemas import Circumstances, Contract, midnight_after
from relkit.data.shared_rows import (
    mark_nobody,
    mark_unknown_among,
    rows_of_customers,
    spread_orders,
)
from relkit.data.table_mapping import TableMapping
from relkit.data.textfiles import FoundFile
from relkit.data.values import WrongType, exact_amount
from relkit.errors import DataError, ParameterError, SourceError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir


# Fewer rows are kept in the engine, faulty or not: reading them again costs more than memory.
ROWS_WORTH_A_LOOK = 1_000_000


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A table that was read: what was found, and what keeps the contract.

    Attributes:
        contract: What its rows were held against.
        mapping: What the source YAML says of it.
        raw: The rows as they stand in the files.
        checked: All rows, each with its faults.
        account: What became of each row.
        rows: The accepted ones, as the contract has them; lazy.
        currency: Of its amounts, or None.
    """

    contract: Contract
    mapping: TableMapping
    raw: RawRows
    checked: CheckedRows
    account: RowAccount
    rows: ir.Table
    currency: str | None = None

    @property
    def files(self) -> tuple[FileRecord, ...]:
        return self.raw.files


@dataclass(slots=True)
class Tables:
    """The tables of one source.

    Attributes:
        engine: Where they are read into.
        mapping: The source YAML.
        as_of: The last day to look at, or None.
        max_set_aside: Share of a table's rows that may fail.
        later_rows: 'fault' or 'set_aside'.
        most_rows: Of its largest table so far, which the engine has room for.
    """

    engine: Any
    mapping: SourceMapping
    as_of: dt.date | None
    max_set_aside: float
    later_rows: str
    most_rows: int = 0
    _opened: dict[str, OpenedTable] = field(default_factory=dict)

    @property
    def supplied(self) -> tuple[str, ...]:
        """The tables that the source maps, in the order of the contracts."""
        return tuple(name for name in TABLES if name in self.mapping.tables)

    @property
    def opened(self) -> tuple[OpenedTable, ...]:
        """Those that were read so far."""
        return tuple(self._opened.values())

    def open(self, name: str) -> OpenedTable:
        """A table, read when it is first asked for.

        Raises:
            DataError: the source has none, or too many of its rows fail.
            SourceError: it cannot be read.
        """
        if not self.has(name):
            raise DataError(
                f"not supplied: {name}; {self.mapping.shown} does not map it. "
                f"Add it under tables:, or leave out what needs it: source.has('{name}') asks"
            )
        if name not in self._opened:
            self._opened[name] = _open(self, name)
        return self._opened[name]

    def has(self, name: str) -> bool:
        """Whether the source maps a table.

        Raises:
            ParameterError: there is no table of that name.
        """
        if name not in TABLES:
            raise ParameterError(
                f"there is no table '{name}'{did_you_mean(name, TABLES)}; "
                f"known: {', '.join(TABLES)}"
            )
        return name in self.mapping.tables

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        return keep(self.engine, name, rows)

    def evaluated(self, name: str, checked: CheckedRows) -> CheckedRows:
        return CheckedRows(self.keep(name, checked.rows), checked.faults)

    def looked_at(self, name: str, checked: CheckedRows) -> CheckedRows:
        """The same, read from the file again whenever it is asked for."""
        return replace(checked, rows=look(self.engine, name, checked.rows))


def _open(tables: Tables, name: str) -> OpenedTable:
    mapping, table = tables.mapping, tables.mapping.tables[name]
    _check_time_zone(tables.engine, mapping, table)
    files = find_files(mapping, table)
    # A damaged page shows only when its rows are asked for, whoever asks.
    with in_words(_where(mapping, name, [file.shown for file in files])):
        return _read_and_checked(tables, name, files)


def _where(mapping: SourceMapping, name: str, shown: Sequence[str]) -> str:
    names = ", ".join(shown[:3])
    more = f" and {len(shown) - 3} more files" if len(shown) > 3 else ""
    return f"{mapping.shown}, {name}" + (f" in {names}{more}" if names else "")


def _read_and_checked(tables: Tables, name: str, files: Sequence[FoundFile]) -> OpenedTable:
    mapping, table = tables.mapping, tables.mapping.tables[name]
    before = [(file.shown, file.path, file.path.stat()) for file in files]
    raw = load(tables.engine, mapping, table, files)
    where = _where(mapping, name, [record.path for record in raw.files])
    read = sum(record.rows for record in raw.files)
    tables.most_rows = max(tables.most_rows, read)
    make_room(tables.engine, tables.most_rows)
    if read == 0 and name == "transactions":
        raise DataError(f"{where}: there are no rows; at least one transaction is required")
    currency = currency_of(mapping, table, raw)
    today = today_in(tables.engine, table.reading.time_zone)
    contract = contracts(Circumstances(today, currency))[name]
    checked = _check(tables, contract, table, raw, read)
    if checked.read_again:
        watch(tables.engine, before)
    if tables.as_of is not None:
        checked = _until(tables, contract, checked, today, where)
    account = account_of(checked, read)
    failed = account.set_aside - account.reasons.get(AFTER_AS_OF.en, 0)
    if failed > tables.max_set_aside * account.read:
        raise DataError(
            f"{where}: {failed:,} of {account.read:,} rows ({failed / account.read:.1%}) fail, "
            f"more than max_set_aside={tables.max_set_aside} allows; put right what is said below, "
            f"or raise max_set_aside to leave those rows out",
            describe_faults(checked, raw, table),
        )
    if (
        name == "transactions"
        and not checked.accepted().kind.isin(["purchase"]).any().to_pyarrow().as_py()
    ):
        raise DataError(
            f"{where}: no purchase is left; at least one is required",
            describe_faults(checked, raw, table),
        )
    rows = _accepted(tables, contract, checked, table)
    if name == "transactions":
        offer_daily(tables.engine, rows, account.used)
    return OpenedTable(contract, table, raw, checked, account, rows, currency)


def _check_time_zone(engine: Any, mapping: SourceMapping, table: TableMapping) -> None:
    zone = table.reading.time_zone
    if zone is not None and zone not in (known := time_zones(engine)):
        raise SourceError(
            f"{mapping.shown}: time_zone: {zone} is not a name of a time zone"
            f"{did_you_mean(zone, known)}; write it like Europe/Berlin or Asia/Shanghai"
        )


def _check(
    tables: Tables, contract: Contract, table: TableMapping, raw: RawRows, read: int
) -> CheckedRows:
    """Rows held against the contract: each alone, then beside the others and the other tables."""
    columns = {
        ours: tuple(f"column_{raw.columns.index(name)}" for name in factors(theirs, raw.columns))
        for ours, theirs in table.columns.items()
    }
    joints = {ours: joined_by(theirs, raw.columns) for ours, theirs in table.columns.items()}
    mapped = Mapped(columns, table.constants, table.reading, joints)
    rows = spread_orders(raw.rows, mapped) if table.order_in_first_row else raw.rows
    try:
        alone = check_rows(contract, rows, mapped)
    except WrongType as fault:
        raise SourceError(f"{tables.mapping.shown}, {contract.name}: {fault}") from None
    if table.format == "parquet" and read >= ROWS_WORTH_A_LOOK:
        clean = _without_faults(tables, contract, table, alone, read)
        if clean is not None:
            return clean
    checked = tables.evaluated(f"{contract.name}_alone", alone)
    for step in _steps_beside_others(tables, contract, table):
        after = step(checked)
        if after is not checked:
            before, checked = checked, tables.evaluated(f"{contract.name}_checked", after)
            drop(tables.engine, before.rows)
    return checked


def _without_faults(
    tables: Tables, contract: Contract, table: TableMapping, alone: CheckedRows, read: int
) -> CheckedRows | None:
    """All rows, if none of them has a fault; they stay in their file. Else None.

    Counting the faults costs a third of keeping the rows, and what has none can be read
    again: so a file of any size is checked in the memory that its counting takes.
    """
    with unfused():
        counts = alone.counts()
    if set(counts) != {0}:
        return None
    clean = alone.without_faults()
    for step in _proofs_beside_others(tables, contract, table, read):
        if not step(clean):
            return None
    return tables.looked_at(f"{contract.name}_clean", clean)


def _proofs_beside_others(
    tables: Tables, contract: Contract, table: TableMapping, read: int
) -> list[Callable[[CheckedRows], bool]]:
    """What shows quickly that the steps beside other rows would find nothing."""
    proofs: list[Callable[[CheckedRows], bool]] = []
    if set(contract.key) <= set(table.mapped):
        if table.line_items:
            return [lambda clean: False]
        proofs.append(lambda clean: not some_repeat(clean.rows, contract.key, read))
    if table.split is not None or contract.name == "owner_history":
        return [lambda clean: False]
    for column, other in contract.references.items():
        if column in table.mapped and other in tables.mapping.tables and other != contract.name:
            known = _known(tables, other)
            proofs.append(
                lambda clean, column=column, known=known: all_known(  # type: ignore[misc]
                    clean.rows, column, known
                )
            )
    return proofs


def _steps_beside_others(
    tables: Tables, contract: Contract, table: TableMapping
) -> list[Callable[[CheckedRows], CheckedRows]]:
    steps: list[Callable[[CheckedRows], CheckedRows]] = []
    if set(contract.key) <= set(table.mapped):
        repeats = mark_shared_orders if table.line_items else mark_repeats
        steps.append(lambda checked: repeats(contract, checked, tables.keep))
    if table.split is not None:
        separator = table.split
        steps.append(lambda checked: mark_nobody(checked, separator))
    for column, other in contract.references.items():
        if column in table.mapped and other in tables.mapping.tables and other != contract.name:
            known = _known(tables, other)
            if column == "customer_id" and (mark := table.split) is not None:
                steps.append(
                    lambda checked, mark=mark, other=other, known=known: mark_unknown_among(  # type: ignore[misc]
                        checked, mark, other, known, tables.keep
                    )
                )
                continue
            steps.append(
                lambda checked, column=column, other=other, known=known: mark_unknown(  # type: ignore[misc]
                    checked, column, other, known
                )
            )
    if contract.name == "owner_history":
        steps.append(lambda checked: mark_overlaps(checked, tables.keep))
    return steps


def _known(tables: Tables, name: str) -> ir.Table:
    """The keys of a table; of rows set aside too, since the customer is known all the same."""
    opened = tables.open(name)
    key = opened.checked.rows[opened.contract.key[0]]
    return opened.checked.rows.select(key).drop_null()


def _until(
    tables: Tables, contract: Contract, checked: CheckedRows, today: dt.date, where: str
) -> CheckedRows:
    """Rows as of the day that the run looks at."""
    day = tables.as_of
    assert day is not None
    if day > today:
        raise ParameterError(f"as_of={day} lies in the future; today is {today}")
    if contract.name == "transactions":
        _refuse_before_the_first(checked, day, where)
    if contract.dated_by is None:
        return checked
    marked = mark_later(checked, contract.dated_by, day)
    again = checked.read_again
    name = f"{contract.name}_as_of"
    checked = tables.looked_at(name, marked) if again else tables.evaluated(name, marked)
    if tables.later_rows == "fault":
        _refuse_later_rows(checked, contract.dated_by, day, where)
    return checked


def _refuse_before_the_first(checked: CheckedRows, day: dt.date, where: str) -> None:
    good = checked.accepted()
    first = good.occurred_at.min(where=good.kind == "purchase").to_pyarrow().as_py()
    if first is not None and day < first.date():
        raise ParameterError(
            f"{where}: as_of={day} lies before the first purchase, {first.date()}; "
            "choose a day on or after it"
        )


def _refuse_later_rows(checked: CheckedRows, dated_by: str, day: dt.date, where: str) -> None:
    bit = 1 << (len(checked.faults) - 1)
    later = checked.rows.filter(checked.rows.faults == bit)
    counted = later.agg(n=later.count(), last=later[dated_by].max().cast("date"))
    found = counted.to_pyarrow().to_pylist()[0]
    if found["n"]:
        lie = "lies" if found["n"] == 1 else "lie"
        raise DataError(
            f"{where}: {in_rows(found['n'])} {lie} after as_of={day}, the last on "
            f"{found['last']}; set later_rows: set_aside to look at the state as of "
            f"{day}, or set as_of to the last day"
        )


def _accepted(
    tables: Tables, contract: Contract, checked: CheckedRows, table: TableMapping
) -> ir.Table:
    """The rows that keep the contract, as it has them."""
    rows = checked.accepted().drop("file", "row", "faults")
    if contract.name == "transactions" and table.line_items:
        return tables.keep("transactions", _orders(rows, table))
    for event, known_since in contract.later.items():
        if tables.as_of is not None and event in rows.columns:
            # As of that day the ticket was open and the answer not there yet.
            happened = rows[event] < midnight_after(tables.as_of)
            known = [name for name in known_since if name in rows.columns]
            rows = rows.mutate(
                **{n: happened.ifelse(rows[n], None).cast(rows[n].type()) for n in known}
            )
    if table.split is not None:
        return tables.keep(contract.name, rows_of_customers(contract, rows, table.split))
    return tables.engine.create_view(contract.name, rows)


def _orders(rows: ir.Table, table: TableMapping) -> ir.Table:
    """Lines added up to one row an order."""
    # An order with a kind is a purchase or a refund by its lines, else by its sum.
    keys = ["transaction_id", "kind"] if "kind" in table.mapped else ["transaction_id"]
    orders = rows.group_by(keys).agg(
        customer_id=rows.customer_id.min(),
        occurred_at=rows.occurred_at.min(),
        amount=exact_amount(rows.amount).sum().cast("float64"),
    )
    if "kind" not in keys:
        orders = orders.mutate(kind=(orders.amount < 0).ifelse("refund", "purchase"))
    return orders.select("transaction_id", "customer_id", "occurred_at", "amount", "kind")
