"""How many accounts a tier should hold: against the exact optimum, and what relabelling does."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.segments.relabelling import relabel_split
from relkit.segments.sizing import tier_size


def exact_optimum(net, hours, capacity):
    """HiGHS, branch and bound, on the same net values, hours and capacity; to 1e-6."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    found = milp(
        -np.asarray(net),
        constraints=LinearConstraint(np.asarray(hours)[None, :], ub=capacity),
        integrality=np.ones(len(net)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-6, "time_limit": 20},
    )
    assert found.status == 0, found.message
    return -found.fun


def planted(seed, accounts=120, lumps=False):
    """Accounts whose uplift is known; the most valuable gain least from more care."""
    random = np.random.default_rng(seed)
    clv = 60_000 * np.exp(random.normal(0, 0.9, accounts))
    rank = clv.argsort().argsort() / accounts
    uplift = np.clip(0.16 - 0.15 * rank**2 + random.normal(0, 0.04, accounts), -0.05, 0.4)
    hours = (
        random.choice([20, 40, 90, 160], accounts) if lumps else random.uniform(20, 60, accounts)
    )
    ids = [f"a{i:03d}" for i in range(accounts)]
    return ids, clv, uplift, hours.astype(float)


@pytest.mark.parametrize("lumps", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_exact_optimum_of_the_same_inputs(seed, share, lumps):
    ids, clv, uplift, hours = planted(seed, lumps=lumps)
    capacity = share * hours.sum()
    found = tier_size(ids, clv, uplift, hours, capacity, hour_cost=80)
    best = exact_optimum(clv * uplift - 80 * hours, hours, capacity)
    assert found.hours <= capacity * (1 + 1e-9)
    assert found.net == pytest.approx(best, rel=1e-5)
    assert found.upper_bound >= best * (1 - 1e-9)


@pytest.mark.parametrize("rounds", [40, pytest.param(600, marks=pytest.mark.slow)])
def test_the_optimum_holds_on_nasty_small_inputs(rounds):
    # Few accounts with hours that fit badly are where greedy choices are poorest.
    random = np.random.default_rng(8)
    worst = 1.0
    for _ in range(rounds):
        n = int(random.integers(2, 25))
        hours = random.choice([1.0, 3, 7, 20, 55, 100], n)
        clv = hours * random.uniform(80, 120, n) * random.choice([1, 1, 5], n)
        capacity = float(hours.sum() * random.uniform(0.1, 0.9))
        found = tier_size([f"a{i}" for i in range(n)], clv, 1.0, hours, capacity, 0.0)
        best = exact_optimum(clv, hours, capacity)
        worst = min(worst, found.net / best if best > 0 else 1.0)
    assert worst >= 1 - 1e-5


def test_value_less_cost_beats_value_alone():
    # F12: the same hours given to the most valuable accounts bring less, since those who
    # are worth most gain least. Several worlds, so that one draw proves nothing.
    gains = []
    for seed in range(8):
        ids, clv, uplift, hours = planted(seed, 400)
        capacity = 0.3 * hours.sum()
        found = tier_size(ids, clv, uplift, hours, capacity, hour_cost=80)
        by_value = np.argsort(-clv)
        fits = by_value[np.cumsum(hours[by_value]) <= capacity]
        gains.append(found.net / found.net_of([ids[i] for i in fits]))
    assert min(gains) > 1.1


def test_with_a_guessed_uplift_it_stays_between_value_alone_and_the_truth():
    # What is known of the uplift is a noisy estimate; the truth judges the choice.
    shares = []
    for seed in range(8):
        ids, clv, uplift, hours = planted(seed, 400)
        capacity = 0.3 * hours.sum()
        guessed = uplift + np.random.default_rng(90 + seed).normal(0, 0.04, 400)
        net = pd.Series(clv * uplift - 80 * hours, index=ids)
        found = tier_size(ids, clv, guessed, hours, capacity, hour_cost=80)
        chosen = found.to_frame().query("chosen")["customer_id"]
        oracle = tier_size(ids, clv, uplift, hours, capacity, hour_cost=80)
        by_value = np.argsort(-clv)
        fits = by_value[np.cumsum(hours[by_value]) <= capacity]
        shares.append((net.iloc[fits].sum() / oracle.net, net[chosen].sum() / oracle.net))
    by_clv, by_uplift = np.mean(shares, axis=0)
    assert by_clv < by_uplift < 1


def test_by_hand():
    # Net: a 100 − 20 = 80 in 2 h, b 50 − 10 = 40 in 1 h, c 9 − 10 = −1, d 60 − 30 = 30 in 3 h.
    found = tier_size(["a", "b", "c", "d"], [1000, 500, 90, 600], 0.1, [2, 1, 1, 3], 4, 10)
    frame = found.to_frame()
    assert frame["customer_id"].tolist() == ["a", "b", "d", "c"]
    assert frame["net"].tolist() == [80, 40, 30, -1]
    assert frame["chosen"].tolist() == [True, True, False, False]
    assert (found.size, found.hours, found.net) == (2, 3, 120)
    assert found.bound_by == "capacity"
    assert found.hour_worth == 10
    assert found.upper_bound == pytest.approx(130)  # the fourth hour at d's 10
    assert found.curve["net"].tolist() == [0, 80, 120, 150, 149]
    assert found.curve["feasible"].tolist() == [True, True, True, False, False]
    assert found.net_of(["a", "d"]) == 110


def test_hours_that_fit_badly_are_exchanged():
    # By value per hour a alone is taken (6 of 10 hours); b and c together bring more.
    found = tier_size(["a", "b", "c"], [66, 50, 50], 1.0, [6, 5, 5], 10, 0)
    assert found.to_frame().query("chosen")["customer_id"].tolist() == ["b", "c"]


def test_one_large_account_can_be_worth_more_than_many():
    found = tier_size(["small", "large"], [11, 100], 1.0, [1, 10], 10, 0)
    assert found.to_frame().query("chosen")["customer_id"].tolist() == ["large"]


def test_enough_hours_are_bound_by_value():
    found = tier_size(["a", "b"], [100, 1], 0.1, 1, 50, 5)
    assert (found.size, found.bound_by, found.hour_worth) == (1, "value", 0.0)
    assert found.net == found.upper_bound == 5


def test_no_hours_and_nobody_who_pays():
    assert tier_size(["a"], [100], 0.1, 1, 0, 5).size == 0
    none = tier_size(["a"], [100], 0.1, 1, 10, 50)
    assert (none.size, none.net, none.bound_by) == (0, 0.0, "value")


def test_row_order_and_ties_change_nothing():
    ids = list("dcba")
    found = tier_size(ids, 100, 0.1, 1, 2, 5).to_frame().query("chosen")["customer_id"].tolist()
    assert found == ["a", "b"]  # all alike: by their ids
    assert (
        tier_size(ids[::-1], 100, 0.1, 1, 2, 5).to_frame().query("chosen")["customer_id"].tolist()
        == found
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], 0.1, 1, 1, 1), DataError, "no accounts"),
        ((["a", "a"], 1, 0.1, 1, 1, 1), DataError, "repeated in 1 rows"),
        ((["a", "b"], [1, 2, 3], 0.1, 1, 1, 1), DataError, "clv: 3 values for 2 accounts"),
        ((["a"], np.nan, 0.1, 0, 1, 1), DataError, r"(?s)clv of 1 accounts.*hours of 1 accounts"),
        ((["a"], 1, -2, 1, 1, 1), DataError, "uplift of 1 accounts must be a share"),
        ((["a"], 1, 0.1, 1, -1, np.inf), ParameterError, r"(?s)capacity=-1.*hour_cost=inf"),
    ],
)
def test_what_cannot_be_sized(arguments, error, message):
    with pytest.raises(error, match=message):
        tier_size(*arguments)


def test_another_choice_must_be_among_the_accounts():
    found = tier_size(["a", "b"], 1, 0.1, 1, 1, 0)
    with pytest.raises(DataError, match="1 accounts were not sized and 1 stand twice"):
        found.net_of(["a", "a", "z"])


def revenue(amounts):
    return pd.DataFrame({"customer_id": list(amounts), "revenue": list(amounts.values())})


def test_dropping_thirty_five_of_a_hundred_and_twenty_cannot_raise_the_tier_by_itself():
    # F12, with nothing else changing: revenue falls, revenue per account rises.
    random = np.random.default_rng(1)
    amounts = {f"a{i:03d}": float(x) for i, x in enumerate(random.gamma(2, 500, 120).round(2))}
    kept = sorted(amounts, key=amounts.get)[35:]
    found = relabel_split(amounts, kept, revenue(amounts), revenue(amounts))
    assert (found.accounts_before, found.accounts_after) == (120, 85)
    assert found.like_for_like == 0
    assert found.relabelled == found.change < 0
    before, relabelled, after = found.means
    assert before < relabelled == pytest.approx(after)


@pytest.mark.parametrize("seed", range(30))
def test_the_split_is_exact_and_equals_plain_loops(seed):
    random = np.random.default_rng(seed)
    ids = [f"a{i}" for i in range(40)]
    one, two = (
        {i: round(float(x), 2) for i, x in zip(ids, random.gamma(1, 300, 40), strict=True)}
        for _ in range(2)
    )
    before = [i for i in ids if random.random() < 0.6] or ids[:1]
    after = [i for i in ids if random.random() < 0.5] or ids[:1]
    # An account that brought nothing has no row.
    found = relabel_split(
        before, after, revenue({i: one[i] for i in ids[3:]}), revenue({i: two[i] for i in ids[:-3]})
    )
    first = {i: Decimal(str(one[i])) if i in ids[3:] else Decimal(0) for i in ids}
    second = {i: Decimal(str(two[i])) if i in ids[:-3] else Decimal(0) for i in ids}
    expected = {
        "taken_out": -sum(first[i] for i in before if i not in after),
        "put_in": sum(first[i] for i in after if i not in before),
        "growth_of_kept": sum(second[i] - first[i] for i in before if i in after),
        "growth_of_put_in": sum(second[i] - first[i] for i in after if i not in before),
    }
    parts = {p: Decimal(str(a)) for p, a in found.to_frame()[["part", "amount"]].to_numpy()}
    assert parts == expected
    change = sum(second[i] for i in after) - sum(first[i] for i in before)
    assert Decimal(str(found.change)) == change == sum(expected.values())
    assert Decimal(str(found.relabelled)) + Decimal(str(found.like_for_like)) == change
    assert Decimal(str(found.revenue_after)) - Decimal(str(found.revenue_before)) == change


def test_taking_accounts_out_never_raises_the_tier_whatever_they_bring():
    random = np.random.default_rng(2)
    for _ in range(50):
        amounts = {f"a{i}": float(x) for i, x in enumerate(random.gamma(0.5, 100, 20).round(2))}
        kept = [i for i in amounts if random.random() < 0.7] or ["a0"]
        assert relabel_split(amounts, kept, revenue(amounts), revenue(amounts)).relabelled <= 0


def test_faults_of_the_lists():
    some = revenue({"a": 1.0})
    with pytest.raises(DataError, match="holds nobody on either day"):
        relabel_split([], [], some, some)
    with pytest.raises(DataError, match="1 accounts stand twice in the tier after"):
        relabel_split(["a"], ["a", "a"], some, some)
    with pytest.raises(DataError, match="revenue after: column revenue is missing"):
        relabel_split(["a"], ["a"], some, some[["customer_id"]])
    with pytest.raises(DataError, match="no mean"):
        _ = relabel_split(["a"], [], some, some).means
