"""Names for RFM codes: every code exactly one, for any number of bands."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.errors import ParameterError
from relkit.segments.named_segments import segment_names

SHIPPED = Path(__file__).parents[2] / "params" / "tiers" / "rfm_segments.yaml"


def scores_of(n=200, bands=5, seed=0):
    rng = np.random.default_rng(seed)
    summary = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "frequency": rng.integers(0, 9, n),
            "recency": 0.0,
            "T": rng.integers(1, 300, n).astype(float),
            "total_spend": rng.gamma(1, 100, n),
        }
    )
    return rk.rfm_scores(summary, bands=bands, unit="day")


# Read off the patterns of the file by hand.
@pytest.mark.parametrize(
    ("code", "segment"),
    [
        ((5, 5, 1), "champions"), ((5, 4, 5), "champions"), ((4, 4, 3), "loyal"),
        ((3, 5, 1), "loyal"), ((5, 3, 2), "potential loyal"), ((4, 2, 5), "potential loyal"),
        ((5, 1, 5), "new"), ((4, 1, 1), "promising"), ((3, 3, 3), "needing attention"),
        ((3, 1, 4), "about to sleep"), ((1, 5, 1), "cannot lose"), ((2, 3, 5), "cannot lose"),
        ((2, 3, 4), "at risk"), ((1, 4, 1), "at risk"), ((2, 2, 2), "hibernating"),
        ((1, 1, 5), "hibernating"),
    ],
)  # fmt: skip
def test_the_shipped_names(code, segment):
    frame = rk.read_rfm_segments(SHIPPED).to_frame()
    assert len(frame) == 125
    r, f, m = code
    found = frame[(frame["r"] == r) & (frame["f"] == f) & (frame["m"] == m)]
    assert found["segment"].tolist() == [segment]


def test_every_customer_has_the_segment_of_the_own_code():
    names = rk.read_rfm_segments(SHIPPED)
    found = rk.rfm_segments(scores_of(), names)
    by_code = names.to_frame().set_index(["r", "f", "m"])["segment"]
    for row in found.to_frame().itertuples():
        assert row.segment == by_code[row.r, row.f, row.m]
    sizes = found.sizes()
    assert sizes["segment"].tolist() == list(names.names)
    assert sizes["customers"].sum() == 200
    assert sizes["spend_share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("bands", [2, 3, 7, 10, 20])
def test_any_number_of_bands(bands):
    content = {
        "bands": str(bands),
        "segments": {"best": f"R {bands}", "other": f"R 1-{bands - 1}"},
    }
    if bands == 2:
        content["segments"]["other"] = "R 1"
    names = segment_names(content)
    assert len(names.to_frame()) == bands**3
    found = rk.rfm_segments(scores_of(bands=bands), names).to_frame()
    assert ((found["segment"] == "best") == (found["r"] == bands)).all()


def faults_of(segments, bands="2"):
    with pytest.raises(ParameterError) as caught:
        segment_names({"bands": bands, "segments": segments})
    return str(caught.value)


def test_codes_without_a_name_or_with_two_are_listed():
    found = faults_of({"a": "R 2", "b": "R 1, F 1", "c": "R 1-2, F 1, M 2"})
    assert "2 codes have no segment: 1-2-1, 1-2-2" in found
    assert "1 codes are both a and c: 2-1-2" in found
    assert "1 codes are both b and c: 1-1-2" in found
    long = faults_of({"a": "R 1"}, bands="5")
    assert "100 codes have no segment: 2-1-1, 2-1-2," in long
    assert long.endswith("and 88 more")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("R 3", "with scores from 1 to 2, the lower first"),
        ("R 2-1", "the lower first"),
        ("R 0", "from 1 to 2"),
        ("R 1, R 2", "each letter stands once"),
        ("X 1", "'X 1' is no pattern; write 'R 4-5, F 3'"),
        ("R high", "is no pattern"),
    ],
)
def test_patterns_that_are_none(pattern, said):
    assert said in faults_of({"a": pattern})


def test_other_faults():
    assert "bands: 'five' must be a whole number from 2" in faults_of({"a": "R 1"}, bands="five")
    with pytest.raises(ParameterError, match="unknown key 'segment'; did you mean 'segments'"):
        segment_names({"bands": "2", "segment": {"a": "R 1-2"}})
    with pytest.raises(ParameterError, match="the scores have 4 bands and the names are for 5"):
        rk.rfm_segments(scores_of(bands=4), rk.read_rfm_segments(SHIPPED))
