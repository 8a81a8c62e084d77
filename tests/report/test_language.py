"""Numbers and sentences; expected texts written by hand from the conventions of each language."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate
from relkit.report import language, vocabulary
from relkit.report.language import Language, set_language, visible
from relkit.report.statements import say, statement, term

EN, ZH = Language("en"), Language("zh")
MINUS = "\u2212"


@pytest.mark.parametrize(
    ("amount", "en", "zh"),
    [
        (0, "$0", "0美元"),
        (37.2, "$37.20", "37.20美元"),
        (950.4, "$950", "950美元"),
        (9_512, "$9,512", "9,512美元"),
        (9_999.7, "$10.0 k", "1.00万美元"),
        (12_345, "$12.3 k", "1.23万美元"),
        (999_950, "$1.00 M", "100万美元"),
        (1_930_000, "$1.93 M", "193万美元"),
        (12_345_678, "$12.3 M", "1,230万美元"),
        (123_400_000, "$123 M", "1.23亿美元"),
        (1.2e9, "$1.20 bn", "12.0亿美元"),
        (-1_930_000, f"{MINUS}$1.93 M", f"{MINUS}193万美元"),
    ],
)
def test_compact_money(amount, en, zh):
    assert (EN.compact_money(amount), ZH.compact_money(amount)) == (en, zh)


@given(st.floats(10_000, 9e11))
def test_both_languages_show_the_same_three_digits(amount):
    def leading(text):
        return "".join(c for c in text if c.isdigit())[:3].lstrip("0")

    assert leading(EN.compact_money(amount)) == leading(ZH.compact_money(amount))


def test_money_count_percent_number():
    assert EN.money(1234.5) == "$1,234.50"
    assert EN.money(12_345.6) == "$12,346"
    assert ZH.money(1234.5) == "1,234.50美元"
    assert Language("zh", "CNY").money(88) == "88.00元"
    assert Language("en", "JPY").money(88.4) == "JP¥88"
    assert Language("en", "XAU").money(88) == "XAU 88.00"
    assert EN.count(23_570) == ZH.count(23_570.0) == "23,570"
    assert EN.percent(0.29) == ZH.percent(0.29) == "29.0%"
    assert EN.percent(-0.0001) == "0.0%"
    assert EN.number(-1234.56, 1) == f"{MINUS}1,234.6"


@pytest.mark.parametrize(
    "moment",
    [date(1998, 6, 30), datetime(1998, 6, 30, 23, 59), pd.Timestamp("1998-06-30"), "1998-06-30",
     np.datetime64("1998-06-30")],
)  # fmt: skip
def test_dates(moment):
    assert (EN.date(moment), ZH.date(moment)) == ("30 June 1998", "1998年6月30日")


def test_an_estimate_shows_its_interval_in_the_unit_of_its_value():
    total = Estimate(1.93e6, 1.81e6, 2.06e6, n=100)
    assert EN.show(total, "compact_money±") == "$1.93 M (1.81–2.06 M)"
    assert ZH.show(total, "compact_money±") == "193万美元（181–206万）"
    assert EN.show(total, "compact_money") == "$1.93 M"
    share = Estimate(-0.02, -0.041, 0.012, n=100)
    assert EN.show(share, "percent±") == f"{MINUS}2.0% ({MINUS}4.1 to 1.2%)"
    assert ZH.show(share, "percent±") == f"{MINUS}2.0%（{MINUS}4.1至1.2%）"
    assert EN.show(Estimate(37.2, 35.1, 39.4, n=9), "money±") == "$37.20 (35.10–39.40)"
    assert EN.show(Estimate(1234.0, 1100.0, 1400.0, n=9), "count±") == "1,234 (1,100–1,400)"


@pytest.mark.parametrize("word", ["count", "number", "percent", "money", "compact_money"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_a_number_is_never_shown(word, value):
    with pytest.raises(DataError, match="cannot show"):
        statement(en=f"{{x:{word}}}", zh=f"{{x:{word}}}", x=value)


def test_an_interval_without_an_end_is_never_shown():
    with pytest.raises(DataError, match="cannot show inf"):
        statement(en="{x:count±}", zh="{x:count±}", x=Estimate(1, 0, float("inf"), n=3))
    with pytest.raises(DataError, match="missing time"):
        statement(en="{x:date}", zh="{x:date}", x=pd.NaT)


@pytest.mark.parametrize(
    ("templates", "values", "said"),
    [
        ({"en": "{n:cout}", "zh": "{n:cout}"}, {"n": 1}, "did you mean 'count'"),
        ({"en": "{n}", "zh": "{n}"}, {"n": 1}, "format word"),
        ({"en": "{n:count}", "zh": "x"}, {"n": 1}, "only in en: {n:count}"),
        ({"en": "{n:count}", "zh": "{n:percent}"}, {"n": 1}, "same slots"),
        ({"en": "{n:count}", "zh": "{n:count}"}, {"m": 1}, "no value for n"),
        ({"en": "{custmers:count}", "zh": "{custmers:count}"}, {"customers": 1}, "'customers'"),
        ({"en": "{n:count±}", "zh": "{n:count±}"}, {"n": 1}, "needs an Estimate"),
        ({"en": "{n:count}", "zh": "{n:count}"}, {"n": "1"}, "takes a number"),
        ({"en": "{n:count", "zh": "{n:count"}, {"n": 1}, "no template"),
        ({"en": "x", "zh": ""}, {}, "no text for zh"),
    ],
)
def test_a_faulty_statement_says_what_is_wrong(templates, values, said):
    with pytest.raises(ParameterError) as caught:
        statement(**templates, **values)
    assert said in str(caught.value)


def test_texts_by_key(tmp_path, monkeypatch):
    assert term("page.contents") == "Contents"
    assert say("provenance.cases", n=3).text("zh") == "n = 3 位客户"
    with pytest.raises(ParameterError, match=r"did you mean 'page\.contents'"):
        say("page.content")
    (tmp_path / "a.yaml").write_text("one: {en: x, zh: y}\ntwo: {en: x}\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("one: {en: x, zh: y}\n", encoding="utf-8")
    monkeypatch.setattr(vocabulary, "TEXTS", tmp_path)
    with pytest.raises(ParameterError) as caught:
        vocabulary.all_texts.__wrapped__()
    assert "two must have exactly en and zh" in str(caught.value)
    assert "one also stands in another file" in str(caught.value)


def test_the_language_is_chosen_once_and_checked():
    set_language("zh", currency="CNY")
    assert statement(en="{x:money}", zh="{x:money}", x=5).text() == "5.00元"
    with pytest.raises(ParameterError, match="must be en or zh"):
        set_language("de")
    with pytest.raises(ParameterError, match="three-letter code"):
        set_language("en", currency="dollars")
    assert language.current().code == "zh"


def test_values_stay_values_and_markdown_in_them_is_text():
    said = statement(
        en="**{name:text}** has {n:count}", zh="{name:text} {n:count}", name="*A*_b", n=3
    )
    assert said.values == {"name": "*A*_b", "n": 3}
    assert said.text("en") == "***A*_b** has 3"
    assert said.markdown("en") == r"**\*A\*\_b** has 3"


def test_characters_that_hide_are_spelled_out():
    assert visible("a\u202eb\u200bc\x07") == "a[U+202E]b[U+200B]c[U+0007]"
    assert visible("customer\tname\n客户") == "customer\tname\n客户"
