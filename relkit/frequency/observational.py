"""What customers did by how often they happened to be contacted: a hypothesis, never a verdict.

Nobody drew lots. Whoever buys more is contacted more, so that differences between groups
mix what contacts do with whom they go to. Adjustment repairs what was measured and nothing
else, so every result here is of grade C whatever its figures say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relkit.errors import DataError, ParameterError
from relkit.frequency.dose_frames import DoseFrame, read_doses
from relkit.frequency.dose_overlap import DoseOverlap, e_value, overlap_of, sampled_overlap
from relkit.frequency.stopping_rule import StoppingRuleTest
from relkit.frequency.sums import ArmSums
from relkit.intervals import normal_quantile

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
NAIVE, AIPW = "naive", "aipw"
OUTCOMES_AFTER = "outcomes_after"
# Propensities below are cut: one customer must not stand for more than so many others.
LEAST_PROPENSITY = 0.01
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class DoseEffects:
    """One outcome by dose group. Per customer. Never a verdict: see `hypothesis_only`.

    Attributes:
        outcome: Name.
        method: 'naive' (means of the groups as they are) or 'aipw' (adjusted for the
            covariates by augmented inverse propensity weights, cross-fitted).
        groups: Names, (A,), in the order of the dose.
        reference: The group that the others are held against.
        n: Customers, (A,).
        mean: If all customers were in the group, (A,), as far as the method can tell.
        standard_error: Of `mean`, (A,).
        difference: Group − reference, (A,); 0 for the reference itself.
        low: Lower end of its interval, (A,).
        high: Upper end.
        level: Of the intervals. They hold what chance does, and not what was not measured.
        covariates: What was adjusted for; empty for 'naive'.
        overlap: How alike the groups are, before and after; None without covariates.
        e_value: How strong (as a risk ratio, with group and with outcome) something
            unmeasured must be to explain the difference away, (A,); 1 for the reference.
        e_value_low: The same to bring 0 into the interval; 1 where it is there already.
        robustness: Share of what is left of group and outcome that something unmeasured
            must explain to bring the difference to 0, (A,); 0 for the reference; None for
            'naive'.
        robustness_low: The same to bring 0 into the interval.
    """

    outcome: str
    method: str
    groups: tuple[str, ...]
    reference: str
    n: NDArray[np.int64]
    mean: Floats
    standard_error: Floats
    difference: Floats
    low: Floats
    high: Floats
    level: float
    covariates: tuple[str, ...]
    overlap: DoseOverlap | None
    e_value: Floats
    e_value_low: Floats
    robustness: Floats | None
    robustness_low: Floats | None

    @property
    def grade(self) -> str:
        """Grade of evidence: C, since customers were not assigned by chance."""
        return "C"

    @property
    def hypothesis_only(self) -> bool:
        """Always true: no figure and no adjustment makes an observation an experiment."""
        return True

    @property
    def highest(self) -> str:
        """The group of the highest mean; a hypothesis like all else."""
        return self.groups[int(np.argmax(self.mean))]

    def to_frame(self) -> pd.DataFrame:
        """One row a group: outcome, method, group, is_reference, n, mean, standard_error,
        difference, low, high, e_value, e_value_low, robustness, robustness_low (empty
        where naive), grade, hypothesis_only."""
        import pandas as pd

        columns: dict[str, Any] = {"outcome": self.outcome, "method": self.method}
        columns |= {"group": self.groups}
        columns["is_reference"] = [group == self.reference for group in self.groups]
        names = ("n", "mean", "standard_error", "difference", "low", "high")
        for name in (*names, "e_value", "e_value_low", "robustness", "robustness_low"):
            columns[name] = getattr(self, name)
        return pd.DataFrame(columns).assign(grade=self.grade, hypothesis_only=True)


def naive_dose_effects(
    frame: pd.DataFrame,
    treatment: str,
    outcome: str,
    covariates: Sequence[str] = (),
    *,
    stopping: StoppingRuleTest | str,
    reference: str | None = None,
    level: float = 0.95,
) -> DoseEffects:
    """Means of dose groups as they are, and how unlike the groups are.

    Args:
        frame: One row a customer.
        treatment: Column with the dose group; an ordered category keeps its order.
        outcome: Column with what the customer did.
        covariates: Columns known before the contacts, to see how unlike the groups are.
        stopping: `rk.stopping_rule_test` of the contacts, or 'outcomes_after' where
            outcomes were counted only after the last contact that counts.
        reference: Group to hold the others against; the first if None.
        level: Of the intervals; Welch's, each taken alone.

    Raises:
        DataError: contacts stop at success, or it is not known whether; the frame's faults.
        ParameterError: no such reference.

    Source: VanderWeele & Ding (2017), "Sensitivity analysis in observational research:
        introducing the E-value", Annals of Internal Medicine 167, for the E-values.
    """
    refuse_stopping(stopping)
    data = read_doses(frame, treatment, outcome, covariates, reference)
    n, mean, variance = data.moments()
    at = data.place
    difference = mean - mean[at]
    error = np.sqrt(np.where(np.arange(len(n)) == at, 0.0, variance + variance[at]))
    overlap = sampled_overlap(data) if covariates else None
    half = _welch_half(variance, n, at, level) * error
    return _effects(data, NAIVE, mean, np.sqrt(variance), difference, half, level, overlap)


def adjusted_dose_effects(
    frame: pd.DataFrame,
    treatment: str,
    outcome: str,
    covariates: Sequence[str],
    *,
    stopping: StoppingRuleTest | str,
    reference: str | None = None,
    level: float = 0.95,
    outcome_model: Any = None,
    propensity_model: Any = None,
    seed: int = 1,
) -> DoseEffects:
    """Means of dose groups adjusted for covariates, by doubleml.

    Augmented inverse propensity weights with cross-fitting: right where either the model
    of the outcome or that of the groups is, and where everything that moves both is among
    the covariates. Whether it is, no data can tell; the answer stays a hypothesis.

    Args:
        frame: One row a customer.
        treatment: Column with the dose group; an ordered category keeps its order.
        outcome: Column with what the customer did.
        covariates: Columns with numbers known before the contacts; at least one.
        stopping: As for `naive_dose_effects`.
        reference: Group to hold the others against; the first if None.
        level: Of the intervals, each taken alone.
        outcome_model: A regressor of scikit-learn; curves of second degree if None.
        propensity_model: A classifier of scikit-learn; likewise.
        seed: Of the folds.

    Raises:
        ParameterError: doubleml is not installed; no covariates; no such reference.
        DataError: contacts stop at success, or it is not known whether; the frame's faults.

    Source: Robins, Rotnitzky & Zhao (1994); Chernozhukov et al. (2018), "Double/debiased
        machine learning", Econometrics Journal 21, section 5.1; Chernozhukov et al.
        (2022), "Long story short", for the robustness values.
    """
    refuse_stopping(stopping)
    if not covariates:
        raise ParameterError(
            "covariates must name at least one column known before the contacts; without any "
            "use naive_dose_effects"
        )
    doubleml = _doubleml()
    data = read_doses(frame, treatment, outcome, covariates, reference, least=2 * FOLDS)
    split = _folds(data, seed)
    fitted = doubleml.DoubleMLAPOS(
        doubleml.DoubleMLData.from_arrays(data.x, data.y, data.group),
        outcome_model or _curves(regression=True),
        propensity_model or _curves(regression=False),
        treatment_levels=list(range(len(data.groups))),
        n_folds=FOLDS,
        draw_sample_splitting=False,
        ps_processor_config=doubleml.utils.PSProcessorConfig(clipping_threshold=LEAST_PROPENSITY),
    )
    fitted.set_sample_splitting([split])
    fitted.fit()
    contrasts = fitted.causal_contrast(data.place)
    contrasts.sensitivity_analysis(level=level)
    others = np.arange(len(data.groups)) != data.place
    whole = np.zeros(len(others))
    difference, half = whole.copy(), whole.copy()
    difference[others] = contrasts.thetas
    half[others] = normal_quantile(level) * contrasts.ses
    robust, robust_low = whole.copy(), whole.copy()
    robust[others] = contrasts.sensitivity_params["rv"]
    robust_low[others] = contrasts.sensitivity_params["rva"]
    propensity = np.column_stack([model.predictions["ml_m"][:, 0, 0] for model in fitted.modellist])
    return _effects(
        data, AIPW, np.asarray(fitted.coef), np.asarray(fitted.se), difference, half, level,
        overlap_of(data, propensity, LEAST_PROPENSITY), robust, robust_low,
    )  # fmt: skip


def sums_of_effects(effects: Sequence[DoseEffects], tier: str = "all") -> ArmSums:
    """Dose groups as the arms of one tier, so that they can be read like an experiment.

    Means and errors are those of the effects. What outcomes of one customer have in common
    is not known, so that errors of their sums are the largest that they could be. Read it
    with randomised=False: the answer is 'no verdict', hypothesis only.

    Args:
        effects: One an outcome, of the same groups of the same customers.
        tier: Name.

    Raises:
        DataError: no effects, other groups or customers in one than in another, or the
            same outcome twice.
    """
    if not effects:
        raise DataError("no effects were given; at least one outcome is required")
    first = effects[0]
    names = tuple(one.outcome for one in effects)
    faults = [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    faults += [
        f"{one.outcome} has other groups or customers than {first.outcome}"
        for one in effects[1:]
        if one.groups != first.groups or (one.n != first.n).any()
    ]
    if faults:
        raise DataError("the effects do not belong together", faults)
    n = first.n.astype(float)
    sum_y = np.stack([n * one.mean for one in effects])[:, None]
    products = np.full((len(names), len(names), 1, len(n)), np.nan)
    for k, one in enumerate(effects):
        products[k, k, 0] = n * one.mean**2 + n * (n - 1) * one.standard_error**2
    zeros = np.zeros((1, len(n)))
    return ArmSums(
        names, (tier,), first.groups, first.n[None], sum_y, products, zeros, zeros,
        np.zeros_like(sum_y),
    )  # fmt: skip


def refuse_stopping(stopping: StoppingRuleTest | str) -> None:
    """Refuse an effect of the dose where the dose may follow from the outcome.

    Raises:
        DataError: contacts stop at success, or it is not known whether they do.
        ParameterError: neither a test nor 'outcomes_after'.
    """
    if isinstance(stopping, str):
        if stopping != OUTCOMES_AFTER:
            raise ParameterError(
                f"stopping={stopping!r} must be '{OUTCOMES_AFTER}', where outcomes were counted "
                "only after the last contact that counts, or a rk.stopping_rule_test"
            )
        return
    if not isinstance(stopping, StoppingRuleTest):
        raise ParameterError(
            f"stopping={type(stopping).__name__} must be '{OUTCOMES_AFTER}' or a "
            "rk.stopping_rule_test"
        )
    if stopping.refuses:
        found = (
            f"contacts stop at success: {stopping.followed:,} of {stopping.successes:,} contacts "
            f"with success were followed by another, {stopping.expected:,.0f} were expected"
            if stopping.p_value is not None
            else "it is not known whether contacts stopped at success"
        )
        raise DataError(
            f"{found}; the number of contacts may follow from the outcome, so no effect of it "
            "can be read; count contacts before a day and outcomes after it"
        )


def _effects(
    data: DoseFrame,
    method: str,
    mean: Floats,
    standard_error: Floats,
    difference: Floats,
    half: Floats,
    level: float,
    overlap: DoseOverlap | None,
    robustness: Floats | None = None,
    robustness_low: Floats | None = None,
) -> DoseEffects:
    low, high = difference - half, difference + half
    strength, strength_low = e_value(difference, low, high, data.spread)
    return DoseEffects(
        outcome=data.outcome,
        method=method,
        groups=data.groups,
        reference=data.reference,
        n=data.n,
        mean=mean,
        standard_error=standard_error,
        difference=difference,
        low=low,
        high=high,
        level=level,
        covariates=data.covariates if method == AIPW else (),
        overlap=overlap,
        e_value=strength,
        e_value_low=strength_low,
        robustness=robustness,
        robustness_low=robustness_low,
    )


def _welch_half(variance: Floats, n: NDArray[np.int64], at: int, level: float) -> Floats:
    """Student's t at Welch & Satterthwaite's degrees of freedom."""
    from scipy.special import stdtrit

    parts = variance**2 / (n - 1) + variance[at] ** 2 / (n[at] - 1)
    free = np.divide(
        (variance + variance[at]) ** 2, parts, out=np.full(len(n), np.inf), where=parts > 0
    )
    return np.asarray(stdtrit(free, 0.5 + level / 2))


def _doubleml() -> Any:
    try:
        package = import_module("doubleml")
        import_module("doubleml.utils")
    except ImportError:
        raise ParameterError(
            "adjusting for covariates needs the package doubleml, which is not installed; "
            "install it with: pip install 'relkit[causal]'"
        ) from None
    return package


def _folds(data: DoseFrame, seed: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The same folds for the same customers in the same order; every group in each."""
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return list(folds.split(data.x, data.group))


def _curves(regression: bool) -> Any:
    """Straight lines, and second-degree curves of covariates whose long tails are drawn in."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

    drawn_in = FunctionTransformer(np.arcsinh)
    curves = make_pipeline(drawn_in, PolynomialFeatures(2, include_bias=False))
    # Curves alone bend what is straight, and where groups hardly overlap that is a bias.
    return make_pipeline(
        StandardScaler(),
        make_union(FunctionTransformer(), curves),
        StandardScaler(),
        Ridge(1.0) if regression else LogisticRegression(max_iter=1_000),
    )
