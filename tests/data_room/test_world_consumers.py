"""Consumers of the synthetic world against the law that each was drawn from."""

import math
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import relkit as rk
from relkit.data.world_consumers import (
    buying_multiplier,
    complaint_multiplier,
    leaving_multiplier,
    make_consumers,
)
from relkit.data.world_parameters import check_parameters

# As the world was specified: share, rate, drop-out, gamma of spend, best contacts a month.
LAWS = {
    "high": (0.08, (4, 16), 40, 450, 8),
    "growth": (0.27, (3, 30), 16, 350, 4 / 3),
    "standard": (0.40, (2, 50), 7, 200, 2 / 3),
    "occasional": (0.25, (1, 80), 4, 150, 1 / 3),
}
ARMS = np.array([0, 1 / 3, 1, 2, 4, 8])
BLOCK, BLOCKS = 10_000, 6
MONTH = 365.25 / 12 / 7
# One false alarm in some thousand checks would be luck, and seeds are fixed.
LIKELY, SIGMAS = 1e-4, 4.0


def consumers(kind, seed=5, blocks=BLOCKS, **options):
    world = check_parameters(
        BLOCK * blocks, seed, kind, options.get("weeks", 182), options.get("snapshot", 156),
        None, None, "2022-01-03", None, None,
    )  # fmt: skip
    made = [make_consumers(world, block) for block in range(blocks)]
    joined = {}
    for field in fields(made[0]):
        parts = [getattr(one, field.name) for one in made]
        if field.name == "buyer":
            parts = [part + BLOCK * i for i, part in enumerate(parts)]
        joined[field.name] = np.concatenate(parts)
    return SimpleNamespace(**joined)


@pytest.fixture(scope="module")
def full():
    return consumers("full")


@pytest.fixture(scope="module")
def flat():
    return consumers("flat", seed=6)


def agrees(sample, law):
    return stats.kstest(sample, law.cdf).pvalue > LIKELY


@pytest.mark.parametrize("place", range(4))
def test_each_class_has_its_rates_drop_out_and_spend(full, place):
    share, (shape, rate), drop_b, gamma, _ = list(LAWS.values())[place]
    here = full.group == place
    n = len(here)
    assert abs(here.mean() - share) < SIGMAS * math.sqrt(share * (1 - share) / n)
    assert agrees(full.rate[here], stats.gamma(shape, scale=1 / rate))
    assert agrees(full.drop_chance[here], stats.beta(1, drop_b))
    # Gamma(6, v) with v ~ Gamma(4, rate g) is g times a beta prime (6, 4): mean 2 g.
    first = np.r_[True, full.buyer[1:] != full.buyer[:-1]]
    amounts = full.amount[first][here[full.buyer[first]]]
    assert agrees(amounts, stats.betaprime(6, 4, scale=gamma))
    se = amounts.std() / math.sqrt(len(amounts))
    assert abs(amounts.mean() - 2 * gamma) < SIGMAS * se
    ratio = full.amount / full.mean_spend[full.buyer]
    assert agrees(ratio[first], stats.gamma(6, scale=1 / 6))


def test_the_laws_can_be_told_apart(full):
    here = full.group == 1
    assert not agrees(full.rate[here], stats.gamma(3, scale=1 / 31))
    assert not agrees(full.drop_chance[here], stats.beta(1, 15))


def test_what_contacts_do_by_hand():
    u = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 100.0])
    # 2u - u^2 is 0, 1, 0, -3, and never below -6; divided by its value at 1.
    assert buying_multiplier(u) == pytest.approx(np.exp([-0.2, 0, -0.2, -0.8, -1.4, -1.4]))
    # ln(1 + u) - ln 2 is -ln 2 at 0, 0 at 1, ln 2 at 3, ln 3 at 5.
    ln2, ln3 = 0.69314718056, 1.09861228867
    wanted = [math.exp(0.8 * ln2**2), 1, math.exp(0.8 * ln2**2), math.exp(0.8 * ln3**2)]
    assert leaving_multiplier(u[[0, 1, 3, 4]]) == pytest.approx(wanted)
    wanted = np.exp([0, 0, 0.35, 0.7, 1.4, 2.1])
    assert complaint_multiplier(u) == pytest.approx(wanted)


def test_arrivals(full):
    early = full.first_at < 156
    assert abs(early.mean() - 0.93) < SIGMAS * math.sqrt(0.93 * 0.07 / len(early))
    assert agrees(full.first_at[early], stats.uniform(0, 156))
    assert agrees(full.first_at[~early], stats.uniform(156, 26))


def phases(people):
    before = np.maximum(143 - people.first_at, 0)
    return before, 182 - np.maximum(people.first_at, 143)


def stated_dose(people, kind):
    if kind == "flat":
        return np.ones_like(people.rate), np.ones_like(people.rate)
    best = np.array([law[4] for law in LAWS.values()])[people.group]
    return people.history_per_month / best, ARMS[people.arm] / best


def buying_chances(people, dose):
    """Per phase: rate, and chance to leave after a purchase, from the stated formulas."""
    out = []
    for u in dose:
        rate = people.rate * np.exp(0.20 * np.maximum(2 * u - u**2, -6)) / math.exp(0.20)
        leave = people.drop_chance * np.exp(0.8 * (np.log(1 + u) - math.log(2)) ** 2)
        out.append((rate, np.minimum(leave, 1)))
    return out


def expected(people, dose):
    """Repeat purchases in each phase and the chance to have left, given each one's rates.

    A purchase ends the customer's life with chance p, so the time to leaving is
    exponential with rate lambda p, and E[purchases in L] = (1 - exp(-lambda p L)) / p.
    """
    (rate1, leave1), (rate2, leave2) = buying_chances(people, dose)
    length1, length2 = phases(people)
    stays1 = np.exp(-rate1 * leave1 * length1)
    stays2 = np.exp(-rate2 * leave2 * length2)
    return (1 - stays1) / leave1, stays1 * (1 - stays2) / leave2, 1 - stays1 * stays2


def counted(people):
    repeat = np.r_[False, people.buyer[1:] == people.buyer[:-1]]
    early = people.bought_at < 143
    n = len(people.rate)
    return (
        np.bincount(people.buyer[repeat & early], minlength=n),
        np.bincount(people.buyer[repeat & ~early], minlength=n),
        np.isfinite(people.left_at).astype(float),
    )


def surprise(seen, wanted, where):
    """How many standard errors the mean of seen lies from that of wanted."""
    gap = (seen - wanted)[where]
    return abs(gap.mean()) / (gap.std() / math.sqrt(len(gap)))


@pytest.mark.parametrize("kind", ["full", "flat"])
def test_buying_and_leaving_follow_the_dose_of_each_arm_exactly(request, kind):
    people = request.getfixturevalue(kind)
    wanted = expected(people, stated_dose(people, kind))
    for seen, law in zip(counted(people), wanted, strict=True):
        for place in range(4):
            for arm in range(6):
                where = (people.group == place) & (people.arm == arm)
                assert surprise(seen, law, where) < SIGMAS


def test_the_wrong_dose_would_be_noticed(full, flat):
    unmoved = expected(full, stated_dose(full, "flat"))
    many = (full.group == 2) & (full.arm == 5)
    assert surprise(counted(full)[1], unmoved[1], many) > 10
    assert surprise(counted(full)[2], unmoved[2], many) > 8
    moved = expected(flat, stated_dose(flat, "full"))
    assert surprise(counted(flat)[1], moved[1], (flat.group == 2) & (flat.arm == 5)) > 10


def test_nobody_buys_after_leaving_and_leaving_is_a_purchase(full):
    last = np.r_[full.buyer[1:] != full.buyer[:-1], True]
    assert (full.buyer[last] == np.arange(len(full.rate))).all()
    left = np.isfinite(full.left_at)
    assert (full.bought_at[last][left] == full.left_at[left]).all()
    assert (full.left_at > full.first_at).all()  # only a repeat purchase can be the last
    assert (np.diff(full.bought_at)[np.diff(full.buyer) == 0] >= 0).all()
    assert full.bought_at.max() < 182


def test_purchase_times_are_even_in_the_flat_world(flat):
    # Given that somebody never leaves, a Poisson process is uniform over their stay.
    stays = ~np.isfinite(flat.left_at) & (flat.drop_chance < 0.01)
    repeat = np.r_[False, flat.buyer[1:] == flat.buyer[:-1]] & stays[flat.buyer]
    who = flat.buyer[repeat]
    share = (flat.bought_at[repeat] - flat.first_at[who]) / (182 - flat.first_at[who])
    assert agrees(share, stats.uniform())


@pytest.mark.parametrize("kind", ["full", "flat"])
def test_history_is_confounded_and_the_arms_are_not(request, kind):
    people = request.getfixturevalue(kind)
    habit = np.log(people.history_per_month / (1.5 * np.sqrt(people.rate / 0.06)))
    assert agrees(habit, stats.norm(0, 0.35))
    assert stats.spearmanr(people.history_per_month, people.rate)[0] > 0.5
    for known in (people.rate, people.drop_chance, people.mean_spend, people.history_per_month):
        assert stats.kruskal(*[known[people.arm == arm] for arm in range(6)]).pvalue > LIKELY


def test_arms_are_even_in_every_class(full):
    for block in range(BLOCKS):
        here = slice(block * BLOCK, (block + 1) * BLOCK)
        for place in range(4):
            sizes = np.bincount(full.arm[here][full.group[here] == place], minlength=6)
            assert np.ptp(sizes) <= 1


@pytest.fixture(scope="module", params=["full", "flat"])
def world(request):
    return request.param, rk.simulate_world(
        30_000, seed=8, kind=request.param, faults=None, accounts=0
    )


def weeks_of(times):
    return ((times - np.datetime64("2022-01-03")) / np.timedelta64(7, "D")).to_numpy(float)


def test_touches_come_by_habit_then_by_plan(world):
    _, made = world
    truth = made.truth["consumers"].set_index("customer_id")
    touches = made.tables["touches"]
    when = weeks_of(touches["occurred_at"])
    first = weeks_of(truth["first_at"])
    asked = touches[touches["unsubscribed"].fillna(False).to_numpy(bool)]
    assert not asked["customer_id"].duplicated().any()
    stop = pd.Series(weeks_of(asked["occurred_at"]), asked["customer_id"])
    stop = stop.reindex(truth.index, fill_value=182.0).to_numpy()
    last = touches.assign(when=when).groupby("customer_id")["when"].max()
    assert (last <= pd.Series(stop, truth.index).reindex(last.index)).all()
    early = touches["customer_id"][when < 143].value_counts().reindex(truth.index, fill_value=0)
    late = touches["customer_id"][when >= 143].value_counts().reindex(truth.index, fill_value=0)
    planned = (
        truth["history_per_month"].to_numpy() * np.maximum(np.minimum(143, stop) - first, 0) / MONTH
    )
    assert surprise(early.to_numpy(), planned, planned > 0) < SIGMAS
    spread = ((early - planned) ** 2 / planned)[planned > 5]
    assert spread.mean() == pytest.approx(1, abs=0.05)  # Poisson
    planned = (
        truth["arm_per_month"].to_numpy() * np.maximum(stop - np.maximum(first, 143), 0) / MONTH
    )
    assert (np.abs(late - planned) < 1 + 1e-6).all()
    habit = early[first < 130] / (np.minimum(143, stop) - first)[first < 130]
    rate = truth["purchase_rate"][first < 130]
    assert stats.spearmanr(habit, rate)[0] > 0.35
    lean = stats.spearmanr(truth["arm_per_month"], truth["purchase_rate"])[0]
    assert abs(lean) < SIGMAS / math.sqrt(len(late))


def test_complaints_follow_the_dose(world):
    kind, made = world
    truth = made.truth["consumers"]
    end = np.nan_to_num(weeks_of(truth["left_at"]), nan=182)
    first = weeks_of(truth["first_at"])
    tickets = made.tables["tickets"].query("kind == 'complaint'")
    when = weeks_of(tickets["opened_at"])
    best = truth["class"].map({name: law[4] for name, law in LAWS.items()})
    for early, per_month, begin, until in (
        (True, truth["history_per_month"], first, np.minimum(end, 143)),
        (False, truth["arm_per_month"], np.maximum(first, 143), end),
    ):
        u = np.ones(len(truth)) if kind == "flat" else (per_month / best).to_numpy()
        exposure = np.maximum(until - begin, 0)
        rate = 0.004 * np.exp(0.35 * np.clip(u - 1, 0, 6))
        who = tickets["customer_id"][(when < 143) == early]
        seen = who.value_counts().reindex(truth["customer_id"], fill_value=0).to_numpy()
        for group in LAWS:
            where = (truth["class"] == group).to_numpy()
            wanted = (rate * exposure)[where].sum()
            assert abs(seen[where].sum() - wanted) < SIGMAS * math.sqrt(wanted)
        if kind == "full" and not early:
            plain = 0.004 * exposure
            tired = u > 5
            assert seen[tired].sum() - plain[tired].sum() > 8 * math.sqrt(plain[tired].sum())


def test_answers_to_contacts_do_not_depend_on_the_dose_in_the_flat_world(world):
    kind, made = world
    truth = made.truth["consumers"].set_index("customer_id")
    touches = made.tables["touches"]
    touches = touches[touches["channel"] != "phone"]
    left = truth["left_at"].reindex(touches["customer_id"]).to_numpy()
    there = touches["delivered"].to_numpy(bool) & ~(left < touches["occurred_at"].to_numpy())
    contents = made.truth["contents"].set_index("name")
    for name, row in contents.iterrows():
        here = there & (touches["content_type"] == name).to_numpy()
        opened = touches["opened"].to_numpy(bool)[here]
        assert opened.mean() == pytest.approx(row["opened"], abs=SIGMAS * 0.5 / len(opened) ** 0.5)
    arm = truth["arm_per_month"].reindex(touches["customer_id"]).to_numpy()
    late = there & (touches["occurred_at"] >= "2024-09-30").to_numpy()
    unsubscribed = touches["unsubscribed"].to_numpy(bool)
    table = [
        [unsubscribed[late & (arm == a)].sum(), (~unsubscribed[late & (arm == a)]).sum()]
        for a in sorted(set(arm[late]))
    ]
    p_value = stats.chi2_contingency(table).pvalue
    assert p_value > LIKELY if kind == "flat" else p_value < 1e-6


def test_delivered_is_needed_for_any_response(world):
    touches = world[1].tables["touches"]
    for flag in ("opened", "clicked", "replied", "unsubscribed"):
        assert not (touches[flag].fillna(False) & ~touches["delivered"]).any()
    assert not (touches["clicked"].fillna(False) & ~touches["opened"].fillna(False)).any()


def test_the_pure_world_gives_its_parameters_back():
    world = rk.simulate_world(20_000, seed=11, kind="pure", faults=None)
    assert set(world.tables) == {"transactions", "customers"}
    summary = rk.rfm_summary(
        world.tables["transactions"], as_of=world.as_of, unit="week", grain="exact"
    )
    fit = rk.fit_bgnbd(summary)
    for name, true in (("r", 0.9), ("alpha", 9), ("a", 0.8), ("b", 2.5)):
        off = getattr(fit.params, name) - true
        assert abs(off) < 3 * getattr(fit.standard_errors, name)
    spend = rk.fit_gamma_gamma(summary)
    for found, true, se in zip(spend.params, (6, 4, 350), spend.standard_errors, strict=True):
        assert abs(found - true) < 3 * se


def test_the_pure_world_holds_nothing_else():
    people = consumers("pure", blocks=2)
    assert agrees(people.rate, stats.gamma(0.9, scale=1 / 9))
    assert agrees(people.drop_chance, stats.beta(0.8, 2.5))
    assert (people.dose == 1).all()
