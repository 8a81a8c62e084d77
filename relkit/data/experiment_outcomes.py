"""An experiment's customers with what each did in the window, and the sums over them.

By intention to treat: everybody counts in the arm that was drawn, whatever was sent.
The window of a customer begins with the assignment; who was assigned too late for a
whole window is left out and counted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.data.engine import keep
from relkit.data.experiment_weeks import numbered, weekly_events
from relkit.data.grains import midnight_after
from relkit.errors import DataError, ParameterError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source

# Metric → the table that it is counted from.
METRICS = {
    "purchases": "transactions",
    "repurchase": "transactions",
    "revenue": "transactions",
    "retained": "transactions",
    "contacts": "touches",
    "unsubscribes": "touches",
    "complaints": "tickets",
    "engagement": "engagement",
}


@dataclass(frozen=True, slots=True, eq=False)
class ExperimentOutcomes:
    """One row a customer of an experiment whose window is over.

    Attributes:
        table: customer_id, tier, arm, assigned_at, x (revenue in the weeks before the
            assignment), and a column for each of `metrics`; lazy. It also has unit, the
            customer's number in `weekly`.
        weekly: One row a purchase or complaint, with its week; lazy: see `weekly_events`.
        metrics: Those that the source has tables for: purchases, repurchase (1 if
            there was one), revenue, retained (1 if there was a purchase in the last
            weeks of the window), contacts (outbound and delivered), unsubscribes (1 if
            there was one), complaints, engagement (events).
        not_supplied: Tables that other metrics would need.
        experiment: Its id.
        window_weeks: Length of the window.
        covariate_weeks: Length of the time before.
        retained_within_weeks: Length of the end of the window.
        as_of: Last day of the data.
        assigned: Customers assigned.
        too_late: Customers whose window is not over.
    """

    table: ir.Table
    weekly: ir.Table
    metrics: tuple[str, ...]
    not_supplied: tuple[str, ...]
    experiment: str
    window_weeks: int
    covariate_weeks: int
    retained_within_weeks: int
    as_of: dt.date
    assigned: int
    too_late: int

    def to_frame(self) -> pd.DataFrame:
        """Every customer, sorted by id."""
        return self.table.drop("unit").order_by("customer_id").to_pyarrow().to_pandas()

    def totals(
        self, metrics: Sequence[str] | None = None, clusters: ir.Table | pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Sums by tier and arm with all cross products, computed in the engine.

        Args:
            metrics: Which; all if None.
            clusters: customer_id, unit_id: who was randomised together. The sums are
                then over units, and the metric 'size', customers of a unit, is added.

        Returns:
            Sorted by tier and arm: tier, arm, n, sum_x, sum_x2, and for each metric m
            sum_m, sum_x_m, and for each pair sum_m_k (m before k, or the same).

        Raises:
            ParameterError: no such metric, or its table is not supplied.
            DataError: a customer has no unit.
        """
        names = list(metrics if metrics is not None else self.metrics)
        for name in names:
            if name not in self.metrics:
                why = f"; {METRICS[name]} is not supplied" if name in METRICS else ""
                hint = did_you_mean(name, self.metrics)
                raise ParameterError(f"no metric '{name}' in these outcomes{hint}{why}")
        rows = self.table
        if clusters is not None:
            rows = _by_unit(rows, clusters, names)
            names = [*names, "size"]
        sums = {"n": rows.count(), "sum_x": rows.x.sum(), "sum_x2": (rows.x * rows.x).sum()}
        for i, name in enumerate(names):
            sums[f"sum_{name}"] = rows[name].sum()
            sums[f"sum_x_{name}"] = (rows.x * rows[name]).sum()
            for other in names[i:]:
                sums[f"sum_{name}_{other}"] = (rows[name] * rows[other]).sum()
        frame = rows.group_by("tier", "arm").agg(**sums).order_by("tier", "arm")
        return frame.to_pyarrow().to_pandas()


def experiment_outcomes(
    source: Source,
    window_weeks: int,
    covariate_weeks: int,
    retained_within_weeks: int,
    experiment: str | None = None,
) -> ExperimentOutcomes:
    """What each customer of an experiment did from the assignment to the end of the window.

    Args:
        source: Transactions and assignments; touches, tickets and engagement if any.
        window_weeks: How long outcomes count from a customer's assignment.
        covariate_weeks: How long before it the adjustment looks back; 0 for none.
        retained_within_weeks: A customer is retained who bought in so many last weeks
            of the window.
        experiment: Which one, where there are several.

    Raises:
        ParameterError: lengths that cannot be, no such experiment.
        DataError: no assignments, or nobody whose window is over.
    """
    _check_weeks(window_weeks, covariate_weeks, retained_within_weeks)
    name = experiment_name(source, experiment)
    assignments = assigned_units(source, name)
    end = midnight_after(source.as_of)
    everybody = assignments.mutate(until=window_end(assignments, window_weeks))
    whole = everybody.filter(everybody.until <= end)
    assigned, inside = everybody.count().execute(), whole.count().execute()
    if not inside:
        raise DataError(
            f"experiment {name}: of {assigned:,} assigned customers none has a whole window of "
            f"{window_weeks} weeks by {source.as_of}; wait, or plan a shorter window"
        )
    units = numbered(whole)
    weekly = weekly_events(units, source, covariate_weeks)
    rows = _with_weeks(units, weekly, window_weeks, retained_within_weeks, source.has("tickets"))
    rows = _with_touches(rows, source) if source.has("touches") else rows
    rows = _with_engagement(rows, source.engagement) if source.has("engagement") else rows
    metrics = tuple(metric for metric, table in METRICS.items() if source.has(table))
    table = rows.select("customer_id", "unit", "tier", "arm", "assigned_at", "x", *metrics)
    missing = sorted({t for t in METRICS.values() if not source.has(t)})
    return ExperimentOutcomes(
        keep(table.get_backend(), "experiment", table),
        weekly,
        metrics,
        tuple(missing),
        name,
        window_weeks,
        covariate_weeks,
        retained_within_weeks,
        source.as_of,
        int(assigned),
        int(assigned - inside),
    )


def _check_weeks(window: int, covariate: int, retained: int) -> None:
    faults = []
    for name, value, least in (
        ("window_weeks", window, 1),
        ("covariate_weeks", covariate, 0),
        ("retained_within_weeks", retained, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            faults.append(f"{name}={value!r} must be a whole number from {least}")
    if not faults and retained > window:
        faults.append(
            f"retained_within_weeks={retained} must lie inside window_weeks={window}: who bought "
            "before the assignment was not retained by it"
        )
    if faults:
        raise ParameterError("the lengths of an experiment", faults)


def experiment_name(source: Source, experiment: str | None) -> str:
    """The id of the experiment: the one that is asked for, or the only one there is.

    Raises:
        DataError: no assignments.
        ParameterError: no such experiment, or several and none was named.
    """
    if not source.has("assignments"):
        raise DataError(
            "not supplied: assignments; who was in which arm must be known, "
            "map the table in the source's YAML"
        )
    ids = source.assignments.experiment_id.cast("string")
    known = sorted(ids.to_pyarrow().unique().to_pylist())
    if experiment is None and len(known) > 1:
        raise ParameterError(f"the assignments are of {', '.join(known)}; say which: experiment=")
    name = str(experiment) if experiment is not None else (known or [""])[0]
    if name not in known:
        raise ParameterError(
            f"no experiment '{name}' in the assignments; there are {', '.join(known) or 'none'}"
            f"{did_you_mean(name, known)}"
        )
    return name


def assigned_units(source: Source, experiment: str) -> ir.Table:
    """customer_id, tier, arm, assigned_at of everybody in an experiment; lazy."""
    import ibis

    rows = source.assignments
    rows = rows.filter(rows.experiment_id.cast("string") == experiment)
    stratum = rows.stratum.cast("string") if "stratum" in rows.columns else ibis.literal("all")
    return rows.select(
        customer_id=rows.customer_id.cast("string"),
        tier=stratum.fill_null("all"),
        arm=rows.arm.cast("string"),
        assigned_at=rows.assigned_at.cast("timestamp"),
    )


def window_end(units: ir.Table, weeks: int) -> ir.TimestampColumn:
    """The instant each customer's window ends."""
    import ibis

    return units.assigned_at + ibis.interval(days=7 * weeks)


def sent_contacts(source: Source) -> ir.Table:
    """touched, at, delivered, response_known, unsubscribed of every outbound touch; lazy.

    A touch of which nobody says who called whom is the company's; one of which nobody
    says whether it arrived did.
    """
    touches = source.touches
    if "direction" in touches.columns:
        touches = touches.filter(touches.direction.fill_null("outbound") == "outbound")
    columns = set(touches.columns)
    delivered = touches.delivered.fill_null(True) if "delivered" in columns else True
    known = touches.opened.notnull() if "opened" in columns else False
    left = touches.unsubscribed.fill_null(False) if "unsubscribed" in columns else False
    return touches.select(
        touched=touches.customer_id.cast("string"),
        at=touches.occurred_at.cast("timestamp"),
        delivered=_one_if(delivered),
        response_known=_one_if(known),
        unsubscribed=_one_if(left),
    )


def _with_weeks(
    units: ir.Table, weekly: ir.Table, window: int, retained: int, complaints: bool
) -> ir.Table:
    """Totals of the time before and of the window, from the weeks."""
    before, inside = weekly.week < 0, weekly.week >= 0
    lately = weekly.week >= window - retained
    sums = {
        "x": before.ifelse(weekly.revenue, 0.0).sum(),
        "purchases": inside.ifelse(weekly.purchases, 0.0).sum(),
        "revenue": inside.ifelse(weekly.revenue, 0.0).sum(),
        "late": lately.ifelse(weekly.purchases, 0.0).sum(),
    }
    if complaints:
        sums["complaints"] = weekly.complaints.sum()
    rows = _joined(units, weekly.group_by("unit").agg(**sums), tuple(sums), "unit")
    return rows.mutate(
        repurchase=(rows.purchases > 0).ifelse(1.0, 0.0),
        retained=(rows.late > 0).ifelse(1.0, 0.0),
    )


def _with_touches(units: ir.Table, source: Source) -> ir.Table:
    """Contacts that reached the customer, and whether they unsubscribed, in the window."""
    rows = sent_contacts(source)
    joined = units.inner_join(rows, units.customer_id == rows.touched)
    joined = joined.filter((joined["at"] >= joined.assigned_at) & (joined["at"] < joined.until))
    counted = joined.group_by("customer_id").agg(
        contacts=joined.delivered.sum(), unsubscribes=joined.unsubscribed.max()
    )
    return _joined(units, counted, ("contacts", "unsubscribes"))


def _with_engagement(units: ir.Table, events: ir.Table) -> ir.Table:
    import ibis

    counted = "count" in events.columns
    rows = events.select(
        whose=events.customer_id.cast("string"),
        at=events.date.cast("timestamp"),
        weight=events["count"].cast("float64") if counted else ibis.literal(1.0),
    )
    joined = units.inner_join(rows, units.customer_id == rows.whose)
    joined = joined.filter((joined["at"] >= joined.assigned_at) & (joined["at"] < joined.until))
    each = joined.group_by("customer_id").agg(engagement=joined.weight.sum())
    return _joined(units, each, ("engagement",))


def _one_if(truth: ir.BooleanValue | bool) -> ir.FloatingValue:
    import ibis

    if isinstance(truth, bool):
        return ibis.literal(1.0 if truth else 0.0)
    return truth.ifelse(1.0, 0.0)


def _joined(
    units: ir.Table, counted: ir.Table, names: tuple[str, ...], key: str = "customer_id"
) -> ir.Table:
    rows = units.left_join(counted, key).drop(f"{key}_right")
    return rows.mutate(**{name: rows[name].fill_null(0.0) for name in names})


def _by_unit(rows: ir.Table, clusters: ir.Table | pd.DataFrame, names: list[str]) -> ir.Table:
    """Totals of each randomised unit, in the tier and arm of its customers."""
    import ibis

    if not isinstance(clusters, ibis.Table):
        clusters = ibis.memtable(clusters[["customer_id", "unit_id"]])
    known = clusters.select(
        member=clusters.customer_id.cast("string"), unit_id=clusters.unit_id.cast("string")
    )
    joined = rows.left_join(known, rows.customer_id == known.member)
    alone = int(joined.unit_id.isnull().sum().execute())
    if alone:
        raise DataError(
            f"{alone:,} customers of the experiment have no unit_id; every customer must be in "
            "the unit that was randomised, alone if need be"
        )
    sums = {name: joined[name].sum() for name in ("x", *names)}
    units = joined.group_by("unit_id").agg(
        tier=joined.tier.min(),
        arm=joined.arm.min(),
        arms=joined.arm.nunique(),
        size=joined.count().cast("float64"),
        **sums,
    )
    split = int((units.arms > 1).sum().execute())
    if split:
        raise DataError(
            f"{split:,} units have customers in several arms; whole units are randomised, so "
            "look at the assignment file"
        )
    return units
