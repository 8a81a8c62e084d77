"""Clusters: hand-made groups are found, noise is called noise, order never matters."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from relkit.errors import DataError, ParameterError
from relkit.segments.clusters import ClusterStability, find_clusters


def three_groups(n=60, seed=3):
    """Three groups far apart on a log scale, and which is which."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1, 2], [n, n // 2, n // 3])
    spend = np.array([20.0, 400.0, 9_000.0])[group] * rng.lognormal(0, 0.15, len(group))
    visits = np.array([1.0, 8.0, 60.0])[group] * rng.lognormal(0, 0.15, len(group))
    ids = [f"c{i:04d}" for i in rng.permutation(len(group))]
    return pd.DataFrame({"customer_id": ids, "spend": spend, "visits": visits}), group


def independent(n=200, seed=5):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(n)],
            "spend": rng.lognormal(5, 1, n),
            "visits": rng.poisson(2, n),
        }
    )


@pytest.mark.parametrize("method", ["k-means", "gaussian-mixture"])
def test_planted_groups_are_found_and_counted(method):
    features, group = three_groups()
    found = find_clusters(features, ["spend", "visits"], method=method, bootstraps=10)
    assert found.k == 3
    assert found.rule == {"k-means": "silhouette", "gaussian-mixture": "bic"}[method]
    labels = features.merge(found.to_frame(), on="customer_id", validate="one_to_one")["cluster"]
    assert adjusted_rand_score(group, labels) == 1
    assert found.profiles()["customers"].tolist() == [60, 30, 20]  # largest first
    assert found.stability.exceeds_null
    assert found.stability.observed == pytest.approx(1, abs=0.02)


def test_profiles_are_medians_and_quartiles_in_the_units_given():
    features, _ = three_groups()
    found = find_clusters(features, ["spend", "visits"], k=3, bootstraps=2)
    joined = features.merge(found.to_frame(), on="customer_id")
    for row in found.profiles().itertuples():
        theirs = sorted(joined.loc[joined["cluster"] == row.cluster, "spend"])
        assert row.share == pytest.approx(len(theirs) / 110)
        middle = (theirs[(len(theirs) - 1) // 2] + theirs[len(theirs) // 2]) / 2
        assert row.spend == pytest.approx(middle)
        assert theirs[0] < row.spend_low < row.spend < row.spend_high < theirs[-1]


def test_stability_of_noise_is_called_no_better_than_noise():
    # Each passes with a chance of 5 %; more than one of four would by chance in 1.4 %.
    found = [
        find_clusters(independent(seed=seed), ["spend", "visits"], k=3, bootstraps=3).stability
        for seed in range(4)
    ]
    assert max(each.observed for each in found) > 0.7  # what would pass for proof
    assert sum(each.exceeds_null for each in found) <= 1


def test_clusters_that_look_stable_in_the_world_are_as_stable_when_shuffled():
    # world.md: bootstrap ARI .89 to .98 beside .86 to .97 in shuffled columns, truth <= .17.
    import relkit as rk

    world = rk.simulate_world(
        customers=1_500, seed=1, faults=None, tables=["transactions", "customers"]
    )
    summary = rk.rfm_summary(world.tables["transactions"], as_of=world.as_of, unit="week")
    summary["days_since_last"] = 7 * (summary["T"] - summary["recency"])
    columns = ["days_since_last", "frequency", "total_spend"]
    found = find_clusters(summary, columns, k=4, bootstraps=5)
    assert found.stability.observed > 0.85
    assert found.stability.shuffled_range[1] > 0.85
    truth = found.to_frame().merge(world.truth["consumers"], on="customer_id")
    assert adjusted_rand_score(truth["class"], truth["cluster"]) < 0.25


@pytest.mark.parametrize("method", ["k-means", "gaussian-mixture"])
def test_neither_order_nor_index_nor_currency_changes_anything(method):
    features, _ = three_groups()
    features["spend"] = np.random.default_rng(1).lognormal(4, 1.5, len(features))
    mixed = features.sample(frac=1, random_state=7)
    mixed.index = [0] * len(mixed)
    mixed = mixed.assign(spend=mixed["spend"] * 7.25)
    options = {"method": method, "bootstraps": 2}
    first = find_clusters(features, ["spend", "visits"], **options)
    second = find_clusters(mixed, ["spend", "visits"], **options)
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame())
    assert first.stability == second.stability
    pd.testing.assert_frame_equal(first.choices, second.choices, rtol=1e-6)


def test_p_value_by_hand():
    # Two of four shuffles reach .8: (1 + 2) / (1 + 4).
    stability = ClusterStability((0.7, 0.9), (0.1, 0.8, 0.95, 0.5), 10)
    assert stability.observed == pytest.approx(0.8)
    assert ClusterStability((0.75,), (0.1, 0.8, 0.95, 0.5), 10).p_value == pytest.approx(0.6)
    assert not stability.exceeds_null
    assert ClusterStability((0.9,), (0.1,) * 19, 10).p_value == pytest.approx(0.05)
    assert ClusterStability((0.9,), (0.1,) * 19, 10).exceeds_null
    assert not ClusterStability((0.9,), (*(0.1,) * 18, 0.9), 10).exceeds_null


def test_refunds_and_constant_columns():
    features, _ = three_groups()
    features.loc[0, "spend"] = -50.0  # more refunded than bought
    features["country"] = 1
    found = find_clusters(features, ["spend", "country", "visits"], k=3, bootstraps=2)
    assert found.columns == ("spend", "visits")
    assert found.constant_columns == ("country",)


def test_too_few_to_resample_is_said_by_having_no_stability():
    features, _ = three_groups(n=6)
    assert find_clusters(features, ["spend"], k=2).stability is None


def test_two_customers_are_two_clusters():
    pair = pd.DataFrame({"customer_id": ["a", "b"], "spend": [1.0, 100.0]})
    found = find_clusters(pair, ["spend"])
    assert found.k == 2
    assert found.profiles()["customers"].tolist() == [1, 1]


def test_a_sample_stands_for_many_and_is_said(monkeypatch):
    monkeypatch.setattr("relkit.segments.clusters.FIT_ROWS", 60)
    features, group = three_groups()
    found = find_clusters(features, ["spend", "visits"], k=3, bootstraps=2)
    assert (found.rows_fitted, found.n) == (60, 110)
    labels = features.merge(found.to_frame(), on="customer_id")["cluster"]
    assert adjusted_rand_score(group, labels) == 1


def frame(spend, ids=None):
    ids = ids or [f"c{i}" for i in range(len(spend))]
    return pd.DataFrame({"customer_id": ids, "spend": spend})


@pytest.mark.parametrize(
    ("features", "options", "said"),
    [
        (frame([5.0] * 60), {}, "all 60 customers have the same spend"),
        (frame([1.0, 1.0, 2.0, 2.0]), {"k": 3}, "k=3 clusters of 2 different customers"),
        (frame([1.0]), {}, "at least two are required"),
        (frame([1.0, np.nan, np.inf]), {}, "not a finite number for 2 customers"),
        (frame([1.0, 2.0], ["a", "a"]), {}, "repeated in 1 rows"),
        (frame(["x", "y"]), {}, "spend is not a number"),
    ],
)
def test_customers_that_cannot_be_clustered(features, options, said):
    with pytest.raises(DataError, match=said):
        find_clusters(features, ["spend"], **options)


def test_ids_are_not_said_in_errors():
    with pytest.raises(DataError) as raised:
        find_clusters(frame([1.0, 2.0], ["real-id", "real-id"]), ["spend"])
    assert "real-id" not in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (["spent"], {}, "did you mean 'spend'"),
        ("spend", {}, "must name one or more"),
        ([], {}, "must name one or more"),
        (["spend"], {"method": "kmeans"}, "did you mean 'k-means'"),
        (["spend"], {"k": 1}, "k=1 must be a whole number from 2"),
        (["spend"], {"shuffles": 5, "seed": -1}, "shuffles=5 .*\n.*seed=-1"),
        (["spend"], {"k": True}, "k=True"),
    ],
)
def test_arguments_that_cannot_be_meant(columns, options, said):
    with pytest.raises(ParameterError, match=said):
        find_clusters(frame([1.0, 2.0, 3.0]), columns, **options)


@pytest.mark.slow
def test_columns_that_have_nothing_to_do_with_each_other_rarely_pass():
    # At 5 %: of 60 worlds 3 expected, more than 8 by chance once in 300 times (binomial).
    passed = sum(
        find_clusters(independent(120, seed), ["spend", "visits"], k=3, bootstraps=3)
        .stability.exceeds_null
        for seed in range(60)
    )  # fmt: skip
    assert passed <= 8
