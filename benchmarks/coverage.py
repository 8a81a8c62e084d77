"""Do 95 % intervals hold the truth 95 times in 100? Many simulated populations say.

    ./kit bench coverage
    ./kit bench coverage --populations 1000 --seed 1 --workers 2 --world pure

Customers live by the model purchase after purchase, so what is true is known: the
parameters, each customer's expectation given the history that was seen, and what the
customer did next. Nothing of relkit takes part in the simulation. docs/coverage.md
holds the table of a long run.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

import relkit as rk
from relkit.value.futures import prediction
from relkit.value.lifetime_value import LifetimeValue

CUSTOMERS = 2_000
HORIZON = 52.0
RATE = 0.10
# What value_change looks back, and how many customers are predicted one by one.
BACK = 13.0
CHOSEN = 50
DRAWS = 400
# Retention and residual value take longest; the short version looks at every fifth.
SELDOM = 5
Row = dict[str, float]


@dataclass(frozen=True)
class World:
    """Parameters, and how long customers have been seen, in weeks."""

    purchases: tuple[float, float, float, float]
    spend: tuple[float, float, float]
    shortest: float
    longest: float


WORLDS = {
    # Customers won over 24 weeks, seen for 36 to 60.
    "young": World((0.5, 6.0, 0.8, 2.4), (3.0, 4.0, 20.0), 36.0, 60.0),
    # Customers won over three years, the last of them today.
    "pure": World((0.9, 9.0, 0.8, 2.5), (6.0, 4.0, 350.0), 0.0, 156.0),
}


@dataclass(frozen=True)
class Lives:
    """A row a repeat purchase; times count from each customer's first purchase."""

    T: np.ndarray
    who: np.ndarray
    when: np.ndarray
    amount: np.ndarray

    def summary(self, back: float = 0.0) -> pd.DataFrame:
        """What was seen ``back`` weeks before the end, of customers there by then."""
        seen = self.when <= (self.T - back)[self.who]
        who, n = self.who[seen], len(self.T)
        x = np.bincount(who, minlength=n).astype(float)
        recency = np.zeros(n)
        np.maximum.at(recency, who, self.when[seen])
        mean = np.bincount(who, self.amount[seen], n) / np.maximum(x, 1)
        frame = pd.DataFrame(
            {
                "customer_id": np.arange(n),
                "frequency": x,
                "recency": recency,
                "T": self.T - back,
                "monetary_value": mean,
            }
        )[back < self.T].reset_index(drop=True)
        frame.attrs["unit"] = "week"
        return frame

    def to_come(self) -> tuple[np.ndarray, np.ndarray]:
        """Purchases after T and their discounted spend, both (n,)."""
        after = self.when - self.T[self.who]
        ahead = after > 0
        who, n = self.who[ahead], len(self.T)
        worth = self.amount[ahead] * (1 + RATE) ** (-after[ahead] * 7 / 365.25)
        return np.bincount(who, minlength=n), np.bincount(who, worth, n)


def live(rng: np.random.Generator, world: World, n: int = CUSTOMERS) -> Lives:
    """Customers of BG/NBD and Gamma-Gamma, one purchase after the other."""
    r, alpha, a, b = world.purchases
    p, q, v = world.spend
    T = rng.uniform(world.shortest, world.longest, n)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    scale = rng.gamma(q, 1 / v, n)
    active, now, events = np.arange(n), np.zeros(n), []
    while len(active):
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= T[active] + HORIZON]
        events.append((active, now[active], rng.gamma(p, size=len(active)) / scale[active]))
        active = active[rng.random(len(active)) >= leave[active]]
    who, when, amount = (np.concatenate(column) for column in zip(*events, strict=True))
    return Lives(T, who, when, amount)


def population(seed: int, world: World, seldom: int = SELDOM) -> Row:
    """One population: for each interval 1 if it held the truth, 0 if not, or a share.

    Empty where the data did not carry a fit. Retention and residual value, which take
    the longest, of every
    fifth population.
    """
    rng = np.random.default_rng([20261, seed])
    lives = live(rng, world)
    summary = lives.summary()
    fits = rk.fit_bgnbd(summary), rk.fit_gamma_gamma(summary)
    if any(fit.status != "converged" for fit in fits):
        return {}
    known = rk.BGNBD(*world.purchases, unit="week"), rk.GammaGamma(*world.spend)
    terms = {"horizon": HORIZON, "annual_discount_rate": RATE}
    value = rk.customer_lifetime_value(*fits, summary, **terms)
    truth = rk.customer_lifetime_value(*known, summary, **terms)
    row: Row = {}
    for fit, model in zip(fits, known, strict=True):
        for line in fit.to_frame().itertuples():
            row[f"parameter {line.parameter}"] = holds(line, getattr(model, line.parameter))
    row |= one_by_one(value, truth, summary)
    row["CLV of all"] = holds(value.total, truth.total.value)
    row |= by_tier(value, truth)
    row |= changed(value, truth, lives.summary(back=BACK))
    row |= predicted(value, lives, rng, seed)
    if seed % seldom == 0:
        row |= retained(value, truth)
        endless = [
            rk.customer_lifetime_value(
                *models, summary, horizon=math.inf, annual_discount_rate=RATE
            ).total
            for models in (fits, known)
        ]
        row["residual value of all"] = holds(endless[0], endless[1].value)
    return row


def holds(interval: object, truth: float) -> float:
    """1 if the truth lies inside, else 0."""
    return float(interval.low <= truth <= interval.high)  # type: ignore[attr-defined]


def one_by_one(value: LifetimeValue, truth: LifetimeValue, summary: pd.DataFrame) -> Row:
    """Shares of customers whose expectation lies in its interval."""
    found, true = value.customer_intervals(), truth.to_frame()
    row: Row = {}
    x = summary["frequency"]
    groups = {"": x >= 0, ", x = 0": x == 0, ", x = 1 or 2": (x > 0) & (x < 3), ", x ≥ 3": x > 2}
    for name, column in (("purchases", "expected_purchases"), ("clv", "clv")):
        # Rounding: without a repeat purchase and alike, low may equal the truth.
        inside = (found[f"{name}_low"] <= true[column]) & (true[column] <= found[f"{name}_high"])
        said = "expected purchases" if name == "purchases" else "CLV"
        for group, members in groups.items():
            row[f"{said} of a customer{group}"] = float(inside[members].mean())
    return row


def by_tier(value: LifetimeValue, truth: LifetimeValue) -> Row:
    """CLV of the best fifth, the next three tenths and the rest, by estimated CLV."""
    clv, true = value.to_frame()["clv"], truth.to_frame()["clv"]
    rank = clv.rank(method="first", ascending=False) / len(clv)
    labels = pd.cut(rank, [0, 0.2, 0.5, 1], labels=["best fifth", "next three tenths", "rest"])
    sums = true.groupby(labels, observed=True).sum()
    return {
        f"CLV of the {line.label}": holds(line, sums[line.label])
        for line in value.total_by(labels).itertuples()
    }


def changed(value: LifetimeValue, truth: LifetimeValue, earlier: pd.DataFrame) -> Row:
    """The change of the base since ``BACK`` weeks ago."""
    terms = {"horizon": HORIZON, "annual_discount_rate": RATE}
    change, true = (
        rk.value_change(
            rk.customer_lifetime_value(now.purchases, now.spend, earlier, **terms), now
        ).change
        for now in (value, truth)
    )
    return {"change of CLV in 13 weeks": holds(change, true.value)}


def retained(value: LifetimeValue, truth: LifetimeValue) -> Row:
    """Retention of a year, and what a point more of it would be worth."""
    found, true = rk.retention_value(value), rk.retention_value(truth)
    return {
        "yearly retention": holds(found.retention_now, true.retention_now.value),
        "gain of a point of retention": holds(found.gained, true.gained.value),
    }


def predicted(value: LifetimeValue, lives: Lives, rng: np.random.Generator, seed: int) -> Row:
    """What really happened, of all and of some customers."""
    bought, spent = lives.to_come()
    chosen = rng.choice(len(bought), CHOSEN, replace=False)
    frame = value.customer_predictions(chosen, draws=DRAWS, seed=seed)
    sure = [
        float(((frame[f"{name}_low"] <= real) & (real <= frame[f"{name}_high"])).mean())
        for name, real in (("purchases", bought[chosen]), ("clv", spent[chosen]))
    ]
    # What predicted_total and predicted_purchases draw, drawn once for both.
    futures, frame = value._futures(DRAWS, seed), value.to_frame()
    purchases = prediction(futures.purchases, frame["expected_purchases"].sum(), value.n, 0.95)
    total = prediction(futures.spend, value.total.value, value.n, 0.95)
    return {
        "real purchases of all": holds(purchases, float(bought.sum())),
        "real spend of all": holds(total, float(spent.sum())),
        "real purchases of a customer": sure[0],
        "real spend of a customer": sure[1],
    }


def study(
    world: str,
    populations: int,
    seed: int = 0,
    workers: int = 1,
    job: Callable[[int, World], Row] = population,
) -> pd.DataFrame:
    """Coverage of each interval: interval, coverage, monte_carlo_error, populations."""
    seeds = range(seed * 1_000_000, seed * 1_000_000 + populations)
    one = partial(job, world=WORLDS[world])
    if workers == 1:
        rows: Iterable[Row] = map(one, seeds)
        return _table(rows)
    with ProcessPoolExecutor(workers) as pool:
        return _table(pool.map(one, seeds, chunksize=5))


def _table(rows: Iterable[Row]) -> pd.DataFrame:
    # A share of customers that a population has none of is missing there.
    frame = pd.DataFrame([row for row in rows if row])
    error = frame.std(ddof=1) / np.sqrt(frame.count())
    table = pd.DataFrame(
        {"coverage": frame.mean(), "monte_carlo_error": error, "populations": frame.count()}
    )
    return table.rename_axis("interval").reset_index()


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="./kit bench coverage", description=__doc__)
    parser.add_argument("--populations", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--every", type=int, default=1, help="retention and residual value of every n-th only"
    )
    parser.add_argument("--world", choices=[*WORLDS, "all"], default="all")
    chosen = parser.parse_args(list(arguments))
    job = partial(population, seldom=chosen.every)
    for name in WORLDS if chosen.world == "all" else [chosen.world]:
        started = time.perf_counter()
        table = study(name, chosen.populations, chosen.seed, chosen.workers, job)
        took = time.perf_counter() - started
        fitted = int(table["populations"].max())
        print(f"\n{name} world: {fitted:,} of {chosen.populations:,} populations, {took:.0f} s")
        print(f"{'nominal 95 %':<44}{'coverage %':>11}{'±':>6}")
        for line in table.itertuples():
            share, error = 100 * line.coverage, 100 * line.monte_carlo_error
            print(f"{line.interval:<44}{share:>11.1f}{error:>6.1f}")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
