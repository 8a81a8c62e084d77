"""Cohorts by first purchase, from a summary and from transactions."""

import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.studies.cohorts import acquisition_cohorts

BORN = pd.to_datetime(
    ["1997-01-01 10:30", "1997-03-31 23:59:59", "1997-04-01", "1996-12-31", "1998-01-05"],
    format="ISO8601",
)


@pytest.mark.parametrize(
    ("period", "names"),
    [
        ("year", ["1997", "1997", "1997", "1996", "1998"]),
        ("quarter", ["1997-Q1", "1997-Q1", "1997-Q2", "1996-Q4", "1998-Q1"]),
        ("month", ["1997-01", "1997-03", "1997-04", "1996-12", "1998-01"]),
        ("week", ["1996-12-30", "1997-03-31", "1997-03-31", "1996-12-30", "1998-01-05"]),
    ],
)
def test_cohorts_by_the_calendar(period, names):
    assert list(acquisition_cohorts(pd.DataFrame({"first_at": BORN}), period)) == names


def test_cohorts_are_those_of_the_wall_clock():
    there = BORN.tz_localize("Asia/Shanghai")
    names = list(acquisition_cohorts(pd.DataFrame({"first_at": BORN}), "month"))
    assert list(acquisition_cohorts(pd.DataFrame({"first_at": there}), "month")) == names


def test_what_is_refused():
    with pytest.raises(DataError, match="first_at is no time in 1 rows .first: 'x'."):
        acquisition_cohorts(pd.DataFrame({"first_at": ["1997-01-01", "x"]}))
    with pytest.raises(ParameterError, match="did you mean 'quarter'"):
        acquisition_cohorts(pd.DataFrame({"first_at": BORN}), "quater")
    with pytest.raises(DataError, match="no column first_at"):
        acquisition_cohorts(pd.DataFrame({"frequency": [1]}))
    with pytest.raises(ParameterError, match="transactions need as_of"):
        rk.cohort_stationarity(pd.DataFrame({"customer_id": ["a"]}))
    with pytest.raises(ParameterError, match="as_of=1998-06-30 is for transactions"):
        rk.cohort_stationarity(pd.DataFrame({"frequency": [1]}), as_of="1998-06-30")


def test_cdnow_by_month_from_transactions_and_from_their_summary():
    source = rk.open_source("params/sources/cdnow.yaml")
    summary = rk.rfm_summary(source.transactions, as_of=source.as_of, unit="week")
    found = rk.cohort_stationarity(summary, period="month", horizon=39)
    table = found.to_frame()
    # All of CDNOW's customers came in the first quarter of 1997.
    assert list(table["cohort"]) == ["1997-01", "1997-02", "1997-03"]
    assert table["customers"].sum() == 23_570
    assert found.verdict in ("stationary", "drift", "drift without consequence")
    again = rk.cohort_stationarity(
        source.transactions, period="month", as_of=source.as_of, horizon=39
    )
    assert again.p_value == pytest.approx(found.p_value, rel=1e-6)
    assert again.verdict == found.verdict
    one = rk.cohort_stationarity(summary, period="quarter")
    assert (one.verdict, one.cohorts) == ("not measurable", 1)
