"""Results to statements: the headline that the numbers support.

A headline is chosen here and nowhere else, by the numbers, so that a report on
other data says another thing. The words stand in ``texts/findings.yaml``; the
values travel inside each statement, so a test can recompute every one.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from relkit.errors import DataError
from relkit.report.language import Statement, say
from relkit.studies.validation import Untested
from relkit.units import periods_per_year

if TYPE_CHECKING:
    from relkit.data.sources import Source
    from relkit.intervals import Estimate
    from relkit.segments.scores import RfmScores
    from relkit.segments.tiers import Tiers
    from relkit.value.bgnbd import BGNBDFit
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.lifetime_value import LifetimeValue, ValueChange


# ---- the answer ---------------------------------------------------------------


def base_value(change: ValueChange, before: date | str) -> Statement:
    """Is the customer base gaining or losing value: the headline of a review."""
    return say(
        f"answer.{change.verdict}",
        horizon=change.horizon,
        unit=f"unit.{change.unit}",
        now=change.now.total.value,
        share=abs(change.change_share),
        before=before,
    )


def answer(
    change: ValueChange,
    check: HoldoutValidation | Untested,
    chosen: pd.DataFrame,
    worth: pd.DataFrame,
) -> Statement:
    """Why, how sure, what to do first, what to keep: the text under the headline."""
    return say(
        "answer.points",
        why=why(change),
        sure=how_sure(change, check),
        first=win_back_first(chosen),
        keep=keep_first(worth),
    )


def how_sure(change: ValueChange, check: HoldoutValidation | Untested) -> Statement:
    """The interval of the change, and how well the model has done before."""
    if isinstance(check, Untested):
        return say("answer.sure_untested", change=change.change, **untested(check))
    return say(
        "answer.sure",
        change=change.change,
        error=abs(check.error),
        direction="direction.fewer" if check.error < 0 else "direction.more",
    )


def why(change: ValueChange) -> Statement:
    """What the change is made of; the parts sum to it."""
    return say("answer.why", **_parts(change))


def change_parts(change: ValueChange) -> Statement:
    """The headline over the bridge from the earlier value to the later one."""
    parts = _parts(change)
    key = "change.gaining" if change.change.value > 0 else "change.losing"
    return say(key, shrank=parts["shrank"], gained=parts["grew"] + parts["new"])


def _parts(change: ValueChange) -> dict[str, float]:
    amounts = change.to_frame().set_index("part")["amount"]
    return {
        "shrank": abs(float(amounts["shrank"])),
        "grew": float(amounts["grew"]),
        "new": float(amounts["new"]),
    }


# ---- customers and revenue ------------------------------------------------------


def period_name(start: date | pd.Timestamp, period: str) -> Statement:
    """A period as a sentence says it: June 1998, quarter 2 of 1998."""
    day = pd.Timestamp(start)
    return say(f"period.named.{period}", start=day, quarter=day.quarter, year=str(day.year))


def activity(periods: pd.DataFrame, period: str) -> Statement:
    """The last full period against the one before.

    Args:
        periods: As made by ``rk.activity_by_period``.
        period: What the rows are: week, month, quarter, year.

    Raises:
        DataError: not one period is complete.
    """
    full = periods[periods["complete"]]
    if full.empty:
        raise DataError(
            f"the data hold no full {period}; choose a shorter period, or a later as_of"
        )
    last = full.iloc[-1]
    revenue = float(last["revenue"])
    values = {
        "period": period_name(last["start"], period),
        "revenue": revenue,
        "new": int(last["new_customers"]),
        "active": int(last["active_customers"]),
    }
    with_new = periods.loc[periods["new_customers"] > 0, "end"]
    if last["new_customers"] == 0 and last["active_customers"] > 0 and len(with_new):
        return say(
            "activity.no_new",
            last_new=with_new.iloc[-1],
            returning=int(last["returning_customers"]),
            **values,
        )
    if len(full) < 2:
        return say("activity.first", **values)
    before = float(full["revenue"].iloc[-2])
    if before <= 0:  # a change has no share of it
        return say("activity.from_nothing", before=before, **values)
    change = revenue / before - 1
    return say("activity.up" if change >= 0 else "activity.down", change=abs(change), **values)


# ---- who will still buy -----------------------------------------------------------


def alive(clv: LifetimeValue, summary: pd.DataFrame) -> Statement:
    """How many of those who came back are still customers, by the sum of P(alive)."""
    repeaters = _of_repeaters(clv, summary)
    expected = float(repeaters["probability_alive"].sum())
    # Rounded once, so that the two parts add up to the whole on the page.
    return say(
        "alive.repeaters",
        alive=round(expected),
        repeaters=len(repeaters),
        silent=len(repeaters) - round(expected),
    )


def one_time(clv: LifetimeValue, summary: pd.DataFrame) -> Statement | None:
    """What is to be expected of those who bought once; None if there are none."""
    once = summary.loc[summary["frequency"] == 0, "customer_id"]
    if once.empty:
        return None
    frame = clv.to_frame()
    each = float(frame.loc[frame["customer_id"].isin(once), "expected_purchases"].mean())
    return say(
        "alive.one_time",
        one_time=len(once),
        each=each,
        horizon=clv.horizon,
        unit=f"unit.{clv.unit}",
    )


def _of_repeaters(clv: LifetimeValue, summary: pd.DataFrame) -> pd.DataFrame:
    came_back = summary.loc[summary["frequency"] > 0, "customer_id"]
    frame = clv.to_frame()
    return frame[frame["customer_id"].isin(came_back)]


# ---- value --------------------------------------------------------------------------


def value_total(clv: LifetimeValue) -> Statement:
    return say(
        "value.total", n=clv.n, total=clv.total, horizon=clv.horizon, unit=f"unit.{clv.unit}"
    )


def value_prediction(clv: LifetimeValue, predicted: Estimate) -> Statement:
    """Expectation and prediction side by side, since their intervals differ.

    Args:
        clv: Values of the customers.
        predicted: ``clv.predicted_total()``, which takes seconds, so it is made once.
    """
    return say(
        "value.prediction",
        low=clv.total.low,
        high=clv.total.high,
        predicted_low=predicted.low,
        predicted_high=predicted.high,
    )


def concentration(clv: LifetimeValue, share: float = 0.10) -> Statement:
    return say("value.concentration", share=share, value=clv.concentration().share_of_top(share))


def top_customers(clv: LifetimeValue, n: int) -> Statement:
    top = clv.to_frame().nlargest(n, "clv")["clv"]
    return say("value.top", n=len(top), sum=float(top.sum()), each=float(top.mean()))


def purchases(clv: LifetimeValue, summary: pd.DataFrame) -> Statement:
    every = float(clv.to_frame()["expected_purchases"].sum())
    repeat = float(_of_repeaters(clv, summary)["expected_purchases"].sum())
    return say(
        "value.purchases",
        purchases=every,
        repeat=repeat / every,
        horizon=clv.horizon,
        unit=f"unit.{clv.unit}",
    )


def purchase_model(fit: BGNBDFit) -> Statement:
    """The four parameters in words: mean rate a year, mean chance to leave."""
    params = fit.params
    return say(
        "value.model_rate",
        rate=params.r / params.alpha * periods_per_year(str(fit.unit)),
        leave=params.a / (params.a + params.b),
    )


def spend_model(fit: GammaGammaFit) -> Statement:
    return say("value.spend_model", mean=fit.population_mean)


def spend_left_out(fit: GammaGammaFit) -> Statement | None:
    """Repeat customers that the spend model could not use; None if it used all."""
    return say("value.spend_left_out", n=fit.left_out) if fit.left_out else None


# ---- does the model predict -----------------------------------------------------------


def holdout(check: HoldoutValidation | Untested) -> Statement:
    """Said as it is: a total outside the prediction interval is called a miss."""
    if isinstance(check, Untested):
        return say("holdout.untested", **untested(check))
    values = {
        "expected": check.expected.value,
        "actual": check.actual,
        "error": abs(check.error),
        "length": check.holdout_length,
        "unit": f"unit.{check.unit}",
    }
    if check.within_interval:
        direction = "direction.fewer" if check.error < 0 else "direction.more"
        return say("holdout.within", direction=direction, **values)
    return say("holdout.outside", level=_level(check), **values)


def holdout_note(check: HoldoutValidation | Untested) -> Statement:
    if isinstance(check, Untested):
        return say("holdout.untested_note")
    if check.within_interval:
        return say("holdout.within_note", low=check.expected.low, high=check.expected.high)
    return say(
        "holdout.outside_note",
        low=check.expected.low,
        high=check.expected.high,
        error=abs(check.error),
        level=_level(check),
    )


def holdout_by_frequency(check: HoldoutValidation | Untested) -> Statement | None:
    if isinstance(check, Untested):
        return None
    rows = check.by_frequency
    first, last = rows.iloc[0], rows.iloc[-1]
    return say(
        "holdout.frequency",
        low=float(first["actual"]),
        high=float(last["actual"]),
        low_expected=float(first["expected"]),
        high_expected=float(last["expected"]),
    )


def holdout_top(check: HoldoutValidation | Untested) -> Statement | None:
    """Rank quality beside the baseline; a model that loses is said to lose."""
    if isinstance(check, Untested):
        return None
    model, past = check.top_decile.model, check.top_decile.past_spend
    key = "holdout.top_wins" if model >= past else "holdout.top_loses"
    return say(key, model=model, past=past)


def untested(check: Untested) -> dict[str, object]:
    """What statements say of a test that could not be made."""
    return {"status": status_term(check.status), "until": check.calibration_end}


def status_term(status: str) -> str:
    """The key of the words for how a fit ended."""
    return "status." + status.replace(" ", "_")


def _level(check: HoldoutValidation) -> str:
    return "level.low" if check.error < 0 else "level.high"


# ---- segments and tiers --------------------------------------------------------------------


def rfm_spread(scores: RfmScores) -> Statement:
    """How much of the revenue the upper part of the RFM sums brought."""
    customers, spend = scores.share_of_spend(scores.high_sum)
    return say("rfm.spread", least=scores.high_sum, customers=customers, spend=spend)


def rfm_grid(scores: RfmScores) -> Statement:
    """The cell of recency × frequency that holds most customers."""
    grid = scores.grid()
    largest = grid.iloc[int(grid["customers"].to_numpy().argmax())]
    return say(
        "rfm.largest",
        r=int(largest["r"]),
        f=int(largest["f"]),
        customers=int(largest["customers"]),
        share=float(largest["customers"] / grid["customers"].sum()),
        spend=float(largest["total_spend"] / grid["total_spend"].sum()),
    )


def tiers_complete(tiers: Tiers) -> Statement:
    return say("tiers.complete", n=len(tiers.customers), tiers=len(tiers.names))


def tier_against_rfm(tiers: Tiers, scores: RfmScores) -> Statement:
    """How far the best tier by value to come is the best by past behaviour."""
    cells = tiers.by_rfm_sum(scores)
    high = cells["rfm_sum"] >= scores.high_sum
    first = cells["tier"] == _first_held(cells)
    return say(
        "tiers.against_rfm",
        tier=_first_held(cells),
        least=scores.high_sum,
        held=int(cells.loc[first, "customers"].sum()),
        agree=int(cells.loc[first & high, "customers"].sum()),
        missed=int(cells.loc[~first & high, "customers"].sum()),
    )


def _first_held(cells: pd.DataFrame) -> str:
    return str(cells.loc[cells["customers"] > 0, "tier"].iloc[0])


def tier_worth(worth: pd.DataFrame) -> Statement:
    """The most valuable tier that holds anyone.

    Args:
        worth: As made by ``rk.tier_worth``: tier, customers, customer_share,
            clv, clv_share, clv_mean, most valuable first.
    """
    first = _held(worth).iloc[0]
    return say(
        "tiers.worth",
        tier=str(first["tier"]),
        customers=float(first["customer_share"]),
        value=float(first["clv_share"]),
        each=float(first["clv_mean"]),
    )


def tier_gap(worth: pd.DataFrame) -> Statement | None:
    """One customer at the top in customers of the last tier; None if there is one tier."""
    held = _held(worth)
    first, last = held.iloc[0], held.iloc[-1]
    if len(held) < 2 or last["clv_mean"] <= 0:
        return None
    return say(
        "tiers.gap",
        tier=str(first["tier"]),
        last=str(last["tier"]),
        times=float(first["clv_mean"] / last["clv_mean"]),
    )


def keep_first(worth: pd.DataFrame) -> Statement:
    first = _held(worth).iloc[0]
    return say(
        "answer.keep",
        tier=str(first["tier"]),
        customers=float(first["customer_share"]),
        value=float(first["clv_share"]),
    )


def _held(worth: pd.DataFrame) -> pd.DataFrame:
    return worth[worth["customers"] > 0]


# ---- whom to win back --------------------------------------------------------------------------


def win_back(chosen: pd.DataFrame) -> Statement:
    if chosen.empty:
        return say("answer.no_silent")
    return say("win_back.first", n=len(chosen), risk=float(chosen["value_at_risk"].sum()))


def win_back_first(chosen: pd.DataFrame) -> Statement:
    if chosen.empty:
        return say("answer.no_silent")
    return say("answer.win_back", n=len(chosen), risk=float(chosen["value_at_risk"].sum()))


def win_back_share(chosen: pd.DataFrame, clv: LifetimeValue, summary: pd.DataFrame) -> Statement:
    repeaters = _of_repeaters(clv, summary)
    total = float(repeaters["value_at_risk"].sum())
    return say(
        "win_back.all",
        n=len(chosen),
        customers=len(repeaters),
        total=total,
        share=float(chosen["value_at_risk"].sum()) / total if total else 0.0,
    )


# ---- data -------------------------------------------------------------------------


def rows(source: Source, summary: pd.DataFrame) -> Statement:
    """Rows read = rows used + rows set aside, with the time they span."""
    account = source.account
    first, last = source.span
    values = {
        "read": account.read,
        "used": account.used,
        "aside": account.set_aside,
        "customers": len(summary),
        "first": first,
        "last": last,
    }
    return say("data.some_aside" if account.set_aside else "data.all_used", **values)


def refunds(share: float, summary: pd.DataFrame) -> Statement | None:
    """What refunds took back, and that values are counted before them; None if there are none.

    Args:
        share: ``rk.refund_share`` of the transactions.
        summary: As made by ``rk.rfm_summary``, which counts customers without a purchase.
    """
    without = summary.attrs.get("refund_only_customers", 0)
    if not share and not without:
        return None
    return say("data.refunds_only" if without else "data.refunds", share=share, without=without)
