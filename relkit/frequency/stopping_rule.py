"""Contacts that end at success: then their number follows from the outcome, and not the reverse.

Who says yes at the first call is called once; who never says yes is called ten times.
Response then falls with the number of contacts, though no contact did any harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, did_you_mean
from relkit.intervals import Estimate, wilson_interval
from relkit.privacy import shown_id

if TYPE_CHECKING:
    import pandas as pd

STOPS, GOES_ON, UNKNOWN = "contacts_stop_at_success", "contacts_go_on", "order_unknown"
# Conventions: one false alarm in a thousand, and a difference that is worth a word.
ALARM = 0.001
NOTABLE = 0.9
_NEEDED = ("customer_id", "occurred_at", "success")


@dataclass(frozen=True, slots=True, eq=False)
class StoppingRuleTest:
    """Whether contacts end because the customer said yes.

    Attributes:
        status: 'contacts_stop_at_success', 'contacts_go_on', or 'order_unknown' where the
            data do not say at which contact the response came, or nobody responded.
        successes: Contacts with a success that the test could use.
        followed: Of these, how many had another contact later.
        expected: How many would have, if contacts went on as after a contact of the same
            number without success.
        p_value: One-sided, that so few are followed by chance; None where unknown.
        response: Number of contacts → share of customers who responded, with its
            interval: what looks like an effect of the dose and is none.
    """

    status: str
    successes: int
    followed: int
    expected: float
    p_value: float | None
    response: dict[int, Estimate]

    @property
    def refuses(self) -> bool:
        """Whether no effect of the number of contacts may be read from these data."""
        return self.status != GOES_ON

    def to_frame(self) -> pd.DataFrame:
        """One row a number of contacts: contacts, customers, response, low, high."""
        import pandas as pd

        rows = [(k, e.n, e.value, e.low, e.high) for k, e in self.response.items()]
        return pd.DataFrame(rows, columns=["contacts", "customers", "response", "low", "high"])


def stopping_rule_test(contacts: pd.DataFrame) -> StoppingRuleTest:
    """Whether a contact with success is followed by another one as often as one without.

    Contacts with the same number (the first, the second, …) are held against each other,
    so that giving up after some contacts is no stopping at success. Who is contacted more
    because of a response does not raise the alarm, which looks to one side.

    Args:
        contacts: One row a contact: customer_id, occurred_at, success (true where the
            customer responded to this contact).

    Raises:
        DataError: columns or values are missing, success is no yes or no, or two contacts
            of a customer are at the same instant with different success.

    Source: Mantel & Haenszel (1959), "Statistical aspects of the analysis of data from
        retrospective studies of disease", JNCI 22, the statistic over strata.
    """
    rows = _checked(contacts)
    rows = rows.sort_values(["customer_id", "occurred_at"], kind="stable")
    people = rows.groupby("customer_id", sort=False)
    number = people.cumcount().to_numpy() + 1
    success = rows["success"].to_numpy(bool)
    last = ~rows["customer_id"].duplicated(keep="last").to_numpy()
    each = people["success"].agg(["size", "max"])
    response = _response(each["size"].to_numpy(), each["max"].to_numpy(bool))
    followed, expected, z, used = _against_strata(number, success, ~last)
    if z is None:
        return StoppingRuleTest(UNKNOWN, used, followed, expected, None, response)
    from scipy.special import ndtr

    p_value = float(ndtr(z))
    stops = p_value < ALARM and followed < NOTABLE * expected
    status = STOPS if stops else GOES_ON
    return StoppingRuleTest(status, used, followed, expected, p_value, response)


def contacts_without_order(
    contacts: NDArray[Any] | pd.Series, responded: NDArray[Any] | pd.Series
) -> StoppingRuleTest:
    """Counts of contacts and whether the customer responded, of which nobody knows when.

    Nothing tells a stopping rule from an effect then, so an effect is refused.

    Args:
        contacts: Contacts of each customer, whole numbers from 1, (n,).
        responded: Whether each responded at all, (n,).

    Raises:
        DataError: unequal lengths, nobody, or counts that are none.
    """
    count, yes = np.asarray(contacts, float), np.asarray(responded, float)
    faults = []
    if count.shape != yes.shape or count.ndim != 1 or not len(count):
        faults.append(f"shapes {count.shape} and {yes.shape}; one value a customer is required")
    if (count < 1).any() or (count != np.floor(count)).any() or not np.isfinite(count).all():
        faults.append("contacts must be whole numbers from 1; leave out who was not contacted")
    if not np.isin(yes, (0, 1)).all():
        faults.append("responded must be 0 or 1")
    if faults:
        raise DataError("contacts and responses of customers", faults)
    response = _response(count.astype(int), yes.astype(bool))
    return StoppingRuleTest(UNKNOWN, int(yes.sum()), 0, 0.0, None, response)


def _checked(contacts: pd.DataFrame) -> pd.DataFrame:
    names = [str(name) for name in contacts.columns]
    faults = [f"no column '{n}'{did_you_mean(n, names)}" for n in _NEEDED if n not in names]
    if faults or contacts.empty:
        raise DataError(
            f"contacts need {', '.join(_NEEDED)}, one row each", faults or ["there are no rows"]
        )
    rows = contacts[list(_NEEDED)]
    empty = rows.isna().sum()
    faults = [f"{name} is empty in {count:,} rows" for name, count in empty.items() if count]
    if not faults and not rows["success"].isin([0, 1]).all():
        faults.append("success must be true or false in every row")
    if not faults:
        rows = rows.assign(success=rows["success"].astype(bool))
        keys = ["customer_id", "occurred_at"]
        split = rows.groupby(keys, sort=False)["success"].nunique()
        mixed = split[split > 1]
        if len(mixed):
            faults.append(
                f"{len(mixed):,} instants have contacts with and without success (first: "
                f"customer {shown_id(mixed.index[0][0])}); which came first must be known"
            )
    if faults:
        raise DataError(f"{len(contacts):,} contacts", faults)
    return rows


def _response(contacts: NDArray[Any], responded: NDArray[np.bool_]) -> dict[int, Estimate]:
    numbers, place = np.unique(contacts, return_inverse=True)
    customers = np.bincount(place)
    yes = np.bincount(place, responded).astype(int)
    return {
        int(k): wilson_interval(int(y), int(n))
        for k, y, n in zip(numbers, yes, customers, strict=True)
    }


def _against_strata(
    number: NDArray[Any], success: NDArray[np.bool_], goes_on: NDArray[np.bool_]
) -> tuple[int, float, float | None, int]:
    """Followed successes, how many were expected, the z of that, and successes used."""
    size = int(number.max()) + 1
    n = np.bincount(number, minlength=size).astype(float)
    yes = np.bincount(number, success, size)
    on = np.bincount(number, goes_on, size)
    both = np.bincount(number, success & goes_on, size)
    # Strata in which all succeed, or nobody does, have nothing to be held against.
    told = (yes > 0) & (yes < n)
    n, yes, on, both = n[told], yes[told], on[told], both[told]
    variance = (yes * (n - yes) * on * (n - on) / (n**2 * np.maximum(n - 1, 1))).sum()
    # Mantel and Haenszel hold the margins fixed; what is shown is what the others did.
    gap = float((both - yes * on / n).sum())
    expected = float((yes * (on - both) / (n - yes)).sum())
    # Half a contact of continuity keeps the alarm honest where there are few successes.
    z = min(gap + 0.5, 0.0) / float(np.sqrt(variance)) if variance > 0 else None
    return int(both.sum()), expected, z, int(yes.sum())
