"""The published design of an experiment on a small world: its numbers made again from the files."""

import fcntl
import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

ROOT = Path(__file__).parents[2]
START = pd.Timestamp("2024-09-30")
SINCE = START - pd.Timedelta(weeks=26)
TIERS = ("high", "growth", "standard", "occasional")
DOSES = {"0": 0.0, "1/3": 1 / 3, "1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}
TODAY = {"high": 4, "growth": 2, "standard": 2, "occasional": 1}
RUNS = 4


def _published_class():
    """`Published` of this folder's conftest, which importlib mode gives no name."""
    spec = importlib.util.spec_from_file_location(
        "design_pages", Path(__file__).parent / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Published


def _publish(outputs, home):
    import relkit as rk

    source = rk.write_world(home / "design_world", 900, seed=4).source
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "relkit", "run"),
            *(f"params/experiment_design/world{end}.yaml" for end in ("", "_zh")),
            *("--outputs", str(outputs), "--workers", "2"),
            *("--set", f"source={source}", "--set", f"runs={RUNS}"),
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
    with (shared / "design.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "design").exists():
            _publish(shared / "design", shared)
    return shared


@pytest.fixture(scope="session")
def pages(home):
    published = _published_class()
    names = {"en": "experiment_design-world", "zh": "experiment_design-world_zh"}
    return {code: published(home / "design" / name / "latest") for code, name in names.items()}


@pytest.fixture(scope="session")
def said(pages):
    return pages["en"].statements()


def saved(pages, name):
    return pd.read_parquet(pages["en"].folder / "tables" / f"{name}.parquet")


@pytest.fixture(scope="session")
def people(home):
    """Who was known before the start, with what they did in the half year before it."""
    raw = {
        path.stem: pd.read_parquet(path) for path in (home / "design_world" / "data").glob("*.pa*")
    }
    sales = raw["transactions"].drop_duplicates("transaction_id")
    sales = sales[~((sales["kind"] == "purchase") & (sales["amount"] < 0))]
    sales = sales.dropna(subset="customer_id")
    first = sales.groupby("customer_id")["occurred_at"].min()
    frame = raw["assignments"].set_index("customer_id")[["stratum"]]
    created = raw["customers"].set_index("customer_id")["created_at"].reindex(frame.index)
    frame["known_on"] = pd.concat([created, first.reindex(frame.index)], axis=1).min(axis=1)
    frame = frame[frame["known_on"] < START]
    inside = sales[(sales["occurred_at"] >= SINCE) & (sales["occurred_at"] < START)]
    late = inside[inside["occurred_at"] >= START - pd.Timedelta(weeks=13)]
    frame["retained"] = frame.index.isin(late.loc[late["kind"] == "purchase", "customer_id"])
    frame["revenue"] = inside.groupby("customer_id")["amount"].sum()
    told = raw["tickets"]
    told = told[(told["opened_at"] >= SINCE) & (told["opened_at"] < START)]
    frame["complaints"] = told[told["kind"] == "complaint"].groupby("customer_id").size()
    return frame.fillna({"revenue": 0.0, "complaints": 0.0})


def test_both_are_published_and_marked_synthetic(pages):
    for code, badge in (("en", "Synthetic data"), ("zh", "合成数据")):
        page = pages[code]
        assert page.record["status"] == "published"
        assert page.deck.stat().st_size < 1_000_000
        assert page.deck.read_text(encoding="utf-8").count(badge) >= 15  # on each slide


def test_both_languages_say_the_same_numbers(pages):
    english, chinese = (pages[code].statements() for code in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, values in english.items():
        for slot, value in values.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                assert value == chinese[key][slot], (key, slot)


def test_customers_and_arms_are_those_of_the_files(pages, said, people):
    sizes = people["stratum"].value_counts()
    answers = saved(pages, "answers").set_index("tier")
    assert answers["customers"].to_dict() == sizes.to_dict()
    assigned = saved(pages, "assignments")
    assert len(assigned) == len(people) == said["design.assigned"]["customers"]
    counts = assigned.groupby(["stratum", "arm"]).size()
    for tier in TIERS:
        gaps = (counts[tier] - sizes[tier] / 6).abs()
        assert len(gaps) == 6
        assert gaps.max() < 1
    worst = max((counts[t] - sizes[t] / 6).abs().max() for t in TIERS)
    assert said["design.assigned"]["gap"] == pytest.approx(worst)
    assert (assigned["assigned_at"] == START).all()
    # Nobody's id is in the file.
    assert not assigned["customer_id"].str.startswith("SYN-").any()


def test_the_load_is_what_the_arms_send(said, people):
    sizes = people["stratum"].value_counts()
    weeks_a_month = 365.25 / 12 / 7
    load = sum(sizes) * sum(DOSES.values()) / 6 / weeks_a_month
    today = sum(sizes[t] * TODAY[t] for t in TIERS) / weeks_a_month
    assert said["design.load_free"]["load"] == pytest.approx(load)
    assert said["design.load_free"]["today"] == pytest.approx(today)


def test_guardrails_are_those_of_the_counts(pages, people):
    rails = saved(pages, "guardrails").set_index(["metric", "tier"])
    old = people[people["known_on"] < SINCE]
    z = stats.norm.ppf(0.95)
    for tier in TIERS:
        counted = old.loc[old["stratum"] == tier, "complaints"]
        n = (people["stratum"] == tier).sum() / 6
        row = rails.loc["complaints", tier]
        if counted.sum() == 0:
            assert row["status"] == "never_happened"
            continue
        assert row["mean"] == pytest.approx(counted.mean())
        error = math.sqrt(2 * counted.var() / n) / counted.mean()
        room = math.log(1.10) / error
        assert row["power"] == pytest.approx(stats.norm.cdf(room - z))
        times = ((z + stats.norm.ppf(0.8)) / room) ** 2
        assert row["times"] == pytest.approx(times, rel=1e-5)
        assert row["needed_per_arm"] == pytest.approx(times * n, rel=1e-5)


def test_the_smallest_fall_is_found_in_four_of_five(pages, said, people):
    effects = saved(pages, "smallest_effects").set_index(["metric", "tier"])
    level = 1 - 0.95 ** (1 / 5)
    old = people[people["known_on"] < SINCE]
    falls = {}
    for tier in TIERS:
        row = effects.loc["retained", tier]
        share = old.loc[old["stratum"] == tier, "retained"].mean()
        assert row["today"] == pytest.approx(share)
        n = (people["stratum"] == tier).sum() / 6
        if not row["detectable"]:
            continue
        left, moved = 1 - row["explained"], share + row["difference"]
        error = math.sqrt(left * (share * (1 - share) + moved * (1 - moved)) / n)
        power = stats.norm.cdf(-row["difference"] / error - stats.norm.isf(level / 2))
        assert power == pytest.approx(0.80, abs=1e-6)
        falls[tier] = -100 * row["difference"]
    assert said["design.seen"]["most"] == pytest.approx(max(falls.values()))
    assert said["design.seen"]["least"] == pytest.approx(min(falls.values()))


def test_so_small_a_world_cannot_answer(pages, said):
    answers = saved(pages, "answers")
    assert (answers["answer"] == "no").all()
    told = said.get("design.cannot")
    if told is None:
        assert answers["times"].isna().any()
        return
    nearest = answers.loc[answers["times"].idxmin()]
    assert told["tier"] == nearest["tier"]
    assert told["times"] == nearest["times"]
    assert told["weeks"] == 26


def test_simulations_are_as_many_as_asked_and_add_up(pages, said):
    table = saved(pages, "simulated")
    assert table["runs"].tolist() == [RUNS] * 3
    actions = ["switch", "keep", "extend", "add_arm", "no_verdict"]
    assert np.allclose(table[actions].sum(axis=1), 1)
    assert said["design.simulated"]["worst"]["value"] == table["false_switch"].max()
    assert (table["false_switch_low"] <= table["false_switch"]).all()
    assert (table["false_switch_high"] > table["false_switch"]).all()  # so few runs prove nothing


def test_balance_is_that_of_the_assigned(said, pages):
    balance = saved(pages, "balance")
    worst = balance.loc[balance["standardised_difference"].abs().idxmax()]
    assert said["design.balanced"]["gap"] == abs(worst["standardised_difference"])
    assert said["design.balanced"]["n"] == worst["customers"]
