"""Who the synthetic customers say they are; nothing here can belong to a real person.

E-mail addresses use the domains that RFC 2606 reserves for examples; telephone numbers
the ranges kept for fiction: 555-0100 to 555-0199 in North America (ATIS-0300115) and
07700 900000 to 900999 in the United Kingdom (Ofcom).
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from relkit.data.world_columns import (
    Array,
    choose,
    constant,
    flags,
    labels,
    moments,
    numbered,
    numbers,
    table,
)
from relkit.data.world_parameters import WorldParameters


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words(
    "Ada Alex Alma Anna Ben Carl Clara Dana Elena Emil Eva Felix Grace Hanna Hugo Ida Iris Jonas "
    "Julia Karl Laura Leo Lina Lucas Maria Marta Max Mia Nina Noah Nora Oscar Paul Rosa Ruth Sam "
    "Sara Simon Tom Vera"
)
FAMILY = _words(
    "Abbott Archer Baker Barnes Bishop Carter Clark Cole Cook Cooper Dyer Ellis Fisher Fletcher "
    "Ford Foster Gardner Glover Harper Hunter Jordan Mason Miller Palmer Parker Porter Potter Reed "
    "Sawyer Shepherd Smith Spencer Tanner Taylor Turner Walker Ward Weaver Wood Wright"
)
CHINESE_FAMILY = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹"
CHINESE_GIVEN = _words(
    "伟 芳 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 霞 平 刚 "
    "秀英 桂英 建国 志强 晓明 雨欣 子涵 浩然 欣怡 梓轩 "
    "思远 文博 嘉怡 诗涵 宇航 俊杰 佳琪 晨曦 若曦 天宇"
)
REGIONS = ("East China", "South China", "North China", "West China", "Europe", "North America")
REGION_SHARES = (0.30, 0.20, 0.18, 0.12, 0.12, 0.08)
IN_CHINA = 4  # the first regions
ZONES = ("Asia/Shanghai",) * IN_CHINA + ("Europe/Berlin", "America/New_York")
INDUSTRIES = ("retail", "manufacturing", "software", "logistics", "health", "education", "finance")
CHINESE_INDUSTRIES = ("零售", "制造", "软件", "物流", "健康", "教育", "金融")
DECISION_MAKERS = ("managing director", "head of purchasing", "head of finance", "head of IT")
CONSENTS = ("email", "phone", "sms", "wechat")
CONSENT_SHARES = (0.60, 0.15, 0.25)  # yes, no, never asked
_BIRTHS = (dt.date(1950, 1, 1), dt.date(2005, 12, 31))


def customers_table(
    world: WorldParameters,
    block: int,
    number: Array,
    ids: pa.Array,
    first_at: Array,
    business: bool,
    owner_id: pa.Array | None = None,
) -> pa.Table:
    """The table `customers` of a block of consumers or of accounts.

    Args:
        world: Its parameters.
        block: Of consumers or of accounts.
        number: What the ids are made of, shape (n,).
        ids: Ids, shape (n,).
        first_at: First purchase or first contract in weeks, shape (n,).
        business: Whether these are accounts.
        owner_id: Who looks after them; accounts only.
    """
    rng = world.stream("account people" if business else "people", block)
    n = len(number)
    region = choose(rng, REGION_SHARES, n)
    born = _BIRTHS[0].toordinal() - dt.date(1970, 1, 1).toordinal()
    birthday = born + rng.integers((_BIRTHS[1] - _BIRTHS[0]).days + 1, size=n)
    heard_of = rng.exponential(2.0, n)  # weeks between registration and first purchase
    industry = rng.integers(len(INDUSTRIES), size=n)
    decision_maker = rng.integers(len(DECISION_MAKERS), size=n)
    fit = rng.integers(1, 6, size=n)
    consents = {}
    for channel in CONSENTS:
        answer = choose(rng, CONSENT_SHARES, n)
        consents[f"consent_{channel}"] = flags(answer == 0, answer < 2)
    names = _companies(number, region, industry) if business else _names(rng, region)
    nothing = np.full(n, -1)
    return table(
        customer_id=ids,
        name=names,
        created_at=moments(first_at - (0 if business else heard_of), world.start),
        industry=labels(industry if business else nothing, INDUSTRIES),
        region=labels(region, REGIONS),
        owner_id=constant(None, n) if owner_id is None else owner_id,
        decision_maker=labels(decision_maker if business else nothing, DECISION_MAKERS),
        birthday=pa.nulls(n, pa.timestamp("us")) if business else _midnights(birthday),
        time_zone=labels(region, ZONES),
        **consents,
        strategic_fit=numbers(fit, np.full(n, business)),
        email=_emails(number, business),
        phone=_phones(rng, n),
    )


def _midnights(days: Array) -> pa.Array:
    return pa.array(days * 86_400_000_000, pa.timestamp("us"))


def _names(rng: np.random.Generator, region: Array) -> pa.Array:
    western = [f"{given} {family}" for given in GIVEN for family in FAMILY]
    chinese = [f"{family}{given}" for family in CHINESE_FAMILY for given in CHINESE_GIVEN]
    which = rng.random(len(region))
    code = np.where(
        region < IN_CHINA,
        len(western) + np.floor(which * len(chinese)),
        np.floor(which * len(western)),
    )
    return labels(code, [*western, *chinese])


def _companies(number: Array, region: Array, industry: Array) -> pa.Array:
    digits = numbered("", (number, 8))
    western = pc.binary_join_element_wise(
        pa.repeat("Example", len(number)),
        labels(industry, [name.capitalize() for name in INDUSTRIES]),
        digits,
        " ",
    )
    chinese = pc.binary_join_element_wise(
        pa.repeat("示例", len(number)),
        labels(industry, CHINESE_INDUSTRIES),
        digits,
        pa.repeat("公司", len(number)),
        "",
    )
    return pc.if_else(pa.array(region < IN_CHINA), chinese, western)


def _emails(number: Array, business: bool) -> pa.Array:
    # RFC 2606, section 3.
    box = numbered("office" if business else "person", (number, 8))
    domain = labels(np.asarray(number) % 3, ("example.com", "example.org", "example.net"))
    return pc.binary_join_element_wise(box, domain, "@")


def _phones(rng: np.random.Generator, n: int) -> pa.Array:
    area, line = rng.integers(2, 10, size=n) * 100 + rng.integers(20, 80, size=n), rng.random(n)
    american = numbered(
        "+1-", (area, 3), (np.full(n, 555), 3), (100 + np.floor(line * 100).astype(int), 4)
    )
    british = numbered("+44-7700-900", (np.floor(line * 1000).astype(int), 3))
    return pc.if_else(pa.array(rng.random(n) < 0.2), british, american)
