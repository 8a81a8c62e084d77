"""What merging purchases does to a fit: simulated customers with known truth, by grain.

A million customers buy in continuous time by BG/NBD; the same purchases are counted
exactly, by hour, by day and by week. ``RELKIT_CUSTOMERS=100000 ./kit bench grain`` for
fewer.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

TRUTH = {"r": 0.8, "alpha": 40.0, "a": 0.6, "b": 2.4}
DAYS = 365
START = pd.Timestamp("2023-01-01")
AS_OF = "2023-12-31"


def purchases(customers: int, seed: int = 0) -> pd.DataFrame:
    """Purchases in continuous time, first ones spread over the first half of a year."""
    rng = np.random.default_rng(seed)
    end = rng.uniform(0.5 * DAYS, DAYS, customers)
    rate = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    leave = rng.beta(TRUTH["a"], TRUTH["b"], customers)
    now, active = np.zeros(customers), np.arange(customers)
    who, at = [active], [np.zeros(customers)]
    while len(active):
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= end[active]]
        who.append(active)
        at.append(now[active])
        active = active[rng.random(len(active)) >= leave[active]]
    owner, moment = np.concatenate(who), np.concatenate(at)
    moment += (DAYS - end)[owner]
    stamps = START + pd.to_timedelta((moment * 86_400e6).astype("int64"), unit="us")
    return pd.DataFrame(
        {
            "customer_id": owner,
            "occurred_at": stamps.astype("datetime64[us]"),
            "amount": rng.gamma(6.0, 5.0, len(owner)).round(2) + 0.01,
        }
    )


def main() -> None:
    import ibis

    import relkit as rk

    customers = int(os.environ.get("RELKIT_CUSTOMERS", "1000000"))
    rows = purchases(customers)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transactions.parquet"
        rows.to_parquet(path, index=False)
        print(f"{customers:,} customers, {len(rows):,} purchases in {DAYS} days")
        del rows
        started = time.perf_counter()
        found = rk.grain_effect(
            ibis.read_parquet(path), as_of=AS_OF, unit="day", horizon=365, annual_discount_rate=0.1
        )
        seconds = time.perf_counter() - started
    table = found.to_frame().set_index("grain")
    print(f"{'grain':<8}{'merged':>9}{'chance':>9}", end="")
    print("".join(f"{name:>10}{'SE off':>8}" for name in TRUTH), f"{'CLV':>8}{'SE off':>8}")
    apart = found.differences().set_index(["grain", "other", "quantity"])
    for grain, fit in found.fits.items():
        row = table.loc[grain]
        line = f"{grain:<8}{row['merged_share']:>9.2%}"
        line += f"{row['merged_by_chance'] / max(row['repeats'] + row['merged'], 1):>9.2%}"
        errors = np.sqrt(np.diag(fit.covariance))
        for (name, truth), error in zip(TRUTH.items(), errors, strict=True):
            line += f"{row[name]:>10.4f}{math.log(row[name] / truth) / error:>+8.1f}"
        if grain == "exact":
            line += f"{'':>9}{'':>8}"
        else:
            clv = apart.loc[(grain, "exact", "clv")]
            line += f"{clv['difference']:>+9.2%}{clv['standard_errors']:>+8.1f}"
        print(line)
    told = found.recommendation
    print(f"recommended: {told.grain} ({told.reason}); all of it in {seconds:.0f} s")


if __name__ == "__main__":
    main()
