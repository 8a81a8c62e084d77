"""People's overrides: they win until their day, and stand in the audit."""

import datetime as dt
import math
from pathlib import Path

import pytest

import relkit as rk
from relkit.errors import ParameterError, SourceError
from relkit.frequency.cadence import Cadence, Contact

PRESETS = Path(__file__).parents[2] / "params" / "policies"
DAY = dt.date(2026, 3, 1)


def override(**changes):
    given = {
        "tier": "high", "customer_id": "", "type": "deep", "channel": "phone", "per_month": 4.0,
        "reason": "contract is up", "by": "Li Wei", "made_on": DAY,
        "expires_on": DAY + dt.timedelta(days=30),
    }  # fmt: skip
    return rk.Override(**(given | changes))


BASE = Cadence("high", (Contact("deep", "phone", 1.0), Contact("message", "any", 2.0)))


def rates(cadence):
    return {(c.type, c.channel): c.per_month for c in cadence.contacts}


def test_an_override_wins_until_the_day_it_expires():
    listed = [override()]
    for day, rate in [(-1, 1.0), (0, 4.0), (29, 4.0), (30, 1.0)]:
        on = DAY + dt.timedelta(days=day)
        cadence, applied = rk.override_cadence(BASE, listed, on, "high")
        assert rates(cadence)["deep", "phone"] == rate
        assert bool(applied) == (rate == 4.0)
        assert rates(cadence)["message", "any"] == 2.0
    assert rk.override_cadence(BASE, listed, DAY, "mid")[0] == BASE


def test_the_customer_wins_over_the_tier_and_the_later_over_the_earlier():
    mine = override(tier="", customer_id="C1", per_month=0.5)
    later = override(per_month=2.0, made_on=DAY + dt.timedelta(days=1))
    on = DAY + dt.timedelta(days=2)
    of_tier, _ = rk.override_cadence(BASE, [later, override()], on, "high", "C2")
    assert rates(of_tier)["deep", "phone"] == 2.0
    of_one, applied = rk.override_cadence(BASE, [mine, later, override()], on, "high", "C1")
    assert rates(of_one)["deep", "phone"] == 0.5
    assert [one.per_month for one in applied] == [4.0, 2.0, 0.5]


def test_a_pause_stops_everything_and_a_zero_one_kind():
    pause = override(type="all", channel="all", per_month=0.0)
    assert rk.override_cadence(BASE, [pause], DAY, "high")[0].hold_out
    assert rates(rk.override_cadence(BASE, [override(per_month=0.0)], DAY, "high")[0]) == {
        ("message", "any"): 2.0
    }


def test_it_wins_over_an_adjustment_too():
    rules = rk.activity_ladder()
    weekly = rules.levels[-1]
    stop = override(type="message", channel="any", per_month=0.0)
    assert rk.override_cadence(weekly, [stop], DAY, "high")[0].hold_out


def test_the_file_survives_later_additions_byte_by_byte(tmp_path):
    path = tmp_path / "overrides.csv"
    assert rk.read_overrides(path) == ()
    rk.add_override(path, override(reason='he said "not on Mondays", twice'))
    # A person edits it: a space after a comma, another order of nothing else.
    edited = path.read_bytes().replace(b"Li Wei", b"Li Wei ") + b"\r\n"
    path.write_bytes(edited)
    listed = rk.add_override(path, override(tier="", customer_id="007", per_month=1 / 3))
    assert path.read_bytes().startswith(edited)
    read = rk.read_overrides(path)
    assert [one.by for one in read] == ["Li Wei", "Li Wei"]
    assert read[0].reason == 'he said "not on Mondays", twice'
    assert (read[1].customer_id, read[1].per_month) == ("007", pytest.approx(1 / 3, abs=1e-9))
    assert len(listed) == 2


def test_the_audit_shows_every_override_with_what_became_of_it():
    policy = rk.read_policy(PRESETS / "care_guide.yaml")
    listed = [
        override(per_month=2.0),
        override(made_on=DAY + dt.timedelta(days=1)),
        override(made_on=dt.date(2025, 1, 1), expires_on=DAY),
        override(made_on=dt.date(2026, 6, 1), expires_on=dt.date(2026, 7, 1)),
        override(tier="", customer_id="C1", per_month=0.0, type="all", channel="all"),
        override(tier="", customer_id="C2"),
    ]
    on = DAY + dt.timedelta(days=10)
    audit = rk.override_audit(policy, listed, on, tier_of={"C1": "mid"})
    frame = audit.to_frame()
    assert list(frame["status"]) == [
        "superseded", "active", "expired", "not_yet", "active", "active",
    ]  # fmt: skip
    assert audit.count("active") == 3
    assert list(frame["days_left"])[:3] == [20, 20, 0]
    # A call a month in the policy of the high tier; calls and newsletter of the mid tier.
    assert frame.loc[0, "policy_per_month"] == 1
    assert frame.loc[4, "policy_per_month"] == pytest.approx(4 / 3)
    assert math.isnan(frame.loc[5, "policy_per_month"])
    with pytest.raises(ParameterError, match="no tier 'hihg'; did you mean 'high'"):
        rk.override_audit(policy, [override(tier="hihg")], on)


def test_a_report_shows_neither_ids_nor_names():
    policy = rk.read_policy(PRESETS / "care_guide.yaml")
    audit = rk.override_audit(policy, [override(tier="", customer_id="SECRET-1")], DAY)
    shown = str(rk.table(audit.to_frame()).rows)
    assert "SECRET-1" not in shown
    assert "Li Wei" not in shown
    assert "contract is up" in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": " "}, "reason is empty"),
        ({"by": ""}, "by is empty"),
        ({"expires_on": DAY}, "must be after made_on"),
        ({"customer_id": "C1"}, "one of the two"),
        ({"type": "deeep"}, "did you mean 'deep'"),
        ({"type": "all"}, "both 'all'"),
        ({"type": "all", "channel": "all"}, "only a pause"),
        ({"per_month": -1.0}, "a number from 0"),
    ],
)
def test_an_override_without_reason_name_or_end_is_none(changes, said):
    with pytest.raises(ParameterError, match=said):
        override(**changes)


def test_a_broken_file_is_refused_whole_with_its_lines(tmp_path):
    path = tmp_path / "o.csv"
    rk.add_override(path, override())
    good = path.read_text(encoding="utf-8")
    path.write_text(good + "high,,deep,phone,often,why,Li,soon,2026-01-01\r\n,,x\r\n", "utf-8")
    before = path.read_bytes()
    with pytest.raises(SourceError) as caught:
        rk.add_override(path, override())
    said = str(caught.value)
    assert "line 3: made_on 'soon'" in said
    assert "line 3: per_month 'often'" in said
    assert "line 4 has 3 cells" in said
    assert path.read_bytes() == before
    path.write_text("a,b\n")
    with pytest.raises(SourceError, match="the columns must be"):
        rk.read_overrides(path)
