"""What a YAML says, key by key: read, checked, every fault kept until the end."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from relkit.errors import did_you_mean

CURRENCY = re.compile("[A-Z]{3}")


@dataclass(slots=True)
class Fields:
    """A YAML's content with the faults met so far; base of what a file's reader is.

    Every method returns something of its type even where it found a fault, so that
    the reader goes on and all faults are said at once.

    Attributes:
        content: What `read_yaml` gave: scalars but true, false and null are text.
        faults: One line each.
    """

    content: Mapping[Any, Any]
    faults: list[str] = field(default_factory=list)

    def text(self, key: str) -> str:
        """A scalar as text, empty where it is missing."""
        value = self.content.get(key)
        if value in (None, ""):
            return ""
        if isinstance(value, (dict, list)):
            self.faults.append(f"{key} must be text; found {value!r}")
        return str(value)

    def languages(self, key: str) -> dict[str, str]:
        """Text by language: the same for both, or en and zh apart."""
        value = self.content.get(key)
        if isinstance(value, str) and value:
            return {"en": value, "zh": value}
        if isinstance(value, dict) and value and set(value) <= {"en", "zh"}:
            some = next(str(text) for text in value.values())
            return {language: str(value.get(language, some)) for language in ("en", "zh")}
        if value not in (None, "", {}):
            self.faults.append(f"{key} must be text, or {{en: …, zh: …}}; found {value!r}")
        return {}

    def choice(self, where: str, value: Any, choices: tuple[str, ...]) -> str:
        """One of the choices, with a hint for a near miss; `where` leads the fault."""
        if value in (None, ""):
            return ""
        if str(value) not in choices:
            hint = did_you_mean(str(value), choices)
            self.faults.append(f"{where}: {value} must be one of {', '.join(choices)}{hint}")
        return str(value)

    def words(self, key: str) -> list[str]:
        """A list of names, none twice."""
        value = self.content.get(key)
        if value in (None, "", []):
            return []
        if not isinstance(value, list) or any(isinstance(item, (dict, list)) for item in value):
            self.faults.append(f"{key} must be a list of names; found {value!r}")
            return []
        words = [str(item) for item in value]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            self.faults.append(f"{key}: {', '.join(twice)} stands twice")
        return words

    def amount(
        self,
        where: str,
        value: Any,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        open_low: bool = False,
    ) -> float:
        """A number, also as a fraction or with a percent sign."""
        try:
            text = str(value).strip()
            share = text.endswith("%")
            number = float(Fraction(text.rstrip("% ").replace("_", "")))
            number = number / 100 if share else number
        except (ValueError, ZeroDivisionError, OverflowError):
            self.faults.append(f"{where}: {value!r} is no number; write it like 0.25, 1/3 or 25 %")
            return math.nan
        if not low <= number <= high or (open_low and number == low):
            least = f"above {low:g}" if open_low else f"at least {low:g}"
            bounds = least if math.isinf(high) else f"{least} and at most {high:g}"
            self.faults.append(f"{where}: {value} must be {bounds}")
        return number

    def number(
        self, key: str, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False
    ) -> float:
        """A number under a key of its own; nan where it is missing."""
        value = self.content.get(key)
        if value in (None, ""):
            return math.nan
        return self.amount(key, value, low, high, open_low=open_low)

    def optional_number(self, key: str) -> float | None:
        """A number above 0, or None."""
        if self.content.get(key) in (None, ""):
            return None
        return self.number(key, 0, open_low=True)

    def section(self, key: str) -> dict[str, Any]:
        """A mapping by name; an empty one where it is missing or something else."""
        value = self.content.get(key)
        if value in (None, "", {}, []):
            return {}
        if not isinstance(value, dict):
            self.faults.append(f"{key} must hold 'name: value' lines; found {value!r}")
            return {}
        return {str(name): entry for name, entry in value.items()}

    def currency(self) -> str:
        """The three-letter code under `currency`."""
        value = self.text("currency")
        if value and not CURRENCY.fullmatch(value):
            self.faults.append(
                f"currency must be a three-letter code such as EUR or CNY; found '{value}'"
            )
        return value

    def day(self, key: str) -> dt.date:
        """A day in ISO; the first of all days where it is missing."""
        value = self.content.get(key)
        if value in (None, ""):
            return dt.date.min
        try:
            return dt.date.fromisoformat(str(value))
        except ValueError:
            self.faults.append(f"{key}: {value} is no day; write it as 2025-01-31")
            return dt.date.min

    def exactly(self, key: str, keys: tuple[str, ...], like: str) -> dict[str, Any] | None:
        """A mapping of just these keys, or None; `like` shows one that is right."""
        section = self.section(key)
        if not section:
            return None
        if set(section) != set(keys):
            self.faults.append(f"{key} must be like {like}; found {section!r}")
            return None
        return section
