import math

import pytest

from relkit.errors import ParameterError
from relkit.units import (
    check_annual_discount_rate,
    check_horizon,
    convert,
    days_per,
    discount_factor,
    periods_per_year,
)


def test_lengths_by_hand():
    assert [days_per(u) for u in ("day", "week", "month", "year")] == [1, 7, 30.4375, 365.25]
    assert periods_per_year("week") == pytest.approx(52.178571)
    assert convert(39, "week", "day") == 273


def test_one_year_at_ten_percent_is_one_eleventh_less_in_every_unit():
    for unit in ("day", "week", "month", "year"):
        assert discount_factor(periods_per_year(unit), unit, 0.10) == pytest.approx(1 / 1.1)
    assert discount_factor(5, "week", 0.0) == 1


@pytest.mark.parametrize("rate", [10, 1, -0.1, math.nan, math.inf, "0.1"])
def test_rates_that_are_none(rate):
    with pytest.raises(ParameterError, match=r"must be in \[0, 1\); give 10 % as 0.10"):
        check_annual_discount_rate(rate)


@pytest.mark.parametrize("horizon", [0, -1, math.nan, math.inf])
def test_horizons_that_are_none(horizon):
    with pytest.raises(ParameterError, match="positive, finite"):
        check_horizon(horizon)


def test_unknown_unit_has_a_hint():
    with pytest.raises(ParameterError, match="did you mean 'month'"):
        days_per("months")
