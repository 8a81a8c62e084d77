"""Data without chance in words: hypothesis only in every run and in both languages."""

import re

import numpy as np
import pandas as pd

import relkit as rk
from relkit.report.findings.observational import dose_grade, dose_hypothesis, stopping_rule


def test_every_headline_says_hypothesis_only():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drive = rng.normal(size=300)  # hidden: it moves both
        dose = np.digitize(drive + rng.normal(size=300), [-0.7, 0.7])
        frame = pd.DataFrame({"dose": dose, "revenue": 100 + 30 * drive})
        found = rk.naive_dose_effects(frame, "dose", "revenue", stopping="outcomes_after")
        said, why = dose_hypothesis(found), dose_grade(found)
        assert said.text("en").startswith("Hypothesis only:")
        assert said.text("zh").startswith("仅为假设")
        assert "grade C" in why.text("en")
        assert "证据等级 C" in why.text("zh")
        gap = found.mean[found.groups.index(said.values["group"])] - found.mean[0]
        assert said.values["difference"].value == np.float64(gap)


def test_a_stopping_rule_is_named_and_every_key_is_used():
    rows = [(c, k, c % 3 == k) for c in range(300) for k in range(3) if k <= c % 3]
    columns = ["customer_id", "occurred_at", "success"]
    found = rk.stopping_rule_test(pd.DataFrame(rows, columns=columns))
    assert "Contacts stop at success: of 200" in stopping_rule(found).text("en")
    assert "联系在成功后即停止" in stopping_rule(found).text("zh")
    unknown = rk.contacts_without_order(np.array([1, 2]), np.array([1, 0]))
    assert stopping_rule(unknown).key == "observational.order_unknown"

    from pathlib import Path

    from relkit.report.findings import observational
    from relkit.report.vocabulary import all_texts

    used = set(re.findall(r'"(observational\.\w+)"', Path(observational.__file__).read_text()))
    assert used == {key for key in all_texts() if key.startswith("observational.")}
