"""May this customer be contacted over this channel? Unknown is not consent.

One definition for every list that somebody will act on: a channel may be used for a
customer only where the table of customers says yes for it. An empty answer, a channel
that was never asked, a customer who is not in the table: all of them are no permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from relkit.errors import ParameterError, did_you_mean

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from relkit.data.sources import Source

# Channels that need a permission, in the order of the columns consent_email, ….
# A visit or an app needs none on record.
CONSENT_OF = {channel: f"consent_{channel}" for channel in ("email", "phone", "sms", "wechat")}
CONSENT_CHANNELS = tuple(CONSENT_OF)


@dataclass(frozen=True, slots=True)
class ChannelConsent:
    """What customers said to one channel.

    Attributes:
        channel: 'email', 'phone', 'sms' or 'wechat'.
        yes, no, unknown: Customers; together all in the table.
        asked: Whether the source has the column at all; if not, all are unknown.
    """

    channel: str
    yes: int
    no: int
    unknown: int
    asked: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """Who may be contacted, and over what.

    Attributes:
        channels: What customers said, by channel.
        rows: customer_id and may_email, may_phone, may_sms, may_wechat; true or false,
            never empty; lazy, one row a customer.
    """

    channels: tuple[ChannelConsent, ...]
    rows: ir.Table

    def to_frame(self) -> pd.DataFrame:
        """channel, yes, no, unknown, asked; one row a channel."""
        import pandas as pd

        names = ("channel", "yes", "no", "unknown", "asked")
        listed = [[getattr(each, name) for name in names] for each in self.channels]
        return pd.DataFrame(listed, columns=list(names))

    def may_contact(self, channel: str, customer_ids: Iterable[object]) -> pd.Series:
        """Whether each customer may be contacted over a channel.

        Args:
            channel: One of those that need a permission.
            customer_ids: Any; who is not in the table gave no permission.

        Returns:
            bool, in the order asked for, indexed by customer_id.

        Raises:
            ParameterError: a channel that nobody is asked about.
        """
        import pandas as pd

        check_channel(channel)
        allowed = self.rows.filter(self.rows[f"may_{channel}"]).customer_id.to_pyarrow()
        known = set(allowed.to_pylist())
        asked = [str(each) for each in customer_ids]
        return pd.Series(
            [each in known for each in asked],
            index=pd.Index(asked, name="customer_id"),
            name=f"may_{channel}",
            dtype=bool,
        )


def check_channel(channel: str) -> None:
    """Refuse a channel without a column of consent.

    Raises:
        ParameterError: it is none of CONSENT_CHANNELS.
    """
    if channel not in CONSENT_CHANNELS:
        raise ParameterError(
            f"channel={channel!r} must be {', '.join(CONSENT_CHANNELS[:-1])} or "
            f"{CONSENT_CHANNELS[-1]}{did_you_mean(str(channel), CONSENT_CHANNELS)}; for other "
            "channels a source has no consent, so nobody may be contacted by it"
        )


def consent(source: Source) -> Consent:
    """Who of a source's customers may be contacted, by channel.

    Args:
        source: As opened; its table of customers is read.

    Raises:
        DataError: the table of customers is not supplied, or cannot be used.
    """
    customers = source.table("customers")
    rows = customers.select("customer_id", **{
        f"may_{channel}": may_contact(customers, channel) for channel in CONSENT_CHANNELS
    })  # fmt: skip
    asked = [channel for channel, column in CONSENT_OF.items() if column in customers.columns]
    sums = {"n": customers.count()}
    for channel in asked:
        said = consent_said(customers, channel)
        sums[f"{channel}_yes"] = said.fill_null(False).sum()
        sums[f"{channel}_no"] = (~said).fill_null(False).sum()
    (found,) = customers.agg(**sums).to_pyarrow().to_pylist()
    counted = []
    for channel in CONSENT_CHANNELS:
        yes, no = (int(found.get(f"{channel}_{word}") or 0) for word in ("yes", "no"))
        unknown = found["n"] - yes - no
        counted.append(ChannelConsent(channel, yes, no, unknown, channel in asked))
    return Consent(tuple(counted), rows)


def may_contact(customers: ir.Table, channel: str) -> ir.BooleanValue:
    """Whether each row of the table of customers has a yes for a channel; never null.

    Raises:
        ParameterError: a channel that nobody is asked about.
    """
    allowed: ir.BooleanValue = consent_said(customers, channel).fill_null(False)
    return allowed


def consent_said(customers: ir.Table, channel: str) -> ir.BooleanValue:
    """What each row of the table of customers says of a channel: yes, no, or null, unknown.

    Only for counting who said what; whether somebody may be contacted is `may_contact`.

    Raises:
        ParameterError: a channel that nobody is asked about.
    """
    import ibis

    check_channel(channel)
    column = CONSENT_OF[channel]
    said: ir.BooleanValue = ibis.null("boolean")
    if column in customers.columns:
        said = customers[column]
    return said


def consent_anywhere(customers: ir.Table) -> ir.BooleanValue:
    """Yes if one channel has a yes; null, unknown, if none has and one is not known; else no.

    Only channels that the table has a column for are looked at; without any all is unknown.
    """
    import ibis

    asked = [channel for channel, column in CONSENT_OF.items() if column in customers.columns]
    found: ir.BooleanValue = ibis.null("boolean")
    for number, channel in enumerate(asked):
        said = consent_said(customers, channel)
        found = said if number == 0 else found | said
    return found
