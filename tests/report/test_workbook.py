"""Workbooks read back by two independent readers, and as raw XML."""

import io
import os
import re
import subprocess
import sys
import zipfile

import openpyxl
import pandas as pd
import pytest
import python_calamine

from relkit.errors import DataError, ParameterError
from relkit.report.workbook import Sheet, workbook_bytes

HOSTILE = [
    "00042", "123456789012345678901", "=1+1", "+49 30", "-5", "@SUM(A1)", "\tx", "\rx", "\nx",
    "＝1+1", '=HYPERLINK("http://x","y")', "'quoted", "<b>&amp;</b>", "_x0041_", "", " spaces ",
    "客户\u200b", "bell\x07", "\ud800", "1E5", "TRUE", "2024-01-02",
]  # fmt: skip


def written(frame, name="Tiers"):
    return workbook_bytes([Sheet(name, frame)])


def sheet_of(data):
    return openpyxl.load_workbook(io.BytesIO(data)).active


def xml_of(data, part="xl/worksheets/sheet1.xml"):
    return zipfile.ZipFile(io.BytesIO(data)).read(part).decode("utf-8")


def test_every_text_is_text_and_nothing_is_run():
    data = written(pd.DataFrame({"=cmd": HOSTILE}, dtype=object))
    sheet = sheet_of(data)
    assert {cell.data_type for cell in sheet["A"]} <= {"s", "n"}  # n: an empty cell
    assert all(cell.number_format == "@" for cell in sheet["A"] if cell.value is not None)
    # A leading sign is marked as quoted, so that people see no apostrophe and edit no formula.
    for cell in sheet["A"][3:11]:
        assert cell.quotePrefix, cell.value
    raw = xml_of(data)
    assert "<f>" not in raw
    assert "<f " not in raw
    assert raw.count('t="inlineStr"') == len([text for text in HOSTILE if text]) + 1
    assert len(re.findall("<c ", raw)) == len(HOSTILE) + 1


def test_texts_come_back_as_they_were():
    kept = [text for text in HOSTILE if not re.search("[\u200b\x07\ud800\r]", text)]
    data = written(pd.DataFrame({"id": kept}))
    # Calamine undoes Excel's escapes as Excel does; openpyxl shows them as they stand.
    rows = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
    assert [row[0] for row in rows.to_python(skip_empty_area=False)] == ["id", *kept]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("客户\u200b", "客户[U+200B]"), ("bell\x07", "bell[U+0007]"), ("\ud800", "[U+D800]")],
)
def test_what_xml_cannot_hold_or_nobody_sees_is_spelled_out(text, shown):
    assert sheet_of(written(pd.DataFrame({"a": [text]}, dtype=object)))["A2"].value == shown


def test_numbers_and_days_keep_their_kind():
    frame = pd.DataFrame(
        {
            "whole": pd.array([3, None, -2], dtype="Int64"),
            "number": [0.1, float("nan"), -12.5],
            "day": pd.to_datetime(["2024-02-29", None, "1900-01-05"]),
            "long": [10**15, 1, 12345678901234567],
        }
    )
    sheet = sheet_of(written(frame))
    assert [cell.value for cell in sheet["A"]] == ["whole", 3, None, -2]
    assert [cell.value for cell in sheet["B"]] == ["number", 0.1, None, -12.5]
    assert str(sheet["C2"].value) == "2024-02-29 00:00:00"
    assert sheet["C4"].value == "1900-01-05"  # days that Excel counts wrongly are text
    # Excel keeps fifteen digits: a longer number is text, all of it.
    assert [cell.value for cell in sheet["D"]] == [
        "long",
        "1000000000000000",
        1,
        "12345678901234567",
    ]


def test_header_widths_font_and_frozen_row():
    data = written(pd.DataFrame({"客户名称": ["某某有限公司"], "n": [1]}))
    sheet = sheet_of(data)
    assert [cell.value for cell in sheet[1]] == ["客户名称", "n"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B2"
    assert sheet["A1"].font.name == sheet["A2"].font.name == "Microsoft YaHei"
    assert sheet["A1"].font.b
    # Six Chinese characters are twelve digits wide.
    assert sheet.column_dimensions["A"].width == 14
    assert sheet.column_dimensions["B"].width == 8
    assert sheet["A1"].font.charset == sheet["A2"].font.charset == 134
    assert sheet["A1"].fill.fgColor.rgb == "FFDCEBF3"
    assert sheet["A2"].alignment.wrap_text


def test_the_same_table_gives_the_same_bytes_and_no_day():
    frame = pd.DataFrame({"a": ["x"], "n": [1.5]})
    assert written(frame) == written(frame.copy())
    entries = zipfile.ZipFile(io.BytesIO(written(frame))).infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    core = xml_of(written(frame), "docProps/core.xml")
    assert set(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+", core)) == {"1980-01-01T00:00:00"}


def test_a_later_day_in_another_process_writes_the_same_bytes():
    made = (
        "import pandas as pd, sys; from relkit.report.workbook import Sheet, workbook_bytes; "
        "sys.stdout.buffer.write(workbook_bytes([Sheet('Tiers', pd.DataFrame("
        "{'a': ['x', '=1'], 'n': [1.5, 2], 'd': pd.to_datetime(['2025-01-02', None])}))]))"
    )
    frame = pd.DataFrame(
        {"a": ["x", "=1"], "n": [1.5, 2], "d": pd.to_datetime(["2025-01-02", None])}
    )
    environment = {**os.environ, "TZ": "Asia/Shanghai", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", made], env=environment, capture_output=True, check=True
    )
    assert done.stdout == written(frame)


def test_a_number_keeps_every_digit():
    numbers = [0.1 + 0.2, 1 / 3, 123456789.12345679, 5e-324, 1.7976931348623157e308]
    cells = sheet_of(written(pd.DataFrame({"n": numbers})))["A"][1:]
    assert [cell.value for cell in cells] == numbers
    assert {cell.data_type for cell in cells} == {"n"}


def test_errors_and_rich_values_of_excel_stay_text():
    texts = ["#N/A", "#REF!", "12:30", "3.5%", "True", "=", "==A1"]
    cells = sheet_of(written(pd.DataFrame({"a": texts})))["A"][1:]
    assert [cell.value for cell in cells] == texts
    assert {cell.data_type for cell in cells} == {"s"}


def test_many_columns_and_sheets_and_no_rows():
    frame = pd.DataFrame({f"c{i}": [i] for i in range(800)})
    book = openpyxl.load_workbook(
        io.BytesIO(workbook_bytes([Sheet("a", frame), Sheet("b & <c>", frame.iloc[:0])]))
    )
    assert book.sheetnames == ["a", "b & <c>"]
    assert book["a"]["ADT2"].value == 799  # the 800th column by Excel's letters
    assert book["b & <c>"].max_row == 1


@pytest.mark.parametrize(
    ("sheets", "said"),
    [
        ([], "at least one is required"),
        ([Sheet("", pd.DataFrame({"a": [1]}))], "1 to 31 characters"),
        ([Sheet("x" * 32, pd.DataFrame({"a": [1]}))], "1 to 31 characters"),
        ([Sheet("a/b", pd.DataFrame({"a": [1]}))], "1 to 31 characters"),
        ([Sheet("'a", pd.DataFrame({"a": [1]}))], "1 to 31 characters"),
        ([Sheet("A", pd.DataFrame()), Sheet("a", pd.DataFrame())], "two sheets share a name"),
        ([Sheet("a", pd.DataFrame([[1, 2]], columns=["x", "x"]))], "two columns are called x"),
    ],
)
def test_sheets_that_cannot_be_written(sheets, said):
    with pytest.raises(ParameterError, match=said):
        workbook_bytes(sheets)


def test_what_excel_cannot_hold_is_refused():
    with pytest.raises(DataError, match="32,768 characters in row 2"):
        written(pd.DataFrame({"a": ["x" * 32_768]}))
    with pytest.raises(DataError, match="n is infinite in row 3"):
        written(pd.DataFrame({"n": [1.0, float("inf")]}))
    with pytest.raises(DataError, match="1,048,576 rows"):
        written(pd.DataFrame(index=range(1_048_576), columns=[]))
