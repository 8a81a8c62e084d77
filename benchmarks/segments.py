"""A million customers scored, tiered and bridged, in one process.

    ./kit bench segments
    ./kit bench segments --customers 100000 --times 1

Time is that of the processor, all threads together, so that other programs hardly count;
each step is the median of several runs. What the steps take as given, summary, values and
revenue, comes from the engine (``./kit bench data``) and is drawn here.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

import relkit as rk

LIMIT = 10.0  # seconds for all steps together, at a million customers on two cores


def timed(job: Callable[[], Any], times: int) -> tuple[float, float, Any]:
    """Median processor and wall seconds of a job, and what it gave."""
    seconds, walls, result = [], [], None
    for _ in range(times):
        started, at = time.process_time(), time.perf_counter()
        result = job()
        seconds.append(time.process_time() - started)
        walls.append(time.perf_counter() - at)
    return median(seconds), median(walls), result


def drawn(n: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Summaries on two days, and the revenue of the periods that end on them."""
    random = np.random.default_rng(0)
    ids = pd.Series([f"C{number:08d}" for number in range(n)], dtype="str")
    rate = random.gamma(1.0, 1.0, n)
    summaries = []
    for day in (0, 1):
        frequency = random.poisson(rate * (day + 1))
        T = random.uniform(1, 150, n)
        summaries.append(
            pd.DataFrame(
                {
                    "customer_id": ids,
                    "frequency": frequency,
                    "recency": np.where(frequency > 0, T * random.random(n), 0.0),
                    "T": T,
                    "total_spend": (50 * (1 + frequency) * random.gamma(4, 0.25, n)).round(2),
                }
            )
        )
        summaries[-1].attrs["unit"] = "week"
    # A tenth is new on the later day, and a tenth of those who were there has gone.
    earlier, later = summaries[0].iloc[: n * 9 // 10], summaries[1].iloc[n // 10 :]
    revenue = [
        pd.DataFrame(
            {"customer_id": part["customer_id"], "revenue": (part["total_spend"] / 2).round(2)}
        )[part["frequency"].to_numpy() > 0]
        for part in (earlier, later)
    ]
    return earlier, later, revenue[0], revenue[1]


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="./kit bench segments", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args(list(arguments))
    n, times = options.customers, options.times
    earlier, later, revenue_before, revenue_after = drawn(n)

    def tiers(summary: pd.DataFrame) -> Any:
        return rk.rank_tiers(summary["customer_id"], summary["total_spend"], (0.1, 0.2))

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("RFM scores, quintiles", lambda: rk.rfm_scores(later)),
        ("tiers by rank, both days", lambda: (tiers(earlier), tiers(later))),
    ]
    total = walls = 0.0
    results = []
    for name, job in steps:
        seconds, wall, result = timed(job, times)
        results.append(result)
        total, walls = total + seconds, walls + wall
        print(f"{name:<28} {seconds:6.2f} s processor {wall:6.2f} s")
    before, after = results[1]
    for name, job in (
        ("migration, with value", lambda: rk.tier_migration(before, after)),
        ("bridge", lambda: rk.tier_bridge(before, after, revenue_before, revenue_after)),
    ):
        seconds, wall, result = timed(job, times)
        results.append(result)
        total, walls = total + seconds, walls + wall
        print(f"{name:<28} {seconds:6.2f} s processor {wall:6.2f} s")
    bridge = results[-1].to_frame()
    assert round(bridge["amount"].mul(100).sum()) == round(results[-1].change * 100)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{'together':<28} {total:6.2f} s processor {walls:6.2f} s, {n:,} customers, {peak:.1f} GB"
    )
    if n >= 1_000_000:
        print("within" if walls < LIMIT else "BEYOND", f"the limit of {LIMIT:.0f} s")
