"""Who may be contacted: counted by hand, and unknown is never yes."""

from __future__ import annotations

import pandas as pd
import pytest

from relkit.data.consent import CONSENT_CHANNELS, consent
from relkit.data.quality.row_funnel import funnel
from relkit.data.sources import open_source
from relkit.data.world import simulate_world
from relkit.data.world_files import write_world
from relkit.errors import DataError, ParameterError

CUSTOMERS = "id,mail ok,sms ok\n1,yes,no\n2,,yes\n3,no,\n4,true,0\n5,n/a,\n"
YAML = """\
name: Shop
format: csv
tables:
  transactions:
    files: data/sales.csv
    columns: {customer_id: who, occurred_at: day, amount: paid}
  customers:
    files: data/customers.csv
    columns: {customer_id: id, consent_email: mail ok, consent_sms: sms ok}
"""


@pytest.fixture
def shop(project):
    (project / "data/sales.csv").write_text("who,day,paid\n1,2025-01-01,5\n")
    (project / "data/customers.csv").write_text(CUSTOMERS)
    (project / "params/sources/shop.yaml").write_text(YAML)
    return open_source("params/sources/shop.yaml")


def test_each_channel_is_counted_and_what_was_never_asked_is_unknown(shop):
    found = consent(shop).to_frame()
    assert found.to_dict("list") == {
        "channel": ["email", "phone", "sms", "wechat"],
        "yes": [2, 0, 1, 0],
        "no": [1, 0, 2, 0],
        "unknown": [2, 5, 2, 5],
        "asked": [True, False, True, False],
    }


def test_only_a_yes_is_a_permission(shop):
    may = consent(shop).rows.order_by("customer_id").execute()
    assert may["may_email"].tolist() == [True, False, False, True, False]
    assert may["may_sms"].tolist() == [False, True, False, False, False]
    assert not may["may_phone"].any()
    assert not may["may_wechat"].any()
    assert not may.isna().any(axis=None)


def test_customers_are_asked_for_by_name_and_strangers_gave_none(shop):
    asked = consent(shop).may_contact("email", ["4", 2, "nobody", "1"])
    assert asked.to_dict() == {"4": True, "2": False, "nobody": False, "1": True}
    assert asked.dtype == bool


@pytest.mark.parametrize("channel", ["e-mail", "visit", "", None])
def test_a_channel_that_nobody_is_asked_about(shop, channel):
    with pytest.raises(ParameterError, match="must be email, phone, sms or wechat"):
        consent(shop).may_contact(channel, ["1"])


def test_without_customers_nobody_can_say(make_source):
    source = open_source(make_source("customer,day,amount\n1,2025-01-01,5\n"))
    with pytest.raises(DataError, match="not supplied: customers"):
        consent(source)


@pytest.fixture(scope="module")
def world_source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("consent") / "world"
    return open_source(write_world(folder, customers=60, seed=4, faults=None).source)


def test_the_world_counts_as_its_frames_do(world_source):
    world = simulate_world(customers=60, seed=4, faults=None).tables["customers"]
    found = consent(world_source).to_frame().set_index("channel")
    for channel in CONSENT_CHANNELS:
        said = pd.array(world[f"consent_{channel}"], dtype="boolean")
        counted = [int((said == True).sum()), int((said == False).sum()), int(said.isna().sum())]  # noqa: E712
        assert found.loc[channel, ["yes", "no", "unknown"]].tolist() == counted
        assert sum(counted) == len(world)
        assert min(counted) > 0


def test_the_funnel_and_the_list_of_who_may_be_contacted_agree(world_source):
    source = world_source
    may, people = consent(source), source.customers.execute()
    rows = funnel(source)
    anywhere = sum(
        any(said) for said in zip(*(
            may.may_contact(channel, people["customer_id"]) for channel in CONSENT_CHANNELS
        ), strict=True)
    )  # fmt: skip
    assert rows.of("customers").usable == anywhere
    touches = source.touches.execute()
    asked = touches[
        (touches["direction"].fillna("outbound") == "outbound")
        & touches["channel"].isin(CONSENT_CHANNELS)
    ]
    allowed = 0
    for channel, theirs in asked.groupby("channel"):
        allowed += int(may.may_contact(channel, theirs["customer_id"]).sum())
    assert 0 < allowed < len(asked)
    assert rows.of("touches").usable == len(touches) - len(asked) + allowed
