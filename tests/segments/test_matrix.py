"""Value by potential: four corners, everybody in exactly one, no residual."""

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import ParameterError

CORNERS = {
    "gold": "high value, high potential",
    "platinum": "high value, low potential",
    "silver": "low value, high potential",
    "attention": "low value, low potential",
}
MATRIX = {
    "value": "total_spend",
    "high value": "value >= 100",
    "potential": "rank of clv",
    "high potential": "potential <= 50 %",
    "tiers": CORNERS,
}


def rules_of(**change):
    return rk.tier_rules({"currency": "USD", "matrix": {**MATRIX, **change}})


def test_every_corner_and_both_borders():
    frame = pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "total_spend": [100.0, 99.99, 100.0, 99.99],
            "clv": [9.0, 8.0, 2.0, 1.0],
        }
    )
    found = rk.assign_tiers(frame, rules_of(), "USD").customers
    assert found["tier"].tolist() == ["gold", "silver", "platinum", "attention"]
    assert found["clause"].tolist() == [CORNERS[tier] for tier in found["tier"]]
    assert found["matched"].tolist() == [1] * 4


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_high_and_low_hold_everybody_once_for_every_sign(sign):
    proof = rk.prove_rules(rules_of(**{"high value": f"value {sign} 100"}))
    assert proof.covers_everybody
    assert proof.overlaps_nowhere


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"potential": "clv - total_spend"}, "falls as value rises"),
        ({"potential": "clv minus total_spend"}, "is a formula; a column or 'rank of' a column"),
        ({"potential": "未来价值 减 累计消费"}, "is a formula"),
        ({"potential": "rank of clv - spend"}, "is a formula"),
        ({"potential": "total_spend"}, "value and potential are both total_spend"),
        ({"high value": "value >= 100 and value < 300"}, "must be one comparison"),
        ({"high value": "spend >= 100"}, "must be one comparison, such as 'value <= 30 %'"),
        ({"tiers": {**CORNERS, "silver": "low value"}}, "'low value' is no corner"),
        ({"tiers": {**CORNERS, "copper": CORNERS["gold"]}}, "gold and copper are the same corner"),
        ({"tiers": {"gold": CORNERS["gold"]}}, "no tier for high value, low potential; low value"),
        ({"tears": 3}, "unknown key 'tears'; did you mean 'tiers'?"),
    ],
)
def test_what_is_no_matrix(change, said):
    with pytest.raises(ParameterError) as caught:
        rules_of(**change)
    assert said in str(caught.value)


def test_a_residual_that_was_computed_before_is_refused_too():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(50)],
            "total_spend": rng.gamma(2, 50, 50),
            "clv": rng.gamma(2, 40, 50),
        }
    )
    frame["growth"] = frame["clv"] - frame["total_spend"]
    frame["score"] = rng.integers(1, 6, 50)
    rules = rules_of(potential="growth", **{"high potential": "potential >= 0"})
    with pytest.raises(ParameterError, match="'growth' is clv minus total_spend; that falls as"):
        rk.assign_tiers(frame, rules, "USD")
    entered = rules_of(potential="score", **{"high potential": "potential >= 4"})
    assert (rk.assign_tiers(frame, entered, "USD").customers["matched"] == 1).all()


def test_tiers_and_matrix_together_are_one_too_many():
    with pytest.raises(ParameterError, match="tiers and matrix both stand there"):
        rk.tier_rules({"currency": "USD", "matrix": MATRIX, "tiers": {"a": "x > 1"}})
    with pytest.raises(ParameterError, match="matrix: must have value, high value, potential"):
        rk.tier_rules({"matrix": "gold"})
