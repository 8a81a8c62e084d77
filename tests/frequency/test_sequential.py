"""Looking every week: 26 looks together raise no more false alarms than one may."""

import numpy as np
import pytest
from scipy import stats

from relkit.errors import DataError, ParameterError
from relkit.frequency.sequential import confidence_sequence

LOOKS = 26


def weekly(rng, runs, per_arm, skewed, shared):
    """Estimates and errors after each week of customers who differ from each other, (runs, K)."""
    shape = (runs, 2, per_arm)
    level = rng.gamma(1.0, shared, shape) if shared else np.zeros(shape)
    total = np.zeros(shape)
    d, s = np.empty((runs, LOOKS)), np.empty((runs, LOOKS))
    for week in range(LOOKS):
        noise = rng.gamma(0.5, 2.0, shape) if skewed else rng.normal(1, 1.4, shape)
        total += level + noise
        mean = total / (week + 1)
        d[:, week] = mean[:, 1].mean(-1) - mean[:, 0].mean(-1)
        s[:, week] = np.sqrt(mean.var(-1, ddof=1).sum(-1) / per_arm)
    return d, s


@pytest.mark.parametrize(("skewed", "shared"), [(False, 0), (True, 0), (True, 1.0)])
def test_26_looks_keep_the_level_where_naive_looks_do_not(skewed, shared):
    rng = np.random.default_rng(17)
    d, s = weekly(rng, 600, 300, skewed, shared)
    alarms = np.mean(
        [confidence_sequence(*one).first_clear is not None for one in zip(d, s, strict=True)]
    )
    naive = (np.abs(d / s) > 1.96).any(axis=1).mean()
    assert alarms <= 0.05
    assert naive > (0.15 if not shared else 0.05)


def test_an_effect_is_found_and_the_sequence_costs_little():
    rng = np.random.default_rng(2)
    error = 1 / np.sqrt(np.arange(1, LOOKS + 1))
    found = 0
    for _ in range(200):
        path = np.cumsum(rng.normal(1.0, 1, LOOKS)) / np.arange(1, LOOKS + 1)
        found += confidence_sequence(path, error).first_clear is not None
    assert found > 190
    last = confidence_sequence(np.zeros(LOOKS), error)
    # At the last look about half as wide again as an interval for one look only.
    assert 1.4 < last.high[-1] / (1.96 * error[-1]) < 1.6


def test_the_width_solves_the_mixtures_equation():
    # At the bound the mixture of likelihood ratios is exactly 1 / alpha; by numerical integral.
    seq = confidence_sequence(np.array([0.0]), np.array([0.3]), level=0.9, tuned_to=0.2)
    bound = seq.high[0]
    spread = 0.2 * np.sqrt(-2 * np.log(0.1) + np.log(-2 * np.log(0.1) + 1))
    effects = np.linspace(-12 * spread, 12 * spread, 200_001)
    ratio = np.exp((bound * effects - effects**2 / 2) / 0.3**2)
    mixed = np.sum(ratio * stats.norm.pdf(effects, 0, spread)) * (effects[1] - effects[0])
    assert mixed == pytest.approx(10.0, rel=1e-6)


@pytest.mark.parametrize(
    ("d", "s", "said"),
    [
        ([0.0], [0.0], "above 0"),
        ([0.0, 1.0], [1.0], "as many standard errors"),
        ([], [], "at least one"),
        ([np.nan], [1.0], "finite"),
    ],
)
def test_what_is_no_sequence(d, s, said):
    with pytest.raises(DataError, match=said):
        confidence_sequence(np.array(d), np.array(s))


def test_a_level_must_be_one():
    with pytest.raises(ParameterError, match="level=95"):
        confidence_sequence(np.zeros(1), np.ones(1), level=95)
