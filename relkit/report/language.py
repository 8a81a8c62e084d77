"""English and Simplified Chinese: terms, numbers, and statements made of both.

A sentence with a figure in it is a :class:`Statement`: one template a language
and the values between the words. The value stays a value, so a test can ask
whether the headline says what the data say, and both languages say the same
number to the same number of significant digits.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate

LANGUAGES = ("en", "zh")
TEXTS = Path(__file__).parent / "texts"
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
# Characters that draw nothing but change how their neighbours are drawn or read.
_BETWEEN_HAN = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
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


def _term(language: Language, value: Any) -> str:
    return value.text(language) if isinstance(value, Statement) else language.term(value)


def _text(language: Language, value: Any) -> str:
    if isinstance(value, Statement):
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


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence in both languages, and the values in it.

    Attributes:
        templates: Text with slots such as ``{n:count}``, for 'en' and 'zh'.
        values: What stands in the slots; more than the slots need is kept too.
        key: Where the templates stand in ``report/texts``; None if given in place.

    Raises:
        ParameterError: a language or a value is missing, the languages differ in
            their slots, or a format word is unknown or does not fit its value.
        DataError: a value is nan or infinite; it is never shown.
    """

    templates: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None

    def __post_init__(self) -> None:
        name = self.key or "statement"
        missing = [code for code in LANGUAGES if not self.templates.get(code)]
        if missing:
            raise ParameterError(
                f"{name}: no text for {' and '.join(missing)}; give both en and zh"
            )
        slots = {code: set(_slots(self.templates[code], name)) for code in LANGUAGES}
        if slots["en"] != slots["zh"]:
            only = {a: sorted(f"{{{s}:{w}}}" for s, w in slots[a] - slots[b])
                    for a, b in (("en", "zh"), ("zh", "en"))}  # fmt: skip
            raise ParameterError(
                f"{name}: both languages must use the same slots",
                [f"only in {code}: {', '.join(found)}" for code, found in only.items() if found],
            )
        absent = sorted({slot for slot, _ in slots["en"]} - set(self.values))
        if absent:
            raise ParameterError(
                f"{name}: no value for {', '.join(absent)}"
                + "".join(did_you_mean(slot, self.values) for slot in absent)
            )
        for code in LANGUAGES:
            self.text(code)  # every slot is tried now, not when somebody reads the report

    def text(self, language: Language | str | None = None) -> str:
        """The sentence in a language (a code keeps the currency); the current one if None."""
        return self._fill(language, lambda text: text)

    def markdown(self, language: Language | str | None = None) -> str:
        """As text, for a template written in Markdown: what stands in a slot stays text."""
        return self._fill(language, lambda text: re.sub(r"([\\`*_\[\]<>#!|~&])", r"\\\1", text))

    def _fill(self, language: Language | str | None, escape: Callable[[str], str]) -> str:
        spoken = language if isinstance(language, Language) else current()
        if isinstance(language, str):
            spoken = Language(language, spoken.currency)
        parts = []
        for literal, slot, word, _ in Formatter().parse(self.templates[spoken.code]):
            parts.append(literal)
            if slot is not None:
                try:
                    parts.append(escape(spoken.show(self.values[slot], word or "")))
                except (ParameterError, DataError) as fault:
                    name = self.key or "statement"
                    raise type(fault)(f"{name}: {{{slot}:{word}}}: {fault}") from None
        whole = "".join(parts)
        # A slot that ends in 美元 or 月 needs no space before the next Chinese word.
        return _BETWEEN_HAN.sub("", whole) if spoken.code == "zh" else whole

    def __str__(self) -> str:
        return self.text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # A statement that ends a cell is a paragraph of the report.
        from relkit.report.blocks import text

        return text(self)._repr_mimebundle_(include, exclude)


def _slots(template: str, name: str) -> list[tuple[str, str]]:
    """The (name, format word) pairs of a template."""
    try:
        parts = list(Formatter().parse(template))
    except ValueError as fault:
        raise ParameterError(f"{name}: {template!r} is no template: {fault}") from None
    slots = []
    for _, slot, word, conversion in parts:
        if slot is None:
            continue
        if not slot.isidentifier() or conversion or not word:
            raise ParameterError(
                f"{name}: a slot is a name and a format word such as {{n:count}}, "
                f"found {{{slot}{':' + word if word else ''}}} in {template!r}"
            )
        if word.removesuffix("±") not in FORMATS:
            raise ParameterError(
                f"{name}: unknown format word '{word}' in {{{slot}:{word}}}; "
                f"one of {', '.join(FORMATS)} is required" + did_you_mean(word, FORMATS)
            )
        slots.append((slot, word))
    return slots


def statement(en: str, zh: str, **values: Any) -> Statement:
    """A sentence given in place: ``statement(en="{n:count} orders", zh=…, n=3)``."""
    return Statement({"en": en, "zh": zh}, values)


def say(key: str, /, **values: Any) -> Statement:
    """A sentence from ``report/texts``, with these values.

    Raises:
        ParameterError: no text has this key, or a value is missing.
    """
    return Statement(texts_for(key), values, key)


def term(key: str) -> str:
    """The word for ``key`` in the current language."""
    return current().term(key)


def texts_for(key: str) -> dict[str, str]:
    """Both texts of a key; ParameterError, with the nearest key, if there is none."""
    try:
        return all_texts()[key]
    except (KeyError, TypeError):
        raise ParameterError(
            f"no text has the key {key!r} in report/texts{did_you_mean(str(key), all_texts())}"
        ) from None


@lru_cache(maxsize=1)
def all_texts() -> dict[str, dict[str, str]]:
    """Every text of the package by key; read once.

    Raises:
        ParameterError: a text lacks a language, or a key stands in two files.
    """
    import yaml

    found: dict[str, dict[str, str]] = {}
    faults = []
    for path in sorted(TEXTS.glob("*.yaml")):
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for key, entry in entries.items():
            if key in found:
                faults.append(f"{path.name}: {key} also stands in another file or twice")
            elif not isinstance(entry, dict) or sorted(entry) != ["en", "zh"]:
                faults.append(f"{path.name}: {key} must have exactly en and zh")
            else:
                found[key] = {code: str(entry[code]).strip() for code in LANGUAGES}
    if faults:
        raise ParameterError("report/texts: the texts are not whole", faults)
    return found
