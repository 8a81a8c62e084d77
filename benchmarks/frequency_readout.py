"""How long the read-out of a contact-frequency experiment takes.

    ./kit bench frequency_readout
    ./kit bench frequency_readout --customers 100000

A synthetic world on disk, six arms in four tiers over 26 weeks. Aggregation is everything
that goes through rows: outcomes by customer, their totals, sums by week, counts for the
gates. Everything after it works on the sums. Opening the source, where every row is read
and checked, comes before and stands apart. Touches are left out, 50 rows a customer, so
that gates on them are not measurable here.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PLAN = Path(__file__).parents[1] / "params" / "experiments" / "world.yaml"
AS_OF = "2025-06-29"


class Clock:
    """Seconds by the clock and of the processors, by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}

    def __call__(self, stage: str, job: Callable[[], Any]) -> Any:
        began, used = time.perf_counter(), self._used()
        result = job()
        wall, processor = time.perf_counter() - began, self._used() - used
        before = self.stages.get(stage, (0.0, 0.0))
        self.stages[stage] = (before[0] + wall, before[1] + processor)
        print(f"{stage:<44}{wall:>8.2f}{processor:>8.2f}", flush=True)
        return result

    def total(self, stages: Sequence[str]) -> tuple[float, float]:
        both = [self.stages[stage] for stage in stages]
        return sum(wall for wall, _ in both), sum(processor for _, processor in both)

    @staticmethod
    def _used() -> float:
        use = resource.getrusage(resource.RUSAGE_SELF)
        return use.ru_utime + use.ru_stime


def measure(customers: int) -> None:
    """Print the table of one size."""
    import relkit as rk
    from relkit.data.experiment_periods import experiment_periods

    warnings.simplefilter("ignore")
    clock = Clock()
    print(f"{f'{customers:,} customers':<44}{'s':>8}{'CPU s':>8}")
    with tempfile.TemporaryDirectory(prefix="relkit-bench-") as home:
        written = rk.write_world(
            Path(home) / "world", customers, seed=5, faults=None, accounts=0,
            tables=["transactions", "customers", "assignments", "tickets"],
        )  # fmt: skip
        source = rk.open_source(written.source, as_of=AS_OF)
        clock("(opened and checked before)", lambda: [source.assignments, source.tickets])
        plan = rk.read_plan(PLAN)
        weeks = (plan.window_weeks, plan.covariate_weeks, plan.retained_within_weeks)
        outcomes = clock("outcomes by customer", lambda: rk.experiment_outcomes(source, *weeks))
        metrics = [m for m in outcomes.metrics if m != "purchases"]
        totals = clock("totals by tier and arm", lambda: outcomes.totals(metrics))
        ends = range(1, plan.window_weeks + 1)
        periods = clock("sums by week", lambda: experiment_periods(source, outcomes, ends))
        checks = clock("counts for the gates", lambda: rk.experiment_checks(source, outcomes))
        aggregation = list(clock.stages)[1:]
        after = _after(clock, plan, totals, metrics, periods, checks, source.as_of)
    for name, stages in (("aggregation", aggregation), ("everything after it", after)):
        wall, processor = clock.total(stages)
        print(f"{'= ' + name:<44}{wall:>8.2f}{processor:>8.2f}")


def _after(
    clock: Clock,
    plan: Any,
    totals: Any,
    metrics: list[str],
    periods: Any,
    checks: Any,
    as_of: Any,
) -> list[str]:
    """Everything that works on sums; gives the names of its stages."""
    import relkit as rk
    from relkit.frequency.sensitivity import sensitivity

    before = set(clock.stages)
    sums = clock("sums by plan", lambda: rk.planned_sums(plan, totals, metrics))
    state = rk.plan_state(PLAN)
    gates = clock("trust gates", lambda: rk.check_trust(plan, state, checks, as_of))
    clock("effects on every metric", lambda: [
        rk.arm_effects(sums, metric, plan.today) for metric in sums.metrics
    ])  # fmt: skip
    # Gates that are red for want of touches would end the reading; its cost is the point.
    passed = dict.fromkeys(gates.passed, True)
    clock("read-out", lambda: rk.read_planned_experiment(plan, sums, passed))
    cadences = [arm for arm in plan.arms.values() if arm.step_down_to is None]
    clock("sensitivity to prices", lambda: sensitivity(
        sums, cadences, rk.terms_of(plan), plan.guardrails, rk.rule_of(plan), plan.today,
        passed, True,
    ))  # fmt: skip
    clock("26 looks", lambda: _looks(plan, periods))
    return [stage for stage in clock.stages if stage not in before]


def _looks(plan: Any, periods: Any) -> list[Any]:
    """Confidence sequences of revenue, every arm against today's in every tier."""
    import numpy as np

    import relkit as rk

    each = []
    for period in range(len(periods.ends)):
        rows = periods.so_far[periods.so_far["period"] == period].drop(columns="period")
        sums = rk.planned_sums(plan, rows, periods.metrics)
        each.append(rk.arm_effects(sums, "revenue", plan.today))
    found = []
    for t, tier in enumerate(plan.tiers):
        at = each[0].arms.index(plan.today[tier])
        for a in range(len(plan.arms)):
            if a != at:
                gaps = np.array([one.difference[t, a] for one in each])
                errors = [np.hypot(*one.standard_error[t, [a, at]]) for one in each]
                found.append(rk.confidence_sequence(gaps, np.array(errors)))
    return found


def main(given: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="./kit bench frequency_readout")
    parser.add_argument("--customers", type=int, default=1_000_000)
    measure(parser.parse_args(list(given)).customers)


if __name__ == "__main__":
    main()
