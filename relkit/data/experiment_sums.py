"""Assignments and outcomes → sums by tier, arm and week, computed in the engine.

The sums are sufficient for means, variances and a covariate's adjustment, so what
follows costs the same however many customers there are.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from relkit.data.grains import check_day, days_between, in_engine, midnight_after, refuse_no_table
from relkit.errors import DataError, ParameterError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

SUMS = ("n", "sum_y", "sum_y2", "sum_x", "sum_x2", "sum_xy")
_KEYS = ["tier", "arm"]


def experiment_sums(
    assignments: ir.Table | pd.DataFrame,
    outcomes: ir.Table | pd.DataFrame,
    as_of: str | dt.date,
    weeks: int,
    experiment_id: str | None = None,
    covariate: ir.Table | pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Sums over customers by tier, arm and week since the assignment.

    Args:
        assignments: customer_id, arm, assigned_at, and where known experiment_id and
            stratum, which is the tier.
        outcomes: customer_id, occurred_at, value: one row an event. A customer's y in
            a week is the sum of its values, 0 where there is none; what came before
            the assignment does not count.
        as_of: Last day of the data. A customer is in a week only if all of its seven
            days are over by then.
        weeks: Weeks to look at, from the first one after the assignment.
        experiment_id: Which experiment, where there are several.
        covariate: customer_id, x: known before the assignment. A customer without
            one has x = 0.

    Returns:
        Sorted: tier ('all' without strata), arm, week (from 0), n (customers observed
        in the whole week), sum_y, sum_y2, sum_x, sum_x2, sum_xy.

    Raises:
        ParameterError: weeks below 1, or no such experiment.
        DataError: no table, or a column is missing.
    """
    day = check_day(as_of, "as_of")
    if isinstance(weeks, bool) or not isinstance(weeks, int) or weeks < 1:
        raise ParameterError(f"weeks={weeks!r} must be a whole number from 1")
    assignments = _as_table(assignments, ("customer_id", "arm", "assigned_at"), "assignments")
    outcomes = _as_table(outcomes, ("customer_id", "occurred_at", "value"), "outcomes")
    if covariate is not None:
        covariate = _as_table(covariate, ("customer_id", "x"), "covariate")
    units = _units(assignments, experiment_id, covariate, day, weeks)
    cells = _outcome_sums(units, outcomes).to_pyarrow().to_pandas()
    sizes = _unit_sums(units).to_pyarrow().to_pandas()
    return _together(cells, sizes, weeks)


def _as_table(rows: ir.Table | pd.DataFrame, needed: tuple[str, ...], name: str) -> ir.Table:
    import ibis

    refuse_no_table(rows, name)
    table = rows if isinstance(rows, ibis.Table) else in_engine(rows)
    _need(table, needed, name)
    return table


def _need(rows: ir.Table, needed: tuple[str, ...], name: str) -> None:
    names = list(rows.columns)
    missing = [f"no column '{n}'{did_you_mean(n, names)}" for n in needed if n not in names]
    if missing:
        raise DataError(f"{name} need {', '.join(needed)}; there are {', '.join(names)}", missing)


def _units(
    assignments: ir.Table,
    experiment_id: str | None,
    covariate: ir.Table | None,
    day: dt.date,
    weeks: int,
) -> ir.Table:
    """One row a customer: tier, arm, assigned_at, x, and observed, its whole weeks."""
    import ibis

    rows = assignments
    if experiment_id is not None:
        _need(rows, ("experiment_id",), "assignments of several experiments")
        rows = rows.filter(rows.experiment_id.cast("string") == str(experiment_id))
    elif "experiment_id" in rows.columns:
        several = rows.experiment_id.nunique().to_pyarrow().as_py()
        if several > 1:
            raise ParameterError(
                f"the assignments are of {several} experiments; say which one: experiment_id"
            )
    stratum = rows.stratum.cast("string") if "stratum" in rows.columns else ibis.literal("all")
    whole = days_between(midnight_after(day), rows.assigned_at.cast("timestamp")) / 7
    units = rows.select(
        customer_id=rows.customer_id.cast("string"),
        arm=rows.arm.cast("string"),
        tier=stratum,
        assigned_at=rows.assigned_at.cast("timestamp"),
        observed=ibis.least(whole.floor().cast("int64"), ibis.literal(weeks, "int64")),
    )
    if covariate is None:
        return units.mutate(x=ibis.literal(0.0))
    known = covariate.select(
        known_id=covariate.customer_id.cast("string"), x=covariate.x.cast("float64")
    )
    joined = units.left_join(known, units.customer_id == known.known_id).drop("known_id")
    return joined.mutate(x=joined.x.fill_null(0.0))


def _outcome_sums(units: ir.Table, outcomes: ir.Table) -> ir.Table:
    """By tier, arm, week: the sums that only customers with an outcome add to."""
    events = outcomes.select(
        event_of=outcomes.customer_id.cast("string"),
        occurred_at=outcomes.occurred_at.cast("timestamp"),
        value=outcomes["value"].cast("float64"),
    )
    joined = units.inner_join(events, units.customer_id == events.event_of)
    joined = joined.filter(joined.occurred_at >= joined.assigned_at)
    since = days_between(joined.occurred_at, joined.assigned_at)
    joined = joined.mutate(week=(since / 7).floor().cast("int64"))
    joined = joined.filter(joined.week < joined.observed)
    per_customer = joined.group_by("tier", "arm", "week", "customer_id", "x").agg(
        y=joined["value"].sum()
    )
    return per_customer.group_by("tier", "arm", "week").agg(
        sum_y=per_customer.y.sum(),
        sum_y2=(per_customer.y * per_customer.y).sum(),
        sum_xy=(per_customer.x * per_customer.y).sum(),
    )


def _unit_sums(units: ir.Table) -> ir.Table:
    """By tier, arm and weeks observed: how many customers, and the sums of their x."""
    return units.group_by("tier", "arm", "observed").agg(
        n=units.count(), sum_x=units.x.sum(), sum_x2=(units.x * units.x).sum()
    )


def _together(cells: pd.DataFrame, sizes: pd.DataFrame, weeks: int) -> pd.DataFrame:
    import pandas as pd

    each = []
    for week in range(weeks):
        there = sizes[sizes["observed"] > week].groupby(_KEYS, as_index=False)
        each.append(there[["n", "sum_x", "sum_x2"]].sum().assign(week=week))
    whole = pd.concat(each, ignore_index=True)
    merged = whole.merge(cells.astype({"week": "int64"}), how="left", on=[*_KEYS, "week"])
    # A week in which no customer had an outcome: y is 0 for each of those observed.
    merged = merged.fillna({"sum_y": 0.0, "sum_y2": 0.0, "sum_xy": 0.0})
    merged = merged.astype({"n": "int64"})[[*_KEYS, "week", *SUMS]]
    return merged.sort_values([*_KEYS, "week"], ignore_index=True)
