"""What customers of an experiment did by weeks since their assignment, as sums; their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from relkit.data.engine import drop, keep
from relkit.data.experiment_outcomes import window_end
from relkit.errors import ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.experiment_outcomes import ExperimentOutcomes
    from relkit.data.sources import Source

_KEYS = ["tier", "arm"]


@dataclass(frozen=True, slots=True, eq=False)
class PeriodSums:
    """Sums by tier, arm and period of the window; the same customers in every period.

    Attributes:
        metrics: 'revenue', and 'complaints' where there are tickets.
        ends: Weeks since the assignment at which the periods end, ascending; the first
            begins at 0.
        within: period (from 0) and the columns of `ExperimentOutcomes.totals()`: what
            happened inside the period.
        so_far: The same of everything from the assignment to the end of the period.
    """

    metrics: tuple[str, ...]
    ends: tuple[int, ...]
    within: pd.DataFrame
    so_far: pd.DataFrame

    @property
    def weeks(self) -> tuple[int, ...]:
        """Length of each period."""
        return tuple(np.diff((0, *self.ends)).tolist())


def experiment_periods(
    source: Source, outcomes: ExperimentOutcomes, ends: Sequence[int]
) -> PeriodSums:
    """Revenue and complaints by weeks in arm, in one pass of the engine.

    Args:
        source: The outcomes' source; what is asked of it stands in the outcomes already.
        outcomes: Of the experiment; its customers count, by its window.
        ends: Weeks since the assignment at which periods end, ascending, up to the window.

    Raises:
        ParameterError: ends that are no such weeks.
    """
    weeks = tuple(int(end) for end in ends)
    if not weeks or weeks[0] < 1 or list(weeks) != sorted(set(weeks)):
        raise ParameterError(f"ends={tuple(ends)} must be ascending weeks from 1")
    if weeks[-1] > outcomes.window_weeks:
        raise ParameterError(
            f"ends={tuple(ends)} must lie inside the window of {outcomes.window_weeks} weeks"
        )
    counted: tuple[str, ...] = ("revenue", "complaints")
    metrics = tuple(m for m in counted if m in outcomes.metrics)
    cells = _cells(outcomes, weeks, metrics)
    plain = _sums(cells, metrics, {m: cells[m] for m in metrics}, dict.fromkeys(metrics))
    totals = {m: cells[f"{m}_so_far"] for m in metrics}
    grown = _sums(cells, metrics, totals, {m: cells[f"{m}_so_far"] - cells[m] for m in metrics})
    base = outcomes.totals(metrics=[])
    names = [c for c in plain.columns if c.startswith("sum_")]
    within = _whole(base, plain, len(weeks), names)
    so_far = _whole(base, grown, len(weeks), names)
    # What a customer's running total gained at each event, added up over the periods.
    so_far[names] = so_far.groupby(_KEYS)[names].cumsum()
    drop(outcomes.table.get_backend(), cells)
    order = [*_KEYS, "period"]
    return PeriodSums(
        metrics, weeks,
        within.sort_values(order, ignore_index=True),
        so_far.sort_values(order, ignore_index=True),
    )  # fmt: skip


def _cells(
    outcomes: ExperimentOutcomes, ends: tuple[int, ...], metrics: tuple[str, ...]
) -> ir.Table:
    """One row a customer and period with an event: each metric, and its total so far; kept."""
    import ibis

    rows = outcomes.weekly
    rows = rows.filter(rows.week >= 0, rows.week < ends[-1])
    period = reduce(lambda a, b: a + b, [(rows.week >= end).ifelse(1, 0) for end in ends])
    rows = rows.mutate(period=period)
    each = rows.group_by("unit", "period").agg(**{m: rows[m].sum() for m in metrics})
    running = ibis.cumulative_window(group_by="unit", order_by="period")
    each = each.mutate(**{f"{m}_so_far": each[m].sum().over(running) for m in metrics})
    people = outcomes.table.select("unit", *_KEYS, "x")
    joined = each.inner_join(people, "unit")
    return keep(outcomes.table.get_backend(), "periods", joined)


def _sums(
    cells: ir.Table,
    metrics: tuple[str, ...],
    values: dict[str, ir.FloatingValue],
    before: dict[str, ir.FloatingValue | None],
) -> pd.DataFrame:
    """Sums and products by period; less those of `before`, where that is given."""
    sums = {}
    for i, m in enumerate(metrics):
        old = before[m]
        gained = values[m] if old is None else values[m] - old
        sums[f"sum_{m}"] = gained.sum()
        sums[f"sum_x_{m}"] = (cells.x * gained).sum()
        for k in metrics[i:]:
            product = values[m] * values[k]
            earlier = before[k]
            if old is not None and earlier is not None:
                product = product - old * earlier
            sums[f"sum_{m}_{k}"] = product.sum()
    return cells.group_by(*_KEYS, "period").agg(**sums).to_pyarrow().to_pandas()


def _whole(base: pd.DataFrame, sums: pd.DataFrame, periods: int, names: list[str]) -> pd.DataFrame:
    """Every tier, arm and period; 0 where nobody did anything."""
    import pandas as pd

    every = base.merge(pd.DataFrame({"period": np.arange(periods)}), how="cross")
    merged = every.merge(sums.astype({"period": "int64"}), how="left", on=[*_KEYS, "period"])
    return merged.fillna(dict.fromkeys(names, 0.0))


def satisfaction_totals(source: Source, outcomes: ExperimentOutcomes) -> pd.DataFrame | None:
    """Scores on a scale from 0 to 1 given in the window, and how many, as sums.

    Only those who were asked and answered speak; the mean of an arm is that of its
    answers, with customers as the units.

    Args:
        source: The outcomes' source.
        outcomes: Of the experiment.

    Returns:
        As `ExperimentOutcomes.totals()` of the metrics 'satisfaction' and 'size' (answers
        of a customer), over customers who answered; None without feedback, or where no
        csat has a scale.
    """
    needed = {"answered_at", "score", "scale_min", "scale_max"}
    if not source.has("feedback") or not needed <= set(source.feedback.columns):
        return None
    rows = source.feedback
    rows = rows.filter(
        (rows.kind == "csat") & rows.score.notnull() & (rows.scale_max > rows.scale_min)
    )
    answers = rows.select(
        whose=rows.customer_id.cast("string"),
        at=rows.answered_at.cast("timestamp"),
        score=((rows.score - rows.scale_min) / (rows.scale_max - rows.scale_min)).cast("float64"),
    )
    units = outcomes.table.select("customer_id", *_KEYS, "assigned_at", "x")
    units = units.mutate(until=window_end(units, outcomes.window_weeks))
    joined = units.inner_join(answers, units.customer_id == answers.whose)
    joined = joined.filter((joined["at"] >= joined.assigned_at) & (joined["at"] < joined.until))
    each = joined.group_by(*_KEYS, "customer_id", "x").agg(
        satisfaction=joined.score.sum(), size=joined.count().cast("float64")
    )
    sums = {"n": each.count(), "sum_x": each.x.sum(), "sum_x2": (each.x * each.x).sum()}
    names = ("satisfaction", "size")
    for i, name in enumerate(names):
        sums[f"sum_{name}"] = each[name].sum()
        sums[f"sum_x_{name}"] = (each.x * each[name]).sum()
        for other in names[i:]:
            sums[f"sum_{name}_{other}"] = (each[name] * each[other]).sum()
    frame = each.group_by(*_KEYS).agg(**sums).order_by(*_KEYS).to_pyarrow().to_pandas()
    return None if frame.empty else frame
