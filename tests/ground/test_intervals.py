import pytest

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate, normal_quantile, wilson_interval


def test_wilson_reproduces_published_limits():
    # Newcombe (1998), Statistics in Medicine 17, Table I, method 3:
    # 81/263, 15/148, 0/20 and 1/29.
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = wilson_interval(successes, n)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_everyone_or_no_one_touches_the_end_exactly():
    assert wilson_interval(0, 5).low == 0
    assert wilson_interval(5, 5).high == 1


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_a_share_of_nothing_is_an_error(successes, n):
    with pytest.raises(DataError, match="is no share"):
        wilson_interval(successes, n)


def test_the_quantile_everyone_knows():
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    with pytest.raises(ParameterError, match="give 95 % as 0.95"):
        normal_quantile(95)


def test_an_estimate_lies_in_its_interval():
    with pytest.raises(DataError, match="must lie inside"):
        Estimate(3.0, 1.0, 2.0, n=5)
    assert Estimate(3.0, 1.0, 4.0, n=5).sign_is_clear
    assert not Estimate(3.0, -1.0, 4.0, n=5).sign_is_clear
