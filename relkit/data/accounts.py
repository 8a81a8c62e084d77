"""What became of the rows that were read: used, or set aside for a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.checking import MISALIGNED, CheckedRows
from relkit.data.complaints import held_by
from relkit.data.files import FileRecord, RawRows, factors
from relkit.data.table_mapping import TableMapping
from relkit.errors import DataError
from relkit.personal import is_customer_id
from relkit.privacy import ANYTHING, CUSTOMER_ID, LOOKS_LIKE, PERSONAL, PLAIN

if TYPE_CHECKING:
    import pandas as pd


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


def account_of(checked: CheckedRows, read: int) -> RowAccount:
    """The account of checked rows.

    Args:
        checked: Rows with their faults.
        read: How many there were in the files, counted before anything was checked.

    Raises:
        DataError: a row was lost or doubled on the way.
    """
    counts = checked.counts()
    en: dict[str, int] = {}
    zh: dict[str, int] = {}
    for reason in (fault.reason for fault in checked.faults):
        rows = sum(n for faults, n in counts.items() if checked.reasons_of(faults)[:1] == [reason])
        if rows:
            en[reason.en], zh[reason.zh] = rows, rows
    used = counts.get(0, 0)
    return RowAccount(read, used, sum(counts.values()) - used, en, zh)


def rows_set_aside(
    checked: CheckedRows,
    raw: RawRows,
    files: Sequence[FileRecord],
    mapping: TableMapping | None = None,
) -> pd.DataFrame:
    """The rows that were not used, as they stand in their file, with the reason.

    They may hold anything anywhere. So ``attrs`` says what each column should hold, and
    a cell that is something else leaves as its shape only (see ``privacy.protected``).

    Args:
        checked: Rows with their faults.
        raw: The same rows as the files have them.
        files: Which ones.
        mapping: Which column is which of ours; without it every cell counts as anything.
    """
    rejected = checked.rows.filter(checked.rows.faults != 0).select("file", "row", "faults")
    texts = {f"column_{i}": raw.rows[f"column_{i}"].cast("string") for i in range(len(raw.columns))}
    listed = raw.rows.inner_join(rejected, ["file", "row"])
    listed = listed.mutate(**{name: listed[name].cast("string") for name in texts})
    frame = listed.order_by("file", "row").to_pandas()
    reasons = frame.pop("faults").map(
        lambda faults: "; ".join(reason.en for reason in checked.reasons_of(faults))
    )
    taken = ("file", "row", "reason")
    names = [f"{name} (original)" if name in taken else name for name in raw.columns]
    frame = frame[["file", "row", *texts]].set_axis(["file", "row", *names], axis="columns")
    frame["file"] = frame["file"].map(lambda number: files[number].path)
    frame = frame.assign(reason=reasons.astype("str"))
    frame.attrs["holds"] = dict(zip(names, _holds(raw.columns, mapping), strict=True))
    frame.attrs["holds"]["reason"] = PLAIN
    frame.attrs["shifted"] = MISALIGNED.en
    return frame


def _holds(columns: Sequence[str], mapping: TableMapping | None) -> list[str]:
    """What each of a file's columns holds; what two of ours take is the more personal one."""
    held: dict[str, set[str]] = {}
    for ours, theirs in (mapping.columns if mapping is not None else {}).items():
        for name in factors(theirs, columns):
            assert mapping is not None
            held.setdefault(name, set()).add(held_by(mapping.name, ours))
    order = (PERSONAL, CUSTOMER_ID, ANYTHING, *LOOKS_LIKE, PLAIN)
    unknown = {name: CUSTOMER_ID if is_customer_id(name) else ANYTHING for name in columns}
    return [min(held.get(name, {unknown[name]}), key=order.index) for name in columns]


def inventory(
    checked: CheckedRows, files: Sequence[FileRecord], dated_by: str | None
) -> pd.DataFrame:
    """One row a file: its rows, its first and last day, its size and hash."""
    import pandas as pd

    rows = checked.rows
    good = rows.faults == 0
    counted = rows.group_by("file").agg(
        used=good.sum(),
        set_aside=(~good).sum(),
        **{
            end: getattr(rows[dated_by], least)(where=good).cast("date")
            for end, least in (("first", "min"), ("last", "max"))
            if dated_by is not None
        },
    )
    per_file = counted.to_pandas().set_index("file").reindex(range(len(files)))
    nothing = pd.Series(pd.NaT, index=per_file.index)
    return pd.DataFrame(
        {
            "file": [f.path for f in files],
            "rows": [f.rows for f in files],
            "used": per_file["used"].fillna(0).astype("int64"),
            "set_aside": per_file["set_aside"].fillna(0).astype("int64"),
            "first": pd.to_datetime(per_file.get("first", nothing)),
            "last": pd.to_datetime(per_file.get("last", nothing)),
            "bytes": [f.bytes for f in files],
            "sha256": [f.sha256 for f in files],
        }
    ).reset_index(drop=True)
