"""What an experiment's data must be held against before they are believed, as counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.experiment_outcomes import (
    ExperimentOutcomes,
    assigned_units,
    sent_contacts,
    window_end,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentChecks:
    """Counts by tier and arm; what they mean is judged elsewhere.

    Attributes:
        assigned: tier, arm, customers: everybody who was assigned.
        too_late: tier, arm, customers, too_late: of those, whose window is not over.
        assigned_by_week: arm, week (from the first assignment), customers.
        before: tier, arm, n, sum_x, sum_x2: revenue before the assignment.
        contacts: tier, arm, customers, contacted (with a contact in the window), sent,
            delivered, response_known (contacts of which it is known whether they were
            opened); None without touches.
        after_unsubscribing: arm, sent, after (contacts sent after the customer had
            unsubscribed); None without touches.
    """

    assigned: pd.DataFrame
    too_late: pd.DataFrame
    assigned_by_week: pd.DataFrame
    before: pd.DataFrame
    contacts: pd.DataFrame | None
    after_unsubscribing: pd.DataFrame | None


def experiment_checks(source: Source, outcomes: ExperimentOutcomes) -> ExperimentChecks:
    """Count what the trust gates need, in the engine.

    Args:
        source: The outcomes' source.
        outcomes: Of the experiment.
    """
    units = assigned_units(source, outcomes.experiment)
    assigned = units.group_by("tier", "arm").agg(customers=units.count())
    late = units.mutate(late=window_end(units, outcomes.window_weeks) > source_end(source))
    too_late = late.group_by("tier", "arm").agg(
        customers=late.count(), too_late=late.late.ifelse(1, 0).sum()
    )
    first = units.assigned_at.min().to_pyarrow().as_py()
    since = units.mutate(
        week=(units.assigned_at.truncate("D").delta(first.replace(hour=0), unit="day") // 7)
    )
    by_week = since.group_by("arm", "week").agg(customers=since.count())
    rows = outcomes.table
    before = rows.group_by("tier", "arm").agg(
        n=rows.count(), sum_x=rows.x.sum(), sum_x2=(rows.x * rows.x).sum()
    )
    touched = source.has("touches")
    return ExperimentChecks(
        assigned=_frame(assigned, "tier", "arm"),
        too_late=_frame(too_late, "tier", "arm"),
        assigned_by_week=_frame(by_week, "arm", "week"),
        before=_frame(before, "tier", "arm"),
        contacts=_contacts(source, outcomes) if touched else None,
        after_unsubscribing=_after(source, outcomes) if touched else None,
    )


def source_end(source: Source) -> ir.TimestampScalar:
    """The instant the source's last day ends."""
    from relkit.data.grains import midnight_after

    return midnight_after(source.as_of)


def _frame(table: ir.Table, *keys: str) -> pd.DataFrame:
    return table.order_by(list(keys)).to_pyarrow().to_pandas()


def _contacts(source: Source, outcomes: ExperimentOutcomes) -> pd.DataFrame:
    units = outcomes.table.select("customer_id", "tier", "arm", "assigned_at")
    units = units.mutate(until=window_end(units, outcomes.window_weeks))
    sent = sent_contacts(source)
    joined = units.left_join(
        sent,
        [
            units.customer_id == sent.touched,
            sent["at"] >= units.assigned_at,
            sent["at"] < units.until,
        ],
    )
    # Unmatched rows of the left join are customers without a contact.
    each = joined.group_by("tier", "arm", "customer_id").agg(
        sent=joined.touched.notnull().ifelse(1, 0).sum(),
        delivered=joined.delivered.fill_null(0.0).sum(),
        response_known=joined.response_known.fill_null(0.0).sum(),
    )
    counted = each.group_by("tier", "arm").agg(
        customers=each.count(),
        contacted=(each.sent > 0).ifelse(1, 0).sum(),
        sent=each.sent.sum(),
        delivered=each.delivered.sum(),
        response_known=each.response_known.sum(),
    )
    return _frame(counted, "tier", "arm")


def _after(source: Source, outcomes: ExperimentOutcomes) -> pd.DataFrame:
    units = outcomes.table.select("customer_id", "arm", "assigned_at")
    units = units.mutate(until=window_end(units, outcomes.window_weeks))
    sent = sent_contacts(source)
    gone = sent.filter(sent.unsubscribed > 0)
    gone = gone.group_by("touched").agg(gone_at=gone["at"].min()).rename(gone_id="touched")
    joined = units.inner_join(sent, units.customer_id == sent.touched)
    joined = joined.filter((joined["at"] >= joined.assigned_at) & (joined["at"] < joined.until))
    joined = joined.left_join(gone, joined.customer_id == gone.gone_id)
    later = joined.gone_at.notnull() & (joined["at"] > joined.gone_at)
    counted = joined.group_by("arm").agg(
        sent=joined.count(), after=later.fill_null(False).ifelse(1, 0).sum()
    )
    return _frame(counted, "arm")
