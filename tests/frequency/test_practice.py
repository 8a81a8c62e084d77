"""Practice flags, response rates, contents and issues: by hand, by simulation, by other code."""

import math

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError, ParameterError
from relkit.frequency.practice_responses import clustered_share, design_effect


def tiers_of(rng, means, n=400, automated=0.5):
    """Sums over simulated customers: tier → mean contacts in six months."""
    rows = []
    for tier, mean in means.items():
        counts = rng.poisson(mean * rng.gamma(2, 0.5, n))
        own = rng.binomial(counts, automated)
        rows.append({
            "tier": tier, "customers": n, "contacted": int((counts > 0).sum()),
            "contacts": float(counts.sum()), "sum_contacts2": float((counts**2).sum()),
            "known": float(counts.sum()), "automated": float(own.sum()),
            "sum_automated2": float((own**2).sum()),
            "sum_automated_known": float((own * counts).sum()),
            "sum_known2": float((counts**2).sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def doses_of(cells):
    """(tier, low, high, customers, bought, complainers)."""
    columns = ["tier", "low", "high", "customers", "bought", "complainers"]
    return pd.DataFrame(cells, columns=columns)


ORDER = ["high", "mid", "low"]
CALM = doses_of(
    [(t, low, high, 200, 100, 4) for t in ORDER for low, high in [(0, 0), (0, 1), (1, 2)]]
)


def audit(tiers, doses=CALM, **options):
    return rk.audit_practice(tiers, doses, 6.0, ORDER, **options)


# F06: equal cadence in all tiers raises the flag; a healthy practice does not.
def test_equal_cadence_is_flagged_and_a_healthy_one_is_not():
    raised = {"equal": 0, "healthy": 0}
    for seed in range(40):
        rng = np.random.default_rng(seed)
        same = audit(tiers_of(rng, {"high": 12, "mid": 12, "low": 12}))["same_cadence"]
        healthy = audit(tiers_of(rng, {"high": 24, "mid": 8, "low": 2}))
        raised["equal"] += same.status == "raised"
        raised["healthy"] += healthy["same_cadence"].status != "clear"
        assert same.status != "clear"
        assert healthy["low_tier_most"].status == "clear"
    assert raised["equal"] >= 38
    assert raised["healthy"] == 0


def test_what_is_seen_of_each_tier_is_the_plain_mean():
    tiers = tiers_of(np.random.default_rng(5), {"high": 24, "mid": 8, "low": 2})
    shown = audit(tiers).tiers.set_index("tier")
    by_hand = tiers.set_index("tier").eval("contacts / customers / 6")
    assert shown["per_month"].to_dict() == pytest.approx(by_hand.to_dict())
    flag = audit(tiers)["same_cadence"]
    assert flag.estimate.value == pytest.approx(by_hand["high"] / by_hand["low"])
    assert (flag.tier, flag.other) == ("high", "low")


def test_a_low_tier_that_is_contacted_most_is_seen():
    tiers = tiers_of(np.random.default_rng(2), {"high": 6, "mid": 12, "low": 3})
    flag = audit(tiers)["low_tier_most"]
    assert (flag.status, flag.tier, flag.other) == ("raised", "mid", "high")
    assert flag.estimate.low > 1


@pytest.mark.parametrize(("share", "status"), [(0.95, "raised"), (0.4, "clear")])
def test_the_share_of_automated_contacts(share, status):
    tiers = tiers_of(np.random.default_rng(3), {"high": 24, "mid": 8, "low": 2}, automated=share)
    flag = audit(tiers)["over_automated"]
    assert flag.status == status
    assert flag.estimate.value == pytest.approx(tiers["automated"].sum() / tiers["known"].sum())
    unknown = tiers.assign(known=0.0, automated=0.0)
    flag = audit(unknown)["over_automated"]
    assert (flag.status, flag.estimate) == ("not_measured", None)
    assert audit(unknown).tiers["automated"].isna().all()


def test_more_contacts_with_more_complaints_are_described_and_flagged():
    tiers = tiers_of(np.random.default_rng(3), {"high": 24, "mid": 8, "low": 2})
    cells = [("high", 0, 0, 100, 10, 1), ("high", 0, 1, 500, 250, 10), ("high", 1, 2, 500, 250, 60)]
    found = audit(tiers, doses_of(cells))
    rows = found.care.set_index("outcome")
    assert rows.loc["complainers", "difference"] == pytest.approx(60 / 500 - 10 / 500)
    assert list(rows["status"]) == ["unclear", "worse"]
    assert found["frequency_as_care"].status == "raised"
    # Those who were not contacted at all are on neither side.
    assert found.doses["customers"].tolist() == [500] * 4
    better = [("high", 0, 1, 500, 100, 10), ("high", 1, 2, 500, 300, 10)]
    assert audit(tiers, doses_of(better))["frequency_as_care"].status == "clear"
    only = doses_of(better).drop(columns="complainers")
    assert audit(tiers, only)["frequency_as_care"].status == "not_measured"


def test_bounds_and_tiers_that_cannot_be():
    tiers = tiers_of(np.random.default_rng(3), {"high": 24, "mid": 8, "low": 2})
    with pytest.raises(ParameterError) as caught:
        rk.audit_practice(tiers, CALM, 6.0, ["high", "vip"], least_ratio=1, most_automated=80)
    assert len(caught.value.faults) == 5
    with pytest.raises(DataError, match="fewer than two tiers"):
        audit(tiers.assign(contacts=[5.0, 0.0, 0.0]))


# ---- responses -------------------------------------------------------------------


def sums(k, n):
    return (k.sum(), n.sum(), (k * k).sum(), (k * n).sum(), (n * n).sum())


def test_the_design_effect_is_that_of_the_ratio_estimator():
    rng = np.random.default_rng(7)
    n = rng.integers(1, 20, 3_000)
    k = rng.binomial(n, rng.beta(1, 3, 3_000))
    # Cochran's variance of a ratio, customer by customer.
    p = k.sum() / n.sum()
    variance = ((k - p * n) ** 2).sum() / n.sum() ** 2
    assert design_effect(*sums(k, n)) == pytest.approx(variance / (p * (1 - p) / n.sum()))
    # Customers who answer alike: about 1 + (mean size of a contact's group − 1) · correlation.
    assert design_effect(*sums(k, n)) == pytest.approx(
        1 + 0.2 * ((n**2).sum() / n.sum() - 1), rel=0.1
    )
    assert design_effect(*sums(n, n)) > 1


# P12: Wilson coverage >= .94, also where a customer's answers are alike.
@pytest.mark.parametrize("alike", [False, True])
def test_the_intervals_cover_the_true_rate(alike):
    rng = np.random.default_rng(11)
    inside, runs = 0, 1_500
    for _ in range(runs):
        n = rng.integers(1, 12, 150)
        p = rng.beta(0.6, 2.4, 150) if alike else 0.2
        k = rng.binomial(n, p)
        share = clustered_share(k.sum(), n.sum(), design_effect(*sums(k, n)))
        inside += share.low <= 0.2 <= share.high
    # Two standard errors of the simulation below .95.
    assert inside / runs >= 0.94 - 2 * math.sqrt(0.05 * 0.95 / runs)


def responses_of(rng, rates, customers=3_000):
    rows = []
    for value, rate in rates.items():
        n = rng.integers(1, 4, customers)
        k = rng.binomial(n, rate)
        names = ["answered", "contacts", "sum_answered2", "sum_answered_contacts", "sum_contacts2"]
        cells = dict(zip(names, map(float, sums(k, n)), strict=True))
        for response in ("interaction", "opened"):
            rows.append({"split": "content_type", "value": value, "response": response, **cells})
    return pd.DataFrame(rows)


# F17: content switched, interaction +22 %.
def test_the_planted_gain_of_a_content_lies_in_its_interval():
    inside, false = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rates = {"offer": 0.20, "news": 0.244, "story": 0.20, "tips": 0.20}
        found = rk.compare_contents(rk.response_rates(responses_of(rng, rates)), "offer")
        rows = found.contents.set_index("content_type")
        inside += rows.loc["news", "ratio_low"] <= 1.22 <= rows.loc["news", "ratio_high"]
        inside += rows.loc["news", "low"] <= 0.044 <= rows.loc["news", "high"]
        false += rows.loc[["story", "tips"], "status"].ne("unclear").any()
        assert found.hypothesis_only
    assert inside >= 2 * 56
    assert false <= 6  # of 60 worlds 5 % in truth, with 2 of 3 comparisons looked at


def independent(cells, response="interaction"):
    """One contact a customer: the design effect is 1."""
    return pd.DataFrame([
        {"split": "content_type", "value": v, "response": response, "contacts": float(n),
         "answered": k, "sum_answered2": k, "sum_answered_contacts": k, "sum_contacts2": n}
        for v, k, n in cells
    ])  # fmt: skip


def test_the_comparison_against_statsmodels():
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

    cells = [("offer", 40, 400), ("news", 60, 380), ("story", 35, 300)]
    rows = independent(cells)
    found = rk.compare_contents(rk.response_rates(rows), "offer", randomised=True)
    assert not found.hypothesis_only
    frame = found.to_frame().set_index("content_type")
    p = []
    for value, k, n in cells[1:]:
        low, high = confint_proportions_2indep(
            k, n, 40, 400, method="newcomb", compare="diff", alpha=0.025
        )
        assert (frame.loc[value, "low"], frame.loc[value, "high"]) == pytest.approx((low, high))
        p.append(proportions_ztest([k, 40], [n, 400])[1])
        assert frame.loc[value, "p_value"] == pytest.approx(p[-1])
    adjusted = multipletests(p, method="fdr_bh")[1]
    assert list(frame.loc[["news", "story"], "adjusted"]) == pytest.approx(list(adjusted))


def test_contents_that_few_open_should_change_their_form():
    rng = np.random.default_rng(1)
    cells = [("a", 20, 400), ("b", 84, 400), ("c", 160, 400)]
    rates = rk.response_rates(independent(cells, "opened"), low_open=0.2)
    assert dict(rates.contents[["content_type", "status"]].to_numpy()) == {
        "a": "change_form", "b": "unclear", "c": "fine",
    }  # fmt: skip
    with pytest.raises(ParameterError, match="low_open=20"):
        rk.response_rates(responses_of(rng, {"a": 0.05}), low_open=20)
    with pytest.raises(ParameterError, match="did you mean 'a'"):
        rk.compare_contents(rates, "aa", response="opened")
    with pytest.raises(DataError, match="is the only"):
        rk.compare_contents(rk.response_rates(responses_of(rng, {"a": 0.05})), "a")


# ---- issues ------------------------------------------------------------------------


def issues_of(rng, earlier, later):
    """One ticket a customer: {issue: expected tickets} in each half."""
    rows = []
    halves = {"earlier": earlier, "later": later}
    drawn = {h: {i: int(rng.poisson(m)) for i, m in half.items()} for h, half in halves.items()}
    for half, counts in drawn.items():
        total = sum(counts.values())
        rows += [
            {"issue": i, "half": half, "tickets": k, "all_tickets": total, "customers": k,
             "sum_issue2": k, "sum_issue_all": k, "sum_all2": total}
            for i, k in counts.items()
        ]  # fmt: skip
    months = [(i, m, 1) for i in earlier for m in ("2024-01", "2024-02")]
    by_month = pd.DataFrame(months, columns=["issue", "month", "tickets"])
    repeated = pd.DataFrame({"issue": list(earlier), "customers": 10, "repeated": 4})
    return pd.DataFrame(rows), by_month, repeated


# G16: everything doubles because the company grew, and no issue is flagged for it.
def test_growth_of_all_tickets_is_no_issue_and_growth_of_one_is():
    flagged, found = 0, 0
    base = {"login": 300, "invoice": 200, "delivery": 100}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        doubled = {name: 2 * mean for name, mean in base.items()}
        calm = rk.recurring_issues(*issues_of(rng, base, doubled))
        flagged += calm.issues["status"].ne("unclear").any()
        grown = rk.recurring_issues(*issues_of(rng, base, doubled | {"delivery": 400}))
        row = grown.issues.set_index("issue").loc["delivery"]
        found += row["status"] == "grows"
        assert calm.volume_ratio == pytest.approx(2, abs=0.4)
    assert flagged <= 11  # 5 % expected; 11 has a chance of .5 % with 100 worlds
    assert found >= 95


def test_recurring_means_every_month_and_a_share_of_the_tickets():
    rng = np.random.default_rng(0)
    periods, months, repeated = issues_of(
        rng, {"a": 300, "b": 300, "c": 20}, {"a": 300, "b": 300, "c": 20}
    )
    months = months[~((months["issue"] == "b") & (months["month"] == "2024-02"))]
    found = rk.recurring_issues(periods, months, repeated).issues.set_index("issue")
    assert found["recurring"].to_dict() == {"a": True, "b": False, "c": False}
    assert found.loc["a", "repeated_share"] == 0.4
    with pytest.raises(DataError, match="a half"):
        rk.recurring_issues(periods[periods["half"] == "later"], months, repeated)
