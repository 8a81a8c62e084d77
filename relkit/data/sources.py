"""From a source YAML to a checked table of transactions, every row accounted for."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from relkit.data.complaints import describe_faults, in_rows
from relkit.data.files import FileRecord, RawRows, factors, find_files, load
from relkit.data.mapping import CURRENCY, SourceMapping, read_mapping
from relkit.data.tables import (
    AFTER_AS_OF,
    TRANSACTIONS,
    CheckedRows,
    Circumstances,
    WrongType,
    mark_later,
    mark_repeats,
    mark_shared_orders,
    read_rows,
)
from relkit.data.values import exact_amount, parse_day
from relkit.errors import DataError, ParameterError, SourceError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

LATER_ROWS = ("fault", "set_aside")


@dataclass(frozen=True, slots=True)
class RowAccount:
    """What became of the rows that were read.

    Attributes:
        read: Data rows in the files.
        used: Rows that are in the table.
        set_aside: Rows that are not.
        reasons: Reason → rows; a row with several counts under the first, so
            that they add up to `set_aside`.
        reasons_zh: The same in Chinese.
    """

    read: int
    used: int
    set_aside: int
    reasons: Mapping[str, int]
    reasons_zh: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.read != self.used + self.set_aside or self.set_aside != sum(self.reasons.values()):
            raise DataError(
                f"the rows do not add up: {self.read} read, {self.used} used, "
                f"{self.set_aside} set aside for {dict(self.reasons)}; this is a fault of relkit"
            )


@dataclass(frozen=True, slots=True)
class Source:
    """Transactions that keep their contract, and where they come from.

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
        files: What was read.
        account: What became of each row.
        span: First and last day with an accepted row.
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
    _checked: CheckedRows = field(repr=False, compare=False)
    _raw: RawRows = field(repr=False, compare=False)

    def set_aside(self) -> pd.DataFrame:
        """The rows that were not used.

        Returns:
            `file`, `row` (as a spreadsheet numbers it, the header being row 1;
            in Parquet the first data row is 1), the mapped columns as text as they
            stand in the file, and `reason`, several joined by '; '.
        """
        rejected = self._checked.rows.filter(self._checked.rows.faults != 0)
        rejected = rejected.select("file", "row", "faults")
        original = self._raw.rows
        texts = {f"column_{i}": original[f"column_{i}"].cast("string") for i in self._places()}
        listed = original.inner_join(rejected, ["file", "row"])
        listed = listed.mutate(**{name: listed[name].cast("string") for name in texts})
        frame = listed.order_by("file", "row").to_pandas()
        reasons = frame.pop("faults").map(
            lambda faults: "; ".join(reason.en for reason in self._checked.reasons_of(faults))
        )
        taken = ("file", "row", "reason")
        names = [f"{name} (original)" if name in taken else name for name in self._raw.columns]
        frame = frame[["file", "row", *texts]].set_axis(["file", "row", *names], axis="columns")
        frame["file"] = frame["file"].map(lambda number: self.files[number].path)
        return frame.assign(reason=reasons.astype("str"))

    def _places(self) -> range:
        return range(len(self._raw.columns))

    def describe(self) -> dict[str, Any]:
        """All that a run record and a page's footer need, as JSON can hold it."""
        return {
            "name": dict(self.name),
            "mapping": dict(self.mapping),
            "files": [
                {"path": f.path, "bytes": f.bytes, "sha256": f.sha256, "rows": f.rows}
                for f in self.files
            ],
            "account": {
                "read": self.account.read,
                "used": self.account.used,
                "set_aside": self.account.set_aside,
                "reasons": dict(self.account.reasons),
                "reasons_zh": dict(self.account.reasons_zh),
            },
            "span": [day.isoformat() for day in self.span],
            "as_of": self.as_of.isoformat(),
            "currency": self.currency,
            "synthetic": self.synthetic,
            "ids_given": self.ids_given,
        }

    def to_frame(self) -> pd.DataFrame:
        """The inventory: one row a file, with its rows, its days, its size and hash."""
        import pandas as pd

        rows = self._checked.rows
        good = rows.faults == 0
        per_file = rows.group_by("file").agg(
            used=good.sum(),
            set_aside=(~good).sum(),
            first=rows.occurred_at.min(where=good).date(),
            last=rows.occurred_at.max(where=good).date(),
        )
        counted = per_file.to_pandas().set_index("file").reindex(range(len(self.files)))
        inventory = pd.DataFrame(
            {
                "file": [f.path for f in self.files],
                "rows": [f.rows for f in self.files],
                "used": counted["used"].fillna(0).astype("int64"),
                "set_aside": counted["set_aside"].fillna(0).astype("int64"),
                "first": pd.to_datetime(counted["first"]),
                "last": pd.to_datetime(counted["last"]),
                "bytes": [f.bytes for f in self.files],
                "sha256": [f.sha256 for f in self.files],
            }
        )
        return inventory.reset_index(drop=True)


def open_source(
    path: str | os.PathLike[str],
    *,
    as_of: str | dt.date | None = None,
    max_set_aside: float = 0.01,
    later_rows: str = "fault",
) -> Source:
    """Read a source, hold every row against the contract, and account for all of them.

    Args:
        path: A source YAML; a relative path is looked for in the working
            directory and in each folder above it. Files named in the YAML are
            looked for from the folder where that path starts, then beside the YAML.
        as_of: The last day to look at, like '1998-06-30'; by default the last
            day in the data.
        max_set_aside: Share of the rows that may fail, in [0, 1]. Beyond it nothing
            is computed, since the rows that are left no longer speak for all.
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
    engine = _connect()
    raw = load(engine, mapping, find_files(mapping), tuple(mapping.columns.values()))
    names = ", ".join(record.path for record in raw.files[:3])
    more = f" and {len(raw.files) - 3} more files" if len(raw.files) > 3 else ""
    where = f"{mapping.shown}, transactions in {names}{more}"
    if sum(record.rows for record in raw.files) == 0:
        raise DataError(f"{where}: there are no rows; at least one transaction is required")
    _check_time_zone(engine, mapping)
    currency = _currency(mapping, raw)
    today = today_in(engine, mapping.reading.time_zone)
    checked = _check_rows(engine, mapping, raw, Circumstances(today, currency))
    if day is not None:
        _check_as_of(day, today, checked, where)
        checked = _keep(engine, "as_of_rows", mark_later(checked, day))
        _refuse_later_rows(checked, day, later_rows, where)
    account = _account(checked)
    failed = account.set_aside - account.reasons.get(AFTER_AS_OF.en, 0)
    if failed > max_set_aside * account.read:
        raise DataError(
            f"{where}: {failed:,} of {account.read:,} rows ({failed / account.read:.1%}) fail, "
            f"more than max_set_aside={max_set_aside} allows; put right what is said below, "
            f"or raise max_set_aside to leave those rows out",
            describe_faults(checked, raw, mapping),
        )
    first, last = _span(checked, where, describe_faults(checked, raw, mapping))
    return Source(
        name=mapping.name,
        transactions=_transactions(engine, checked, mapping),
        as_of=day or last,
        currency=currency,
        files=raw.files,
        account=account,
        span=(first, last),
        synthetic=mapping.synthetic,
        ids_given="transaction_id" in mapping.columns,
        mapping={"path": mapping.shown, "sha256": mapping.sha256},
        _checked=checked,
        _raw=raw,
    )


def _check_options(max_set_aside: float, later_rows: str) -> None:
    number = isinstance(max_set_aside, (int, float)) and not isinstance(max_set_aside, bool)
    if not number or not 0 <= max_set_aside <= 1:
        raise ParameterError(
            f"max_set_aside={max_set_aside!r} must be a share in [0, 1]; give 1 % as 0.01"
        )
    if later_rows not in LATER_ROWS:
        hint = did_you_mean(str(later_rows), LATER_ROWS)
        raise ParameterError(f"later_rows={later_rows!r} must be fault or set_aside{hint}")


def today_in(engine: Any, time_zone: str | None) -> dt.date:
    """The day it is in a time zone; without one, the last day that has begun anywhere."""
    # Etc/GMT-14 is the zone 14 hours ahead of UTC: its sign is turned round.
    zone = time_zone or "Etc/GMT-14"
    return engine.con.execute("SELECT CAST(timezone(?, now()) AS DATE)", [zone]).fetchall()[0][0]


def _connect() -> Any:
    import ibis

    engine = ibis.duckdb.connect()
    # The machine's own zone must never decide which day a purchase belongs to.
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine


def _check_time_zone(engine: Any, mapping: SourceMapping) -> None:
    zone = mapping.reading.time_zone
    if zone is None:
        return
    known = [name for (name,) in engine.raw_sql("SELECT name FROM pg_timezone_names()").fetchall()]
    if zone not in known:
        raise SourceError(
            f"{mapping.shown}: time_zone: {zone} is not a name of a time zone"
            f"{did_you_mean(zone, known)}; write it like Europe/Berlin or Asia/Shanghai"
        )


def _currency(mapping: SourceMapping, raw: RawRows) -> str | None:
    """The one currency of a source: as declared, or as its column says.

    Raises:
        DataError: the column has several and none is declared.
    """
    if mapping.currency is not None or "currency" not in mapping.columns:
        return mapping.currency
    column = raw.rows[f"column_{raw.columns.index(mapping.columns['currency'])}"]
    code = column.cast("string").strip().nullif("")
    found = raw.rows.select(code=code).drop_null().group_by("code").agg(n=lambda t: t.count())
    counts = found.order_by("code").to_pyarrow().to_pylist()
    if len(counts) > 1:
        listed = ", ".join(f"{each['code']} in {in_rows(each['n'])}" for each in counts)
        raise DataError(
            f"{mapping.shown}, transactions: several currencies, {listed}; one run has one: "
            "convert the amounts, or set currency: and max_set_aside to leave the others out"
        )
    if counts and not CURRENCY.fullmatch(counts[0]["code"]):
        raise DataError(
            f"{mapping.shown}, transactions: currency says '{counts[0]['code']}', which is no "
            "three-letter code such as EUR or CNY; set currency: to the code, and take the column "
            "out of the mapping"
        )
    return str(counts[0]["code"]) if counts else None


def _check_rows(
    engine: Any, mapping: SourceMapping, raw: RawRows, now: Circumstances
) -> CheckedRows:
    def keep(name: str, rows: ir.Table) -> ir.Table:
        return engine.create_table(name, rows)

    columns = {
        ours: tuple(f"column_{raw.columns.index(name)}" for name in factors(theirs, raw.columns))
        for ours, theirs in mapping.columns.items()
    }
    try:
        checked = read_rows(TRANSACTIONS, raw.rows, columns, mapping.reading, now)
    except WrongType as fault:
        raise SourceError(f"{mapping.shown}, transactions: {fault}") from None
    alone = _keep(engine, "checked_alone", checked)
    if mapping.line_items:
        together = mark_shared_orders(TRANSACTIONS, alone, keep)
    elif "transaction_id" in mapping.columns:
        together = mark_repeats(TRANSACTIONS, alone, keep)
    else:
        together = alone
    return alone if together is alone else _keep(engine, "checked_together", together)


def _keep(engine: Any, name: str, checked: CheckedRows) -> CheckedRows:
    """Evaluated once: later questions read the result and not the files again."""
    import ibis

    # Fused into one, the steps of the reading repeat each other many times over: on
    # half a million rows 7.7 s in place of 0.9 s.
    fused = ibis.options.sql.fuse_selects
    ibis.options.sql.fuse_selects = False
    try:
        table = engine.create_table(name, checked.rows)
    finally:
        ibis.options.sql.fuse_selects = fused
    return CheckedRows(table, checked.faults)


def _check_as_of(day: dt.date, today: dt.date, checked: CheckedRows, where: str) -> None:
    if day > today:
        raise ParameterError(f"as_of={day} lies in the future; today is {today}")
    good = checked.accepted()
    first = good.occurred_at.min(where=good.kind == "purchase").to_pyarrow().as_py()
    if first is not None and day < first.date():
        raise ParameterError(
            f"{where}: as_of={day} lies before the first purchase, {first.date()}; "
            "choose a day on or after it"
        )


def _refuse_later_rows(checked: CheckedRows, day: dt.date, later_rows: str, where: str) -> None:
    bit = 1 << (len(checked.faults) - 1)
    later = checked.rows.filter(checked.rows.faults == bit)
    found = later.agg(n=later.count(), last=later.occurred_at.max()).to_pyarrow().to_pylist()[0]
    if found["n"] and later_rows == "fault":
        lie = "lies" if found["n"] == 1 else "lie"
        raise DataError(
            f"{where}: {in_rows(found['n'])} {lie} after as_of={day}, the last on "
            f"{found['last'].date()}; set later_rows: set_aside to look at the state as of "
            f"{day}, or set as_of to the last day"
        )


def _account(checked: CheckedRows) -> RowAccount:
    counts = checked.counts()
    en: dict[str, int] = {}
    zh: dict[str, int] = {}
    for reason in (fault.reason for fault in checked.faults):
        rows = sum(n for faults, n in counts.items() if checked.reasons_of(faults)[:1] == [reason])
        if rows:
            en[reason.en], zh[reason.zh] = rows, rows
    read, used = sum(counts.values()), counts.get(0, 0)
    return RowAccount(read, used, read - used, en, zh)


def _span(checked: CheckedRows, where: str, faults: list[str]) -> tuple[dt.date, dt.date]:
    good = checked.accepted()
    found = good.agg(
        first=good.occurred_at.min(),
        last=good.occurred_at.max(),
        purchases=(good.kind == "purchase").sum(),
    )
    ends = found.to_pyarrow().to_pylist()[0]
    if not ends["purchases"]:
        raise DataError(f"{where}: no purchase is left; at least one is required", faults)
    return ends["first"].date(), ends["last"].date()


def _transactions(engine: Any, checked: CheckedRows, mapping: SourceMapping) -> ir.Table:
    rows = checked.accepted().drop("file", "row", "faults")
    if not mapping.line_items:
        return engine.create_view("transactions", rows)
    # An order with a kind is a purchase or a refund by its lines, else by its sum.
    keys = ["transaction_id", "kind"] if "kind" in mapping.columns else ["transaction_id"]
    lines = {"customer_id": rows.customer_id.min(), "occurred_at": rows.occurred_at.min()}
    orders = rows.group_by(keys).agg(
        **lines, amount=exact_amount(rows.amount).sum().cast("float64")
    )
    if "kind" not in keys:
        orders = orders.mutate(kind=(orders.amount < 0).ifelse("refund", "purchase"))
    order = ("transaction_id", "customer_id", "occurred_at", "amount", "kind")
    return engine.create_table("transactions", orders.select(*order))
