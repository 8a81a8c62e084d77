"""No message says a customer's id as it is: what is raised is printed, logged and published."""

import hashlib
import hmac

import pandas as pd
import pytest

import relkit as rk
from relkit.errors import DataError
from relkit.privacy import KEY_VARIABLE, Privacy, showing

ID, OTHER = "KX-70411", "KX-70422"
KEY = "a key that only this file has"
MODEL = rk.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426, unit="week")
SPEND = rk.GammaGamma(6.0, 4.0, 15.0)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def keyed(customer_id):
    """RFC 2104, written anew."""
    digits = hmac.new(KEY.encode(), customer_id.encode(), hashlib.sha256).hexdigest()
    return "-".join((digits[:5], digits[5:10], digits[10:15]))


def summary(*ids):
    frame = pd.DataFrame({"customer_id": list(ids), "frequency": 1, "recency": 5.0, "T": 9.0})
    frame["monetary_value"] = 12.0
    frame.attrs["unit"] = "week"
    return frame


def worth(*ids):
    return rk.customer_lifetime_value(
        MODEL, SPEND, summary(*ids), horizon=52, annual_discount_rate=0.1
    )


def tiers():
    return rk.rank_tiers(pd.Series([ID, OTHER]), pd.Series([9.0, 1.0]), (0.5,))


def transactions():
    at = pd.to_datetime(["2025-01-01", "2025-01-09"])
    columns = {"transaction_id": ["1", "2"], "customer_id": OTHER, "occurred_at": at}
    return pd.DataFrame(columns | {"amount": 1.0, "kind": "purchase"})


FAULTS = {
    "a customer who is not there": lambda: worth(OTHER).customer_predictions([ID], draws=50),
    "a customer asked for twice": lambda: worth(ID).customer_predictions([ID, ID], draws=50),
    "a summary that repeats one": lambda: worth(ID, ID),
    "a customer without a label": lambda: worth(OTHER, ID).total_by(["a", None]),
    "a customer who was there": lambda: rk.value_change(worth(ID), worth(OTHER)),
    "columns of other customers": lambda: tiers().profile(summary(OTHER, ID, "x")),
    "a history of nobody": lambda: rk.customer_history(
        transactions(), ID, MODEL, as_of="2025-02-01"
    ),
    "whom to show, from a summary that repeats one": lambda: rk.pick_customer(
        worth(OTHER), summary(ID, ID)
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_id_in_a_message_is_a_pseudonym(name):
    with pytest.raises(DataError) as caught:
        FAULTS[name]()
    who = "x" if name == "columns of other customers" else ID
    assert keyed(who) in str(caught.value)
    assert "KX-" not in str(caught.value)
    with showing(Privacy(show_ids=True)), pytest.raises(DataError) as caught:
        FAULTS[name]()
    assert who in str(caught.value)
    assert keyed(who) not in str(caught.value)


@pytest.mark.parametrize("column", ["occurred_at", "amount"])
def test_a_stray_text_of_a_frame_is_said_by_its_shape(column):
    frame = transactions().astype({column: object})
    frame.loc[1, column] = "Zofia Quillfeather"
    with pytest.raises(DataError, match="like Aaaaa Aaaaaaaaaaaa") as caught:
        rk.rfm_summary(frame, as_of="2025-02-01", unit="week")
    assert "Zofia" not in str(caught.value)
    frame.loc[1, column] = "31.31.2025" if column == "occurred_at" else "1,2,3"
    with pytest.raises(DataError, match=r"31\.31\.2025|9,9,9"):
        rk.rfm_summary(frame, as_of="2025-02-01", unit="week")


def test_a_parameter_that_names_a_customer_is_no_part_of_a_provenance():
    told = {"name": "Shop", "as_of": "2025-01-01"}
    parameters = {"customer_id": ID, "customer_ids": [ID, OTHER], "email": "z@x.example", "n": 3}
    block = rk.provenance(told, parameters=parameters)
    shown = dict(block.parameters)
    assert shown["customer_id"] == keyed(ID)
    assert keyed(OTHER) in shown["customer_ids"]
    assert shown["n"] == "3"
    assert not [word for word in ("KX-", "z@x") if word in str(block)]


def test_no_format_word_takes_an_id_that_a_block_would_keep():
    with pytest.raises(rk.ParameterError, match="unknown format word 'customer'"):
        rk.statement(en="{who:customer} left", zh="{who:customer} 已流失", who=ID)
