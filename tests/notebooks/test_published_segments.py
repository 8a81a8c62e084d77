"""The segments report on a small world: every number made again from the files with pandas."""

import fcntl
import importlib.util
import json
import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relkit as rk

ROOT = Path(__file__).parents[2]
AS_OF, THEN, START = (pd.Timestamp(day) for day in ("2024-12-29", "2024-06-30", "2023-12-31"))
UNTIL = AS_OF + pd.Timedelta(days=1)
DAYS = [AS_OF - pd.Timedelta(days=91 * back) for back in (4, 3, 2, 1, 0)]


def _published_class():
    """`Published` of this folder's conftest, which importlib mode gives no name."""
    spec = importlib.util.spec_from_file_location(
        "segments_pages", Path(__file__).parent / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Published


def _publish(home):
    """The same report twice, with tiers in use and verdicts; the second adds to no file."""
    source = rk.write_world(home / "world", 400, seed=12).source
    customers = pd.read_parquet(home / "world" / "data" / "customers.parquet")
    ids = customers["customer_id"].sort_values().to_numpy()
    # As a CRM that nobody has looked after for long: every third customer is in a tier.
    tiers = [("A", "B", "C")[place % 3] for place in range(len(ids))]
    in_use = pd.DataFrame({"customer_id": ids, "tier": tiers})
    in_use.to_csv(home / "in_use.csv", index=False)
    verdicts = pd.DataFrame(
        {
            "customer_id": ids[:3], "label": ["key", "not_key", "key"], "suggested": "key",
            "reviewer": "R1", "reviewed_at": "2024-12-20", "status": "in_queue",
        }
    )  # fmt: skip
    verdicts.to_csv(home / "verdicts.csv", index=False)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for turn in ("once", "again"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "relkit", "run", "params/segments/world.yaml"),
                *("--outputs", str(home / turn), "--set", f"source={source}"),
                *("--set", f"tiers_in_use={home / 'in_use.csv'}"),
                *("--set", f"review_file={home / 'verdicts.csv'}"),
            ],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return home


@pytest.fixture(scope="session")
def home(tmp_path_factory, worker_id):
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder = shared / "segments"
    with (shared / "segments.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            folder.mkdir(exist_ok=True)
            _publish(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def page(home):
    return _published_class()(home / "once" / "segments-world" / "latest")


@pytest.fixture(scope="session")
def said(page):
    return page.statements()


@pytest.fixture(scope="session")
def raw(home):
    return {p.stem: pd.read_parquet(p) for p in sorted((home / "world" / "data").glob("*.parquet"))}


@pytest.fixture(scope="session")
def rows(raw):
    """Transactions that hold, row by row with pandas."""
    rows = raw["transactions"]
    keep = rows["customer_id"].isin(raw["customers"]["customer_id"])
    keep &= (rows["amount"] >= 0) & (rows["occurred_at"] < UNTIL)
    keep &= ~rows["transaction_id"].duplicated()
    assert set(rows.loc[keep, "kind"]) == {"purchase"}
    return rows[keep].assign(day=rows["occurred_at"].dt.normalize())


def values_of(rows, day):
    """Value to come by models that saw no row after the day; the models have tests of their own."""
    seen = rows.loc[rows["day"] <= day, ["transaction_id", "customer_id", "occurred_at", "amount"]]
    summary = rk.rfm_summary(seen, as_of=day.date(), unit="week")
    clv = rk.customer_lifetime_value(
        rk.fit_bgnbd(summary), rk.fit_gamma_gamma(summary), summary,
        horizon=52, annual_discount_rate=0.10,
    )  # fmt: skip
    frame = clv.to_frame()
    return frame.set_index(frame["customer_id"].astype(str))


def from_top(values):
    """Share that stands above, with half of those who are equal, by pandas' average rank."""
    return (values.rank(ascending=False, method="average") - 0.5) / len(values)


def abc(values):
    rank = from_top(values)
    return pd.Series(np.select([rank <= 0.1, rank <= 0.3], ["A", "B"], "C"), values.index)


@pytest.fixture(scope="session")
def worth(rows):
    """Day of review → frame by customer: clv, tier."""
    found = {}
    for day in DAYS:
        values = values_of(rows, day)
        found[day] = values.assign(tier=abc(values["clv"]))
    return found


@pytest.fixture(scope="session")
def people(rows, worth):
    """What rules ask for, by customer."""
    by = rows.groupby("customer_id")
    days = rows[["customer_id", "day"]].drop_duplicates().sort_values("day").groupby("customer_id")
    later = days.nth(1)
    second = later.set_index("customer_id")["day"]
    year = rows[rows["day"] > AS_OF - pd.DateOffset(years=1)].groupby("customer_id")
    frame = pd.DataFrame(
        {
            "R": (AS_OF - by["day"].max()).dt.days,
            "F": year.size(),
            "M": year["amount"].sum(),
            "days": days.size(),
            "spend": by["amount"].sum(),
            "repurchased": (second - by["day"].min()).dt.days <= 30,
        }
    )
    frame = frame.fillna({"F": 0, "M": 0.0, "repurchased": False})
    frame["repurchased"] = frame["repurchased"].astype(bool)
    now = worth[AS_OF]
    return frame.assign(clv=now["clv"], tier=now["tier"], clv_rank=from_top(now["clv"]))


def test_what_each_tier_is_worth(said, people, page):
    best = people[people["tier"] == "A"]
    told = said["tiers.worth"]
    assert told["customers"] == pytest.approx(len(best) / len(people))
    assert told["value"] == pytest.approx(best["clv"].sum() / people["clv"].sum())
    assert told["each"] == pytest.approx(best["clv"].mean())
    last = people.loc[people["tier"] == "C", "clv"].mean()
    assert said["tiers.gap"]["times"] == pytest.approx(best["clv"].mean() / last)
    assert said["rules.whole"]["n"] == len(people)
    saved = pd.read_parquet(page.folder / "tables" / "tiers.parquet")
    assert saved["tier"].value_counts().to_dict() == people["tier"].value_counts().to_dict()


# ---- rules health ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def four(people):
    """The care plan's eight clauses, written out, in their order; by customer."""
    p = people
    return pd.DataFrame(
        {
            ("high", 1): (p.R <= 30) & (p.F >= 8) & (p.M >= 10_000),
            ("high", 2): p.clv_rank <= 0.1,
            ("growth", 1): (p.R <= 60) & p.F.between(3, 7) & p.M.between(3_000, 9_999),
            ("growth", 2): (p.clv_rank > 0.1) & (p.clv_rank <= 0.3),
            ("new", 1): (p.R <= 7) & (p.F == 1) & (p.M >= 500),
            ("new", 2): p.repurchased,
            ("at risk", 1): (p.R >= 90) & (p.F <= 2) & (p.M <= 1_000),
            ("at risk", 2): p.R > 182,
        }
    )


def test_customers_in_no_tier_and_in_several(said, people, four):
    matched = four.T.groupby(level=0).any().sum()
    total = people["M"].sum()
    told = said["rules.gaps"]
    for name, chosen in (("none", matched == 0), ("several", matched > 1)):
        assert told[name] == pytest.approx(chosen.mean())
        assert told[f"{name}_revenue"] == pytest.approx(people.loc[chosen, "M"].sum() / total)


def test_the_largest_hole_holds_nobody_with_a_tier(said, people, four, page):
    nobody = ~four.any(axis=1)
    holes = next(table for table in page.nodes("table") if table["name"] == "rules_holes")
    counts = []
    for row in holes["rows"]:
        text = row[0].replace("≤", "<=").replace("≥", ">=").replace(",", "")
        text = text.replace("%", " / 100").replace("repurchased = no", "repurchased == False")
        inside = people.eval(text.replace("F = ", "F == "))
        assert not (inside & ~nobody).any()
        assert int(row[1].replace(",", "")) == inside.sum()
        counts.append(int(inside.sum()))
    assert said["rules.holes"]["customers"] == counts[0] == max(counts)
    assert said["rules.holes"]["n"] == holes["total_rows"]


def test_overlaps_shares_and_clauses(said, people, four):
    tiers = four.T.groupby(level=0, sort=False).any().T
    pairs = {
        (one, other): int((tiers[one] & tiers[other]).sum())
        for place, one in enumerate(tiers)
        for other in list(tiers)[place + 1 :]
    }
    assert said["rules.overlaps"]["customers"] == max(pairs.values())
    first = tiers.apply(lambda row: next((name for name in tiers if row[name]), "none"), axis=1)
    shares = first.value_counts(normalize=True).reindex([*tiers, "none"], fill_value=0)
    off = (shares[list(tiers)] - [0.15, 0.30, 0.25, 0.30]).abs()
    told = said["rules.share_off"]
    assert told["share"] == pytest.approx(shares[off.idxmax()])
    targets = {"high": 0.15, "growth": 0.30, "new": 0.25, "at risk": 0.30}
    assert told["target"] == targets[off.idxmax()]
    assert told["unassigned"] == pytest.approx(shares["none"])
    taken, decides = pd.Series(False, index=people.index), 0
    for clause in four:
        decides += bool((four[clause] & ~taken).any())
        taken |= four[clause]
    idle = said["rules.idle"]["idle"] if "rules.idle" in said else 0
    assert idle == 8 - decides


def test_named_segments(said, people):
    def bands(values):
        middle = (values.rank(method="average") - 0.5) / len(values)
        return (1 + np.floor((middle * 5).round(9))).astype(int)

    r, f, m = bands(-people["R"]), bands(people["days"]), bands(people["spend"])
    upper = (r <= 2) & (f.between(3, 4))
    names = np.select(
        [
            (r == 5) & (f >= 4), r.between(3, 4) & (f >= 4), (r >= 4) & f.between(2, 3),
            (r == 5) & (f == 1), (r == 4) & (f == 1), (r == 3) & (f == 3), (r == 3) & (f <= 2),
            ((r <= 2) & (f == 5)) | (upper & (m == 5)), upper & (m <= 4), (r <= 2) & (f <= 2),
        ],
        range(10), -1,
    )  # fmt: skip
    assert (names >= 0).all()
    told = said["rules.named_segments"]
    assert told["customers"] == pytest.approx(np.bincount(names).max() / len(names))
    spent = people["spend"].groupby(names).sum()
    assert told["revenue"] == pytest.approx(spent.max() / spent.sum())


# ---- over time ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def moved(rows, worth):
    """By customer: tiers on both days, revenue of both periods in cents."""
    frame = pd.DataFrame({"was": worth[THEN]["tier"], "now": worth[AS_OF]["tier"]})
    cents = (rows["amount"] * 100).round().astype("int64")
    for name, (start, end) in {"before": (START, THEN), "after": (THEN, AS_OF)}.items():
        inside = (rows["day"] > start) & (rows["day"] <= end)
        frame[name] = cents[inside].groupby(rows["customer_id"]).sum()
    return frame.fillna({"before": 0, "after": 0}).astype({"before": "int64", "after": "int64"})


def test_moves_in_customers(said, moved):
    both = moved.dropna()
    told = said["moves.changed"]
    assert told["up"] == (both["now"] < both["was"]).sum()
    assert told["down"] == (both["now"] > both["was"]).sum()
    assert told["share"] == pytest.approx((both["now"] != both["was"]).mean())
    assert told["entered"] == moved["was"].isna().sum() > 0
    assert told["left"] == moved["now"].isna().sum()


def test_the_bridge_sums_to_the_cent(said, moved):
    change = int((moved["after"] - moved["before"]).sum())
    told = said["bridge.rose" if change > 0 else "bridge.fell"]
    bought_before, bought_after = moved["before"] > 0, moved["after"] > 0
    won = moved.loc[bought_after & ~bought_before, "after"].sum()
    gone = moved[bought_before & ~bought_after]
    both = moved[bought_before & bought_after]
    assert told["change"] == abs(change) / 100
    assert told["won"] == won / 100
    assert told["lapsed"] == gone["before"].sum() / 100
    assert told["rest"] == (both["after"] - both["before"]).sum() / 100
    assert told["after"] == moved["after"].sum() / 100
    lost = gone.groupby("was")["before"].sum()
    told = said["bridge.losses"]
    assert (told["tier"], told["amount"]) == (lost.idxmax(), lost.max() / 100)
    assert told["customers"] == (gone["was"] == lost.idxmax()).sum()


def test_relabelling_apart_from_growth(said, moved):
    was, now = moved["was"] == "A", moved["now"] == "A"
    relabelled = moved.loc[now & ~was, "before"].sum() - moved.loc[was & ~now, "before"].sum()
    growth = (moved["after"] - moved["before"])[now].sum()
    told = said["relabel.split"]
    assert (told["before"], told["after"]) == (was.sum(), now.sum())
    assert told["relabelled"] == relabelled / 100
    assert told["like_for_like"] == growth / 100
    assert told["change"] == (moved["after"][now].sum() - moved["before"][was].sum()) / 100


def test_holding_tiers_and_its_price(said, worth, rows):
    tiers = pd.DataFrame({day: frame["tier"] for day, frame in worth.items()})
    held = tiers.copy()
    for customer, computed in tiers.iterrows():
        current, run = None, 0
        for day, tier in computed.items():
            if pd.isna(tier):
                continue
            run = run + 1 if current is not None and tier != current else 0
            if current is None or run >= 2:
                current, run = tier, 0
            held.loc[customer, day] = current
    changes = []
    for table in (tiers, held):
        pairs = [(table[a], table[b]) for a, b in pairwise(DAYS)]
        moved = sum(((a != b) & a.notna() & b.notna()).sum() for a, b in pairs)
        changes.append(moved / sum((a.notna() & b.notna()).sum() for a, b in pairs))
    told = said.get("held.calmer") or said["held.no_calmer"]
    assert [told["before"], told["after"]] == pytest.approx(changes)
    caught = {"computed": [], "held": []}
    for day in DAYS[:-1]:
        inside = (rows["day"] > day) & (rows["day"] <= day + pd.Timedelta(days=91))
        revenue = rows[inside].groupby("customer_id")["amount"].sum().reindex(tiers.index).fillna(0)
        known = revenue[tiers[day].notna()].sum()
        for name, table in (("computed", tiers), ("held", held)):
            caught[name].append(revenue[table[day] == "A"].sum() / known)
    told = said.get("held.price") or said["held.free"]
    for name, shares in caught.items():
        assert told[name] == pytest.approx(np.mean(shares), abs=1e-6)


def test_tiers_in_use_that_no_longer_fit(said, moved, home):
    used = pd.read_csv(home / "in_use.csv", dtype=str).set_index("customer_id")["tier"]
    both = moved.assign(use=used).dropna(subset=["now", "use"])
    rose = (both["use"] == "C") & (both["after"] > 0) & (both["after"] >= 2 * both["before"])
    told = said["stale.found"]
    assert told["compared"] == len(both)
    assert told["rose"] == rose.sum() > 0
    assert told["n"] == (rose | (both["use"] != both["now"])).sum()


# ---- who, and how many -------------------------------------------------------------------------


def test_the_review_file_is_added_to_and_keeps_its_verdicts(said, people, home):
    wanted = math.ceil(0.2 * len(people))
    told = said.get("queue.tagged") or said["queue.tagged_ties"]
    assert (told["n"] + told.get("tied", 0), told["scored"]) == (wanted, len(people))
    file = pd.read_csv(home / "verdicts.csv", dtype=str, keep_default_na=False)
    assert file["label"].head(3).tolist() == ["key", "not_key", "key"]
    assert (file["status"] == "in_queue").sum() == told["n"]
    assert not file["customer_id"].duplicated().any()
    accuracy = said["queue.accuracy"]
    assert accuracy["n"] == 3
    assert accuracy["accuracy"]["value"] == pytest.approx(2 / 3)
    # Wilson (1927) for 2 of 3 at 95 %, by hand.
    z2 = 1.959964**2
    middle, half = (2 + z2 / 2) / (3 + z2), math.sqrt(z2 * (2 / 9 * 3 + z2 / 4)) / (3 + z2)
    assert accuracy["accuracy"]["low"] == pytest.approx(middle - half, abs=1e-6)
    assert accuracy["accuracy"]["high"] == pytest.approx(middle + half, abs=1e-6)


def test_size_of_the_best_tier(said, people):
    # Every account takes the same hours, so the best choice is the most valuable ones.
    net = (people["clv"] * 0.10 - 4 * 120).sort_values(ascending=False)
    chosen = net[net > 0].head(4_000 // 4)
    told = said.get("sizing.by_value") or said["sizing.by_capacity"]
    assert (told["size"], told["hours"]) == (len(chosen), 4 * len(chosen))
    assert told["net"] == pytest.approx(chosen.sum())
    assert said["sizing.today"]["net_today"] == pytest.approx(net[people["tier"] == "A"].sum())


def test_tags_are_those_of_the_tables(said, people, raw, page):
    tags = pd.read_parquet(page.folder / "tables" / "tags.parquet")
    assert tags["one_time_buyer"].sum() == ((people["days"] == 1) & (people["R"] > 90)).sum()
    assert tags["regular_buyer"].sum() == ((people["days"] >= 9) & (people["R"] <= 90)).sum()
    tickets = raw["tickets"]
    tickets = tickets[(tickets["opened_at"] < UNTIL) & (tickets["kind"] == "complaint")]
    open_now = tickets["resolved_at"].isna() | (tickets["resolved_at"] >= UNTIL)
    open_now |= tickets["reopened_at"] > tickets["resolved_at"]
    theirs = set(tickets.loc[open_now, "customer_id"]) & set(people.index)
    assert tags["open_complaint"].sum() == len(theirs)
    held = tags.drop(columns="customer_id").sum()
    assert said["tags.held"]["held"] == (held > 0).sum()
    assert said["tags.held"]["customers"] == held.max()


def test_the_profile_shows_nothing_personal(said, people, worth, raw, page):
    told = said["profile.answer"]
    values = worth[AS_OF]
    able = values[people["days"].reindex(values.index) >= said["profile.chosen"]["least"]]
    balance = able["clv"] * (1 - able["probability_alive"])
    assert said["profile.chosen"]["n"] == len(able)
    assert said["profile.chosen"]["balance"] == pytest.approx(balance.max())
    assert told["clv"] == pytest.approx(values.loc[balance.idxmax(), "clv"])
    customers = raw["customers"]
    withheld = {*customers["customer_id"], *customers["name"].dropna()}
    withheld |= {*customers["decision_maker"].dropna(), *customers["email"].dropna()}
    for file in (page.report, page.deck, *sorted((page.folder / "tables").glob("*.csv"))):
        text = file.read_text(encoding="utf-8-sig")
        assert not [each for each in withheld if len(each) > 3 and each in text], file.name


def test_the_tier_table_is_text_under_the_headers_of_the_template(people, page):
    from openpyxl import load_workbook

    sheet = load_workbook(page.folder / "tables" / "tier_table.xlsx").active
    head, *body = list(sheet.iter_rows())
    assert [cell.value for cell in head] == [
        "Customer name", "Industry", "Customer tier", "Key decision maker",
        "Recent activity", "Account owner", "Core goal",
    ]  # fmt: skip
    assert len(body) == len(people)
    assert {cell.data_type for row in body for cell in row} <= {"s", "n"}  # no formula
    assert all(isinstance(cell.value, str) for row in body for cell in row if cell.value)
    tiers = pd.Series([row[2].value for row in body])
    assert tiers.value_counts().to_dict() == people["tier"].value_counts().to_dict()


def test_the_same_day_twice_gives_the_same_bytes(home):
    once, again = (
        home / turn / "segments-world" / "latest" / "tables" for turn in ("once", "again")
    )
    names = sorted(path.name for path in once.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert {"tiers.parquet", "tags.csv", "tier_table.xlsx", "tier_table.csv"} <= set(names)
    for name in names:
        assert (once / name).read_bytes() == (again / name).read_bytes(), name


# ---- where only transactions exist -------------------------------------------------------------


def test_cdnow_says_what_was_not_supplied(published):
    for language in ("en", "zh"):
        run = published["segments", language]
        said = run.statements()
        assert {"queue.nothing_written", "absent", "tags.rest"} <= set(said)
        assert said["tags.rest"]["absent"] == 7  # tickets, touches, contracts, feedback, notes
        text = run.report.read_text(encoding="utf-8")
        words = {"en": "not supplied, give tiers_in_use", "zh": "未提供，请设置参数 tiers_in_use"}
        assert words[language] in text
    assert json.loads((run.folder / "run.json").read_text())["status"] == "published"
