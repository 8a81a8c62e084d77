"""Who answered, what they said, how sure that is: papers, hand counts and planted truth."""

import math

import numpy as np
import pandas as pd
import pytest

import relkit as rk
from relkit.data.quality.supplied import NotSupplied
from relkit.errors import DataError, ParameterError


def feedback(rows):
    """(customer, asked, answered or None, kind, score or None) → the table."""
    columns = ["customer_id", "asked_at", "answered_at", "kind", "score"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["asked_at"] = pd.to_datetime(frame["asked_at"])
    frame["answered_at"] = pd.to_datetime(frame["answered_at"])
    frame["score"] = frame["score"].astype(float)
    frame.insert(0, "feedback_id", [f"f{i:03d}" for i in range(len(frame))])
    limits = {"nps": (0, 10)}
    frame["scale_min"] = [float(limits.get(kind, (1, 5))[0]) for kind in frame["kind"]]
    frame["scale_max"] = [float(limits.get(kind, (1, 5))[1]) for kind in frame["kind"]]
    return frame


def scores_of(kind, scores, silent=0):
    rows = [(f"c{i}", "2024-03-01", "2024-03-02", kind, s) for i, s in enumerate(scores)]
    rows += [(f"q{i}", "2024-03-01", None, kind, None) for i in range(silent)]
    return {"feedback": feedback(rows)}


def kind_row(found, kind):
    return found.kinds.set_index("kind").loc[kind]


# Margin of error


def test_margin_of_error_as_tables_have_it():
    # The usual table of sample sizes at 95 % and p = .5.
    for n, points in ((100, 9.8), (500, 4.4), (1_000, 3.1), (1_067, 3.0)):
        assert round(100 * rk.quality.margin_of_error(n), 1) == points
    # Krejcie & Morgan (1970): of 1,000 people 278 give ± 5 points, of 10,000 people 370.
    assert rk.quality.margin_of_error(278, population=1_000) == pytest.approx(0.05, abs=2e-4)
    assert rk.quality.margin_of_error(370, population=10_000) == pytest.approx(0.05, abs=2e-4)
    assert rk.quality.margin_of_error(50, population=50) == 0  # everybody was asked
    with pytest.raises(ParameterError) as fault:
        rk.quality.margin_of_error(0, share=50, population=-1)
    assert len(fault.value.faults) == 3


# Scores


def test_nps_and_mean_by_hand():
    tables = scores_of("nps", [10, 9, 9, 8, 7, 6, 0], silent=3)
    row = kind_row(rk.quality.survey_response(tables), "nps")
    points = np.array([100, 100, 100, 0, 0, -100, -100])
    assert row["score"] == pytest.approx(100 * (3 - 2) / 7)
    from scipy import stats

    half = stats.t.ppf(0.975, 6) * points.std(ddof=1) / math.sqrt(7)
    assert row["margin"] == pytest.approx(half)
    assert (row["low"], row["high"]) == (
        pytest.approx(max(row["score"] - half, -100)),
        pytest.approx(min(row["score"] + half, 100)),
    )
    wilson = rk.wilson_interval(7, 10)
    assert row[["response_rate", "rate_low", "rate_high"]].tolist() == [
        wilson.value, wilson.low, wilson.high,
    ]  # fmt: skip
    # Seven tenths at the score, three tenths at one end of the scale.
    assert row["lowest"] == pytest.approx(0.7 * row["score"] - 30)
    assert row["highest"] == pytest.approx(0.7 * row["score"] + 30)
    csat = kind_row(rk.quality.survey_response(scores_of("csat", [5, 4, 2])), "csat")
    assert csat["score"] == pytest.approx(11 / 3)
    assert csat["lowest"] == csat["highest"] == pytest.approx(11 / 3)  # nobody was silent


def test_half_of_500_is_known_to_4_4_points():
    """As a score of 0 or 1: the t interval of a mean, and of the whole population."""
    tables = scores_of("other", [0] * 250 + [1] * 250)
    row = kind_row(rk.quality.survey_response(tables), "other")
    assert round(100 * row["margin"], 1) == 4.4
    assert round(100 * row["share_margin"], 1) == 4.4
    finite = kind_row(rk.quality.survey_response(tables, population=1_000), "other")
    assert finite["margin"] / row["margin"] == pytest.approx(math.sqrt(500 / 999))
    everybody = kind_row(rk.quality.survey_response(tables, population=500), "other")
    assert everybody["margin"] == 0


@pytest.mark.slow
def test_the_interval_holds_what_it_promises():
    rng = np.random.default_rng(2)
    population = rng.choice([-100.0, 0.0, 100.0], 400, p=[0.3, 0.3, 0.4])
    held, rounds = 0, 100
    for _ in range(rounds):
        chosen = rng.choice(population, 120, replace=False)
        score = np.where(chosen > 0, 10, np.where(chosen < 0, 0, 7))
        row = kind_row(rk.quality.survey_response(scores_of("nps", score), population=400), "nps")
        held += row["low"] <= population.mean() <= row["high"]
    assert abs(held / rounds - 0.95) < 4 * math.sqrt(0.95 * 0.05 / rounds)


@pytest.mark.parametrize(
    ("tables", "status"),
    [
        (scores_of("csat", [], silent=4), "no scores"),
        (scores_of("csat", [3]), "fewer than 2 scores"),
        (scores_of("csat", [3, 3, 3]), "all scores alike"),
    ],
)
def test_what_cannot_be_computed_has_a_status_and_no_margin(tables, status):
    found = rk.quality.survey_response(tables)
    row = found.kinds.iloc[0]
    assert row["status"] == status
    assert row[["margin", "low", "high"]].isna().all()
    assert math.isnan(row["score"]) == (status == "no scores")


def test_scores_of_two_scales_have_no_mean():
    tables = scores_of("csat", [5, 4, 2])
    tables["feedback"].loc[0, "scale_max"] = 10.0
    row = rk.quality.survey_response(tables).kinds.iloc[0]
    assert row["status"] == "several scales"
    assert row[["score", "margin", "lowest"]].isna().all()


# Waves, double answers, those who did not answer


def small():
    return feedback(
        [
            ("a", "2024-01-03", "2024-01-05", "nps", 3),  # an older answer of the same wave
            ("a", "2024-01-20", "2024-01-21", "nps", 10),  # this one counts
            ("a", "2024-02-20", "2024-02-24", "nps", 9),
            ("b", "2024-01-04", None, "nps", None),
            ("b", "2024-01-08", "2024-01-09", "nps", 8),  # asked again
            ("c", "2024-01-31", "2024-02-02", "nps", 2),  # of the wave in which it was asked
            ("d", "2024-02-01", None, "nps", None),
            ("e", "2024-02-01", "2024-02-02", "nps", None),  # an answer without a score
            ("a", "2024-01-05", "2024-01-06", "csat", 4),
        ]
    )


def test_waves_by_hand():
    found = rk.quality.survey_response({"feedback": small()}, target=2)
    rows = found.waves[found.waves["kind"] == "nps"].set_index("wave")
    counts = ["requests", "asked", "answered", "double_answers", "scored"]
    assert rows[counts].loc["2024-01-01"].tolist() == [5, 3, 3, 1, 3]  # a b c
    assert rows[counts].loc["2024-02-01"].tolist() == [3, 3, 2, 0, 1]  # a d e
    assert rows["score"].tolist() == [pytest.approx(0), 100]  # 10 8 2; 9
    assert rows["meets_target"].tolist() == [True, False]
    assert rows["status"].tolist() == ["measured", "fewer than 2 scores"]
    row = kind_row(found, "nps")
    assert row[["requests", "asked", "answered", "double_answers"]].tolist() == [8, 6, 5, 1]
    # Each customer once: a 9, b 8, c 2; d and e gave none.
    assert row[["customers", "scored", "score"]].tolist() == [5, 3, 0]
    assert row["response_rate"] == 5 / 6
    lags = pd.Series([2, 1, 4, 1, 2, 1])  # days, all answers
    assert row["lag_median_days"] == lags.median()
    assert row["lag_p90_days"] == pytest.approx(lags.quantile(0.9))


def test_those_without_an_answer_have_a_row():
    found = rk.quality.survey_response({"feedback": small()}).answers
    nps = found[found["kind"] == "nps"].set_index("answer")
    assert nps["customers"].to_dict() == {
        "detractor": 1, "passive": 1, "promoter": 1, "no answer": 2,
    }  # fmt: skip
    assert nps["share_of_asked"].sum() == pytest.approx(1)
    assert nps.loc["passive", "share_of_scored"] == pytest.approx(1 / 3)
    assert math.isnan(nps.loc["no answer", "share_of_scored"])


def test_rows_in_another_order_say_the_same():
    rows = small()
    one = rk.quality.survey_response({"feedback": rows})
    other = rk.quality.survey_response({"feedback": rows.sample(frac=1, random_state=3)})
    for frame in ("kinds", "waves", "answers"):
        pd.testing.assert_frame_equal(getattr(one, frame), getattr(other, frame))


# Weights


def test_poststratification_by_hand():
    scores = [5, 5, 5, 4, 4, 1, 2]  # five of the north, two of the south
    tables = scores_of("csat", scores, silent=2)
    strata = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(7)]
            + ["q0", "q1"]
            + [f"x{i}" for i in range(11)],
            "region": ["n"] * 5 + ["s"] * 2 + ["n", "s"] + ["s"] * 11,
        }
    )
    found = rk.quality.survey_response(tables, strata=strata)
    rows = found.strata.set_index("stratum")
    assert rows["population"].to_dict() == {"n": 6, "s": 14}
    assert rows["weight"].to_dict() == {"n": (6 / 20) / (5 / 7), "s": (14 / 20) / (2 / 7)}
    assert rows["answered_share"].to_dict() == {"n": 5 / 6, "s": 2 / 3}
    weighted = found.weighted.iloc[0]
    north, south = np.array(scores[:5]), np.array(scores[5:])
    assert weighted["score"] == pytest.approx(0.3 * north.mean() + 0.7 * south.mean())
    variance = (
        0.09 * (1 - 5 / 6) * north.var(ddof=1) / 5 + 0.49 * (1 - 2 / 14) * south.var(ddof=1) / 2
    )
    assert weighted["margin"] == pytest.approx(1.959964 * math.sqrt(variance), rel=1e-6)
    # The same as each answer counted with its weight.
    weights = [rows.loc["n", "weight"]] * 5 + [rows.loc["s", "weight"]] * 2
    assert weighted["score"] == pytest.approx(np.average(scores, weights=weights))


def test_a_group_that_nobody_speaks_for_has_no_weight():
    tables = scores_of("csat", [5, 4, 3])
    strata = pd.DataFrame({"customer_id": ["c0", "c1", "c2", "z"], "tier": ["A", "A", "A", "B"]})
    found = rk.quality.survey_response(tables, strata=strata)
    assert found.weighted["status"].tolist() == ["a stratum with fewer than 2 scores"]
    assert found.weighted["score"].isna().all()


# The world: the content answer more readily


@pytest.fixture(scope="module")
def world():
    return rk.simulate_world(6_000, seed=4, tables=["customers", "feedback"])


def test_the_content_answer_more_readily_and_the_limits_hold_the_truth(world):
    found = rk.quality.survey_response(world.tables, strata="region")
    asked = world.tables["feedback"].merge(world.truth["answers"][["feedback_id", "score"]],
                                           on="feedback_id", suffixes=("", "_true"))  # fmt: skip
    csat = asked[asked["kind"] == "csat"]
    row = kind_row(found, "csat")
    # What every customer would have said the last time that they were asked.
    truth = csat.sort_values("asked_at").drop_duplicates("customer_id", keep="last")
    true = truth["score_true"].mean()
    assert row["score"] > true + row["margin"]  # too good, and by more than chance
    assert row["lowest"] < true < row["highest"]
    # Weights by region do not help: silence has other reasons.
    weighted = found.weighted.set_index("kind").loc["csat"]
    assert weighted["score"] > true + weighted["margin"]


def test_the_world_by_plain_pandas(world):
    rows = world.tables["feedback"]
    found = rk.quality.survey_response(world.tables)
    assert found.population == len(world.tables["customers"])
    month = rows["asked_at"].dt.to_period("M").dt.start_time
    for (kind, wave), theirs in rows.groupby([rows["kind"], month]):
        row = found.waves[(found.waves["kind"] == kind) & (found.waves["wave"] == wave)].iloc[0]
        assert row["requests"] == len(theirs)
        assert row["asked"] == theirs["customer_id"].nunique()
        said = theirs[theirs["answered_at"].notna()]
        assert row["answered"] == said["customer_id"].nunique()
        assert row["double_answers"] == len(said) - said["customer_id"].nunique()
        newest = said.sort_values(["answered_at", "feedback_id"]).groupby("customer_id").tail(1)
        score = newest["score"].astype(float)
        if kind == "nps":
            expected = 100 * ((score >= 9).mean() - (score <= 6).mean())
        else:
            expected = score.mean()
        assert row["score"] == pytest.approx(expected)
        spread = (100.0 * (score >= 9) - 100.0 * (score <= 6)) if kind == "nps" else score
        finite = math.sqrt((found.population - len(score)) / (found.population - 1))
        from scipy import stats

        half = stats.t.ppf(0.975, len(score) - 1) * spread.std() / math.sqrt(len(score)) * finite
        assert row["margin"] == pytest.approx(half)


# What was sent, and what came back


def test_sends_by_hand():
    touches = pd.DataFrame(
        [
            ("a", "2024-01-01", "report", "outbound", True),
            ("a", "2024-01-05", "report", "outbound", True),  # the newest before the request
            ("a", "2024-01-06", "news", "inbound", True),  # nothing that was sent
            ("b", "2024-01-01", "report", "outbound", False),  # did not arrive
            ("c", "2024-01-01", "news", None, None),
            ("d", "2024-01-01", "report", "outbound", True),
        ],
        columns=["customer_id", "occurred_at", "content_type", "direction", "delivered"],
    ).astype({"delivered": "boolean"})
    touches["occurred_at"] = pd.to_datetime(touches["occurred_at"])
    asked = feedback(
        [
            ("a", "2024-01-10", "2024-01-11", "nps", 9),
            ("a", "2024-01-11", "2024-01-12", "nps", 2),  # a second answer to the same send
            ("b", "2024-01-02", "2024-01-03", "nps", 9),
            ("c", "2024-01-15", None, "nps", None),  # 14 days to the hour
            ("d", "2024-01-16", "2024-01-17", "nps", 9),  # a day too late
        ]
    )
    found = rk.quality.response_per_send({"touches": touches, "feedback": asked})
    rows = found.by_content.set_index("content_type")
    assert rows[["sends", "asked", "answered"]].loc["report"].tolist() == [3, 1, 1]
    assert rows[["sends", "asked", "answered"]].loc["news"].tolist() == [1, 1, 0]
    assert (found.requests, found.joined, found.double_answers) == (5, 3, 1)
    assert found.join_rate == rk.wilson_interval(3, 5)
    reports = rk.quality.response_per_send({"touches": touches, "feedback": asked}, ["report"])
    assert (reports.joined, len(reports.by_content)) == (2, 1)
    with pytest.raises(ParameterError, match="did you mean 'report'"):
        rk.quality.response_per_send({"touches": touches, "feedback": asked}, ["reprot"])
    assert rk.quality.try_sends({"feedback": asked}) == NotSupplied(("touches",))


# Faults


def test_without_feedback_it_is_not_supplied():
    assert rk.quality.try_survey({}) == NotSupplied(("feedback",))
    with pytest.raises(DataError, match="not supplied: feedback"):
        rk.quality.survey_response({})


def test_faults_are_said():
    tables = {"feedback": small()}
    with pytest.raises(ParameterError) as fault:
        rk.quality.survey_response(tables, period="moon", target=0, population=True)
    assert len(fault.value.faults) == 3
    with pytest.raises(DataError, match="5 customers were asked, but the population has 4"):
        rk.quality.survey_response(tables, population=4)
    with pytest.raises(DataError, match="no request"):
        rk.quality.survey_response({"feedback": small().head(0)})
    with pytest.raises(ParameterError, match="strata must be a column"):
        rk.quality.survey_response(tables, strata=["a"])
    customers = pd.DataFrame({"customer_id": list("abcde"), "region": ["x"] * 5})
    with pytest.raises(DataError, match="did you mean 'region'"):
        rk.quality.survey_response(tables | {"customers": customers}, strata="regoin")
