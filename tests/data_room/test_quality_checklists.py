"""Coverage, shortfalls, failure modes and maturity: each count made again by pandas."""

from types import SimpleNamespace

import pandas as pd
import pytest

import relkit as rk
from relkit.data.quality.capture_shortfalls import _is_of_form
from relkit.data.quality.evidence import Evidence
from relkit.data.quality.pillars import Pillar
from relkit.errors import DataError, ParameterError

WANTED = [
    *("transactions", "customers", "touches", "feedback", "tickets", "engagement"),
    *("interviews", "survey_values"),
]
DAYS = 365


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A small clean world: what relkit counts, and the same tables as pandas reads them."""
    written = rk.write_world(
        tmp_path_factory.mktemp("w") / "w", 500, seed=6, faults=None, tables=WANTED
    )
    source = rk.open_source(written.source, as_of=written.as_of, later_rows="set_aside")
    until = pd.Timestamp(written.as_of) + pd.Timedelta(days=1)
    dated = {
        "transactions": "occurred_at", "touches": "occurred_at", "feedback": "asked_at",
        "tickets": "opened_at", "engagement": "date", "interviews": "interviewed_at",
        "survey_values": "answered_at", "customers": "created_at",
    }  # fmt: skip
    raw = {name: pd.read_parquet(written.folder / "data" / f"{name}.parquet") for name in WANTED}
    raw = {name: rows[rows[dated[name]] < until] for name, rows in raw.items()}
    start = until - pd.Timedelta(days=DAYS)
    recent = {name: rows[rows[dated[name]] >= start] for name, rows in raw.items()}
    spend = raw["transactions"].groupby("customer_id")["amount"].sum()
    tiers = pd.DataFrame({"customer_id": spend.index, "tier": (spend > 2_000).map(
        {True: "A", False: "B"}).to_numpy()})  # fmt: skip
    rows, supplied = rk.quality.funnel(source), rk.quality.inventory(source)
    known = rk.quality.coverage(source, tiers)
    lacks = rk.quality.shortfalls(source, rows, supplied, known)
    fails = rk.quality.failure_modes(source, known, window_days=DAYS)
    scores = rk.quality.maturity(source, rows, known, lacks, fails)
    return SimpleNamespace(**locals())


def ids(rows):
    return set(rows["customer_id"].dropna())


def stages(raw):
    touches, logins = raw["touches"], raw["engagement"]
    return {
        "basic": ids(raw["customers"]),
        "behaviour": ids(raw["transactions"]) | ids(logins[logins["count"] > 0])
        | ids(raw["tickets"]) | ids(touches[touches["direction"] == "inbound"]),
        "asked": ids(raw["feedback"]) | ids(raw["interviews"]) | ids(raw["survey_values"]),
    }  # fmt: skip


def test_coverage_of_everybody(room):
    everyone = ids(room.raw["customers"])
    assert room.known.customers == len(everyone)
    for row in room.known.to_frame().itertuples():
        held = stages(room.raw)[row.stage] & everyone
        assert (row.status, row.covered) == ("measured", len(held))
        assert row.share == len(held) / len(everyone)


def test_coverage_per_tier_and_the_matrix(room):
    everyone, held = ids(room.raw["customers"]), stages(room.raw)
    tier = room.tiers.set_index("customer_id")["tier"]
    cells = room.known.by_tier()
    groups = {name: set(tier.index[tier == name]) for name in ("A", "B")}
    groups[None] = everyone - set(tier.index)
    for row in cells.itertuples():
        group = groups[None if pd.isna(row.tier) else row.tier]
        assert (row.customers, row.covered) == (len(group), len(group & held[row.stage]))
    assert len(cells) == 3 * 3
    matrix = room.known.by_customer().set_index("customer_id")
    assert set(matrix.index) == everyone
    for stage, them in held.items():
        assert set(matrix.index[matrix[stage]]) == them & everyone
    whole = room.known.combinations()
    assert whole["customers"].sum() == len(everyone)
    assert room.known.covered("basic", "asked") == len(held["basic"] & held["asked"] & everyone)


def test_fields_of_the_record(room):
    fields = room.known.fields.set_index("field")["filled"]
    for field, n in fields.items():
        assert n == room.raw["customers"][field].notna().sum()
    assert {"name", "email", "birthday", "industry"} <= set(fields.index)


def test_shortfalls(room):
    found = room.lacks.by_item
    people = room.raw["customers"]
    flags = people.filter(like="consent_").fillna(False).astype(bool)
    assert found["scattered"].value == len(WANTED)
    assert found["formats"].part == 0
    assert (found["consent"].part, found["consent"].of) == ((~flags.any(axis=1)).sum(), len(people))
    asked = stages(room.raw)["asked"] & ids(people)
    assert found["initiative"].part == len(people) - len(asked)
    last = room.supplied.to_frame().set_index("table")
    feeds = last[last["gaps"].notna()]
    assert found["age"].value == feeds["days_since_last"].max()
    channels = room.lacks.consent.channels.set_index("channel")
    for channel in ("email", "phone", "sms", "wechat"):
        said = people[f"consent_{channel}"]
        counts = [(said == True).sum(), (said == False).sum(), said.isna().sum()]  # noqa: E712
        assert channels.loc[channel].to_list() == counts


def contacts(room):
    rows = room.recent["touches"]
    return rows[rows["delivered"] & (rows["direction"] == "outbound")]


def test_failure_modes(room):
    found, sent = room.fails.by_item, contacts(room)
    channels = sent.groupby("customer_id")["channel"].nunique()
    assert (found["single_channel"].part, found["single_channel"].of) == (
        (channels == 1).sum(), len(channels),
    )  # fmt: skip
    felt = sent[sent["dimension"] == "emotion"]["customer_id"].nunique()
    assert found["no_emotion"].part == len(channels) - felt
    touches = room.recent["touches"]
    inbound = (touches["delivered"] & (touches["direction"] == "inbound")).sum()
    began = inbound + len(room.recent["tickets"])
    assert (found["reactive"].part, found["reactive"].of) == (began, began + len(sent))
    systems = [ids(room.raw[n]) for n in
               ("transactions", "touches", "feedback", "tickets", "engagement")]  # fmt: skip
    places = pd.Series([one for each in systems for one in each]).value_counts()
    assert (found["silos"].part, found["silos"].of) == ((places == 1).sum(), len(places))


def test_contacts_that_follow_tiers(room):
    """Eta squared by its definition, one customer at a time."""
    made = contacts(room)["customer_id"].value_counts()
    frame = room.tiers.assign(n=room.tiers["customer_id"].map(made).fillna(0))
    frame = frame[frame["customer_id"].isin(ids(room.raw["customers"]))]
    total = ((frame["n"] - frame["n"].mean()) ** 2).sum()
    within = sum(((g - g.mean()) ** 2).sum() for _, g in frame.groupby("tier")["n"])
    found = room.fails.by_item["no_segmentation"]
    assert found.value == pytest.approx(1 - within / total, rel=1e-9)
    assert found.details["each"] == pytest.approx(frame.loc[frame["tier"] == "A", "n"].mean())


def test_maturity(room):
    rows = room.scores.items_frame().set_index("item")
    sent, people = contacts(room), ids(room.raw["customers"])
    asked = room.recent["feedback"]
    content = asked[asked["kind"].isin(["nps", "csat", "ces"]) & asked["answered_at"].lt(
        room.until) & asked["score"].notna()]  # fmt: skip
    assert rows.loc["said_how_content", "part"] == len(ids(content) & people)
    tickets = room.recent["tickets"]
    due = tickets[tickets["opened_at"] + pd.Timedelta(hours=24) < room.until]
    reply = due[["first_reply_at", "resolved_at"]].min(axis=1)
    reply = reply.where(reply < room.until)
    in_time = (reply - due["opened_at"] <= pd.Timedelta(hours=24)).sum()
    assert rows.loc["answered_in_time", ["part", "of"]].to_list() == [in_time, len(due)]
    assert rows.loc["company_began", "part"] == len(sent)
    scores = room.scores.to_frame().set_index("pillar")["score"]
    for pillar, items in rows.groupby("pillar"):
        assert scores[pillar] == pytest.approx(100 * (items["part"] / items["of"]).mean())


def test_a_pillar_scores_its_measured_items_and_never_0_for_none():
    measured = Evidence("usable", "share", 0.5, 1, 2)
    missing = Evidence("all_stages", "share", reason="not_supplied", missing=("customers",))
    assert Pillar("data_driven", (measured, missing)).score == 50
    assert Pillar("data_driven", (missing,)).score is None


def test_transactions_alone(make_source):
    """Nothing is measured that no table says, and nothing is 0 in its place."""
    source = rk.open_source(make_source("customer,day,amount\na,2025-01-01,1\nb,2025-01-02,2\n"))
    rows, supplied = rk.quality.funnel(source), rk.quality.inventory(source)
    known = rk.quality.coverage(source)
    lacks = rk.quality.shortfalls(source, rows, supplied, known)
    fails = rk.quality.failure_modes(source, known)
    scores = rk.quality.maturity(source, rows, known, lacks, fails)
    assert known.to_frame()["status"].to_list() == ["not supplied", "measured", "not supplied"]
    assert known.to_frame()["covered"].isna().to_list() == [True, False, True]
    status = lacks.to_frame().set_index("item")["status"]
    assert status[status == "measured"].index.to_list() == ["scattered", "formats", "age"]
    assert lacks.by_item["consent"].missing == ("customers",)
    assert (fails.to_frame()["status"] == "not measurable").all()
    assert fails.to_frame()["value"].isna().all()
    assert scores.to_frame()["score"].isna().to_list() == [False, True, True, True]
    assert scores.to_frame()["items_measured"].to_list() == [1, 0, 0, 0]


def test_formats_are_of_how_a_value_is_written():
    written = ("amount is text", "occurred_at is unreadable", "customer_id is in scientific "
               "notation", "channel is not one of phone, email", "kind is not purchase or refund",
               "automated is not true or false", "row has too many or too few fields")  # fmt: skip
    said = ("duplicate", "customer_id is empty", "customer_id is not in customers",
            "occurred_at is in the future", "ends_on is not after starts_on")  # fmt: skip
    assert [_is_of_form(reason) for reason in (*written, *said)] == [True] * 7 + [False] * 5


def test_tiers_that_cannot_be_meant(room):
    twice = pd.concat([room.tiers, room.tiers.head(2)])
    with pytest.raises(DataError, match="2 customers stand there again"):
        rk.quality.coverage(room.source, twice)
    with pytest.raises(DataError, match="no column 'tier'"):
        rk.quality.coverage(room.source, room.tiers.drop(columns="tier"))
    with pytest.raises(ParameterError, match="window_days=0"):
        rk.quality.failure_modes(room.source, room.known, window_days=0)


def test_an_item_has_a_value_or_a_reason():
    with pytest.raises(DataError, match="has a value or a reason"):
        Evidence("silos", "share")
