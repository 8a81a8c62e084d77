"""Scores of a survey with each group weighted by its share of the customers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from relkit.data.quality.supplied import Tables, supplied
from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "unknown"
WEIGHTED, EMPTY_STRATUM = "measured", "a stratum with fewer than 2 scores"
NOT_SCORED, STRATA_ALIKE = "no scores", "all scores alike"


def check_strata(tables: Tables, strata: str | pd.DataFrame | None) -> pd.DataFrame | None:
    """customer_id, stratum of all who are spoken for; None where no strata are asked for.

    Raises:
        DataError: there is no such column, or a customer stands twice.
        ParameterError: neither the name of a column nor such a frame.
    """
    import pandas as pd

    if strata is None:
        return None
    if isinstance(strata, str):
        rows = supplied(tables, "customers", ("customer_id",))
        if strata not in rows.columns:
            hint = did_you_mean(strata, rows.columns)
            raise DataError(f"strata='{strata}': customers have no such column{hint}")
        chosen = rows.select(
            customer_id=rows.customer_id.cast("string"), stratum=rows[strata].cast("string")
        )
        frame = chosen.to_pyarrow().to_pandas()
    elif isinstance(strata, pd.DataFrame) and "customer_id" in strata and strata.shape[1] == 2:
        other = next(name for name in strata.columns if name != "customer_id")
        frame = strata.rename(columns={other: "stratum"})[["customer_id", "stratum"]]
    else:
        raise ParameterError(
            "strata must be a column of customers, or a frame of customer_id and one other column"
        )
    repeated = int(frame["customer_id"].duplicated().sum())
    if repeated:
        raise DataError(f"strata: {repeated:,} customers stand twice; each is in one stratum")
    return frame.assign(stratum=frame["stratum"].astype("object").fillna(UNKNOWN).astype("str"))


def weighted_scores(
    once: pd.DataFrame, kinds: pd.DataFrame, groups: pd.DataFrame, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Strata of each kind, and its score with every stratum at its share of the customers.

    Args:
        once: kind, customer_id, answers, value (nan where none counts), one row a customer
            and kind.
        kinds: As in `SurveyResponse`; scores of several scales are not weighted.
        groups: customer_id, stratum.
        level: Of the intervals, which take the mean of a stratum as known by its own
            scores: variance Σ W² (1 − n/N) s²/n.

    Returns:
        As `SurveyResponse.strata` and `.weighted`. A stratum with fewer than two scores
        speaks for nobody, so there is no weighted score then.
    """
    import pandas as pd

    population = groups["stratum"].value_counts().sort_index()
    placed = once.merge(groups, on="customer_id", how="left").fillna({"stratum": UNKNOWN})
    strata, weighted = [], []
    rows_of: list[Any] = kinds.to_dict("records")
    for kind in rows_of:
        theirs = placed[(placed["kind"] == kind["kind"]) & placed["stratum"].isin(population.index)]
        rows = _strata_rows(str(kind["kind"]), theirs, population)
        if kind["status"] == "several scales":
            rows["score"] = math.nan
        strata.append(rows)
        weighted.append({"kind": kind["kind"], **_weighted(kind, rows, level)})
    columns = [name for name in strata[0] if name != "variance"]
    return pd.concat(strata, ignore_index=True)[columns], pd.DataFrame(weighted)


def _strata_rows(kind: str, theirs: pd.DataFrame, population: pd.Series) -> pd.DataFrame:
    grouped = theirs.groupby("stratum")
    rows = population.rename("population").rename_axis("stratum").reset_index()
    rows.insert(0, "kind", kind)
    rows["population_share"] = rows["population"] / rows["population"].sum()
    counts = {
        "customers": grouped.size(),
        "answered": grouped["answers"].agg(lambda answers: int((answers > 0).sum())),
        "scored": grouped["value"].count(),
    }
    for name, found in counts.items():
        rows[name] = rows["stratum"].map(found).fillna(0).astype("int64")
    rows["answered_share"] = rows["answered"] / rows["customers"].where(rows["customers"] > 0)
    scored = rows["scored"].sum()
    rows["scored_share"] = rows["scored"] / scored if scored else math.nan
    # Infinite where nobody answered: no weight could let that stratum speak.
    share = rows["scored_share"].where(rows["scored"] > 0)
    rows["weight"] = rows["population_share"] / share
    rows["score"] = rows["stratum"].map(grouped["value"].mean()).astype(float)
    rows["variance"] = rows["stratum"].map(grouped["value"].var()).astype(float)
    order = ["kind", "stratum", "population", "population_share", "customers", "answered"]
    order += ["answered_share", "scored", "scored_share", "weight", "score", "variance"]
    return rows[order]


def _weighted(kind: Any, rows: pd.DataFrame, level: float) -> dict[str, Any]:
    nothing = dict.fromkeys(("score", "margin", "low", "high"), math.nan)
    if kind["status"] == "several scales" or not kind["scored"]:
        return {**nothing, "status": kind["status"] if kind["scored"] else NOT_SCORED}
    if (rows["scored"] < 2).any():
        return {**nothing, "status": EMPTY_STRATUM}
    share, n, size = rows["population_share"], rows["scored"], rows["population"]
    score = float((share * rows["score"]).sum())
    sampled = (1 - n / size).clip(lower=0)
    variance = float((share**2 * sampled * rows["variance"] / n).sum())
    if variance <= 1e-12:
        return {**nothing, "score": score, "status": STRATA_ALIKE}
    margin = normal_quantile(level) * math.sqrt(variance)
    low, high = (-100.0, 100.0) if kind["kind"] == "nps" else (kind["scale_min"], kind["scale_max"])
    return {
        "score": score,
        "margin": margin,
        "low": score - margin if low != low else max(score - margin, low),
        "high": score + margin if high != high else min(score + margin, high),
        "status": WEIGHTED,
    }
