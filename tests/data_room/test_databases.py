"""Databases and workbooks: what they give, and what they refuse, without a password said."""

from __future__ import annotations

import datetime as dt
import zipfile

import duckdb
import ibis
import pandas as pd
import pytest

from relkit.data import textfiles, workbooks
from relkit.data.databases import Database, _content
from relkit.data.mapping import read_mapping
from relkit.data.sources import open_source
from relkit.errors import SourceError

YAML = """\
name: CRM
format: database
connection: {env: CRM_DB}
table: shop.orders
transactions: {transaction_id: id, customer_id: customer, occurred_at: at, amount: amount}
"""


@pytest.fixture
def orders(postgres_server, project, monkeypatch):
    """A PostgreSQL with orders in it, and a source that maps them; runs statements."""
    import psycopg

    def run(*statements):
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    run(
        "DROP SCHEMA IF EXISTS shop CASCADE",
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id BIGINT, customer TEXT, at TIMESTAMP, amount NUMERIC(12, 2))",
        "INSERT INTO shop.orders VALUES (1, '0012', '2025-01-01', 10.10),"
        " (2, '7', '2025-01-02 12:30', -3), (3, NULL, '2025-01-03', 1), (3, NULL, '2025-01-03', 1)",
    )
    monkeypatch.setenv("CRM_DB", postgres_server)
    (project / "params/sources/crm.yaml").write_text(YAML)
    return run


def refused(path="params/sources/crm.yaml", **options):
    with pytest.raises(SourceError) as caught:
        open_source(path, **options)
    said = str(caught.value)
    assert "s3cret" not in said
    assert "reader" not in said
    return said


def test_postgres_is_read_as_any_other_source(orders):
    source = open_source("params/sources/crm.yaml", max_set_aside=0.5)
    rows = source.transactions.order_by("transaction_id").execute()
    assert rows["customer_id"].tolist() == ["0012", "7"]
    assert rows["amount"].tolist() == [10.1, -3.0]
    assert source.account.reasons == {"customer_id is empty": 2}
    (record,) = source.files
    assert (record.path, record.rows) == ("CRM_DB: shop.orders", 4)
    assert len(record.sha256) == 64
    assert "s3cret" not in str(source.describe())
    assert source.set_aside()["id"].tolist() == ["3", "3"]


def test_the_same_rows_have_the_same_hash_and_others_another(orders):
    first = open_source("params/sources/crm.yaml", max_set_aside=0.5).files[0].sha256
    assert open_source("params/sources/crm.yaml", max_set_aside=0.5).files[0].sha256 == first
    orders("UPDATE shop.orders SET amount = 11 WHERE id = 1")
    assert open_source("params/sources/crm.yaml", max_set_aside=0.5).files[0].sha256 != first


def test_a_refused_password(orders, monkeypatch, postgres_server):
    monkeypatch.setenv("CRM_DB", postgres_server.replace("s3cret", "s3cret-wrong"))
    assert "the database of CRM_DB refuses the user or the password" in refused()


def test_a_database_that_is_down(orders, monkeypatch):
    monkeypatch.setenv("CRM_DB", "postgres://reader:s3cret@127.0.0.1:1/postgres")
    assert "the database of CRM_DB cannot be reached" in refused()


def test_a_database_of_another_name(orders, monkeypatch, postgres_server):
    monkeypatch.setenv("CRM_DB", postgres_server.replace("/postgres", "/nothing"))
    assert "has no database of the name that CRM_DB gives" in refused()


def test_a_variable_that_is_not_set(orders, monkeypatch):
    monkeypatch.delenv("CRM_DB")
    assert "the environment variable CRM_DB is not set" in refused()


def test_an_address_in_the_file_is_refused_and_not_repeated(orders, project):
    text = YAML.replace("{env: CRM_DB}", "postgres://reader:s3cret@127.0.0.1/postgres")
    (project / "params/sources/crm.yaml").write_text(text)
    assert "connection must name the environment variable" in refused()


def test_a_table_that_is_not_there_names_the_near_one(orders, project):
    text = YAML.replace("shop.orders", "shop.ordres")
    (project / "params/sources/crm.yaml").write_text(text)
    assert "has no table or view shop.ordres; did you mean 'orders'?" in refused()


def test_a_table_without_rights(orders, monkeypatch, postgres_server):
    orders(
        "DROP ROLE IF EXISTS guest",
        "CREATE ROLE guest LOGIN PASSWORD 's3cret-guest'",
        "GRANT USAGE ON SCHEMA shop TO guest",
    )
    address = postgres_server.replace("reader:s3cret", "guest:s3cret-guest")
    monkeypatch.setenv("CRM_DB", address)
    assert "gives no right to read shop.orders; ask for SELECT on it" in refused()


def test_a_view_that_changes_while_it_is_read(orders, project):
    # Each time that the view is asked, a sequence moves on and another row falls out.
    orders(
        "CREATE SEQUENCE shop.ticks",
        "CREATE FUNCTION shop.tick() RETURNS BIGINT LANGUAGE sql VOLATILE"
        " AS 'SELECT nextval(''shop.ticks'')'",
        "CREATE VIEW shop.moving AS WITH t AS MATERIALIZED (SELECT shop.tick() AS n)"
        " SELECT o.* FROM shop.orders o, t WHERE o.id > t.n - 1",
    )
    (project / "params/sources/crm.yaml").write_text(YAML.replace("shop.orders", "shop.moving"))
    said = refused(max_set_aside=1.0)
    assert "shop.moving changes while it is read: 4 rows before, 3 read, 2 after" in said


def test_a_view_whose_rows_change_but_not_their_number(orders, project):
    # The amounts of two customers are exchanged each time that the view is asked.
    orders(
        "CREATE SEQUENCE shop.turns",
        "CREATE FUNCTION shop.turn() RETURNS BIGINT LANGUAGE sql VOLATILE"
        " AS 'SELECT nextval(''shop.turns'')'",
        "CREATE VIEW shop.turning AS WITH t AS MATERIALIZED (SELECT shop.turn() AS n)"
        " SELECT o.id, o.customer, o.at, CASE WHEN o.id <= 2 AND t.n > 1"
        " THEN 7.10 - o.amount ELSE o.amount END AS amount FROM shop.orders o, t",
    )
    (project / "params/sources/crm.yaml").write_text(YAML.replace("shop.orders", "shop.turning"))
    said = refused(max_set_aside=1.0)
    assert "shop.turning changes while it is read: it has 4 rows before and after" in said
    assert "a snapshot of last night" in said


def test_nothing_and_a_text_of_nothing_are_other_contents(orders, project):
    backend = Database(*_crm()).backend
    sums = []
    for value in ("NULL", "''", "'-'", "'+'"):
        orders(f"UPDATE shop.orders SET customer = {value} WHERE id = 2")
        sums.append(_content(backend.table("orders", database="shop")))
    assert len(set(sums)) == 4
    assert {rows for rows, _ in sums} == {4}
    orders("UPDATE shop.orders SET customer = '7' WHERE id = 2")
    one = _content(backend.table("orders", database="shop"))
    # The same rows in another order are the same content.
    orders("CREATE TABLE shop.again AS SELECT * FROM shop.orders ORDER BY amount DESC")
    assert _content(backend.table("again", database="shop")) == one


def _crm():
    mapping = read_mapping("params/sources/crm.yaml")
    return mapping, mapping.tables["transactions"]


def test_spark_is_read_as_any_other_source(spark_session, project, monkeypatch):
    rows = [("a", dt.datetime(2025, 1, 1), 10.0), ("b", dt.datetime(2025, 1, 2), 5.5)]
    frame = spark_session.createDataFrame(rows, "customer string, at timestamp, amount double")
    frame.createOrReplaceTempView("sales")
    monkeypatch.setenv("LAKE", "pyspark://")
    (project / "params/sources/lake.yaml").write_text(
        "name: Lake\nformat: database\nconnection: {env: LAKE}\ntable: sales\ntime_zone: Etc/UTC\n"
        "transactions: {customer_id: customer, occurred_at: at, amount: amount}\n"
    )
    source = open_source("params/sources/lake.yaml")
    assert sorted(source.transactions.customer_id.execute()) == ["a", "b"]
    assert source.span == (dt.date(2025, 1, 1), dt.date(2025, 1, 2))


# A DuckDB file


@pytest.fixture
def warehouse(project):
    with duckdb.connect(str(project / "data/crm.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT * FROM (VALUES ('1', DATE '2025-01-01', 5.0)) t(c, d, a)"
        )
        connection.execute("CREATE VIEW big AS SELECT * FROM orders WHERE a > 1")

    def make(table):
        (project / "params/sources/w.yaml").write_text(
            f"name: W\nformat: duckdb\nfiles: data/crm.duckdb\ntable: {table}\n"
            "transactions: {customer_id: c, occurred_at: d, amount: a}\n"
        )
        return "params/sources/w.yaml"

    return make


@pytest.mark.parametrize("table", ["orders", "big", "main.orders"])
def test_a_duckdb_file(warehouse, table):
    source = open_source(warehouse(table))
    assert source.transactions.amount.execute().tolist() == [5.0]
    assert source.files[0].path == "data/crm.duckdb"


def test_a_duckdb_file_without_the_table_and_one_that_is_none(warehouse, project):
    assert "has no table or view order; did you mean 'orders'?" in refused(warehouse("order"))
    (project / "data/crm.duckdb").write_text("not a database")
    assert "cannot be opened as a DuckDB database" in refused(warehouse("orders"))


# Workbooks

EXCEL = (
    "name: Book\nformat: excel\nfiles: data/book.xlsx\n{settings}"
    "transactions: {{transaction_id: No, customer_id: Customer, occurred_at: Day, amount: Total}}\n"
)


@pytest.fixture
def workbook(project):
    openpyxl = pytest.importorskip("openpyxl")

    def make(rows, settings="", sheets=("Orders",)):
        book = openpyxl.Workbook()
        book.active.title = sheets[0]
        for name in sheets[1:]:
            book.create_sheet(name)
        for row in rows:
            book[sheets[-1]].append(row)
        book.save(project / "data/book.xlsx")
        (project / "params/sources/book.yaml").write_text(EXCEL.format(settings=settings))
        return "params/sources/book.yaml"

    return make


HEADER = ["No", "Customer", "Day", "Total"]
ROWS = [
    [1, 17850, dt.datetime(2025, 1, 31, 14, 30), 12.5],
    [2, "00123", dt.datetime(2025, 2, 1), 3],
    [3, None, dt.datetime(2025, 2, 1), 3],
]


def test_a_workbook_keeps_ids_days_and_row_numbers(workbook):
    source = open_source(workbook([HEADER, *ROWS]), max_set_aside=0.5)
    rows = source.transactions.order_by("transaction_id").execute()
    assert rows["customer_id"].tolist() == ["17850", "00123"]
    assert rows["occurred_at"].tolist()[0] == pd.Timestamp("2025-01-31 14:30")
    assert rows["amount"].tolist() == [12.5, 3.0]
    assert source.set_aside()["row"].tolist() == [4]


def test_a_title_above_the_header_is_told_and_can_be_skipped(workbook):
    rows = [["Orders of January"], [], HEADER, *ROWS[:2]]
    said = refused(workbook(rows))
    assert "they stand in row 3: set header_row: 3" in said
    source = open_source(workbook(rows, settings="header_row: 3\n"))
    assert source.account.used == 2


def test_a_title_above_a_csv_is_told_and_can_be_skipped(make_source):
    content = "Orders of January,,\n\ncustomer,day,amount\n1,2025-01-01,10\n"
    assert "they stand in row 3: set header_row: 3" in refused(make_source(content))
    assert open_source(make_source(content, settings="header_row: 3")).account.used == 1


def test_several_sheets_need_a_name(workbook):
    path = workbook([HEADER, *ROWS[:2]], sheets=("Notes", "Orders"))
    assert "has several sheets, Notes, Orders; say which: sheet:" in refused(path)
    path = workbook([HEADER, *ROWS[:2]], "sheet: Order\n", ("Notes", "Orders"))
    assert "has no sheet 'Order'; did you mean 'Orders'?" in refused(path)
    path = workbook([HEADER, *ROWS[:2]], "sheet: Orders\n", ("Notes", "Orders"))
    assert open_source(path).account.used == 2


def test_a_workbook_that_is_none(project, workbook):
    path = workbook([HEADER, *ROWS])
    with zipfile.ZipFile(project / "data/book.xlsx", "w") as book:
        book.writestr("xl/nothing.xml", "<a/>")
    assert "cannot be read as a workbook" in refused(path)


def test_a_workbook_that_would_fill_the_memory_is_refused_before_it_is_unpacked(
    workbook, monkeypatch
):
    path = workbook([HEADER, *ROWS[:2]])
    monkeypatch.setattr(workbooks, "LARGEST_UNPACKED", 1_000)
    said = refused(path)
    assert "data/book.xlsx unpacks to 0.0 GB, and a workbook is read whole" in said
    assert "save the sheet as CSV" in said


def test_a_table_that_does_not_begin_in_the_first_cell(workbook):
    rows = [[], [], ["", "", *HEADER], *(["", "", *row] for row in ROWS)]
    source = open_source(workbook(rows, settings="header_row: 3\n"), max_set_aside=0.5)
    assert source.transactions.order_by("transaction_id").execute()["amount"].tolist() == [12.5, 3]
    assert source.set_aside()["row"].tolist() == [6]


# Files


def test_an_endless_line_is_refused_before_it_fills_the_memory(make_source, monkeypatch):
    monkeypatch.setattr(textfiles, "LONGEST_LINE", 1_000)
    content = "customer,day,amount\n1,2025-01-01,10\n" + "9" * 5_000 + "\n"
    assert "data/shop.csv: line 3 is longer than 1,000 characters" in refused(make_source(content))
    assert "line 1 is longer" in refused(make_source("x" * 5_000))


def test_two_files_with_other_columns_are_both_named(project):
    pd.DataFrame({"c": ["1"], "t": ["2025-01-01"], "a": [1.0]}).to_parquet(
        project / "data/a.parquet"
    )
    pd.DataFrame({"c": ["1"], "t": ["2025-01-01"], "b": [1.0]}).to_parquet(
        project / "data/b.parquet"
    )
    (project / "params/sources/p.yaml").write_text(
        "name: P\nformat: parquet\nfiles: data/*.parquet\n"
        "transactions: {customer_id: c, occurred_at: t, amount: a}\n"
    )
    said = refused("params/sources/p.yaml")
    assert "data/b.parquet does not have the columns" in said
    assert "though data/a.parquet has them" in said
    pd.DataFrame({"c": ["1"], "t": ["2025-01-01"], "a": ["1"]}).to_parquet(
        project / "data/b.parquet"
    )
    said = refused("params/sources/p.yaml")
    assert "data/b.parquet has other types of columns than data/a.parquet" in said
    assert "'a' is float64 in data/a.parquet and string in data/b.parquet" in said


def test_a_day_that_no_calendar_has_and_money_with_signs(make_source):
    content = "customer,day,amount\n1,13/14/2025,5\n2,01/02/2025,5\n"
    source = open_source(make_source(content, settings="dates: '%d/%m/%Y'"), max_set_aside=0.5)
    assert source.account.reasons == {"occurred_at is unreadable": 1}
    content = 'customer,day,amount\n1,2025-01-01,"¥1,234.50"\n'
    settings = "currency_sign: '¥'\nthousands: ','"
    source = open_source(make_source(content, settings=settings))
    assert source.transactions.amount.execute().tolist() == [1234.5]


def test_mixed_time_zones_become_one(make_source):
    content = "customer,day,amount\n1,2025-01-01T23:30:00-05:00,1\n1,2025-01-02T04:30:00Z,1\n"
    rows = open_source(make_source(content, settings="time_zone: Europe/Berlin")).transactions
    assert set(rows.occurred_at.execute()) == {pd.Timestamp("2025-01-02 05:30")}


def test_the_engine_of_a_source_is_its_own(make_source):
    path = make_source("customer,day,amount\n1,2025-01-01,10\n")
    one, two = open_source(path), open_source(path)
    assert isinstance(one.transactions, ibis.Table)
    assert one.transactions.get_backend() is not two.transactions.get_backend()
