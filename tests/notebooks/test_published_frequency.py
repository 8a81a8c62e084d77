"""The read-out of a frequency experiment on a small world: numbers made again from the files."""

import datetime as dt
import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import relkit as rk
from tests.page_checks import slides, walked

ROOT = Path(__file__).parents[2]
UNTIL = pd.Timestamp("2025-06-30")  # the last day is over
WINDOW, BEFORE, LATELY = 26, 26, 13
TIERS = ["high", "growth", "standard", "occasional"]
ARMS = ["0", "1/3", "1", "2", "4", "8"]
TODAY = {"high": "4", "growth": "2", "standard": "2", "occasional": "1"}
RESIDUAL = {"high": 6000, "growth": 2400, "standard": 700, "occasional": 250}
COMPLAINT, MARGIN, CONTACT = 120, 0.35, 1.5
MONTHS = WINDOW * 7 / (365.25 / 12)
DOSE = {"0": 0, "1/3": 1 / 3, "1": 1, "2": 2, "4": 4, "8": 8}
REPORTS = ("world", "world_zh")


def _published_class():
    """`Published` of this folder's conftest, which importlib mode gives no name."""
    place = Path(__file__).parent / "conftest.py"
    spec = importlib.util.spec_from_file_location("frequency_pages", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Published


def _publish(home):
    written = rk.write_world(home / "frequency_world", 2_500, accounts=20, seed=12)
    plan = home / "frequency_plan.yaml"
    shutil.copy(ROOT / "params/experiments/world.yaml", plan)
    rk.freeze_plan(plan, today=dt.date(2024, 9, 29))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "relkit", "run"),
            *(f"params/frequency_experiment/{report}.yaml" for report in REPORTS),
            *("--outputs", str(home / "frequency"), "--workers", "2"),
            *("--set", f"source={written.source}", "--set", f"plan={plan}"),
        ],
        cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def home(tmp_path_factory, worker_id):
    """Where the world lies and its reports; the first worker makes them, the others read."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    with (shared / "frequency.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "frequency").exists():
            _publish(shared)
    return shared


@pytest.fixture(scope="session")
def pages(home):
    published = _published_class()
    return {
        name: published(home / "frequency" / f"frequency_experiment-{name}" / "latest")
        for name in REPORTS
    }


@pytest.fixture(scope="session")
def page(pages):
    return pages["world"]


@pytest.fixture(scope="session")
def said(page):
    return page.statements()


@pytest.fixture(scope="session")
def raw(home):
    folder = home / "frequency_world" / "data"
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="session")
def people(raw):
    """One row a customer with a whole window: what it did, by plain pandas."""
    known = set(raw["customers"]["customer_id"])
    bought = raw["transactions"]
    bought = bought[bought["customer_id"].isin(known) & (bought["occurred_at"] < UNTIL)]
    bought = bought[bought["amount"] >= 0]
    bought = bought.drop_duplicates("transaction_id")
    who = raw["assignments"].copy()
    who["until"] = who["assigned_at"] + pd.Timedelta(weeks=WINDOW)
    who = who[who["until"] <= UNTIL].set_index("customer_id")
    rows = bought.join(who, on="customer_id", how="inner")
    at, start, end = rows["occurred_at"], rows["assigned_at"], rows["until"]
    inside = (at >= start) & (at < end)
    earlier = (at < start) & (at >= start - pd.Timedelta(weeks=BEFORE))
    late = inside & (at >= end - pd.Timedelta(weeks=LATELY))
    who["x"] = rows[earlier].groupby("customer_id")["amount"].sum()
    who["revenue"] = rows[inside].groupby("customer_id")["amount"].sum()
    who["repurchase"] = rows[inside].groupby("customer_id").size().clip(upper=1)
    who["retained"] = rows[late].groupby("customer_id").size().clip(upper=1)
    asked = raw["tickets"]
    asked = asked[asked["kind"] == "complaint"].join(who, on="customer_id", how="inner")
    at = asked["opened_at"]
    asked = asked[(at >= asked["assigned_at"]) & (at < asked["until"])]
    who["complaints"] = asked.groupby("customer_id").size()
    done = ["x", "revenue", "repurchase", "retained", "complaints"]
    who[done] = who[done].fillna(0.0).astype(float)
    residual = who["stratum"].map(RESIDUAL)
    who["gross"] = MARGIN * who["revenue"] - COMPLAINT * who["complaints"]
    who["gross"] += residual * who["retained"]
    return who.reset_index()


def adjusted(own, metric):
    """Mean and error by arm, by regression on arms and what came before the start."""
    arms = pd.get_dummies(own["arm"]).reindex(columns=ARMS).astype(float)
    fit = sm.OLS(own[metric], arms.assign(x=own["x"] - own["x"].mean())).fit()
    left = own[metric] - fit.params["x"] * own["x"]
    spread = left.groupby(own["arm"]).std(ddof=1)
    error = spread / np.sqrt(own.groupby("arm").size())
    return fit.params[ARMS], error[ARMS]


def test_everything_is_published(pages):
    for name, one in pages.items():
        assert one.record["status"] == "published"
        assert one.report.stat().st_size < 1_000_000
        assert one.deck.stat().st_size < 1_000_000
        badge = {"world": "Synthetic data", "world_zh": "合成数据"}[name]
        html = one.deck.read_text(encoding="utf-8")
        assert html.count(badge) >= slides(html)


def test_both_languages_say_the_same_numbers(pages):
    english, chinese = (pages[name].statements() for name in REPORTS)
    assert english.keys() == chinese.keys()
    for key, values in english.items():
        for slot, value in values.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert value == chinese[key][slot], (key, slot)


def test_who_is_in_it(said, raw, people, page):
    assert said["frequency.assignment_how"]["late"] == len(raw["assignments"]) - len(people)
    counted = page.table("assigned").set_index(["tier", "arm"])["customers"]
    by_hand = raw["assignments"].groupby(["stratum", "arm"]).size()
    assert counted.to_dict() == by_hand.to_dict()


def test_net_values(page, people):
    table = page.table("net_values").set_index(["tier", "arm"])
    for tier in TIERS:
        own = people[people["stratum"] == tier]
        cost = pd.Series({arm: DOSE[arm] * MONTHS * CONTACT for arm in ARMS})
        mean, error = adjusted(own, "gross")
        raw_net = own.groupby("arm")["gross"].mean()[ARMS] - cost
        mine = table.loc[tier].loc[ARMS]
        assert mine["n"].tolist() == own.groupby("arm").size()[ARMS].tolist()
        np.testing.assert_allclose(mine["raw_net"], raw_net, rtol=1e-9)
        np.testing.assert_allclose(mine["net"], mean - cost, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(mine["standard_error"], error, rtol=1e-9)


@pytest.mark.parametrize("metric", ["retained", "repurchase", "revenue", "complaints"])
def test_effects(page, people, metric):
    table = page.table("effects")
    table = table[table["metric"] == metric].set_index(["tier", "arm"])
    for tier in TIERS:
        own = people[people["stratum"] == tier]
        mean, error = adjusted(own, metric)
        n = own.groupby("arm").size()[ARMS]
        today = TODAY[tier]
        for arm in ARMS:
            gap = mean[arm] - mean[today]
            assert table.loc[(tier, arm), "difference"] == pytest.approx(gap, rel=1e-9, abs=1e-9)
            if arm == today:
                continue
            both = error[arm] ** 2, error[today] ** 2
            free = sum(both) ** 2 / (both[0] ** 2 / (n[arm] - 1) + both[1] ** 2 / (n[today] - 1))
            half = stats.t.ppf(0.975, free) * np.sqrt(sum(both))
            row = table.loc[(tier, arm)]
            assert row["low"] == pytest.approx(gap - half, rel=1e-8, abs=1e-8)
            assert row["high"] == pytest.approx(gap + half, rel=1e-8, abs=1e-8)
            # All arms together: wider than one alone, narrower than Bonferroni's.
            widest = stats.t.ppf(1 - 0.025 / 5, free) * np.sqrt(sum(both))
            reach = (row["joint_high"] - row["joint_low"]) / 2
            assert half < reach <= widest * 1.001


def test_steps_and_looks(page, people, raw):
    """The standard tier at 1/3 a month: weeks 1-4 taken alone, and all that came by week 8."""
    known = set(raw["customers"]["customer_id"])
    bought = raw["transactions"].drop_duplicates("transaction_id")
    bought = bought[bought["customer_id"].isin(known) & (bought["amount"] >= 0)]
    asked = raw["tickets"][raw["tickets"]["kind"] == "complaint"]
    own = people[(people["stratum"] == "standard")].copy()
    start = own.set_index("customer_id")["assigned_at"]

    def net(first, last):
        spans = []
        for rows, at in ((bought, "occurred_at"), (asked, "opened_at")):
            mine = rows[rows["customer_id"].isin(start.index)]
            week = (mine[at] - mine["customer_id"].map(start)).dt.total_seconds() / 604_800
            spans.append(mine[(week >= first) & (week < last)])
        y = MARGIN * spans[0].groupby("customer_id")["amount"].sum()
        y = y.reindex(own["customer_id"]).fillna(0.0)
        harm = spans[1].groupby("customer_id").size().reindex(own["customer_id"]).fillna(0.0)
        return (y - COMPLAINT * harm).to_numpy()

    weekly = (DOSE["1/3"] - DOSE["2"]) * MONTHS * CONTACT / WINDOW
    for (first, last), name, column in (((0, 4), "weeks_in_arm", "last_week"),
                                        ((0, 8), "looks", "week")):  # fmt: skip
        mean, error = adjusted(own.assign(y=net(first, last)), "y")
        gap = (mean["1/3"] - mean["2"]) / (last - first) - weekly
        table = page.table(name)
        row = table[(table["tier"] == "standard") & (table["arm"] == "1/3")]
        row = row[row[column] == last].iloc[0]
        assert row["difference"] == pytest.approx(gap, rel=1e-9, abs=1e-9)
        spread = np.hypot(error["1/3"], error["2"]) / (last - first)
        low = row["low"] if name == "weeks_in_arm" else row["alone_low"]
        assert low == pytest.approx(gap - stats.norm.ppf(0.975) * spread, abs=1e-7)
        if name == "looks":
            # What holds at all looks reaches farther than one look alone.
            assert row["low"] < row["alone_low"]
            assert row["high"] > row["alone_high"]


def test_guardrails(page, people):
    table = page.table("guardrails").set_index(["metric", "tier", "arm"])
    for tier in TIERS:
        own = people[people["stratum"] == tier]
        mean, error = adjusted(own, "retained")
        rate = own.groupby("arm")["complaints"].mean()
        today = TODAY[tier]
        for arm in set(ARMS) - {today}:
            row = table.loc[("retained", tier, arm)]
            gap, spread = mean[arm] - mean[today], np.hypot(error[arm], error[today])
            within = stats.norm.cdf((gap + 0.02) / spread)
            assert row["estimate"] == pytest.approx(gap, rel=1e-9, abs=1e-9)
            assert row["within"] == pytest.approx(within, abs=1e-9)
            answer = "pass" if within >= 0.95 else "fail" if within <= 0.05 else "undecided"
            assert row["status"] == answer
            ratio = table.loc[("complaints", tier, arm), "estimate"]
            assert ratio == pytest.approx(rate[arm] / rate[today]) or rate[today] == 0


def test_the_card_says_what_the_tables_say(page, said):
    decisions = page.table("decisions").set_index("tier")
    values = page.table("net_values").set_index(["tier", "arm"])
    for tier, row in decisions.iterrows():
        arm = row["candidate"] if pd.isna(row["arm"]) else row["arm"]
        gain = values.loc[(tier, arm), "expected"] - values.loc[(tier, TODAY[tier]), "expected"]
        assert row["gain"] == pytest.approx(gain)
    (card,) = [table for table in page.nodes("table") if table["name"] == "decision_card"]
    assert [row[0] for row in card["rows"]] == TIERS
    assert len(card["columns"]) == 12
    switches = decisions[decisions["action"] == "switch"]
    if len(switches):
        assert said["frequency.decide.switch"]["switched"] == len(switches)
    else:
        assert said["frequency.decide.none"]["n"] == 4


def test_the_verdict_beside_the_truth(page, home):
    """The best frequency of each class, which no page was told, lies where it is said to."""
    truth = pd.read_parquet(home / "frequency_world" / "truth" / "classes.parquet")
    best = truth.set_index("name")["best_per_month"]
    for row in page.table("decisions").itertuples():
        high = np.inf if row.open_above else row.high_dose
        assert row.low_dose <= best[row.tier] <= high
        if row.action == "switch":
            off = {
                arm: abs(np.log1p(DOSE[arm]) - np.log1p(best[row.tier]))
                for arm in (row.arm, TODAY[row.tier])
            }
            assert off[row.arm] < off[TODAY[row.tier]]


def test_the_gates_and_the_plan(page, said):
    gates = page.nodes("gate")
    assert len(gates) == 11
    table = page.table("trust_gates")
    assert set(table["status"]) == {"passed"}
    assert said["frequency.plan.frozen"]["frozen"] == "2024-09-29"


def test_looks_are_logged(page, said):
    looks, log = page.table("looks"), page.table("peeking")
    for row in log.itertuples():
        own = looks[(looks["tier"] == row.tier) & (looks["arm"] == row.arm)]
        clear = own[(own["low"] > 0) | (own["high"] < 0)]["week"]
        assert (clear.iloc[0] if len(clear) else None) == (
            None if pd.isna(row.first_clear) else row.first_clear
        )
    assert said["frequency.peeking"]["clear"] == log["first_clear"].notna().sum()
    assert said["frequency.peeking"]["alone"] >= said["frequency.peeking"]["clear"]


@pytest.mark.browser
@pytest.mark.parametrize("name", REPORTS)
def test_pages_in_a_browser(pages, open_page, name):
    html = pages[name].deck.read_text(encoding="utf-8")
    page, asked, errors = open_page(html)
    seen = walked(page)
    assert (asked, errors) == ([], [])
    assert len(set(seen)) == len(seen) == slides(html)
    page, asked, errors = open_page(pages[name].report.read_text(encoding="utf-8"))
    assert (asked, errors) == ([], [])
    text = page.inner_text("main")
    assert not re.search(r"\bnan\b|\bNone\b|Traceback", text)
    if name.endswith("_zh"):
        for journal in ("Journal of", "Marketing Research", "Public Economics"):
            text = text.replace(journal, "")
        assert re.findall(r"(?:\b[A-Za-z]{2,}\b[ ,]+){4,}", text) == []
