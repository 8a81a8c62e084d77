"""A mapping proposed from a file's columns, for the analyst to correct.

Names are compared with those that shops and CRMs use, in English and Chinese; then the
values must fit. What is not clear is left to the analyst and never filled in: a wrong
mapping that opens is worse than one that asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relkit.data.column_names import NAMES, PRICE, QUANTITY, REFUNDED, WORDS
from relkit.data.profiles import Profile, profile_columns
from relkit.data.sampling import SAMPLE_ROWS, Sample, read_sample
from relkit.errors import SourceError

_OF_SIGN = {"€": "EUR", "£": "GBP", "元": "CNY"}
_REQUIRED = ("customer_id", "occurred_at", "amount")
_MOST_WORDS = 8
_PLAIN_YAML = re.compile(r"[^\W\d_](?:[\w .()/]*[\w)])?")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A source YAML for a file, and what it leaves open.

    Attributes:
        text: The YAML, with comments.
        matched: Our column → theirs, or a product of theirs.
        open_points: What the analyst has to decide; empty where all is clear.
    """

    text: str
    matched: dict[str, str]
    open_points: tuple[str, ...]

    @property
    def clear(self) -> bool:
        return not self.open_points

    def described(self) -> str:
        """What was recognised, and what is left to decide, a line each."""
        found = [f"  {ours}: {theirs}" for ours, theirs in self.matched.items()]
        if self.clear:
            return "\n".join(["nothing has to be decided; please read it", *found])
        points = [f"  - {point}" for point in self.open_points]
        return "\n".join(["to be corrected before it is used", *found, *points])


@dataclass(slots=True)
class _Draft:
    sample: Sample
    profiles: tuple[Profile, ...]
    matched: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    open_points: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    currency: str = ""


def propose_mapping(file: Path, files: str) -> Proposal:
    """Propose a mapping of a file of transactions from its first rows.

    Args:
        file: CSV (also gz), Parquet or Excel.
        files: How the YAML names it, from the project's folder.

    Raises:
        SourceError: no such file, another format, damaged, or no header.
    """
    sample = read_sample(file)
    doubled = sorted({name for name in sample.names if sample.names.count(name) > 1})
    if doubled:
        raise SourceError(
            f"{file.name}: columns stand twice in the header: {', '.join(doubled)}; "
            "each needs a name of its own"
        )
    draft = _Draft(sample, profile_columns(sample), settings=dict(sample.settings))
    draft.hints += sample.notes
    if sample.columns and not any(profile.values for profile in draft.profiles):
        draft.open_points.append("there are no rows; only the names of the columns were looked at")
    for role in NAMES:
        _match(draft, role)
    _match_by_values(draft)
    _match_product(draft)
    _decide_orders(draft)
    _decide_kinds(draft)
    _decide_dates(draft)
    _decide_numbers(draft)
    _decide_currency(draft)
    for role in _REQUIRED:
        profile = next((p for p in draft.profiles if p.name == draft.matched.get(role)), None)
        if profile is not None and profile.empty and "order_in_first_row" not in draft.settings:
            draft.hints.append(
                f"{role}: rows where it is empty are set aside; more than 1 % stop a report "
                "unless its max_set_aside allows them"
            )
    if "amount" not in draft.matched:
        draft.hints.append(
            "amount: is it a table of transactions? Touches, tickets and others are mapped under "
            "tables: beside them, see params/sources/template.yaml"
        )
    draft.open_points[:0] = [
        f"{role}: no column was recognised; write its name behind '{role}:'"
        for role in _REQUIRED
        if role not in draft.matched
    ]
    return Proposal(_written(draft, file, files), draft.matched, tuple(draft.open_points))


def _bare(name: str) -> str:
    """A name without what is in brackets, blanks and signs, in small letters."""
    without = re.sub(r"[(（\[].*?[)）\]]", "", name)
    return re.sub(r"[\W_]+", "", without).lower()


def _named(draft: _Draft, names: str) -> list[Profile]:
    """Columns with one of the names, the likeliest first."""
    order = {name: place for place, name in enumerate(names.split())}
    found = [profile for profile in draft.profiles if _bare(profile.name) in order]
    return sorted(found, key=lambda profile: order[_bare(profile.name)])


def _fits(role: str, profile: Profile) -> bool:
    if not profile.values:
        return True
    if role == "occurred_at":
        return bool(profile.dates)
    if role == "amount":
        return bool(profile.numbers)
    if role == "kind":
        return profile.distinct <= _MOST_WORDS and not profile.numbers
    if role == "currency":
        return all(re.fullmatch("[A-Za-z]{3}", value) for value in profile.values)
    return True


def _match(draft: _Draft, role: str) -> None:
    named = _named(draft, NAMES[role])
    fitting = [p for p in named if _fits(role, p) and p.name not in draft.matched.values()]
    draft.hints += [
        f"'{profile.name}' is named like {role}, but its values are not"
        for profile in named
        if not _fits(role, profile)
    ]
    if not fitting:
        return
    first, *others = fitting
    draft.matched[role] = first.name
    draft.why[role] = f"by its name; {first.described()}"
    if others and role in _REQUIRED:
        listed = ", ".join(f"'{each.name}'" for each in others)
        draft.hints.append(f"{role}: {listed} would fit as well; correct it if that is meant")


def _match_by_values(draft: _Draft) -> None:
    """Where no name is known: the only column that has days."""
    taken = draft.matched.values()
    if "occurred_at" not in draft.matched:
        days = [p for p in draft.profiles if p.dates and p.name not in taken]
        if len(days) == 1:
            draft.matched["occurred_at"] = days[0].name
            draft.why["occurred_at"] = "the only column with days"
        elif days:
            listed = ", ".join(f"'{profile.name}'" for profile in days)
            draft.hints.append(f"occurred_at: several columns hold days: {listed}")
    if "customer_id" not in draft.matched:
        ids = [p for p in draft.profiles if _bare(p.name) in ("id", "编号") and not p.unique]
        if len(ids) == 1 and "occurred_at" in draft.matched:
            draft.matched["customer_id"] = ids[0].name
            draft.why["customer_id"] = f"an id that comes back; {ids[0].described()}"


def _match_product(draft: _Draft) -> None:
    quantity, price = _named(draft, QUANTITY), _named(draft, PRICE)
    quantity = [p for p in quantity if p.numbers or not p.values]
    price = [p for p in price if p.numbers or not p.values]
    if "amount" not in draft.matched and quantity and price:
        draft.matched["amount"] = f"{quantity[0].name} * {price[0].name}"
        draft.why["amount"] = "no total, but a quantity and a price"
    refunded = [p for p in _named(draft, REFUNDED) if p.numbers]
    if refunded and "amount" in draft.matched:
        whole = f"{draft.matched['amount']} - {refunded[0].name}"
        draft.hints.append(f"amount: to take refunds off it, write {whole}")


def _column(draft: _Draft, name: str) -> tuple[str, ...]:
    return draft.sample.columns[draft.sample.names.index(name)]


def _decide_orders(draft: _Draft) -> None:
    """Whether rows with one order number are its lines."""
    order = draft.matched.get("transaction_id")
    if order is None:
        draft.hints.append("transaction_id: without one, a row exported twice counts twice")
        return
    profile = next(p for p in draft.profiles if p.name == order)
    if profile.unique or not profile.values:
        return
    names = draft.sample.names
    rows = list(zip(*draft.sample.columns, strict=True))
    if len(set(rows)) == len({row[names.index(order)] for row in rows}):
        draft.hints.append("transaction_id: it repeats in equal rows only, which are duplicates")
        return
    customer = draft.matched.get("customer_id")
    if customer is not None:
        pairs = zip(_column(draft, order), _column(draft, customer), strict=True)
        of_order = {pair for pair in pairs if all(pair)}
        if len(of_order) != len({number for number, _ in of_order}):
            draft.open_points.append(
                f"transaction_id: one '{order}' has several customers; is it an order's number?"
            )
            return
    draft.settings["line_items"] = "true"
    draft.why["transaction_id"] += "; it repeats, so rows are lines that add up"
    amount, when = (draft.matched.get(each, "") for each in ("amount", "occurred_at"))
    if amount in names and when in names:
        numbered = zip(_column(draft, order), _column(draft, amount), strict=True)
        with_empty = [(number, bool(value)) for number, value in numbered if number]
        told = {number for number, there in with_empty if there}
        if any(not there and number in told for number, there in with_empty):
            draft.settings["order_in_first_row"] = "true"


def _decide_kinds(draft: _Draft) -> None:
    name = draft.matched.get("kind")
    if name is None:
        draft.hints.append("kind: there is none, so a negative amount is a refund")
        return
    profile = next(p for p in draft.profiles if p.name == name)
    known = {word: ours for ours, words in WORDS.items() for word in words.split()}
    words = sorted(set(profile.values))
    found = {word: known[word.lower()] for word in words if word.lower() in known}
    if len(found) < len(words) or profile.empty:
        # A type that says something else must not stand in the way of the rest.
        del draft.matched["kind"]
        draft.hints.append(
            f"kind: '{name}' has words that are not known; if it tells purchases from refunds, "
            f"write kind: {name} and kinds: {{their word: purchase, their word: refund}}"
        )
        return
    said = ", ".join(f"{_yaml(word)}: {ours}" for word, ours in found.items())
    draft.settings["kinds"] = "{" + said + "}"
    amount = draft.matched.get("amount")
    back = {word for word, ours in found.items() if ours == "refund"}
    if back and amount in draft.sample.names:
        pairs = zip(_column(draft, name), _column(draft, amount), strict=True)
        signs = {"-" in value for word, value in pairs if word in back and value}
        if signs == {False}:
            draft.settings["refunds_are_positive"] = "true"


def _decide_dates(draft: _Draft) -> None:
    name = draft.matched.get("occurred_at")
    profile = next((p for p in draft.profiles if p.name == name), None)
    if profile is None or not profile.values:
        return
    if len(profile.dates) > 1:
        listed = " or ".join(f'"{pattern}"' for pattern in profile.dates)
        draft.open_points.append(
            f"dates: '{name}' reads as {listed}, days and months cannot be told apart; write one"
        )
    elif profile.dates[0]:
        draft.settings["dates"] = f'"{profile.dates[0]}"'
    if profile.zoned:
        draft.open_points.append(
            f"time_zone: times in '{name}' carry an offset; say where a day is a day, "
            "like Asia/Shanghai"
        )


def _decide_numbers(draft: _Draft) -> None:
    expression = draft.matched.get("amount", "")
    names = [expression] if expression in draft.sample.names else expression.split(" * ")
    ways = [p.numbers for p in draft.profiles if p.name in names and p.numbers]
    if not ways:
        return
    # A column of plain whole numbers can be read in any way.
    deciding = [way for way in ways if way != ((".", "", ""),)] or ways[:1]
    common = set(deciding[0]).intersection(*deciding[1:])
    # A plain fraction beside 12,50 says that the two columns are written differently.
    mixed = deciding[0] != ((".", "", ""),) and not _whole(draft, names)
    if len(common) != 1 or mixed:
        draft.open_points.append(
            "decimal, thousands: marks in the amounts may be either; write decimal: or thousands:"
        )
        return
    decimal, thousands, sign = common.pop()
    for key, value, default in (
        ("decimal", decimal, "."), ("thousands", thousands, ""), ("currency_sign", sign, ""),
    ):  # fmt: skip
        if value != default:
            draft.settings[key] = f'"{value}"'
    draft.currency = _OF_SIGN.get(sign, "") or ("CNY" if "元" in expression else "")
    if sign in ("¥", "￥") and any("\u4e00" <= c <= "\u9fff" for c in "".join(draft.sample.names)):
        draft.currency = "CNY"


def _whole(draft: _Draft, names: Sequence[str]) -> bool:
    plain = [p for p in draft.profiles if p.name in names and p.numbers == ((".", "", ""),)]
    return all("." not in value for profile in plain for value in profile.values)


def _decide_currency(draft: _Draft) -> None:
    name = draft.matched.get("currency")
    profile = next((p for p in draft.profiles if p.name == name), None)
    if profile is not None and profile.distinct == 1:
        draft.currency = profile.values[0]
    elif profile is not None and profile.distinct > 1:
        draft.open_points.append(
            f"currency: '{name}' has {profile.distinct}; write the one to keep, rows in others "
            "are set aside"
        )
    if not draft.currency:
        draft.hints.append("currency: not known from the file; amounts are shown without one")


def _yaml(text: str) -> str:
    """Text as YAML has it, in quotes where it could be read as something else."""
    word = text.lower() in ("null", "true", "false", "n", "y", "no", "yes", "on", "off")
    plain = _PLAIN_YAML.fullmatch(text) and not word
    return text if plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return "# " + " ".join(text.split())


def _written(draft: _Draft, file: Path, files: str) -> str:
    looked = max((len(column) for column in draft.sample.columns), default=0)
    first = f"the first {looked:,} rows" if looked >= SAMPLE_ROWS else f"{looked:,} rows"
    lines = [_comment(f"Proposed from {first} of {file.name}; read it, and correct it."), "#"]
    if draft.open_points:
        lines += ["# To be decided before it is used:"]
        lines += [_comment(f"- {point}") for point in draft.open_points]
    else:
        lines.append("# Nothing has to be decided; look whether the columns are the ones you mean.")
    if draft.hints:
        lines += ["# To know:", *(_comment(f"- {hint}") for hint in draft.hints)]
    lines += ["", f"name: {_yaml(file.name.split('.')[0])}", f"format: {draft.sample.format}"]
    lines.append(f"files: {_yaml(files)}")
    lines.append(f"currency: {draft.currency}" if draft.currency else "# currency: EUR")
    for key, value in draft.settings.items():
        quoted = (
            value
            if value.startswith(('"', "{")) or value == "true" or value.isdigit()
            else _yaml(value)
        )
        lines.append(f"{key}: {quoted}")
    lines += ["synthetic: false", "", "transactions:  # our column: the file's"]
    for role in NAMES:
        if role in draft.matched:
            expression = draft.matched[role]
            lines.append(f"  {role}: {_yaml(expression)}  # {draft.why[role]}")
        elif role in _REQUIRED:
            lines.append(f"  {role}:  # not found")
    used = {name for each in draft.matched.values() for name in (each, *each.split(" * "))}
    left = [profile for profile in draft.profiles if profile.name not in used]
    if left:
        lines += ["", "# Columns that are not used:"]
        lines += [_comment(f"{profile.name}: {profile.described()}") for profile in left]
    return "\n".join(lines) + "\n"


def write_proposal(file: Path, root: Path, out: Path | None = None) -> tuple[Path, Proposal]:
    """Propose a mapping of a file and write it; never over one that is there.

    Args:
        file: The data.
        root: The project's folder.
        out: Where to write; params/sources/<name of the file>.yaml unless said.

    Returns:
        Where it was written, and what.

    Raises:
        SourceError: the file cannot be read, or there is such a mapping already.
    """
    stem = re.sub(r"[^\w-]+", "_", file.name.split(".")[0]).strip("_").lower() or "source"
    place = out if out is not None else root / "params" / "sources" / f"{stem}.yaml"
    taken = f"{place.name} is there already and stays as it is; choose another name with --out"
    if place.exists():
        raise SourceError(taken)
    absolute = file.absolute()
    inside = absolute.is_relative_to(root.absolute())
    files = absolute.relative_to(root.absolute()).as_posix() if inside else str(absolute)
    proposal = propose_mapping(file, files)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place.open("x", encoding="utf-8") as stream:
            stream.write(proposal.text)
    except FileExistsError:
        raise SourceError(taken) from None
    return place, proposal
