"""Does the decision on contact frequency hold? Many simulated experiments say.

    ./kit bench frequency
    ./kit bench frequency --experiments 300 --seed 1 --world smooth --customers 20000

Customers buy, leave and complain as in docs/world.md, six cadences are assigned by
chance in each of four tiers, and what every cadence is truly worth is known without
simulation. Nothing of relkit takes part in the simulation. docs/frequency-study.md
holds the table of a long run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2, chisquare

from relkit.frequency.cadence import Cadence, Contact
from relkit.frequency.decision import DecisionRule, TierDecision, decide
from relkit.frequency.estimand import ValueTerms, value_by_arm
from relkit.frequency.guardrails import check_guardrails
from relkit.frequency.plan import Guardrail
from relkit.frequency.read_out import FrequencyReadOut, read_frequency_experiment
from relkit.frequency.sums import ArmSums

WEEKS = 26.0
MONTHS = WEEKS * 7 / 30.4375
MARGIN = 0.3
COMPLAINTS_PER_WEEK = 0.004
METRICS = ("margin", "complaints", "retained")
ARMS = ("0", "1/3", "1", "2", "4", "8")
DOSES = np.array([0, 1 / 3, 1, 2, 4, 8])
TODAY = "1"
COST = 0.2
COMPLAINT_COST = 50.0
COMPLAINT_MARGIN = 1.10
SIZES = (20_000, 200_000, 1_000_000)
# Up to this many customers each one is simulated, beyond it the sums are drawn.
CUSTOMER_LEVEL = 20_000
# Customers a cell from whom the spread of outcomes is taken where sums are drawn.
SAMPLE = 60_000
# Other experiments than those on which anything was chosen.
EVALUATION, TUNING = 20265, 20266


class Tier(NamedTuple):
    """Shares, purchase rate ~ Gamma, drop-out ~ Beta(1, b), mean spend 2γ, best per month."""

    name: str
    share: float
    shape: float
    rate: float
    b: float
    gamma: float
    best: float
    residual: float


TIERS = (
    Tier("high", 0.08, 4, 16, 40, 450, 8.0, 5000),
    Tier("growth", 0.27, 3, 30, 16, 350, 4 / 3, 1500),
    Tier("standard", 0.40, 2, 50, 7, 200, 2 / 3, 400),
    Tier("occasional", 0.25, 1, 80, 4, 150, 1 / 3, 80),
)


@dataclass(frozen=True)
class Effects:
    """What a frequency does to buying, leaving and complaining, as factors."""

    buying: float
    leaving: float
    complaints: float


def smooth(f: float, best: float) -> Effects:
    """Fatigue as in docs/world.md."""
    u = f / best
    return Effects(
        np.exp(0.20 * (max(2 * u - u * u, -6.0) - 1)),
        np.exp(0.8 * (np.log1p(u) - np.log(2)) ** 2),
        np.exp(0.35 * min(max(u - 1, 0.0), 6.0)),
    )


def cliff(f: float, best: float) -> Effects:
    """The same up to the best frequency, beyond it all at once too much."""
    if f <= best:
        return smooth(f, best)
    return Effects(np.exp(0.20 * -4), 1.5, 2.0)


def rising(f: float, best: float) -> Effects:
    """The more the better, ever less so; nobody tires."""
    part = np.log1p(f) / np.log1p(8)
    return Effects(np.exp(0.35 * part - 0.2), np.exp(-0.3 * part), 1.0)


def flat(f: float, best: float) -> Effects:
    """Contacts do nothing."""
    return Effects(1.0, 1.0, 1.0)


def harmful(f: float, best: float) -> Effects:
    """Every contact drives customers away."""
    part = np.log1p(f) / np.log1p(8)
    return Effects(np.exp(-0.4 * part), np.exp(0.8 * part), np.exp(0.7 * part))


def faint(f: float, best: float) -> Effects:
    """A tenth of the effects of the smooth world: most arms are nearly the same."""
    one = smooth(f, best)
    return Effects(one.buying**0.1, one.leaving**0.1, one.complaints**0.1)


WORLDS: dict[str, Callable[[float, float], Effects]] = {
    "smooth": smooth,
    "cliff": cliff,
    "rising": rising,
    "flat": flat,
    "harmful": harmful,
    "faint": faint,
}
TERMS = ValueTerms(
    residual_value={tier.name: tier.residual for tier in TIERS},
    complaint_cost=COMPLAINT_COST,
    contact_cost={("message", "any"): COST},
    weeks=WEEKS,
)
CADENCES = tuple(
    Cadence(name, (Contact("message", "any", dose),) if dose else ())
    for name, dose in zip(ARMS, DOSES.tolist(), strict=True)
)
GUARDRAILS = (Guardrail("complaints", "ratio", COMPLAINT_MARGIN),)


@lru_cache
def quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(200)


def expected(tier: Tier, effects: Effects) -> np.ndarray:
    """Margin, complaints, retained of a customer over the window, (3,).

    N purchases ~ Poisson, each followed by leaving with chance p: (1 − exp(−Λp)) / p are
    made, exp(−Λp) stay; over Λ ~ Gamma in closed form, over p by quadrature.
    """
    nodes, weights = quadrature()
    chance = 1 - (1 - (nodes + 1) / 2) ** (1 / tier.b)
    chance = np.minimum(chance * effects.leaving, 1.0)
    stay = (1 + WEEKS * effects.buying / tier.rate * chance) ** -tier.shape
    purchases = (weights / 2 * (1 - stay) / chance).sum()
    complaints = COMPLAINTS_PER_WEEK * WEEKS * effects.complaints
    return np.array([MARGIN * purchases * 2 * tier.gamma, complaints, (weights / 2 * stay).sum()])


def worth(tier: Tier, world: str, f: float) -> float:
    """True net value of a frequency per customer and window."""
    margin, complaints, retained = expected(tier, WORLDS[world](f, tier.best))
    return margin - COMPLAINT_COST * complaints + tier.residual * retained - COST * MONTHS * f


@dataclass(frozen=True)
class Truth:
    """Of a world: net value (T, A), complaints (T, A), best frequency (T,)."""

    net: np.ndarray
    complaints: np.ndarray
    best_dose: np.ndarray


@lru_cache
def truth(world: str) -> Truth:
    net = np.array([[worth(tier, world, f) for f in DOSES] for tier in TIERS])
    factor = [[WORLDS[world](f, tier.best).complaints for f in DOSES] for tier in TIERS]
    fine = np.unique(np.concatenate([np.expm1(np.linspace(0, np.log(9), 2001)), DOSES,
                                     [t.best for t in TIERS]]))  # fmt: skip
    best = [fine[np.argmax([worth(tier, world, f) for f in fine])] for tier in TIERS]
    return Truth(net, np.array(factor), np.array(best))


def customers(rng: np.random.Generator, tier: Tier, effects: Effects, n: int) -> np.ndarray:
    """margin, complaints, retained, margin of the half year before; (n, 4)."""
    rate = rng.gamma(tier.shape, 1 / tier.rate, n)
    chance = np.minimum(rng.beta(1, tier.b, n) * effects.leaving, 1.0)
    scale = rng.gamma(4, 1 / tier.gamma, n)
    wanted = rng.poisson(rate * effects.buying * WEEKS)
    leaves_at = rng.geometric(chance)
    made = np.minimum(wanted, leaves_at)
    before = rng.poisson(rate * WEEKS)
    spent = [MARGIN * rng.gamma(6.0 * count) / scale for count in (made, before)]
    complaints = rng.poisson(COMPLAINTS_PER_WEEK * WEEKS * effects.complaints, n)
    return np.column_stack([spent[0], complaints, wanted < leaves_at, spent[1]])


@lru_cache(maxsize=1024)
def moments(world: str, tier: Tier, arm: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (4,) and a root of the covariance (4, 4) of one customer; means without error."""
    effects = WORLDS[world](DOSES[arm], tier.best)
    rng = np.random.default_rng([20267, list(WORLDS).index(world), TIERS.index(tier), arm])
    sample = customers(rng, tier, effects, SAMPLE)
    before = MARGIN * tier.shape / tier.rate * WEEKS * 2 * tier.gamma
    mean = np.append(expected(tier, effects), before)
    return mean, np.linalg.cholesky(np.cov(sample.T))


def simulate(world: str, n: int, rng: np.random.Generator, drawn: bool) -> ArmSums:
    """Sums of one experiment; of every customer, or drawn as sums of many are: normal."""
    counts = [rng.multinomial(round(n * tier.share), [1 / 6] * 6) for tier in TIERS]
    cells = []
    for tier, sizes in zip(TIERS, counts, strict=True):
        for arm, size in enumerate(sizes):
            if drawn:
                mean, root = moments(world, tier, arm)
                total = size * mean + np.sqrt(size) * root @ rng.standard_normal(4)
                products = (size - 1) * root @ root.T + np.outer(total, total) / size
            else:
                rows = customers(rng, tier, WORLDS[world](DOSES[arm], tier.best), size)
                total, products = rows.sum(0), rows.T @ rows
            cells.append((total, products))
    shape = len(TIERS), len(ARMS)
    totals = np.array([total for total, _ in cells]).T.reshape(4, *shape)
    products = np.array([p for _, p in cells]).transpose(1, 2, 0).reshape(4, 4, *shape)
    return ArmSums(
        metrics=METRICS,
        tiers=tuple(tier.name for tier in TIERS),
        arms=ARMS,
        n=np.array(counts),
        sum_y=totals[:3],
        sum_yy=products[:3, :3],
        sum_x=totals[3],
        sum_x2=products[3, 3],
        sum_xy=products[3, :3],
    )


def gates(sums: ArmSums) -> dict[str, bool]:
    """Sample ratio in all and by tier, and means before the start, each at .001."""
    passed = {"sample ratio": bool(chisquare(sums.n.sum(0)).pvalue > 0.001)}
    mean = sums.sum_x / sums.n
    variance = (sums.sum_x2 / sums.n - mean**2) / sums.n
    for t, tier in enumerate(sums.tiers):
        passed[f"{tier}: sample ratio"] = bool(chisquare(sums.n[t]).pvalue > 0.001)
        weight = 1 / variance[t]
        centre = (weight * mean[t]).sum() / weight.sum()
        apart = (weight * (mean[t] - centre) ** 2).sum()
        passed[f"{tier}: before the start"] = bool(chi2.sf(apart, len(ARMS) - 1) > 0.001)
    return passed


def rule_of(world: str) -> DecisionRule:
    """1 % of today's margin may be lost."""
    losses = {t.name: 0.01 * expected(t, WORLDS[world](1.0, t.best))[0] for t in TIERS}
    return DecisionRule(tolerated_loss=losses)


def read(world: str, sums: ArmSums) -> FrequencyReadOut:
    return read_frequency_experiment(
        sums, CADENCES, TERMS, GUARDRAILS, rule_of(world), TODAY, gates(sums), randomised=True
    )


def experiment(
    world: str,
    n: int,
    seed: int,
    stream: int = EVALUATION,
    drawn: bool | None = None,
    todays: Sequence[str] = (TODAY,),
) -> list[dict[str, object]]:
    """One experiment: a row a tier and cadence of today, what was said and what is true."""
    place = list(WORLDS).index(world)
    rng = np.random.default_rng([stream, place, n, seed])
    sums = simulate(world, n, rng, n > CUSTOMER_LEVEL if drawn is None else drawn)
    answer, passed, rule = read(world, sums), gates(sums), rule_of(world)
    rows = []
    for current in todays:
        decided = answer.decisions
        if current != TODAY:
            rails = check_guardrails(sums, GUARDRAILS, current)
            decided = decide(answer.curves, answer.shape, rails, current, rule, passed, True)
        for t in range(len(TIERS)):
            row = judged(world, t, ARMS.index(current), answer, decided.tiers[t])
            rows.append({"seed": seed, "today": current} | row)
    return rows


def judged(
    world: str, t: int, today: int, answer: FrequencyReadOut, one: TierDecision
) -> dict[str, object]:
    """What was decided in a tier beside the truth."""
    true, share = truth(world), TIERS[t].share
    chosen = ARMS.index(one.arm) if one.action == "switch" and one.arm else today
    best = int(answer.curves.expected[t].argmax())
    gain = share * (true.net[t] - true.net[t, today])
    harm = true.complaints[t, chosen] / true.complaints[t, today]
    return {
        "tier": TIERS[t].name,
        "action": one.action,
        "arm": one.arm,
        "covered": answer.brackets.covers(t, true.best_dose[t]),
        "width": float(answer.brackets.best_set[t].sum()),
        "attainable": gain.max(),
        "by_curve": gain[best],
        "by_rule": gain[chosen],
        "worse": bool(gain[chosen] < 0),
        "harmful": bool(harm > COMPLAINT_MARGIN),
        "more": chosen > today,
        "effect": answer.shape.effect[t],
    }


def study(
    world: str,
    n: int,
    experiments: int,
    first: int = 0,
    stream: int = EVALUATION,
    drawn: bool | None = None,
    todays: Sequence[str] = ARMS,
) -> pd.DataFrame:
    """Rows of many experiments."""
    seeds = range(first, first + experiments)
    each = (experiment(world, n, seed, stream, drawn, todays) for seed in seeds)
    return pd.DataFrame([row for rows in each for row in rows])


def summary(every: pd.DataFrame) -> dict[str, float]:
    """One line of the table; today's cadence is TODAY unless another is said."""
    every = every.assign(false=every["worse"] | every["harmful"])
    rows = every[every["today"] == TODAY]
    shares = rows["action"].value_counts(normalize=True)
    by_today = every.groupby("today")
    wrong = every.groupby(["today", "seed"])["false"].any().groupby("today").mean()
    attainable = by_today["attainable"].sum()
    # Where today's cadence is the best everywhere, nothing can be captured.
    caught = by_today["by_curve"].sum()[attainable > 0] / attainable[attainable > 0]
    line = {
        "covered": rows["covered"].mean(),
        "covered, worst tier": rows.groupby("tier")["covered"].mean().min(),
        "arms in the set": rows["width"].mean(),
        "curve captures": caught.get(TODAY, np.nan),
        "curve captures, mean of todays": caught.mean(),
        "rule captures": rows["by_rule"].sum() / rows["attainable"].sum(),
        "false switch": wrong[TODAY],
        "false switch, worst today": wrong.max(),
        "more contacts": rows["more"].mean(),
        "effect shown": rows.groupby("seed")["effect"].any().mean(),
    }
    names = ("switch", "keep", "extend", "add_arm", "no_verdict")
    return line | {name: float(shares.get(name, 0.0)) for name in names}


def shapes_of_the_sources(world: str, n: int, experiments: int) -> dict[str, float]:
    """How often 95 % intervals for the best frequency hold, of the U-curve and the bracket.

    The quadratic in log(1 + dose), with normal draws of its coefficients, as an analyst
    would fit it; in every tier.
    """
    true, held = truth(world), []
    for seed in range(experiments):
        rng = np.random.default_rng([EVALUATION, list(WORLDS).index(world), n, seed])
        value = value_by_arm(simulate(world, n, rng, n > CUSTOMER_LEVEL), CADENCES, TERMS)
        x = np.log1p(DOSES)
        design = np.column_stack([np.ones_like(x), x, x * x])
        fine = np.log1p(np.linspace(0, 8, 401))
        grid = np.column_stack([np.ones_like(fine), fine, fine * fine])
        for t in range(len(TIERS)):
            weight = 1 / value.gross.standard_error[t] ** 2
            covariance = np.linalg.inv(design.T @ (design * weight[:, None]))
            middle = covariance @ design.T @ (weight * value.gross.mean[t])
            drawn = rng.multivariate_normal(middle, covariance, 400) @ grid.T
            peak = np.expm1(fine)[(drawn - COST * MONTHS * np.expm1(fine)).argmax(1)]
            low, high = np.quantile(peak, [0.025, 0.975])
            held.append(low <= true.best_dose[t] <= high)
    return {"quadratic": float(np.mean(held))}


def main(words: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="./kit bench frequency", description=__doc__)
    parser.add_argument("--experiments", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first experiment")
    parser.add_argument("--world", choices=list(WORLDS), action="append")
    parser.add_argument("--customers", type=int, action="append")
    parser.add_argument("--tuning", action="store_true", help="other experiments, to choose by")
    parser.add_argument("--drawn", action="store_true", help="draw the sums at every size")
    options = parser.parse_args(words)
    stream = TUNING if options.tuning else EVALUATION
    lines = {}
    for world in options.world or WORLDS:
        for n in options.customers or SIZES:
            start = time.process_time()
            drawn = True if options.drawn else None
            rows = study(world, n, options.experiments, options.seed, stream, drawn)
            lines[world, n] = summary(rows)
            if world in ("smooth", "cliff") and not options.tuning:
                lines[world, n] |= shapes_of_the_sources(world, n, min(options.experiments, 100))
            lines[world, n]["seconds"] = time.process_time() - start
            print(world, n, {k: round(float(v), 3) for k, v in lines[world, n].items()}, flush=True)
    table = pd.DataFrame(lines).rename_axis(columns=["world", "customers"]).T
    with pd.option_context("display.width", 280, "display.max_columns", 30):
        print(table.round(3).to_string())


if __name__ == "__main__":
    main()
