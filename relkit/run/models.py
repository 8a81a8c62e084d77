"""Ranges, choices and cross-checks of the shipped notebooks' parameters.

The notebook's own cell says names and types; these models say which values make
sense, so that a wrong one is refused before a kernel starts. An analyst's own
notebook runs without a model.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    def check(value: float) -> float:
        if not low <= value <= high:
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
    max_set_aside: Annotated[float, _between(0, 1)]
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

    bands: Annotated[int, _between(2, 10)]
    tier_shares: TierShares


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
    max_set_aside: Annotated[float, _between(0, 1)]
    later_rows: Literal["fault", "set_aside"]
    language: Literal["en", "zh"]
    show_ids: bool


MODELS: dict[str, type[BaseModel]] = {
    "customer_value": CustomerValue,
    "data_quality": DataQuality,
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
