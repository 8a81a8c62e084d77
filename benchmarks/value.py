"""relkit against lifetimes: time and memory at a million customers and at CDNOW's size.

    ./kit bench value
    ./kit bench value --customers 100000 --times 1 --peer-times 1

Each pair runs in one process, one after the other, medians of several runs; time is that
of the processor, so that other programs hardly count. Both sides are called as their
users call them: a fit with its own defaults, and three calls for P(alive), expected
purchases and value; nothing is kept from one call for the next. Memory is the peak of a
process of its own that does that job alone, libraries and data included.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

HORIZON = 52
RATE = 0.10
DRAWS = 3
Job = Callable[[], Any]
OURS_IN_MEMORY = ("relkit fit", "relkit clv", "relkit intervals", "relkit predicted")
THEIRS_IN_MEMORY = ("lifetimes fit", "lifetimes clv")


def timed(job: Job, times: int) -> float:
    """Median processor seconds of a job."""
    seconds = []
    for _ in range(times):
        started = time.process_time()
        job()
        seconds.append(time.process_time() - started)
    return median(seconds)


def customers(n: int) -> pd.DataFrame:
    """Histories in continuous time, purchase after purchase, in weeks."""
    from benchmarks.coverage import WORLDS, live

    summary = live(np.random.default_rng(0), WORLDS["young"], n).summary()
    summary.attrs["unit"] = "week"
    return summary


def in_whole_weeks(summary: pd.DataFrame) -> pd.DataFrame:
    """The same customers, times rounded up to whole weeks."""
    whole = summary.copy()
    whole[["recency", "T"]] = np.ceil(whole[["recency", "T"]])
    return whole


def counted_rows(weeks: pd.DataFrame) -> pd.DataFrame:
    """Distinct histories with how many customers have each."""
    columns = ["frequency", "recency", "T"]
    counted = weeks[columns].value_counts().rename("customers").reset_index()
    counted.attrs["unit"] = "week"
    return counted


def jobs(name: str, summary: pd.DataFrame) -> dict[str, Job]:
    """What is measured, by library; their models are fitted here, once."""
    return _ours(summary) if name == "relkit" else _theirs(summary)


def _ours(summary: pd.DataFrame) -> dict[str, Job]:
    import relkit as rk

    purchases, spend = rk.fit_bgnbd(summary), rk.fit_gamma_gamma(summary)

    def clv() -> Any:
        return rk.customer_lifetime_value(
            purchases, spend, summary, horizon=HORIZON, annual_discount_rate=RATE
        )

    def everything() -> None:
        purchases.probability_alive(summary)
        purchases.expected_purchases(summary, horizon=HORIZON)
        _ = clv().total

    value = clv()
    return {
        "fit": lambda: rk.fit_bgnbd(summary),
        "clv": everything,
        "intervals": value.customer_intervals,
        "predicted": lambda: value.predicted_total(draws=DRAWS),
        "retention": lambda: rk.retention_value(value),
    }


def _theirs(summary: pd.DataFrame) -> dict[str, Job]:
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    history = summary["frequency"], summary["recency"], summary["T"]
    again = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
    fitter = BetaGeoFitter().fit(*history)
    spend = GammaGammaFitter().fit(again["frequency"], again["monetary_value"])
    monthly = (1 + RATE) ** (1 / 12) - 1

    def everything() -> None:
        fitter.conditional_probability_alive(*history)
        fitter.conditional_expected_number_of_purchases_up_to_time(HORIZON, *history)
        spend.customer_lifetime_value(
            fitter, *history, summary["monetary_value"], time=12, discount_rate=monthly, freq="W"
        )

    return {"fit": lambda: BetaGeoFitter().fit(*history), "clv": everything}


def one_job_in_memory(path: str, what: str) -> float:
    """Peak MB of this process when it does one job; run in a process of its own."""
    library, job = what.split()
    summary = pd.read_pickle(path)
    if library == "relkit":
        import relkit as rk

        purchases, spend = rk.fit_bgnbd(summary), rk.fit_gamma_gamma(summary)
        if job != "fit":
            value = rk.customer_lifetime_value(
                purchases, spend, summary, horizon=HORIZON, annual_discount_rate=RATE
            )
            if job == "intervals":
                value.customer_intervals()
            if job == "predicted":
                value.predicted_total(draws=DRAWS)
    elif job == "fit":
        from lifetimes import BetaGeoFitter

        BetaGeoFitter().fit(summary["frequency"], summary["recency"], summary["T"])
    else:
        _theirs(summary)["clv"]()
    return peak_memory()


def peak_memory() -> float:
    """Most MB that this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the parent held when it forked.
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def peaks(summary: pd.DataFrame) -> dict[str, float]:
    """Peak MB of each job."""
    code = "import json, sys; from benchmarks.value import *; warnings.simplefilter('ignore'); "
    code += "print(json.dumps(one_job_in_memory(sys.argv[1], sys.argv[2])))"
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "summary.pkl")
        summary.to_pickle(path)
        return {
            what: json.loads(
                subprocess.run(
                    [sys.executable, "-c", code, path, what],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for what in (*OURS_IN_MEMORY, *THEIRS_IN_MEMORY)
        }


def against(
    summary: pd.DataFrame, times: int, peer_times: int
) -> tuple[list[tuple[str, float, float | None]], dict[str, Job]]:
    """Lines of name, relkit's seconds, lifetimes' seconds; and relkit's jobs."""
    ours, theirs = jobs("relkit", summary), jobs("lifetimes", summary)
    lines: list[tuple[str, float, float | None]] = [
        (name, timed(ours[job], times), timed(theirs[job], peer_times))
        for name, job in (("BG/NBD fit", "fit"), ("P(alive), purchases, 12-month CLV*", "clv"))
    ]
    return lines, ours


def alone(
    ours: dict[str, Job], weeks: pd.DataFrame, times: int
) -> list[tuple[str, float, float | None]]:
    """What lifetimes does not do."""
    import relkit as rk

    counted = counted_rows(weeks)
    weekly = f"fit from {len(counted):,} counted weekly rows"
    return [
        (weekly, timed(lambda: rk.fit_bgnbd(counted, weights=counted["customers"]), times), None),
        ("interval of every customer", timed(ours["intervals"], times), None),
        ("predictive total, per draw", timed(ours["predicted"], times) / DRAWS, None),
        ("value of a point of retention", timed(ours["retention"], times), None),
    ]


def _fit_theirs(fitter: Any, history: tuple[Any, ...]) -> Any:
    return fitter().fit(*history)


def at_cdnow(times: int) -> list[tuple[str, float, float | None]]:
    """Fits of the three models on CDNOW's 23,570 customers, in days."""
    from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

    import relkit as rk

    source = rk.open_source("params/sources/cdnow.yaml")
    summary = rk.rfm_summary(source.transactions, as_of=source.as_of, unit="week")
    history = summary["frequency"], summary["recency"], summary["T"]
    pairs: dict[str, tuple[Callable[..., Any], Any]] = {
        "BG/NBD": (rk.fit_bgnbd, BetaGeoFitter),
        "MBG/NBD": (rk.fit_mbgnbd, ModifiedBetaGeoFitter),
        "Pareto/NBD": (rk.fit_pareto_nbd, ParetoNBDFitter),
    }
    lines: list[tuple[str, float, float | None]] = []
    for name, (fit, fitter) in pairs.items():
        # Theirs of Pareto/NBD takes a minute; once will do.
        once = 1 if name == "Pareto/NBD" else times
        theirs = timed(partial(_fit_theirs, fitter, history), once)
        lines.append((f"{name} fit", timed(partial(fit, summary), times), theirs))
    return lines


def _show(heading: str, lines: Sequence[tuple[str, float, float | None]]) -> None:
    print(f"\n{heading:<44}{'relkit s':>10}{'lifetimes s':>13}{'ratio':>8}")
    for name, ours, theirs in lines:
        beside = f"{theirs:>13.3f}{theirs / ours:>8.1f}" if theirs is not None else ""
        print(f"{name:<44}{ours:>10.3f}{beside}")


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="./kit bench value", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=5, help="runs behind relkit's medians")
    parser.add_argument("--peer-times", type=int, default=3, help="runs behind lifetimes'")
    chosen = parser.parse_args(list(arguments))
    warnings.filterwarnings("ignore", module="lifetimes")
    packages = ("numpy", "scipy", "pandas", "lifetimes")
    said = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"Python {platform.python_version()}, {said}")
    _show("CDNOW, 23,570 customers", at_cdnow(max(chosen.times, 5)))
    summary = customers(chosen.customers)
    size = f"{chosen.customers:,} customers"
    lines, ours = against(summary, chosen.times, chosen.peer_times)
    _show(f"{size}, exact times", lines)
    weeks = in_whole_weeks(summary)
    _show(f"{size}, whole weeks, a row each", against(weeks, chosen.times, chosen.peer_times)[0])
    print("* with the interval of the total, which lifetimes does not give")
    _show(f"{size}, relkit alone", alone(ours, weeks, chosen.times))
    print(f"\n{'peak memory, process and data':<44}{'MB':>10}")
    for what, peak in peaks(summary).items():
        print(f"{what:<44}{peak:>10.0f}")


if __name__ == "__main__":
    main(sys.argv[1:])
