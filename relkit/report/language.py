"""How English and Simplified Chinese write terms, numbers, money and dates."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, runtime_checkable

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate
from relkit.report.vocabulary import LANGUAGES, texts_for

MINUS = "\N{MINUS SIGN}"


# Symbol before an English amount, word after a Chinese one, decimals of the small unit.
CURRENCIES: dict[str, tuple[str, str, int]] = {
    "USD": ("$", "美元", 2),
    "CNY": ("¥", "元", 2),
    "EUR": ("€", "欧元", 2),
    "GBP": ("£", "英镑", 2),
    "JPY": ("JP¥", "日元", 0),
    "HKD": ("HK$", "港元", 2),
    "TWD": ("NT$", "新台币", 0),
    "SGD": ("S$", "新加坡元", 2),
    "AUD": ("A$", "澳元", 2),
    "CAD": ("C$", "加元", 2),
    "CHF": ("CHF ", "瑞士法郎", 2),
}


_SCALES: dict[str, tuple[tuple[float, str], ...]] = {
    "en": ((1e9, " bn"), (1e6, " M"), (1e3, " k")),
    "zh": ((1e8, "亿"), (1e4, "万")),
}


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)


def visible(text: str) -> str:
    """The text with control and bidirectional characters spelled out, as [U+202E].

    A name can hold characters that turn the line around; shown as their code they
    are what they are, and the line stays as it was.
    """
    return _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def _decimal(x: float, digits: int) -> str:
    """Grouped decimal with a true minus sign and no negative zero; digits -1 rounds to tens."""
    text = f"{round(x, digits) if digits < 0 else x:,.{max(digits, 0)}f}"
    if text.startswith("-"):
        return text[1:] if not any(c in "123456789" for c in text) else MINUS + text[1:]
    return text


def _finite(x: Any, what: str) -> float:
    if isinstance(x, bool) or not isinstance(x, numbers.Real):
        raise ParameterError(f"{what} takes a number, found {x!r}")
    if not math.isfinite(float(x)):
        raise DataError(
            f"{what} cannot show {x}; say why the figure could not be computed, or leave it out"
        )
    return float(x)


def _as_date(moment: Any) -> date:
    if isinstance(moment, datetime):
        # pandas' missing time is a datetime that equals nothing, itself included.
        if moment != moment:
            raise DataError("date cannot show a missing time; leave the sentence out")
        return moment.date()
    if isinstance(moment, date):
        return moment
    if isinstance(moment, str):
        try:
            return datetime.fromisoformat(moment).date()
        except ValueError:
            raise ParameterError(f"date={moment!r} must be a date such as 1998-06-30") from None
    if hasattr(moment, "astype") and not hasattr(moment, "items"):  # numpy.datetime64
        return _as_date(moment.astype("datetime64[s]").item())
    raise ParameterError(f"date takes a date, found {moment!r}")


@dataclass(frozen=True, slots=True)
class Language:
    """How one language writes terms, numbers, money and dates.

    Attributes:
        code: 'en' or 'zh' (Simplified Chinese).
        currency: ISO 4217 code of the amounts, one per report; None where the
            source does not say one: amounts then stand as bare numbers.
    """

    code: str = "en"
    currency: str | None = "USD"

    def __post_init__(self) -> None:
        if self.code not in LANGUAGES:
            raise ParameterError(
                f"language={self.code!r} must be en or zh (English, Simplified Chinese)"
            )
        if self.currency is not None and not re.fullmatch("[A-Z]{3}", str(self.currency)):
            raise ParameterError(
                f"currency={self.currency!r} must be a three-letter code such as USD or CNY"
            )

    @property
    def html_code(self) -> str:
        """What the ``lang`` attribute of a page says."""
        return {"en": "en", "zh": "zh-Hans"}[self.code]

    def term(self, key: str) -> str:
        """The word of the field for ``key``, from ``report/texts``."""
        return texts_for(key)[self.code]

    def count(self, n: float) -> str:
        """A whole number with its thousands set off: 23,570."""
        return _decimal(_finite(n, "count"), 0)

    def number(self, x: float, digits: int = 1) -> str:
        """A decimal number: 1,234.5."""
        return _decimal(_finite(x, "number"), digits)

    def percent(self, share: float, digits: int = 1) -> str:
        """A share in percent: 0.29 is 29.0%."""
        return _decimal(100 * _finite(share, "percent"), digits) + "%"

    def money(self, amount: float, digits: int | None = None) -> str:
        """An amount in full: $37.20, 37.20美元; without cents from 10,000 upwards."""
        if digits is None:
            digits = self.money_digits(amount)
        return self._with_currency(_decimal(_finite(amount, "money"), digits))

    def money_digits(self, largest: float) -> int:
        """Decimals for amounts up to ``largest``, so that a column keeps one precision."""
        cents = CURRENCIES.get(self.currency or "", ("", "", 2))[2]
        return cents if 0 < abs(largest) < 10_000 else 0

    def compact_money(self, amount: float) -> str:
        """An amount to three significant digits: $1.93 M, 193万美元."""
        size, unit, digits = self._scale(_finite(amount, "compact_money"))
        return self._with_currency(_decimal(amount / size, digits) + unit)

    def date(self, moment: Any) -> str:
        """30 June 1998, 1998年6月30日; takes dates, timestamps and ISO text."""
        day = _as_date(moment)
        if self.code == "zh":
            return f"{day.year}年{day.month}月{day.day}日"
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def month(self, moment: Any) -> str:
        """The month that a day lies in: June 1998, 1998年6月."""
        day = _as_date(moment)
        if self.code == "zh":
            return f"{day.year}年{day.month}月"
        return f"{_MONTHS[day.month - 1]} {day.year}"

    def interval(self, estimate: Estimate, word: str) -> str:
        """The two ends in the unit of the value: 1.81–2.06 M, 22.1–24.8%."""
        ends = (_finite(estimate.low, "±"), _finite(estimate.high, "±"))
        size, unit, digits = 1.0, "", 0
        if word == "compact_money":
            size, unit, digits = self._scale(estimate.value)
        elif word == "money":
            digits = self.money_digits(estimate.value)
        elif word in ("percent", "percent0"):
            size, unit, digits = 0.01, "%", 1 if word == "percent" else 0
        elif word in _DIGITS:
            digits = _DIGITS[word]
        elif word != "count":
            raise ParameterError(f"{word} has no interval; ± goes with numbers, shares and money")
        low, high = (_decimal(end / size, digits) for end in ends)
        return f"{low}{self._to(ends[0])}{high}{unit}"

    def show(self, value: Any, word: str) -> str:
        """A value in a format word, with ``±`` after it for the interval as well.

        Raises:
            ParameterError: the word is unknown, or does not fit the value.
            DataError: the value is nan, infinite or missing.
        """
        bare = word.removesuffix("±")
        if bare not in FORMATS:
            raise ParameterError(
                f"unknown format word '{bare}'; one of {', '.join(FORMATS)} is required"
                + did_you_mean(bare, FORMATS)
            )
        if not isinstance(value, Estimate):
            if bare != word:
                raise ParameterError(
                    f"{word} needs an Estimate with its interval, found {value!r}; "
                    f"write {bare} for a bare number"
                )
            return FORMATS[bare](self, value)
        text = FORMATS[bare](self, value.value)
        return self.parenthesis(text, self.interval(value, bare)) if bare != word else text

    def parenthesis(self, text: str, inside: str) -> str:
        """``text (inside)`` in the brackets of the language."""
        return f"{text}（{inside}）" if self.code == "zh" else f"{text} ({inside})"

    def _to(self, low: float) -> str:
        # "−2.06–−1.81" cannot be read; a word is used where a sign is near.
        if low >= 0:
            return "–"
        return "至" if self.code == "zh" else " to "

    def _scale(self, amount: float) -> tuple[float, str, int]:
        """Divisor, unit and decimals that show ``amount`` with three significant digits."""
        if abs(amount) < 9_999.5:
            cents = CURRENCIES.get(self.currency or "", ("", "", 2))[2]
            return 1.0, "", cents if 0 < abs(amount) < 100 else 0
        size = abs(float(f"{amount:.2e}"))  # rounded first: 999,950 is 1.00 M, not 1,000 k
        for divisor, unit in _SCALES[self.code]:
            if size >= divisor:
                return divisor, unit, 2 - math.floor(math.log10(size / divisor) + 1e-9)
        raise AssertionError(f"{amount} has no scale")  # pragma: no cover

    def _with_currency(self, amount: str) -> str:
        if self.currency is None:
            return amount
        symbol, word, _ = CURRENCIES.get(
            self.currency, (f"{self.currency} ", f" {self.currency}", 2)
        )
        if self.code == "zh":
            return amount + word
        return MINUS + symbol + amount[1:] if amount.startswith(MINUS) else symbol + amount


@runtime_checkable
class Sayable(Protocol):
    """What can stand in a slot and speaks for itself: a statement."""

    def text(self, language: Language | str | None = None) -> str:
        """The words in a language."""


def _term(language: Language, value: Any) -> str:
    return value.text(language) if isinstance(value, Sayable) else language.term(value)


def _text(language: Language, value: Any) -> str:
    if isinstance(value, Sayable):
        return value.text(language)
    if not isinstance(value, str):
        raise ParameterError(f"text takes a text, found {value!r}")
    return visible(value)


_DIGITS = {"number": 1, "number2": 2, "number3": 3}


FORMATS: dict[str, Callable[[Language, Any], str]] = {
    "count": Language.count,
    "number": lambda language, x: language.number(x, 1),
    "number2": lambda language, x: language.number(x, 2),
    "number3": lambda language, x: language.number(x, 3),
    # A length of time that people give in whole units mostly: 52, 39.5.
    "length": lambda language, x: language.number(x, 0 if float(x).is_integer() else 1),
    "percent": lambda language, x: language.percent(x, 1),
    "percent0": lambda language, x: language.percent(x, 0),
    "money": Language.money,
    "compact_money": Language.compact_money,
    "date": Language.date,
    "month": Language.month,
    "term": _term,
    "text": _text,
}


_current = Language()


def set_language(code: str, currency: str | None = "USD") -> Language:
    """Choose the language and currency of everything shown from here on.

    Raises:
        ParameterError: the language is not 'en' or 'zh', or the currency no code.
    """
    global _current
    _current = Language(code, currency)
    return _current


@contextmanager
def speaking(language: Language) -> Iterator[Language]:
    """Use a language for the length of a ``with`` block, then the one before."""
    global _current
    before, _current = _current, language
    try:
        yield language
    finally:
        _current = before


def current() -> Language:
    """The language chosen last; English and US dollars until one is."""
    return _current
