"""FORMAT.md 2: both forms of values, their errors with their lines, and which value wins."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.bundle.values import Values, read_lines, read_set, read_yaml
from bob_ci.errors import InputError
from bob_ci.template.patterns import is_text

LINES: dict[str, dict[str, Any]] = {
    "": {},
    "# comment\n\n  # another\n": {},
    "a=1": {"a": "1"},
    "a = 1 \r\nb=2\r\n": {"a": "1", "b": "2"},
    "a=x # no comment": {"a": "x # no comment"},
    "a=b=c": {"a": "b=c"},
    'a=""': {"a": ""},
    "a=''": {"a": ""},
    'a=" x "': {"a": " x "},
    r'a="say \"hi\" \\ \n"': {"a": r'say "hi" \ \n'},
    r"a='say \"hi\"'": {"a": r"say \"hi\""},
    'a=it"s': {"a": 'it"s'},
    "a=7655567946\nb=1e10\nc=yes\nd=012\ne=~\nf=null\ng=172.16\nh=12:30": {
        "a": "7655567946",
        "b": "1e10",
        "c": "yes",
        "d": "012",
        "e": "~",
        "f": "null",
        "g": "172.16",
        "h": "12:30",
    },
    "_=1\n_1=2\nno=3\n__class__=4": {"_": "1", "_1": "2", "no": "3", "__class__": "4"},
    "X=": {"X": []},
    "X=a": {"X": ["a"]},
    "CIDR=172.16.0.2/30, 10.0.0.0/8 ,a": {"CIDR": ["172.16.0.2/30", "10.0.0.0/8", "a"]},
    'X_1=\'a,b\',"c,\\"d\\"",""': {"X_1": ["a,b", 'c,"d"', ""]},
    "X=a b,it's": {"X": ["a b", "it's"]},
    "a=\u00a0x\u3000": {"a": "\u00a0x\u3000"},
}
LINE_ERRORS = {
    "x": "1: 'x': not `key=value`",
    "a=1\n\nb": "3: 'b': not `key=value`",
    "=1": "1: '': a key is letters, digits and `_`",
    "1a=1": "1: '1a': a key is letters, digits and `_`, and does not begin with a digit",
    "a-b=1": "1: 'a-b': a key is",
    "a.b=1": "1: 'a.b': a key is",
    "é=1": "1: 'é': a key is",
    "export a=1": "1: 'export a': a key is",
    "aB=1": "1: aB: in mixed case; lower case is a scalar, capitals are a list",
    "a=1\na=2": "2: a: given twice, first in line 1",
    "a=": '1: a: has no value; an empty string is written `a=""`',
    'a="x': '1: "x: text that begins with a quote ends with it',
    'a="x" y': '1: "x" y: text that begins with a quote ends with it',
    "a='x'y'": "1: 'x'y': text that begins with a quote",
    "X=a,,b": '1: a,,b: an empty element; an empty string is written ""',
    "X=a,": "1: a,: an empty element behind the last comma",
    "X=,a": "1: ,a: an empty element",
    'X="a"b': '1: "a"b: an element that begins with a quote ends with it',
    "#\na=x\x07": "2: a: holds a control character or one that is no text",
    "a=x\u2028b=2": "1: a: holds a control character",
    "a=1\nX=a,b\x85": "2: X.[]: holds a control character",
    "a=\ufffe": "1: a: holds a control character",
}
YAML: dict[str, dict[str, Any]] = {
    "": {},
    "# comment\n": {},
    "port: 8080\non: yes\nn: ~x\nt: 2025-10-17": {"port": "8080", "on": "yes", "n": "~x", "t": "2025-10-17"},
    "a: 'no'\nb: \"\"\nc: 0o17": {"a": "no", "b": "", "c": "0o17"},
    "mixedCase: {inner: [1, {y: n}]}\nX: []\nempty: {}": {
        "mixedCase": {"inner": ["1", {"y": "n"}]},
        "X": [],
        "empty": {},
    },
    "a: |\n  x\n  y\n": {"a": "x\ny\n"},
    "yes: 1\nnull: 2\n": {"yes": "1", "null": "2"},
    '{"a": ["1"]}': {"a": ["1"]},
    "map:\n  IN: scalar": {"map": {"IN": "scalar"}},
}
YAML_ERRORS = {
    "- a": "1: not a map of values",
    "x": "1: not a map of values",
    "a: 1\nb: ]": "2: not YAML",
    "a: 1\nA: x": "2: A: a key in capitals is a list",
    "a: 1\na: 2": "2: a: the key stands here twice",
    "m:\n  a: 1\n  a: 2": "3: a: the key stands here twice",
    "m: {a: 1, a: 2}": "1: a: the key stands here twice",
    "a: 1\n---\nb: 2": "more than one document",
    "a: &x 1": "1: anchors and aliases are not read here",
    "a: 1\nb: *a": "2",
    "a: !!int 1": "1: tag:yaml.org,2002:int: tags are not read here, every value is a string",
    "a: 1\nb:\n": '2: b: has no value; an empty string is written ""',
    "a:\n- x\n-\n": "3: []: has no value",
    "a-b: 1": "1: 'a-b': a key is letters",
    "m:\n  a.b: 1": "2: 'a.b': a key is letters",
    "? [a]\n: 1": "1: a key that is no scalar",
    'a:\n  - b\n  - c: "\\a"': "3: a.[].c: holds a control character",
    "a: " + "[" * 60 + "]" * 60: "1: nested too deeply",
}


@pytest.mark.parametrize(("text", "expected"), LINES.items())
def test_lines(text: str, expected: dict[str, Any]) -> None:
    assert read_lines(text, "f").data == expected


@pytest.mark.parametrize(("text", "message"), LINE_ERRORS.items())
def test_line_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_lines(text, "f")
    assert str(caught.value).startswith(f"f:{message}")


@pytest.mark.parametrize(("text", "expected"), YAML.items())
def test_yaml(text: str, expected: dict[str, Any]) -> None:
    assert read_yaml(text, "f").data == expected


@pytest.mark.parametrize(("text", "message"), YAML_ERRORS.items())
def test_yaml_errors(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "f")
    assert f"f:{message}" in str(caught.value) or message in str(caught.value)
    assert message[0].isalpha() or str(caught.value).startswith(f"f:{message[0]}")


def _written(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.text().filter(is_text).filter(lambda text: "\n" not in text))
def test_what_is_quoted_is_read_back(value: str) -> None:
    text = f"a={_written(value)}\nX={_written(value)},{_written(value)}\n"
    assert read_lines(text, "f").data == {"a": value, "X": [value, value]}


def test_places_and_comments() -> None:
    values = read_lines("# head\n\n# of a\na=1\nX=b\n# tail\n", "f")
    assert str(values.place(("a",))) == "f:4"
    assert str(values.place(("X", "[]"))) == "f:5"
    assert values.comments == {("a",): ("# head", "# of a"), ("X",): (), (): ("# tail",)}
    nested = read_yaml("# head\na:\n  # inner\n  b:\n\n    - 1\n", "f")
    assert str(nested.place(("a", "b", "[]"))) == "f:4"
    assert nested.place(("none",)) is None
    assert nested.comments["a", "b"] == ("# inner",)


# --- over, --set --------------------------------------------------------------------------------------


def test_values_go_over_others_key_by_key() -> None:
    base = read_yaml("# why\na: 1\nm: {x: 1, y: 2}\nX: [1, 2]\n", "base")
    over = read_yaml("m: {y: 3, z: 4}\nX: []\nnew: n\n", "over")
    merged = over.over(base)
    assert merged.data == {"a": "1", "m": {"x": "1", "y": "3", "z": "4"}, "X": [], "new": "n"}
    assert str(merged.place(("a",))) == "base:2"
    assert str(merged.place(("m", "y"))) == "over:1"
    assert merged.comments["a",] == ("# why",)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("a: [1]", "over:1: a: a list where a scalar is due"),
        ("m: 1", "over:1: m: a scalar where a map is due"),
        ("m: {x: {y: 1}}", "over:1: m.x: a map where a scalar is due"),
        ("X: {}", "over:1: X: a key in capitals is a list"),
    ],
)
def test_kinds_do_not_replace_one_another(over: str, message: str) -> None:
    base = read_yaml("a: 1\nm: {x: 1}\nX: [1]\n", "base")
    with pytest.raises(InputError) as caught:
        read_yaml(over, "over").over(base)
    assert str(caught.value) == message


KNOWN = Values({"a": "1", "X": ["x"], "list": ["l"], "m": {"k": "v", "rows": [{"r": "1"}]}})


@pytest.mark.parametrize(
    ("assignments", "expected"),
    [
        (["a=2"], {"a": "2"}),
        (["a=2", "a = 3 "], {"a": "3"}),
        (["X=a,b"], {"X": ["a", "b"]}),
        (["X="], {"X": []}),
        (["list=a,b"], {"list": ["a", "b"]}),
        (["m.k=w", "m.new=n", "new.deep.er=d"], {"m": {"k": "w", "new": "n"}, "new": {"deep": {"er": "d"}}}),
        (["NEW=a,b", "new=a,b"], {"NEW": ["a", "b"], "new": "a,b"}),
        (['a=" x=y "'], {"a": " x=y "}),
        (["a=7655567946"], {"a": "7655567946"}),
    ],
)
def test_set(assignments: list[str], expected: dict[str, Any]) -> None:
    assert read_set(assignments, KNOWN).data == expected


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("a", "--set a: not `key=value`"),
        ("a-b=1", "--set a-b=1: not `key=value`"),
        ("=1", "--set =1: not `key=value`"),
        ("a=", '--set a=: a: has no value; an empty string is written `a=""`'),
        ("m=1", "--set m=1: m: is a map; set its keys one by one"),
        ("a.b=1", "--set a.b=1: a.b: `b` of something that is no map"),
        ("nEw=1", "--set nEw=1: nEw: in mixed case; lower case is a scalar, capitals are a list"),
        ("a=x\x00", "--set a=x\x00: a: holds a control character or one that is no text"),
        ("a=\udc80", "--set a=\udc80: a: holds a control character or one that is no text"),
    ],
)
def test_set_errors(assignment: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_set([assignment], KNOWN)
    assert str(caught.value) == message
