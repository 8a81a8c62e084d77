"""Guardrails as non-inferiority: statsmodels' score test, and error rates on known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.rates import test_poisson_2indep as poisson_score

from relkit.errors import ParameterError
from relkit.frequency.guardrails import check_guardrails
from relkit.frequency.plan import Guardrail
from relkit.frequency.sums import ArmSums

COMPLAINTS = Guardrail("complaints", "ratio", 1.10)


def poisson_sums(events, n):
    """Sums of counts whose variance within arms is, pooled, exactly their mean."""
    events, n = np.atleast_2d(np.asarray(events, float)), np.atleast_2d(np.asarray(n, float))
    pooled = events.sum(1, keepdims=True) / n.sum(1, keepdims=True)
    squares = (n - 1) * pooled + events**2 / n
    tiers, arms = tuple("ab"[: len(n)]), tuple("0123"[: n.shape[1]])
    zeros = np.zeros(n.shape)
    return ArmSums(
        ("complaints",), tiers, arms, n.astype(int), events[None], squares[None, None],
        zeros, zeros, zeros[None],
    )  # fmt: skip


def test_a_ratio_is_tested_as_statsmodels_does():
    events, n = [[100, 112, 80]], [[1000, 1100, 900]]
    found = check_guardrails(poisson_sums(events, n), [COMPLAINTS], "0")
    for arm in (1, 2):
        known = poisson_score(
            events[0][arm], n[0][arm], events[0][0], n[0][0], value=1.10,
            method="score", compare="ratio", alternative="smaller",
        )  # fmt: skip
        assert found.within[0, 0, arm] == pytest.approx(1 - known.pvalue, rel=1e-6)
        assert found.estimate[0, 0, arm] == pytest.approx(
            events[0][arm] / n[0][arm] / (events[0][0] / n[0][0])
        )
        # The ends of the interval are the ratios that a two-sided test just bears.
        for end in (found.low, found.high):
            at_end = poisson_score(
                events[0][arm], n[0][arm], events[0][0], n[0][0],
                value=end[0, 0, arm], method="score", compare="ratio",
            )  # fmt: skip
            assert at_end.pvalue == pytest.approx(0.05, abs=1e-5)


@pytest.mark.parametrize(
    ("events", "status"),
    [((1000, 900), "pass"), ((1000, 1300), "fail"), ((1000, 1050), "undecided"),
     ((5, 2), "undecided"),
     ((0, 0), "undecided"), ((0, 40), "fail"), ((40, 0), "pass")],
)  # fmt: skip
def test_three_answers(events, status):
    found = check_guardrails(poisson_sums([events], [[10_000, 10_000]]), [COMPLAINTS], "0")
    assert found.status[0, 0, 1] == status
    assert found.of_arm(0, 1) == status
    assert found.of_arm(0, 0) == "pass"
    if events == (0, 0):
        assert np.isnan(found.estimate[0, 0, 1])
        assert np.isnan(found.within[0, 0, 1])
    if events[0] == 0:
        assert found.high[0, 0, 1] == np.inf


def experiments(rng, count, n, ratio, heavy):
    """Each a tier of today's arm and another; complaints of few who complain often, if heavy."""
    rate = np.broadcast_to(0.1 * np.array([1.0, ratio])[:, None], (count, 2, n))
    complaints = rng.poisson(rate * rng.gamma(0.1, 10.0, rate.shape) if heavy else rate).astype(
        float
    )
    zeros = np.zeros((count, 2))
    return ArmSums(
        ("complaints",), tuple(map(str, range(count))), ("0", "1"), np.full((count, 2), n),
        complaints.sum(-1)[None], (complaints**2).sum(-1)[None, None], zeros, zeros, zeros[None],
    )  # fmt: skip


@pytest.mark.parametrize("heavy", [False, True])
def test_an_arm_at_the_margin_passes_in_five_of_hundred(heavy):
    rng = np.random.default_rng([7, heavy])
    found = check_guardrails(experiments(rng, 1_000, 3_000, 1.10, heavy), [COMPLAINTS], "0")
    error = np.sqrt(0.05 * 0.95 / 1_000)
    for status in ("pass", "fail"):
        share = (found.status[0, :, 1] == status).mean()
        assert share == pytest.approx(0.05, abs=3.5 * error)


def test_a_difference_is_held_by_its_normal_and_less_can_be_harm():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"arm": rng.choice(["0", "1"], 4_000)})
    frame["satisfaction"] = rng.normal(3.5, 1, 4_000) - 0.06 * (frame["arm"] == "1")
    frame["retained"] = (rng.random(4_000) < 0.8).astype(float)
    sums = ArmSums.of_units(frame, ["satisfaction", "retained"])
    rails = [Guardrail("satisfaction", "difference", -0.1), Guardrail("retained", "ratio", 0.95)]
    found = check_guardrails(sums, rails, "0")
    new, old = (frame.loc[frame["arm"] == arm, "satisfaction"] for arm in ("1", "0"))
    z = (new.mean() - old.mean() + 0.1) / np.hypot(new.sem(), old.sem())
    assert found.within[0, 0, 1] == pytest.approx(stats.norm.cdf(z), rel=1e-9)
    assert found.status[0, 0, 1] == "undecided"
    assert found.status[1, 0, 1] == "pass"
    assert found.of_arm(0, 1) == "undecided"
    # For a harm the same figures read the other way.
    worse = check_guardrails(poisson_sums([[1000, 1300]], [[10_000, 10_000]]),
                             [Guardrail("complaints", "difference", 0.01)], "0")  # fmt: skip
    assert worse.status[0, 0, 1] == "fail"


def test_today_may_differ_between_tiers():
    sums = poisson_sums([[1000, 1300], [1000, 1300]], [[10_000, 10_000]] * 2)
    found = check_guardrails(sums, [COMPLAINTS], {"a": "0", "b": "1"})
    assert found.of_arm(0, 1) == "fail"
    assert found.of_arm(1, 0) == "pass"
    assert len(found.to_frame()) == 2
    assert found.in_order(["1", "0"]).of_arm(0, 0) == "fail"


def test_what_is_wrong_is_said():
    sums = poisson_sums([[10, 12]], [[100, 100]])
    with pytest.raises(ParameterError, match="none was given"):
        check_guardrails(sums, [], "0")
    with pytest.raises(ParameterError, match="10 % more is 1.10"):
        check_guardrails(sums, [Guardrail("complaints", "ratio", 0.10)], "0")
    with pytest.raises(ParameterError, match="none of the arms"):
        check_guardrails(sums, [COMPLAINTS], "9")
    with pytest.raises(ParameterError, match="no metric 'unsubscribes'"):
        check_guardrails(sums, [Guardrail("unsubscribes", "ratio", 1.1)], "0")
