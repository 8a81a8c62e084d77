"""Who was asked, who answered, what they said, and how sure that is.

A customer who was asked or answered several times in one wave counts once there, with
the newest answer that has a score. Intervals hold what chance in who answers does; that
the content answer more readily is no chance, so the limits beyond are said as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relkit.data.quality.supplied import NotSupplied, Tables, evaluated, has, supplied
from relkit.data.quality.survey_sums import (
    PERIODS,
    answer_lags,
    as_frame,
    once_a_wave,
    requests,
    sums,
)
from relkit.data.quality.survey_weights import check_strata, weighted_scores
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import normal_quantile, wilson_interval

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

NPS_CLASSES = ("detractor", "passive", "promoter")
NO_ANSWER = "no answer"
MEASURED, NO_SCORES, TOO_FEW = "measured", "no scores", "fewer than 2 scores"
ALIKE, SEVERAL_SCALES = "all scores alike", "several scales"
MOST_ANSWERS = 11  # of a scale whose answers are listed one by one


@dataclass(frozen=True, slots=True, eq=False)
class SurveyResponse:
    """Response and scores of each kind of question (nps, csat, …).

    Customers are counted, not rows. Scores: NPS in points, 100 · (share of 9 and 10 −
    share of 0 to 6); the mean of every other kind.

    Attributes:
        kinds: One row a kind over the whole time: kind, requests (rows), asked, answered,
            double_answers (sums over the waves; double are those not counted, as their
            customer gave another in the wave), response_rate, rate_low, rate_high
            (answered of asked, Wilson), customers (asked at least once), scored (customers
            with a score, of which the newest of all waves counts), score, margin,
            low, high, share_margin (of a share of one half among so many scores),
            scale_min, scale_max (of the score; nps -100 to 100), lowest, highest (the score
            if all who gave none had given the least, the greatest), lag_median_days,
            lag_p90_days (request to answer), status ('measured', 'no scores', 'fewer than 2
            scores', 'all scores alike', 'several scales'). What could not be computed is nan.
        waves: The same by kind and wave (its first day) up to share_margin, with
            meets_target (scores reach the target) and status.
        answers: One row a kind and answer (of nps: detractor, passive, promoter), and one
            of those without: kind, answer, customers, share_of_asked (of all customers
            ever asked), share_of_scored. The newest score of each customer counts.
        strata: One row a kind and stratum, or None without strata: kind, stratum,
            population, population_share, customers (asked at least once), answered (of
            them, at least once), answered_share, scored, scored_share, weight, score.
        weighted: One row a kind, or None: kind, score, margin, low, high, status.
        population: Customers that are spoken for, or None where that is not known.
        target: Scores wanted in a wave.
        period: Of the waves.
        level: Of all intervals.
    """

    kinds: pd.DataFrame
    waves: pd.DataFrame
    answers: pd.DataFrame
    strata: pd.DataFrame | None
    weighted: pd.DataFrame | None
    population: int | None
    target: int
    period: str
    level: float

    def to_frame(self) -> pd.DataFrame:
        """One row a kind and wave."""
        return self.waves.copy()


def margin_of_error(
    n: int, share: float = 0.5, population: int | None = None, level: float = 0.95
) -> float:
    """Half the width of the interval of a share among n answers: 0.044 of 500 at one half.

    Args:
        n: Answers, at least 1.
        share: That was found, in [0, 1]; one half gives the widest.
        population: Customers that are spoken for, at least n; the margin is smaller when
            the answers are a large part of them.
        level: Of the interval.

    Raises:
        ParameterError: an argument out of its range.

    Source: Cochran (1977), "Sampling techniques", 3rd ed., equations 3.8 and 4.1, by the
        normal approximation.
    """
    faults = []
    if isinstance(n, bool) or n != int(n) or n < 1:
        faults.append(f"n={n!r} must be a whole number from 1")
    if not 0 <= share <= 1:
        faults.append(f"share={share!r} must be in [0, 1]; give 50 % as 0.5")
    if population is not None and population < n:
        faults.append(f"population={population!r} must be at least n={n!r}")
    if faults:
        raise ParameterError("there is no margin of error of these", faults)
    error = math.sqrt(share * (1 - share) / n) * finite_population(n, population)
    return normal_quantile(level) * error


def finite_population(n: int, population: int | None) -> float:
    """Factor of a standard error when n of a finite population answered."""
    if population is None or population <= 1:
        return 1.0
    return math.sqrt(max(population - n, 0) / (population - 1))


def try_survey(tables: Tables, **options: Any) -> SurveyResponse | NotSupplied:
    """`survey_response` for a report that goes on without feedback."""
    if not has(tables, "feedback"):
        return NotSupplied(("feedback",))
    return survey_response(tables, **options)


def survey_response(
    tables: Tables,
    *,
    period: str = "month",
    population: int | None = None,
    strata: str | pd.DataFrame | None = None,
    target: int = 500,
    level: float = 0.95,
) -> SurveyResponse:
    """Response rates and scores by kind and wave, with what they leave open.

    A wave is the period in which customers were asked. Margins are t · s / √n times the
    finite population correction √((N − n) / (N − 1)).

    Args:
        tables: A source, or tables by name, with `feedback`: customer_id, asked_at, kind,
            and where known feedback_id, answered_at, score, scale_min, scale_max.
        period: Of a wave: week, month, quarter or year.
        population: Customers that are spoken for; those of the table `customers` where
            that is supplied, without limit where it is not.
        strata: Groups whose share among the answers is set right: a column of `customers`
            such as 'region', or a frame of customer_id and one other column.
        target: Scores wanted in a wave.
        level: Of all intervals.

    Raises:
        DataError: not supplied: feedback; no request in it; or more customers were asked
            than the population has.
        ParameterError: an option that cannot be meant.

    Source: Reichheld (2003), "The one number you need to grow", for NPS; Cochran (1977),
        "Sampling techniques", chapters 2 and 5A.9, for margins and poststratification;
        Manski (1989), "Anatomy of the selection problem", for the limits beyond.
    """
    _check_options(period, population, target, level)
    rows = requests(supplied(tables, "feedback", ("customer_id", "asked_at", "kind")))
    size = _population(tables, population)
    groups = check_strata(tables, strata)
    with evaluated(rows) as feedback:
        whole = as_frame(sums(once_a_wave(feedback, None)))
        if whole.empty:
            raise DataError("feedback holds no request; at least one is required")
        _check_population(whole, size)
        waves = _by_wave(feedback, period, size, target, level)
        kinds = _by_kind(whole, waves, size, level).merge(
            answer_lags(feedback), on="kind", how="left"
        )
        answers = _answers(once_a_wave(feedback, None), kinds)
        weights = (
            None
            if groups is None
            else weighted_scores(as_frame(once_a_wave(feedback, None)), kinds, groups, level)
        )
    strata_frame, weighted = (None, None) if weights is None else weights
    return SurveyResponse(
        kinds=kinds,
        waves=waves,
        answers=answers,
        strata=strata_frame,
        weighted=weighted,
        population=size,
        target=target,
        period=period,
        level=float(level),
    )


def _check_options(period: Any, population: Any, target: Any, level: float) -> None:
    normal_quantile(level)
    faults = []
    if period not in PERIODS:
        hint = did_you_mean(str(period), PERIODS)
        faults.append(f"period={period!r} must be one of {', '.join(PERIODS)}{hint}")
    for name, value in (("population", population), ("target", target)):
        if value is not None and (type(value) is not int or value < 1):
            faults.append(f"{name}={value!r} must be a whole number from 1")
    if faults:
        raise ParameterError("the survey cannot be summed up in this way", faults)


def _population(tables: Tables, population: int | None) -> int | None:
    if population is not None or not has(tables, "customers"):
        return population
    counted: int = supplied(tables, "customers", ("customer_id",)).count().to_pyarrow().as_py()
    return counted or None


def _check_population(whole: pd.DataFrame, size: int | None) -> None:
    most = int(whole["asked"].max())
    if size is not None and most > size:
        raise DataError(
            f"{most:,} customers were asked, but the population has {size:,}; give population= "
            "the number of customers that are spoken for"
        )


_COUNTS = ("requests", "asked", "answered", "double_answers", "scored")


def _with_scores(counts: pd.DataFrame, size: int | None, level: float) -> pd.DataFrame:
    """Response rate, score and margins of each row of `sums`."""
    found = counts.fillna({"double_answers": 0, "scored": 0})
    found = found.astype(dict.fromkeys(_COUNTS, "int64"))
    found = _with_rates(found, level)
    scores = [_score(row, size, level) for row in _records(found)]
    for name in ("score", "margin", "low", "high", "share_margin", "status"):
        found[name] = [one[name] for one in scores]
    return found


def _with_rates(counts: pd.DataFrame, level: float) -> pd.DataFrame:
    rates = [
        wilson_interval(int(answered), int(asked), level)
        for answered, asked in zip(counts["answered"], counts["asked"], strict=True)
    ]
    return counts.assign(
        response_rate=[one.value for one in rates],
        rate_low=[one.low for one in rates],
        rate_high=[one.high for one in rates],
    )


def _score(row: Mapping[str, Any], size: int | None, level: float) -> dict[str, Any]:
    nothing = dict.fromkeys(("score", "margin", "low", "high", "share_margin"), math.nan)
    n, nps = row["scored"], row["kind"] == "nps"
    if not n:
        return {**nothing, "status": NO_SCORES}
    if not nps and row["scales"] > 1:
        return {**nothing, "status": SEVERAL_SCALES}
    mean = row["total"] / n
    known = {"score": mean, "share_margin": margin_of_error(n, 0.5, size, level)}
    if n < 2:
        return {**nothing, **known, "status": TOO_FEW}
    variance = max(row["squares"] - n * mean * mean, 0.0) / (n - 1)
    if variance <= 1e-9 * max(mean * mean, 1.0):
        return {**nothing, **known, "status": ALIKE}
    margin = mean_margin(variance / n, n, level) * finite_population(n, size)
    low, high = scale_of(row)
    return {
        **known,
        "margin": margin,
        "low": max(mean - margin, low),
        "high": min(mean + margin, high),
        "status": MEASURED,
    }


def mean_margin(variance_of_mean: float, n: int, level: float) -> float:
    """Half the width of the t interval of a mean of n values."""
    from scipy import stats

    return float(stats.t.ppf(0.5 + level / 2, n - 1)) * math.sqrt(variance_of_mean)


def scale_of(row: Mapping[str, Any]) -> tuple[float, float]:
    """Least and greatest score that there can be; without limits where nobody says."""
    if row["kind"] == "nps":
        return -100.0, 100.0
    low, high = row["scale_min"], row["scale_max"]
    return -math.inf if low != low else low, math.inf if high != high else high


def _by_kind(
    whole: pd.DataFrame, waves: pd.DataFrame, size: int | None, level: float
) -> pd.DataFrame:
    """Scores by customer, response by customer and wave, limits without those silent."""
    import numpy as np

    found = _with_scores(whole, size, level)
    limits = [scale_of(row) for row in _records(found)]
    said = found["scored"] / found["asked"]
    for name, end in (("lowest", 0), ("highest", 1)):
        edge = np.array([limit[end] for limit in limits])
        possible = found["score"] * said + edge * (1 - said)
        found[name] = possible.where(np.isfinite(edge), math.nan)
    found["scale_min"] = [low if math.isfinite(low) else math.nan for low, _ in limits]
    found["scale_max"] = [high if math.isfinite(high) else math.nan for _, high in limits]
    scores = [
        *("kind", "customers", "scored", "score", "margin", "low", "high", "share_margin"),
        *("scale_min", "scale_max", "lowest", "highest", "status"),
    ]
    found = found.rename(columns={"asked": "customers"}).astype({"kind": "str"})[scores]
    counts = ["requests", "asked", "answered", "double_answers"]
    response = _with_rates(waves.groupby("kind", as_index=False)[counts].sum(), level)
    kinds = response.merge(found, on="kind")
    return kinds.sort_values("asked", ascending=False, ignore_index=True)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[Any] = frame.to_dict("records")
    return rows


def _by_wave(
    feedback: ir.Table, period: str, size: int | None, target: int, level: float
) -> pd.DataFrame:
    found = _with_scores(as_frame(sums(once_a_wave(feedback, period))), size, level)
    found["meets_target"] = found["scored"] >= target
    columns = [
        *("kind", "wave", "requests", "asked", "answered", "response_rate", "rate_low"),
        *("rate_high", "double_answers", "scored", "score", "margin", "low", "high"),
        *("share_margin", "meets_target", "status"),
    ]
    found = found.astype({"kind": "str", "wave": "datetime64[us]"})
    return found.sort_values(["kind", "wave"], ignore_index=True)[columns]


def _answers(once: ir.Table, kinds: pd.DataFrame) -> pd.DataFrame:
    """Customers by answer; those without one have a row of their own."""
    import pandas as pd

    counted = as_frame(once.group_by("kind", "score").agg(customers=once.count()))
    rows = []
    for kind in _records(kinds):
        theirs = counted[counted["kind"] == kind["kind"]]
        given = theirs[theirs["score"].notna()].sort_values("score")
        if kind["kind"] == "nps":
            cut = pd.cut(given["score"], [-math.inf, 6, 8, math.inf], labels=list(NPS_CLASSES))
            grouped = given.groupby(cut, observed=False)["customers"].sum()
            listed = [(str(name), int(n)) for name, n in grouped.items()]
        elif len(given) <= MOST_ANSWERS:
            listed = [(f"{score:g}", int(n)) for score, n in given[["score", "customers"]].values]
        else:
            listed = [("answered", int(given["customers"].sum()))]
        listed.append((NO_ANSWER, int(kind["customers"] - kind["scored"])))
        rows += [
            {
                "kind": kind["kind"],
                "answer": answer,
                "customers": n,
                "share_of_asked": n / kind["customers"],
                "share_of_scored": n / kind["scored"]
                if answer != NO_ANSWER and kind["scored"]
                else math.nan,
            }
            for answer, n in listed
        ]
    return pd.DataFrame(rows)
