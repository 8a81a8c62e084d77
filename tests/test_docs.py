"""Documentation that runs: every python block, every name, every figure said of lifetimes."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import relkit as rk

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PAGES = [
    page
    for page in [*sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("README*.md"))]
    if BLOCK.search(page.read_text(encoding="utf-8"))
]
LIFETIMES_PAGE = ROOT / "docs" / "coming-from-lifetimes.md"


def as_one_script(text):
    """The blocks at the lines where they stand, so that a traceback points into the page."""
    lines = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        first = text[: block.start(1)].count("\n")
        code = block[1].splitlines()
        lines[first : first + len(code)] = code
    return "\n".join(lines)


def run(page, code):
    """The code as if it were a file of the page's name, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-c", f"exec(compile({code!r}, {page!r}, 'exec'))"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_runs(page):
    seen = run(page.name, as_one_script(page.read_text(encoding="utf-8")))
    assert seen.returncode == 0, seen.stderr[-3000:]


def test_a_block_that_fails_is_pointed_at():
    text = "# A page\n\n```python\nx = 1\n```\n\nWords.\n\n```python\n\nx.nothing\n```\n"
    seen = run("page.md", as_one_script(text))
    assert seen.returncode == 1
    assert 'File "page.md", line 11' in seen.stderr
    assert "no attribute 'nothing'" in seen.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_relkit_exists(page):
    for dotted in set(re.findall(r"\brk\.([A-Za-z_][\w.]*\w)", page.read_text(encoding="utf-8"))):
        thing = rk
        for part in dotted.split("."):
            thing = getattr(thing, part)


@pytest.fixture(scope="module")
def lifetimes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lifetimes
        import lifetimes.datasets
        import lifetimes.generate_data
        import lifetimes.plotting
        import lifetimes.utils
    return lifetimes


def test_the_page_has_every_public_name_of_lifetimes(lifetimes):
    page = LIFETIMES_PAGE.read_text(encoding="utf-8")
    fitters = [getattr(lifetimes, name) for name in lifetimes.__all__ if name.endswith("Fitter")]
    assert len(fitters) == 5
    names = {fitter.__name__ for fitter in fitters}
    names |= {name for fitter in fitters for name in dir(fitter) if not name.startswith("_")}
    for module in ("datasets", "generate_data", "plotting", "utils"):
        inside = getattr(lifetimes, module)
        names |= {
            name
            for name, thing in vars(inside).items()
            if getattr(thing, "__module__", "") == inside.__name__ and not name.startswith("_")
        }
    names -= {"fit", "coalesce", "forceAspect"}  # fit is said with the fitters; two are inner
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", page)) == []


@pytest.fixture(scope="module")
def cdnow(lifetimes):
    """Transactions, lifetimes' summary of them in days, and its two fits."""
    source = rk.open_source(ROOT / "params" / "sources" / "cdnow.yaml")
    transactions = source.transactions.to_pandas()
    rfm = summarised(lifetimes, transactions)
    repeaters = rfm[(rfm["frequency"] > 0) & (rfm["monetary_value"] > 0)]
    purchases = lifetimes.BetaGeoFitter().fit(rfm["frequency"], rfm["recency"], rfm["T"])
    spend = lifetimes.GammaGammaFitter().fit(repeaters["frequency"], repeaters["monetary_value"])
    return transactions, rfm, purchases, spend


def summarised(lifetimes, transactions, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lifetimes.utils.summary_data_from_transaction_data(
            transactions, "customer_id", "occurred_at", "amount",
            observation_period_end="1998-06-30", **options,
        )  # fmt: skip


def test_what_the_page_says_of_unit_and_value(lifetimes, cdnow):
    _, rfm, purchases, spend = cdnow
    columns = [rfm[name] for name in ("frequency", "recency", "T", "monetary_value")]
    said = {"D": 769_971, "W": 121_939, "M": 28_454}
    for freq, total in said.items():
        value = spend.customer_lifetime_value(purchases, *columns, freq=freq)
        assert value.sum() == pytest.approx(total, abs=1)
    undiscounted = spend.customer_lifetime_value(purchases, *columns, discount_rate=0, freq="D")
    assert undiscounted.sum() == pytest.approx(819_265, abs=1)
    weeks = summarised(lifetimes, cdnow[0], freq="W")
    by_week = lifetimes.BetaGeoFitter().fit(weeks["frequency"], weeks["recency"], weeks["T"])
    assert by_week.params_["r"] == pytest.approx(0.287, abs=5e-4)
    assert by_week.params_["alpha"] == pytest.approx(7.59, abs=5e-3)


def test_what_the_page_says_of_our_value(cdnow):
    summary = rk.rfm_summary(cdnow[0], as_of="1998-06-30", unit="day")
    fits = rk.fit_bgnbd(summary), rk.fit_gamma_gamma(summary)
    for fit, fitter in zip(fits, cdnow[2:], strict=True):
        assert fit.params == pytest.approx(tuple(fitter.params_), rel=1e-6)
    for rate, figures in ((1.01**12 - 1, (774_454, 761_701, 787_420)), (0.0, (819_265,))):
        total = rk.customer_lifetime_value(
            *fits, summary, horizon=360, annual_discount_rate=rate
        ).total
        seen = (total.value, total.low, total.high)
        assert seen[: len(figures)] == pytest.approx(figures, abs=1)


def test_what_the_page_says_of_lost_rows(lifetimes, cdnow):
    transactions, rfm, _, _ = cdnow
    every_1000th = transactions.index[::1000]
    assert len(every_1000th) == 70
    for column in ("customer_id", "occurred_at"):
        holed = transactions.copy()
        holed.loc[every_1000th, column] = None
        left = summarised(lifetimes, holed)
        assert len(rfm) - len(left) == 17
        assert rfm["frequency"].sum() - left["frequency"].sum() + 17 == 68
    one = transactions[transactions["customer_id"] == "00003"].drop(columns="kind")
    for amount, mean in ((20.76, 27.14), (np.nan, 22.99), (-20.76, 18.84)):
        changed = one.assign(amount=[20.76, amount, *one["amount"].iloc[2:]])
        row = summarised(lifetimes, changed).loc["00003"]
        assert row["frequency"] == 5
        assert row["monetary_value"] == pytest.approx(mean, abs=5e-3)
    ours = rk.rfm_summary(changed, as_of="1998-06-30").iloc[0]
    assert ours["frequency"] == 4
    assert ours["monetary_value"] == pytest.approx(28.74, abs=1e-2)


@np.errstate(all="ignore")
def test_what_the_page_says_of_formulas(lifetimes, cdnow):
    matrix = cdnow[2].variance_matrix_
    assert matrix.loc["r", "alpha"] == pytest.approx(0.407, abs=5e-4)
    assert matrix.loc["alpha", "r"] == pytest.approx(1.66e-5, abs=5e-8)
    summary = rk.rfm_summary(cdnow[0], as_of="1998-06-30", unit="day")
    right = rk.to_lifetimes(rk.fit_bgnbd(summary)).variance_matrix_
    assert right.loc["r", "alpha"] == pytest.approx(0.00260, abs=5e-6)
    fitter = rk.to_lifetimes(rk.BGNBD(0.243, 4.414, 0.793, 2.426))
    chances = [fitter.probability_of_n_purchases_up_to_time(39, n) for n in (170, 171, 200)]
    assert chances[:2] == pytest.approx([1.3e-12, 4.9e-14], rel=0.05)
    assert np.isnan(chances[2])
    at_one = rk.BGNBD(0.243, 4.414, 1.0, 2.426)
    assert np.isinf(rk.to_lifetimes(at_one).predict(39, 2, 30.43, 38.86))
    expected = at_one.expected_purchases(frequency=2, recency=30.43, T=38.86, horizon=39)
    assert expected == pytest.approx(1.102, abs=5e-4)
    spend = rk.to_lifetimes(rk.GammaGamma(2.0, 0.8, 15.0))
    assert spend.conditional_expected_average_profit(0, 0) == pytest.approx(-150)


def test_what_the_page_says_of_failures(lifetimes, cdnow):
    transactions, rfm, purchases, spend = cdnow
    one = transactions[transactions["customer_id"] == "00003"]
    arrays = [rfm[name].to_numpy() for name in ("frequency", "recency", "T", "monetary_value")]
    columns = [rfm[name] for name in ("frequency", "recency", "T", "monetary_value")]
    halves = transactions, "customer_id", "occurred_at", "1997-09-30"
    utils, plotting, made = lifetimes.utils, lifetimes.plotting, lifetimes.generate_data
    for fails, error, words in (
        (lambda: utils.calibration_and_holdout_data(*halves), ValueError, "No objects to conc"),
        (lambda: utils.calculate_alive_path(purchases, one, "occurred_at", 544), TypeError, "meth"),
        (lambda: plotting.plot_history_alive(purchases, 544, one, "occurred_at"), TypeError, "sum"),
        (
            lambda: plotting.plot_expected_repeat_purchases(purchases),
            AttributeError,
            "prop_cycler",
        ),
        (
            lambda: made.beta_geometric_nbd_model_transactional_data(9.0, 1, 1, 1, 1, size=2),
            AttributeError,
            "append",
        ),
        (lambda: summarised(lifetimes, one, freq="M"), ValueError, "Unit M"),
        (lambda: summarised(lifetimes, one, freq="Y"), ValueError, "Unit Y"),
        (lambda: summarised(lifetimes, one, freq="H"), ValueError, "Did you mean h"),
        (
            lambda: spend.customer_lifetime_value(purchases, *columns, freq="h"),
            KeyError,
            "h",
        ),
        (lambda: spend.customer_lifetime_value(purchases, *arrays), AttributeError, "index"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(error, match=words):
                fails()


def test_what_the_page_says_of_the_last_day(lifetimes):
    bought = ["1997-01-01 09:00", "1997-01-04 12:00", "1997-01-08 09:00", "1997-01-10 15:00"]
    frame = pd.DataFrame({"id": "a", "at": pd.to_datetime(bought), "amount": 1.0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        halves = lifetimes.utils.calibration_and_holdout_data(
            frame, "id", "at", "1997-01-05", "1997-01-10", monetary_value_col="amount"
        )
    assert halves.loc["a", "frequency_holdout"] == 1
    table = frame.set_axis(["customer_id", "occurred_at", "amount"], axis=1)
    split = rk.holdout_summary(table, calibration_end="1997-01-05", as_of="1997-01-10")
    assert split.calibration.loc[0, "holdout_frequency"] == 2
