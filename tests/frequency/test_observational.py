"""Data without chance: right where everything is measured, a hypothesis in every case.

The planted truth: mean outcome by dose 5, 6 and 5.3, so that the middle dose is the best;
whoever buys more is contacted more, so that the groups as they are point to the highest.
"""

import importlib.util
import itertools

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.plan import Guardrail
from relkit.frequency.stopping_rule import GOES_ON, STOPS, UNKNOWN

TRUTH = np.array([5.0, 6.0, 5.3])
AFTER = "outcomes_after"
HAS_DOUBLEML = importlib.util.find_spec("doubleml") is not None


def customers(seed, n=1_000, hidden=False):
    rng = np.random.default_rng(seed)
    bought, unseen = rng.normal(size=n), rng.normal(size=n)
    drive = bought + unseen if hidden else bought
    dose = np.digitize(drive + 0.8 * rng.logistic(size=n), [-1, 1])
    value = TRUTH[dose] + 2 * drive + rng.normal(size=n)
    return pd.DataFrame({"dose": dose.astype(str), "value": value, "bought": bought})


def covers(effects):
    return (effects.low <= TRUTH - 5) & (effects.high >= TRUTH - 5)


def test_naive_figures_by_hand():
    frame = customers(1)
    found = rk.naive_dose_effects(frame, "dose", "value", ["bought"], stopping=AFTER)
    from scipy.stats import ttest_ind

    own = [frame.loc[frame["dose"] == g, "value"] for g in found.groups]
    interval = ttest_ind(own[2], own[0], equal_var=False).confidence_interval(0.95)
    assert found.difference[2] == pytest.approx(own[2].mean() - own[0].mean())
    assert (found.low[2], found.high[2]) == pytest.approx((interval.low, interval.high))
    assert found.low[0] == found.difference[0] == found.high[0] == 0
    gap = frame.loc[frame["dose"] == "2", "bought"].mean() - frame["bought"].mean()
    assert found.overlap.before[2, 0] == pytest.approx(gap / frame["bought"].std())
    assert not found.overlap.holds


# VanderWeele & Ding (2017): a risk ratio of 3.9 has the E-value 7.26, its end 1.8 has 3.0.
def test_e_values_as_published():
    from relkit.frequency.dose_overlap import e_value

    at = np.log([3.9, 1.8, 8.7]) / 0.91
    point, end = e_value(at[[0]], at[[1]], at[[2]], spread=1.0)
    assert point[0] == pytest.approx(7.26, abs=0.005)
    assert end[0] == pytest.approx(3.0, abs=0.005)
    mirrored, _ = e_value(-at[[0]], -at[[2]], -at[[1]], spread=1.0)
    assert mirrored == pytest.approx(point)
    assert e_value(np.array([1.0]), np.array([-1.0]), np.array([3.0]), 1.0)[1][0] == 1


def decided(sums, frame=None):
    """The whole rule on dose groups, with everything else as favourable as can be."""
    cadences = [Cadence("0"), *(Cadence(g, (Contact("message", "any", int(g)),)) for g in "12")]
    terms = rk.ValueTerms({sums.tiers[0]: 0.0}, 0.0, {("message", "any"): 0.001}, 26,
                          margin="value")  # fmt: skip
    return rk.read_frequency_experiment(
        sums, cadences, terms, [Guardrail("complaints", "ratio", 2.0)], rk.DecisionRule(10.0),
        "0", {"all": True}, randomised=False,
    ).decisions  # fmt: skip


def sums_of(frame):
    more = frame.assign(complaints=np.arange(len(frame)) % 7 == 0, retained=1.0)
    more["retained"] -= np.arange(len(frame)) % 2
    return rk.ArmSums.of_units(more.astype({"complaints": float}),
                               ["value", "complaints", "retained"], arm="dose")  # fmt: skip


@pytest.mark.parametrize("hidden", [False, True])
def test_naive_points_to_the_wrong_dose_and_no_run_ends_in_a_verdict(hidden):
    for seed in range(25):
        frame = customers(seed, hidden=hidden)
        found = rk.naive_dose_effects(frame, "dose", "value", stopping=AFTER)
        assert found.highest == "2"  # never the best one, which is 1
        assert (found.grade, found.hypothesis_only) == ("C", True)
        assert found.to_frame()["hypothesis_only"].all()
        (one,) = decided(sums_of(frame)).tiers
        assert (one.action, one.arm, one.grade) == ("no_verdict", None, "C")
        assert one.hypothesis_only
        assert one.reasons == ("observational",)


def test_nothing_makes_an_observation_more_than_a_hypothesis():
    found = rk.naive_dose_effects(customers(1), "dose", "value", stopping=AFTER)
    with pytest.raises((AttributeError, TypeError)):
        found.hypothesis_only = False
    with pytest.raises(TypeError):
        type(found)(hypothesis_only=False)


def test_effects_as_sums_have_their_means_and_errors():
    frame = customers(3)
    found = rk.naive_dose_effects(frame, "dose", "value", stopping=AFTER)
    means = rk.sums_of_effects([found]).means("value")
    np.testing.assert_allclose(means.mean[0], found.mean)
    np.testing.assert_allclose(means.standard_error[0], found.standard_error)
    with pytest.raises(DataError, match="value stands twice"):
        rk.sums_of_effects([found, found])


@pytest.mark.skipif(HAS_DOUBLEML, reason="doubleml is installed")
def test_without_doubleml_it_is_said_how_to_install_it():
    with pytest.raises(ParameterError, match=r"pip install 'relkit\[causal\]'"):
        rk.adjusted_dose_effects(customers(1), "dose", "value", ["bought"], stopping=AFTER)


def adjusted(seed, n, hidden=False):
    frame = customers(seed, n, hidden)
    return rk.adjusted_dose_effects(
        frame, "dose", "value", ["bought"], stopping=AFTER, seed=seed
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_adjusted_is_right_where_all_is_measured_and_wrong_where_not():
    pytest.importorskip("doubleml")
    for seed in range(6):
        right, wrong = adjusted(seed, 1_500), adjusted(seed, 1_500, hidden=True)
        assert right.highest == "1"
        assert right.overlap.unlike_after < right.overlap.unlike_before / 3
        assert wrong.overlap.unlike_after < 0.15  # nothing in the data tells that it is wrong
        assert not covers(wrong)[1:].any()
        for one in (right, wrong):
            assert (one.grade, one.hypothesis_only) == ("C", True)
            assert (one.robustness[1:] > 0).all()
    again = adjusted(5, 1_500)
    np.testing.assert_array_equal(again.mean, right.mean)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_adjusted_intervals_cover_as_often_as_they_say():
    pytest.importorskip("doubleml")
    runs = [adjusted(seed, 1_500) for seed in range(200)]
    assert np.mean([one.highest == "1" for one in runs]) >= 0.99
    hits = np.array([covers(one)[1:] for one in runs])
    assert 0.90 <= hits.mean() <= 0.98  # .92 with 174 seeds; .95 is nominal


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"treatment": "dos"}, "no column 'dos'; did you mean 'dose'"),
        ({"outcome": "dose"}, "'dose' stands twice"),
        ({"covariates": ["flat"]}, "'flat' is the same for all customers"),
        ({"covariates": ["holes"]}, "'holes' is empty or infinite in 1 rows"),
        ({"covariates": ["words"]}, "'words' is .*numbers are required"),
    ],
)
def test_faults_of_the_frame_are_said(changed, said):
    frame = customers(1).assign(flat=1.0, words="x", holes=1.0)
    frame.loc[3, "holes"] = np.nan
    given = {"treatment": "dose", "outcome": "value", "covariates": ()} | changed
    with pytest.raises(DataError, match=said):
        rk.naive_dose_effects(frame, stopping=AFTER, **given)


def test_customers_that_stand_twice_one_group_only_and_unknown_references():
    frame = customers(1, 100)
    with pytest.raises(DataError, match="1 customers stand more than once") as caught:
        rk.naive_dose_effects(
            frame.assign(customer_id=["anna@example.org", *range(98), 0]), "dose", "value",
            stopping=AFTER,
        )  # fmt: skip
    assert "anna" not in str(caught.value)
    with pytest.raises(DataError, match="there is one group only"):
        rk.naive_dose_effects(frame.assign(dose="a"), "dose", "value", stopping=AFTER)
    with pytest.raises(ParameterError, match="no group '9'"):
        rk.naive_dose_effects(frame, "dose", "value", stopping=AFTER, reference="9")
    with pytest.raises(ParameterError, match="outcomes_after"):
        rk.naive_dose_effects(frame, "dose", "value", stopping="yes")


def test_groups_of_doses_by_hand():
    doses = pd.Series([0, 0.5, 1.0, 1.9, 2.0, 7.0])
    groups = rk.dose_groups(doses, edges=[1, 2])
    assert list(groups.astype(str)) == ["0", "<1", "1-2", "1-2", ">=2", ">=2"]
    assert groups.cat.ordered
    quarters = rk.dose_groups(pd.Series(np.arange(101.0)))
    assert quarters.value_counts(sort=False).tolist() == [1, 25, 25, 25, 25]
    cadences = rk.observed_cadences(groups, doses, "message", "email")
    assert [one.per_month for one in cadences] == pytest.approx([0, 0.5, 1.45, 4.5])
    with pytest.raises(ParameterError, match="ascending numbers above 0"):
        rk.dose_groups(doses, edges=[2, 1])
    with pytest.raises(DataError, match="below 0 for 1 customers"):
        rk.dose_groups(pd.Series([-1.0, 2]))


YES, GIVES_UP, MOST = 0.045, 0.28, 11


def calls(seed, stop, people=1_000):
    """Everybody says yes with the same chance at each call, so that calls do nothing.

    Who has not said yes is given up with the chance GIVES_UP, and after MOST calls. With
    `stop` a yes ends them: of those called once YES ÷ (YES + (1 − YES)·GIVES_UP), or
    14.4 %, have said yes, of those called MOST times YES, 4.5 %: the bank's 14.6 and 3.9.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for person in range(people):
        for number in itertools.count(1):
            yes = rng.random() < YES
            rows.append((f"c{person}", number, yes))
            if (stop and yes) or rng.random() < GIVES_UP or number == MOST:
                break
    return pd.DataFrame(rows, columns=["customer_id", "occurred_at", "success"])


def test_contacts_that_stop_at_success_are_no_dose():
    contacts = calls(1, stop=True, people=6_000)
    found = rk.stopping_rule_test(contacts)
    assert (found.status, found.followed) == (STOPS, 0)
    assert found.refuses
    assert found.response[1].low < YES / (YES + (1 - YES) * GIVES_UP) < found.response[1].high
    assert found.response[MOST].low < YES < found.response[MOST].high
    assert found.response[MOST].high < found.response[1].low  # and yet no dose did anything
    each = contacts.groupby("customer_id")["success"].agg(["size", "max"])
    frame = pd.DataFrame({"calls": each["size"].clip(upper=3).astype(str),
                          "yes": each["max"].astype(float)})  # fmt: skip
    with pytest.raises(DataError, match="contacts stop at success: 0 of"):
        rk.naive_dose_effects(frame, "calls", "yes", stopping=found)
    with pytest.raises(DataError, match="contacts stop at success"):
        rk.adjusted_dose_effects(frame, "calls", "yes", ["yes"], stopping=found)


def test_contacts_that_go_on_raise_no_alarm():
    found = [rk.stopping_rule_test(calls(seed, stop=False)) for seed in range(12)]
    assert {one.status for one in found} == {GOES_ON}
    assert not any(one.refuses for one in found)
    # What is expected is what happened, within four standard errors of a count.
    for one in found:
        assert abs(one.followed - one.expected) < 4 * np.sqrt(one.expected)


def test_the_test_by_hand():
    # First contacts: 4 with success, of which 1 goes on; 4 without, of which 3 go on.
    rows = [(c, 1, c < 4) for c in range(8)] + [(c, 2, False) for c in (0, 4, 5, 6)]
    found = rk.stopping_rule_test(
        pd.DataFrame(rows, columns=["customer_id", "occurred_at", "success"])
    )
    assert (found.successes, found.followed, found.expected) == (4, 1, 3.0)
    # Hypergeometric: mean 2, variance 4·4·4·4 ÷ (8²·7) = 4/7; z = (1 − 2 + ½) ÷ √(4/7).
    from scipy.stats import norm

    assert found.p_value == pytest.approx(norm.cdf(-0.5 / np.sqrt(4 / 7)))
    assert found.response[1].value == pytest.approx(3 / 4)
    assert found.response[2].value == pytest.approx(1 / 4)


def test_where_the_order_is_not_known_an_effect_is_refused():
    found = rk.contacts_without_order(np.array([1, 1, 2, 3]), np.array([1, 0, 0, 0]))
    assert (found.status, found.refuses) == (UNKNOWN, True)
    assert found.response[1].value == 0.5
    with pytest.raises(DataError, match="not known whether contacts stopped at success"):
        rk.naive_dose_effects(customers(1), "dose", "value", stopping=found)
    with pytest.raises(DataError, match="whole numbers from 1"):
        rk.contacts_without_order(np.array([0, 1]), np.array([1, 0]))
    silent = pd.DataFrame({"customer_id": [1, 2], "occurred_at": [1, 1], "success": [False] * 2})
    assert rk.stopping_rule_test(silent).status == UNKNOWN
    with pytest.raises(DataError, match="no column 'success'"):
        rk.stopping_rule_test(silent.drop(columns="success"))
