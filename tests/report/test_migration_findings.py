"""Tiers over time in words, pictures and tables: what they say is what the results hold."""

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from relkit.report import blocks, findings, movement_tables, plots
from relkit.report.language import set_language
from relkit.report.vocabulary import all_texts
from relkit.segments.bridge import tier_bridge
from relkit.segments.hysteresis import hold_tiers
from relkit.segments.migration import tier_migration
from relkit.segments.relabelling import relabel_split
from relkit.segments.review_queue import read_review_queue, top_by_rfm, update_review_queue
from relkit.segments.scores import rfm_scores
from relkit.segments.sizing import tier_size
from relkit.segments.staleness import stale_tiers
from relkit.segments.tier_history import tier_history
from relkit.segments.tiers import rank_tiers

NAMES = ("A", "B", "C")
PREFIXES = ("moves", "bridge", "held", "stale", "move", "tiers_are", "stale_reason", "sizing",
            "relabel", "relabel_part", "queue")  # fmt: skip


@pytest.fixture(autouse=True, params=["en", "zh"])
def language(request):
    set_language(request.param, currency="USD")
    yield request.param
    set_language("en")


def tiers(**who):
    return pd.DataFrame(
        [(customer, *rest) for customer, rest in who.items()],
        columns=["customer_id", "tier", "value"],
    )


def money(**who):
    return pd.DataFrame(list(who.items()), columns=["customer_id", "revenue"])


BEFORE = tiers(ann=("A", 9.0), bob=("B", 5.0), cat=("C", 1.0), dan=("B", 4.0))
AFTER = tiers(bob=("A", 9.5), cat=("C", 1.0), dan=("C", 0.5), eve=("C", 2.0))


def bridge():
    first = money(ann=100.5, bob=40.0, cat=10.0, dan=20.25)
    second = money(bob=90.0, cat=10.0, eve=12.75, dan=5.0)
    return tier_bridge(BEFORE, AFTER, first, second, NAMES)


def held():
    random = np.random.default_rng(0)
    value = random.random(60)
    days = {}
    for month in range(1, 9):
        value = value + random.normal(0, 0.05, 60)
        days[f"2024-{month:02d}-01"] = rank_tiers([f"c{i:02d}" for i in range(60)], value)
    return hold_tiers(tier_history(days))


def price(of):
    rows = of.computed.rows[["as_of", "customer_id", "value"]]
    return of.price(rows.rename(columns={"value": "revenue"}).assign(
        revenue=lambda frame: frame["revenue"].clip(lower=0.01) * 100
    ))  # fmt: skip


def said(statement, language, en):
    text = statement.text()
    if language == "en":
        assert text == en
    else:
        assert re.search("[\u4e00-\u9fff]", text)
    return text


def test_moves_in_words_picture_and_table(language):
    found = tier_migration(BEFORE, AFTER, NAMES)
    said(
        findings.tier_moves(found),
        language,
        "66.7% of customers with a tier on both days changed it: 1 up, 1 down; 1 came in, 1 left",
    )
    figure = blocks.figure(plots.tier_moves(found))
    assert ("1 moved up" in figure.alt.text) == (language == "en")
    table = movement_tables.tier_moves(found)
    total = table.rows[-1]
    assert total[1:] == ("1", "0", "3", "1", "5")
    assert movement_tables.tier_moves_value(found).rows[0][1:] != total[1:]
    bare = tier_migration(BEFORE[["customer_id", "tier"]], AFTER[["customer_id", "tier"]], NAMES)
    assert movement_tables.tier_moves_value(bare) is None
    blocks.figure(plots.tier_moves(bare))
    still = tier_migration(BEFORE, BEFORE, NAMES)
    assert blocks.figure(plots.tier_moves(still)).alt.key == "alt.tier_moves_none"
    nobody = tier_migration(tiers(a=("A", 1.0)), tiers(b=("A", 1.0)), NAMES)
    assert findings.tier_moves(nobody).key == "moves.nobody_stayed"


def test_the_bridge_in_words_sums_to_its_change(language):
    found = bridge()
    statement = findings.tier_bridge(found)
    said(
        statement,
        language,
        "Revenue fell by $53.00 to $117.75: customers who stopped took $100.50, new and returning "
        "ones brought $12.75, all others changed by $34.75",
    )
    parts = {name: Decimal(str(value)) for name, value in statement.values.items()}
    assert parts["won"] - parts["lapsed"] + parts["rest"] == -parts["change"]
    said(
        findings.tier_losses(found),
        language,
        "The largest loss is in tier A: 1 customers stopped, who brought $100.50 in the period "
        "before, 100.0% of all that was lost",
    )
    table = movement_tables.tier_bridge(found)
    assert table.rows[-1][-1] == ("−$53.00" if language == "en" else "−53.00美元")
    assert len(table.rows) == 9
    assert movement_tables.tier_losses(found).total_rows == 1
    blocks.figure(plots.tier_bridge(found))


def test_a_bridge_that_rises_and_one_that_stays(language):
    first, second = money(ann=10.0, bob=5.0), money(ann=20.0, bob=5.0)
    up = tier_bridge(BEFORE, BEFORE, first, second, NAMES)
    assert findings.tier_bridge(up).key == "bridge.rose"
    assert findings.tier_bridge(tier_bridge(BEFORE, BEFORE, first, first, NAMES)).key == (
        "bridge.level"
    )
    assert findings.tier_losses(up).key == "bridge.no_losses"
    assert movement_tables.tier_losses(up) is None


def test_holding_and_its_price(language):
    found = held()
    statement = findings.tier_flapping(found)
    assert statement.key == "held.calmer"
    rows = found.flapping().set_index("tiers")
    assert statement.values["before"] == rows.loc["computed", "changes"]
    assert statement.values["held_back"] == rows.loc["held", "there_and_back"]
    cost = price(found)
    assert findings.hysteresis_price(cost).key == "held.price"
    # Off by at most half a tenth on either side, and the difference of the shares shown.
    said = findings.hysteresis_price(cost).values
    assert said["lost"] == pytest.approx(100 * cost.lost, abs=0.1)
    shown = [round(100 * said[name], 1) for name in ("computed", "held")]
    assert said["lost"] == pytest.approx(shown[0] - shown[1])
    findings.hysteresis_sizes(found, cost)
    free = hold_tiers(found, band=0)
    assert findings.tier_flapping(free).key == "held.no_calmer"
    assert findings.hysteresis_price(price(free)).key == "held.free"
    for ax in (plots.flapping(found), plots.hysteresis_price(cost)):
        blocks.figure(ax)
    assert movement_tables.flapping(found).total_rows == 2
    assert movement_tables.hysteresis_price(cost).total_rows == 8


def test_tiers_that_no_longer_fit(language):
    crm = tiers(ann=("A", 0.0), riser=("C", 0.0), gone=("B", 0.0))
    now = tiers(ann=("A", 0.0), riser=("B", 0.0), fresh=("C", 0.0))
    found = stale_tiers(
        crm, now, money(riser=100.0), money(riser=400.0), names_in_use=NAMES, names=NAMES, rise=3.0
    )
    said(
        findings.stale_tiers(found),
        language,
        "1 of 2 customers stand in a tier that no longer fits; 1 of them are in the lowest one "
        "though their spend grew by 300% or more",
    )
    said(
        findings.stale_missing(found),
        language,
        "1 customers have no tier in use, and 1 with one are not known to the data",
    )
    table = movement_tables.stale_tiers(found)
    assert "riser" not in str(table)  # ids leave as pseudonyms
    assert "300%" in table.rows[0]
    fine = stale_tiers(now, now, money(), money(), names_in_use=NAMES, names=NAMES)
    assert findings.stale_tiers(fine).key == "stale.none"
    assert findings.stale_missing(fine) is None
    assert movement_tables.stale_tiers(fine) is None


def test_tags_and_verdicts(language, tmp_path):
    summary = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(10)],
            "frequency": [9, 5, 5, *range(5, -2, -1)],
            "recency": 1.0,
            "T": 2.0,
            "total_spend": [90, 50, 50, *range(40, 33, -1)],
        }
    )
    tagged = top_by_rfm(rfm_scores(summary, unit="day"))
    said(
        findings.top_tagged(tagged),
        language,
        "1 of 10 customers are tagged automatically: the top 20% by RFM, less 1 places at the "
        "edge that equal customers would have to share",
    )
    path = tmp_path / "queue.csv"
    queue = update_review_queue(path, tagged.to_frame()["customer_id"])
    assert findings.review_accuracy(queue).key == "queue.unreviewed"
    assert movement_tables.review_queue(queue) is None
    findings.review_changes(queue)
    findings.review_meaning()
    head = "customer_id,label,suggested,reviewer,reviewed_at\n"
    lines = [f"c{i},{'key' if i < 23 else 'not_key'},key,Li,2026-01-01" for i in range(25)]
    path.write_text(head + "\n".join(lines), encoding="utf-8")
    seen = read_review_queue(path)
    # Wilson at 23 of 25: 75.0 to 97.8 %.
    said(
        findings.review_accuracy(seen),
        language,
        "92.0% (75.0–97.8%) of the tags were confirmed by people, in 25 verdicts; 0 customers "
        "wait for theirs",
    )
    assert [row[2] for row in movement_tables.review_queue(seen).rows] == ["23", "2"]


def test_the_size_of_a_tier(language):
    ids = ["a", "b", "c", "d"]
    found = tier_size(ids, [1000, 500, 90, 600], 0.1, [2, 1, 1, 3], 4, 10)
    said(
        findings.tier_size(found),
        language,
        "The tier should hold 2 of 4 accounts: $120.00 net of the owners' cost, in 3 of 4 hours; "
        "one more hour would bring about $10.00",
    )
    said(
        findings.tier_size_today(found, ["a", "c"]),
        language,
        "Today's 2 accounts bring $79.00 net; the best choice brings $120.00, $41.00 more",
    )
    assert findings.tier_size_today(found, ["a", "b"]).key == "sizing.today_best"
    assert findings.tier_size(tier_size(ids, 100, 0.1, 1, 9, 1)).key == "sizing.by_value"
    none = tier_size(ids, 100, 0.1, 1, 9, 100)
    assert findings.tier_size(none).key == "sizing.nobody"
    assert movement_tables.tier_size(none) is None
    assert movement_tables.tier_size(found).total_rows == 2
    movement_tables.tier_size_tiles(found)
    blocks.figure(plots.tier_size(found))
    blocks.figure(plots.tier_size(none))


def test_relabelling_in_words(language):
    amounts = money(a=100.0, b=60.0, c=20.0)
    split = relabel_split(["a", "b", "c"], ["a", "b"], amounts, money(a=110.0, b=60.0, c=20.0))
    said(
        findings.relabel_split(split),
        language,
        "The tier went from 3 to 2 accounts and its revenue changed by −$10.00: −$20.00 by "
        "relabelling, $10.00 like for like",
    )
    said(
        findings.relabel_means(split),
        language,
        "Revenue per account went from $60.00 to $85.00; relabelling alone makes it $80.00, "
        "without one purchase more",
    )
    table = movement_tables.relabel_split(split)
    assert table.rows[-1][-1] == ("−$10.00" if language == "en" else "−10.00美元")
    blocks.figure(plots.relabel_split(split))
    assert findings.relabel_means(relabel_split(["a"], [], amounts, amounts)) is None


def test_every_text_of_these_topics_is_used_and_every_key_used_is_there():
    room = Path(findings.__file__).parents[1]
    own = ("migration", "sizing", "review_queue")
    files = [room / "movement_tables.py", *(room / f"plots/{name}.py" for name in own[:2])]
    files += [room / f"findings/{name}.py" for name in own]
    code = "".join(path.read_text() for path in files)
    known = {key for key in all_texts() if key.split(".")[0] in PREFIXES}
    used = set(re.findall(rf'"((?:{"|".join(PREFIXES)})\.[a-z_]+)"', code))
    built = {key for key in known if f'f"{key.split(".")[0]}.{{' in code}
    assert used <= known
    assert known - used - built == set()
