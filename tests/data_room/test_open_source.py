"""Sources that are as they should be: what comes out, and where from."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from relkit.data.accounts import RowAccount
from relkit.data.sources import open_source
from relkit.errors import DataError

ROOT = Path(__file__).parents[2]
GOOD = "customer,day,amount\n1,2025-01-01,10\n2,2025-01-02,20.5\n1,2025-01-03,-4\n"


def frame(source):
    return source.transactions.order_by("transaction_id").to_pandas()


# Fader & Hardie's CDNOW: 23,570 customers, 69,659 transactions, 1997-01-01 to 1998-06-30.
def test_cdnow_master_is_read_whole(monkeypatch):
    monkeypatch.chdir(ROOT)
    source = open_source("params/sources/cdnow.yaml")
    assert source.account == RowAccount(69659, 69659, 0, {}, {})
    assert source.transactions.customer_id.nunique().to_pyarrow().as_py() == 23570
    assert source.span == (dt.date(1997, 1, 1), dt.date(1998, 6, 30))
    assert source.as_of == dt.date(1998, 6, 30)
    assert source.currency == "USD"
    assert source.name["zh"] == "CDNOW 唱片店"
    assert not source.synthetic
    assert not source.ids_given


def test_the_cdnow_file_is_named_by_its_package_and_its_hash(monkeypatch):
    monkeypatch.chdir(ROOT / "tests")  # any folder below the project will do
    source = open_source("params/sources/cdnow_sample.yaml")
    (record,) = source.files
    content = importlib.metadata.distribution("lifetimes").locate_file(
        "lifetimes/datasets/CDNOW_sample.txt"
    )
    assert record.path == "lifetimes/datasets/CDNOW_sample.txt"
    assert record.sha256 == hashlib.sha256(Path(content).read_bytes()).hexdigest()
    assert (record.bytes, record.rows) == (228327, 6919)


def test_cdnow_sample_ids_are_those_of_the_master_file(monkeypatch):
    monkeypatch.chdir(ROOT)
    rows = open_source("params/sources/cdnow_sample.yaml").transactions
    first = rows.filter(rows.customer_id == "00004").order_by("occurred_at").to_pandas()
    # The first four lines of CDNOW_sample.txt.
    assert first["amount"].tolist() == [29.33, 29.73, 14.96, 26.48]
    assert first["occurred_at"].dt.date.tolist() == [
        dt.date(1997, 1, 1),
        dt.date(1997, 1, 18),
        dt.date(1997, 8, 2),
        dt.date(1997, 12, 12),
    ]


def test_a_csv_becomes_the_contract(make_source):
    source = open_source(make_source(GOOD))
    rows = frame(source)
    assert list(rows.columns) == [
        "transaction_id",
        "customer_id",
        "occurred_at",
        "amount",
        "kind",
    ]
    assert rows["kind"].tolist() == ["purchase", "purchase", "refund"]
    assert rows["amount"].tolist() == [10.0, 20.5, -4.0]
    assert rows["transaction_id"].is_unique
    assert source.as_of == dt.date(2025, 1, 3)
    assert source.files[0].path == "data/shop.csv"


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [("utf-8-sig", "utf-8"), ("utf-8", "utf-8-sig"), ("gb18030", "gb18030"), ("utf-16", "utf-16")],
)
def test_encodings_are_declared_by_name(make_source, encoding, declared):
    content = "客户,日期,金额,品类\n甲,2025-01-01,10,图书\n"
    path = make_source(
        content, encoding=encoding, settings=f"encoding: {declared}", columns="  category: 品类\n"
    )
    text = Path(path).read_text(encoding="utf-8")
    for theirs, chinese in (("customer", "客户"), ("day", "日期"), ("amount", "金额")):
        text = text.replace(f": {theirs}\n", f": {chinese}\n")
    Path(path).write_text(text, encoding="utf-8")
    rows = frame(open_source(path))
    assert rows["customer_id"].tolist() == ["甲"]
    assert rows["category"].tolist() == ["图书"]


def test_compressed_csv_with_semicolons_and_decimal_commas(make_source):
    content = 'customer;day;amount\r\n1;31.01.2025;"1.234,50"\r\n2;01.02.2025;12,5\r\n'
    path = make_source(
        content,
        zipped=True,
        settings="separator: ';'\ndecimal: ','\nthousands: '.'\ndates: '%d.%m.%Y'",
    )
    rows = frame(open_source(path))
    assert rows["amount"].tolist() == [1234.5, 12.5]
    assert rows["occurred_at"].dt.date.tolist() == [dt.date(2025, 1, 31), dt.date(2025, 2, 1)]


def test_several_files_are_one_source_and_each_has_its_account(make_source, project):
    path = make_source("customer,day,amount\n,2025-01-01,10\n1,2025-01-02,20\n")
    (project / "data/shop2.csv").write_text("amount,day,customer\n5,2025-01-05,2\n")
    text = Path(path).read_text().replace("data/shop.csv", "data/shop*.csv")
    Path(path).write_text(text)
    source = open_source(path, max_set_aside=0.5)
    inventory = source.to_frame()
    assert inventory["file"].tolist() == ["data/shop.csv", "data/shop2.csv"]
    assert inventory["rows"].tolist() == [2, 1]
    assert inventory["used"].tolist() == [1, 1]
    assert inventory["set_aside"].tolist() == [1, 0]
    assert inventory["first"].tolist() == [pd.Timestamp("2025-01-02"), pd.Timestamp("2025-01-05")]
    assert source.set_aside()["file"].tolist() == ["data/shop.csv"]


def test_parquet_with_float_ids_and_products(project):
    pd.DataFrame(
        {
            "Customer ID": [17850.0, None, 13047.0, 17850.0],
            "Quantity": [2, 1, 3, 1],
            "Price": [1.25, 9.0, 2.0, 0.5],
            "When": pd.to_datetime(["2025-01-01", "2025-01-01", "2025-01-02", "2025-01-03"]),
        }
    ).to_parquet(project / "data/lines.parquet")
    (project / "params/sources/lines.yaml").write_text(
        "name: Lines\nformat: parquet\nfiles: data/lines.parquet\ntransactions:\n"
        "  customer_id: Customer ID\n  occurred_at: When\n  amount: Quantity * Price\n"
    )
    source = open_source("params/sources/lines.yaml", max_set_aside=0.25)
    rows = frame(source)
    assert rows["customer_id"].tolist() == ["17850", "13047", "17850"]
    assert rows["amount"].tolist() == [2.5, 6.0, 0.5]
    listed = source.set_aside()
    assert listed["row"].tolist() == [2]  # Parquet has no header
    assert listed["Price"].tolist() == ["9.0"]


def test_line_items_add_up_to_one_transaction(make_source):
    content = (
        "customer,day,amount,order\n"
        "1,2025-01-01 10:01:00,10,A\n1,2025-01-01 10:00:00,-2.5,A\n1,2025-01-01 10:00:00,-2.5,A\n"
        "2,2025-01-02,-5,B\n2,2025-01-02,1,B\n"
    )
    path = make_source(content, settings="line_items: true", columns="  transaction_id: order\n")
    source = open_source(path)
    rows = frame(source)
    assert rows["transaction_id"].tolist() == ["A", "B"]
    assert rows["amount"].tolist() == [5.0, -4.0]
    assert rows["kind"].tolist() == ["purchase", "refund"]
    assert rows["occurred_at"].tolist()[0] == pd.Timestamp("2025-01-01 10:00:00")
    assert source.account.used == 5  # lines, not orders: the account is about rows


def test_duplicates_are_kept_once(make_source):
    content = (
        "customer,day,amount,order\n"
        "1,2025-01-01,10,A\n2,2025-01-02,5,B\n1,2025-01-01,10.00,A\n1.0,2025-01-01,10,A\n"
    )
    source = open_source(
        make_source(content, columns="  transaction_id: order\n"), max_set_aside=0.5
    )
    assert source.account.reasons == {"duplicate": 2}
    assert source.set_aside()["row"].tolist() == [4, 5]  # the first one is kept
    assert frame(source)["transaction_id"].tolist() == ["A", "B"]
    assert source.ids_given


def test_a_day_is_a_day_in_the_sources_time_zone(make_source):
    # 16:30 UTC is 00:30 of the next day in Shanghai, and so is 00:30+08:00.
    content = (
        "customer,day,amount\n1,2025-01-01T16:30:00Z,1\n2,2025-01-02T00:30:00+08:00,1\n"
        "3,2025-01-02 00:30,1\n"
    )
    rows = frame(open_source(make_source(content, settings="time_zone: Asia/Shanghai")))
    assert rows["occurred_at"].tolist() == [pd.Timestamp("2025-01-02 00:30:00")] * 3


def test_zoned_parquet_times_keep_their_day(project):
    when = pd.to_datetime(["2025-01-02 00:30"]).tz_localize("Asia/Shanghai")
    pd.DataFrame({"c": ["1"], "t": when, "a": [1.0]}).to_parquet(project / "data/z.parquet")
    text = (
        "name: Z\nformat: parquet\nfiles: data/z.parquet\ntime_zone: Asia/Shanghai\n"
        "transactions: {customer_id: c, occurred_at: t, amount: a}\n"
    )
    (project / "params/sources/z.yaml").write_text(text)
    rows = frame(open_source("params/sources/z.yaml"))
    assert rows["occurred_at"].tolist() == [pd.Timestamp("2025-01-02 00:30")]


def test_later_rows_can_be_set_aside_without_counting_as_faults(make_source):
    path = make_source(GOOD)
    source = open_source(path, as_of="2025-01-01", max_set_aside=0.0, later_rows="set_aside")
    assert source.account.reasons == {"after as_of": 2}
    assert source.account.reasons_zh == {"晚于截止日": 2}
    assert source.as_of == dt.date(2025, 1, 1)
    assert len(frame(source)) == 1


def test_a_row_at_the_end_of_as_of_still_counts(make_source):
    path = make_source("customer,day,amount\n1,2025-01-01 23:59:59.999,1\n")
    assert open_source(path, as_of="2025-01-01").account.used == 1


def test_kinds_and_signs_follow_the_mapping(make_source):
    content = "customer,day,amount,type\n1,2025-01-01,10,Sale\n1,2025-01-02,4,RETURN\n"
    path = make_source(
        content,
        settings="kinds: {Sale: purchase, Return: refund}\nrefunds_are_positive: true",
        columns="  kind: type\n",
    )
    rows = frame(open_source(path))
    assert rows["kind"].tolist() == ["purchase", "refund"]
    assert rows["amount"].tolist() == [10.0, -4.0]


def test_the_currency_comes_from_the_column_where_none_is_declared(make_source):
    content = "customer,day,amount,cur\n1,2025-01-01,10,CNY\n2,2025-01-02,5,CNY\n"
    source = open_source(make_source(content, columns="  currency: cur\n"))
    assert source.currency == "CNY"
    assert frame(source)["currency"].tolist() == ["CNY", "CNY"]


def test_files_are_found_from_a_notebooks_folder_too(make_source, project, monkeypatch):
    path = make_source(GOOD)
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / "notebooks")
    for way in (path, f"../{path}", str(project / path)):
        source = open_source(way)
        assert source.files[0].path == "data/shop.csv"
        assert source.describe()["mapping"]["path"] == path


def test_a_yaml_beside_its_file_works_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "shop.csv").write_text(GOOD)
    (tmp_path / "shop.yaml").write_text(
        "name: S\nformat: csv\nfiles: shop.csv\n"
        "transactions: {customer_id: customer, occurred_at: day, amount: amount}\n"
    )
    source = open_source(tmp_path / "shop.yaml")
    assert source.files[0].path == "shop.csv"


def test_the_description_is_json_and_names_no_place_of_this_machine(make_source, project):
    content = "customer,day,amount\n,2025-01-01,1\n1,2025-01-02,2\n"
    source = open_source(make_source(content), max_set_aside=0.5)
    described = json.dumps(source.describe())
    assert str(project) not in described
    assert json.loads(described)["account"] == {
        "read": 2,
        "used": 1,
        "set_aside": 1,
        "reasons": {"customer_id is empty": 1},
        "reasons_zh": {"customer_id 为空": 1},
    }


def test_rows_that_do_not_add_up_are_never_reported():
    with pytest.raises(DataError, match="do not add up"):
        RowAccount(3, 1, 1, {"a": 1}, {"b": 1})
    with pytest.raises(DataError, match="do not add up"):
        RowAccount(3, 1, 2, {"a": 1}, {"b": 1})


def test_opening_a_source_needs_neither_lifetimes_nor_matplotlib():
    code = (
        "import sys, relkit as rk\n"
        "assert not {'ibis', 'duckdb', 'pandas'} & set(sys.modules)\n"
        "rk.open_source('params/sources/cdnow_sample.yaml')\n"
        "assert not {'lifetimes', 'matplotlib', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
