"""Tags from what people wrote down: words that tell of a need, discontent, a decision.

Chinese and English, by lists that a manager can read. The texts themselves go no further
than this module: what leaves it are tags, counts and days.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pandas as pd

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.intervals import Estimate, wilson_interval
from relkit.yaml_files import find_upwards, read_yaml

EXAMPLE = "params/tags/keywords.yaml"
# How far a negation reaches, within its clause.
REACH_WORDS, REACH_HAN = 3, 4
_CLAUSE_END = re.compile(
    r"[,.;:!?。\n()\[\]]|\b(?:but|however|although|though|yet)\b|(?<!不)但|却|可是|然而|不过"
)
_HAN = re.compile("[\u3400-\u9fff]")
_LATIN = re.compile("[a-z']+")
_KEYWORD, _EXCEPT, _NOT, _NEVER_NOT = "keyword", "except", "not", "never_not"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One entry of the lists.

    Attributes:
        words: As the file has them, normalised.
        role: 'keyword', 'except', 'not' or 'never_not'.
        tags: Which tags a keyword speaks for.
    """

    words: str
    role: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keywords:
    """Phrases and the tags that they speak for.

    Attributes:
        tags: The tags in the order of the file.
        phrases: Every phrase of the lists, longest first.
    """

    tags: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    _pattern: re.Pattern[str] = field(repr=False, compare=False)
    _known: dict[str, Phrase] = field(repr=False, compare=False, default_factory=dict)

    def tags_of(self, text: str) -> tuple[str, ...]:
        """The tags of one note, in the order of the file.

        A phrase counts as a whole: whole words in English, the longest in Chinese. An odd
        number of negations before it in its clause, at most three words or four
        characters away, makes it count as nothing.
        """
        found = {tag for phrase in self.keywords_in(text) for tag in phrase.tags}
        return tuple(tag for tag in self.tags if tag in found)

    def keywords_in(self, text: str) -> tuple[Phrase, ...]:
        """The keywords that count in one note, in the order of the note."""
        counted = []
        for clause in _CLAUSE_END.split(_normal(text)):
            ends: list[int] = []  # of the negations since the last keyword, or before it
            spent = False
            for match in self._pattern.finditer(clause):
                phrase = self._phrase_of(match[0])
                if phrase.role == _NOT:
                    # "neither angry nor upset": a second negation takes the first one's place.
                    ends = [match.end()] if spent else [*ends, match.end()]
                    spent = False
                elif phrase.role == _KEYWORD:
                    turned = sum(_within_reach(clause[end : match.start()]) for end in ends)
                    spent = True
                    if turned % 2 == 0:
                        counted.append(phrase)
        return tuple(counted)

    def _phrase_of(self, found: str) -> Phrase:
        """The phrase behind what was found; each spelling is looked up once."""
        if found not in self._known:
            self._known[found] = next(
                each for each in self.phrases if re.fullmatch(_expression(each.words), found)
            )
        return self._known[found]

    def only(self, words: Iterable[str]) -> Keywords:
        """The same lists with only these keywords; negations and exceptions stay."""
        kept = set(words)
        phrases = (each for each in self.phrases if each.role != _KEYWORD or each.words in kept)
        return _compiled(self.tags, phrases)


def read_keywords(path: str | os.PathLike[str] = EXAMPLE) -> Keywords:
    """Read keyword lists from a YAML.

    Args:
        path: Such as ``params/tags/keywords.yaml``; looked for from the working directory
            upwards. Keys: tags (each with en, zh, except), not, never_not.

    Raises:
        SourceError: there is no such file, or it is no YAML.
        ParameterError: lists that cannot be meant; all faults at once.
    """
    found, root = find_upwards(path, what="keyword")
    shown = found.relative_to(root).as_posix() if found.is_relative_to(root) else found.name
    content, _ = read_yaml(found, shown, example=EXAMPLE)
    return keywords_from(content, shown)


def keywords_from(content: Mapping[str, Any], shown: str = "keywords") -> Keywords:
    """Keywords from what a file says; errors as ``read_keywords``."""
    faults: list[str] = []
    known = ("tags", _NOT, _NEVER_NOT)
    for key in content:
        if key not in known:
            faults.append(f"unknown key '{key}'{did_you_mean(str(key), known)}")
    sections = content.get("tags")
    if not isinstance(sections, Mapping) or not sections:
        faults.append("tags must hold the lists of at least one tag, such as dissatisfaction")
        sections = {}
    listed: dict[tuple[str, str], list[str]] = {}
    for tag, lists in sections.items():
        if not isinstance(lists, Mapping) or not ({"en", "zh"} & set(lists)):
            faults.append(f"{tag} must have words under en or zh")
            continue
        for key in set(lists) - {"en", "zh", _EXCEPT}:
            hint = did_you_mean(str(key), ("en", "zh", _EXCEPT))
            faults.append(f"{tag}: unknown key '{key}'{hint}")
        words = {code: lists[code] for code in ("en", "zh") if code in lists}
        for entry in _entries(words, str(tag), faults):
            listed.setdefault((entry, _KEYWORD), []).append(str(tag))
        for entry in _entries(lists.get(_EXCEPT) or {}, f"{tag}: except", faults):
            listed.setdefault((entry, _EXCEPT), [])
    for role in (_NOT, _NEVER_NOT):
        for entry in _entries(content.get(role) or {}, role, faults):
            listed.setdefault((entry, role), [])
    faults += _in_two_lists(listed)
    if faults:
        raise ParameterError(f"{shown}: the keyword lists cannot be used", faults)
    phrases = (Phrase(words, role, tuple(tags)) for (words, role), tags in listed.items())
    return _compiled(tuple(str(tag) for tag in sections), phrases)


def _entries(lists: Any, where: str, faults: list[str]) -> list[str]:
    """The phrases of a mapping of languages to lists, alternatives written out."""
    if not isinstance(lists, Mapping) or set(lists) - {"en", "zh"}:
        faults.append(f"{where} must have lists under en and zh")
        return []
    found: list[str] = []
    for code, words in lists.items():
        if not isinstance(words, list) or not words:
            faults.append(f"{where}: {code} must be a list of at least one word")
            continue
        for entry in words:
            # [no] or [true] in a list is YAML for a truth value; here it is a word.
            text = _normal(str(entry))
            if not re.search(r"\w", text):
                faults.append(f"{where}: {code}: '{entry}' holds no word")
            elif text in found:
                faults.append(f"{where}: '{entry}' stands twice")
            else:
                found += _alternatives(text)
    return found


def _in_two_lists(listed: Mapping[tuple[str, str], list[str]]) -> list[str]:
    roles: dict[str, list[str]] = {}
    for words, role in listed:
        roles.setdefault(words, []).append(role)
    return [
        f"'{words}' stands under {' and '.join(found)}; it can be only one of them"
        for words, found in roles.items()
        if len(found) > 1
    ]


def _alternatives(text: str) -> list[str]:
    """'lost (trust|faith)' as 'lost trust' and 'lost faith'."""
    parts = re.split(r"\(([^()]*)\)", text)
    choices = [part.split("|") if which % 2 else [part] for which, part in enumerate(parts)]
    return ["".join(words) for words in product(*choices)]


def _compiled(tags: tuple[str, ...], phrases: Iterable[Phrase]) -> Keywords:
    # Longest first, since the first that fits wins; then by the words, for one order always.
    ordered = tuple(sorted(phrases, key=lambda each: (-len(each.words), each.words)))
    latin = [_expression(each.words) for each in ordered if _is_latin(each.words)]
    others = [_expression(each.words) for each in ordered if not _is_latin(each.words)]
    # No group a phrase: an alternative that begins with a letter is passed over fast.
    whole_words = f"(?<![a-z0-9'-])(?:{'|'.join(latin) or '(?!)'})(?![a-z0-9-])"
    return Keywords(tags, ordered, re.compile("|".join([whole_words, *others])))


def _is_latin(words: str) -> bool:
    return re.match("[a-z']", words) is not None


def _expression(words: str) -> str:
    """A phrase as a regular expression."""
    body = re.escape(words).replace(r"\*", "[a-z]*").replace(r"\#", "[0-9]")
    return body.replace(r"\ ", r"\s+")


def _normal(text: str) -> str:
    """Lower case, full-width signs as usual ones, n't as a word of its own."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    return re.sub(r"(?<=[a-z])n't\b", " n't", plain).replace("cannot", "can not")


def _within_reach(between: str) -> bool:
    return len(_LATIN.findall(between)) <= REACH_WORDS and len(_HAN.findall(between)) <= REACH_HAN


def tag_notes(notes: pd.DataFrame, keywords: Keywords) -> pd.DataFrame:
    """Which customers have notes that speak for which tag.

    Args:
        notes: Frame with customer_id, text and noted_at; empty texts say nothing.
        keywords: As read by ``rk.read_keywords``.

    Returns:
        A row for each customer and tag that was found, by customer_id and tag: customer_id,
        tag, notes (how many), last_at (when the last was made). No text.

    Raises:
        DataError: a column is missing.
    """
    absent = [name for name in ("customer_id", "text", "noted_at") if name not in notes.columns]
    if absent:
        raise DataError(
            f"notes: no column {', '.join(absent)}; customer_id, text and noted_at are required"
        )
    written = notes[notes["text"].notna() & notes["customer_id"].notna()]
    found = [
        (str(customer), tag, at)
        for customer, text, at in zip(
            written["customer_id"], written["text"], written["noted_at"], strict=True
        )
        for tag in keywords.tags_of(str(text))
    ]
    rows = pd.DataFrame(found, columns=["customer_id", "tag", "last_at"])
    rows["last_at"] = pd.to_datetime(rows["last_at"])
    counted = rows.groupby(["customer_id", "tag"])["last_at"].agg(notes="size", last_at="max")
    return counted.reset_index()


@dataclass(frozen=True, slots=True)
class TagAccuracy:
    """How often a tag was right, on notes that people had labelled.

    Attributes:
        tag: Which.
        language: 'en', 'zh', or 'all'.
        labelled: Notes that have the tag by the label.
        tagged: Notes that the keywords gave it to.
        right: Both.
        precision: Right among the tagged, with its Wilson interval; None where none was.
        recall: Right among the labelled; None where there are none.
    """

    tag: str
    language: str
    labelled: int
    tagged: int
    right: int
    precision: Estimate | None
    recall: Estimate | None


@dataclass(frozen=True, slots=True)
class KeywordAccuracy:
    """Accuracy by tag and language.

    Attributes:
        notes: How many were labelled in all.
        tags: A row each.
    """

    notes: int
    tags: tuple[TagAccuracy, ...]

    def to_frame(self) -> pd.DataFrame:
        """tag, language, labelled, tagged, right, precision and recall with low and high.

        A share of nothing is missing, never 0.
        """
        rows = []
        for each in self.tags:
            row: dict[str, Any] = {
                name: getattr(each, name)
                for name in ("tag", "language", "labelled", "tagged", "right")
            }
            for name in ("precision", "recall"):
                found: Estimate | None = getattr(each, name)
                ends = (found.value, found.low, found.high) if found else (None,) * 3
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
            rows.append(row)
        return pd.DataFrame(rows)


def keyword_accuracy(labelled: pd.DataFrame, keywords: Keywords) -> KeywordAccuracy:
    """Precision and recall of the keywords on labelled notes, with Wilson intervals.

    Args:
        labelled: Frame with text, labels (tags joined by ``;``, empty for none) and
            language (en or zh).
        keywords: As read.

    Raises:
        DataError: no notes, a column is missing, or a label that no list has.
    """
    absent = [name for name in ("text", "labels", "language") if name not in labelled.columns]
    if absent or labelled.empty:
        raise DataError(
            f"labelled notes: {len(labelled)} rows, no column {', '.join(absent) or 'missing'}; "
            "text, labels and language of at least one note are required"
        )
    meant = [set(filter(None, str(labels).split(";"))) for labels in labelled["labels"].fillna("")]
    unknown = sorted(set().union(*meant) - set(keywords.tags))
    if unknown:
        raise DataError(
            f"labelled notes: no list has the label {', '.join(unknown)}; "
            f"one of {', '.join(keywords.tags)} is required"
        )
    given = [set(keywords.tags_of(str(text))) for text in labelled["text"]]
    languages = [str(code) for code in labelled["language"]]
    rows = []
    for tag in keywords.tags:
        for language in ("all", *sorted(set(languages))):
            pairs = [
                (tag in m, tag in g)
                for m, g, code in zip(meant, given, languages, strict=True)
                if language in ("all", code)
            ]
            rows.append(_accuracy(tag, language, pairs))
    return KeywordAccuracy(len(labelled), tuple(rows))


def _accuracy(tag: str, language: str, pairs: list[tuple[bool, bool]]) -> TagAccuracy:
    labelled, tagged = sum(m for m, _ in pairs), sum(g for _, g in pairs)
    right = sum(m and g for m, g in pairs)
    return TagAccuracy(
        tag,
        language,
        labelled,
        tagged,
        right,
        wilson_interval(right, tagged) if tagged else None,
        wilson_interval(right, labelled) if labelled else None,
    )
