"""Which channel and content is answered, and which issues grow more than tickets do.

A customer's answers are alike, so contacts are not independent: every interval here is the
Wilson interval of the number of contacts that would say as much if they were (contacts ÷ design
effect). Nobody was assigned a channel or a content by chance unless that is said, so a
difference may be one of the customers who got it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from relkit.errors import DataError, ParameterError, did_you_mean
from relkit.frequency.multiplicity import benjamini_hochberg
from relkit.intervals import Estimate, normal_quantile, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

INTERACTION, OPENED = "interaction", "opened"
BETTER, WORSE, UNCLEAR = "better", "worse", "unclear"
GROWS, SHRINKS = "grows", "shrinks"
CHANGE_FORM, FINE = "change_form", "fine"
LEAST = 30


def design_effect(
    answered: float, contacts: float, answered2: float, cross: float, contacts2: float
) -> float:
    """How many times the variance of a share is that of independent contacts, at least 1.

    Args:
        answered, contacts: Sums over customers.
        answered2, cross, contacts2: Sums over customers of answered², answered × contacts
            and contacts².

    Source: Cochran (1977), "Sampling Techniques", the ratio estimator of clusters; Kish
        (1965) for the design effect.
    """
    share = answered / contacts
    if not 0 < share < 1:
        # Nothing varies: the contacts of a customer are taken as one, the cautious way.
        return max(contacts2 / contacts, 1.0)
    spread = answered2 - 2 * share * cross + share**2 * contacts2
    return float(max(spread / (contacts * share * (1 - share)), 1.0))


def clustered_share(
    answered: float, contacts: float, effect: float, level: float = 0.95
) -> Estimate:
    """A share with the Wilson interval of contacts ÷ design effect; n is the contacts."""
    share = answered / contacts
    n = max(math.floor(contacts / effect + 1e-9), 1)
    interval = wilson_interval(min(round(share * n), n), n, level)
    return Estimate(
        share, min(interval.low, share), max(interval.high, share), int(contacts), level
    )


@dataclass(frozen=True, slots=True, eq=False)
class ResponseRates:
    """How often contacts are answered.

    Attributes:
        rates: One row a split, value and response: split ('channel' or 'content_type'),
            value, response, contacts, answered, rate, low, high, design_effect.
        low_open: Opening rate below which a content should change its form.
        contents: One row a content: content_type, contacts, rate (opened), low, high, status
            ('change_form': the whole interval lies below `low_open`; 'fine': above;
            'unclear'). Empty where nobody knows what was opened.
        level: Of the intervals.
    """

    rates: pd.DataFrame
    low_open: float
    contents: pd.DataFrame
    level: float

    def of(self, split: str, response: str = INTERACTION) -> pd.DataFrame:
        """The rows of a split and a response, most answered first.

        Raises:
            ParameterError: none such.
        """
        rows = self.rates[(self.rates["split"] == split) & (self.rates["response"] == response)]
        if rows.empty:
            known = sorted({f"{s} {r}" for s, r in self.rates[["split", "response"]].to_numpy()})
            raise ParameterError(f"no rate of {split} {response}; there are {', '.join(known)}")
        return rows.sort_values(["rate", "value"], ascending=[False, True], ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """One row a split, value and response."""
        return self.rates.copy()


def response_rates(
    responses: pd.DataFrame, low_open: float = 0.15, level: float = 0.95
) -> ResponseRates:
    """Response rates by channel and content type, with intervals.

    Args:
        responses: As `practice_counts` gives them: split, value, response, contacts,
            answered, sum_answered2, sum_answered_contacts, sum_contacts2.
        low_open: Opening rate that is too low; the company's own bound.
        level: Of the intervals.

    Raises:
        ParameterError: a bound that is no share.
        DataError: nothing to compute from.
    """
    if not 0 < low_open < 1:
        raise ParameterError(f"low_open={low_open!r} must be a share between 0 and 1")
    if responses.empty:
        raise DataError("no contact of which it is known whether it was answered")
    sums = responses[["answered", "contacts", "sum_answered2", "sum_answered_contacts",
                      "sum_contacts2"]].to_numpy(float)  # fmt: skip
    effects = [design_effect(*row) for row in sums]
    shares = [clustered_share(r[0], r[1], e, level) for r, e in zip(sums, effects, strict=True)]
    rates = responses[["split", "value", "response", "contacts", "answered"]].assign(
        rate=[one.value for one in shares],
        low=[one.low for one in shares],
        high=[one.high for one in shares],
        design_effect=effects,
    )
    rates = rates.astype({"contacts": "int64", "answered": "int64"}).reset_index(drop=True)
    opened = rates[(rates["split"] == "content_type") & (rates["response"] == OPENED)]
    contents = opened.rename(columns={"value": "content_type"})
    status = np.select(
        [contents["high"] < low_open, contents["low"] > low_open], [CHANGE_FORM, FINE], UNCLEAR
    )
    contents = contents.assign(status=status)[
        ["content_type", "contacts", "rate", "low", "high", "status"]
    ].sort_values(["rate", "content_type"], ignore_index=True)
    return ResponseRates(rates, low_open, contents, level)


@dataclass(frozen=True, slots=True, eq=False)
class ContentComparison:
    """Contents held against one of them.

    Attributes:
        contents: One row a content other than the reference: content_type, contacts, rate,
            reference_rate, difference, low, high, ratio (rate ÷ reference's), ratio_low,
            ratio_high, p_value, adjusted (Benjamini–Hochberg over the contents), status
            ('better', 'worse', 'unclear'). The intervals hold together: each has the level
            1 − (1 − level) ÷ contents.
        reference: The content that they are held against.
        response: What counts as an answer.
        randomised: Whether contents were assigned by chance; where not, a difference is a
            hypothesis only.
        level: Of all intervals together.
    """

    contents: pd.DataFrame
    reference: str
    response: str
    randomised: bool
    level: float

    @property
    def hypothesis_only(self) -> bool:
        """Always so where customers were not assigned by chance."""
        return not self.randomised

    def to_frame(self) -> pd.DataFrame:
        """One row a content."""
        return self.contents.copy()


def compare_contents(
    rates: ResponseRates,
    reference: str,
    response: str = INTERACTION,
    randomised: bool = False,
    split: str = "content_type",
) -> ContentComparison:
    """Hold each content against one of them, with many comparisons accounted for.

    Args:
        rates: As `response_rates` gives them.
        reference: The content, such as the promotion that others are to replace.
        response: 'interaction', 'opened', 'clicked' or 'replied'.
        randomised: Whether it was by chance who got which.
        split: 'content_type', or 'channel' to compare channels.

    Raises:
        ParameterError: no such content or response.
        DataError: nothing to compare with.

    Source: Newcombe (1998), method 10, for the difference; Katz et al. (1978) for the ratio,
        each on contacts ÷ design effect.
    """
    rows = rates.of(split, response).set_index("value")
    if reference not in rows.index:
        known = list(rows.index)
        raise ParameterError(
            f"no {split} '{reference}'{did_you_mean(reference, known)}; there are "
            f"{', '.join(known)}"
        )
    others = [value for value in rows.index if value != reference]
    if not others:
        raise DataError(f"'{reference}' is the only {split}; there is nothing to compare it with")
    level = 1 - (1 - rates.level) / len(others)
    import pandas as pd

    by_name = {str(value): row for value, row in rows.iterrows()}
    found = [_against(by_name[one], by_name[reference], level) for one in others]
    frame = pd.DataFrame(found)
    frame.insert(0, split, others)
    frame["adjusted"] = benjamini_hochberg(frame["p_value"].tolist())
    frame["status"] = np.select([frame["low"] > 0, frame["high"] < 0], [BETTER, WORSE], UNCLEAR)
    return ContentComparison(frame, reference, response, randomised, rates.level)


def _against(one: pd.Series, other: pd.Series, level: float) -> dict[str, float]:
    shares = [
        clustered_share(row["answered"], row["contacts"], row["design_effect"], level)
        for row in (one, other)
    ]
    n = [row["contacts"] / row["design_effect"] for row in (one, other)]
    a, b = shares
    low, high = newcombe(a, b)
    result = {
        "contacts": int(one["contacts"]), "rate": a.value, "reference_rate": b.value,
        "difference": a.value - b.value, "low": low, "high": high,
    }  # fmt: skip
    result |= _ratio(a.value, b.value, n, level)
    whole = (a.value * n[0] + b.value * n[1]) / sum(n)
    error = math.sqrt(whole * (1 - whole) * (1 / n[0] + 1 / n[1]))
    z = (a.value - b.value) / error if error > 0 else 0.0
    return result | {"p_value": math.erfc(abs(z) / math.sqrt(2))}


def newcombe(first: Estimate, second: Estimate) -> tuple[float, float]:
    """Interval of a difference of two shares, from the Wilson interval of each."""
    gap = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return gap - below, gap + above


def _ratio(a: float, b: float, n: list[float], level: float) -> dict[str, float]:
    """nan where a share is 0: a ratio to nothing is not known."""
    if a <= 0 or b <= 0:
        return dict.fromkeys(("ratio", "ratio_low", "ratio_high"), math.nan)
    half = normal_quantile(level) * math.sqrt((1 - a) / (a * n[0]) + (1 - b) / (b * n[1]))
    ratio = a / b
    return {
        "ratio": ratio, "ratio_low": ratio * math.exp(-half), "ratio_high": ratio * math.exp(half)
    }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RecurringIssues:
    """Issues that come back, and those that grow more than the tickets do.

    Attributes:
        issues: One row an issue: issue, tickets, customers, repeated (customers with it
            twice or more), repeated_share, earlier_share, later_share (of all tickets of the
            half), difference, low, high (at a level for all issues together), volume_ratio
            (tickets of the issue, later ÷ earlier), p_value, adjusted, status ('grows',
            'shrinks', 'unclear'), recurring (in every month of the window and with at least
            `least_share` of the tickets).
        volume_ratio: All tickets, later half ÷ earlier half: growth that is no issue's own.
        months: In the window.
        least_share: As above.
    """

    issues: pd.DataFrame
    volume_ratio: float
    months: int
    least_share: float

    def to_frame(self) -> pd.DataFrame:
        """One row an issue."""
        return self.issues.copy()


def recurring_issues(
    periods: pd.DataFrame,
    by_month: pd.DataFrame,
    repeated: pd.DataFrame,
    least_share: float = 0.1,
    level: float = 0.95,
) -> RecurringIssues:
    """Which issues recur, and which grow beyond the growth of all tickets.

    What is compared is the share of an issue in all tickets of a half: where everything
    doubles because the company grew, no share changes.

    Args:
        periods, by_month, repeated: As `issue_counts` gives them.
        least_share: Share of the tickets from which an issue can be called recurring.
        level: Of the intervals together.

    Raises:
        DataError: a half without tickets.
    """
    halves = periods.drop_duplicates("half").set_index("half")["all_tickets"]
    if len(halves) < 2 or not (halves > 0).all():
        raise DataError("a half of the window has no ticket; choose a longer window")
    names = sorted(periods["issue"].unique())
    each = 1 - (1 - level) / len(names)
    rows, months = [], by_month["month"].nunique()
    cells = periods.set_index(["issue", "half"])
    again = repeated.set_index("issue")
    for name in names:
        shares, effects = [], []
        for half in ("earlier", "later"):
            cell = cells.loc[(name, half)]
            effect = design_effect(*(float(cell[c]) for c in (
                "tickets", "all_tickets", "sum_issue2", "sum_issue_all", "sum_all2")))  # fmt: skip
            effects.append(effect)
            shares.append(clustered_share(cell["tickets"], cell["all_tickets"], effect, each))
        earlier, later = (
            float(cells.loc[(name, half), "tickets"]) for half in ("earlier", "later")
        )
        low, high = newcombe(shares[1], shares[0])
        n = [halves[half] / e for half, e in zip(("later", "earlier"), effects[::-1], strict=True)]
        whole = (shares[1].value * n[0] + shares[0].value * n[1]) / sum(n)
        error = math.sqrt(whole * (1 - whole) * (1 / n[0] + 1 / n[1]))
        gap = shares[1].value - shares[0].value
        seen = by_month[(by_month["issue"] == name) & (by_month["tickets"] > 0)]["month"].nunique()
        total = earlier + later
        rows.append({
            "issue": name, "tickets": int(total), "customers": int(again.loc[name, "customers"]),
            "repeated": int(again.loc[name, "repeated"]),
            "repeated_share": float(again.loc[name, "repeated"] / again.loc[name, "customers"]),
            "earlier_share": shares[0].value, "later_share": shares[1].value,
            "difference": gap, "low": low, "high": high,
            "volume_ratio": later / earlier if earlier else math.nan,
            "p_value": math.erfc(abs(gap) / error / math.sqrt(2)) if error > 0 else 1.0,
            "status": GROWS if low > 0 else SHRINKS if high < 0 else UNCLEAR,
            "recurring": bool(seen == months and total / halves.sum() >= least_share),
        })  # fmt: skip
    import pandas as pd

    frame = pd.DataFrame(rows)
    frame.insert(12, "adjusted", benjamini_hochberg(frame["p_value"].tolist()))
    frame = frame.sort_values(["tickets", "issue"], ascending=[False, True], ignore_index=True)
    return RecurringIssues(
        frame, float(halves["later"] / halves["earlier"]), int(months), least_share
    )
