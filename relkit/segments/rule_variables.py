"""What the letters of a rule stand for: columns, their ranks, their units.

A definition is a column, or the rank of one, and what is known of it:

    R: days_since_last
    F: purchases, whole
    M: total_spend, money
    clv_rank: rank of clv
    renewal: renewal_outlook, words
    complaint: open_complaint, yes or no

What is declared is held against the data, since the proof of a rule set rests on it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.privacy import shown_id
from relkit.segments.rule_text import Comparison, parse_condition
from relkit.segments.scores import mid_rank
from relkit.units import days_per

KINDS = ("number", "whole", "flag", "words")
YES_OR_NO = {"yes": 1.0, "true": 1.0, "是": 1.0, "no": 0.0, "false": 0.0, "否": 0.0}


@dataclass(frozen=True, slots=True)
class Variable:
    """A name in a rule, and the column behind it.

    Attributes:
        name: As the rules say it.
        column: Of the frame.
        kind: 'number', 'whole' (numbers), 'flag' (yes or no) or 'words'.
        ranked: Whether the rules speak of the column's rank: the share of customers
            that stand above, with half of those who stand equal; near 0 is the highest.
        money: Whether it is an amount in the currency of the rules.
        low: Lowest possible value.
        high: Highest possible value. A rank reaches neither end.
    """

    name: str
    column: str
    kind: str = "number"
    ranked: bool = False
    money: bool = False
    low: float = -math.inf
    high: float = math.inf

    @property
    def definition(self) -> tuple[str, bool]:
        """Two names of one definition speak of the same thing."""
        return self.column, self.ranked


# What relkit's own columns are; others say it in the file.
_KNOWN: dict[str, dict[str, Any]] = {
    "days_since_last": {"low": 0.0},
    "days_to_second_purchase": {"low": 0.0},
    "purchases_last_12_months": {"kind": "whole", "low": 0.0},
    "spend_last_12_months": {"money": True},
    "purchases": {"kind": "whole", "low": 1.0},
    "frequency": {"kind": "whole", "low": 0.0},
    "r": {"kind": "whole", "low": 1.0},
    "f": {"kind": "whole", "low": 1.0},
    "m": {"kind": "whole", "low": 1.0},
    "rfm_sum": {"kind": "whole", "low": 3.0},
    "probability_alive": {"low": 0.0, "high": 1.0},
    "expected_purchases": {"low": 0.0},
    "total_spend": {"money": True},
    "monetary_value": {"money": True},
    "expected_spend": {"money": True},
    "clv": {"money": True},
    "value_at_risk": {"money": True},
}
_ARITHMETIC = re.compile(r"\w\s*[-+*/−]\s*\w|\bminus\b|\bless\b|\bresidual\b|减", re.I)


def read_variable(name: str, definition: object = None) -> Variable:
    """A variable from its definition; a column of the same name where there is none.

    Raises:
        ParameterError: the definition is no column or rank, or says what is not known.
    """
    text = name if definition is None else str(definition).strip()
    column, *said = [part.strip() for part in text.split(",")]
    if _ARITHMETIC.search(column):
        raise ParameterError(
            f"where: {name}: '{column}' is a formula; a column or 'rank of' a column is required. "
            "Compute it as a column of its own first. A residual such as future value minus past "
            "spend is no measure of potential: it falls as value rises"
        )
    ranked = column.lower().startswith("rank of ")
    column = column[len("rank of ") :].strip() if ranked else column
    if not re.fullmatch(r"[^\W\d]\w*", column):
        raise ParameterError(
            f"where: {name}: '{column}' is no column; write 'R: days_since_last' or "
            "'clv_rank: rank of clv'"
        )
    known: dict[str, Any] = {} if ranked else dict(_KNOWN.get(column, {}))
    for words in said:
        known |= _said_of(name, words)
    if ranked:
        if set(known):
            raise ParameterError(
                f"where: {name}: nothing can be said of a rank; leave {said[0]} out"
            )
        known = {"low": 0.0, "high": 1.0}
    return Variable(name, column, ranked=ranked, **known)


def _said_of(name: str, words: str) -> dict[str, Any]:
    plain: dict[str, dict[str, Any]] = {
        "money": {"money": True},
        "whole": {"kind": "whole"},
        "whole number": {"kind": "whole"},
        "yes or no": {"kind": "flag"},
        "words": {"kind": "words"},
        "any number": {"kind": "number", "low": -math.inf, "high": math.inf, "money": False},
    }
    if words.lower() in plain:
        return plain[words.lower()]
    if match := re.fullmatch(r"at (least|most) (.+)", words, re.I):
        limit = parse_condition(f"x = {match[2]}")
        if isinstance(limit, Comparison) and isinstance(limit.value, float):
            return {"low" if match[1].lower() == "least" else "high": limit.value}
    raise ParameterError(
        f"where: {name}: '{words}' is not known; one of money, whole, yes or no, words, "
        "any number, at least N, at most N is required" + did_you_mean(words, plain)
    )


def bind(comparison: Comparison, variable: Variable) -> Comparison:
    """The comparison with its value as the variable has it.

    Raises:
        ParameterError: the value or the sign does not fit the variable.
    """
    value, sign = comparison.value, comparison.sign
    shown = f"'{comparison.variable} {sign} {value}'"
    if variable.kind == "words":
        if sign not in ("=", "!="):
            raise ParameterError(f"{shown}: words have no order; = or != is required")
        if not isinstance(value, str):
            raise ParameterError(f"{shown}: {variable.name} holds words; give one, in quotes")
        return comparison
    if variable.kind == "flag":
        if sign not in ("=", "!=") or str(value).lower() not in YES_OR_NO:
            raise ParameterError(f"{shown}: {variable.name} is yes or no; '= yes' is required")
        return replace(comparison, value=YES_OR_NO[str(value).lower()])
    if isinstance(value, str):
        raise ParameterError(
            f"{shown}: '{value}' is neither a number nor a threshold of the file; for a column of "
            f"words declare 'where: {variable.name}: {variable.column}, words'"
        )
    if variable.ranked and not 0 <= value <= 1:
        raise ParameterError(
            f"{shown}: a rank is a share, 0 % to 100 %; give the best tenth as 10 %"
        )
    return comparison


def read_columns(
    frame: pd.DataFrame,
    variables: Sequence[Variable],
    rules_currency: str | None = None,
    currency: str | None = None,
    rate: float | None = None,
) -> dict[str, np.ndarray]:
    """The arrays behind the names, checked; shape (n,) each.

    Args:
        frame: One row a customer.
        variables: What is needed.
        rules_currency: Of the thresholds.
        currency: Of the frame's amounts.
        rate: What one unit of ``currency`` is worth in ``rules_currency``; needed only
            where they differ.

    Returns:
        Numbers as float with nan where missing (yes is 1), words as objects with None.
        Converted amounts are rounded to the millionth, so that 7,100,000 at a rate of
        1/7.1 is a million and not a hair more.

    Raises:
        ParameterError: the currencies do not agree.
        DataError: a column is missing or does not hold what it is declared to; all
            faults at once.
    """
    factor = _factor(variables, rules_currency, currency, rate)
    faults: list[str] = []
    columns: dict[str, np.ndarray] = {}
    for variable in variables:
        series = _series(frame, variable.column)
        if series is None:
            known = [str(name) for name in frame.columns]
            faults.append(
                f"{variable.name}: no column '{variable.column}'"
                f"{did_you_mean(variable.column, known)}; the frame has {', '.join(known)}"
            )
            continue
        values, fault = _values(series, variable)
        if fault:
            faults.append(f"{variable.name}: column '{variable.column}' {fault}")
        elif variable.ranked:
            values = _rank_from_top(values)
        elif variable.money and factor != 1.0:
            values = (values * factor).round(6)
        columns[variable.name] = values
    if faults:
        raise DataError("tier rules: columns that the rules need", faults)
    return columns


def check_customers(frame: pd.DataFrame) -> pd.Series:
    """The customer ids as text.

    Raises:
        DataError: no customers, no ids, or one twice.
    """
    if "customer_id" not in frame:
        raise DataError("tier rules: column 'customer_id' is missing; one row a customer is needed")
    ids = frame["customer_id"].reset_index(drop=True)
    if ids.empty:
        raise DataError("tier rules: no customers; at least one is required")
    if ids.isna().any():
        raise DataError(f"tier rules: customer_id is empty in {int(ids.isna().sum()):,} rows")
    repeated = ids[ids.duplicated()]
    if len(repeated):
        raise DataError(
            f"tier rules: customer_id is repeated in {len(repeated):,} rows (first: "
            f"{shown_id(repeated.iloc[0])}); one row a customer is required"
        )
    return ids.astype("str")


def _series(frame: pd.DataFrame, column: str) -> pd.Series | None:
    if column in frame:
        return frame[column]
    unit = frame.attrs.get("unit")
    if column == "days_since_last" and unit and {"T", "recency"} <= set(frame.columns):
        # Rounded as in the scores: equal days reached by different fractions stay equal.
        return ((frame["T"] - frame["recency"]) * days_per(unit)).round(9)
    return None


def _values(series: pd.Series, variable: Variable) -> tuple[np.ndarray, str | None]:
    """The values, and what is wrong with them if anything is."""
    if variable.kind == "words":
        words = series.astype(object).where(series.notna(), None).to_numpy(object)
        wrong = sum(not isinstance(word, str) for word in words if word is not None)
        return words, f"is declared as words; {wrong:,} rows hold something else" if wrong else None
    if variable.kind == "flag":
        return _flags(series)
    if series.dtype == bool or not pd.api.types.is_numeric_dtype(series):
        return np.empty(0), (
            f"is {series.dtype}, not numbers; declare it in the file under where: "
            f"'{variable.name}: {variable.column}, yes or no' or '…, words'"
        )
    values = series.to_numpy(float, na_value=math.nan)
    known = ~np.isnan(values)
    checks = [
        (np.isinf(values), "not finite"),
        (known & (values < variable.low), f"below {variable.low:g}"),
        (known & (values > variable.high), f"above {variable.high:g}"),
    ]
    if variable.ranked:
        checks = checks[:1]
    if variable.kind == "whole":
        checks.append((known & (values != np.floor(values)), "no whole number"))
    for wrong_rows, what in checks:
        if wrong_rows.any():
            first = int(wrong_rows.argmax())
            return values, (
                f"is {what} in {int(wrong_rows.sum()):,} rows (first: row {first}, "
                f"{values[first]:g}); correct it, or declare under where what it can be"
            )
    return values, None


def _flags(series: pd.Series) -> tuple[np.ndarray, str | None]:
    if series.dtype.kind in "biuf" or str(series.dtype) in ("boolean", "Int64", "Float64"):
        values = series.to_numpy(float, na_value=math.nan)
    else:
        lowered = series.map(lambda cell: str(cell).strip().lower(), na_action="ignore")
        values = lowered.map(YES_OR_NO).to_numpy(float, na_value=math.nan).copy()
        values[(lowered.notna() & ~lowered.isin(list(YES_OR_NO))).to_numpy()] = -1.0
    wrong = ~np.isnan(values) & (values != 0) & (values != 1)
    return values, (
        f"is declared as yes or no; {int(wrong.sum()):,} rows hold something else"
        if wrong.any()
        else None
    )


def _rank_from_top(values: np.ndarray) -> np.ndarray:
    """Mid-rank among those that have a value, the highest nearest to 0."""
    known = ~np.isnan(values)
    ranks = np.full(len(values), math.nan)
    if known.any():
        ranks[known] = mid_rank(-values[known])
    return ranks


def _factor(
    variables: Sequence[Variable],
    rules_currency: str | None,
    currency: str | None,
    rate: float | None,
) -> float:
    amounts = [variable.name for variable in variables if variable.money]
    if not amounts:
        return 1.0
    named = ", ".join(amounts)
    if rules_currency is None:
        raise ParameterError(
            f"tier rules: {named} are amounts of money; say the currency of their thresholds in "
            "the file, such as 'currency: USD'"
        )
    if currency is None:
        raise ParameterError(
            f"tier rules: {named} are amounts, and their thresholds are in {rules_currency}; "
            f"say what the data are in, such as currency='{rules_currency}'"
        )
    if currency == rules_currency:
        if rate not in (None, 1, 1.0):
            raise ParameterError(f"rate={rate}: thresholds and data are both in {currency}")
        return 1.0
    if rate is None:
        raise ParameterError(
            f"tier rules: the thresholds of {named} are in {rules_currency}, the data in "
            f"{currency}; give rate=, what 1 {currency} is worth in {rules_currency}"
        )
    if isinstance(rate, bool) or not math.isfinite(rate) or rate <= 0:
        raise ParameterError(f"rate={rate} must be positive: what 1 {currency} is worth")
    return float(rate)
