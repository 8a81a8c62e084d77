"""The quality report on a small world and on CDNOW: every number made again from the files."""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.page_checks import slides, walked

ROOT = Path(__file__).parents[2]
MIME = "application/vnd.relkit.block+json"
AS_OF = pd.Timestamp("2024-12-29")
UNTIL = AS_OF + pd.Timedelta(days=1)
DATED = {
    "transactions": "occurred_at", "customers": "created_at", "touches": "occurred_at",
    "feedback": "asked_at", "tickets": "opened_at", "engagement": "date",
    "assignments": "assigned_at", "referrals": "referred_at", "interviews": "interviewed_at",
    "survey_values": "answered_at", "stages": "entered_at", "reviews": "reviewed_at",
}  # fmt: skip
# Report → its source. Each source once, each language once; the other two, of the same
# notebook and the same source, only where every test is run.
QUICK = {"world": "world", "cdnow_zh": "cdnow"}
OTHERS = {"world_zh": "world", "cdnow": "cdnow"}
PAIRS = (("world", "world_zh"), ("cdnow", "cdnow_zh"))


def _published_class():
    """`Published` of this folder's conftest, which importlib mode gives no name."""
    spec = importlib.util.spec_from_file_location(
        "quality_pages", Path(__file__).parent / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Published


def _publish(outputs, home, reports):
    sources = {
        "world": str(home / "world/params/sources/world.yaml"),
        "cdnow": "params/sources/cdnow_sample.yaml",
    }
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for report, source in reports.items():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "relkit", "run"),
                *(f"params/data_quality/{report}.yaml", "--outputs", str(outputs)),
                *("--set", f"source={sources[source]}"),
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
    with (shared / "quality.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "quality").exists():
            import relkit as rk

            rk.write_world(shared / "world", 400, seed=12)
            _publish(shared / "quality", shared, QUICK)
    return shared


def _pages(home, reports):
    published = _published_class()
    return {n: published(home / "quality" / f"data_quality-{n}" / "latest") for n in reports}


@pytest.fixture(scope="session")
def pages(home):
    """Report → what was published."""
    return _pages(home, QUICK)


@pytest.fixture(scope="session")
def all_pages(home, pages):
    """The same in the other language too."""
    with (home / "others.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "quality/data_quality-world_zh").exists():
            _publish(home / "quality", home, OTHERS)
    return pages | _pages(home, OTHERS)


@pytest.fixture(scope="session")
def said(pages):
    return pages["world"].statements()


@pytest.fixture(scope="session")
def raw(home):
    folder = home / "world" / "data"
    return {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture(scope="session")
def lost(raw):
    """By table: rows read, after the day, and lost at each step, row by row with pandas."""
    people = raw["customers"].set_index("customer_id")
    counted = {}
    for name, rows in raw.items():
        count = {"read": len(rows)}
        if name == "transactions":
            count |= lost_transactions(rows, people)
        elif name in DATED:
            count["later"] = (rows[DATED[name]] >= UNTIL).sum()
        if name in ("interviews", "survey_values", "reviews"):
            days = rows.loc[rows[DATED[name]] < UNTIL, DATED[name]].dt.normalize()
            count["untimely"] = ((AS_OF - days).dt.days > 365).sum()
        if name == "customers":
            now = rows[rows["created_at"] < UNTIL].filter(like="consent_")
            count["noncompliant"] = (~now.fillna(False).astype(bool).any(axis=1)).sum()
        if name == "touches":
            asked = asked_for(rows)
            count["noncompliant"] = sum(one is not True for one in consents(asked, people))
        counted[name] = count
    return pd.DataFrame(counted).T.fillna(0).astype(int)


def lost_transactions(rows, people):
    rows = rows.reset_index(drop=True)
    incomplete = rows["customer_id"].isna()
    future = rows["occurred_at"] >= "2099-01-01"
    wrong = (rows["amount"] < 0) | rows["transaction_id"].duplicated()
    wrong |= ~incomplete & ~rows["customer_id"].isin(people.index)
    inaccurate = wrong & ~incomplete
    untimely = future & ~incomplete & ~inaccurate
    bad = incomplete | inaccurate | untimely
    return {
        "incomplete": incomplete.sum(),
        "inaccurate": inaccurate.sum(),
        "untimely": untimely.sum(),
        "later": (~bad & (rows["occurred_at"] >= UNTIL)).sum(),
    }


def asked_for(touches):
    needs = touches["channel"].isin(["email", "phone", "sms", "wechat"])
    return touches[needs & (touches["direction"] == "outbound") & (touches["occurred_at"] < UNTIL)]


def consents(asked, people):
    flags = {c: people[f"consent_{c}"].to_dict() for c in ("email", "phone", "sms", "wechat")}
    found = [flags[c][who] for who, c in zip(asked["customer_id"], asked["channel"], strict=True)]
    return [None if pd.isna(one) else bool(one) for one in found]


@pytest.mark.parametrize("which", ["pages", pytest.param("all_pages", marks=pytest.mark.slow)])
def test_everything_is_published(request, which):
    for name, page in request.getfixturevalue(which).items():
        assert page.record["status"] == "published"
        assert page.report.stat().st_size < 1_000_000
        assert page.deck.stat().st_size < 1_000_000
        badge = {"world": "Synthetic data", "world_zh": "合成数据"}.get(name)
        if badge is not None:
            assert page.deck.read_text(encoding="utf-8").count(badge) >= 20  # on each slide


@pytest.mark.slow
def test_both_languages_say_the_same_numbers(all_pages):
    for first, second in PAIRS:
        english, chinese = all_pages[first].statements(), all_pages[second].statements()
        assert english.keys() == chinese.keys()
        for key, values in english.items():
            for slot, value in values.items():
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    assert value == chinese[key][slot], (key, slot)


def test_the_funnel_adds_up_and_is_right(said, lost):
    parts = ["later", "incomplete", "inaccurate", "untimely", "noncompliant"]
    told = said["quality.adds_up"]
    for part in (*parts, "read"):
        assert told[part] == lost[part].sum(), part
    usable = lost["read"].sum() - lost[parts].to_numpy().sum()
    assert told["usable"] == usable
    assert told["read"] == sum(told[part] for part in parts) + told["usable"]
    known = lost["read"].sum() - lost["later"].sum()
    assert said["quality.funnel"]["n"] == known
    assert said["quality.funnel"]["share"] == pytest.approx(usable / known)
    assert said["quality.gate.rows"]["lost"] == lost[parts[1:]].to_numpy().sum()


def test_the_funnel_of_each_table(pages, lost):
    table = pages["world"].table("funnel").set_index("table")
    assert table["read"].to_dict() == lost["read"].to_dict()
    assert table["later"].to_dict() == lost["later"].to_dict()
    parts = ["later", "incomplete", "inaccurate", "untimely", "noncompliant"]
    usable = lost["read"] - lost[parts].sum(axis=1)
    assert table["usable"].to_dict() == usable.to_dict()
    complete = lost["read"] - lost["later"] - lost["incomplete"]
    assert table["complete"].to_dict() == complete.to_dict()


def test_the_planted_faults_are_found(pages, home):
    faults = pd.read_parquet(home / "world" / "truth" / "faults.parquet")
    planted = faults.loc[faults["table"] == "transactions", "kind"].value_counts()
    found = pages["world"].table("losses").query("table == 'transactions'")
    # Times a hundred is possible, so no contract can know.
    assert found["rows"].sum() == planted.drop("hundredfold_amount").sum()


def test_the_gates(pages, said, lost, raw):
    broken = lost[["incomplete", "inaccurate", "untimely"]].loc["transactions"].sum()
    known = lost.loc["transactions", "read"] - lost.loc["transactions", "later"]
    (gate,) = [key for key in said if key.startswith("quality.gate.contracts")]
    assert said[gate]["share"] == pytest.approx(broken / known)
    assert gate.endswith("fail") == (broken > 0.01 * known)
    found = consents(asked_for(raw["touches"]), raw["customers"].set_index("customer_id"))
    told = said["quality.gate.consent_fail"]
    assert told["n"] == len(found)
    assert told["share"] == pytest.approx(sum(one is not True for one in found) / len(found))
    assert told["unknown"] == sum(one is None for one in found)
    assert [gate["passed"] for gate in pages["cdnow_zh"].nodes("gate")] == [True, True, True, None]


def test_the_silence_and_the_inventory(pages, said, raw, home):
    faults = pd.read_parquet(home / "world" / "truth" / "faults.parquet")
    stop = faults[faults["kind"] == "source_stops"].iloc[0]
    told = said["quality.gaps_one"]
    assert stop["table"] in str(told["table"])
    assert (told["first"], told["days"]) == (stop["key"].split("/")[0], 14)
    told = said["quality.inventory"]
    assert (told["tables"], told["rows"]) == (len(raw), sum(map(len, raw.values())))
    files = pages["world"].table("files").set_index("table")
    for name in raw:
        path = home / "world" / "data" / f"{name}.parquet"
        assert files.loc[name, "sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_who_was_asked_and_who_consented(said, raw):
    everyone = raw["customers"][raw["customers"]["created_at"] < UNTIL]
    asked = set()
    for name in ("feedback", "interviews", "survey_values"):
        asked |= set(raw[name].loc[raw[name][DATED[name]] < UNTIL, "customer_id"])
    share = everyone["customer_id"].isin(asked).mean()
    assert said["quality.covered.asked"]["n"] == len(everyone)
    assert said["quality.covered.asked"]["share"] == pytest.approx(share)
    assert said["quality.short.initiative"]["value"] == pytest.approx(1 - share)
    unknown = everyone.filter(like="consent_").isna().sum()
    told = said["quality.consent"]
    assert told["unknown"] == unknown.max()
    column = everyone[unknown.idxmax()]
    answers = column.dropna().astype(bool)
    assert (told["yes"], told["no"]) == (answers.sum(), (~answers).sum())


def test_scores_are_their_formula(pages, said):
    items = pages["world"].table("maturity")
    scores = (items["part"] / items["of"]).groupby(items["pillar"]).mean() * 100
    assert said["quality.maturity"]["score"] == pytest.approx(scores.min())
    assert said["quality.maturity"]["best_score"] == pytest.approx(scores.max())


def test_cdnow_says_what_it_cannot_measure(pages):
    told = pages["cdnow_zh"].statements()
    assert told["quality.funnel_all"]["n"] == 6919
    assert told["quality.shortfalls_few"] == {"measured": 3, "n": 5}
    assert told["quality.failures_none"] == {"n": 5}
    assert told["quality.maturity_part"]["measured"] == 1
    maturity = pages["cdnow_zh"].table("maturity")
    assert (maturity["status"] == "measured").sum() == 1
    assert maturity.loc[maturity["status"] != "measured", "value"].isna().all()
    text = pages["cdnow_zh"].report.read_text(encoding="utf-8")
    assert text.count("无法衡量") >= 7


def test_nothing_personal_is_shown(pages, raw):
    people = raw["customers"]
    page = pages["world"]
    for path in (page.report, page.deck, page.folder / "run.json"):
        text = path.read_text(encoding="utf-8")
        assert not set(re.findall(r"person\d+@example\.\w+", text))
        assert not set(re.findall(r"SYN-[CA]\d{8}", text))
        assert not [phone for phone in people["phone"].dropna() if phone in text]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("which", "name"),
    [
        *(("pages", name) for name in QUICK),
        *(pytest.param("all_pages", name, marks=pytest.mark.slow) for name in OTHERS),
    ],
)
def test_pages_in_a_browser(request, open_page, which, name):
    pages = request.getfixturevalue(which)
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
        assert re.findall(r"(?:\b[A-Za-z]{2,}\b[ ,]+){4,}", text) == []


def test_the_record_names_the_parameters(pages):
    record = json.loads((pages["world"].folder / "run.json").read_text(encoding="utf-8"))
    assert record["parameters"]["max_broken"] == 0.01
    assert record["parameters"]["max_age_days"] == 365
