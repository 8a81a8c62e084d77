"""Sentences with figures in them, in both languages.

A sentence with a figure in it is a :class:`Statement`: one template a language
and the values between the words. The value stays a value, so a test can ask
whether the headline says what the data say, and both languages say the same
number to the same number of significant digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.report.language import FORMATS, Language, current
from relkit.report.vocabulary import LANGUAGES, texts_for

# Characters that draw nothing but change how their neighbours are drawn or read.
_BETWEEN_HAN = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")


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


def listed(parts: Iterable[Statement | str], comma: str = ", ") -> Statement:
    """Statements or keys of the texts, one after the other, as one statement.

    Args:
        parts: At least one.
        comma: What stands between them in English; a Chinese list has its own.
    """
    slots = {f"part{number}": part for number, part in enumerate(parts)}
    between = {"en": comma, "zh": "；" if comma.strip() == ";" else "、"}
    words = {
        code: mark.join(f"{{{slot}:term}}" for slot in slots) for code, mark in between.items()
    }
    return Statement(words, slots)


def term(key: str) -> str:
    """The word for ``key`` in the current language."""
    return current().term(key)
