"""What the shipped notebooks say, recomputed by other code from the raw file."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

NAMES = ("customer_value", "segments", "review_deck")

END, SPLIT, COMPARE = (pd.Timestamp(day) for day in ("1998-06-30", "1997-09-30", "1997-12-31"))


@pytest.fixture(scope="session")
def raw():
    """The sample as plain rows: customer, day, dollars; read without relkit."""
    folder = Path(find_spec("lifetimes").submodule_search_locations[0]) / "datasets"
    names = ["customer", "place_in_sample", "day", "units", "dollars"]
    rows = pd.read_csv(folder / "CDNOW_sample.txt", sep=r"\s+", names=names)
    return rows.assign(day=pd.to_datetime(rows["day"].astype(str), format="%Y%m%d"))


def summary_by_hand(raw, until):
    """frequency, recency, T in weeks and the mean of the repeat days, per customer."""
    days = raw[raw["day"] <= until].groupby(["customer", "day"])["dollars"].sum().reset_index()
    first = days.groupby("customer")["day"].transform("min")
    repeats = days[days["day"] > first].groupby("customer")
    ends = days.groupby("customer")["day"].agg(["min", "max"])
    frame = pd.DataFrame(
        {
            "frequency": repeats.size(),
            "recency": (ends["max"] - ends["min"]).dt.days / 7,
            "T": (until - ends["min"]).dt.days / 7,
            "monetary_value": repeats["dollars"].mean(),
        },
        index=ends.index,
    )
    return frame.fillna({"frequency": 0, "monetary_value": 0})


def test_everything_is_published(published):
    for run in published.values():
        assert run.report.stat().st_size < 1_000_000
        assert run.deck.stat().st_size < 1_000_000
        assert run.record["status"] == "published"
        assert run.record["data"]["account"]["read"] == 6919


def test_both_languages_say_the_same_numbers(published):
    for name in NAMES:
        english, chinese = (published[name, code].statements() for code in ("en", "zh"))
        assert english.keys() == chinese.keys()
        for key, values in english.items():
            for slot, value in values.items():
                other = chinese[key][slot]
                if slot in ("pairs", "parts"):  # names and shares, written out
                    value, other = (re.findall(r"[\d.]+%", words) for words in (value, other))
                if not (isinstance(value, dict) and "text" in value):
                    assert value == other, (name, key, slot)


def test_rows_and_customers(published, raw):
    for name in NAMES:
        said = published[name, "en"].statements()["data.all_used"]
        assert said["read"] == len(raw)
        assert said["customers"] == raw["customer"].nunique()
        assert (said["first"], said["last"]) == (
            str(raw["day"].min().date()), str(raw["day"].max().date()),
        )  # fmt: skip


def test_activity_of_the_last_month(published, raw):
    june = raw[raw["day"] >= "1998-06-01"]
    said = published["review_deck", "en"].statements()["activity.no_new"]
    assert said["revenue"] == pytest.approx(june["dollars"].sum())
    assert said["returning"] == june["customer"].nunique()
    assert said["active"] == june["customer"].nunique()
    firsts = raw.groupby("customer")["day"].min()
    assert pd.Timestamp(said["last_new"]) == firsts.max() + pd.offsets.MonthEnd(0)


@pytest.fixture(scope="session")
def oracle(raw):
    """Values of every customer by lifetimes' formulas and its own optimum, weekly discounting."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    now = summary_by_hand(raw, END)
    model = BetaGeoFitter().fit(now["frequency"], now["recency"], now["T"])
    back = now[(now["frequency"] > 0) & (now["monetary_value"] > 0)]
    spend = GammaGammaFitter().fit(back["frequency"], back["monetary_value"])

    def value(summary):
        args = summary["frequency"], summary["recency"], summary["T"]
        steps = np.arange(1, 53)
        reached = np.array(
            [model.conditional_expected_number_of_purchases_up_to_time(t, *args) for t in steps]
        )
        bought = np.diff(reached, axis=0, prepend=0)
        factors = 1.1 ** -((steps - 0.5) / (365.25 / 7))
        mean = spend.conditional_expected_average_profit(
            summary["frequency"], summary["monetary_value"]
        )
        return pd.Series((factors @ bought) * mean, index=summary.index)

    alive = model.conditional_probability_alive(now["frequency"], now["recency"], now["T"])
    return {
        "now": value(now),
        "before": value(summary_by_hand(raw, COMPARE)),
        "alive": pd.Series(alive, index=now.index),
        "summary": now,
        "model": model,
        "spend": spend,
    }


def test_value_now_and_before(published, oracle):
    said = published["review_deck", "en"].statements()["answer.losing"]
    assert said["now"] == pytest.approx(oracle["now"].sum(), rel=2e-3)
    share = 1 - oracle["now"].sum() / oracle["before"].sum()
    assert said["share"] == pytest.approx(share, abs=2e-3)


def test_values_of_single_customers(published, oracle):
    table = published["customer_value", "en"].table("customer_value")
    table.index = table["customer_id"].astype(int)
    both = table.join(oracle["now"].rename("theirs")).join(oracle["alive"].rename("alive"))
    assert len(both) == 2357
    assert both["clv"].to_numpy() == pytest.approx(both["theirs"].to_numpy(), rel=5e-3, abs=0.01)
    assert both["probability_alive"].to_numpy() == pytest.approx(both["alive"].to_numpy(), abs=2e-3)


def test_what_changed_adds_up(published, oracle):
    said = published["review_deck", "en"].statements()["answer.why"]
    difference = oracle["now"] - oracle["before"]
    assert said["grew"] == pytest.approx(difference[difference > 0].sum(), rel=2e-2)
    assert said["shrank"] == pytest.approx(-difference[difference < 0].sum(), rel=1e-2)
    assert said["new"] == 0  # nobody first bought after March 1997
    change = published["review_deck", "en"].statements()["answer.sure"]["change"]
    assert said["grew"] + said["new"] - said["shrank"] == pytest.approx(change["value"])


def test_who_is_still_here(published, oracle):
    came_back = oracle["summary"]["frequency"] > 0
    for name in ("review_deck", "customer_value"):
        said = published[name, "en"].statements()["alive.repeaters"]
        assert said["repeaters"] == came_back.sum()
        assert said["alive"] == pytest.approx(oracle["alive"][came_back].sum(), abs=1)
        assert said["alive"] + said["silent"] == said["repeaters"]


def test_concentration_and_tiers(published, oracle):
    values = oracle["now"].sort_values(ascending=False)
    top = round(0.1 * len(values))
    share = values.iloc[:top].sum() / values.sum()
    for name in ("review_deck", "customer_value"):
        said = published[name, "en"].statements()["value.concentration"]
        assert said["value"] == pytest.approx(share, abs=2e-3)
    for name in ("review_deck", "segments"):
        said = published[name, "en"].statements()["tiers.worth"]
        assert said["value"] == pytest.approx(share, abs=2e-3)
        assert said["each"] == pytest.approx(values.iloc[:top].mean(), rel=5e-3)
        sizes = published[name, "en"].table("tiers")["tier"].value_counts().to_dict()
        assert sizes == {"A": 236, "B": 471, "C": 1650}


def test_whom_to_win_back(published, oracle):
    chance, now = oracle["alive"], oracle["now"]
    at_risk = (now / chance * (1 - chance))[(chance < 0.5) & (oracle["summary"]["frequency"] > 0)]
    said = published["review_deck", "en"].statements()["win_back.first"]
    assert said["n"] == 8
    assert said["risk"] == pytest.approx(at_risk.nlargest(8).sum(), rel=2e-2)
    listed = published["review_deck", "en"].table("win_back")["customer_id"].astype(int)
    assert len(set(listed) & set(at_risk.nlargest(10).index)) >= 7


def test_holdout_is_the_published_one(published, raw):
    # Fader, Hardie & Lee (2005): 39 weeks of the CDNOW sample; see tests/value.
    after = raw[raw["day"] > SPLIT].groupby(["customer", "day"]).size()
    for name in ("review_deck", "customer_value"):
        statements = published[name, "en"].statements()
        said = statements.get("holdout.within") or statements["holdout.outside"]
        assert said["actual"] == len(after) == 1882
        assert said["expected"] == pytest.approx(1653.4, abs=0.5)
        by_frequency = statements["holdout.frequency"]
        assert by_frequency["low"] == pytest.approx(0.237, abs=5e-4)
        assert by_frequency["high"] == pytest.approx(6.359, abs=5e-4)
        assert by_frequency["low_expected"] == pytest.approx(0.225, abs=5e-4)
        assert by_frequency["high_expected"] == pytest.approx(6.157, abs=5e-3)


def test_rfm(published, raw, oracle):
    scores = published["segments", "en"].table("rfm_scores")
    spend = raw.groupby("customer")["dollars"].sum()
    last = raw.groupby("customer")["day"].max()
    expected = pd.DataFrame(
        {
            "r": _bands(-(END - last).dt.days),
            "f": _bands(oracle["summary"]["frequency"]),
            "m": _bands(spend),
        }
    )
    scores.index = scores["customer_id"].astype(int)
    pd.testing.assert_frame_equal(
        scores[["r", "f", "m"]].sort_index(), expected, check_names=False, check_dtype=False
    )
    said = published["segments", "en"].statements()["rfm.spread"]
    high = expected.sum(axis=1) >= 12
    assert said["customers"] == pytest.approx(high.mean())
    assert said["spend"] == pytest.approx(spend[high].sum() / spend.sum())


def _bands(values):
    """Quintiles by pandas' own average rank: another way to the same mid-rank."""
    middle = (values.rank(method="average") - 0.5) / len(values)
    return (1 + np.floor(middle * 5)).astype(int)


def test_the_smaller_figures_too(published, oracle):
    value = published["customer_value", "en"].statements()
    now = oracle["now"].sort_values(ascending=False)
    assert value["value.top"]["sum"] == pytest.approx(now.iloc[:20].sum(), rel=5e-3)
    assert value["value.top"]["each"] == pytest.approx(now.iloc[:20].mean(), rel=5e-3)
    model, spend = oracle["model"].params_, oracle["spend"].params_
    said = value["value.model_rate"]
    assert said["rate"] == pytest.approx(model["r"] / model["alpha"] * 365.25 / 7, rel=1e-3)
    assert said["leave"] == pytest.approx(model["a"] / (model["a"] + model["b"]), rel=1e-3)
    mean = spend["p"] * spend["v"] / (spend["q"] - 1)
    assert value["value.spend_model"]["mean"] == pytest.approx(mean, rel=1e-3)
    summary = oracle["summary"]
    back = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
    said = value["gate.correlation_pass"]["correlation"]["value"]
    assert said == pytest.approx(np.corrcoef(back["frequency"], back["monetary_value"])[0, 1])
    review = published["review_deck", "en"].statements()
    gap = now.iloc[:236].mean() / now.iloc[-1650:].mean()
    assert review["tiers.gap"]["times"] == pytest.approx(gap, rel=5e-3)
    chance, came_back = oracle["alive"], summary["frequency"] > 0
    at_risk = (oracle["now"] / chance * (1 - chance))[came_back]
    assert review["win_back.all"]["total"] == pytest.approx(at_risk.sum(), rel=1e-2)


# ---- comparison, histories, retention --------------------------------------------------


@pytest.fixture(scope="session")
def holdout_by_hand(raw):
    """The calibration by hand, with repeat days and dollars of the holdout."""
    frame = summary_by_hand(raw, SPLIT)
    later = raw[raw["day"] > SPLIT].groupby(["customer", "day"])["dollars"].sum().reset_index()
    bought = later.groupby("customer")["dollars"].agg(["size", "sum"]).reindex(frame.index)
    return frame.assign(made=bought["size"].fillna(0), spent=bought["sum"].fillna(0))


def shown(published, name):
    """A table as the reader sees it: its first column -> column -> text."""
    node = next(t for t in published["customer_value", "en"].nodes("table") if t["name"] == name)
    columns = [column["name"] for column in node["columns"]]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in node["rows"]}


def percent(text):
    return float(text.replace("−", "-").rstrip("%")) / 100


def test_every_method_of_the_comparison(published, holdout_by_hand):
    from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

    rows = shown(published, "comparison")
    frame, actual = holdout_by_hand, holdout_by_hand["made"].sum()
    history = frame["frequency"], frame["recency"], frame["T"]
    rate = frame["frequency"] / frame["T"] * 39
    # The calibration is 38.86 weeks long, shorter than the holdout: all of it, stretched.
    again = frame["frequency"] * 39 / (272 / 7)
    pareto = ParetoNBDFitter()
    pareto.params_ = pd.Series({"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669})
    fitted = {
        "BG/NBD": BetaGeoFitter().fit(*history),
        "MBG/NBD": ModifiedBetaGeoFitter().fit(*history),
        "Pareto/NBD": pareto,
    }
    expected = {
        name: model.conditional_expected_number_of_purchases_up_to_time(39, *history)
        for name, model in fitted.items()
    } | {"past rate carried on": rate, "last period again": again}
    for name, guess in expected.items():
        found = rows[name]
        assert percent(found["purchases_error"]) == pytest.approx(
            np.sum(guess) / actual - 1, abs=1.1e-3
        ), name
        error = np.abs(np.asarray(guess) - frame["made"]).mean()
        assert float(found["mean_absolute_error"]) == pytest.approx(error, abs=1.1e-3), name
    assert set(rows) == {*expected, "gradient boosting"}


def test_purchases_by_silence(published, holdout_by_hand):
    frame = holdout_by_hand
    silent = frame["T"] - frame["recency"]
    customers = 0
    for band, found in shown(published, "holdout_by_recency").items():
        low, _, high = band.rstrip("+").partition("–")
        inside = (silent >= float(low)) & (silent < float(high or "inf"))
        assert int(found["customers"].replace(",", "")) == inside.sum()
        assert float(found["actual"]) == pytest.approx(frame["made"][inside].mean(), abs=6e-4)
        customers += inside.sum()
    assert customers == len(frame)


def test_the_customer_who_is_followed(published, raw, oracle, ids_behind):
    said = published["customer_value", "en"].statements()
    one = int(ids_behind[said["history.now"]["customer"]])
    rows = raw[raw["customer"] == one]
    assert said["history.now"]["purchases"] == len(rows)
    assert pd.Timestamp(said["history.now"]["last"]) == rows["day"].max()
    assert said["history.now"]["alive"] == pytest.approx(oracle["alive"][one], abs=2e-3)
    assert said["history.chosen"]["spend"] == pytest.approx(rows["dollars"].sum())
    chance, often = oracle["alive"], oracle["summary"]["frequency"] >= 4
    balance = (oracle["now"] * (1 - chance))[often]
    assert balance.idxmax() == one
    assert said["history.chosen"]["balance"] == pytest.approx(balance.max(), rel=1e-2)
    assert said["history.chosen"]["n"] == often.sum()


def test_what_silence_says(published, oracle):
    said = published["customer_value", "en"].statements()["matrix.alive"]
    longest = oracle["summary"]["T"].max()
    assert said["silence"] == pytest.approx(longest / 4)
    for slot, frequency in (("once", 1), ("frequent", 10)):
        theirs = oracle["model"].conditional_probability_alive(
            frequency, longest - said["silence"], longest
        )
        assert said[slot] == pytest.approx(np.ravel(theirs)[0], abs=2e-3)


def test_a_point_of_retention(published, oracle):
    """By simulation: rate and chance to leave drawn for every customer, nothing integrated."""
    said = published["customer_value", "en"].statements()
    model, summary = oracle["model"].params_, oracle["summary"]
    rng = np.random.default_rng(0)
    size = (600, len(summary))
    x, T = summary["frequency"].to_numpy(), summary["T"].to_numpy()
    rate = rng.gamma(model["r"] + x, size=size) / (model["alpha"] + T)
    leave = rng.beta(model["a"], model["b"] + x, size=size)
    year, discount = 365.25 / 7, np.log(1.1) / (365.25 / 7)
    alive = oracle["alive"].to_numpy()

    def retention(kept):
        return np.average(np.exp(-rate * leave * kept * year).mean(axis=0), weights=alive)

    def bought(kept):
        fall = discount + rate * leave * kept
        return alive * (rate * (1 - np.exp(-fall * 52)) / fall).mean(axis=0)

    meaning = said["retention.meaning"]
    kept = 1 - meaning["delta"]
    assert retention(1) == pytest.approx(meaning["now"], abs=2e-3)
    assert retention(kept) - retention(1) == pytest.approx(0.01, abs=2e-4)
    each = oracle["now"] / bought(1)  # what a discounted purchase is worth, by the oracle
    gained = float(((bought(kept) - bought(1)) * each).sum())
    assert said["retention.worth"]["gained"]["value"] == pytest.approx(gained, rel=0.02)
    assert said["retention.worth"]["share"] == pytest.approx(gained / oracle["now"].sum(), rel=0.02)
    # The exact slope is the limit of ever smaller steps: by a point it is nearly there.
    assert meaning["slope"] == pytest.approx(meaning["gained"], rel=5e-3)


def test_cohorts_and_ways_of_counting(published, raw, oracle):
    months = raw.groupby("customer")["day"].min().dt.strftime("%Y-%m")
    came_back = oracle["summary"]["frequency"] > 0
    found = shown(published, "cohorts")
    assert {k: int(v["customers"].replace(",", "")) for k, v in found.items()} == (
        months.value_counts().to_dict()
    )
    assert {k: int(v["repeaters"].replace(",", "")) for k, v in found.items()} == (
        months[came_back].value_counts().to_dict()
    )
    repeats = int(oracle["summary"]["frequency"].sum())
    counted = shown(published, "grains")
    assert int(counted["day"]["repeats"].replace(",", "")) == repeats
    merged = {name: int(row["merged"].replace(",", "")) for name, row in counted.items()}
    assert merged["day"] == merged["the exact time"] == 0
    assert int(counted["week"]["repeats"].replace(",", "")) == repeats - merged["week"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mbg_nbd", "pareto_nbd"])
def test_other_purchase_models_are_published_too(tmp_path, raw, model):
    import json
    import subprocess
    import sys

    import relkit as rk

    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "relkit", "run", "params/customer_value/cdnow.yaml"),
            *("--outputs", str(tmp_path), "--set", f"purchase_model={model}"),
            *("--set", "source=params/sources/cdnow_sample.yaml"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "customer_value-cdnow" / "latest"
    assert json.loads((folder / "run.json").read_text())["status"] == "published"
    now = summary_by_hand(raw, END)
    fit = rk.fit_purchase_model(now.reset_index(), model=model, unit="week")
    once = now[now["frequency"] == 0]
    gone = 1 - fit.probability_alive(once.reset_index()).mean()
    page = (folder / "report.html").read_text(encoding="utf-8")
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
    assert f"bought once. The model takes {gone:.0%} of them" in words
