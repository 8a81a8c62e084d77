"""Questions that put tables and studies together: what they refuse, and sums by hand."""

import pandas as pd
import pytest

from relkit.errors import DataError, FitError, ParameterError
from relkit.studies import movement, validation

DAYS = pd.date_range("2024-01-01", periods=60, freq="7D")


def transactions(every=3, customers=40):
    """Customer i buys every (i mod ``every``) + 1 weeks, each time for 10, and leaves at week i."""
    rows = [
        (f"c{i}", day, 10.0)
        for i in range(customers)
        for week, day in enumerate(DAYS)
        if week <= i + 8 and week % (i % every + 1) == 0
    ]
    return pd.DataFrame(rows, columns=["customer_id", "occurred_at", "amount"])


def test_refunds_as_a_share_of_purchases():
    rows = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b"],
            "occurred_at": DAYS[:4],
            "amount": [60.0, -5.0, 40.0, -2.0],
        }
    )
    assert movement.refund_share(rows) == pytest.approx(0.07)
    assert movement.refund_share(rows[rows["amount"] > 0]) == 0
    with pytest.raises(DataError, match="refunds of 7.00 stand against purchases of 0"):
        movement.refund_share(rows[rows["amount"] < 0])


@pytest.mark.parametrize("day", ["2023-06-01", "2024-01-01", "2025-02-16", "2030-01-01"])
def test_a_day_of_comparison_lies_inside_the_data(day):
    class Fit:
        unit = "week"

    with pytest.raises(ParameterError) as caught:
        movement.value_since(
            transactions(), Fit(), None, compare_to=day, as_of="2025-02-16", horizon=52,
            annual_discount_rate=0.1,
        )  # fmt: skip
    said = str(caught.value)
    assert said.startswith(f"compare_to={day} must lie after the first purchase, 2024-01-01,")
    assert "before as_of=2025-02-16; choose a day in between, like their middle, 2024-07-25" in said


def test_there_is_time_to_learn_from():
    with pytest.raises(ParameterError, match="calibration_end=2024-01-01 is the first day with"):
        validation.validate_holdout(
            transactions(), calibration_end="2024-01-01", as_of="2025-02-16", unit="week"
        )


def test_a_test_that_fails_says_that_it_is_about_a_part(monkeypatch):
    def fails(*_, **__):
        raise FitError("Gamma-Gamma: no maximum found", ["look for outlying amounts"])

    monkeypatch.setattr(validation, "assess_holdout", fails)
    # Both models hold on this part, so that the report cannot blame them.
    with pytest.raises(FitError) as caught:
        validation.try_holdout(
            transactions(), calibration_end="2024-09-30", as_of="2025-02-16", unit="week"
        )
    assert str(caught.value).splitlines() == [
        "test on unseen time, fitted on the days up to calibration_end=2024-09-30 alone: "
        "Gamma-Gamma: no maximum found",
        "  - look for outlying amounts",
        "  - a later calibration_end gives the test more to learn from",
    ]


def test_too_little_to_learn_from_is_a_status():
    few = transactions(customers=9)
    found = validation.try_holdout(
        few, calibration_end="2024-02-15", as_of="2024-12-31", unit="week"
    )
    assert found == validation.Untested(pd.Timestamp("2024-02-15").date(), "too few repeaters")
