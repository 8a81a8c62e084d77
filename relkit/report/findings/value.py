"""Who still buys, what customers are worth, whom to win back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from relkit.privacy import shown_id
from relkit.report.statements import Statement, say
from relkit.units import periods_per_year
from relkit.value.retention import NothingToGain

if TYPE_CHECKING:
    from relkit.intervals import Estimate
    from relkit.studies.history import CustomerHistory, HistoryMatrix, PickedCustomer
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.lifetime_value import LifetimeValue
    from relkit.value.purchase_fit import PurchaseFit
    from relkit.value.retention import RetentionValue


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
    theirs = frame[frame["customer_id"].isin(once)]
    alive = float(theirs["probability_alive"].mean())
    values = {
        "one_time": len(once),
        "each": float(theirs["expected_purchases"].mean()),
        "horizon": clv.horizon,
        "unit": f"unit.{clv.unit}",
    }
    # Exactly 1 in a model in which nobody can leave before coming back.
    if alive == 1:
        return say("alive.one_time", **values)
    return say("alive.one_time_gone", gone=1 - alive, **values)


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


def purchase_model(fit: PurchaseFit[Any]) -> Statement:
    """The four parameters in words: mean rate a year, and how customers leave."""
    params, year = fit.params, periods_per_year(str(fit.unit))
    rate = params.r / params.alpha * year
    if hasattr(params, "beta"):
        left = 1 - (params.beta / (params.beta + year)) ** params.s
        return say("value.model_rate_time", rate=rate, left=left)
    return say("value.model_rate", rate=rate, leave=params.a / (params.a + params.b))


def spend_model(fit: GammaGammaFit) -> Statement:
    return say("value.spend_model", mean=fit.population_mean)


def spend_left_out(fit: GammaGammaFit) -> Statement | None:
    """Repeat customers that the spend model could not use; None if it used all."""
    return say("value.spend_left_out", n=fit.left_out) if fit.left_out else None


def retention(found: RetentionValue | NothingToGain) -> Statement:
    """What more staying customers would be worth: the headline."""
    if isinstance(found, NothingToGain):
        return say("retention.full", now=found.retention_now, points=100 * found.points)
    return say(
        "retention.worth",
        points=100 * found.points,
        gained=found.gained,
        share=found.share,
        horizon=found.horizon,
        unit=f"unit.{found.unit}",
    )


def retention_meaning(found: RetentionValue | NothingToGain) -> Statement | None:
    if isinstance(found, NothingToGain):
        return None
    return say(
        "retention.meaning",
        now=found.retention_now.value,
        then=found.retention_then,
        delta=found.delta,
        slope=found.derivative * found.points,
        gained=found.gained.value,
    )


def history(found: CustomerHistory) -> Statement:
    """One customer, chosen by rule: what was bought, and what is to be thought of it."""
    return say(
        "history.now",
        # As it may be shown: what stands in a statement is published with it.
        customer=shown_id(found.customer_id),
        purchases=len(found.purchases),
        last=found.purchases["occurred_at"].iloc[-1],
        alive=found.probability_alive,
    )


def history_chosen(found: CustomerHistory, picked: PickedCustomer) -> Statement:
    return say(
        "history.chosen",
        n=picked.among,
        least=picked.at_least,
        balance=picked.in_the_balance,
        spend=found.total_spend,
    )


def alive_matrix(alive: HistoryMatrix) -> Statement:
    """What silence does to those who bought often and to those who did not."""
    cells = alive.to_frame()
    often = min(int(cells["frequency"].max()), 10)
    step = cells.loc[cells["silence"] >= alive.T / 4, "silence"].min()
    at = cells[cells["silence"] == step].set_index("frequency")["value"]
    return say(
        "matrix.alive",
        silence=float(step),
        unit=f"unit.{alive.unit}",
        once=float(at[1]),
        often=often,
        frequent=float(at[often]),
    )


def purchase_matrix(expected: HistoryMatrix) -> Statement:
    """Who is expected to buy most, and who stands outside the picture."""
    cells = expected.to_frame()
    top = cells.loc[cells["customers"] > 0].nlargest(1, "value").iloc[0]
    return say(
        "matrix.expected",
        purchases=float(top["value"]),
        frequency=int(top["frequency"]),
        horizon=expected.horizon,
        unit=f"unit.{expected.unit}",
        beyond=expected.customers_beyond,
    )


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
