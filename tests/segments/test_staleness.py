"""Tiers in use that no longer fit: V12's riser first."""

import numpy as np
import pandas as pd
import pytest

from relkit.errors import DataError, ParameterError
from relkit.privacy import pseudonym
from relkit.segments.staleness import stale_tiers
from relkit.segments.tiers import rank_tiers

LEVELS = ("level 1", "level 2", "level 3")


def in_use(**who):
    return pd.DataFrame(list(who.items()), columns=["customer_id", "tier"])


def spend(**who):
    return pd.DataFrame(list(who.items()), columns=["customer_id", "revenue"])


CRM = in_use(big="level 1", mid="level 2", riser="level 3", small="level 3", gone="level 2")
NOW = pd.DataFrame(
    [("big", "A"), ("mid", "C"), ("riser", "A"), ("small", "C"), ("fresh", "B")],
    columns=["customer_id", "tier"],
)
BEFORE = spend(big=900.0, mid=300.0, riser=100.0, small=10.0)
AFTER = spend(big=800.0, mid=50.0, riser=400.0, small=12.0, fresh=200.0)


def audit(**change):
    given = {"names_in_use": LEVELS, "names": ("A", "B", "C")} | change
    return stale_tiers(CRM, NOW, BEFORE, AFTER, **given)


def test_spend_four_times_as_much_and_still_level_three_comes_first():
    found = audit()
    first = found.to_frame().iloc[0]
    assert first["customer_id"] == "riser"
    assert first["growth"] == 3.0  # +300 %
    assert first["levels"] == 2
    assert first["reasons"] == "rose, too_low"
    assert found.to_frame()["customer_id"].tolist() == ["riser", "mid"]
    assert found.to_frame().iloc[1][["levels", "reasons"]].tolist() == [-1, "too_high"]
    assert (found.compared, found.agree) == (4, 2)
    assert (found.without_tier_in_use, found.unknown) == (1, 1)
    assert (found.count("rose"), found.count("too_low"), found.count("too_high")) == (1, 1, 1)


def test_a_riser_is_listed_though_the_computed_tier_lags_too():
    lagging = NOW.assign(tier=NOW["tier"].where(NOW["customer_id"] != "riser", "C"))
    found = stale_tiers(CRM, lagging, BEFORE, AFTER, LEVELS, ("A", "B", "C"))
    first = found.to_frame().iloc[0]
    assert (first["customer_id"], first["reasons"], first["levels"]) == ("riser", "rose", 0)


def test_the_threshold_belongs_to_those_who_rose():
    assert audit(rise=3.0).count("rose") == 1
    assert audit(rise=3.01).count("rose") == 0


def test_from_nothing_there_is_no_share_but_a_rise():
    found = stale_tiers(CRM, NOW, spend(big=1.0), AFTER, LEVELS, ("A", "B", "C")).to_frame()
    riser = found.set_index("customer_id").loc["riser"]
    assert np.isnan(riser["growth"])
    assert riser["reasons"] == "rose, too_low"


def test_a_planted_riser_appears_in_the_next_run():
    random = np.random.default_rng(4)
    ids = [f"c{i:03d}" for i in range(200)]
    last_year = random.gamma(2, 100, 200)
    tiers = rank_tiers(ids, last_year)
    crm = tiers.to_frame()[["customer_id", "tier"]]
    before = pd.DataFrame({"customer_id": ids, "revenue": last_year})
    same = before.copy()
    quiet = stale_tiers(crm, tiers, before, same)
    assert quiet.to_frame().empty  # nothing changed: nothing is listed
    riser = crm.loc[crm["tier"] == "C", "customer_id"].iloc[7]
    grown = same.assign(
        revenue=same["revenue"].where(same["customer_id"] != riser, same["revenue"] * 4)
    )
    found = stale_tiers(crm, rank_tiers(ids, grown["revenue"]), before, grown).to_frame()
    assert found["customer_id"].iloc[0] == riser
    assert "rose" in found["reasons"].iloc[0]


def test_the_order_of_the_rows_changes_nothing():
    shuffled = [frame.sample(frac=1, random_state=2) for frame in (CRM, NOW, BEFORE, AFTER)]
    again = stale_tiers(*shuffled, LEVELS, ("A", "B", "C"))
    pd.testing.assert_frame_equal(again.to_frame(), audit().to_frame())


def test_unknown_and_torn_tiers_of_the_file_are_said():
    wrong = pd.concat([CRM, in_use(odd="levle 3", big="level 2")])
    with pytest.raises(DataError, match=r"unknown tier 'levle 3' in 1 rows.*did you mean 'level"):
        stale_tiers(wrong, NOW, BEFORE, AFTER, LEVELS, ("A", "B", "C"))
    torn = pd.concat([CRM, in_use(big="level 2")])
    with pytest.raises(DataError, match=f"two tiers .first: {pseudonym('big')}"):
        stale_tiers(torn, NOW, BEFORE, AFTER, LEVELS, ("A", "B", "C"))


def test_as_many_levels_are_needed():
    with pytest.raises(ParameterError, match="2 tiers in use .* stand against 3 computed"):
        stale_tiers(in_use(big="x"), NOW, BEFORE, AFTER, ("x", "y"), ("A", "B", "C"))
    with pytest.raises(ParameterError, match="rise=-1 must be above 0"):
        audit(rise=-1)
    with pytest.raises(DataError, match="by the same ids"):
        stale_tiers(in_use(x="A"), NOW, BEFORE, AFTER, names=("A", "B", "C"))
    with pytest.raises(DataError, match="spend now: column revenue is missing"):
        stale_tiers(CRM, NOW, BEFORE, AFTER[["customer_id"]], LEVELS, ("A", "B", "C"))
    with pytest.raises(ParameterError, match="must be one of rose"):
        audit().count("fell")
