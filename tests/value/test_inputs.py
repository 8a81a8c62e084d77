"""Histories that cannot be: all faults at once, with their first rows."""

import math

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.privacy import Privacy, pseudonym, showing
from relkit.value.bgnbd import BGNBD, fit_bgnbd
from relkit.value.gamma_gamma import fit_gamma_gamma
from relkit.value.inputs import read_history, read_horizon, unique_rows

CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


def test_every_fault_is_named_with_its_first_rows():
    with pytest.raises(DataError) as caught:
        fit_bgnbd(
            frequency=[2, -1, 1.5, 0, math.nan, 3, math.inf, 1],
            recency=[9.0, 1.0, 1.0, 2.0, 1.0, -1.0, 1.0, 1.0],
            T=[5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, math.nan],
        )
    text = str(caught.value)
    assert text.startswith("customer histories: 8 faults in 8 customers")
    for line in (
        "recency is later than T in 1 rows (first: row 0: recency 9, T 5)",
        "frequency is negative in 1 rows (first: row 1: frequency -1)",
        "frequency is not a whole number in 1 rows (first: row 2: frequency 1.5)",
        "recency is above 0 without a repeat purchase in 1 rows (first: row 3: frequency 0, recen",
        "frequency is empty in 1 rows (first: row 4: frequency nan)",
        "recency is negative in 1 rows (first: row 5: recency -1)",
        "frequency is infinite in 1 rows (first: row 6: frequency inf)",
        "T is empty in 1 rows (first: row 7: T nan)",
    ):
        assert line in text


def test_customers_are_named_where_they_have_names():
    summary = pd.DataFrame(
        {
            "customer_id": ["00007", "00008", "00009", "00010", "00011"],
            "frequency": [1, 1, 1, 1, 1],
            "recency": [1.0, 6.0, 7.0, 8.0, 9.0],
            "T": [5.0] * 5,
        }
    )
    first = ".*".join(f"customer {pseudonym(each)}: " for each in ("00008", "00009", "00010"))
    with pytest.raises(DataError, match=rf"in 4 rows \(first: {first}") as e:
        CDNOW.probability_alive(summary)
    assert pseudonym("00011") not in str(e.value)
    assert "0000" not in str(e.value)
    with showing(Privacy(show_ids=True)), pytest.raises(DataError, match="first: customer 00008: "):
        CDNOW.probability_alive(summary)


def test_one_customer_as_numbers():
    with pytest.raises(DataError, match=r"recency is later than T: recency=9, T=5"):
        CDNOW.probability_alive(frequency=1, recency=9, T=5)


def test_an_id_is_no_frequency():
    with pytest.raises(DataError, match="frequency is above 10,000,000; is it another column"):
        fit_bgnbd(frequency=[4_000_000_000_123], recency=[1.0], T=[2.0])


def test_text_is_no_number():
    with pytest.raises(DataError, match=r"T is no number in 1 rows \(first: '12,5'\)"):
        CDNOW.probability_alive(frequency=[1, 2], recency=[1, 2], T=["12,5", "13"])


def test_a_missing_column_with_a_hint():
    summary = pd.DataFrame({"frequncy": [1], "recency": [1.0], "T": [2.0]})
    with pytest.raises(DataError, match="frequency is missing; did you mean 'frequncy'"):
        fit_bgnbd(summary)
    with pytest.raises(DataError, match="monetary_value is missing"):
        fit_gamma_gamma(pd.DataFrame({"frequency": [1]}))


def test_one_form_and_not_both():
    summary = pd.DataFrame({"frequency": [1], "recency": [1.0], "T": [2.0]})
    with pytest.raises(ParameterError, match="not both; found T too"):
        fit_bgnbd(summary, T=[2.0])
    with pytest.raises(ParameterError, match="recency, T is missing"):
        fit_bgnbd(frequency=[1])
    with pytest.raises(ParameterError, match="must be a pandas DataFrame, not list"):
        fit_bgnbd([1, 2, 3])
    with pytest.raises(ParameterError, match="frequency 2, recency 3, T 2"):
        fit_bgnbd(frequency=[1, 1], recency=[1, 1, 1], T=[2, 2])
    with pytest.raises(DataError, match="weights is negative in 1 rows"):
        fit_bgnbd(summary, weights=[-1])


def test_the_ends_are_fine():
    alive = CDNOW.probability_alive(frequency=[3, 3, 0], recency=[0.0, 7.0, 0.0], T=[7.0, 7.0, 0.0])
    assert 0 < alive[0] < alive[1] < 1 == alive[2]
    # A week more or less by rounding is no fault: 272 / 7 computed in two ways.
    rounded = np.nextafter(272 / 7, 100)
    assert CDNOW.probability_alive(frequency=2, recency=rounded, T=272 / 7) > 0.7


def test_nullable_and_integer_columns_are_read():
    summary = pd.DataFrame(
        {
            "frequency": pd.array([1, 2], dtype="Int64"),
            "recency": pd.array([1, 2], dtype="Float64"),
            "T": np.array([3, 4], dtype=np.int32),
        }
    )
    assert CDNOW.probability_alive(summary).shape == (2,)
    summary.loc[0, "frequency"] = pd.NA
    with pytest.raises(DataError, match="frequency is empty in 1 rows"):
        CDNOW.probability_alive(summary)


def test_unique_rows_are_sorted_and_lead_back():
    x, y = np.array([2.0, 1.0, 2.0, 2.0]), np.array([5.0, 9.0, 4.0, 5.0])
    (first, second), place = unique_rows(x, y)
    assert (first.tolist(), second.tolist()) == ([1, 2, 2], [9, 4, 5])
    assert (first[place].tolist(), second[place].tolist()) == (x.tolist(), y.tolist())
    (nothing,), place = unique_rows(np.array([]))
    assert len(nothing) == len(place) == 0


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"frequency": -1.0, "recency": 0.0}, "frequency is negative in 1 rows"),
        ({"frequency": 1.5}, "frequency is not a whole number in 1 rows"),
        ({"frequency": 2e7}, "frequency is above 10,000,000"),
        ({"frequency": np.nan}, "frequency is empty in 1 rows"),
        ({"frequency": np.inf}, "frequency is infinite in 1 rows"),
        ({"frequency": 0.0}, "recency is above 0 without a repeat purchase in 1 rows"),
        ({"recency": -1.0}, "recency is negative in 1 rows"),
        ({"recency": np.nan}, "recency is empty in 1 rows"),
        ({"recency": 31.0}, "recency is later than T in 1 rows"),
        ({"T": -1.0, "recency": 0.0, "frequency": 0.0}, "T is negative in 1 rows"),
        ({"T": np.nan}, "T is empty in 1 rows"),
        ({"T": np.inf}, "T is infinite in 1 rows"),
        ({"weights": -1.0}, "weights is negative in 1 rows"),
        ({"weights": np.nan}, "weights is empty in 1 rows"),
        ({"weights": np.inf}, "weights is infinite in 1 rows"),
    ],
)
def test_a_fault_alone_among_sound_rows(changed, match):
    columns = {"frequency": 3.0, "recency": 20.0, "T": 30.0, "weights": 1.0}
    rows = {name: np.full(50, value) for name, value in columns.items()}
    for name, value in changed.items():
        rows[name][17] = value
    with pytest.raises(DataError, match=match) as found:
        fit_bgnbd(**rows)
    assert "row 17" in str(found.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.Series(pd.to_timedelta([7, 14], unit="D")), "recency holds lengths of time"),
        (pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])), "recency holds times"),
        (np.array([1 + 2j, 3]), "recency holds complex numbers"),
    ],
)
def test_times_are_no_numbers_of_units(values, words):
    with pytest.raises(DataError, match=words):
        read_history(None, [1, 2], values, [20, 20])


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], [[1, 2], [3]], np.ones((2, 2))])
def test_one_column_is_required(values):
    with pytest.raises(ParameterError, match="recency must be one number a customer"):
        read_history(None, [1, 2], values, [20, 20])


def test_a_column_that_stands_twice_is_refused():
    frame = pd.DataFrame([[1, 2.0, 3.0, 4.0]], columns=["frequency", "recency", "T", "T"])
    with pytest.raises(DataError, match="column T stands there 2 times"):
        read_history(frame, None, None, None)


def test_a_number_in_an_array_is_a_horizon():
    assert read_horizon(np.array(39.0)) == 39
    with pytest.raises(ParameterError, match="must be one number"):
        read_horizon(np.array([39.0]))
