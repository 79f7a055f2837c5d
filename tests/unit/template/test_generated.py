"""The engine against Jinja2 itself, and against every string that a value can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from bob_ci.errors import InputError
from bob_ci.profile.schema import fields_of
from bob_ci.template.compiler import compile_template
from bob_ci.template.evaluate import evaluate
from bob_ci.template.filters import FILTERS, NO_VALUE
from bob_ci.template.patterns import is_text

Draw = Callable[[st.SearchStrategy[Any]], Any]

VALUES: dict[str, Any] = {
    "name": "Web-1",
    "mode": "strict",
    "block": "172.16.5.6/30",
    "tree": {"leaf": "x y"},
    "NAMES": ["a", "b", "c"],
    "CIDR": ["10.0.0.0/30", "192.0.2.1"],
    "NONE": [],
    "rows": [{"key": "k1", "tags": ["t", "u"]}, {"key": "k2", "tags": [], "more": "m"}],
}


def render(text: str, values: dict[str, Any]) -> str:
    template = compile_template(
        text, "t.yaml", values, lambda found: fields_of(found.api_version, found.kind)
    )
    return "".join(piece.text for piece in evaluate(template, values))


# --- Jinja2 -------------------------------------------------------------------------------------------


def jinja(text: str) -> str:
    environment = SandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters.update({name: each.apply for name, each in FILTERS.items() if name != "default"})
    return environment.from_string(text).render(values=VALUES)


STRINGS = st.sampled_from(
    [
        "values.name",
        "values.tree.leaf",
        "values.name | lower | upper",
        "values.none | default('d')",
        "values.tree.none | default(values.name)",
        "values.name | replace('e', '3') | trim",
        "values.NAMES | join('+')",
        "values.block | hosts | join(' ')",
        "values.block | network",
        "values.block | netmask",
        "values.block | prefixlen",
        "'constant'",
    ]
)
CONDITIONS = st.sampled_from(
    [
        'values.mode == "strict"',
        "values.mode != 'strict'",
        "values.NONE",
        "not values.NONE and values.NAMES",
        "values.NONE or (values.name | lower == 'web-1')",
        "not (values.NONE or values.mode == 'x')",
    ]
)


@st.composite
def lines(draw: Draw, pad: str, loops: tuple[str, ...] = (), depth: int = 2) -> list[str]:
    """Items of a list: scalars, choices and loops, with blank lines and comments between them."""
    found: list[str] = []
    for _ in range(draw(st.integers(1, 2))):
        kinds = ["scalar", "block", "comment", "blank", *(["if", "for"] if depth else [])]
        kind = draw(st.sampled_from(kinds))
        name = f"v{len(loops)}"
        if kind == "scalar":
            inside = [*loops, *(["loop.index"] if loops else [])]
            expressions = STRINGS | st.sampled_from(inside) if inside else STRINGS
            found.append(f'{pad}- "x {{{{ {draw(expressions)} }}}}{{{{{draw(STRINGS)}}}}} y"')
        elif kind == "block":
            found += [f"{pad}- |", f"{pad}  {{{{ {draw(STRINGS)} }}}} text", "", f"{pad}  end"]
        elif kind == "if":
            found += [f"{pad}{{% if {draw(CONDITIONS)} %}}", *draw(lines(pad, loops, depth - 1))]
            if draw(st.booleans()):
                found += [f"{{% elif {draw(CONDITIONS)} %}}", *draw(lines(pad, loops, depth - 1))]
            found += [f"{pad}  {{% else %}}", *draw(lines(pad, loops, depth - 1)), "{% endif %}"]
        elif kind == "for":
            items = draw(st.sampled_from(["values.NAMES", "values.CIDR", "values.block | hosts"]))
            found += [
                f"{pad}{{% for {name} in {items} %}}",
                *draw(lines(pad, (*loops, name), depth - 1)),
                "{% endfor %}",
            ]
        elif kind == "comment":
            # Jinja2 leaves the line of a lone `raw`, and takes the line break behind `endraw`; here neither.
            odd = [
                "{# gone #}",
                f"{pad}# stays",
                "# {% raw %}{{ x }}{% endraw %}.",
                "{#\n gone\n#}",
                "# é ⋯ 🙂",
            ]
            found.append(draw(st.sampled_from(odd)))
        else:
            found.append("")
    return found


@st.composite
def files(draw: Draw) -> str:
    body = ["kind: ConfigMap", "list:", *draw(lines("  ")), '  - "{{ values.name }}"', "end: 1"]
    return "".join(f"{line}\n" for line in body)


@given(files())
def test_text_is_that_of_jinja2(text: str) -> None:
    assert render(text, VALUES) == jinja(text)


# --- Any value in any place ---------------------------------------------------------------------------

ODD = [
    "7655567946",
    "1e10",
    "no",
    "~",
    "012",
    "12:30",
    "",
    " ",
    "null",
    "0o17",
    "0x1F",
    "1_000",
    "172.16",
    "=",
    "<<",
]
ODD += [
    "2025-10-17",
    ".inf",
    "-",
    "---",
    "...",
    "# x",
    "a: b",
    "a #b",
    "'",
    '"',
    "\\",
    "{{ a }}",
    "$values.a",
    "\n",
    "\t",
]
TEXT = st.sampled_from(ODD) | st.text().filter(is_text)
HEAD = """apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ApplicationProfile
spec:
  architectures:
"""
PLACES = {
    "plain": "  - $values.a",
    "double": '  - "{{ values.a }}"',
    "single": "  - '{{ values.a }}'",
    "flow": "    [$values.a]",
    "double over lines": '  - "\n    ${values.a}\n    "',
    "plain with a comment": "  - $values.a # comment",
    "quote": "  - {{ values.a | quote }}",
    "to_yaml": "  - {{ values.a | to_yaml }}",
    "tagged": "  - !!str {{ values.a }}",
    "own line": "  -\n    $values.a",
}


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
@given(TEXT)
def test_a_value_arrives_unchanged(place: str, value: str) -> None:
    if "'" in place and ("\n" in value or NO_VALUE in value):
        with pytest.raises(InputError, match=f"a line break between single quotes|{NO_VALUE}"):
            render(f"{HEAD}{place}\n", {"a": value})
        return
    expected = f" {value} " if "over" not in place and "\n    $" in place and '"' in place else value
    assert yaml.safe_load(render(f"{HEAD}{place}\n", {"a": value}))["spec"]["architectures"] == [expected]


@given(TEXT)
def test_a_value_is_a_key(value: str) -> None:
    text = HEAD.replace("spec:\n  architectures:\n", "metadata:\n  labels:\n")
    found = yaml.safe_load(render(f"{text}    $values.a: x\n", {"a": value}))
    assert found["metadata"]["labels"] == {value: "x"}


@given(TEXT)
def test_a_plain_value_elsewhere_is_refused_or_stays_one_scalar(value: str) -> None:
    try:
        text = render("kind: X\nlist:\n- $values.a\n- {k: [x$values.a, $values.a]}\n", {"a": value})
    except InputError as error:
        assert "cannot stand without quotes" in str(error)  # noqa: PT017
        return
    assert text == f"kind: X\nlist:\n- {value}\n- {{k: [x{value}, {value}]}}\n"
    events = [each for each in yaml.parse(text) if isinstance(each, yaml.ScalarEvent)]
    assert [each.value for each in events] == ["kind", "X", "list", value, "k", f"x{value}", value]


@given(st.integers(-(2**40), 2**40).map(str) | st.text("0123456789-+e._x ", max_size=6))
def test_an_integer_field(value: str) -> None:
    text = HEAD.replace("ApplicationProfile", "NetworkNeighborhood").partition("  arch")[0]
    text += "  containers:\n  - ingress:\n    - ports:\n      - port: $values.a\n"
    try:
        found = yaml.safe_load(render(text, {"a": value}))
    except InputError as error:
        assert "the field is a number" in str(error)  # noqa: PT017
        return
    assert found["spec"]["containers"][0]["ingress"][0]["ports"] == [{"port": int(value)}]
    assert str(int(value)) == value
