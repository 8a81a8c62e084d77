"""Which table a file holds, and which of its columns is which, from names and values.

Every table's columns have names that shops and CRMs use; those that say much of the table
(experiment_id, kano) weigh more than those that stand everywhere (id, date, name). The
values must fit what the contract says of the column, or the name does not count.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from relkit.data.column_names import (
    CHOICE_WORDS,
    COMMON,
    FIRST_REPLY_MINUTES,
    NAMES,
    PRICE,
    QUANTITY,
    TABLES,
)
from relkit.data.contracts import contracts
from relkit.data.profiles import Profile
from relkit.data.schemas import Contract
from relkit.data.values import FALSE_WORDS, TRUE_WORDS
from relkit.personal import bare, looks_right

_TELLING, _COMMON = 4, 1
_MISSING = 5
_CLEAR = 4
_MOST_WORDS = 12
_SPLIT = ";"


@dataclass(frozen=True, slots=True)
class Guess:
    """A table that a file may hold.

    Attributes:
        table: Its name.
        score: How much speaks for it.
        missing: Its required columns that were not recognised.
        columns: Our column → theirs.
    """

    table: str
    score: int
    missing: tuple[str, ...]
    columns: dict[str, str]


@dataclass(slots=True)
class TableDraft:
    """What is proposed for one table.

    Attributes:
        table: Its name.
        matched: Our column → theirs, or an expression.
        why: Our column → by what it was recognised.
        settings: Key of a source YAML → value as YAML has it.
        open_points: What the analyst has to decide.
        hints: What to know.
    """

    table: str
    matched: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    open_points: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


def guess_tables(profiles: Sequence[Profile]) -> list[Guess]:
    """The tables that a file may hold, the likeliest first; empty where none comes near."""
    found = [_transactions(profiles), *(_guess(name, profiles) for name in TABLES)]
    found = [guess for guess in found if guess.columns and guess.score > 0]
    return sorted(found, key=lambda guess: (-guess.score, len(guess.missing)))


def certainty(guesses: Sequence[Guess]) -> str:
    """'clear', 'likely' or 'unsure': whether the first of the guesses is far ahead."""
    if not guesses:
        return "unsure"
    first, *others = guesses
    ahead = first.score - others[0].score if others else _CLEAR
    if first.missing or ahead <= 0:
        return "unsure"
    return "clear" if ahead >= _CLEAR else "likely"


def _transactions(profiles: Sequence[Profile]) -> Guess:
    contract = contracts()["transactions"]
    columns = _columns(contract, NAMES, profiles)
    if "amount" not in columns and (product := _product(profiles)):
        columns["amount"] = product
    return _scored(contract, columns, profiles)


def _product(profiles: Sequence[Profile]) -> str:
    named = {bare(p.name): p.name for p in profiles if p.numbers or not p.values}
    pair = [
        next((named[n] for n in names.split() if n in named), "") for names in (QUANTITY, PRICE)
    ]
    return " * ".join(pair) if all(pair) else ""


def _guess(table: str, profiles: Sequence[Profile]) -> Guess:
    contract = contracts()[table]
    return _scored(contract, _columns(contract, TABLES[table], profiles), profiles)


def _columns(
    contract: Contract, names: dict[str, str], profiles: Sequence[Profile]
) -> dict[str, str]:
    """Our column → theirs; names that say most are given away first."""
    wanted = []
    for ours, listed in names.items():
        order = dict.fromkeys([bare(ours), *listed.split()])
        ranks = {name: rank for rank, name in enumerate(order)}
        for profile in profiles:
            rank = ranks.get(bare(profile.name))
            if rank is not None and _fits(contract, ours, profile):
                common = bare(profile.name) in COMMON and bare(profile.name) != bare(ours)
                wanted.append((common, rank, ours not in contract.required, ours, profile.name))
    found: dict[str, str] = {}
    for _, _, _, ours, theirs in sorted(wanted):
        if ours not in found and theirs not in found.values():
            found[ours] = theirs
    return {ours: found[ours] for ours in contract.columns if ours in found}


def _fits(contract: Contract, ours: str, profile: Profile) -> bool:
    """Whether a column's values can be what our column holds."""
    if not profile.values:
        return True
    kind = contract.kind(ours)
    if kind in ("time", "day"):
        return bool(profile.dates)
    if kind == "number":
        return bool(profile.numbers)
    if kind == "flag":
        return {value.lower() for value in profile.values} <= {*TRUE_WORDS, *FALSE_WORDS}
    if kind == "choice":
        return profile.distinct <= _MOST_WORDS and not profile.dates
    if kind == "id" and (ours,) == contract.key:
        # What names a row stands once; in customers and owners that is most of what they are.
        return profile.distinct > 0.9 * len(profile.values)
    return True


def _scored(contract: Contract, columns: dict[str, str], profiles: Sequence[Profile]) -> Guess:
    missing = tuple(ours for ours in contract.required if ours not in columns)
    key = {ours for ours in contract.key if ours not in columns and len(contract.key) > 1}
    score = sum(_weight(contract, ours, theirs) for ours, theirs in columns.items())
    left = len(profiles) - len(columns)
    score -= _MISSING * len({*missing, *key}) + (left if left > len(columns) else 0)
    return Guess(contract.name, score, missing, columns)


def _weight(contract: Contract, ours: str, theirs: str) -> int:
    word = bare(theirs)
    if word in COMMON:
        return _COMMON
    # Columns that other tables have too under the same name tell less.
    shared = sum(ours in other.columns for other in contracts().values())
    return _TELLING if shared == 1 else 2


def draft_table(guess: Guess, profiles: Sequence[Profile]) -> TableDraft:
    """A mapping of a file to a table other than transactions, with what it leaves open."""
    contract = contracts()[guess.table]
    draft = TableDraft(guess.table, dict(guess.columns))
    by_name = {profile.name: profile for profile in profiles}
    for ours, theirs in draft.matched.items():
        draft.why[ours] = f"by its name; {by_name[theirs].described()}"
    draft.open_points += [
        f"{ours}: no column was recognised; write its name behind '{ours}:'"
        for ours in guess.missing
    ]
    for ours in [c for c in draft.matched if contract.kind(c) == "choice"]:
        _decide_words(draft, contract, ours, by_name[draft.matched[ours]])
    _decide_times(draft, contract, by_name)
    _decide_numbers(draft, contract, by_name)
    _decide_first_reply(draft, profiles)
    _decide_split(draft, contract, by_name)
    for ours in contract.required:
        profile = by_name.get(draft.matched.get(ours, ""))
        if profile is not None and profile.empty:
            draft.hints.append(
                f"{ours}: rows where it is empty are set aside; more than 1 % stop a report "
                "unless its max_set_aside allows them"
            )
    return draft


def _leave_out(draft: TableDraft, ours: str, why: str) -> None:
    theirs = draft.matched.pop(ours)
    draft.hints.append(f"{ours}: '{theirs}' {why}")


def _decide_words(draft: TableDraft, contract: Contract, ours: str, profile: Profile) -> None:
    """Their words as ours; one that is not known may be nobody's name in the YAML."""
    choices = contract.choices(ours)
    vocabulary = CHOICE_WORDS.get(f"{draft.table}.{ours}") or CHOICE_WORDS.get(ours, {})
    known = {word: our for our, words in vocabulary.items() for word in words.split()}
    said: dict[str, str] = {}
    unknown = []
    for word in sorted(set(profile.values)):
        if word.lower() in choices:
            continue
        our = known.get(bare(word) or word)
        if our is not None:
            said[word] = our
        else:
            unknown.append(word if looks_right("choice", word) else "…")
    required = ours in contract.required
    if unknown and not required and len(unknown) == profile.distinct:
        _leave_out(draft, ours, f"has none of the words {', '.join(choices)}")
        return
    if unknown:
        listed = ", ".join(dict.fromkeys(unknown))
        draft.open_points.append(
            f"{ours}: words that are not known, {listed}; write each behind words: as one of "
            f"{', '.join(choices)}, or its rows are set aside"
        )
    if profile.empty and required and draft.table == "tickets" and ours == "kind":
        draft.hints.append("kind: where it is empty, words: may say (empty): question")
    if said:
        pairs = ", ".join(f"{_word(theirs)}: {our}" for theirs, our in said.items())
        before = draft.settings.get("words", "{}")[1:-1]
        joined = f"{before}, " if before else ""
        draft.settings["words"] = f"{{{joined}{ours}: {{{pairs}}}}}"


def _word(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _decide_times(draft: TableDraft, contract: Contract, by_name: dict[str, Profile]) -> None:
    """One pattern for all days and times of the table; columns of another are left out."""
    timed = [c for c in draft.matched if contract.kind(c) in ("time", "day")]
    timed.sort(key=lambda c: c not in contract.required)
    patterns: set[str] | None = None
    for ours in timed:
        profile = by_name[draft.matched[ours]]
        if not profile.values:
            continue
        fitting = set(profile.dates) if patterns is None else patterns & set(profile.dates)
        if not fitting:
            _leave_out(draft, ours, "is written in another way than the other times")
            continue
        patterns = fitting
        if profile.zoned and not any("time_zone" in point for point in draft.open_points):
            draft.open_points.append(
                f"time_zone: times in '{profile.name}' carry an offset; say where a day is a day, "
                "like Asia/Shanghai"
            )
    if patterns and len(patterns) > 1:
        listed = " or ".join(f'"{pattern}"' for pattern in sorted(patterns))
        draft.open_points.append(
            f"dates: they read as {listed}, days and months cannot be told apart; write one"
        )
    elif patterns and (only := patterns.pop()):
        draft.settings["dates"] = f'"{only}"'


def _decide_numbers(draft: TableDraft, contract: Contract, by_name: dict[str, Profile]) -> None:
    numbers = [by_name[draft.matched[c]] for c in draft.matched if contract.kind(c) == "number"]
    plain = ((".", "", ""),)
    ways = [set(profile.numbers) for profile in numbers if profile.numbers not in ((), plain)]
    if not ways:
        return
    common = set.intersection(*ways)
    if len(common) != 1:
        draft.open_points.append(
            "decimal, thousands: marks in the numbers may be either; write decimal: or thousands:"
        )
        return
    keys = (("decimal", "."), ("thousands", ""), ("currency_sign", ""))
    for (key, default), value in zip(keys, common.pop(), strict=True):
        if value != default:
            draft.settings[key] = f'"{value}"'


def _decide_first_reply(draft: TableDraft, profiles: Sequence[Profile]) -> None:
    """Zendesk gives the first reply as minutes after the ticket was opened."""
    if draft.table != "tickets" or "first_reply_at" in draft.matched:
        return
    opened = draft.matched.get("opened_at")
    # A single word among the minutes is a row to set aside, not another column.
    minutes = [
        p
        for p in profiles
        if bare(p.name) in FIRST_REPLY_MINUTES.split()
        and 2 * sum(value.isdigit() for value in p.values) > len(p.values)
    ]
    if opened and minutes:
        draft.matched["first_reply_at"] = f"{opened} + minutes({minutes[0].name})"
        draft.why["first_reply_at"] = "minutes by the calendar, not within business hours"


def _decide_split(draft: TableDraft, contract: Contract, by_name: dict[str, Profile]) -> None:
    """Several customers in one field, as HubSpot writes them."""
    profile = by_name.get(draft.matched.get("customer_id", ""))
    several = contract.key != ("customer_id",) and len(contract.key) == 1
    if profile is None or not several:
        return
    pieces = [value for value in profile.values if _SPLIT in value]
    if pieces and all(re.fullmatch(r"[\w\s.;-]*", value) for value in pieces):
        draft.settings["split"] = f'{{customer_id: "{_SPLIT}"}}'
        draft.hints.append("split: a field with several customers gives each of them a row")
