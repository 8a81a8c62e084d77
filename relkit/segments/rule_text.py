"""The language that rules are written in: comparisons, ``and``, ``or``, parentheses.

    condition   = part ("and" part)* | part ("or" part)*
    part        = "(" condition ")" | comparison
    comparison  = name sign value | value sign name | value sign name sign value
                | name "in" "(" value ("," value)* ")"
    value       = number | number "%" | number "万" | threshold | word | 'quoted words'

``and`` beside ``or`` without parentheses can be read in two ways, so it is refused.
A comparison with a missing value is not true, whatever the sign. Nothing is ever
executed: a text becomes a tree of the three classes below.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from relkit.errors import ParameterError

SIGNS = ("<", "<=", "=", "!=", ">=", ">")
_MIRRORED = {"<": ">", "<=": ">=", "=": "=", "!=": "!=", ">=": "<=", ">": "<"}
_SPELLINGS = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!=", "<>": "!="}
_WORDS = {"且": "and", "或": "or", "AND": "and", "OR": "or", "And": "and", "Or": "or"}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)
      | (?P<quoted>'[^']*'|"[^"]*"|“[^”]*”|‘[^’]*’)
      | (?P<sign><=|>=|==|!=|<>|<|>|=|≤|≥|≠)
      | (?P<word>且|或|(?:(?![且或万])[^\W\d])(?:(?![且或])\w)*)
      | (?P<mark>[()%,万−-])
      | (?P<other>\S)
    )""",
    re.X,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column against a value.

    Attributes:
        variable: The name on the one side.
        sign: One of ``SIGNS``, as if the name stood on the left.
        value: A number, or a word.
    """

    variable: str
    sign: str
    value: float | str


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where at least one part is."""

    parts: tuple[Condition, ...]


Condition = Comparison | AllOf | AnyOf


def parse_condition(text: str, thresholds: Mapping[str, float] | None = None) -> Condition:
    """A condition from its text.

    Args:
        text: As a rule file has it, such as ``R <= 30 and F >= 8``.
        thresholds: Names that stand for a number.

    Raises:
        ParameterError: the text is no condition; what was found, where, and what
            is required there.
    """
    return _Parser(text, thresholds or {}).condition()


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """Every comparison in a condition, in the order of the text."""
    if isinstance(condition, Comparison):
        yield condition
    else:
        for part in condition.parts:
            yield from comparisons(part)


def conjunctions(condition: Condition) -> Iterator[Condition]:
    """Every part that must hold by itself, the outermost first: each can be contradictory."""
    yield condition
    if not isinstance(condition, Comparison):
        for part in condition.parts:
            yield from conjunctions(part)


def condition_text(condition: Condition) -> str:
    """The condition written out, as a rule file could have it."""
    if isinstance(condition, Comparison):
        value = condition.value
        shown = quoted(value) if isinstance(value, str) else plain_number(value)
        return f"{condition.variable} {condition.sign} {shown}"
    between = " and " if isinstance(condition, AllOf) else " or "
    return between.join(
        condition_text(part) if isinstance(part, Comparison) else f"({condition_text(part)})"
        for part in condition.parts
    )


def quoted(word: str) -> str:
    """A word as a rule has it, in quotes that do not stand in it."""
    return f'"{word}"' if "'" in word else f"'{word}'"


def plain_number(value: float) -> str:
    """A number as a rule has it: 9999.5, 30."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def with_values(condition: Condition, change: Mapping[Comparison, Comparison]) -> Condition:
    """The condition with some comparisons replaced."""
    if isinstance(condition, Comparison):
        return change.get(condition, condition)
    return replace(condition, parts=tuple(with_values(part, change) for part in condition.parts))


def holds(condition: Condition, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where a condition is true.

    Args:
        condition: As parsed.
        columns: Array of shape (n,) for each name; numbers with nan, words with None
            where the value is missing.

    Returns:
        Shape (n,), bool; false where the answer would need a missing value.
    """
    if isinstance(condition, Comparison):
        return _compare(columns[condition.variable], condition.sign, condition.value)
    parts = [holds(part, columns) for part in condition.parts]
    together = np.logical_and if isinstance(condition, AllOf) else np.logical_or
    result: np.ndarray = together.reduce(parts)
    return result


def _compare(column: np.ndarray, sign: str, value: float | str) -> np.ndarray:
    if sign == "<":
        return column < value
    if sign == "<=":
        return column <= value
    if sign == ">":
        return column > value
    if sign == ">=":
        return column >= value
    equal: np.ndarray = np.asarray(column == value, dtype=bool)
    if sign == "=":
        return equal
    known = ~np.isnan(column) if column.dtype.kind == "f" else column != np.array(None)
    return ~equal & np.asarray(known, dtype=bool)


# Quotes first: what stands in them must stay as the data have it.
_QUOTED_OR_NOT = re.compile(r"""'[^']*'|"[^"]*"|“[^”]*”|‘[^’]*’|[^'"“‘]+""")


def _usual_signs(match: re.Match[str]) -> str:
    """Full-width signs of a Chinese keyboard as the usual ones; quoted words as they are."""
    found = match[0]
    return found if found[0] in "'\"“‘" else unicodedata.normalize("NFKC", found)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


class _Parser:
    """Reads one text from left to right; the only state is how far it has come."""

    def __init__(self, text: str, thresholds: Mapping[str, float]) -> None:
        self.text = _QUOTED_OR_NOT.sub(_usual_signs, str(text)).strip()
        self.thresholds = thresholds
        self.tokens = list(self._read_tokens())
        self.at = 0

    def _read_tokens(self) -> Iterator[_Token]:
        end = 0
        while match := _TOKEN.match(self.text, end):
            end = match.end()
            kind = str(match.lastgroup)
            found, start = match[kind], match.start(kind)
            if kind == "sign":
                found = _SPELLINGS.get(found, found)
            if kind == "word":
                found = _WORDS.get(found, found)
                kind = found if found in ("and", "or", "in") else kind
            yield _Token(kind, found, start)
        yield _Token("end", "", len(self.text))

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.next
        self.at += token.kind != "end"
        return token

    def is_mark(self, mark: str) -> bool:
        return self.next.kind == "mark" and self.next.text == mark

    def fail(self, required: str) -> ParameterError:
        token = self.next
        found = "the end" if token.kind == "end" else f"'{token.text}'"
        before = self.text[: token.start].rstrip()
        where = f" after '{before}'" if before else ""
        return ParameterError(f"'{self.text}': found {found}{where}; {required} is required there")

    def condition(self) -> Condition:
        whole = self.parts()
        if self.next.kind != "end":
            raise self.fail("and, or, or the end")
        return whole

    def parts(self) -> Condition:
        parts = [self.part()]
        joined = ""
        while self.next.kind in ("and", "or"):
            if joined and self.next.kind != joined:
                raise ParameterError(
                    f"'{self.text}': 'and' beside 'or' can be read in two ways; put the parts that "
                    "belong together in parentheses"
                )
            joined = self.take().kind
            parts.append(self.part())
        if not joined:
            return parts[0]
        return AllOf(tuple(parts)) if joined == "and" else AnyOf(tuple(parts))

    def part(self) -> Condition:
        if not self.is_mark("("):
            return self.comparison()
        self.take()
        inside = self.parts()
        if not self.is_mark(")"):
            raise self.fail("and, or, or ')'")
        self.take()
        return inside

    def comparison(self) -> Condition:
        left, left_is_name = self.operand()
        if self.next.kind == "in" and left_is_name:
            return self.membership(str(left))
        sign = self.sign()
        right, right_is_name = self.operand()
        if left_is_name:
            return Comparison(str(left), sign, right)
        if not right_is_name:
            raise ParameterError(f"'{self.text}': compares two numbers; name a column in between")
        first = Comparison(str(right), _MIRRORED[sign], left)
        if self.next.kind != "sign":
            return first
        if sign in ("=", "!=") or self.next.text[0] != sign[0]:
            raise self.fail(f"a second '{sign[0]}' or '{sign[0]}='" if sign in "<=>=" else "and")
        second = self.sign()
        end, end_is_name = self.operand()
        if end_is_name:
            raise ParameterError(f"'{self.text}': '{end}' must be a number")
        return AllOf((first, Comparison(str(right), second, end)))

    def membership(self, name: str) -> Condition:
        self.take()
        if not self.is_mark("("):
            raise self.fail("'('")
        among: list[Condition] = []
        while not among or self.is_mark(","):
            self.take()
            among.append(Comparison(name, "=", self.operand()[0]))
        if not self.is_mark(")"):
            raise self.fail("',' or ')'")
        self.take()
        return AnyOf(tuple(among)) if len(among) > 1 else among[0]

    def sign(self) -> str:
        if self.next.kind != "sign":
            raise self.fail(f"one of {', '.join(SIGNS)}")
        return self.take().text

    def operand(self) -> tuple[float | str, bool]:
        """A number or a word, and whether it could name a column."""
        negative = self.is_mark("-") or self.is_mark("−")
        if negative:
            self.take()
        token = self.next
        if token.kind == "quoted" and not negative:
            return self.take().text[1:-1], False
        if token.kind == "word":
            self.take()
            if token.text in self.thresholds:
                value = float(self.thresholds[token.text])
                return (-value if negative else value), False
            if not negative:
                return token.text, True
        if token.kind != "number":
            raise self.fail("a column or a number")
        # Decimal, so that 10 % is the same number as 0.10.
        number = Decimal(self.take().text.replace(",", ""))
        if self.is_mark("%"):
            self.take()
            number /= 100
        elif self.is_mark("万"):
            self.take()
            number *= 10_000
        return float(-number if negative else number), False
