"""Blocks keep their numbers, survive JSON, and refuse what cannot be read."""

import json

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.intervals import Estimate
from relkit.report import blocks
from relkit.report.blocks import MIME, describe, figure, from_json, slide, table, tile, tiles
from relkit.report.language import set_language
from relkit.report.statements import statement
from relkit.report.theme import new_axes

ALT = statement(en="A line that rises to {top:count}", zh="上升到 {top:count} 的线", top=3)


def line_axes():
    ax = new_axes("half")
    ax.plot([1, 2, 3])
    describe(ax, ALT, pd.DataFrame({"x": [1, 2, 3]}))
    return ax


def test_a_slide_survives_a_notebook_that_sorts_its_keys():
    shown = slide(
        statement(en="{n:count} customers", zh="{n:count} 位客户", n=23_570),
        line_axes(),
        tiles(tile("Share", Estimate(0.2, 0.1, 0.3, n=50), "percent")),
        table(pd.DataFrame({"b": [2.5], "a": ["x"]})),
        blocks.gate("Holds", None),
        blocks.details("More", "and *more*"),
        notes="Say this",
        appendix=True,
    )
    written = json.dumps(shown.to_json(), sort_keys=True)
    assert from_json(json.loads(written)) == shown
    assert dict(shown.headline.values) == {"n": 23_570}


def test_text_is_in_the_language_of_the_moment():
    said = statement(en="{n:count} customers", zh="{n:count} 位客户", n=3)
    english = slide(said)
    set_language("zh")
    assert (english.headline.text, slide(said).headline.text) == ("3 customers", "3 位客户")


def test_a_figure_takes_what_describe_said_and_closes_the_chart():
    before = plt.get_fignums()
    ax = line_axes()
    shown = figure(ax)
    assert plt.get_fignums() == before
    assert shown.alt.text == "A line that rises to 3"
    assert dict(shown.alt.values) == {"top": 3}
    assert shown.csv == "x\r\n1\r\n2\r\n3\r\n"
    assert (shown.width, shown.height) == (700, 470)


def test_a_figure_without_an_alt_text_is_refused():
    with pytest.raises(ParameterError, match="no alt text"):
        figure(new_axes("half"))
    with pytest.raises(ParameterError, match="takes matplotlib axes"):
        figure("chart.png", alt="x")


def test_the_same_chart_has_the_same_bytes():
    assert figure(line_axes()) == figure(line_axes())


def test_an_array_of_axes_and_a_figure_are_charts_too():
    chart, axes = plt.subplots(1, 2)
    assert figure(axes, alt="Two").alt.text == "Two"
    assert figure(chart, alt="Two").alt.text == "Two"


def test_table_formats_by_word_and_aligns_by_kind():
    frame = pd.DataFrame(
        {
            "order": ["00042", "7"],
            "clv": [12_345.6, 7.25],
            "alive": [Estimate(0.5, 0.4, 0.6, n=9), None],
            "last": pd.to_datetime(["1998-06-30", None]),
            "orders": [3, 4],
        }
    )
    shown = table(
        frame,
        {
            "order": "Order",
            "orders": statement(en="Orders", zh="订单数"),
            "clv": ("Value", "money"),
            "alive": ("Alive", "percent0±"),
            "last": "Last",
        },
    )
    assert shown.rows == (
        ("00042", "3", "$12,346", "50% (40–60%)", "30 June 1998"),
        ("7", "4", "$7", None, None),
    )
    assert [c.numeric for c in shown.columns] == [False, True, True, True, False]
    assert shown.csv.splitlines()[0] == ("order,orders,clv,alive,alive_low,alive_high,alive_n,last")


def test_table_refuses_unknown_columns_words_and_infinite_figures():
    frame = pd.DataFrame({"value": [1.0]})
    with pytest.raises(ParameterError, match="did you mean 'value'"):
        table(frame, {"valu": "V"})
    with pytest.raises(ParameterError, match="did you mean 'money'"):
        table(frame, {"value": ("V", "mony")})
    with pytest.raises(DataError, match="cannot show inf"):
        table(pd.DataFrame({"value": [float("inf")]}))


def test_a_long_table_says_how_much_is_shown_and_keeps_all_rows_as_csv():
    shown = table(pd.DataFrame({"n": range(250)}), max_rows=7)
    assert (len(shown.rows), shown.total_rows) == (7, 250)
    assert len(shown.csv.splitlines()) == 251
    assert "First 7 of 250 rows." in shown._repr_mimebundle_()["text/html"]
    assert table(pd.DataFrame({"name": ["x" * 200] * 1000})).csv is None  # too large for a page


def test_a_tile_shows_interval_and_cases():
    shown = tile(
        "Total", Estimate(1.93e6, 1.81e6, 2.06e6, n=100, kind="prediction"), "compact_money"
    )
    assert (shown.value, shown.interval, shown.cases) == (
        "$1.93 M", "95% PI 1.81–2.06 M", "n = 100",
    )  # fmt: skip
    assert shown.number["value"] == 1.93e6


def test_jupyter_gets_html_that_is_escaped_and_complete():
    bundle = slide(statement(en="{name:text}", zh="{name:text}", name="<img src=x onerror=y>"),
                   line_axes())._repr_mimebundle_()  # fmt: skip
    assert set(bundle) == {MIME, "text/html", "text/plain"}
    assert "<img" not in bundle["text/html"]
    assert "&lt;img" in bundle["text/html"]
    assert "<svg" in bundle["text/html"]
    assert "class=" not in bundle["text/html"].split("<svg")[0]  # needs no style sheet


def test_a_statement_that_ends_a_cell_is_shown():
    bundle = statement(en="**{n:count}** came", zh="来了 {n:count} 位", n=3)._repr_mimebundle_()
    assert from_json(bundle[MIME]).phrase.text == "**3** came"
    assert "<strong>3</strong> came" in bundle["text/html"]


def test_content_that_is_no_block_is_refused():
    with pytest.raises(ParameterError, match=r"rk\.table"):
        slide("Headline", pd.DataFrame({"a": [1]}))
    with pytest.raises(ParameterError, match="another version"):
        from_json({"node": "hologram"})
    with pytest.raises(ParameterError, match="takes one or more"):
        tiles()


def test_provenance_says_what_the_source_says():
    described = {
        "name": {"en": "Shop", "zh": "商店"},
        "span": ["1997-01-01", "1998-06-30"],
        "account": {"read": 10, "used": 8, "set_aside": 2, "reasons": {"amount is text": 2},
                    "reasons_zh": {"金额为文本": 2}},
        "files": [{"path": "a.csv", "rows": 10, "sha256": "ab" * 32}],
        "synthetic": True,
    }  # fmt: skip
    shown = blocks.provenance(described, {"horizon": 52})
    facts = dict(shown.facts)
    assert facts["Period"] == "1 January 1997 – 30 June 1998"
    assert (facts["Rows read"], facts["Rows used"], facts["Rows set aside"]) == ("10", "8", "2")
    assert facts["Reasons"] == "amount is text: 2"
    assert shown.files == (("a.csv", "10 rows", "ab" * 32),)
    assert shown.parameters == (("horizon", "52"),)
    assert shown.synthetic
    assert shown.line == "Shop · 1 January 1997 – 30 June 1998 · n = 8 transactions"
