"""What is about people, by the names of columns and the look of texts."""

import pytest

from relkit.personal import (
    has_address,
    is_customer_id,
    is_personal,
    looks_right,
    shape,
    shown_header,
    without_addresses,
)


@pytest.mark.parametrize(
    "name",
    ["customer_id", "Customer ID", "CustomerID", "client-id", "客户编号", "会员号", "User Id"],
)
def test_columns_of_customers_ids(name):
    assert is_customer_id(name)


@pytest.mark.parametrize("name", ["customers", "clv", "order_id", "owner_id", "n", "客户数"])
def test_columns_that_are_no_ids(name):
    assert not is_customer_id(name)


@pytest.mark.parametrize(
    "name", ["email", "E-Mail", "Phone number", "手机号", "date of birth", "生日 (公历)", "姓名"]
)
def test_columns_about_people(name):
    assert is_personal(name)


def test_some_are_so_only_beside_others():
    assert not is_personal("name", ["error"])
    assert is_personal("name", ["error", "Customer ID"])
    assert not is_personal("reason", ["customer_id", "row"])
    assert is_personal("reason", ["contract_id", "customer_id"])
    assert not is_personal("value", ["customer_id"])
    assert is_personal("value", ["customer_id", "field"])


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("number", ["12,50", "¥1,234.50", "1.234,50 €", "-5", "1e12", "nan", "EUR 5", "0.5%"],
         ["twelve", "Ana 5", "+49 170 5550199", "13800138000", "a@b.test", "0x10"]),
        ("time", ["13/14/2025", "2025-01-31 10:00", "20250131", "45000", "31. Jan 2025",
                  "2025年1月3日", "2025-01-01T10:00:00+01:00"],
         ["nonsense", "Ana Berg", "+49 170 5550199", "0170 5550199", "born in May"]),
        ("choice", ["sale", "Instagram", "web form", "电话", "EUR", "7"],
         ["Ana Berg", "ana@b.test", "K-70411", "she is not well at all"]),
        ("text", [], ["anything"]),
    ],
)  # fmt: skip
def test_a_text_looks_like_its_column_or_not(kind, right, wrong):
    assert [text for text in right if not looks_right(kind, text)] == []
    assert [text for text in wrong if looks_right(kind, text)] == []


def test_a_shape_says_how_and_not_what():
    assert shape("KX-70411") == "AA-99999"
    assert shape("Ana Müller,\n王芳") == "Aaa Aaaaaa, 中中"
    assert shape("x" * 100) == "a" * 39 + "…"


def test_addresses_and_numbers_in_a_text():
    assert without_addresses("call +49 170 5550199 or a.b@c.test.") == "call … or …."
    assert not has_address("1 + 2 @ 3")


def test_a_header_is_said_and_a_first_row_is_not():
    assert shown_header(["customer", "Order date"]) == ("customer", "Order date")
    assert shown_header(["Ana Berg", "2025-01-02", "x"]) == (
        "like Aaa Aaaa",
        "like 9999-99-99",
        "like a",
    )
    # Read with a separator that is not the file's.
    assert shown_header(["Ana Berg;2025-01-02"]) == ("like Aaa Aaaa;9999-99-99",)
    assert shown_header(["customer;day"]) == ("customer;day",)


@pytest.mark.parametrize("text", ["EUR", "euro", "US dollars", "¥", "人民币", "美元", "RMB"])
def test_what_currencies_look_like(text):
    assert looks_right("currency", text)


@pytest.mark.parametrize("text", ["Zofia", "王芳", "Ana", "Ana Berg", "12", "eur@x.example"])
def test_what_no_currency_looks_like(text):
    assert not looks_right("currency", text)
