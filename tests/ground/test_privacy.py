"""Pseudonyms and what is withheld; expected digests by openssl's and hashlib's own HMAC."""

import hashlib
import os
import subprocess
import sys

import pandas as pd
import pytest

from relkit import privacy
from relkit.errors import ParameterError
from relkit.privacy import Privacy, protected, pseudonym, set_privacy, showing


def by_hand(key, text):
    """HMAC from its definition (RFC 2104, section 2), block size 64."""
    padded = key.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(k ^ 0x36 for k in padded) + text.encode()).digest()
    digits = hashlib.sha256(bytes(k ^ 0x5C for k in padded) + inner).hexdigest()
    return f"{digits[:5]}-{digits[5:10]}-{digits[10:15]}"


@pytest.fixture(autouse=True)
def nothing_shown():
    with showing(Privacy()):
        yield


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "customer_id": ["00042", "7", None],
            "name": ["Ana Müller", "王芳", None],
            "email": ["ana@example.org", None, "fang@example.cn"],
            "complaint": ["call ana.m@example.org, please", "no", None],
            "clv": [1.5, 2.5, 3.5],
        }
    )


def test_a_pseudonym_is_the_keyed_hash(monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, "sixteen letters!")
    assert pseudonym("00042") == by_hand("sixteen letters!", "00042")
    assert pseudonym("客户-7") == by_hand("sixteen letters!", "客户-7")
    monkeypatch.setenv(privacy.KEY_VARIABLE, "sixteen letters?")
    assert pseudonym("00042") == by_hand("sixteen letters?", "00042")
    assert pseudonym("00042") != by_hand("sixteen letters!", "00042")


def test_nothing_of_a_person_leaves(people):
    shown = protected(people)
    key = os.environ[privacy.KEY_VARIABLE]
    assert list(shown["customer_id"][:2]) == [by_hand(key, "00042"), by_hand(key, "7")]
    assert list(shown.isna().sum()) == list(people.isna().sum())  # empty stays empty
    assert shown["complaint"][0] == "call …, please"
    text = shown.to_csv()
    for personal in ("00042", "Ana", "王芳", "example"):
        assert personal not in text
    assert list(shown["clv"]) == [1.5, 2.5, 3.5]
    assert list(people["customer_id"][:2]) == ["00042", "7"]  # the analyst's own frame is untouched


def test_a_name_without_a_person_is_a_name():
    models = pd.DataFrame({"name": ["BG/NBD"], "error": [0.1]})
    assert protected(models) is models


def test_what_parameters_allow_is_shown(people):
    with showing(Privacy(show_ids=True)):
        shown = protected(people)
        assert list(shown["customer_id"][:2]) == ["00042", "7"]
        assert shown["name"][0] == "…"
    with showing(Privacy(show_ids=True, show_personal=True)):
        assert protected(people) is people


def test_ids_under_another_name(people):
    renamed = people.rename(columns={"customer_id": "Customer ID"})
    renamed.attrs["customer_ids"] = ["Customer ID"]
    assert protected(renamed)["Customer ID"][1] == pseudonym("7")
    assert protected(renamed)["name"][0] == "…"


def test_a_choice_must_be_plain():
    with pytest.raises(ParameterError, match="show_ids='no' must be true or false"):
        set_privacy(show_ids="no")


def test_a_short_key_is_refused(monkeypatch):
    monkeypatch.setenv(privacy.KEY_VARIABLE, "short")
    with pytest.raises(ParameterError, match="at least 16"):
        pseudonym("1")


def test_without_a_key_one_is_drawn_and_kept(tmp_path):
    ask = "from relkit.privacy import pseudonym; print(pseudonym('00042'))"
    environment = {k: v for k, v in os.environ.items() if k != privacy.KEY_VARIABLE}

    def said(home):
        done = subprocess.run(
            [sys.executable, "-c", ask],
            env=environment | {"XDG_CONFIG_HOME": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    first = said(tmp_path / "one")
    assert said(tmp_path / "one") == first
    kept = tmp_path / "one" / "relkit" / "pseudonym.key"
    assert kept.stat().st_mode & 0o077 == 0
    assert [path.name for path in kept.parent.iterdir()] == ["pseudonym.key"]
    assert said(tmp_path / "two") != first


def test_a_folder_that_cannot_keep_it_is_said(tmp_path, monkeypatch):
    monkeypatch.delenv(privacy.KEY_VARIABLE)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(ParameterError, match=privacy.KEY_VARIABLE):
        pseudonym("1")
