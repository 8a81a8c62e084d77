"""Contacts that fall by half by chance: exact sums against simulation and by hand."""

import math

import numpy as np
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.segments.contact_drop import false_alarm_rate


@pytest.mark.parametrize(("mean", "drop"), [(0.5, 0.5), (3, 0.5), (3, 0.3), (12, 0.5), (48, 0.25)])
def test_the_rate_is_what_simulated_customers_show(mean, drop):
    n, rng = 400_000, np.random.default_rng(1)
    before, after = rng.poisson(mean, n), rng.poisson(mean, n)
    some = before > 0
    share = (after[some] <= (1 - drop) * before[some] + 1e-9).mean()
    error = math.sqrt(share * (1 - share) / some.sum())
    assert false_alarm_rate(mean, drop) == pytest.approx(share, abs=4.5 * error)


def test_a_drop_to_nothing_by_hand():
    # All contacts gone: the second count is 0, whatever the first one was.
    assert false_alarm_rate(2.0, 1.0) == pytest.approx(math.exp(-2))


def test_the_table_of_volumes():
    table = rk.false_alarms().to_frame()
    assert table["contacts"].tolist() == [3, 6, 12, 24, 48]
    # 28 % at 3 a quarter and .1 % at 48: measured on simulated customers at one rate.
    assert table["false_alarm_rate"].iloc[0] == pytest.approx(0.28, abs=0.005)
    assert table["false_alarm_rate"].iloc[-1] == pytest.approx(0.001, abs=0.0005)
    assert table["comparable"].iloc[0] == pytest.approx(1 - math.exp(-3))


def test_customers_are_counted_at_the_volume_nearest_to_theirs():
    found = rk.false_alarms([3, 3, 5, 40, 0]).to_frame().set_index("contacts")
    assert found["customers"].to_dict() == {3: 2, 6: 1, 12: 0, 24: 0, 48: 1}
    at_three = false_alarm_rate(3) * (1 - math.exp(-3))
    assert found.loc[3, "expected_alarms"] == pytest.approx(2 * at_three)
    at_five = false_alarm_rate(5) * (1 - math.exp(-5))
    assert found.loc[6, "expected_alarms"] == pytest.approx(at_five)


def test_what_cannot_be_meant():
    for drop in (0, -1, 1.5):
        with pytest.raises(ParameterError, match="give a fall by half as 0.5"):
            false_alarm_rate(3, drop)
    for mean in (0, -1, math.inf, math.nan):
        with pytest.raises(ParameterError, match="must be positive"):
            false_alarm_rate(mean)
    for contacts in ([0, 0], [-1, 2], [math.nan], []):
        with pytest.raises(DataError, match="a finite number of at least 0"):
            rk.false_alarms(contacts)
