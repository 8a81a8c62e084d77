"""Results to tables: which columns a reader sees, under which words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.intervals import Estimate
from relkit.report.blocks import Table, Tile, Tiles, table, tile, tiles
from relkit.report.language import current
from relkit.report.statements import say, term
from relkit.studies.validation import Untested
from relkit.value.retention import NothingToGain

if TYPE_CHECKING:
    from relkit.data.sources import Source
    from relkit.studies.grains import GrainEffect
    from relkit.value.comparison import ModelComparison
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import LifetimeValue
    from relkit.value.purchase_fit import PurchaseFit
    from relkit.value.retention import RetentionValue
    from relkit.value.stationarity import Stationarity
    from relkit.value.value_change import ValueChange

MOST_TILES = 4


def _columns(**words: str | None) -> dict[str, Any]:
    """column=format word, under the label of the same name."""
    return {name: (f"label.{name}", word) for name, word in words.items()}


def parameters(fit: PurchaseFit[Any] | GammaGammaFit) -> Table:
    """Each parameter with its meaning, standard error and interval.

    A parameter that the data do not hold has an infinite error: a dash, and a note.
    """
    frame = fit.to_frame()
    unbounded = frame["standard_error"] == math.inf
    frame.loc[unbounded, ["standard_error", "low", "high"]] = math.nan
    frame.insert(1, "meaning", [term(f"meaning.{name}") for name in frame["parameter"]])
    columns = _columns(
        parameter="text",
        meaning="text",
        estimate="number3",
        standard_error="number3",
        low="number3",
        high="number3",
    )
    note = say("note.unbounded") if unbounded.any() else None
    return table(frame, columns, caption=say("table.parameters"), name="parameters", note=note)


def top_customers(clv: LifetimeValue, summary: pd.DataFrame, n: int) -> Table:
    """The n customers with the highest value to come; equal ones by their ids.

    Each value with the interval of its expectation: how well it is known, not how
    much what the customer will really do may differ from it.
    """
    joined = clv.to_frame().merge(summary, on="customer_id", validate="one_to_one")
    intervals = clv.customer_intervals()[["customer_id", "clv_low", "clv_high"]]
    joined = joined.merge(intervals, on="customer_id", validate="one_to_one")
    ranked = joined.sort_values(["clv", "customer_id"], ascending=[False, True]).head(n)
    columns = {
        "customer_id": ("label.customer", "text"),
        "frequency": ("label.repeat_purchases", "count"),
        "last_at": ("label.last_purchase", "date"),
        "total_spend": ("label.past_spend", "money"),
        **_columns(
            probability_alive="percent0",
            expected_purchases="number",
            expected_spend="money",
            clv="money",
        ),
        "clv_low": ("label.low", "money"),
        "clv_high": ("label.high", "money"),
    }
    return table(
        ranked,
        columns,
        caption=say("table.top_customers"),
        name="top_customers",
        max_rows=n,
        note=say("note.customer_interval"),
    )


def win_back(chosen: pd.DataFrame) -> Table:
    """As made by ``rk.win_back_list``."""
    columns = {
        "customer_id": ("label.customer", "text"),
        "last_at": ("label.last_purchase", "date"),
        "frequency": ("label.repeat_purchases", "count"),
        "total_spend": ("label.past_spend", "money"),
        **_columns(probability_alive="percent", value_at_risk="money"),
    }
    return table(
        chosen, columns, caption=say("table.win_back"), name="win_back", max_rows=len(chosen)
    )


def tier_worth(worth: pd.DataFrame) -> Table:
    """As made by ``rk.tier_worth``."""
    columns = {
        **_columns(tier="text", customers="count"),
        "customer_share": ("label.share_of_customers", "percent"),
        "past_spend": ("label.past_spend", "compact_money"),
        **_columns(clv="compact_money", low="compact_money", high="compact_money"),
        "clv_share": ("label.share_of_value", "percent"),
        "clv_mean": ("label.clv_each", "money"),
    }
    return table(
        worth,
        columns,
        caption=say("table.tier_worth"),
        note=say("note.clv_interval"),
        name="tier_worth",
    )


def tier_tiles(worth: pd.DataFrame) -> Tiles:
    """The value to come of the most valuable tiers that hold anyone, as tiles.

    Beside a chart there is room for four; ``tier_worth`` shows every tier.
    """
    held = worth[worth["customers"] > 0].head(MOST_TILES)
    return tiles(
        *(
            tile(
                say("tile.tier", tier=str(row["tier"])),
                Estimate(row["clv"], row["low"], row["high"], int(row["customers"])),
                "compact_money",
            )
            for _, row in held.iterrows()
        )
    )


def rows(source: Source) -> Table:
    """Rows read, used, and set aside by reason; the parts sum to the whole."""
    account = source.account
    lines = [("label.rows_read", account.read), ("label.rows_used", account.used)]
    entries = [(term(key), count) for key, count in lines]
    aside = term("label.rows_aside")
    reasons = account.reasons_zh if current().code == "zh" else account.reasons
    entries += [(f"{aside}: {reason}", count) for reason, count in reasons.items()]
    entries += [] if account.reasons else [(aside, 0)]
    frame = pd.DataFrame(entries, columns=["reason", "rows"])
    columns = {"reason": ("label.group", "text"), "rows": ("label.rows", "count")}
    return table(frame, columns, caption=say("table.rows"), name="rows")


def activity(periods: pd.DataFrame, period: str) -> Table:
    """As made by ``rk.activity_by_period``."""
    columns = {
        "start": (f"period.{period}", "month" if period == "month" else "date"),
        "active_customers": ("label.customers", "count"),
        "new_customers": ("label.revenue_new", "count"),
        "returning_customers": ("label.revenue_returning", "count"),
        "purchases": ("label.purchases", "count"),
        "revenue": ("label.revenue", "money"),
    }
    return table(periods, columns, caption=say("table.activity"), name="activity")


def error_tile(check: HoldoutValidation | Untested) -> Tile:
    """How far the total was off on unseen time."""
    if isinstance(check, Untested):
        return tile("tile.error", say("tile.untested"), "text")
    return tile("tile.error", check.error, "percent")


def by_frequency(check: HoldoutValidation | Untested) -> Table | None:
    """Purchases made and expected in the unseen time, by repeat purchases before it."""
    if isinstance(check, Untested):
        return None
    columns = {
        "frequency": ("label.past_frequency", "text"),
        "customers": ("label.customers", "count"),
        "actual": ("label.mean_actual", "number3"),
        "expected": ("label.mean_expected", "number3"),
    }
    return table(
        check.by_frequency, columns, caption=say("table.by_frequency"), name="holdout_by_frequency"
    )


def change_parts(change: ValueChange) -> Table:
    """New, grew, shrank, with customers; the amounts sum to the change."""
    frame = change.to_frame()
    frame = frame.assign(part=[term(f"label.{name}") for name in frame["part"]])
    columns = {
        "part": ("label.group", "text"),
        "customers": ("label.customers", "count"),
        "amount": ("label.change", "money"),
    }
    return table(frame, columns, caption=say("table.change"), name="value_change")


def by_recency(check: HoldoutValidation | Untested) -> Table | None:
    """Purchases made and expected in the unseen time, by the silence before it."""
    if isinstance(check, Untested):
        return None
    columns = {
        "since_last": (f"label.{check.unit}s_of_silence", "text"),
        "customers": ("label.customers", "count"),
        "actual": ("label.mean_actual", "number3"),
        "expected": ("label.mean_expected", "number3"),
    }
    return table(
        check.by_recency, columns, caption=say("table.by_recency"), name="holdout_by_recency"
    )


def interval_coverage(check: HoldoutValidation | Untested) -> Table | None:
    """How many single customers did what their prediction intervals held possible."""
    if isinstance(check, Untested):
        return None
    columns = {
        "level": ("label.nominal", "percent0"),
        "customers": ("label.customers", "count"),
        "covered": ("label.covered", "percent"),
    }
    return table(
        check.interval_coverage,
        columns,
        caption=say("table.interval_coverage"),
        name="interval_coverage",
    )


def comparison(found: ModelComparison | Untested) -> Table | None:
    """Every model and baseline on the same unseen time, the figures that decide."""
    if isinstance(found, Untested):
        return None
    frame = found.to_frame()
    frame["method"] = [term(f"model.{name}") for name in frame["name"]]
    frame["kind"] = [term(f"kind.{kind}") for kind in frame["kind"]]
    columns = {
        **_columns(method="text", kind="text", purchases_expected="count"),
        **_columns(
            purchases_error="percent",
            spend_error="percent",
            mean_absolute_error="number3",
            top_decile_share="percent",
            covered_95="percent",
            bic="count",
        ),
    }
    note = say(
        "note.comparison",
        actual=found.purchases_actual,
        oracle=found.oracle_top_decile,
        length=found.holdout_length,
        unit=f"unit.{found.unit}",
    )
    return table(frame, columns, caption=say("table.comparison"), note=note, name="comparison")


def contests(found: ModelComparison | Untested) -> Table | None:
    """The best model against each baseline, measure by measure, with the interval."""
    if isinstance(found, Untested):
        return None
    frame = found.verdict.to_frame()
    for column, kind in (("measure", "measure"), ("baseline", "model"), ("result", "result")):
        frame[column] = [term(f"{kind}.{word}") for word in frame[column]]
    columns = {
        **_columns(measure="text", baseline="text"),
        **_columns(model_value="number3", baseline_value="number3"),
        **_columns(advantage="number3", low="number3", high="number3", result="text"),
    }
    return table(frame, columns, caption=say("table.contests"), name="contests")


def cohorts(found: Stationarity) -> Table:
    """Each cohort's own parameters, and what they would move among its purchases."""
    frame = found.to_frame()
    names = found.pooled.kind.fields
    columns = {
        "cohort": ("label.cohort", "text"),
        "customers": ("label.customers", "count"),
        "repeaters": ("label.repeaters", "count"),
        **{name: (name, "number3") for name in names},
        **_columns(expected_pooled="count", expected_own="count"),
    }
    note = say("note.cohorts", horizon=found.horizon, unit=f"unit.{found.unit}")
    if found.newest_share == found.newest_share:  # nan where not fitted
        note = say(
            "note.cohorts_newest",
            horizon=found.horizon,
            unit=f"unit.{found.unit}",
            newest=abs(found.newest_share),
            direction="direction.more" if found.newest_share > 0 else "direction.fewer",
        )
    return table(frame, columns, caption=say("table.cohorts"), note=note, name="cohorts")


def grains(found: GrainEffect) -> Table:
    """The same purchases counted by several grains: fit and value side by side."""
    frame = found.to_frame()
    frame["grain"] = [term(f"grain_name.{name}") for name in frame["grain"]]
    names = next(iter(found.fits.values())).kind.fields
    columns = {
        **_columns(grain="text", repeats="count", merged="count"),
        **{name: (name, "number3") for name in names},
        **_columns(clv="compact_money"),
        "clv_low": ("label.low", "compact_money"),
        "clv_high": ("label.high", "compact_money"),
    }
    return table(frame, columns, caption=say("table.grains"), name="grains")


def retention_tiles(found: RetentionValue | NothingToGain) -> Tiles:
    """Retention now, and what a rise would be worth where there is room for one."""
    if isinstance(found, NothingToGain):
        return tiles(tile("tile.retention_now", found.retention_now, "percent"))
    return tiles(
        tile("tile.retention_now", found.retention_now, "percent"),
        tile("tile.retention_gain", found.gained, "compact_money"),
        tile("tile.retention_share", found.share, "percent"),
    )
