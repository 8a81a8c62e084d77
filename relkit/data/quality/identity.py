"""One person under two ids: found by named rules, joined only where chance is no explanation.

Candidates are found in the engine, by groups of equal values; what leaves it are the few
rows that share one. Names, addresses and numbers are compared and never part of a result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from relkit.data.quality.supplied import NotSupplied, Tables, evaluated, has, supplied
from relkit.errors import DataError, ParameterError

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

FIELDS = ("email", "phone", "name", "birthday")
# Rule → fields that must all be equal. What a rule does not use may contradict it.
RULES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "email": ("email",),
        "phone_birthday": ("phone", "birthday"),
        "name_phone": ("name", "phone"),
        "name_birthday": ("name", "birthday"),
        "name_phone_birthday": ("name", "phone", "birthday"),
    }
)
# Nobody has two of these; people do have several addresses and numbers, but where both
# are others, a name and a birthday alone do not make one person.
CONTRADICTING = ("name", "birthday")
USED, BY_CHANCE, NOTHING, MISSING = "used", "explained by chance", "no pairs", "not supplied"
JOINED, CONTRADICTED = "joined", "contradicted"
COMMON_SHARE = 0.01
_LEAST_DIGITS = 7
# Full-width forms of ASCII, as Chinese keyboards write them, and the spaces of other scripts.
_WIDE = "".join(chr(code + 0xFEE0) for code in range(0x21, 0x7F)) + "\u3000\u00a0"
_ANY_WIDE = "[\uff01-\uff5e\u3000\u00a0]"
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F)) + "  "


@dataclass(frozen=True, slots=True, eq=False)
class IdentityDuplicates:
    """Ids that are one person's, and by which rule; nothing personal.

    Attributes:
        ids: Customers in the table.
        people: Groups of ids that were joined.
        duplicates: Ids beyond the first one of each group.
        pairs: One row a pair and rule: customer_id, other_id, rule, status ('joined',
            'contradicted' by another field, 'explained by chance').
        identity_map: One row an id of a joined group: customer_id, joined_id (the id
            of the group that was created first), rule (those that found it).
        rules: One row a rule: rule, fields, ids (that have all of its fields), pairs
            (found and not contradicted), by_chance (pairs that would agree if its
            fields had nothing to do with each other; nan for one field), contradicted,
            status ('used', 'explained by chance', 'no pairs', 'not supplied').
        shared: Values shared too widely to be evidence, by field: field, limit (ids),
            values, ids.
        max_shared: Ids that may share an address or number.
        max_chance: Share of a rule's pairs that chance may explain.
    """

    ids: int
    people: int
    duplicates: int
    pairs: pd.DataFrame
    identity_map: pd.DataFrame
    rules: pd.DataFrame
    shared: pd.DataFrame
    max_shared: int
    max_chance: float

    @property
    def contradicted(self) -> int:
        """Pairs that a rule found and another field contradicts, for somebody to look at."""
        found = self.pairs.loc[self.pairs["status"] == CONTRADICTED, ["customer_id", "other_id"]]
        return len(found.drop_duplicates())

    def to_frame(self) -> pd.DataFrame:
        """The identity map."""
        return self.identity_map.copy()

    def join(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows with the joined id in place of customer_id; other ids stay as they are."""
        kept = self.identity_map.set_index("customer_id")["joined_id"]
        ids = rows["customer_id"]
        return rows.assign(customer_id=ids.map(kept).where(ids.isin(kept.index), ids))


def try_identity(tables: Tables, **options: Any) -> IdentityDuplicates | NotSupplied:
    """`identity_duplicates` for a report that goes on without a table of customers."""
    if not has(tables, "customers"):
        return NotSupplied(("customers",))
    return identity_duplicates(tables, **options)


def identity_duplicates(
    tables: Tables, *, max_shared: int = 3, max_chance: float = 0.01
) -> IdentityDuplicates:
    """Find ids that belong to one person.

    Addresses are compared without case and blanks, numbers by their digits, names
    without case, blanks and punctuation, birthdays as days. Two ids with different names
    or birthdays are two people, and so are two whose address and number are both known and
    both differ. A rule of several fields is
    used only if chance would explain few of its pairs: with n ids and fields in which two
    of them agree with probability p and q, n (n - 1) / 2 · p · q pairs agree by chance,
    and that grows with n² while real duplicates grow with n.

    Args:
        tables: A source, or tables by name, with `customers`: customer_id, and where
            known email, phone, name, birthday, created_at.
        max_shared: An address or number of more ids than that is nobody's own, like a
            switchboard, and no evidence; nor is a combination that more ids share. Names
            and birthdays may be shared by 1 % of the ids; beyond, they are a placeholder.
        max_chance: Largest share of a rule's pairs that chance may explain.

    Raises:
        DataError: not supplied: customers; or an id stands twice.
        ParameterError: an option out of its range.

    Source: the expected number of chance agreements is that of Fellegi & Sunter (1969),
        "A theory for record linkage", JASA 64, for independent fields.
    """
    _check_options(max_shared, max_chance)
    rows = _normalised(supplied(tables, "customers", ("customer_id",)))
    with evaluated(rows) as whole:
        n = _count_ids(whole)
        limits = {
            field: max_shared if field in ("email", "phone") else max(max_shared, _common(n))
            for field in FIELDS
        }
        shared = [_shared(whole, field, limit) for field, limit in limits.items()]
        with evaluated(_telling(whole, limits)) as telling:
            found = [_try_rule(telling, rule, max_shared, max_chance) for rule in RULES]
    return _together(n, found, shared, max_shared, max_chance)


def _check_options(max_shared: Any, max_chance: Any) -> None:
    faults = []
    if type(max_shared) is not int or max_shared < 2:
        faults.append(f"max_shared={max_shared!r} must be a whole number from 2")
    number = isinstance(max_chance, (int, float)) and not isinstance(max_chance, bool)
    if not number or not 0 <= max_chance < 1:
        faults.append(f"max_chance={max_chance!r} must be a share in [0, 1); give 1 % as 0.01")
    if faults:
        raise ParameterError("duplicates cannot be looked for in this way", faults)


def _common(n: int) -> int:
    return math.floor(COMMON_SHARE * n)


def _normalised(customers: ir.Table) -> ir.Table:
    """customer_id, created_at and the four fields in the form that is compared; null = unknown."""
    import ibis

    def field(name: str) -> ir.StringValue:
        if name not in customers.columns:
            return ibis.null("string")
        text = customers[name].cast("string")
        # Few hold any, and looking for them takes a tenth of the time.
        return text.re_search(_ANY_WIDE).ifelse(text.translate(_WIDE, _PLAIN), text)

    birthday = (
        customers.birthday.cast("timestamp").strftime("%Y-%m-%d")
        if "birthday" in customers.columns
        else ibis.null("string")
    )
    email = field("email").lower().re_replace(r"\s+", "")
    # 00 before a country's code is what + stands for.
    phone = field("phone").re_replace(r"[^0-9]+", "").re_replace(r"^00", "")
    name = field("name").lower().re_replace(r"[\s.,;:'\"’·・()/_-]+", "")
    created = (
        customers.created_at.cast("timestamp")
        if "created_at" in customers.columns
        else ibis.null("timestamp")
    )
    return customers.select(
        customer_id=customers.customer_id.cast("string"),
        created_at=created,
        email=email.re_search(r"^[^@]+@[^@]+$").ifelse(email, None),
        phone=(phone.length() >= _LEAST_DIGITS).ifelse(phone, None),
        name=name.nullif(""),
        birthday=birthday,
    )


def _count_ids(rows: ir.Table) -> int:
    found = rows.agg(n=rows.count(), ids=rows.customer_id.nunique()).to_pyarrow().to_pylist()[0]
    if found["n"] != found["ids"]:
        raise DataError(
            f"customers have {found['n']:,} rows and {found['ids']:,} ids; one row an id is "
            "required: drop the rows that repeat one"
        )
    n: int = found["n"]
    return n


def _holders(rows: ir.Table, field: str) -> ir.Table:
    there = rows.filter(rows[field].notnull())
    return there.group_by(field).agg(holders=there.count())


def _shared(rows: ir.Table, field: str, limit: int) -> tuple[str, int, int, int]:
    """How many values more ids than the limit share, and how many ids those are."""
    held = _holders(rows, field)
    wide = held.filter(held.holders > limit)
    sums = wide.agg(values=wide.count(), ids=wide.holders.sum()).to_pyarrow().to_pylist()[0]
    return field, limit, sums["values"], sums["ids"] or 0


def _telling(rows: ir.Table, limits: Mapping[str, int]) -> ir.Table:
    """The rows with the values that tell people apart; those shared too widely are null.

    What contradicts is kept as it is: a common name still is another name.
    """
    columns = {f"own_{field}": rows[field] for field in FIELDS}
    for field, limit in limits.items():
        held = _holders(rows, field)
        wide = held.filter(held.holders > limit)[field]
        columns[field] = rows[field].isin(wide).ifelse(None, rows[field])
    return rows.select("customer_id", "created_at", **columns)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What one rule found."""

    row: dict[str, Any]
    pairs: pd.DataFrame  # customer_id, other_id, rule, status
    people: pd.DataFrame  # of those: customer_id, created_at, own_name, own_birthday


def _try_rule(rows: ir.Table, rule: str, max_shared: int, max_chance: float) -> _Found:
    import pandas as pd

    fields = RULES[rule]
    there = rows.filter([rows[field].notnull() for field in fields])
    counts = there.group_by(list(fields)).agg(holders=there.count())
    few = counts.filter((counts.holders >= 2) & (counts.holders <= max_shared))
    people = there.inner_join(few, list(fields)).to_pyarrow().to_pandas()
    code = people.groupby(list(fields), sort=False).ngroup()
    pairs, contradicted = _pairs(people.assign(code=code))
    n, chance = _by_chance(there, fields)
    kept = int((~contradicted).sum())
    if not n:
        status = MISSING
    elif not kept:
        status = NOTHING
    else:
        status = USED if len(fields) == 1 or chance <= max_chance * kept else BY_CHANCE
    taken = pd.Series(JOINED if status == USED else BY_CHANCE, index=pairs.index, dtype="str")
    row = {
        "rule": rule,
        "fields": " + ".join(fields),
        "ids": n,
        "pairs": kept,
        "by_chance": chance,
        "contradicted": int(contradicted.sum()),
        "status": status,
    }
    told = pairs.assign(rule=rule, status=taken.mask(contradicted, CONTRADICTED))
    columns = ["customer_id", "created_at", *(f"own_{field}" for field in CONTRADICTING)]
    return _Found(row, told, people[columns])


def _pairs(people: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """Every two ids of a combination, and whether what else is known of them differs."""
    import pandas as pd

    both = people.merge(people, on="code", suffixes=("", "_other"))
    both = both[both["customer_id"] < both["customer_id_other"]].reset_index(drop=True)
    differs = {
        field: (both[[f"own_{field}", f"own_{field}_other"]].notna().all(axis=1))
        & (both[f"own_{field}"] != both[f"own_{field}_other"])
        for field in FIELDS
    }
    differ = pd.Series(False, index=both.index)
    for field in CONTRADICTING:
        differ |= differs[field].astype(bool)
    differ |= (differs["email"] & differs["phone"]).astype(bool)
    pairs = both[["customer_id", "customer_id_other"]]
    return pairs.rename(columns={"customer_id_other": "other_id"}), differ


def _by_chance(rows: ir.Table, fields: tuple[str, ...]) -> tuple[int, float]:
    """Ids with all of the fields, and pairs of them expected to agree by chance."""
    n = int(rows.count().to_pyarrow().as_py())
    if len(fields) == 1 or n < 2:
        return n, math.nan
    expected = n * (n - 1) / 2
    for field in fields:
        held = rows.group_by(field).agg(holders=rows.count())
        agreeing = (held.holders.cast("float64") * (held.holders - 1)).sum().to_pyarrow().as_py()
        expected *= agreeing / (n * (n - 1))
    return n, expected


def _together(
    n: int,
    found: list[_Found],
    shared: list[tuple[str, int, int, int]],
    max_shared: int,
    max_chance: float,
) -> IdentityDuplicates:
    import pandas as pd

    pairs = pd.concat([one.pairs for one in found], ignore_index=True)
    people = pd.concat([one.people for one in found]).drop_duplicates("customer_id")
    people = people.set_index("customer_id")
    taken = pairs["status"] == JOINED
    group = _groups(zip(pairs.loc[taken, "customer_id"], pairs.loc[taken, "other_id"], strict=True))
    members = people.loc[list(group)].assign(group=list(group.values()))
    # One of unknown name may stand between two who are clearly not the same.
    differ = pd.Series(False, index=members["group"].unique())
    for field in CONTRADICTING:
        known = members.groupby("group")[f"own_{field}"].nunique()
        differ |= known.reindex(differ.index, fill_value=0) > 1
    torn = set(differ.index[differ])
    pairs.loc[taken & pairs["customer_id"].map(group).isin(torn), "status"] = CONTRADICTED
    members = members[~members["group"].isin(torn)]
    pairs.attrs["customer_ids"] = ["other_id"]
    whole = _identity_map(members, pairs)
    groups = members["group"].nunique()
    return IdentityDuplicates(
        ids=n,
        people=int(groups),
        duplicates=len(members) - int(groups),
        pairs=pairs,
        identity_map=whole,
        rules=pd.DataFrame([one.row for one in found]),
        shared=pd.DataFrame(shared, columns=["field", "limit", "values", "ids"]),
        max_shared=max_shared,
        max_chance=float(max_chance),
    )


def _groups(edges: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Id → the first id of its group, for all ids on an edge."""
    parent: dict[str, str] = {}

    def root(of: str) -> str:
        while parent.setdefault(of, of) != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for one, other in edges:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {each: root(each) for each in parent}


def _identity_map(members: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """customer_id, joined_id, rule of everybody in a group."""
    import pandas as pd

    ordered = members.reset_index().sort_values(
        ["group", "created_at", "customer_id"], na_position="last"
    )
    first = ordered.groupby("group")["customer_id"].transform("first")
    joined = pairs[pairs["status"] == JOINED]
    ends = [
        joined[[end, "rule"]].set_axis(["id", "rule"], axis=1)
        for end in ("customer_id", "other_id")
    ]
    by = pd.concat(ends).drop_duplicates()
    order = {rule: place for place, rule in enumerate(RULES)}
    by = by.sort_values("rule", key=lambda rules: rules.map(order))
    rule = by.groupby("id")["rule"].agg(", ".join)
    whole = pd.DataFrame({"customer_id": ordered["customer_id"], "joined_id": first})
    whole["rule"] = whole["customer_id"].map(rule).astype("str")
    whole = whole.astype({"customer_id": "str", "joined_id": "str"})
    whole = whole.sort_values(["joined_id", "customer_id"], ignore_index=True)
    whole.attrs["customer_ids"] = ["joined_id"]
    return whole
