"""What customers of an experiment did by week since their assignment, worked out once.

Purchases and complaints of the window and of the time before are joined to customers one
time, and kept with numbers in place of ids and names: whatever is asked of them later
groups some numbers, and goes neither through the tables nor through their texts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from relkit.data.engine import keep
from relkit.data.grains import days_between, rows_until

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from relkit.data.sources import Source


def numbered(units: ir.Table) -> ir.Table:
    """Customers of an experiment with `unit`, a number each; kept."""
    import ibis

    rows = units.mutate(unit=ibis.row_number().cast("int32"))
    return keep(units.get_backend(), "units", rows)


def weekly_events(units: ir.Table, source: Source, covariate_weeks: int) -> ir.Table:
    """One row a purchase or complaint, with the week since the assignment; kept.

    Args:
        units: customer_id, unit, assigned_at, until, of whom it may be `numbered`.
        source: Transactions; tickets if any.
        covariate_weeks: How long before the assignment purchases count.

    Returns:
        unit, week (0 is the first since the assignment, below 0 before it), revenue,
        purchases, and complaints (from week 0) where there are tickets.
    """
    import ibis

    tickets = source.has("tickets")
    rows = rows_until(source.transactions, source.as_of)
    bought = rows.select(
        whose=rows.customer_id.cast("string"),
        at=rows.occurred_at.cast("timestamp"),
        revenue=rows.amount.cast("float64"),
        purchases=(rows.kind == "purchase").ifelse(1.0, 0.0),
    )
    events = _of_units(bought, units, covariate_weeks)
    if tickets:
        asked = source.tickets.filter(source.tickets.kind == "complaint")
        complaints = asked.select(
            whose=asked.customer_id.cast("string"),
            at=asked.opened_at.cast("timestamp"),
            revenue=ibis.literal(0.0),
            purchases=ibis.literal(0.0),
        )
        events = events.mutate(complaints=ibis.literal(0.0)).union(
            _of_units(complaints, units, 0).mutate(complaints=ibis.literal(1.0))
        )
    # Not merged by customer and week: few weeks have two, and merging takes as long as joining.
    return keep(units.get_backend(), "weeks", events)


def _of_units(events: ir.Table, units: ir.Table, before: int) -> ir.Table:
    """Events of the units between so many weeks before the assignment and its window's end."""
    import ibis

    # Whole tables hold years: what cannot lie in anybody's window is not joined at all.
    first, last = units.assigned_at.min().to_pyarrow().as_py(), units.until.max().to_pyarrow()
    since = ibis.timestamp(first) - ibis.interval(days=7 * before)
    events = events.filter(events["at"] >= since, events["at"] < ibis.timestamp(last.as_py()))
    people = units.select(
        "unit", "until", "assigned_at", id=units.customer_id,
        since=units.assigned_at - ibis.interval(days=7 * before),
    )  # fmt: skip
    joined = people.inner_join(events, people.id == events.whose)
    joined = joined.filter((joined["at"] >= joined.since) & (joined["at"] < joined.until))
    week = (days_between(joined["at"], joined.assigned_at) / 7).floor().cast("int32")
    names = [name for name in events.columns if name not in ("whose", "at")]
    return joined.select("unit", *names, week=week)
