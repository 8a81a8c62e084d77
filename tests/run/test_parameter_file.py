"""Flat YAML, read so that no reader takes it for something else."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from relkit.errors import ParameterError
from relkit.run.notebook import import_machinery
from relkit.run.parameter_file import read_parameter_file


def read(tmp_path, text):
    path = tmp_path / "weekly.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_parameter_file(path, "params/x/weekly.yaml")


def test_what_everyone_reads_alike(tmp_path):
    text = """
    # a comment
    source: params/sources/cdnow.yaml
    as_of: "1998-06-30"
    nothing:
    none: null
    whole: -12
    share: 0.10
    tiny: 1.5e-3
    yes_in_quotes: "yes"
    flag: true
    shares: [0.10, 0.20]
    lines:
      - a
      - "010"
    """
    assert read(tmp_path, text) == {
        "source": "params/sources/cdnow.yaml",
        "as_of": "1998-06-30",
        "nothing": None,
        "none": None,
        "whole": -12,
        "share": 0.1,
        "tiny": 0.0015,
        "yes_in_quotes": "yes",
        "flag": True,
        "shares": [0.1, 0.2],
        "lines": ["a", "010"],
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no", "truth value"),
        ("Yes", "truth value"),
        ("off", "truth value"),
        ("12:30", '(12:30 is 750); write it in quotes: "12:30"'),
        ("010", '(010 is 8); write a plain number, or text in quotes: "010"'),
        ("0x1F", "hexadecimal"),
        ("0o17", "octal"),
        ("0b11", "binary"),
        ("1998-06-30", 'is a date object to some YAML readers; write it in quotes: "1998-06-30"'),
        ("1998-06-30 12:00:00", "date object"),
        ("1e3", "write the number in full"),
        ("1_000", "write it without _"),
        (".inf", "no finite number"),
        (".NaN", "no finite number"),
        ("1.0e+999", "too large"),
        ("12345678901234567890", "too long"),
    ],
)
def test_what_readers_disagree_on_is_refused_with_what_to_write(tmp_path, value, words):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, f"other: 1\nname: {value}\n")
    assert words in str(caught.value)
    assert "params/x/weekly.yaml: line 2: " in str(caught.value)
    assert value in str(caught.value)
    with pytest.raises(ParameterError):
        read(tmp_path, f"name: [1, {value}]\n")
    assert read(tmp_path, f'name: "{value}"\n') == {"name": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "line 2: 'a' is given a second time"),
        ("a: {b: 1}\n", "parameters are flat"),
        ("- a\n- b\n", "holds a list; a flat mapping of name: value is required"),
        ("just words\n", "holds only 'just words'"),
        ("3: x\n", "a name is required before the colon, found '3'"),
        ("on: x\n", "on is a truth value"),
        ("a: !!python/object/apply:os.system ['true']\n", "take the YAML tag"),
        ("a: &x 1\nb: *x\n", "write the value out"),
        ("a: [1, 2\n", "not readable as YAML"),
        ("a: 1\n---\na: 2\n", "not readable as YAML"),
        (b"a: \xff\xfe\n", "byte 3 is not UTF-8"),
        (b"a: \x00\n", "not readable as YAML"),
        ("a: " + "[" * 20_000, "too many lists inside lists"),
    ],
)
def test_what_is_no_flat_mapping(tmp_path, text, words):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_faults_are_said_at_once(tmp_path):
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, "a: no\nb: 12:30\nc: 1\nc: 2\n")
    assert caught.value.heading == "params/x/weekly.yaml: 3 faults"
    assert [fault[:7] for fault in caught.value.faults] == ["line 1:", "line 2:", "line 4:"]


def test_empty_file_gives_nothing(tmp_path):
    assert read(tmp_path, "# all defaults\n") == {}


def test_missing_file_has_a_hint(tmp_path):
    (tmp_path / "weekly.yaml").touch()
    with pytest.raises(ParameterError, match="did you mean 'weekly.yaml'"):
        read_parameter_file(tmp_path / "weakly.yaml")
    with pytest.raises(ParameterError, match="holds weekly.yaml"):
        read_parameter_file(tmp_path / "zzz.yaml")
    with pytest.raises(ParameterError, match="cannot be read"):
        read_parameter_file(tmp_path)


@pytest.fixture(scope="module")
def papermill_reads():
    import_machinery()
    from papermill.iorw import read_yaml_file

    return read_yaml_file


# Whatever is accepted means the same to plain papermill; this is why so much is refused.
@settings(max_examples=400, deadline=None)
@given(
    value=st.one_of(
        st.text("0123456789+-_.:eExXobnNyYaftrlsuTO~ ", min_size=1, max_size=8),
        st.from_regex(r"[-+]?[0-9]{1,4}[.:_e-][0-9]{0,3}", fullmatch=True),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.integers(-(10**17), 10**17).map(str),
    )
)
def test_accepted_values_mean_the_same_to_papermill(papermill_reads, tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "same.yaml"
    path.write_text(f"name: {value}\n")
    try:
        ours = read_parameter_file(path)
    except ParameterError:
        return
    theirs = papermill_reads(str(path))
    assert ours == theirs
    assert type(ours["name"]) is type(theirs["name"])
    assert ours == yaml.safe_load(Path(path).read_text())
