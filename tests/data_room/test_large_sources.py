"""Large files are read again in place of being kept, and summarised some customers at a time."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data import daily, engine, opening
from relkit.data.sources import open_source
from relkit.errors import DataError, ParameterError, RunError, SourceError

YAML = """\
name: S
format: parquet
{more}tables:
  transactions:
    files: data/shop.parquet
    columns: {{transaction_id: id, customer_id: customer, occurred_at: at, amount: amount}}
{customers}"""
CUSTOMERS = "  customers: {files: data/customers.parquet, columns: {customer_id: id}}\n"
LAST = "2025-07-20"


def shop(rows=2_000):
    """Several purchases a day, refunds, customers with nothing but refunds, odd ids."""
    rng = np.random.default_rng(8)
    hours = pd.to_timedelta(rng.integers(0, 200 * 24, rows), unit="h")
    frame = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(rows)],
            "customer": rng.choice(["b", "A", "10", "9", "客户", *map(str, range(100, 300))], rows),
            "at": pd.Timestamp("2025-01-01") + hours,
            "amount": np.round(rng.normal(20, 15, rows), 2),
        }
    )
    frame.loc[len(frame)] = ["last", "only refunds", pd.Timestamp("2025-02-01"), -3.0]
    return frame


@pytest.fixture
def large(monkeypatch):
    """Every source counts as large, and is summarised in many pieces."""
    monkeypatch.setattr(opening, "ROWS_WORTH_A_LOOK", 1)
    monkeypatch.setattr(daily, "ROWS_WORTH_KEEPING", 1)
    monkeypatch.setattr(daily, "ROWS_AT_A_TIME", 500)
    monkeypatch.setattr(daily, "ROWS_A_SLICE", 60)


@pytest.fixture
def write(project):
    def source(frame, more="", customers=None):
        frame.to_parquet(project / "data/shop.parquet")
        if customers is not None:
            pd.DataFrame({"id": customers}).to_parquet(project / "data/customers.parquet")
        text = YAML.format(more=more, customers="" if customers is None else CUSTOMERS)
        (project / "params/sources/shop.yaml").write_text(text)
        return "params/sources/shop.yaml"

    return source


def rows_of(source):
    return source.transactions.order_by("transaction_id").to_pandas()


def is_read_again(source):
    return source._tables.open("transactions").checked.read_again


def test_a_clean_file_is_read_again_and_gives_the_same_rows(write, large, monkeypatch):
    path = write(shop())
    again = open_source(path)
    monkeypatch.setattr(opening, "ROWS_WORTH_A_LOOK", 10**9)
    kept = open_source(path)
    assert is_read_again(again)
    assert not is_read_again(kept)
    assert again.account == kept.account
    assert again.span == kept.span
    pd.testing.assert_frame_equal(rows_of(again), rows_of(kept))
    pd.testing.assert_frame_equal(again.to_frame(), kept.to_frame())
    assert len(again.set_aside()) == 0


FAULTS = {
    "id twice": lambda f: pd.concat([f, f.iloc[[3]]], ignore_index=True),
    "id of two rows": lambda f: f.assign(id=f["id"].replace({"t1": "t2"})),
    "no customer": lambda f: f.assign(customer=f["customer"].where(f.index != 5)),
    "nothing's word": lambda f: f.assign(customer=f["customer"].where(f.index != 5, " N/A ")),
    "no amount": lambda f: f.assign(amount=f["amount"].where(f.index != 5)),
    "future": lambda f: f.assign(at=f["at"].where(f.index != 5, pd.Timestamp("2999-01-01"))),
    "cut id": lambda f: f.assign(id=f["id"].where(f.index != 5, "1.5E+10")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_as_in_a_small_file(write, large, monkeypatch, fault):
    path = write(FAULTS[fault](shop()))
    found = open_source(path)
    assert not is_read_again(found)
    assert 1 <= found.account.set_aside <= 2
    monkeypatch.setattr(opening, "ROWS_WORTH_A_LOOK", 10**9)
    assert open_source(path).account == found.account


def test_customers_of_another_table_are_looked_up(write, large):
    frame = shop()
    everyone = sorted(set(frame["customer"]))
    assert is_read_again(open_source(write(frame, customers=everyone)))
    few = open_source(write(frame, customers=everyone[1:]), max_set_aside=0.1)
    gone = (frame["customer"] == everyone[0]).sum()
    assert few.account.reasons == {"customer_id is not in customers": gone}


def test_rows_after_the_day_are_left_out_of_a_file_that_is_read_again(write, large):
    frame = shop()
    source = open_source(write(frame), as_of="2025-03-10", later_rows="set_aside")
    later = int((frame["at"] >= "2025-03-11").sum())
    assert is_read_again(source)
    assert source.account.reasons == {"after as_of": later}
    assert len(rows_of(source)) == len(frame) - later
    with pytest.raises(DataError, match="after as_of=2025-03-10"):
        open_source(write(frame), as_of="2025-03-10")


def test_a_file_that_changes_under_a_summary_is_noticed(write, large):
    source = open_source(write(shop()))
    write(shop(rows=100))
    with pytest.raises(SourceError, match=r"data/shop.parquet has changed since it was checked"):
        rk.rfm_summary(source.transactions, as_of=LAST)


# What two customers may share: nothing, a hash, both hashes of a neighbour in the order.
HASHES = {
    "told apart": "hash(customer_id)",
    "some alike": "(hash(customer_id) % 40) << 20",
    "all alike": "7::UBIGINT << 40",
}


@pytest.mark.parametrize("hashes", HASHES)
def test_customers_of_one_hash_stay_apart(write, large, monkeypatch, hashes):
    monkeypatch.setattr(daily, "HASH", HASHES[hashes])
    frame = shop()
    rows = open_source(write(frame)).transactions
    by_frame = frame.rename(columns={"customer": "customer_id", "at": "occurred_at"})
    whole = rk.rfm_summary(by_frame, as_of=LAST, unit="week")
    pd.testing.assert_frame_equal(rk.rfm_summary(rows, as_of=LAST, unit="week"), whole)
    assert len(whole) == frame["customer"].nunique() - 1


def test_sums_beyond_what_is_kept_are_left_to_the_engine(write, large):
    frame = shop().assign(amount=9.5e11)
    frame.loc[3, "amount"] = 9.5e11 - 0.25
    rows = open_source(write(frame)).transactions
    assert daily.kept_daily(rows) is None
    summary = rk.rfm_summary(rows, as_of=LAST)
    expected = frame.groupby("customer")["amount"].sum()
    assert summary.set_index("customer_id")["total_spend"].to_dict() == dict(expected)


@pytest.mark.parametrize("as_of", [LAST, "2025-03-10"])
def test_many_pieces_are_the_whole(write, large, as_of):
    frame = shop()
    rows = open_source(write(frame)).transactions
    assert len(daily.kept_daily(rows).slices) > 10
    by_frame = frame.rename(columns={"customer": "customer_id", "at": "occurred_at"})
    whole = rk.rfm_summary(by_frame, as_of=as_of, unit="week")
    pieces = rk.rfm_summary(rows, as_of=as_of, unit="week")
    pd.testing.assert_frame_equal(pieces, whole)
    assert pieces.attrs == whole.attrs
    assert pieces["customer_id"].is_monotonic_increasing


def test_a_holdout_in_pieces_is_the_whole(write, large):
    frame = shop()
    rows = open_source(write(frame)).transactions
    by_frame = frame.rename(columns={"customer": "customer_id", "at": "occurred_at"})
    pieces = rk.holdout_summary(rows, "2025-04-30", LAST, "week")
    whole = rk.holdout_summary(by_frame, "2025-04-30", LAST, "week")
    for name in ("calibration", "births", "tracking"):
        pd.testing.assert_frame_equal(getattr(pieces, name), getattr(whole, name))
    assert (pieces.start, pieces.calibration_length) == (whole.start, whole.calibration_length)


def test_counts_without_a_row_a_customer(write, large):
    frame = shop()
    rows = open_source(write(frame)).transactions
    counted = rk.rfm_counts(rows, as_of=LAST, unit="week")
    expected = rk.count_unique_rows(rk.rfm_summary(rows, as_of=LAST, unit="week"))
    pd.testing.assert_frame_equal(counted, expected)
    assert counted.attrs == expected.attrs
    by_hand = rk.rfm_summary(rows, as_of=LAST, unit="week").value_counts(["frequency", "recency"])
    assert counted.groupby(["frequency", "recency"])["customers"].sum().to_dict() == dict(by_hand)


def test_too_little_memory_is_said_with_what_to_do(project):
    full = engine.connect()
    full.raw_sql("SET memory_limit = '20MB'")
    with pytest.raises(
        RunError, match=r"(?s)needs more than the \d+ MB.*RELKIT_MEMORY_MB="
    ) as told:
        full.raw_sql("SELECT list(range) FROM range(20000000)").fetchall()
    assert "TMPDIR" in str(told.value).replace("\n", " ")


@pytest.mark.parametrize("given", ["much", "2 GB", "149", "-5"])
def test_memory_that_cannot_be_meant(monkeypatch, given):
    monkeypatch.setenv("RELKIT_MEMORY_MB", given)
    with pytest.raises(ParameterError, match="RELKIT_MEMORY_MB=.* must be a whole number of MB"):
        engine.connect()


def test_memory_as_the_user_says(monkeypatch):
    monkeypatch.setenv("RELKIT_MEMORY_MB", "777")
    asked = engine.connect()
    engine.make_room(asked, 10**9)
    (said,) = asked.raw_sql("SELECT current_setting('memory_limit')").fetchall()
    assert said[0] == "741.0 MiB"  # 777 million bytes


def test_the_yaml_says_how_many_rows_may_fail_and_a_parameter_wins(write):
    frame = shop(rows=100)
    frame.loc[:19, "customer"] = None
    with pytest.raises(DataError, match=r"more than max_set_aside=0.01 allows"):
        open_source(write(frame))
    path = write(frame, more="max_set_aside: 0.25\n")
    assert open_source(path).account.set_aside == 20
    with pytest.raises(DataError, match=r"more than max_set_aside=0.1 allows"):
        open_source(path, max_set_aside=0.1)
    with pytest.raises(SourceError, match="max_set_aside: 25 must be at least 0 and at most 1"):
        open_source(write(frame, more="max_set_aside: 25\n"))
    with pytest.raises(SourceError, match="max_set_aside: 'some' is no number"):
        open_source(write(frame, more="max_set_aside: some\n"))


def frame_of(**columns):
    rows = {
        "customer_id": ["a", "b"],
        "occurred_at": ["2025-01-01", "2025-01-02"],
        "amount": [1, 2],
    }
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (None, r"transactions must be a frame, or a table .* found nothing \(None\)"),
        ([("a", 1)], "found a list"),
        (frame_of(occurred_at=["2025-01-01", "13/14/2025"]), r"row 2, '13/14/2025'"),
        (frame_of(occurred_at=[1, 2]), "occurred_at is int64; days or times are required"),
        (
            frame_of(occurred_at=pd.to_datetime(["2025-01-01", "2025-01-02"], utc=True)),
            "occurred_at carries a time zone",
        ),
        (
            frame_of(amount=["1", "twelve"]),
            r"amount is unreadable in 1 row \(first: row 2, 'like aaaaaa'",
        ),
        (frame_of(amount=[1, None]), "amount is empty in 1 row"),
    ],
)
def test_rows_that_are_no_transactions(rows, said):
    with pytest.raises(DataError, match=said):
        rk.rfm_summary(rows, as_of="2025-01-31")


def test_all_faults_of_a_frame_at_once():
    bad = frame_of(occurred_at=["x", None], amount=["y", "2"])
    with pytest.raises(DataError) as told:
        rk.rfm_summary(bad, as_of="2025-01-31")
    assert len(told.value.faults) == 3


def test_contacts_and_outcomes_of_no_table():
    with pytest.raises(DataError, match="found nothing"):
        rk.contact_rates(None, "2025-01-01", "2025-01-31")


def test_nothing_is_warned_of_where_warnings_are_errors():
    warnings.simplefilter("error")
    rows = frame_of(occurred_at=pd.to_datetime(["2025-01-01", "2025-01-05"]))
    rk.count_unique_rows(rk.rfm_summary(rows, as_of="2025-02-01"))
    rk.activity_by_period(rows, "2025-02-01")
    rk.holdout_summary(rows, "2025-01-03", "2025-02-01", "day")


def test_ids_that_are_numbers_in_some_rows_are_text():
    rows = frame_of(customer_id=["a", 7])
    assert rk.rfm_summary(rows, as_of="2025-02-01")["customer_id"].tolist() == ["7", "a"]
