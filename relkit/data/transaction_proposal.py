"""A mapping of transactions from a file's columns: which is which, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from relkit.data.column_names import NAMES, PRICE, QUANTITY, REFUNDED, WORDS
from relkit.data.profiles import Profile
from relkit.data.proposal_text import yaml_text
from relkit.data.sampling import Sample
from relkit.personal import bare

_OF_SIGN = {"€": "EUR", "£": "GBP", "元": "CNY"}
_REQUIRED = ("customer_id", "occurred_at", "amount")
_MOST_WORDS = 8


@dataclass(slots=True)
class TransactionsDraft:
    """What is proposed for transactions.

    Attributes:
        sample: The file's first rows.
        profiles: What its columns look like.
        matched: Our column → theirs, or a product of theirs.
        why: Our column → by what it was recognised.
        settings: Key of a source YAML → value as YAML has it.
        open_points: What the analyst has to decide.
        hints: What to know.
        currency: Of the amounts, or ''.
    """

    sample: Sample
    profiles: tuple[Profile, ...]
    matched: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    open_points: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    currency: str = ""


def draft_transactions(sample: Sample, profiles: tuple[Profile, ...]) -> TransactionsDraft:
    """A mapping of a file to transactions, with what it leaves open."""
    draft = TransactionsDraft(sample, profiles)
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
    draft.open_points[:0] = [
        f"{role}: no column was recognised; write its name behind '{role}:'"
        for role in _REQUIRED
        if role not in draft.matched
    ]
    order = (*NAMES,)
    draft.matched = {role: draft.matched[role] for role in order if role in draft.matched}
    return draft


def _named(draft: TransactionsDraft, names: str) -> list[Profile]:
    """Columns with one of the names, the likeliest first."""
    order = {name: place for place, name in enumerate(names.split())}
    found = [profile for profile in draft.profiles if bare(profile.name) in order]
    return sorted(found, key=lambda profile: order[bare(profile.name)])


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


def _match(draft: TransactionsDraft, role: str) -> None:
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


def _match_by_values(draft: TransactionsDraft) -> None:
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
    if "transaction_id" not in draft.matched:
        # Shopify calls an order's number Name; all of them are like #1001.
        orders = [
            p
            for p in draft.profiles
            if p.name not in taken
            and (
                (bare(p.name) in ("id", "recordid", "编号") and p.unique)
                or (p.values and all(re.fullmatch(r"#\w*\d", value) for value in p.values))
            )
        ]
        if len(orders) == 1:
            draft.matched["transaction_id"] = orders[0].name
            draft.why["transaction_id"] = f"it numbers the rows; {orders[0].described()}"
    if "customer_id" not in draft.matched:
        ids = [p for p in draft.profiles if bare(p.name) in ("id", "编号") and not p.unique]
        if len(ids) == 1 and "occurred_at" in draft.matched:
            draft.matched["customer_id"] = ids[0].name
            draft.why["customer_id"] = f"an id that comes back; {ids[0].described()}"


def _match_product(draft: TransactionsDraft) -> None:
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


def _column(draft: TransactionsDraft, name: str) -> tuple[str, ...]:
    return draft.sample.columns[draft.sample.names.index(name)]


def _decide_orders(draft: TransactionsDraft) -> None:
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


def _decide_kinds(draft: TransactionsDraft) -> None:
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
    said = ", ".join(f"{yaml_text(word)}: {ours}" for word, ours in found.items())
    draft.settings["kinds"] = "{" + said + "}"
    amount = draft.matched.get("amount")
    back = {word for word, ours in found.items() if ours == "refund"}
    if back and amount in draft.sample.names:
        pairs = zip(_column(draft, name), _column(draft, amount), strict=True)
        signs = {"-" in value for word, value in pairs if word in back and value}
        if signs == {False}:
            draft.settings["refunds_are_positive"] = "true"


def _decide_dates(draft: TransactionsDraft) -> None:
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


def _decide_numbers(draft: TransactionsDraft) -> None:
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


def _whole(draft: TransactionsDraft, names: Sequence[str]) -> bool:
    plain = [p for p in draft.profiles if p.name in names and p.numbers == ((".", "", ""),)]
    return all("." not in value for profile in plain for value in profile.values)


def _decide_currency(draft: TransactionsDraft) -> None:
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
