"""The tier table: exact headers, ids as text, names only where they may be shown."""

import datetime as dt
import io

import openpyxl
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.privacy import Privacy, pseudonym, showing
from relkit.report.language import Language, speaking
from relkit.report.tier_table import save_tier_table, tier_table
from relkit.studies.customer_facts import CustomerFacts

ZH = ["客户名称", "所属行业", "客户分层", "核心决策人", "近期动态", "维系负责人", "核心目标"]
EN = [
    "Customer name", "Industry", "Customer tier", "Key decision maker", "Recent activity",
    "Account owner", "Core goal",
]  # fmt: skip
TIERS = pd.DataFrame({"customer_id": ["00042", "9", "123456789012345678"], "tier": ["B", "A", "B"]})
GOALS = {"A": "keep", "B": "=grow"}


def facts(**columns):
    frame = pd.DataFrame(
        {
            "customer_id": ["00042", "123456789012345678", "9"],
            "name": ["=Acme", "某某公司", None],
            "industry": ["retail", None, "software"],
            "decision_maker": ["Jo Doe", "王芳", None],
            "owner_id": ["0007", "0007", None],
            "owner_name": ["Ann Lee", "Ann Lee", None],
            "last_purchase_at": pd.to_datetime(["2024-12-01 10:00", None, None]),
            "last_touch_at": pd.to_datetime(["2024-12-20", None, None]),
            "open_tickets": [3, 1, 0],
            "open_complaints": [2, 0, 0],
            "contract_ends_on": pd.to_datetime(["2025-01-31", "2026-01-31", None]),
            "days_to_renewal": [33.0, 398.0, float("nan")],
        }
    ).assign(**columns)
    return CustomerFacts(dt.date(2024, 12, 29), (), {}, frame)


def show(**chosen):
    return showing(Privacy(**chosen))


def test_headers_are_those_of_the_template():
    assert list(tier_table(facts(), TIERS, GOALS).columns) == EN
    with speaking(Language("zh")):
        assert list(tier_table(facts(), TIERS, GOALS).columns) == ZH
        ids = tier_table(facts(), TIERS, with_ids=True)
    assert list(ids.columns) == [*ZH, "客户编号"]


def test_rows_by_hand_with_personal_data():
    with show(show_ids=True, show_personal=True):
        rows = tier_table(facts(), TIERS, GOALS).to_numpy().tolist()
    assert rows == [
        ["9", "software", "A", "", "nothing on record", "", "keep"],
        [
            "=Acme", "retail", "B", "Jo Doe",
            "last purchase 1 December 2024; last contact 20 December 2024; open complaints: 2; "
            "contract ends 31 January 2025",
            "Ann Lee", "=grow",
        ],
        ["某某公司", "", "B", "王芳", "open tickets: 1", "Ann Lee", "=grow"],
    ]  # fmt: skip


def test_recent_activity_in_chinese():
    with speaking(Language("zh")):
        table = tier_table(facts(), TIERS, GOALS)
    assert table["近期动态"].tolist()[1] == (
        "最近购买 2024年12月1日；最近联系 2024年12月20日；未解决投诉 2 件；合同 2025年1月31日到期"
    )


def test_nobody_is_named_unless_it_was_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("RELKIT_TABLES", str(tmp_path))
    table = tier_table(facts(), TIERS, GOALS, with_ids=True)
    assert table["Customer name"].tolist()[1] == pseudonym("00042")
    assert table["Key decision maker"].tolist() == ["", "…", "…"]
    assert table["Account owner"].tolist() == ["", "0007", "0007"]
    save_tier_table(facts(), TIERS, GOALS, with_ids=True)
    book = openpyxl.load_workbook(tmp_path / "tier_table.xlsx")
    cells = [str(cell.value) for row in book.active.iter_rows() for cell in row]
    everything = " ".join(cells) + (tmp_path / "tier_table.csv").read_text("utf-8-sig")
    for secret in ("Acme", "某某公司", "Jo Doe", "王芳", "Ann Lee", "00042", "123456789012345678"):
        assert secret not in everything


def test_ids_stay_text_and_no_cell_is_a_formula(tmp_path, monkeypatch):
    monkeypatch.setenv("RELKIT_TABLES", str(tmp_path))
    with show(show_ids=True, show_personal=True), speaking(Language("zh")):
        saved = save_tier_table(facts(name=None), TIERS, GOALS, name="tiers_zh", with_ids=True)
    assert (saved.rows, saved.files) == (3, ("tiers_zh.xlsx", "tiers_zh.csv"))
    book = openpyxl.load_workbook(tmp_path / "tiers_zh.xlsx")
    sheet = book["客户分层与特征表"]
    assert [cell.value for cell in sheet[1]] == [*ZH, "客户编号"]
    assert [cell.value for cell in sheet["H"]][1:] == ["9", "00042", "123456789012345678"]
    assert [cell.value for cell in sheet["A"]][1:] == ["9", "00042", "123456789012345678"]
    for row in sheet.iter_rows():
        for cell in row:
            assert cell.value is None or (cell.data_type, cell.number_format) == ("s", "@")
    goals = sheet["G"][2]
    assert (goals.value, goals.quotePrefix) == ("=grow", True)
    csv = (tmp_path / "tiers_zh.csv").read_text("utf-8-sig")
    assert ",'=grow," in csv
    assert ",=grow" not in csv


def test_the_same_table_gives_the_same_bytes_in_any_order(tmp_path, monkeypatch):
    found = []
    for which, tiers in enumerate((TIERS, TIERS.iloc[::-1].set_axis([4, 4, 4]))):
        monkeypatch.setenv("RELKIT_TABLES", str(tmp_path / str(which)))
        save_tier_table(facts(), tiers, GOALS)
        folder = tmp_path / str(which)
        found.append([(folder / f"tier_table.{kind}").read_bytes() for kind in ("xlsx", "csv")])
    assert found[0] == found[1]


def test_what_is_not_there_is_said():
    bare = CustomerFacts(
        dt.date(2024, 12, 29), ("customers",), {}, pd.DataFrame({"customer_id": ["9"]})
    )
    row = tier_table(bare, TIERS, {"A": "keep"}).iloc[0]
    assert row["Industry"] == row["Key decision maker"] == row["Account owner"] == "not supplied"
    assert row["Recent activity"] == "nothing on record"
    assert tier_table(bare, TIERS)["Core goal"].tolist() == ["not supplied"] * 3


def test_order_of_tiers():
    names = pd.CategoricalDtype(["B", "A", "C"], ordered=True)
    assert tier_table(facts(), TIERS.astype({"tier": names}))["Customer tier"].tolist() == [
        "B", "B", "A",
    ]  # fmt: skip
    reverse = tier_table(facts(), TIERS, {"B": "x", "A": "y"})
    assert reverse["Customer tier"].tolist() == ["B", "B", "A"]


@pytest.mark.parametrize(
    ("tiers", "goals", "kind", "said"),
    [
        (TIERS.iloc[:0], None, DataError, "0 rows"),
        (TIERS.drop(columns="tier"), None, DataError, "no column tier"),
        (TIERS.assign(customer_id="9"), None, DataError, "repeated in 2 rows"),
        (TIERS.assign(tier=None), None, DataError, "3 customers have no tier"),
        (TIERS, {"Z": "x"}, ParameterError, "nobody is in tier Z; the tiers are A, B"),
    ],
)
def test_tiers_that_cannot_be_listed(tiers, goals, kind, said):
    with pytest.raises(kind, match=said) as raised:
        tier_table(facts(), tiers, goals)
    assert "00042" not in str(raised.value)


@pytest.mark.parametrize("name", ["../x", "", "a b", "x" * 81, 3])
def test_a_name_that_leaves_the_folder_is_refused(name):
    with pytest.raises(ParameterError, match="must be 1 to 80"):
        save_tier_table(facts(), TIERS, name=name)


def test_a_workbook_can_be_opened_from_memory():
    from relkit.report.workbook import Sheet, workbook_bytes

    table = tier_table(facts(), TIERS, GOALS)
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_bytes([Sheet("a", table)]))).active
    assert sheet.max_row == 4
