"""The synthetic world as a whole: arguments, reproducibility, tables that fit each other."""

import datetime as dt
import hashlib
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.world_columns import numbered
from relkit.data.world_parameters import CONSUMERS_PER_BLOCK

TABLES = {
    "transactions": "transaction_id customer_id occurred_at amount currency kind category",
    "customers": "customer_id name created_at industry region owner_id decision_maker birthday "
    "time_zone consent_email consent_phone consent_sms consent_wechat strategic_fit email phone",
    "touches": "touch_id customer_id occurred_at channel direction dimension depth content_type "
    "owner_id automated delivered opened clicked replied unsubscribed",
    "feedback": "feedback_id customer_id asked_at answered_at kind score scale_min scale_max text",
    "tickets": "ticket_id customer_id opened_at first_reply_at resolved_at reopened_at kind "
    "channel owner_id priority",
    "engagement": "customer_id date event count",
    "contracts": "contract_id customer_id starts_on ends_on annual_value status reason",
    "assignments": "experiment_id customer_id arm assigned_at stratum",
    "referrals": "customer_id referred_customer_id referred_at",
    "owners": "owner_id name role hours_per_week",
    "owner_history": "customer_id owner_id starts_on ends_on",
    "interviews": "customer_id field interviewed_at value",
    "survey_values": "customer_id field answered_at value",
    "stages": "customer_id stage entered_at",
    "needs": "need_id description kano importance urgency customer_id",
    "reviews": "customer_id reviewed_at label reviewer",
}
KEYS = {
    "transactions": ["transaction_id"],
    "customers": ["customer_id"],
    "touches": ["touch_id"],
    "feedback": ["feedback_id"],
    "tickets": ["ticket_id"],
    "engagement": ["customer_id", "date", "event"],
    "contracts": ["contract_id"],
    "assignments": ["experiment_id", "customer_id"],
    "referrals": ["customer_id", "referred_customer_id"],
    "owners": ["owner_id"],
    "owner_history": ["customer_id", "owner_id", "starts_on"],
    "interviews": ["customer_id", "field", "interviewed_at"],
    "survey_values": ["customer_id", "field", "answered_at"],
    "stages": ["customer_id", "stage"],
    "needs": ["need_id"],
    "reviews": ["customer_id", "reviewed_at"],
}
WORDS = {
    ("transactions", "kind"): {"purchase"},
    ("touches", "channel"): {"phone", "email", "sms", "wechat", "visit", "app", "event", "other"},
    ("touches", "direction"): {"outbound", "inbound"},
    ("touches", "dimension"): {"emotion", "value", "response"},
    ("touches", "depth"): {"message", "deep", "strategic"},
    ("feedback", "kind"): {"nps", "csat"},
    ("tickets", "kind"): {"complaint", "question", "incident", "request"},
    ("contracts", "status"): {"active", "renewed", "lost", "pending"},
    ("needs", "kano"): {"basic", "expected", "delight"},
}
# Each time, and those that may not come before it.
ORDER = [
    ("tickets", ["opened_at", "first_reply_at", "resolved_at", "reopened_at"]),
    ("feedback", ["asked_at", "answered_at"]),
    ("contracts", ["starts_on", "ends_on"]),
    ("owner_history", ["starts_on", "ends_on"]),
]


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(12_000, seed=2, faults=None)


def digest(frame):
    return hashlib.sha256(pd.util.hash_pandas_object(frame).to_numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_their_columns_and_keys(world, name):
    frame = world.tables[name]
    assert list(frame.columns) == TABLES[name].split()
    assert len(frame) > 0
    assert not frame[KEYS[name]].isna().any().any()
    assert not frame.duplicated(KEYS[name]).any()


def test_words_are_the_agreed_ones(world):
    for (table, column), words in WORDS.items():
        assert set(world.tables[table][column]) <= words, (table, column)


def test_ids_refer_to_rows_that_are_there(world):
    customers = set(world.tables["customers"]["customer_id"])
    owners = set(world.tables["owners"]["owner_id"])
    for name, frame in world.tables.items():
        for column in frame.columns.intersection(["customer_id", "referred_customer_id"]):
            assert set(frame[column]) <= customers, (name, column)
        if "owner_id" in frame:
            assert set(frame["owner_id"].dropna()) <= owners, name
    referrals = world.tables["referrals"]
    assert (referrals["customer_id"] != referrals["referred_customer_id"]).all()
    assert world.tables["assignments"]["customer_id"].is_unique


def test_times_are_in_order(world):
    for name, columns in ORDER:
        times = world.tables[name][columns]
        for earlier, later in pairwise(columns):
            assert not (times[later] < times[earlier]).any(), (name, later)
        strict = name == "contracts"
        assert not strict or (times["starts_on"] < times["ends_on"]).all()
    assert (world.tables["transactions"]["occurred_at"] < "2025-06-30").all()
    scores = world.tables["feedback"].dropna(subset=["score"])
    assert scores["score"].between(scores["scale_min"], scores["scale_max"]).all()
    assert (world.tables["engagement"]["count"] >= 0).all()


def test_consumers_who_left_do_nothing_more(world):
    left_at = world.truth["consumers"].set_index("customer_id")["left_at"]
    assert left_at.notna().sum() > 1_000
    for name, column in (
        ("transactions", "occurred_at"),
        ("tickets", "opened_at"),
        ("feedback", "answered_at"),
        ("referrals", "referred_at"),
        ("stages", "entered_at"),
    ):
        frame = world.tables[name]
        late = frame[column].to_numpy() > left_at.reindex(frame["customer_id"]).to_numpy()
        assert not late.any(), name
    touches = world.tables["touches"]
    gone = touches["occurred_at"].to_numpy() > left_at.reindex(touches["customer_id"]).to_numpy()
    assert gone.sum() > 1_000  # the company goes on, since it does not know
    for flag in ("opened", "clicked", "replied", "unsubscribed"):
        assert not touches[flag].fillna(False)[gone].any()


def test_nobody_is_on_record_before_the_first_purchase(world):
    first = world.truth["consumers"].set_index("customer_id")["first_at"]
    made = world.tables["transactions"].groupby("customer_id")["occurred_at"].min()
    assert (made == first.loc[made.index]).all()
    created = world.tables["customers"].set_index("customer_id")["created_at"]
    assert (created.loc[first.index] <= first).all()
    for name, column in (("touches", "occurred_at"), ("tickets", "opened_at")):
        frame = world.tables[name]
        assert not (frame[column].to_numpy() < first.reindex(frame["customer_id"]).to_numpy()).any()
    referrals = world.tables["referrals"]
    assert (
        referrals["referred_at"].to_numpy()
        <= first.reindex(referrals["referred_customer_id"]).to_numpy()
    ).all()
    assert (
        referrals["referred_at"].to_numpy() > first.reindex(referrals["customer_id"]).to_numpy()
    ).all()


def test_stages_are_counted_purchases(world):
    rows = world.tables["transactions"].sort_values(["customer_id", "occurred_at"])
    nth = rows.groupby("customer_id").cumcount() + 1
    for stage, n in (("first purchase", 1), ("third purchase", 3), ("tenth purchase", 10)):
        wanted = rows[nth == n].set_index("customer_id")["occurred_at"]
        stages = world.tables["stages"]
        seen = stages[stages["stage"] == stage].set_index("customer_id")
        assert seen["entered_at"].sort_index().equals(wanted.rename("entered_at").sort_index())


def test_nobody_is_real(world):
    customers = world.tables["customers"]
    assert customers["email"].str.fullmatch(r"(person|office)\d{8}@example\.(com|org|net)").all()
    assert customers["email"].is_unique
    fiction = r"\+1-[2-9]\d\d-555-01\d\d|\+44-7700-900\d{3}"
    assert customers["phone"].str.fullmatch(fiction).all()
    assert customers["customer_id"].str.startswith("SYN-").all()
    assert customers["name"].str.contains(r"[\u4e00-\u9fff]").mean() == pytest.approx(0.8, abs=0.02)
    assert customers["name"].str.contains(r"[A-Za-z]").any()
    for channel in ("email", "phone", "sms", "wechat"):
        consent = customers[f"consent_{channel}"]
        assert consent.isna().mean() == pytest.approx(0.25, abs=0.02)
        assert consent.mean() == pytest.approx(0.6 / 0.75, abs=0.02)
    people = customers[customers["customer_id"].str.startswith("SYN-C")]
    assert people["birthday"].between("1950-01-01", "2005-12-31").all()


def test_the_snapshot_is_a_fixed_past_day(world):
    assert world.as_of == dt.date(2024, 12, 29)
    summary = rk.rfm_summary(world.tables["transactions"], as_of=world.as_of, unit="week")
    truth = world.truth["consumers"]
    assert len(summary) == (truth["first_at"] < "2024-12-30").sum()
    alive = (truth["first_at"] < "2024-12-30") & ~(truth["left_at"] < "2024-12-30")
    assert (alive == truth["alive_at_snapshot"]).all()
    assert world.parameters["as_of"] == "2024-12-29"
    assert world.parameters["last_day"] == "2025-06-29"
    frame = world.to_frame()
    rows = frame[~frame["truth"]].set_index("table")["rows"]
    assert rows.to_dict() == {name: len(table) for name, table in world.tables.items()}


def test_truth_stays_out_of_the_tables(world):
    known = {column for frame in world.tables.values() for column in frame.columns}
    for secret in ("purchase_rate", "left_at", "best_per_month", "decided_at", "cause", "latent"):
        assert secret not in known
        assert any(secret in frame.columns for frame in world.truth.values())


def test_the_same_seed_gives_the_same_world_and_another_does_not():
    one, same, other = (rk.simulate_world(600, seed=seed) for seed in (3, 3, 4))
    for name in one.tables:
        assert digest(one.tables[name]) == digest(same.tables[name])
    assert digest(one.tables["transactions"]) != digest(other.tables["transactions"])


def test_leaving_tables_out_changes_no_other(world):
    for name in ("transactions", "feedback", "engagement", "interviews"):
        alone = rk.simulate_world(12_000, seed=2, faults=None, tables=[name])
        assert set(alone.tables) == {name}
        assert digest(alone.tables[name]) == digest(world.tables[name])


def test_more_customers_leave_complete_blocks_as_they_are(world):
    small = rk.simulate_world(
        CONSUMERS_PER_BLOCK, seed=2, faults=None, accounts=0, tables=["transactions", "touches"]
    )
    for name, frame in small.tables.items():
        bigger = world.tables[name].iloc[: len(frame)]
        assert digest(bigger) == digest(frame)


def test_no_two_blocks_are_alike(world):
    rates = world.truth["consumers"]["purchase_rate"].to_numpy()
    assert len(np.unique(rates)) == len(rates)


def test_other_lengths():
    world = rk.simulate_world(
        500, weeks=30, snapshot=30, start="2020-02-29", randomised_from=0, faults=None
    )
    assert world.as_of == dt.date(2020, 9, 25)
    times = world.tables["transactions"]["occurred_at"]
    assert times.min() >= pd.Timestamp("2020-02-29")
    assert times.max() < pd.Timestamp("2020-09-26")
    one = rk.simulate_world(1, weeks=8, snapshot=4, accounts=1)
    assert len(one.tables["customers"]) >= 2
    none = rk.simulate_world(300, accounts=0)
    assert "contracts" not in none.tables
    assert len(none.truth["consumers"]) == 300


def test_arguments_that_cannot_be_meant_are_all_said():
    with pytest.raises(rk.ParameterError) as caught:
        rk.simulate_world(
            customers=0,
            seed=-1,
            kind="flatt",
            weeks=3,
            snapshot=2,
            faults="some",
            accounts=-5,
            start="soon",
            tables=["transaction"],
        )
    said = str(caught.value)
    for word in (
        "customers=0", "seed=-1", "did you mean 'flat'", "weeks=3", "snapshot=2", "faults='some'",
        "accounts=-5", "start=", "did you mean 'transactions'",
    ):  # fmt: skip
        assert word in said
    assert len(caught.value.faults) == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"customers": True}, "customers=True"),
        ({"customers": 10.5}, "customers=10.5"),
        ({"customers": 50_000_000}, "customers=50000000"),
        ({"snapshot": 200}, "snapshot=200"),
        ({"randomised_from": 157}, "randomised_from=157"),
        ({"kind": "pure", "accounts": 5}, "consumers only"),
        ({"kind": "pure", "tables": ["touches"]}, "unknown 'touches'"),
        ({"tables": []}, "at least one table"),
        ({"faults": rk.WorldFaults(duplicate=2)}, "duplicate=2 must be a share"),
        ({"faults": rk.WorldFaults(silent_weeks=1.5)}, "silent_weeks=1.5"),
        ({"accounts": 0, "tables": ["contracts"]}, "accounts=0"),
        ({"start": "9999-12-01"}, "start=9999-12-01"),
    ],
)
def test_single_faults_in_arguments(arguments, said):
    with pytest.raises(rk.ParameterError, match=said):
        rk.simulate_world(**{"customers": 10, **arguments})


def test_ids_are_never_cut_off():
    assert numbered("SYN-X", (np.array([7, 99]), 2), (np.array([1, 23]), 3)).to_pylist() == [
        "SYN-X07-001",
        "SYN-X99-023",
    ]
    with pytest.raises(OverflowError, match="100 has more than 2 digits"):
        numbered("SYN-X", (np.array([7, 100]), 2))
