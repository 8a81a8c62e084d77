"""Every bad input gives one message: what, where, what is required, what to do."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from relkit.data import opening
from relkit.data.sources import open_source
from relkit.errors import DataError, ParameterError, RelkitError, SourceError

HEAD = "customer,day,amount\n"
GOOD = HEAD + "1,2025-01-01,10\n2,2025-01-02,20\n"


def message(kind: type[RelkitError], path: str, **options) -> str:
    with pytest.raises(kind) as caught:
        open_source(path, **options)
    return str(caught.value)


def rewrite(path: str, old: str, new: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


# The YAML


def test_a_yaml_that_is_not_there_names_the_near_one(make_source):
    make_source(GOOD)
    said = message(SourceError, "params/sources/shpo.yaml")
    assert said.startswith("params/sources/shpo.yaml: no such source file")
    assert "did you mean 'shop.yaml'?" in said


def test_a_yaml_in_a_folder_that_is_not_there(project):
    assert "params/sources" in message(SourceError, "nowhere/shop.yaml")


def test_all_faults_of_a_yaml_are_said_at_once(make_source):
    path = make_source(GOOD, settings="curency: EUR\nsynthetic: no\ndecimal: ;\ndates: iso")
    rewrite(path, "format: csv", "format: cvs")
    rewrite(path, "  amount: amount\n", "  amuont: amount\n")
    said = message(SourceError, path)
    for fault in (
        "unknown key 'curency'; did you mean 'currency'?",
        "synthetic must be true or false; found 'no'",
        "format must be one of csv, parquet, excel, duckdb, database, cdnow; found 'cvs'; "
        "did you mean 'csv'?",
        "transactions: unknown column 'amuont'; did you mean 'amount'?",
        "transactions: amount is required",
        "decimal must be '.' or ','; found ';'",
        "dates must be a pattern like '%d/%m/%Y'; found 'iso'",
    ):
        assert fault in said
    assert said.startswith("params/sources/shop.yaml: 7 faults")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: Shop\n", "", "name must be text"),
        ("files: data/shop.csv\n", "files: 3\nname2: x\n", "unknown key 'name2'"),
        ("files: data/shop.csv\n", "", "files must name a file"),
        ("format: csv\n", "format: csv\nseparator: ';;'\n", "separator must be one character"),
        ("format: csv\n", "format: csv\nencoding: latin\n", "encoding must be one of"),
        ("format: csv\n", "format: csv\nthousands: '.'\n", "thousands must be one character"),
        ("format: csv\n", "format: csv\nline_items: true\n", "needs transaction_id"),
        ("format: csv\n", "format: csv\ncurrency: Euro\n", "code such as EUR or CNY; found 'Euro'"),
        ("format: csv\n", "format: csv\nkinds: {Sale: buy}\n", "kinds must map"),
        ("format: csv\n", "format: csv\nrefunds_are_positive: true\n", "needs kind"),
        ("format: csv\n", "format: parquet\nencoding: utf-8\n", "for format: csv only"),
        ("format: csv\n", "format: csv\nformat: csv\n", "line 3: the key 'format' stands twice"),
        ("  customer_id: customer\n", "  customer_id: [a\n", "not readable as YAML: line"),
        ("transactions:\n", "transactions: x\n#", "not readable as YAML"),
    ],
)
def test_one_fault_in_a_yaml(make_source, old, new, fault):
    path = make_source(GOOD)
    rewrite(path, old, new)
    said = message(SourceError, path)
    assert fault in said
    assert "params/sources/shop.yaml" in said


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just words\n"])
def test_a_yaml_that_holds_no_mapping(project, content):
    (project / "params/sources/shop.yaml").write_text(content)
    assert "template.yaml" in message(SourceError, "params/sources/shop.yaml")


# Words that YAML 1.1 turns into False, 8, 750 or a date stay what the analyst wrote.
def test_column_names_are_text_whatever_they_look_like(project):
    (project / "data/odd.csv").write_text("no,010,12:30\nA1,2025-01-01,5\n")
    (project / "params/sources/odd.yaml").write_text(
        "name: 2025-01-01\nformat: csv\nfiles: data/odd.csv\n"
        "transactions:\n  customer_id: no\n  occurred_at: 010\n  amount: 12:30\n"
    )
    source = open_source("params/sources/odd.yaml")
    assert source.name["en"] == "2025-01-01"
    assert source.account.used == 1


def test_a_time_zone_that_is_none(make_source):
    said = message(SourceError, make_source(GOOD, settings="time_zone: Europe/Berln"))
    assert "did you mean 'Europe/Berlin'?" in said


# The files


def test_a_missing_file_names_the_place_and_the_near_name(make_source):
    path = make_source(GOOD)
    rewrite(path, "data/shop.csv", "data/shops.csv")
    said = message(SourceError, path)
    assert said.startswith("params/sources/shop.yaml: no such file: data/shops.csv")
    assert "looked in . and params/sources" in said
    assert "did you mean 'shop.csv'?" in said


def test_a_pattern_without_files_and_a_folder(make_source):
    path = make_source(GOOD)
    rewrite(path, "data/shop.csv", "data/*.txt")
    assert "no file matches data/*.txt" in message(SourceError, path)
    rewrite(path, "data/*.txt", "data")
    assert "data is a folder; name the files in it, like data/*.csv" in message(SourceError, path)


def test_a_package_that_is_not_installed(make_source):
    path = make_source(GOOD, settings="package: lifetmes")
    assert "package: lifetmes is not installed" in message(SourceError, path)


def test_csv_declared_as_parquet(make_source):
    path = make_source(GOOD)
    rewrite(path, "format: csv", "format: parquet")
    said = message(SourceError, path)
    assert "data/shop.csv is declared as parquet" in said
    assert "set format: csv" in said


def test_parquet_declared_as_csv(make_source, project):
    path = make_source(GOOD)
    pd.DataFrame({"a": [1]}).to_parquet(project / "data/shop.csv")
    assert "it is Parquet; set format: parquet" in message(SourceError, path)


def test_truncated_parquet(make_source, project):
    path = make_source(GOOD)
    rewrite(path, "format: csv", "format: parquet")
    pd.DataFrame({"a": range(1000)}).to_parquet(project / "data/shop.csv")
    whole = (project / "data/shop.csv").read_bytes()
    (project / "data/shop.csv").write_bytes(whole[: len(whole) // 2])
    assert "cut off or damaged" in message(SourceError, path)


def test_an_excel_workbook_named_csv(make_source, project):
    path = make_source(GOOD)
    with zipfile.ZipFile(project / "data/shop.csv", "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    said = message(SourceError, path)
    assert "data/shop.csv is declared as csv, but it is an Excel workbook" in said
    assert "save the sheet as CSV" in said


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"\n <!DOCTYPE html><html></html>", "a web page"),
        (b"abc\x00\x01\x02", "not text; it has binary bytes"),
        (GOOD.encode("utf-16"), "it is text in UTF-16; set encoding: utf-16"),
    ],
)
def test_other_files_named_csv(make_source, content, kind):
    assert kind in message(SourceError, make_source(content))


def test_wrong_encoding_names_the_line_and_the_right_one(make_source):
    path = make_source(GOOD + "张三,2025-01-03,5\n", encoding="gb18030")
    said = message(SourceError, path)
    assert said.startswith("data/shop.csv is not utf-8: line 4 cannot be read")
    assert "gb18030" in said
    assert "set encoding:" in said


def test_damaged_compression(make_source, project):
    path = make_source(GOOD * 1000, zipped=True)
    whole = (project / "data/shop.csv.gz").read_bytes()
    (project / "data/shop.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "data/shop.csv.gz is compressed but cut off" in message(SourceError, path)


def test_cdnow_that_is_none(make_source):
    path = make_source(GOOD)
    rewrite(path, "format: csv", "format: cdnow")
    assert "is it format: csv?" in message(SourceError, path)


def test_missing_columns_all_at_once_with_near_names(make_source):
    path = make_source("custmer,day,total\n1,2025-01-01,10\n")
    said = message(SourceError, path)
    assert "data/shop.csv does not have the columns that params/sources/shop.yaml maps" in said
    assert "no column 'customer'; did you mean 'custmer'?" in said
    assert "no column 'amount'" in said
    assert "its columns are: custmer, day, total" in said


def test_a_column_that_stands_twice(make_source):
    path = make_source("customer,day,amount,amount\n1,2025-01-01,10,10\n")
    assert "column 'amount' stands 2 times" in message(SourceError, path)


def test_another_separator_is_recognised(make_source):
    path = make_source(GOOD.replace(",", ";"))
    assert "is it separator: ';'?" in message(SourceError, path)


def test_a_quote_that_is_never_closed(make_source):
    path = make_source(GOOD + '3,2025-01-03,5\n4,"2025-01-04,5\n5,2025-01-05,5\n')
    said = message(SourceError, path)
    assert "data/shop.csv: a quote that is opened in row 5 (line 5) is never closed" in said


def test_an_endless_field(make_source):
    path = make_source(GOOD + '3,"' + "x" * 200_000 + '",5\n')
    assert "data/shop.csv: row 4 (line 4) cannot be read" in message(SourceError, path)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file(make_source, content):
    assert "data/shop.csv is empty; a header" in message(SourceError, make_source(content))


def test_a_column_of_the_wrong_type(project):
    pd.DataFrame({"c": ["1"], "t": [20250101], "a": [True]}).to_parquet(project / "data/x.parquet")
    yaml = project / "params/sources/x.yaml"
    text = (
        "name: X\nformat: parquet\nfiles: data/x.parquet\n"
        "transactions: {customer_id: c, occurred_at: t, amount: a}\n"
    )
    yaml.write_text(text)
    said = message(SourceError, "params/sources/x.yaml")
    assert "occurred_at needs a time, the column is int64" in said
    assert "set dates: '%Y%m%d'" in said
    yaml.write_text(text + "dates: '%Y%m%d'\n")
    assert "amount needs numbers, the column is boolean" in message(
        SourceError, "params/sources/x.yaml"
    )


def test_zoned_times_need_a_time_zone(project):
    when = pd.to_datetime(["2025-01-02"]).tz_localize("UTC")
    pd.DataFrame({"c": ["1"], "t": when, "a": [1.0]}).to_parquet(project / "data/z.parquet")
    (project / "params/sources/z.yaml").write_text(
        "name: Z\nformat: parquet\nfiles: data/z.parquet\n"
        "transactions: {customer_id: c, occurred_at: t, amount: a}\n"
    )
    assert "say where a day is a day: time_zone" in message(SourceError, "params/sources/z.yaml")


# The rows


@pytest.mark.parametrize(
    ("row", "settings", "fault", "remedy"),
    [
        (",2025-01-03,5", "", "customer_id is empty in 1 row (first: row 4)", "fill them in"),
        ("  ,2025-01-03,5", "", "customer_id is empty in 1 row", "fill them in"),
        ("1.785E+04,2025-01-03,5", "", "customer_id is in scientific notation", "as text"),
        ("3,,5", "", "occurred_at is empty in 1 row (first: row 4)", "needs its day"),
        (
            "3,13/14/2025,5",
            "",
            "occurred_at is unreadable in 1 row (first: row 4, '13/14/2025')",
            "no calendar has a day like 13/14/2025; correct those in the file",
        ),
        ("3,31/01/2025,5", "", "occurred_at is unreadable", "set dates: '%d/%m/%Y' in the mapping"),
        ("3,04/01/2025,5", "", "occurred_at is unreadable", "'%d/%m/%Y' or dates: '%m/%d/%Y'"),
        ("3,2025年1月3日,5", "", "occurred_at is unreadable", "set dates: '%Y年%m月%d日'"),
        ("3,45000,5", "", "occurred_at is unreadable", "spreadsheet's day numbers"),
        ("3,2025-02-30,5", "", "occurred_at is unreadable", "ISO dates like 2025-01-31"),
        ("3,epoch,5", "", "occurred_at is unreadable", "ISO dates"),
        ("3,2025-01-03T10:00:00Z,5", "", "occurred_at has an offset from UTC", "set time_zone"),
        ("3,2999-01-01,5", "", "occurred_at is in the future", "have not happened"),
        ("3,1970-01-01,5", "", "occurred_at is before 1970-01-02", "fill in the real ones"),
        ("3,0001-01-01,5", "", "occurred_at is before 1970-01-02", "where they have none"),
        (
            '3,2025-01-03,"12,50"',
            "",
            "amount is text in 1 row (first: row 4, '12,50')",
            "set decimal: ','",
        ),
        (
            '3,2025-01-03,"¥1,234.50"',
            "",
            "amount is text",
            "set currency_sign: '¥' and thousands: ','",
        ),
        (
            '3,2025-01-03,"1.234,50 €"',
            "",
            "amount is text",
            "currency_sign: '€' and decimal: ',' and thousands: '.'",
        ),
        (
            "3,2025-01-03,twelve",
            "",
            "amount is text in 1 row (first: row 4, 'like aaaaaa')",
            "numbers",
        ),
        ("3,2025-01-03,Li 5", "", "amount is text in 1 row (first: row 4, 'like Aa 9')", "numbers"),
        ("3,2025-01-03,\x005", "", "amount is text in 1 row", "numbers like 1234.50"),
        ("3,2025-01-03,1.234", "decimal: ','", "amount is text", "numbers like"),
        ('3,2025-01-03,"12,50"', "thousands: ','", "amount is text", "set decimal: ','"),
        ("3,2025-01-03,$12.50", "", "amount is text", "set currency_sign: '$' in the mapping"),
        ("3,2025-01-03,0x10", "", "amount is text", "numbers like 1234.50"),
        ("3,2025-01-03,1_000", "", "amount is text", "numbers like 1234.50"),
        ("3,2025-01-03,", "", "amount is empty in 1 row (first: row 4)", "is not 0"),
        ("3,2025-01-03,nan", "", "amount is not finite", "a number below 1e12 is required"),
        ("3,2025-01-03,-Infinity", "", "amount is not finite", "a number below 1e12 is required"),
        ("3,2025-01-03,1e12", "", "amount is not finite", "a number below 1e12 is required"),
        ("3,2025-01-03,1e400", "", "amount is not finite", "a number below 1e12 is required"),
        (
            "3,2025-01-03,5,6,7",
            "",
            "row has too many or too few fields in 1 row (first: row 4)",
            "quotes",
        ),
        (
            "3,2025-01-03",
            "",
            "row has too many or too few fields in 1 row (first: row 4)",
            "quotes",
        ),
    ],
)
def test_a_row_that_fails_says_why_where_and_what_to_do(make_source, row, settings, fault, remedy):
    path = make_source(HEAD + "1,2025-01-01,10\n2,2025-01-02,20\n" + row + "\n", settings=settings)
    said = message(DataError, path)
    assert said.startswith(
        "params/sources/shop.yaml, transactions in data/shop.csv: 1 of 3 rows (33.3%) fail"
    )
    assert "max_set_aside=0.01" in said
    assert fault in said
    assert remedy in said
    assert said.count("\n  - ") == 1


def test_all_faults_are_said_at_once_with_their_counts(make_source):
    path = make_source(HEAD + ",nonsense,five\n" * 1200 + "1,2025-01-01,1\n")
    said = message(DataError, path)
    assert "1,200 of 1,201 rows (99.9%) fail" in said
    assert "customer_id is empty in 1,200 rows (first: row 2; row 3; row 4)" in said
    assert "occurred_at is unreadable in 1,200 rows (first: row 2, 'like aaaaaaaa';" in said
    assert "amount is text in 1,200 rows" in said


def test_impossible_days_among_others_do_not_hide_how_those_are_written(make_source):
    said = message(DataError, make_source(HEAD + "1,13/14/2025,5\n2,25/02/2025,6\n" * 5))
    assert "and set dates: '%d/%m/%Y' in the mapping" in said


def test_a_share_below_the_limit_is_set_aside_and_listed(make_source):
    path = make_source(HEAD + "1,2025-01-01,1\n" * 99 + ",bad,5\n")
    source = open_source(path)
    assert (source.account.read, source.account.used, source.account.set_aside) == (100, 99, 1)
    listed = source.set_aside().iloc[0]
    assert listed["row"] == 101
    assert listed["day"] == "bad"
    assert listed["reason"] == "customer_id is empty; occurred_at is unreadable"
    assert sum(source.account.reasons.values()) == 1  # once, under the first reason


def test_the_remedy_that_is_named_works(make_source):
    content = HEAD + '1,2025-01-01,"¥1,234.50"\n'
    said = message(DataError, make_source(content))
    settings = said.split("set ")[-1].split(" in the mapping")[0].replace(" and ", "\n")
    source = open_source(make_source(content, settings=settings))
    assert source.transactions.amount.sum().to_pyarrow().as_py() == 1234.5


def test_an_id_repeated_with_other_content(make_source):
    content = "customer,day,amount,order\n1,2025-01-01,10,A\n1,2025-01-01,12,A\n2,2025-01-02,5,B\n"
    path = make_source(content, columns="  transaction_id: order\n")
    said = message(DataError, path)
    assert "transaction_id repeated with other content in 2 rows (first: row 2, 'A'" in said
    assert "set line_items: true" in said


def test_a_missing_category_is_other_content(make_source):
    content = "customer,day,amount,order,note\n1,2025-01-01,10,A,x\n1,2025-01-01,10,A,\n"
    path = make_source(content, columns="  transaction_id: order\n  category: note\n")
    assert "transaction_id repeated with other content in 2 rows" in message(DataError, path)


def test_an_order_of_two_customers(make_source):
    content = "customer,day,amount,order\n1,2025-01-01,10,A\n2,2025-01-01,12,A\n"
    path = make_source(content, settings="line_items: true", columns="  transaction_id: order\n")
    assert "transaction_id has several customers in 2 rows" in message(DataError, path)


def test_an_unknown_kind_and_a_sign_that_disagrees(make_source):
    content = (
        "customer,day,amount,type\n1,2025-01-01,10,sale\n1,2025-01-01,-1,purchase\n"
        "1,2025-01-01,1,refund\n1,2025-01-01,1,\n"
    )
    said = message(DataError, make_source(content, columns="  kind: type\n"))
    assert "kind is not purchase or refund in 1 row (first: row 2, 'sale')" in said
    assert "kinds: {Sale: purchase" in said
    assert "sign of amount disagrees with kind in 2 rows (first: row 3, '-1'; row 4, '1')" in said
    assert "refunds_are_positive: true" in said
    assert "kind is empty in 1 row (first: row 5)" in said


def test_a_currency_that_is_no_code(make_source):
    content = "customer,day,amount,cur\n1,2025-01-01,10,euro\n1,2025-01-02,10,euro\n"
    said = message(DataError, make_source(content, columns="  currency: cur\n"))
    assert "currency says 'euro', which is no three-letter code such as EUR" in said


def test_a_parquet_that_is_damaged_is_named(make_source, project):
    path = make_source(GOOD)
    rewrite(path, "format: csv", "format: parquet")
    file = project / "data/shop.csv"
    rows = {"customer": [f"C{i}" for i in range(3000)], "day": "2025-01-01", "amount": range(3000)}
    pd.DataFrame(rows).to_parquet(file)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 4 : len(whole) // 4 + 200] = b"\xff" * 200
    file.write_bytes(whole)
    said = message(SourceError, path)
    assert said.startswith("params/sources/shop.yaml, transactions in data/shop.csv: a file cannot")


def test_mixed_currencies(make_source):
    content = "customer,day,amount,cur\n1,2025-01-01,10,USD\n1,2025-01-02,10,EUR\n"
    said = message(DataError, make_source(content, columns="  currency: cur\n"))
    assert "several currencies, EUR in 1 row, USD in 1 row" in said
    path = make_source(content, settings="currency: USD", columns="  currency: cur\n")
    assert "currency is another in 1 row (first: row 3, 'EUR')" in message(DataError, path)


def test_no_transactions_at_all(make_source):
    said = message(DataError, make_source(HEAD))
    assert "data/shop.csv: there are no rows; at least one transaction is required" in said


def test_nothing_left_after_setting_aside(make_source):
    said = message(DataError, make_source(HEAD + ",2025-01-01,1\n"), max_set_aside=1)
    assert "no purchase is left" in said
    assert "customer_id is empty in 1 row" in said


def test_only_refunds(make_source):
    said = message(DataError, make_source(HEAD + "1,2025-01-01,-1\n"))
    assert "no purchase is left" in said


# as_of, max_set_aside, later_rows


@pytest.mark.parametrize("as_of", ["30.09.1997", "yesterday", 1997, "1997-02-30"])
def test_as_of_unreadable(make_source, as_of):
    said = message(ParameterError, make_source(GOOD), as_of=as_of)
    assert said == f"as_of={as_of!r} must be a day written like 1998-06-30"


def test_as_of_before_the_first_purchase(make_source):
    said = message(ParameterError, make_source(GOOD), as_of="2024-12-31")
    assert "as_of=2024-12-31 lies before the first purchase, 2025-01-01" in said


def test_as_of_in_the_future(make_source, monkeypatch):
    monkeypatch.setattr(opening, "today_in", lambda *_: dt.date(2025, 1, 10))
    said = message(ParameterError, make_source(GOOD), as_of="2025-01-11")
    assert said == "as_of=2025-01-11 lies in the future; today is 2025-01-10"
    assert open_source("params/sources/shop.yaml", as_of="2025-01-10").account.used == 2


def test_rows_of_tomorrow_are_faults_and_never_set_as_of(make_source, monkeypatch):
    monkeypatch.setattr(opening, "today_in", lambda *_: dt.date(2025, 1, 1))
    said = message(DataError, make_source(GOOD))
    assert "occurred_at is in the future in 1 row (first: row 3, '2025-01-02')" in said
    source = open_source("params/sources/shop.yaml", max_set_aside=0.5)
    assert source.as_of == dt.date(2025, 1, 1)


def test_rows_after_as_of_stop_the_run_in_words(make_source):
    said = message(DataError, make_source(GOOD), as_of="2025-01-01")
    assert "1 row lies after as_of=2025-01-01, the last on 2025-01-02" in said
    assert "set later_rows: set_aside to look at the state as of 2025-01-01" in said


@pytest.mark.parametrize("share", [-0.1, 1.5, 10, "a", float("nan"), True])
def test_max_set_aside_is_a_share(make_source, share):
    said = message(ParameterError, make_source(GOOD), max_set_aside=share)
    assert "must be a share in [0, 1]; give 1 % as 0.01" in said


def test_later_rows_is_one_of_two(make_source):
    said = message(ParameterError, make_source(GOOD), later_rows="set-aside")
    assert "did you mean 'set_aside'?" in said
