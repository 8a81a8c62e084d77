"""What is about people: which columns, by their names; and which texts, by their look.

A frame that leaves relkit may have columns of any name, and a row that fails may hold
anything in any column. So columns are known by what shops and CRMs call them, and a stray
text is shown only where it looks like what its column should hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

WITHHELD = "…"


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Names without blanks and signs, in small letters.
_CUSTOMER_IDS = _names(
    "customerid referredcustomerid custid clientid buyerid userid memberid accountid customerno "
    "customernumber customercode customer client buyer member cid primaryassociatedcompanyid "
    "associatedcompanyid associatedcompanyids requesterexternalid contactid guestid patientid "
    "客户编号 客户id 客户号 客户代码 客户 会员编号 会员id 会员号 会员卡号 会员 用户id 用户编号 "
    "顾客编号 顾客id 买家id 买家编号"
)
_PERSONAL = _names(
    "email mail emailaddress customeremail contactemail phone phonenumber telephone tel mobile "
    "mobilephone cell fax wechat wechatid whatsapp birthday birthdate dateofbirth dob born address "
    "street streetaddress postaladdress shippingaddress billingaddress customername clientname "
    "firstname lastname middlename surname givenname familyname fullname contactname "
    "nickname decisionmaker passport passportno socialsecuritynumber ssn iban requester "
    "邮箱 电子邮箱 电子邮件 手机 手机号 手机号码 电话 电话号码 联系电话 微信 微信号 生日 出生日期 "
    "地址 收货地址 联系地址 姓名 客户姓名 客户名称 会员姓名 联系人 收货人 决策人 身份证 身份证号 "
    "昵称"
)
# A column of these names is about a person only beside the id of one: a table of
# models has names too.
_PERSONAL_BESIDE_AN_ID = _names(
    "name text comment comments note notes remark remarks memo description reasontext feedback "
    "feedbacktext message subject answer verbatim reviewer 备注 说明 描述 留言 反馈 反馈内容 评论 "
    "内容 名称"
)
# Columns of our own tables that hold what somebody wrote, beside these only.
_PERSONAL_BESIDE = {
    "reason": _names("contractid annualvalue"),
    "value": _names("field interviewedat answeredat"),
}
_IDS = _CUSTOMER_IDS | _names("ownerid feedbackid ticketid touchid needid")
# Columns of our tables that hold free text, or a value of any kind that a person gave.
FREE_TEXT = frozenset({"text", "description", "reason", "value", "reviewer", "name"})

_ADDRESS = re.compile(r"[^\s@<>,;:'\"()]{1,64}@[^\s@<>,;:'\"()]{1,255}\.[A-Za-z]{2,24}")
_PHONE = re.compile(r"\+\d[\d ()/.-]{6,20}\d")
_NUMBER_LOOK = re.compile(
    r"\W{0,3}\d{1,3}(?:[ .,'’]\d{3})+(?:[.,]\d{1,6})?\W{0,3}|"
    r"\W{0,3}\d{1,9}(?:[.,]\d{1,12})?(?:[eE][-+]?\d{1,3})?\W{0,3}|[-+]?(?:nan|inf|infinity)",
    re.IGNORECASE,
)
_SIGNS = "元|EUR|USD|CNY|RMB|GBP|CHF|JPY|kr|Kč|zł|Fr|Rs"
_SIGNED = re.compile(rf"(?:{_SIGNS})\.? ?|\.? ?(?:{_SIGNS})\.?")
_DAY_LOOK = re.compile(
    r"\d{1,8}(?:\.0+)?|\d{12}|\d{14}|"
    r"\d{1,4}[-/.年 ]\d{1,2}[-/.月 ]\d{1,4}日?|"
    r"\d{1,2}\.? [a-z]{3,9}\.?,? \d{2,4}|[a-z]{3,9}\.? \d{1,2},? \d{2,4}",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"[ T]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[ap]\.?m\.?)?"
    r" ?(Z|UTC|GMT|[-+]\d{2}:?\d{2}|[-+]\d{2})?$",
    re.IGNORECASE,
)
_CURRENCY_LOOK = re.compile(
    r"[A-Z]{3}|[$€£¥₩₹]|[A-Z]{2}[$¥]|(?i:eur|euros?|usd|(?:us )?dollars?|cny|rmb|yuan|gbp|pounds?"
    r"|sterling|jpy|yen|chf|francs?)|[人民币美欧日港元镑圆块]{1,3}"
)
_VALUE_LOOK = re.compile(r"[-+]?[\d.,]*\d[\d.,]*$|\d{1,4}[-/.年]\d{1,2}[-/.月]\d{1,4}")
_WORD_LOOK = re.compile(r"[^\W\d_]{1,24}(?:[ _/-][^\W\d_]{1,24})?|\d{1,3}|[A-Z]{3}")


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """A column's name without what is in brackets, blanks and signs, in small letters."""
    without = re.sub(r"[(（\[].*?[)）\]]", "", name)
    return re.sub(r"[\W_]+", "", without).lower()


def is_customer_id(name: str) -> bool:
    """Whether a column of this name holds customers' ids."""
    return bare(name) in _CUSTOMER_IDS


def is_personal(name: str, beside: Iterable[str] = (), *, beside_an_id: bool = False) -> bool:
    """Whether a column of this name is about a person.

    Args:
        name: Of the column, in English or Chinese.
        beside: The columns beside it.
        beside_an_id: Whether one of those, not named, is an id.
    """
    word = bare(name)
    if word in _PERSONAL or (beside_an_id and word in _PERSONAL_BESIDE_AN_ID):
        return True
    others = {bare(other) for other in beside}
    if word in _PERSONAL_BESIDE:
        return bool(others & _PERSONAL_BESIDE[word])
    return word in _PERSONAL_BESIDE_AN_ID and bool(others & _IDS)


def has_address(text: str) -> bool:
    """Whether an e-mail address or a telephone number stands in a text."""
    return bool(("@" in text and _ADDRESS.search(text)) or ("+" in text and _PHONE.search(text)))


def without_addresses(text: str) -> str:
    """A text with its e-mail addresses and telephone numbers withheld."""
    if "@" in text:
        text = _ADDRESS.sub(WITHHELD, text)
    return _PHONE.sub(WITHHELD, text) if "+" in text else text


def shape(text: str) -> str:
    """How a text is written and nothing of what it says: '9999-99', 'Aaa aaaa', '中中'."""
    plain = re.sub(r"\s+", " ", text[:40])
    digits = re.sub(r"\d", "9", plain)
    letters = re.sub(r"[^\W\d_]", _letter, digits)
    return letters if len(text) <= 40 else letters[:39] + WITHHELD


def _letter(found: re.Match[str]) -> str:
    letter = found[0]
    if "\u3400" <= letter <= "\u9fff":
        return "中"
    return "A" if letter.isupper() else "a"


def looks_right(kind: str, text: str) -> bool:
    """Whether a text looks like a value of its kind of column, and so like nothing else.

    Args:
        kind: 'number', 'time', 'day', 'choice' or 'flag', as contracts have it, or
            'currency'; of any other kind nothing can be told from the look.
        text: What stands there.
    """
    bared = text.strip()
    if len(bared) > 40 or has_address(bared):
        return False
    if kind == "number":
        return _NUMBER_LOOK.fullmatch(_SIGNED.sub("", bared)) is not None
    if kind in ("time", "day"):
        return _DAY_LOOK.fullmatch(_CLOCK.sub("", bared)) is not None
    if kind in ("choice", "flag"):
        # Two words that both begin with a capital are rather somebody's name.
        named = len(bared.split()) > 1 and bared.istitle()
        return _WORD_LOOK.fullmatch(bared) is not None and not named
    if kind == "currency":
        return _CURRENCY_LOOK.fullmatch(bared) is not None
    return False


def shown_header(names: Sequence[str]) -> tuple[str, ...]:
    """A file's first row as a message may say it: names of columns, or the shapes of values.

    Where the header is missing, what stands in its place is the first customer. One cell
    that is a number, a day or an address tells that, and then none of them is said.
    """
    # Read with another separator, a row is one cell that holds them all.
    cells = re.split(r"[;,|\t]", names[0]) if len(names) == 1 else names
    is_header = not any(_VALUE_LOOK.match(cell.strip()) or has_address(cell) for cell in cells)
    return tuple(name if is_header else f"like {shape(name)}" for name in names)
