"""Which purchase model, if any: all of them beside honest baselines, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from relkit.studies.validation import Untested, earlier_windows, split_of, split_or_untested
from relkit.value.comparison import compare_on_holdout
from relkit.value.purchase_models import PURCHASE_MODELS

if TYPE_CHECKING:
    from datetime import date

    from relkit.data.summaries import HoldoutSummary
    from relkit.value.comparison import ModelComparison

    Table = Any  # an Ibis table; Ibis itself is at home in data/ only


def compare_models(
    transactions: Table,
    *,
    calibration_end: date | str,
    as_of: date | str,
    unit: str = "week",
    grain: str = "day",
    models: Iterable[str] = PURCHASE_MODELS,
    seed: int = 0,
) -> ModelComparison:
    """Fit every model on the time up to calibration_end, and compare on the rest.

    Beside the models stand what needs none: each customer's past rate carried on, the
    last period again, and gradient boosting on the same facts. All see the time up to
    calibration_end alone.

    Args:
        transactions: Lazy table or frame with customer_id, occurred_at, amount.
        calibration_end: Last day that anything may see.
        as_of: Last day of the holdout.
        unit: Unit of the models' time.
        grain: Purchases within one grain are one purchase.
        models: Names of purchase models.
        seed: Of simulated futures, boosted trees and customers drawn anew.

    Returns:
        The table, and the verdict: who wins on which measure, and on which the best
        model loses to a baseline. A model or baseline without an answer has a status.

    Raises:
        ParameterError: calibration_end leaves nothing before or after it, or there is
            no such model.
        DataError: none of the customers bought, or spent, after calibration_end.
    """
    split = split_of(transactions, calibration_end, as_of, unit, grain)
    return _compared(transactions, split, grain, models, seed)


def try_comparison(
    transactions: Table,
    *,
    calibration_end: date | str,
    as_of: date | str,
    unit: str = "week",
    grain: str = "day",
    models: Iterable[str] = PURCHASE_MODELS,
    seed: int = 0,
) -> ModelComparison | Untested:
    """``compare_models`` for a report that goes on where nobody buys or spends later.

    Args: as of ``compare_models``.

    Raises:
        ParameterError: as ``compare_models`` does.
    """
    split = split_or_untested(transactions, calibration_end, as_of, unit, grain)
    if isinstance(split, Untested):
        return split
    return _compared(transactions, split, grain, models, seed)


def _compared(
    transactions: Table, split: HoldoutSummary, grain: str, models: Iterable[str], seed: int
) -> ModelComparison:
    return compare_on_holdout(
        split.calibration,
        calibration_length=split.calibration_length,
        holdout_length=split.holdout_length,
        unit=split.unit,
        models=models,
        windows=earlier_windows(transactions, split, grain),
        seed=seed,
    )
