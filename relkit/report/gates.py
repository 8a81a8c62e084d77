"""What must hold before the figures may be read, each with its figure.

A gate is passed, failed, or could not be measured; a failed one stands in the
report where everyone sees it. Which limits are used, and why, stands here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from relkit.errors import FitError
from relkit.report.blocks import Gate, gate
from relkit.report.findings import cohorts_alike, status_term, untested
from relkit.report.statements import Statement, say
from relkit.studies.validation import Untested
from relkit.value.stationarity import DRIFT, NOT_MEASURABLE, Stationarity

if TYPE_CHECKING:
    from relkit.value.gamma_gamma import GammaGammaFit
    from relkit.value.holdout import HoldoutValidation
    from relkit.value.purchase_fit import PurchaseFit

# Below this many customers who came back, the drop-out parameters rest on so few
# people that their intervals are known to be too narrow.
LEAST_REPEATERS = 100
# Gamma-Gamma takes spend and frequency as independent; the published example has .11
# (Fader & Hardie 2013) and is taken as fit for use.
LARGEST_CORRELATION = 0.20
# A total that is off by more than a fifth changes decisions that rest on totals.
LARGEST_HOLDOUT_ERROR = 0.20
# Likewise of the single weeks: beyond it no week may be read off the curve.
LARGEST_SWING = 0.20


def headline(*gates: Gate) -> Statement:
    """How many of the gates hold: the headline over them."""
    held = sum(one.passed is True for one in gates)
    return say("gates.all" if held == len(gates) else "gates.some", held=held, n=len(gates))


def repeaters(fit: PurchaseFit[Any]) -> Gate:
    passed = fit.n_repeaters >= LEAST_REPEATERS
    return gate(
        say(
            "gate.repeaters_pass" if passed else "gate.repeaters_fail",
            n=fit.n_repeaters,
            customers=fit.n,
            least=LEAST_REPEATERS,
        ),
        passed,
    )


def converged(fit: PurchaseFit[Any]) -> Gate:
    if fit.status == "converged":
        return gate(say("gate.converged_pass", log_likelihood=fit.log_likelihood), True)
    return gate(say("gate.converged_fail", status=status_term(fit.status)), False)


def correlation(spend: GammaGammaFit) -> Gate:
    try:
        measured = spend.frequency_spend_correlation
    except FitError:
        return gate(say("gate.correlation_unknown", n=spend.n), None)
    passed = abs(measured.value) <= LARGEST_CORRELATION
    return gate(
        say(
            "gate.correlation_pass" if passed else "gate.correlation_fail",
            correlation=measured,
            limit=LARGEST_CORRELATION,
        ),
        passed,
    )


def holdout(check: HoldoutValidation | Untested) -> Gate:
    """Passed inside the prediction interval; undecided (None) outside but near; else failed."""
    if isinstance(check, Untested):
        return gate(say("gate.holdout_untested", **untested(check)), None)
    near = abs(check.error) <= LARGEST_HOLDOUT_ERROR
    passed = True if check.within_interval else (None if near else False)
    key = {True: "pass", None: "near", False: "fail"}[passed]
    return gate(
        say(
            f"gate.holdout_{key}",
            actual=check.actual,
            expected=check.expected,
            limit=LARGEST_HOLDOUT_ERROR,
        ),
        passed,
    )


def cohorts(found: Stationarity) -> Gate:
    """Whether customers who came at different times buy alike, by what it would move.

    A difference without consequence passes: with many customers every difference is
    significant, and what counts is what it does to the purchases expected.
    """
    passed = None if found.verdict == NOT_MEASURABLE else found.verdict != DRIFT
    return gate(cohorts_alike(found), passed)


def seasons(check: HoldoutValidation | Untested) -> Gate:
    """Whether purchases come evenly, as the model takes them to; small waves are undecided."""
    if isinstance(check, Untested) or check.tracking_dispersion.is_visible is None:
        return gate(say("gate.seasons_unknown"), None)
    found = check.tracking_dispersion
    if not found.is_visible:
        return gate(say("gate.seasons_pass", periods=found.periods), True)
    assert found.swing is not None  # it is measured
    large = found.swing > LARGEST_SWING
    return gate(
        say(
            "gate.seasons_fail" if large else "gate.seasons_near",
            swing=found.swing,
            limit=LARGEST_SWING,
        ),
        False if large else None,
    )
