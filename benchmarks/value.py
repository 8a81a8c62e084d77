"""relkit against lifetimes on CDNOW (23,570 customers), medians of five, one process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any


def timed(job: Callable[[], Any], times: int = 5) -> float:
    """Median seconds of a job."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def main() -> None:
    from lifetimes import BetaGeoFitter
    from lifetimes.utils import summary_data_from_transaction_data

    import relkit as rk

    warnings.filterwarnings("ignore", module="lifetimes")
    source = rk.open_source("params/sources/cdnow.yaml")
    rows = source.transactions.select("customer_id", "occurred_at", "amount").execute()
    summary = rk.rfm_summary(source.transactions, as_of=source.as_of, unit="week")
    history = summary["frequency"], summary["recency"], summary["T"]
    ours, theirs = rk.fit_bgnbd(summary), BetaGeoFitter().fit(*history)
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "summary of 69,659 rows": (
            lambda: rk.rfm_summary(source.transactions, as_of=source.as_of, unit="week"),
            lambda: summary_data_from_transaction_data(
                rows, "customer_id", "occurred_at", "amount", observation_period_end=source.as_of
            ),
        ),
        "BG/NBD fit": (
            lambda: rk.fit_bgnbd(summary),
            lambda: BetaGeoFitter().fit(*history),
        ),
        "P(alive) and purchases in 52 weeks": (
            lambda: (
                ours.probability_alive(summary),
                ours.expected_purchases(summary, horizon=52),
            ),
            lambda: (
                theirs.conditional_probability_alive(*history),
                theirs.conditional_expected_number_of_purchases_up_to_time(52, *history),
            ),
        ),
    }
    print(f"{'CDNOW, 23,570 customers':<40}{'relkit s':>10}{'lifetimes s':>13}{'ratio':>8}")
    for name, (our_job, their_job) in pairs.items():
        our_time, their_time = timed(our_job), timed(their_job)
        print(f"{name:<40}{our_time:>10.3f}{their_time:>13.3f}{their_time / our_time:>8.1f}")


if __name__ == "__main__":
    main()
