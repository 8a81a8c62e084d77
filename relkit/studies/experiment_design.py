"""From a source, as it is before an experiment starts, to what the experiment could say.

The window before the start is read as if it had been an experiment with one arm, by the
same code that will read the real one, so that every metric means the same.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relkit.data.experiment_outcomes import METRICS, assigned_units, experiment_name
from relkit.data.grains import rows_until
from relkit.data.outcomes_before import outcomes_before
from relkit.errors import DataError, ParameterError, SourceError, did_you_mean
from relkit.frequency.plan import ExperimentPlan
from relkit.frequency.tier_baseline import TierBaseline, baseline_of_totals
from relkit.privacy import shown_id
from relkit.segments.tiers import rank_tiers
from relkit.yaml_files import find_upwards

if TYPE_CHECKING:
    from relkit.data.sources import Source

SPEND, ASSIGNMENTS = "spend", "assignments"
COUNTED = ("revenue", "retained", "repurchase", "complaints", "unsubscribes", "engagement")


@dataclass(frozen=True, slots=True, eq=False)
class BeforeStart:
    """The customers of an experiment as they are before it.

    Attributes:
        customers: One row a customer of the plan's tiers, sorted: customer_id, tier,
            unit_id, activity (purchases in the last `window_weeks`), spend (revenue in
            them), known_on (day since when the customer is known).
        tiers: A baseline for each tier of the plan.
        without_tier: Known customers in no tier of the plan.
        tiers_from: 'spend', 'assignments' or 'file'.
        window: First and last day of the window that was measured.
        covariate: First and last day before it, that outcomes are adjusted by.
        as_of: Last day of the data.
        late: Whether the data were opened with days on or after the start in them.
    """

    customers: pd.DataFrame
    tiers: tuple[TierBaseline, ...]
    without_tier: int
    tiers_from: str
    window: tuple[dt.date, dt.date]
    covariate: tuple[dt.date, dt.date]
    as_of: dt.date
    late: bool

    def to_frame(self) -> pd.DataFrame:
        """One row a tier and metric: customers, measured, kind, mean, explained, status."""
        rows: list[dict[str, Any]] = []
        for tier in self.tiers:
            head = {"tier": tier.tier, "customers": tier.customers, "measured": tier.measured}
            for name, b in tier.metrics.items():
                said = {"kind": b.kind, "mean": b.mean, "explained": b.explained}
                rows.append(head | {"metric": name} | said | {"status": "measured"})
            rows += [head | {"metric": n, "status": why} for n, why in tier.unmeasured.items()]
        return pd.DataFrame(rows)


def day_before(plan: ExperimentPlan) -> str:
    """The last day that a design may know of, as a source takes it: YYYY-MM-DD."""
    return str(plan.starts_on - dt.timedelta(days=1))


def before_start(
    source: Source,
    plan: ExperimentPlan,
    tiers_from: str = SPEND,
    tier_shares: Sequence[float] = (),
    units: str | None = None,
    strata: Source | None = None,
) -> BeforeStart:
    """Who could be in an experiment, and what they are like before it.

    Args:
        source: Opened with as_of the day before the start; transactions and tickets are
            needed, touches and engagement are used where they are.
        plan: What is planned.
        tiers_from: 'spend' ranks customers by what they had spent, for the baselines by
            what they had spent when the measured window began; 'assignments' takes the
            stratum of the assignments; else a CSV or Parquet with customer_id, tier.
        tier_shares: For 'spend', from the top, one fewer than the plan has tiers.
        units: CSV or Parquet with customer_id, unit_id; needed where households or
            accounts are randomised.
        strata: Where the assignments are read from, if not from the source itself;
            nothing else is read from it.

    Raises:
        DataError: a table is missing, nobody is in a tier, too few were there long enough.
        ParameterError: no units where the plan needs them, shares that do not fit.
        SourceError: no such file.
    """
    _check(source, plan, units)
    end = dt.datetime.combine(min(plan.starts_on, source.as_of + dt.timedelta(1)), dt.time())
    since = end - dt.timedelta(weeks=plan.window_weeks)
    known = _known(source, since, end)
    where, tiers = _tiers(known, source, plan, tiers_from, tier_shares, strata or source)
    known["unit_id"] = _units(known["customer_id"], units)
    known["tier"] = tiers["tier"]
    inside = known["tier"].isin(plan.tiers)
    was_there = inside & (known["known_on"] < since)
    earlier = known.assign(tier=tiers["tier_then"])[was_there]
    totals = _totals(source, plan, earlier, since)
    weeks = max(plan.window_weeks, 1)
    found = []
    for tier in plan.tiers:
        mine = known[inside & (known["tier"] == tier)]
        arrived = int((mine["known_on"] >= since).sum())
        found.append(
            baseline_of_totals(
                plan,
                tier,
                totals.sums.get(tier, {"n": 0}),
                totals.supplied,
                len(mine),
                arrived / weeks,
                totals.clusters.get(tier) if plan.unit != "customer" else None,
            )
        )
    last = (end - dt.timedelta(days=1)).date()
    before = (since - dt.timedelta(weeks=plan.covariate_weeks)).date()
    columns = ["customer_id", "tier", "unit_id", "activity", "spend", "known_on"]
    return BeforeStart(
        customers=known.loc[inside, columns].reset_index(drop=True),
        tiers=tuple(found),
        without_tier=int((~inside).sum()),
        tiers_from=where,
        window=(since.date(), last),
        covariate=(before, (since - dt.timedelta(days=1)).date()),
        as_of=source.as_of,
        late=source.as_of >= plan.starts_on,
    )


def other_experiments(source: Source) -> pd.DataFrame:
    """experiment_id, customer_id, arm of all assignments; empty where there are none."""
    columns = ["experiment_id", "customer_id", "arm"]
    if not source.has("assignments"):
        return pd.DataFrame(columns=columns, dtype=object)
    frame = source.assignments.select(*columns).to_pyarrow().to_pandas()
    return frame.astype(str)


@dataclass(frozen=True, slots=True)
class _Totals:
    sums: dict[str, dict[str, float]]
    supplied: tuple[str, ...]
    clusters: dict[str, dict[str, float]]


def _check(source: Source, plan: ExperimentPlan, units: str | None) -> None:
    needed = [name for name in ("transactions", "tickets") if not source.has(name)]
    if needed:
        raise DataError(
            f"not supplied: {', '.join(needed)}; purchases say who is retained, tickets who "
            "complains, and the value of a customer is made of both"
        )
    if plan.unit != "customer" and units is None:
        raise ParameterError(
            f"the plan randomises by {plan.unit}, so units= must name a file with customer_id and "
            "unit_id"
        )


def _known(source: Source, since: dt.datetime, until: dt.datetime) -> pd.DataFrame:
    """Who was known by a day, sorted by id: known_on, activity and spend since, spend before."""
    rows = rows_until(source.transactions, source.as_of)
    rows = rows.filter(rows.occurred_at.cast("timestamp") < until)
    late = rows.occurred_at.cast("timestamp") >= since
    bought = (rows.kind == "purchase").ifelse(1.0, 0.0)
    amount = rows.amount.cast("float64")
    counted = rows.group_by(customer_id=rows.customer_id.cast("string")).agg(
        known_on=rows.occurred_at.cast("timestamp").min(),
        activity=late.ifelse(bought, 0.0).sum(),
        spend=late.ifelse(amount, 0.0).sum(),
        spend_before=late.ifelse(0.0, amount).sum(),
    )
    known = counted.to_pyarrow().to_pandas()
    if source.has("customers"):
        table = source.customers
        people = table.select(customer_id=table.customer_id.cast("string"))
        if "created_at" in table.columns:
            people = table.select(
                customer_id=table.customer_id.cast("string"),
                created_at=table.created_at.cast("timestamp"),
            )
        known = people.to_pyarrow().to_pandas().merge(known, on="customer_id", how="outer")
        if "created_at" in known:
            known["known_on"] = known[["created_at", "known_on"]].min(axis=1)
            known = known.drop(columns="created_at")
    # Who is in the list without a day has been there for longer than anybody noted.
    known["known_on"] = pd.to_datetime(known["known_on"]).fillna(pd.Timestamp("1900-01-01"))
    # A list of customers is not cut at a day; who came later must not be known of.
    known = known[known["known_on"] < until]
    known = known.fillna({"activity": 0.0, "spend": 0.0, "spend_before": 0.0})
    return known.sort_values("customer_id", ignore_index=True)


def _tiers(
    known: pd.DataFrame,
    source: Source,
    plan: ExperimentPlan,
    tiers_from: str,
    shares: Sequence[float],
    strata: Source,
) -> tuple[str, pd.DataFrame]:
    """Each known customer's tier now, and as it was when the measured window began."""
    if tiers_from == SPEND:
        if len(shares) != len(plan.tiers) - 1:
            raise ParameterError(
                f"tier_shares has {len(shares)} shares; the plan's {len(plan.tiers)} tiers "
                f"({', '.join(plan.tiers)}) need {len(plan.tiers) - 1}, the last takes the rest"
            )
        ids = known["customer_id"]
        now = rank_tiers(ids, known["spend"] + known["spend_before"], shares, plan.tiers)
        then = rank_tiers(ids, known["spend_before"], shares, plan.tiers)
        columns = [_of(known["customer_id"], one.to_frame()) for one in (now, then)]
        return SPEND, pd.DataFrame({"tier": columns[0], "tier_then": columns[1]})
    if tiers_from == ASSIGNMENTS:
        rows = assigned_units(strata, experiment_name(strata, plan.experiment))
        frame = rows.select("customer_id", "tier").to_pyarrow().to_pandas()
    else:
        frame = _labels(tiers_from, "tier")
    tier = _of(known["customer_id"], frame)
    if not tier.isin(plan.tiers).any():
        found = ", ".join(sorted(set(frame["tier"].astype(str)))[:5]) or "none"
        raise DataError(
            f"no known customer is in a tier of the plan ({', '.join(plan.tiers)}); found {found}"
        )
    where = ASSIGNMENTS if tiers_from == ASSIGNMENTS else "file"
    return where, pd.DataFrame({"tier": tier, "tier_then": tier})


def _of(ids: pd.Series, frame: pd.DataFrame, column: str = "tier") -> pd.Series:
    return ids.map(dict(zip(frame["customer_id"].astype(str), frame[column], strict=True)))


def _units(ids: pd.Series, path: str | None) -> pd.Series:
    if path is None:
        return ids
    units = _of(ids, _labels(path, "unit_id"), "unit_id")
    alone = int(units.isna().sum())
    if alone:
        first = shown_id(str(ids[units.isna()].iloc[0]))
        raise DataError(
            f"{alone:,} known customers have no unit_id in the file of units (first: {first}); "
            "everybody needs one, alone if need be"
        )
    return units.astype(str)


def _labels(path: str, column: str) -> pd.DataFrame:
    """customer_id and a label each from a CSV or Parquet, as text."""
    found, _ = find_upwards(path, what="file of customers")
    name = Path(path).name
    try:
        if Path(found).suffix == ".parquet":
            frame = pd.read_parquet(found)
        else:
            frame = pd.read_csv(found, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as fault:
        raise SourceError(f"{name} cannot be read as CSV or Parquet: {fault}") from None
    faults = [
        f"no column '{c}'{did_you_mean(c, map(str, frame.columns))}"
        for c in ("customer_id", column)
        if c not in frame.columns
    ]
    if not faults:
        frame = frame[["customer_id", column]]
        empty = int((frame.isna() | (frame == "")).any(axis=1).sum())
        twice = int(frame["customer_id"].duplicated().sum())
        faults = [f"{empty:,} rows with an empty cell"] if empty else []
        faults += [f"{twice:,} customers stand twice; one row each"] if twice else []
    if faults:
        raise DataError(f"{name} must say customer_id and {column} of each customer", faults)
    return frame.astype(str)


def _totals(
    source: Source, plan: ExperimentPlan, people: pd.DataFrame, since: dt.datetime
) -> _Totals:
    """Sums of the window before the start by tier."""
    if people.empty:
        raise DataError(
            f"nobody in a tier of the plan was known before {since.date()}, {plan.window_weeks} "
            "weeks before the start; a window of the past is needed to see what is normal"
        )
    outcomes = outcomes_before(
        source,
        people,
        since,
        plan.window_weeks,
        plan.covariate_weeks,
        plan.retained_within_weeks,
    )
    supplied = tuple(name for name in COUNTED if source.has(METRICS[name]))
    frame = outcomes.totals(supplied)
    sums = {
        str(row["tier"]): {str(name): value for name, value in row.items() if name != "tier"}
        for row in frame.drop(columns="arm").to_dict("records")
    }
    clusters: dict[str, dict[str, float]] = {}
    if plan.unit != "customer":
        clusters = _clusters(plan, outcomes.to_frame(), people, supplied)
    return _Totals(sums, supplied, clusters)


def _clusters(
    plan: ExperimentPlan, rows: pd.DataFrame, people: pd.DataFrame, supplied: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Sizes of units by tier, and how alike their customers are in each metric."""
    rows = rows.assign(unit_id=_of(rows["customer_id"], people, "unit_id"))
    rows["margin"] = plan.margin_share * rows["revenue"]
    found = {}
    for tier, mine in rows.groupby("tier"):
        worth = mine["margin"] - plan.complaint_cost * mine["complaints"]
        mine = mine.assign(net_value=worth + plan.residual_value[str(tier)] * mine["retained"])
        sizes = mine.groupby("unit_id").size().to_numpy(float)
        one = {"size": float(sizes.mean()), "cv": float(sizes.std() / sizes.mean())}
        for name in (*supplied, "margin", "net_value"):
            one[name] = intraclass_correlation(mine[name].to_numpy(float), mine["unit_id"])
        found[str(tier)] = one
    return found


def intraclass_correlation(values: Any, units: Any) -> float:
    """How alike members of a unit are: 0 as strangers, 1 the same; below 0 counts as 0.

    Args:
        values: One a member, (n,).
        units: Whose it is, (n,).

    Source: Donner & Koval (1980), the analysis-of-variance estimator; nought where every
        unit has one member, since nothing then says.
    """
    grouped = pd.Series(values).groupby(np.asarray(units))
    sizes, means = grouped.size().to_numpy(float), grouped.mean().to_numpy(float)
    n, k = sizes.sum(), len(sizes)
    if k < 2 or n <= k:
        return 0.0
    total = float(((values - values.mean()) ** 2).sum())
    between = float((sizes * (means - values.mean()) ** 2).sum())
    mean_between, mean_within = between / (k - 1), (total - between) / (n - k)
    typical = (n - (sizes**2).sum() / n) / (k - 1)
    spread = mean_between + (typical - 1) * mean_within
    return float(np.clip((mean_between - mean_within) / spread, 0.0, 1.0)) if spread > 0 else 0.0
