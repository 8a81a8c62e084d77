"""How many customers came back, before and after two ids of one person are one."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relkit.data.grains import as_table, check_day, check_grain, grain_start
from relkit.data.quality.identity import IdentityDuplicates
from relkit.data.quality.supplied import NotSupplied, Tables, evaluated, has, supplied
from relkit.data.sources import Source
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate, normal_quantile, wilson_interval

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

PERIODS = {"month": "M", "quarter": "Q", "year": "Y"}
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True, eq=False)
class RepeatShare:
    """Customers with two or more buying occasions among all who bought.

    Attributes:
        before: The share by the ids as they are.
        after: The share with ids of one person joined; None where none were looked for.
        joined: Ids with a purchase that became part of another customer.
        by_cohort: One row a period of the first purchase and stage ('before', 'after'):
            cohort (its first day), stage, customers, repeaters, share, low, high.
        by_channel: The same by channel of contact in place of cohort; a customer is in
            each channel of which there was a contact. None without touches.
        grain: What one occasion is.
        period: Of the cohorts: month, quarter or year.
    """

    before: Estimate
    after: Estimate | None
    joined: int
    by_cohort: pd.DataFrame
    by_channel: pd.DataFrame | None
    grain: str
    period: str

    def to_frame(self) -> pd.DataFrame:
        """Shares by cohort and stage."""
        return self.by_cohort.copy()


def repeat_share(
    tables: Tables,
    identity: IdentityDuplicates | NotSupplied | None = None,
    *,
    grain: str = "day",
    period: str = "quarter",
    channels: bool = True,
    as_of: str | dt.date | None = None,
    level: float = 0.95,
) -> RepeatShare:
    """The share of customers who came back, by cohort and by channel of contact.

    Later cohorts had less time to come back, and who buys more is often contacted more:
    the shares describe, they do not say what a channel brings.

    Args:
        tables: A source, or tables by name, with `transactions`, and where known `touches`
            (customer_id, channel, delivered).
        identity: As made by `identity_duplicates`; without it there is nothing to join.
        grain: What one buying occasion is, as in `rfm_summary`.
        period: Of the cohorts: month, quarter or year of the first purchase.
        channels: Whether to read the touches, which may be many.
        as_of: Last day of a week where grain is 'week'; of a source, its own.
        level: Of the Wilson intervals.

    Raises:
        ParameterError: an unknown grain or period, a level outside (0, 1), or no day for
            weeks.
        DataError: there is no purchase.
    """
    check_grain(grain)
    normal_quantile(level)
    if period not in PERIODS:
        raise ParameterError(
            f"period={period!r} must be one of {', '.join(PERIODS)}"
            f"{did_you_mean(str(period), PERIODS)}"
        )
    anchor = _anchor(tables, grain, as_of)
    bought = _purchases(tables)
    occasions = bought.select(
        "customer_id", grain_at=grain_start(bought.occurred_at, grain, anchor)
    ).distinct()
    contacts = _contacts(tables) if channels and has(tables, "touches") else None
    found = identity if isinstance(identity, IdentityDuplicates) else None
    stages = {BEFORE: None} if found is None else {BEFORE: None, AFTER: found.identity_map}
    by_cohort, by_channel, wholes = [], [], []
    with evaluated(occasions) as kept:
        for stage, joined in stages.items():
            with evaluated(_per_customer(_renamed(kept, joined))) as customers:
                wholes.append(_whole(customers, level))
                by_cohort.append(_by_cohort(customers, period).assign(stage=stage))
                if contacts is not None:
                    reached = _renamed(contacts, joined).distinct()
                    by_channel.append(_by_channel(customers, reached).assign(stage=stage))
    before, after = wholes[0], wholes[1] if found is not None else None
    return RepeatShare(
        before=before,
        after=after,
        joined=0 if after is None else before.n - after.n,
        by_cohort=_with_shares(by_cohort, "cohort", level),
        by_channel=_with_shares(by_channel, "channel", level) if by_channel else None,
        grain=grain,
        period=period,
    )


def _anchor(tables: Tables, grain: str, as_of: str | dt.date | None) -> dt.date:
    if as_of is not None:
        return check_day(as_of, "as_of")
    if isinstance(tables, Source):
        return tables.as_of
    if grain == "week":
        raise ParameterError("grain='week' needs as_of, the last day of one of the weeks")
    return dt.date(1970, 1, 1)  # only weeks depend on it


def _purchases(tables: Tables) -> ir.Table:
    # A frame goes as it is to where rows without an id are refused.
    frame = not isinstance(tables, Source) and has(tables, "transactions")
    rows = as_table(tables["transactions"] if frame else supplied(tables, "transactions"))  # type: ignore[index]
    return rows.filter(rows.kind == "purchase")


def _contacts(tables: Tables) -> ir.Table:
    """Who was in contact by which channel."""
    touches = supplied(tables, "touches", ("customer_id", "channel"))
    if "delivered" in touches.columns:
        touches = touches.filter(touches.delivered.cast("boolean").fill_null(True))
    return touches.select(
        customer_id=touches.customer_id.cast("string"), channel=touches.channel.cast("string")
    ).distinct()


def _renamed(rows: ir.Table, identity_map: pd.DataFrame | None) -> ir.Table:
    """Rows under the joined ids."""
    import ibis

    if identity_map is None or identity_map.empty:
        return rows
    moved = identity_map[identity_map["customer_id"] != identity_map["joined_id"]]
    kept = ibis.memtable(moved[["customer_id", "joined_id"]].reset_index(drop=True))
    both = rows.left_join(kept, "customer_id")
    others = [name for name in rows.columns if name != "customer_id"]
    return both.select(*others, customer_id=both.joined_id.fill_null(both.customer_id))


def _per_customer(occasions: ir.Table) -> ir.Table:
    """customer_id, first_at, came_back; two ids may have bought on one day."""
    cells = occasions.distinct()
    return cells.group_by("customer_id").agg(
        first_at=cells.grain_at.min(), came_back=cells.count() >= 2
    )


def _sums(rows: ir.Table, by: str) -> pd.DataFrame:
    grouped = rows.group_by(by).agg(customers=rows.count(), repeaters=rows.came_back.sum())
    return _frame(grouped)


def _frame(rows: ir.Table) -> Any:
    return rows.to_pyarrow().to_pandas()


def _whole(customers: ir.Table, level: float) -> Estimate:
    sums = customers.agg(n=customers.count(), repeaters=customers.came_back.sum())
    n, repeaters = _frame(sums).iloc[0]
    if not n:
        raise DataError("transactions hold no purchase; at least one is required")
    return wilson_interval(int(repeaters), int(n), level)


def _by_cohort(customers: ir.Table, period: str) -> pd.DataFrame:
    cohort = customers.first_at.truncate(PERIODS[period])
    return _sums(customers.mutate(cohort=cohort), "cohort")


def _by_channel(customers: ir.Table, contacts: ir.Table) -> pd.DataFrame:
    return _sums(contacts.inner_join(customers, "customer_id"), "channel")


def _with_shares(parts: list[pd.DataFrame], by: str, level: float) -> pd.DataFrame:
    import pandas as pd

    whole = pd.concat(parts, ignore_index=True).astype({"customers": "int64", "repeaters": "int64"})
    shares = [
        wilson_interval(int(repeaters), int(n), level)
        for repeaters, n in zip(whole["repeaters"], whole["customers"], strict=True)
    ]
    whole["share"] = [one.value for one in shares]
    whole["low"] = [one.low for one in shares]
    whole["high"] = [one.high for one in shares]
    if by == "cohort":
        whole["cohort"] = whole["cohort"].astype("datetime64[us]")
    order = {BEFORE: 0, AFTER: 1}
    whole = whole.sort_values(
        [by, "stage"], key=lambda s: s.map(order) if s.name == "stage" else s, ignore_index=True
    )
    return whole[[by, "stage", "customers", "repeaters", "share", "low", "high"]]
