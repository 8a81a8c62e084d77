# ruff: noqa: E501 - sentences of the demo, each on its own line
"""A notebook with realistic content in both languages."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from relkit.intervals import Estimate
from relkit.report import blocks, language, theme
from relkit.report.document import read_document
from relkit.report.statements import statement

RECORD = {
    "report": "cdnow",
    "run_id": "20260301T030000Z-1a2b3c",
    "notebook": "notebooks/review_deck.ipynb",
    "started_at": "2026-03-01T03:00:00+00:00",
    "relkit_version": "0.1.0",
    "code_revision": "5dea6f5",
    "versions": {"python": "3.11.9", "pandas": "3.0.0", "matplotlib": "3.10.0"},
}
TOTAL = Estimate(1_930_000.0, 1_810_000.0, 2_060_000.0, n=23_570)
ALIVE = Estimate(0.238, 0.229, 0.247, n=23_570)


def curve_axes(size="half"):
    ax = theme.new_axes(size)
    share = np.linspace(0, 1, 60)
    ax.plot(share, 1 - (1 - share) ** 3.2, color=theme.ACCENT)
    ax.plot([0, 1], [0, 1], color=theme.GREY, linewidth=1.2)
    ax.annotate(
        language.current().percent(0.65, 0), (0.1, 0.286), (0.16, 0.22), color=theme.ACCENT,
        weight=600,
    )  # fmt: skip
    ax.set_xlabel(statement(en="Share of customers", zh="客户占比").text())
    ax.set_ylabel(statement(en="Share of value", zh="价值占比").text())
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    alt = statement(
        en="Curve of value against customers: the top {top:percent0} hold {held:percent0}",
        zh="客户与价值的累计曲线：前 {top:percent0} 的客户持有 {held:percent0} 的价值",
        top=0.10,
        held=0.65,
    )
    blocks.describe(ax, alt, pd.DataFrame({"share": share, "value": 1 - (1 - share) ** 3.2}))
    return ax


def bar_axes(size="full"):
    ax = theme.new_axes(size)
    months = pd.period_range("1997-01", "1998-06", freq="M")
    new = np.array([7846, 8476, 7248] + [0] * 15)
    back = np.array([1100, 2400, 5600, 3900, 3300, 3000, 2900, 2300, 2500, 2500, 2700, 2400, 2000,
                     2100, 2800, 1900, 1900, 1850])  # fmt: skip
    ax.bar(range(18), back, color=theme.ACCENT, width=0.7)
    ax.bar(range(18), new, bottom=back, color=theme.SEQUENTIAL[1], width=0.7)
    ax.set_xticks(range(0, 18, 3), [str(m) for m in months[::3]])
    ax.set_ylabel(statement(en="Customers who bought", zh="购买客户数").text())
    ax.annotate(statement(en="returning", zh="回头客").text(), (5, 3300), color=theme.ACCENT)
    alt = statement(
        en="Bars a month: no new customer after March 1997; {n:count} returned in June 1998",
        zh="逐月柱状图：1997 年 3 月后没有新客户；1998 年 6 月有 {n:count} 位回头客",
        n=1850,
    )
    blocks.describe(ax, alt, pd.DataFrame({"month": months.astype(str), "new": new, "back": back}))
    return ax


def tier_table():
    frame = pd.DataFrame(
        {
            "tier": ["A", "B", "C"],
            "customers": [2357, 4714, 16499],
            "clv": [1_254_500.0, 482_500.0, 193_000.0],
            "per_customer": [532.24, 102.35, 11.70],
            "share": [Estimate(0.65, 0.62, 0.68, 2357), Estimate(0.25, 0.23, 0.27, 4714),
                      Estimate(0.10, 0.09, 0.11, 16499)],
        }
    )  # fmt: skip
    columns = {
        "tier": statement(en="Tier", zh="层级"),
        "customers": statement(en="Customers", zh="客户数"),
        "clv": (statement(en="Value, 52 weeks", zh="52 周价值"), "money"),
        "per_customer": (statement(en="Per customer", zh="每位客户"), "money"),
        "share": (
            statement(en="Share of value (95% interval)", zh="价值占比（95% 区间）"),
            "percent±",
        ),
    }
    return blocks.table(frame, columns, name="tiers")


def win_back_table():
    rng = np.random.default_rng(5)
    n = 40
    frame = pd.DataFrame(
        {
            "customer_id": [f"{i:05d}" for i in rng.integers(1, 23570, n)],
            "last_at": pd.Timestamp("1997-12-01") + pd.to_timedelta(rng.integers(0, 90, n), "D"),
            "alive": rng.uniform(0.05, 0.6, n),
            "spend": rng.uniform(20, 240, n),
            "risk": np.sort(rng.uniform(40, 1900, n))[::-1],
        }
    )
    frame.loc[3, "spend"] = float("nan")
    columns = {
        "customer_id": statement(en="Customer", zh="客户"),
        "last_at": (statement(en="Last purchase", zh="最近购买"), "date"),
        "alive": (statement(en="Still buying", zh="仍会购买的概率"), "percent0"),
        "spend": (statement(en="Spend a purchase", zh="每次消费"), "money"),
        "risk": (statement(en="Value at risk", zh="面临风险的价值"), "money"),
    }
    return blocks.table(frame, columns, name="win_back", max_rows=30)


def demo_slides():
    tiles = blocks.tiles(
        blocks.tile(statement(en="Value, next 52 weeks", zh="未来 52 周价值"), TOTAL, "compact_money"),
        blocks.tile(statement(en="Still buying", zh="仍会购买"), ALIVE, "percent"),
        blocks.tile(statement(en="Customers", zh="客户数"), 23_570, "count"),
        blocks.tile(statement(en="Value at risk", zh="面临风险的价值"), 412_000.0, "compact_money",
                    note=statement(en="silent longer than their habit", zh="沉默时间超过其购买习惯")),
    )  # fmt: skip
    yield blocks.slide(
        statement(
            en="The customer base is losing value: its next 52 weeks are worth {now:compact_money}, {less:percent0} less than a year ago",
            zh="客户群正在流失价值：未来 52 周价值 {now:compact_money}，比一年前少 {less:percent0}",
            now=TOTAL,
            less=0.31,
        ),
        tiles,
        statement(
            en="**How sure:** the 95% interval of the change leaves no doubt about its sign.\n\n"
            "**What to do first:** win back the {n:count} customers on the last page; {risk:compact_money} is at risk with them.",
            zh="**把握多大：** 变化的 95% 区间不含零，方向明确。\n\n"
            "**先做什么：** 挽回最后一页列出的 {n:count} 位客户；他们身上有 {risk:compact_money} 处于风险中。",
            n=500,
            risk=412_000.0,
        ),
        notes=statement(en="Say the answer first.", zh="先说结论。"),
    )
    yield blocks.slide(
        statement(en="No new customer since March 1997: all {n:count} who bought in June 1998 came back on their own",
                  zh="1997 年 3 月之后没有新客户：1998 年 6 月的 {n:count} 位购买者全是回头客", n=1850),
        bar_axes(),
    )  # fmt: skip
    yield blocks.slide(
        statement(en="The top {top:percent0} of customers hold {held:percent0} of the value to come",
                  zh="前 {top:percent0} 的客户持有未来价值的 {held:percent0}", top=0.10, held=0.65),
        curve_axes(),
        blocks.tiles(
            blocks.tile(statement(en="Held by the top 10%", zh="前 10% 客户持有"),
                        Estimate(0.65, 0.62, 0.68, 2357), "percent0"),
            blocks.tile(statement(en="Per customer there", zh="每位客户平均"), 532.24, "money"),
        ),
        statement(en="One customer in ten carries two thirds. A rule that treats all alike spends nine "
                     "tenths of its effort on a third of the value.",
                  zh="十分之一的客户承载三分之二的价值。一视同仁的做法会把九成精力花在三分之一的价值上。"),
    )  # fmt: skip
    yield blocks.slide(
        statement(en="Does the model predict: {error:percent0} fewer purchases than were made",
                  zh="模型预测得准吗：比实际少 {error:percent0}", error=0.04),
        bar_axes("wide"),
        blocks.tiles(
            blocks.tile(statement(en="Predicted", zh="预测"), Estimate(10_410.0, 9_900.0, 10_950.0, 23_570,
                                                                   kind="prediction"), "count"),
            blocks.tile(statement(en="Made", zh="实际"), 10_844, "count"),
            blocks.tile(statement(en="Correlation", zh="相关系数"), 0.63, "number2"),
        ),
    )  # fmt: skip
    yield blocks.slide(
        statement(en="Tier A is {share:percent0} of customers and {value:percent0} of value",
                  zh="A 层占客户的 {share:percent0}，占价值的 {value:percent0}", share=0.10, value=0.65),
        tier_table(),
        statement(en="Tiers by rank of expected value: the top 10%, the next 20%, the rest.",
                  zh="按预期价值排名分层：前 10%、其后 20%、其余。"),
    )  # fmt: skip
    yield blocks.slide(
        statement(en="Win back these {n:count} first: {risk:compact_money} is at risk with them",
                  zh="优先挽回这 {n:count} 位客户：{risk:compact_money} 处于风险中", n=40, risk=41_200.0),
        win_back_table(),
        source=statement(en="CDNOW, purchases to {day:date}", zh="CDNOW，截至 {day:date} 的购买", day=date(1998, 6, 30)),
    )  # fmt: skip
    yield blocks.slide(
        statement(en="What must hold before the rest may be read", zh="阅读其余内容之前必须成立的条件"),
        blocks.gate(statement(en="The fit converged after {n:count} steps", zh="拟合在 {n:count} 步后收敛", n=11), True),
        blocks.gate(statement(en="Spend and frequency correlate by {r:number2}; at most {limit:number2} is required",
                              zh="消费与频次的相关系数为 {r:number2}，要求不超过 {limit:number2}", r=0.11, limit=0.2), True),
        blocks.gate(statement(en="The holdout total lies outside the prediction interval", zh="留出期总量在预测区间之外"), False),
        blocks.gate(statement(en="Drift since the last run", zh="与上次运行相比的漂移"), None),
        blocks.details(statement(en="Method", zh="方法"),
                       statement(en="BG/NBD and Gamma-Gamma, maximum likelihood.", zh="BG/NBD 与 Gamma-Gamma，最大似然。")),
        appendix=True,
    )  # fmt: skip


def demo_provenance(synthetic=False):
    return blocks.provenance(
        {
            "name": {"en": "CDNOW", "zh": "CDNOW 唱片店"},
            "span": ["1997-01-01", "1998-06-30"],
            "as_of": "1998-06-30",
            "customers": 23_570,
            "account": {"read": 69_659, "used": 69_579, "set_aside": 80,
                        "reasons": {"amount is not positive": 80}, "reasons_zh": {"金额不为正": 80}},
            "currency": "USD",
            "files": [{"path": "CDNOW_master.txt", "rows": 69_659, "sha256": "9f86d081884c7d65" * 4}],
        },
        {"language": language.current().code, "horizon_weeks": 52, "annual_discount_rate": 0.10,
         "tier_shares": [0.1, 0.2]},
        synthetic=synthetic,
    )  # fmt: skip


def code_cell(*shown, tags=(), source="secret_code()"):
    outputs = [
        {"output_type": "display_data", "data": block._repr_mimebundle_(), "metadata": {}}
        for block in shown
    ]
    outputs.append({"output_type": "stream", "name": "stdout", "text": "plain output"})
    return {
        "cell_type": "code",
        "source": source,
        "outputs": outputs,
        "metadata": {"tags": list(tags)},
    }


def markdown_cell(source, tags=()):
    return {"cell_type": "markdown", "source": source, "metadata": {"tags": list(tags)}}


def build_notebook(code="en", synthetic=False):
    """The demo as nbformat 4, emitted in one language."""
    with language.speaking(language.Language(code)):
        slides = list(demo_slides())
        return {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                markdown_cell(
                    "<!-- en -->\n# What are our customers worth?\n\nA review for the head of customer care: "
                    "is the base gaining or losing value, how sure are we, and what should be done first?\n"
                    "<!-- zh -->\n# 我们的客户价值几何？\n\n供客户关怀负责人审阅：客户群的价值在增长还是流失，"
                    "把握有多大，应当先做什么？"
                ),
                code_cell(source="horizon_weeks: int = 52", tags=["parameters"]),
                markdown_cell("<!-- en -->\n## The answer\n<!-- zh -->\n## 结论"),
                code_cell(slides[0], slides[1]),
                markdown_cell(
                    "<!-- en -->\n## Who carries the value\n\nValue is what a customer is expected to bring, "
                    "*discounted* to today; it is **not** what was spent so far.\n\n- counted in weeks\n- in US dollars"
                    "\n<!-- zh -->\n## 谁承载价值\n\n价值指客户预期带来、*折现*到今天的收入，**不是**已经花掉的钱。"
                    "\n\n- 以周计\n- 以美元计"
                ),
                code_cell(*slides[2:]),
                markdown_cell("only for analysts", tags=["notebook-only"]),
                code_cell(
                    blocks.details(
                        statement(en="All tiers", zh="全部层级"), tier_table(),
                        blocks.gate(statement(en="Tiers add up", zh="各层合计无误"), True),
                    ),
                    demo_provenance(synthetic),
                ),
            ],
        }  # fmt: skip


@pytest.fixture(autouse=True)
def english():
    with language.speaking(language.Language()):
        yield


@pytest.fixture(scope="session")
def record():
    return dict(RECORD)


@pytest.fixture(scope="session")
def demo_document():
    """The demo document of a language; built once."""
    made = {}

    def build(code):
        if code not in made:
            made[code] = read_document(build_notebook(code), code)
        return made[code]

    return build
