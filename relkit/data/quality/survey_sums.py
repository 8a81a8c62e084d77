"""Requests and answers of surveys → sums by kind and wave, computed in the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

PERIODS = {"week": "W", "month": "M", "quarter": "Q", "year": "Y"}


def requests(feedback: ir.Table) -> ir.Table:
    """One row a request, in the columns of the contract; null where a column is not there."""
    import ibis

    def column(name: str, kind: str) -> ir.Column:
        there = name in feedback.columns
        return feedback[name].cast(kind) if there else ibis.null(kind)

    score = column("score", "float64")
    answered_at = column("answered_at", "timestamp")
    return feedback.select(
        customer_id=feedback.customer_id.cast("string"),
        feedback_id=column("feedback_id", "string"),
        kind=feedback.kind.cast("string"),
        asked_at=feedback.asked_at.cast("timestamp"),
        answered_at=answered_at,
        answered=answered_at.notnull() | score.notnull(),
        score=score,
        scale_min=column("scale_min", "float64"),
        scale_max=column("scale_max", "float64"),
    )


def once_a_wave(feedback: ir.Table, period: str | None) -> ir.Table:
    """One row a customer, kind and wave: requests, answers, and the score that counts."""
    import ibis

    wave = (
        ibis.timestamp("1970-01-01 00:00:00")
        if period is None
        else feedback.asked_at.truncate(PERIODS[period])
    )
    rows = feedback.mutate(wave=wave, at=feedback.answered_at.coalesce(feedback.asked_at))
    keys = ["kind", "wave", "customer_id"]
    newest = ibis.window(
        group_by=keys,
        order_by=[rows.score.notnull().desc(), rows.at.desc(), rows.feedback_id.desc(),
                  rows.score.desc()],
    )  # fmt: skip
    rows = rows.mutate(place=ibis.row_number().over(newest))
    value = (rows.kind == "nps").ifelse(_nps_points(rows.score), rows.score)
    first = rows.place == 0
    return rows.group_by(keys).agg(
        requests=rows.count(),
        answers=rows.answered.sum(),
        score=rows.score.max(where=first),
        value=value.max(where=first),
        scale_min=rows.scale_min.max(where=first),
        scale_max=rows.scale_max.max(where=first),
    )


def _nps_points(score: ir.FloatingValue) -> ir.FloatingValue:
    import ibis

    return ibis.cases((score >= 9, 100.0), (score <= 6, -100.0), (score.notnull(), 0.0))


def sums(once: ir.Table) -> ir.Table:
    """By kind and wave: customers, answers, and the sums that mean and spread are made of."""
    answered = once.answers > 0
    scored = once["value"].notnull()
    return once.group_by("kind", "wave").agg(
        requests=once.requests.sum(),
        asked=once.count(),
        answered=answered.sum(),
        double_answers=(once.answers - 1).sum(where=answered),
        scored=scored.sum(),
        total=once["value"].sum(),
        squares=(once["value"] * once["value"]).sum(),
        scale_min=once.scale_min.min(where=scored),
        scale_max=once.scale_max.max(where=scored),
        scales=(once.scale_min.cast("string") + "/" + once.scale_max.cast("string")).nunique(
            where=scored
        ),
    )


def answer_lags(feedback: ir.Table) -> pd.DataFrame:
    """By kind: lag_median_days and lag_p90_days from request to answer."""
    there = feedback.filter(feedback.answered_at.notnull())
    days = there.answered_at.delta(there.asked_at, unit="second") / 86_400
    return as_frame(
        there.group_by("kind").agg(
            lag_median_days=days.quantile(0.5), lag_p90_days=days.quantile(0.9)
        )
    )


def as_frame(rows: ir.Table) -> pd.DataFrame:
    """Rows of the engine as a frame."""
    frame: pd.DataFrame = rows.to_pyarrow().to_pandas()
    return frame
