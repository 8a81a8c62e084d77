"""Mappings proposed from files: what is clear opens unchanged, what is not says so."""

from __future__ import annotations

import gzip
import io

import pandas as pd
import pytest
from click.testing import CliRunner

from relkit.cli import main
from relkit.data.proposal import propose_mapping, write_proposal
from relkit.data.sources import open_source
from relkit.errors import SourceError


@pytest.fixture
def proposed(project):
    """A file in data/ and the mapping proposed for it: the YAML's path and the proposal."""

    def make(name, content):
        file = project / "data" / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        place, proposal = write_proposal(file, project)
        return place.relative_to(project), proposal

    return make


def read(path):
    """Customer, day and amount of each transaction."""
    rows = open_source(path).transactions.execute()
    rows = rows.assign(day=rows["occurred_at"].dt.strftime("%Y-%m-%d"))
    listed = rows[["customer_id", "day", "amount"]].sort_values(["customer_id", "day"])
    return [tuple(row) for row in listed.to_numpy().tolist()]


def workbook(rows):
    stream = io.BytesIO()
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def parquet(**columns):
    stream = io.BytesIO()
    pd.DataFrame(columns).to_parquet(stream)
    return stream.getvalue()


# Clear: opened unchanged


CDNOW = """\
customer_id,date,number_of_cds,dollar_value
00001,19970101,1,11.77
00002,19970112,1,12.00
00002,19970113,5,77.00
"""


def test_a_csv_like_cdnow(proposed):
    path, proposal = proposed("cdnow.csv", CDNOW)
    assert proposal.clear
    assert proposal.matched == {
        "customer_id": "customer_id",
        "occurred_at": "date",
        "amount": "dollar_value",
    }
    assert read(path) == [
        ("00001", "1997-01-01", 11.77),
        ("00002", "1997-01-12", 12),
        ("00002", "1997-01-13", 77),
    ]


def test_columns_named_in_chinese_in_gb18030(proposed):
    text = (
        "客户编号,订单号,下单时间,商品,数量,单价\n"
        "K01,A1,2025-01-03 10:00:00,龙井茶,2,30\n"
        "K01,A1,2025-01-03 10:00:00,茶杯,1,15.5\n"
        "K02,A2,2025-01-05 09:00:00,龙井茶,1,30\n"
    )
    path, proposal = proposed("订单.csv", text.encode("gb18030"))
    assert proposal.clear
    assert proposal.matched["amount"] == "数量 * 单价"
    assert "line_items: true" in proposal.text
    assert "encoding: gb18030" in proposal.text
    assert read(path) == [("K01", "2025-01-03", 75.5), ("K02", "2025-01-05", 30)]


def test_signs_and_groups_in_chinese_columns(proposed):
    text = (
        "会员号,支付时间,实付金额(元),币种\n"
        '1,2025年1月31日,"¥1,234.50",CNY\n2,2025年2月1日,¥80,CNY\n'
    )
    path, proposal = proposed("sales.csv", text)
    assert proposal.clear
    assert read(path) == [("1", "2025-01-31", 1234.5), ("2", "2025-02-01", 80)]
    assert open_source(path).currency == "CNY"


def test_semicolons_decimal_commas_and_western_letters(proposed):
    text = (
        "Customer;Order ID;Order date;Größe;Amount\n"
        "A;1;31.01.2025;groß;1.234,50\nB;2;01.02.2025;klein;-12,50\nA;3;02.02.2025;groß;7\n"
    )
    path, proposal = proposed("export.csv", text.encode("cp1252"))
    assert proposal.clear
    assert read(path) == [
        ("A", "2025-01-31", 1234.5),
        ("A", "2025-02-02", 7),
        ("B", "2025-02-01", -12.5),
    ]


def test_a_workbook_with_a_title_above(proposed):
    rows = [["Sales 2025"], [], ["Client", "Sold", "Total"], ["00123", "2025-01-02", 5.5]]
    path, proposal = proposed("book.xlsx", workbook([*rows, ["7", "2025-01-03", 8]]))
    assert proposal.clear
    # No name for the day is known, but only one column has any.
    assert proposal.matched["occurred_at"] == "Sold"
    assert "header_row: 3" in proposal.text
    assert read(path) == [("00123", "2025-01-02", 5.5), ("7", "2025-01-03", 8)]


def test_parquet_with_float_ids(proposed):
    times = pd.to_datetime(["2025-01-01 10:00", "2025-01-02 11:00"])
    path, proposal = proposed(
        "p.parquet", parquet(CustomerID=[17850.0, 2.0], at=times, Total=[1, 2])
    )
    assert proposal.clear
    assert read(path) == [("17850", "2025-01-01", 1), ("2", "2025-01-02", 2)]


def test_gz_tab_and_words_for_refunds(proposed):
    text = (
        "user id\tpurchase date\tvalue\ttransaction type\n"
        "1\t2025-01-01\t10\tSale\n1\t2025-01-04\t4\tReturn\n"
    )
    path, proposal = proposed("s.csv.gz", gzip.compress(text.encode()))
    assert proposal.clear
    assert "refunds_are_positive: true" in proposal.text
    assert read(path) == [("1", "2025-01-01", 10), ("1", "2025-01-04", -4)]


def test_an_order_whose_total_stands_in_its_first_row(proposed):
    text = (
        "Name,Order number,Email,Paid at,Total\n"
        "x,1,a@b.test,2025-01-01,30\ny,1,a@b.test,,\nz,2,c@d.test,2025-01-02,5\n"
    )
    path, proposal = proposed("orders.csv", text)
    assert "order_in_first_row: true" in proposal.text
    assert [amount for *_, amount in read(path)] == [30, 5]


def test_rows_exported_twice_are_no_order_lines(proposed):
    row = "1,9,2025-01-01,10\n"
    path, proposal = proposed(
        "o.csv", "customer,order,date,amount\n" + 2 * row + "1,8,2025-01-02,5\n"
    )
    assert "line_items" not in proposal.text
    assert open_source(path, max_set_aside=0.5).account.reasons == {"duplicate": 1}


def test_names_that_yaml_would_misread(proposed):
    header = '"no: 1 #customer","Order date","Amount [EUR]"'
    path, proposal = proposed("o.csv", header + "\n1,2025-01-01,5\n")
    assert proposal.matched["amount"] == "Amount [EUR]"
    yaml = path.read_text(encoding="utf-8").replace(
        "customer_id:  # not found", 'customer_id: "no: 1 #customer"'
    )
    path.write_text(yaml, encoding="utf-8")
    assert read(path) == [("1", "2025-01-01", 5)]


# Not clear: said, and not filled in


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("who,date,amount\n1,2025-01-01,5\n", "customer_id: no column was recognised"),
        ("customer,date,note\n1,2025-01-01,x\n", "amount: no column was recognised"),
        ("customer,date,amount\n1,01/02/2025,5\n", "days and months cannot be told apart"),
        ("customer;date;amount\n1;2025-01-01;1,234\n", "marks in the amounts may be either"),
        ("customer;date;amount\n1;2025-01-01;1.234\n", "marks in the amounts may be either"),
        ("customer,date,amount\n1,2025-01-01T10:00:00Z,5\n", "say where a day is a day"),
        (
            "customer,date,amount,currency\n1,2025-01-01,5,EUR\n1,2025-01-02,5,USD\n",
            "'currency' has 2; write the one to keep",
        ),
        (
            "customer,order,date,amount\n1,7,2025-01-01,5\n2,7,2025-01-02,5\n",
            "one 'order' has several customers",
        ),
        ("customer,date,amount\n", "there are no rows"),
    ],
)
def test_what_is_not_clear_is_left_to_the_analyst(proposed, text, said):
    path, proposal = proposed("f.csv", text)
    assert not proposal.clear
    assert any(said in point for point in proposal.open_points)
    assert said in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "who,date,amount\n1,2025-01-01,5\n",
        "customer,date,amount\n1,01/02/2025,5\n",
        "customer;date;amount\n1;2025-01-01;1,234\n",
        "customer,date,amount\n1,2025-01-01T10:00:00Z,5\n",
        "customer,date,amount,currency\n1,2025-01-01,5,EUR\n1,2025-01-02,5,USD\n",
    ],
)
def test_and_does_not_open_by_a_guess(proposed, text):
    path, _ = proposed("f.csv", text)
    with pytest.raises(Exception, match=r"required|unreadable|text|offset|currencies"):
        open_source(path)


def test_a_time_with_a_blank_before_its_offset(proposed):
    text = "customer,date,amount\n1,2025-01-31 23:40:10 +0000,5\n"
    path, proposal = proposed("o.csv", text)
    assert ["time_zone" in point for point in proposal.open_points] == [True]
    path.write_text(path.read_text() + "time_zone: Asia/Shanghai\n")
    assert read(path) == [("1", "2025-02-01", 5)]


def test_rows_without_a_customer_are_told_before_they_are_set_aside(proposed):
    _, proposal = proposed("o.csv", CDNOW.replace("00001", ""))
    assert "customer_id: rows where it is empty are set aside" in proposal.text
    _, without = proposed("p.csv", CDNOW)
    assert "set aside" not in without.text


def test_other_columns_that_would_fit_are_named(proposed):
    text = "客户编号,下单时间,付款时间,金额\n1,2025-01-01,2025-01-02,5\n"
    _, proposal = proposed("o.csv", text)
    assert proposal.matched["occurred_at"] == "付款时间"
    assert "'下单时间' would fit as well" in proposal.text


def test_a_name_whose_values_are_something_else_is_not_taken(proposed):
    text = "customer,date,amount,total\n1,2025-01-01,many,5\n2,2025-01-02,few,6\n"
    _, proposal = proposed("o.csv", text)
    assert proposal.matched["amount"] == "total"
    assert "'amount' is named like amount, but its values are not" in proposal.text


def test_no_value_of_a_person_is_in_the_proposal(proposed):
    text = "email,date,amount,name\nida.berg@mail.test,2025-01-01,5,Ida Berg\n"
    _, proposal = proposed("o.csv", text)
    assert "ida" not in proposal.text.lower()


# Files and the command


def test_nothing_is_overwritten(proposed, project):
    path, _ = proposed("o.csv", CDNOW)
    path.write_text("mine")
    with pytest.raises(SourceError, match="is there already and stays as it is"):
        write_proposal(project / "data/o.csv", project)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("o.csv", b"", "no row with the names"),
        ("o.csv", b"1,2,3\n4,5,6\n", "no row with the names"),
        ("o.csv", b"K1,Ida Berg,ida@mail.test\nK2,Jon,jon@mail.test\n", "no row with the names"),
        ("o.csv", b"K1,2025-01-01,Ida\nK2,2025-01-02,Jon\n", "no row with the names"),
        ("o.csv", b"a,a,b\n1,2,3\n", "stand twice in the header: a"),
        ("o.csv", b"%PDF-1.7", "is a PDF"),
        ("o.parquet", b"PAR1 and no more", "cut off or damaged"),
        ("o.xlsx", b"PK\x03\x04 and no more", "cannot be read as one"),
        ("o.csv.gz", gzip.compress(CDNOW.encode() * 50)[:60], "cut off or damaged"),
    ],
)
def test_files_that_cannot_be_read(proposed, project, name, content, fault):
    with pytest.raises(SourceError, match=fault):
        proposed(name, content)
    assert not list((project / "params/sources").iterdir())


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        propose_mapping(tmp_path / "none.csv", "none.csv")


def test_the_command_prints_the_next_one(project):
    (project / "notebooks").mkdir()
    (project / "data/shop.csv").write_text(CDNOW)
    done = CliRunner().invoke(main, ["source", "new", "data/shop.csv"])
    assert done.exit_code == 0
    assert done.output.endswith("\nrelkit check params/sources/shop.yaml\n")
    check = CliRunner().invoke(main, ["check", "params/sources/shop.yaml"])
    assert check.exit_code == 0, check.output
    again = CliRunner().invoke(main, ["source", "new", "data/shop.csv"])
    assert again.exit_code == 1
    other = CliRunner().invoke(main, ["source", "new", "data/shop.csv", "--out", "other.yaml"])
    assert other.exit_code == 0
    assert (project / "other.yaml").exists()
