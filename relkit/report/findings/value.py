"""Who still buys, what customers are worth, whom to win back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from relkit.report.statements import Statement, say
from relkit.units import periods_per_year

if TYPE_CHECKING:
    from relkit.intervals import Estimate
    from relkit.value.bgnbd import BGNBDFit
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.lifetime_value import LifetimeValue


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
