"""Ranges, choices and cross-checks of the shipped notebooks' parameters.

The notebook's own cell says names and types; these models say which values make
sense, so that a wrong one is refused before a kernel starts. An analyst's own
notebook runs without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from relkit.errors import ParameterError, did_you_mean
from relkit.units import check_annual_discount_rate, check_horizon, days_per, periods_per_year

# Beyond a working life nobody plans with a customer; 365 meant as days is 7 years in weeks.
LONGEST_HORIZON_YEARS = 50


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a source, such as params/sources/cdnow.yaml")
    return text


def _plan_named(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a plan, such as params/experiments/world.yaml")
    return text


def _iso_date(text: str | None) -> str | None:
    if text is not None:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        # Python also takes 19980630, which sorts and reads differently.
        if day is None or day.isoformat() != text:
            raise ValueError('must be a day of the calendar as "YYYY-MM-DD", or null')
    return text


def _between(low: float, high: float) -> AfterValidator:
    def check(value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            raise ValueError(f"must be {low} to {high}")
        return value

    return AfterValidator(check)


def _rate(value: float) -> float:
    try:
        return check_annual_discount_rate(value)
    except ParameterError:
        raise ValueError("must be in [0, 1); give 10 % as 0.10") from None


def _length(value: float) -> float:
    try:
        return check_horizon(value)
    except ParameterError:
        raise ValueError("must be a positive, finite number of units") from None


def _shares(values: list[float]) -> list[float]:
    if not values or not all(0 < value < 1 for value in values):
        raise ValueError("must be shares between 0 and 1, at least one; give 10 % as 0.10")
    # Shares are typed with two or three decimals; a sum of 1 must not pass as 0.9999….
    if round(sum(values), 9) >= 1:
        raise ValueError(f"sum to {sum(values):.4g}, and must leave a rest: less than 1")
    return values


def _named(suffixes: tuple[str, ...], what: str) -> Callable[[str | None], str | None]:
    def check(value: str | None) -> str | None:
        if value is not None and not value.strip().lower().endswith(suffixes):
            raise ValueError(f"must name {what}")
        return value

    return check


def _above(low: float, or_equal: bool, what: str) -> Callable[[float | None], float | None]:
    def check(value: float | None) -> float | None:
        if value is not None and not (low < value < float("inf") or (or_equal and value == low)):
            raise ValueError(what)
        return value

    return check


def _share(value: float) -> float:
    if not 0 < value <= 1:
        raise ValueError("must be in (0, 1]; give 20 % as 0.20")
    return value


_rule_file = _named((".yaml", ".yml"), "tier rules, such as params/tiers/clv_rank.yaml")
_csv_file = _named((".csv",), "a CSV file, such as reviews/key_customers.csv")
_uplift = _above(-1, True, "must be a share of at least -1; give 8 % as 0.08")
_cost = _above(0, True, "must be 0 or more")
Positive = Annotated[
    float | None, AfterValidator(_above(0, False, "must be a positive, finite number"))
]
# None: what the source's own YAML says, else the default of rk.open_source.
SetAside = Annotated[float | None, _between(0, 1)]
Day = Annotated[str | None, AfterValidator(_iso_date)]
Rate = Annotated[float, AfterValidator(_rate)]
Horizon = Annotated[float, AfterValidator(_length)]
TierShares = Annotated[list[float], AfterValidator(_shares)]
Unit = Literal["day", "week", "month"]
Grain = Literal["exact", "hour", "day", "week"]


class Study(BaseModel):
    """What every shipped notebook takes: where from, until when, how strictly, in what words."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: Annotated[str, AfterValidator(_not_empty)]
    as_of: Day
    unit: Unit
    grain: Grain
    horizon: Horizon
    annual_discount_rate: Rate
    max_set_aside: SetAside
    later_rows: Literal["fault", "set_aside"]
    language: Literal["en", "zh"]
    show_ids: bool

    @model_validator(mode="after")
    def _in_time(self) -> Study:
        """Earlier dates lie before ``as_of``, as text in ISO; the horizon fits its unit."""
        faults = [
            f"{name}={earlier!r} must be before as_of={self.as_of!r}"
            for name in ("compare_to", "calibration_end")
            if (earlier := getattr(self, name, None)) and self.as_of and earlier >= self.as_of
        ]
        years = self.horizon / periods_per_year(self.unit)
        if self.horizon * days_per(self.unit) < 1 or years > LONGEST_HORIZON_YEARS:
            faults.append(
                f"horizon={self.horizon} at unit={self.unit!r} is {years:,.4g} years; "
                f"it must be one day to {LONGEST_HORIZON_YEARS} years"
            )
        if faults:
            raise ValueError("\n".join(faults))
        return self


class CustomerValue(Study):
    """Parameters of notebooks/customer_value.ipynb."""

    purchase_model: Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
    cohort: Literal["week", "month", "quarter", "year"]
    retention_points: Annotated[float, _between(0, 0.5)]
    calibration_end: Day
    top_customers: Annotated[int, _between(1, 200)]


class Segments(Study):
    """Parameters of notebooks/segments.ipynb."""

    compare_to: Day
    bands: Annotated[int, _between(2, 10)]
    tier_rules: Annotated[str, AfterValidator(_rule_file)]
    health_rules: Annotated[str | None, AfterValidator(_rule_file)]
    exchange_rate: Positive
    tiers_in_use: Annotated[str | None, AfterValidator(_csv_file)]
    review_file: Annotated[str | None, AfterValidator(_csv_file)]
    review_share: Annotated[float, AfterValidator(_share)]
    care_uplift: Annotated[float | None, AfterValidator(_uplift)]
    care_hours: Positive
    owner_hours: Positive
    hour_cost: Annotated[float | None, AfterValidator(_cost)]


class ReviewDeck(Study):
    """Parameters of notebooks/review_deck.ipynb."""

    compare_to: Day
    period: Literal["week", "month", "quarter"]
    calibration_end: Day
    tier_shares: TierShares
    win_back: Annotated[int, _between(1, 100)]


class DataQuality(BaseModel):
    """Parameters of notebooks/data_quality.ipynb."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: Annotated[str, AfterValidator(_not_empty)]
    as_of: Day
    grain: Grain
    max_broken: Annotated[float, _between(0, 1)]
    max_age_days: Annotated[int, _between(1, 36_525)]
    min_gap_days: Annotated[int, _between(1, 3_650)]
    window_days: Annotated[int, _between(1, 36_525)]
    tier_shares: TierShares
    max_set_aside: SetAside
    later_rows: Literal["fault", "set_aside"]
    language: Literal["en", "zh"]
    show_ids: bool


class FrequencyExperiment(BaseModel):
    """Parameters of notebooks/frequency_experiment.ipynb."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: Annotated[str, AfterValidator(_not_empty)]
    plan: Annotated[str, AfterValidator(_plan_named)]
    as_of: Day
    randomised: bool
    weeks_a_step: Annotated[int, _between(1, 52)]
    review_weeks: Annotated[int, _between(1, 520)]
    max_set_aside: SetAside
    later_rows: Literal["fault", "set_aside"]
    language: Literal["en", "zh"]
    show_ids: bool


class ExperimentDesign(BaseModel):
    """Parameters of notebooks/experiment_design.ipynb."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source: Annotated[str, AfterValidator(_not_empty)]
    plan: Annotated[str, AfterValidator(_not_empty)]
    tiers_from: Annotated[str, AfterValidator(_not_empty)]
    tier_shares: TierShares
    units: str | None
    power: Annotated[float, _between(0.5, 0.99)]
    alpha: Annotated[float, _between(0.001, 0.3)]
    worth: Annotated[float, _between(0.001, 0.9)]
    favour_today: bool
    runs: Annotated[int, _between(2, 10_000)]
    seed: Annotated[int, _between(0, 2**31)]
    max_set_aside: SetAside
    # Whatever happened on or after the first day must not be seen by a design.
    later_rows: Literal["set_aside"]
    language: Literal["en", "zh"]
    show_ids: bool


MODELS: dict[str, type[BaseModel]] = {
    "customer_value": CustomerValue,
    "data_quality": DataQuality,
    "experiment_design": ExperimentDesign,
    "frequency_experiment": FrequencyExperiment,
    "segments": Segments,
    "review_deck": ReviewDeck,
}


def model_faults(notebook: str, values: Mapping[str, Any]) -> dict[str, str]:
    """What the notebook's model holds against these values, by name; empty without a model.

    Faults of several parameters together stand under the empty name. Names that
    the model does not know are left to the contract between model and notebook.
    """
    model = MODELS.get(notebook)
    if model is None:
        return {}
    known = {name: value for name, value in values.items() if name in model.model_fields}
    try:
        model.model_validate(known)
    except ValidationError as error:
        return {
            str(fault["loc"][0]) if fault["loc"] else "": _in_words(fault)
            for fault in error.errors()
        }
    return {}


def _in_words(fault: Any) -> str:
    """One of pydantic's faults as relkit says it."""
    if not fault["loc"]:
        return str(fault["ctx"]["error"])
    name, value = str(fault["loc"][0]), fault["input"]
    if fault["type"] == "missing":
        return f"{name} is not in the notebook's parameter cell"
    if fault["type"] == "literal_error":
        choices = fault["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        hint = did_you_mean(str(value), choices)
        return f"{name}={value!r} must be one of {', '.join(choices)}{hint}"
    if fault["type"] == "value_error":
        return f"{name}={value!r} {fault['ctx']['error']}"
    return f"{name}={value!r}: {fault['msg'].lower()}"
