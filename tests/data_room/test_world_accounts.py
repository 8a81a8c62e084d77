"""Accounts of the synthetic world: hazards, signs of leaving, activity, satisfaction."""

import math
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import relkit as rk
from relkit.data.world_accounts import CAUSES, interactions, logins, make_accounts
from relkit.data.world_parameters import check_parameters

# As the world was specified, in the order service, price, owner left, product gap, fatigue.
BASE = [0.0016 * 0.484, 0.0014 * 0.484, 0.0010 * 0.484, 0.0010 * 0.484, 0.0006 * 0.484]
THETA = [0.9, 1.1, 1.6, 1.0, 0.7]
LIKELY, SIGMAS = 1e-4, 4.0
WEEKS, BLOCK, BLOCKS = 182, 1_000, 10


def parameters(kind="full"):
    return check_parameters(
        10, 21, kind, WEEKS, 156, None, BLOCK * BLOCKS, "2022-01-03", None, None
    )


def joined(made):
    whole = {}
    for field in fields(made[0]):
        if field.name not in ("owner", "seat"):
            whole[field.name] = np.concatenate([getattr(one, field.name) for one in made])
    whole["owner"] = np.concatenate([one.owner[one.seat] for one in made])
    return SimpleNamespace(**whole)


@pytest.fixture(scope="module")
def blocks():
    return [make_accounts(parameters(), block) for block in range(BLOCKS)]


@pytest.fixture(scope="module")
def accounts(blocks):
    return joined(blocks)


def hazards(accounts):
    """Each cause's hazard in each week, week by week from the stated formula."""
    n = len(accounts.size)
    out = np.zeros((WEEKS, n, 5))
    last_change = np.full(n, -1000)
    for week in range(1, WEEKS):
        changed = accounts.owner[:, week] != accounts.owner[:, week - 1]
        last_change[changed] = week
        felt = (week - last_change < 26) & (last_change > accounts.start_at)
        for cause in range(5):
            z = felt.astype(float) if CAUSES[cause] == "owner left" else accounts.cause_z[:, cause]
            out[week, :, cause] = BASE[cause] * np.exp(THETA[cause] * z)
    out[0] = out[1]
    out[0, :, 2] = BASE[2]
    return out


def test_decisions_to_leave_follow_the_competing_hazards(accounts):
    """Counted decisions less their hazards summed up are a martingale: mean 0."""
    hazard = hazards(accounts)
    week = np.arange(WEEKS)[:, None]
    at_risk = (week >= accounts.start_at) & (week <= accounts.decided_at)
    total = hazard.sum(axis=2)
    chance = (1 - np.exp(-total)) / total * at_risk
    for cause in range(5):
        seen = accounts.cause == cause
        wanted = (hazard[:, :, cause] * chance).sum(axis=0)
        gap = seen - wanted
        assert abs(gap.sum()) < SIGMAS * math.sqrt((gap**2).sum())
        z = accounts.cause_z[:, cause]
        if z.any():  # also where the driver is strong, so that theta is right
            assert abs((gap * z).sum()) < SIGMAS * math.sqrt(((gap * z) ** 2).sum())
            halved = seen - wanted * np.exp(-0.5 * THETA[cause] * z)
            assert abs((halved * z).sum()) > SIGMAS * math.sqrt(((halved * z) ** 2).sum())
    recent = hazard[:, :, 2] > BASE[2] * 1.01
    when = np.where(accounts.cause == 2, accounts.decided_at, 0).astype(int)
    seen = ((accounts.cause == 2) & recent[when, np.arange(len(when))]).sum()
    wanted = (hazard[:, :, 2] * chance * recent).sum()
    assert abs(seen - wanted) < SIGMAS * math.sqrt(wanted)


def test_about_18_percent_leave_in_a_year(accounts):
    for begin in (0, 52, 104):
        there = (accounts.start_at <= begin) & (accounts.closed_at > begin)
        left = (accounts.closed_at < begin + 52) & there
        assert left.sum() / there.sum() == pytest.approx(0.18, abs=0.02)


def test_causes_have_the_shares_that_their_hazards_give(accounts):
    # With normal drivers, E[exp(theta z)] = exp(theta^2 / 2) before the frail have left.
    seen = np.bincount(accounts.cause[accounts.cause >= 0], minlength=5)
    assert set(np.argsort(seen)[-2:]) == {CAUSES.index("service"), CAUSES.index("price")}
    assert seen.argmin() == CAUSES.index("fatigue")


def test_drivers_of_the_causes(accounts):
    for cause in ("price", "product gap"):
        assert stats.kstest(accounts.cause_z[:, CAUSES.index(cause)], "norm").pvalue > LIKELY
    assert (accounts.cause_z[:, 0] == -accounts.satisfaction).all()
    assert stats.kstest(np.log(accounts.size), stats.norm(0, 0.8).cdf).pvalue > LIKELY
    assert stats.kstest(accounts.satisfaction, "norm").pvalue > LIKELY
    gamma = stats.gamma(3, scale=0.35)
    assert stats.kstest(accounts.contact_rate - 0.15, gamma.cdf).pvalue > LIKELY
    z = (accounts.contact_rate - 0.15 - gamma.mean()) / gamma.std()
    assert accounts.cause_z[:, CAUSES.index("fatigue")] == pytest.approx(z)


def test_leaving(accounts):
    left = np.isfinite(accounts.closed_at)
    assert accounts.closed_at[left] - accounts.decided_at[left] == pytest.approx(4)
    n = len(left)
    assert abs(accounts.silent.mean() - 0.30) < SIGMAS * math.sqrt(0.3 * 0.7 / n)
    assert np.isinf(accounts.decline_from[accounts.silent]).all()
    shown = left & ~accounts.silent
    extra = accounts.closed_at[shown] - accounts.decline_from[shown] - 4
    assert extra.min() >= 0
    observed = np.bincount(extra.astype(int), minlength=15)[:15]
    law = stats.poisson(6).pmf(np.arange(15)) * shown.sum()
    keep = law > 5
    chi2 = ((observed - law)[keep] ** 2 / law[keep]).sum()
    assert stats.chi2(keep.sum()).sf(chi2) > LIKELY


def test_activity_by_hand(accounts):
    who = np.flatnonzero(
        np.isfinite(accounts.closed_at)
        & ~accounts.silent
        & np.isinf(accounts.dip_from)
        & (accounts.decline_from > accounts.start_at)
    )[0]
    begin = int(accounts.decline_from[who])
    seen = accounts.activity[who]
    assert (seen[:begin] == 1).all()
    for k, week in enumerate(range(begin, int(accounts.closed_at[who])), start=1):
        assert seen[week] == pytest.approx(math.exp(-0.22 * min(k, 10)))
    dips = np.isfinite(accounts.dip_from)
    assert abs(dips.mean() - 0.10) < SIGMAS * math.sqrt(0.09 / len(dips))
    calm = np.flatnonzero(dips & np.isinf(accounts.decided_at))[0]
    first = int(accounts.dip_from[calm])
    wanted = np.ones(WEEKS)
    wanted[first : first + 5] = 0.35
    assert accounts.activity[calm] == pytest.approx(wanted)


def test_logins_and_interactions(blocks):
    week = np.arange(WEEKS)
    trough = 1 - 0.25 * np.exp(-0.5 * ((week % 52 - 6) / 1.2) ** 2)
    assert trough[[6, 58, 110]] == pytest.approx(0.75)
    gaps, variances, met, owed = [], [], 0.0, 0.0
    for number, one in enumerate(blocks[:4]):
        rng = np.random.default_rng(number)
        mean = 8 * one.size[:, None] * one.activity * trough
        counts = logins(rng, one)
        assert (counts[~one.open] == 0).all()
        gaps.append(((counts - mean) / np.sqrt(mean + mean**2 / 3))[one.open])
        variances.append(gaps[-1] ** 2)
        rate = one.contact_rate[:, None] * one.activity * trough * one.open
        met, owed = met + interactions(rng, one).sum(), owed + rate.sum()
    gap = np.concatenate(gaps)
    assert abs(gap.mean()) < SIGMAS / math.sqrt(len(gap))
    # Mean m and variance m + m^2 / 3: negative binomial with k = 3.
    assert np.concatenate(variances).mean() == pytest.approx(1, abs=0.02)
    assert abs(met - owed) < SIGMAS * math.sqrt(owed)
    low = np.concatenate([one.activity[one.open] for one in blocks[:4]]) < 0.5
    assert abs(gap[low].mean()) < SIGMAS / math.sqrt(low.sum())


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(10, seed=4, accounts=3_000, faults=None)


def of_accounts(frame):
    return frame[frame["customer_id"].str.startswith("SYN-A")]


def test_the_trough_shows_in_the_logins(world):
    # Within accounts that never change: eight weeks away from the trough as the base.
    logins_by_week = of_accounts(world.tables["engagement"]).groupby("date")["count"].mean()
    trough = logins_by_week[pd.Timestamp("2022-02-14")]
    around = logins_by_week[[pd.Timestamp("2022-01-03"), pd.Timestamp("2022-03-28")]].mean()
    assert trough / around == pytest.approx(0.75, abs=0.05)


def test_nothing_happens_outside_an_account(world):
    truth = world.truth["accounts"].set_index("customer_id")
    for name, column in (
        ("engagement", "date"),
        ("touches", "occurred_at"),
        ("tickets", "opened_at"),
        ("feedback", "asked_at"),
        ("feedback", "answered_at"),
        ("interviews", "interviewed_at"),
        ("reviews", "reviewed_at"),
        ("survey_values", "answered_at"),
    ):
        rows = of_accounts(world.tables[name])
        closed = truth["closed_at"].reindex(rows["customer_id"]).to_numpy()
        started = truth["start_at"].reindex(rows["customer_id"]).to_numpy()
        when = rows[column].to_numpy()
        assert not (when >= closed).any()
        assert not (when < started).any()
    per_account = (
        of_accounts(world.tables["engagement"]).groupby("customer_id")["date"].agg(["min", "max"])
    )
    assert (per_account["min"] == truth["start_at"].reindex(per_account.index)).all()


def test_contracts_tell_who_left_and_some_of_why(world):
    truth = world.truth["accounts"].set_index("customer_id")
    contracts = world.tables["contracts"]
    lost = contracts[contracts["status"] == "lost"].set_index("customer_id")
    closed = truth.dropna(subset=["closed_at"])
    assert sorted(lost.index) == sorted(closed.index)
    closed = closed.loc[lost.index]
    assert (lost["ends_on"] == closed["closed_at"]).all()
    assert (lost["reason"].isna() == closed["silent"].astype(bool)).all()
    told = lost["reason"].dropna()
    assert (told == closed["cause"].loc[told.index]).all()
    ordered = contracts.sort_values(["customer_id", "starts_on"])
    same = ordered["customer_id"].eq(ordered["customer_id"].shift())
    assert (ordered["starts_on"] == ordered["ends_on"].shift())[same].all()
    assert (ordered["status"].shift()[same] == "renewed").all()
    running = contracts[contracts["status"] == "active"]
    assert (running["ends_on"] > "2025-06-29").all()
    assert (contracts["annual_value"] > 0).all()


def test_owners_follow_each_other(world):
    history = world.tables["owner_history"].sort_values(["customer_id", "starts_on"])
    same = history["customer_id"].eq(history["customer_id"].shift())
    assert (history["starts_on"] == history["ends_on"].shift())[same].all()
    assert history["owner_id"].ne(history["owner_id"].shift())[same].all()
    assert set(history["owner_id"]) <= set(world.tables["owners"]["owner_id"])
    latest = history.groupby("customer_id")["owner_id"].last()
    customers = of_accounts(world.tables["customers"]).set_index("customer_id")
    assert (customers["owner_id"].loc[latest.index] == latest).all()
    touches = of_accounts(world.tables["touches"]).merge(history, on="customer_id")
    then = (touches["occurred_at"] >= touches["starts_on"]) & ~(
        touches["occurred_at"] >= touches["ends_on"]
    )
    assert (touches["owner_id_x"] == touches["owner_id_y"])[then].all()
    assert then.sum() == len(of_accounts(world.tables["touches"]))


def test_resolution_and_satisfaction_follow_their_formulas(world):
    truth = world.truth["accounts"].set_index("customer_id")
    tickets = of_accounts(world.tables["tickets"]).dropna(subset=["resolved_at"])
    hours = (tickets["resolved_at"] - tickets["opened_at"]) / pd.Timedelta(hours=1)
    known = truth.reindex(tickets["customer_id"])
    fit = stats.linregress(known["satisfaction"], np.log(hours))
    assert abs(fit.slope + 0.25) < SIGMAS * fit.stderr
    assert abs(fit.intercept - math.log(30)) < SIGMAS * fit.intercept_stderr
    residual = np.log(hours).to_numpy() + 0.25 * known["satisfaction"].to_numpy() - math.log(30)
    assert residual.std() == pytest.approx(0.5, abs=0.01)
    begun = tickets["opened_at"].to_numpy() >= known["decline_from"].to_numpy()
    tickets = tickets.assign(
        hours=hours,
        declining=begun,
        sat=known["satisfaction"].to_numpy(),
        asked_at=tickets["resolved_at"],
    )
    asked = world.tables["feedback"].query("kind == 'csat'")
    asked = asked.merge(tickets, on=["customer_id", "asked_at"], validate="one_to_one")
    answers = world.truth["answers"].set_index("feedback_id")["latent"]
    latent = answers.reindex(asked["feedback_id"]).to_numpy()
    law = asked["sat"] - 0.5 * np.log(asked["hours"] / 24) - 1.2 * asked["declining"]
    noise = latent - law.to_numpy()
    assert asked["declining"].sum() > 50
    for part in (asked["declining"], ~asked["declining"]):
        here = noise[part.to_numpy()]
        assert abs(here.mean()) < SIGMAS * 0.8 / math.sqrt(len(here))
    assert noise.std() == pytest.approx(0.8, abs=0.02)
    assert abs(np.corrcoef(noise, asked["sat"])[0, 1]) < SIGMAS / math.sqrt(len(noise))


def test_answers_are_not_missing_at_random(world):
    answers = world.truth["answers"]
    feedback = world.tables["feedback"]
    assert (answers["feedback_id"] == feedback["feedback_id"]).all()
    assert (answers["answered"] == feedback["answered_at"].notna()).all()
    assert (feedback["score"].notna() == answers["answered"]).all()
    given = feedback["score"].dropna()
    assert (given == answers["score"][given.index]).all()
    # Those far from the end and of accounts that stay could answer at any time.
    stays = world.truth["accounts"].set_index("customer_id")["decided_at"].isna()
    free = (
        stays.reindex(answers["customer_id"], fill_value=False).to_numpy()
        & (feedback["asked_at"] < "2025-04-01").to_numpy()
    )
    latent, answered = answers["latent"][free], answers["answered"][free]
    wanted = 1 / (1 + np.exp(0.4 - 0.6 * latent))
    for low, high in ((-9, -1), (-1, 0), (0, 1), (1, 9)):
        here = (latent >= low) & (latent < high)
        se = math.sqrt((wanted * (1 - wanted))[here].sum())
        assert abs((answered - wanted)[here].sum()) < SIGMAS * se
    assert latent[answered].mean() > latent.mean() + 0.2


def test_contacts_drive_no_account_away_in_the_flat_world():
    flat = joined([make_accounts(parameters("flat"), block) for block in range(BLOCKS)])
    assert (flat.cause_z[:, CAUSES.index("fatigue")] == 0).all()
    gone = np.isfinite(flat.decided_at)
    assert stats.ks_2samp(flat.contact_rate[gone], flat.contact_rate[~gone]).pvalue > LIKELY
    assert stats.ks_2samp(flat.satisfaction[gone], flat.satisfaction[~gone]).pvalue < 1e-9
