"""The words of both languages by key, from ``report/texts``; nothing is shown that is not there."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from relkit.errors import ParameterError, did_you_mean

LANGUAGES = ("en", "zh")


TEXTS = Path(__file__).parent / "texts"


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
