"""What the two renderers could not do alike is refused, by its name and at its line."""

from __future__ import annotations

from typing import Any

import pytest

from bob_ci.bundle.values import Values
from bob_ci.bundle.view import check
from bob_ci.errors import InputError
from bob_ci.profile.schema import fields_of
from bob_ci.template.compiler import compile_template
from bob_ci.template.evaluate import evaluate
from bob_ci.template.uses import uses

VALUES: dict[str, Any] = {
    "a": "x",
    "b": "y",
    "name": "web",
    "L": ["1", "2"],
    "M": ["3"],
    "list": ["1"],
    "CIDR": ["10.0.0.0/30"],
    "ROWS": [{"k": "v"}],
    "map": {"k": "v", "deep": {"er": "z"}},
    "SCALAR": "s",
}

# What stands in `k: "{{ … }}"` → a part of the message.
EXPRESSIONS = {
    "values": "`values` alone is not a value",
    "a": "a: no such name (values are `values.a`)",
    "loop": "loop: no such name",
    "loop.index": "`loop` outside of a loop",
    "self.x": "self.x: only `values`, `loop` and loop variables have keys",
    "values.a.upper()": "a call: not portable to Helm",
    "range(3)": "a call: not portable",
    "values.__class__.__mro__()": "a call: not portable",
    "''.__class__": "this.__class__: only `values`, `loop` and loop variables have keys",
    "cycler.__init__.__globals__": "cycler.__init__.__globals__: only",
    "values['a']": "`[…]`: not portable",
    "values.L[0]": "`[…]`: not portable",
    "values.L[0:1]": "`[…]`: not portable",
    "values.a ~ values.b": "`~`: not portable",
    "values.a + 'x'": "`+`: not portable",
    "values.a - 'x'": "`-`: not portable",
    "2 * values.a": "`*`: not portable",
    "values.a / 2": "`/`: not portable",
    "values.a // 2": "not portable",
    "values.a % 2": "not portable",
    "values.a ** 2": "not portable",
    "-1": "not portable",
    "1": "values are strings, write it in quotes",
    "1.5": "1.5: values are strings",
    "true": "True: values are strings",
    "none": "None: values are strings",
    "[1, 2]": "a list in the template: not portable",
    "{'a': 1}": "a map in the template: not portable",
    "(1, 2)": "a tuple: not portable",
    "'a' if values.a else 'b'": "`… if … else …`: not portable",
    "values.a is defined": "`is …`: not portable",
    "values.a == 'x'": "a comparison outside of `if`: not portable",
    "values.a and values.b": "not portable",
    "not values.a": "not portable",
    "values.a | safe": "filter safe: not portable to Helm",
    "values.a | attr('__class__')": "filter attr: not portable",
    "values.a | default(value='x')": "filter default: takes its arguments by position alone",
    "values.a | default": "filter default: takes 1 argument(s), got 0",
    "values.a | default('x', true)": "True: values are strings",
    "values.a | lower | default('x')": "filter default: stands right behind the value that may be missing",
    "values.a | default(1)": "filter default: its argument is a string",
    "values.a | default(values.CIDR | hosts)": "filter default: its argument is a string",
    "values.a | replace('', 'x')": "filter replace: the text to replace is empty",
    "values.a | replace(values.b, 'x')": "filter replace: the text to replace is written out in quotes",
    "values.a | indent": "filter indent: takes 1 argument(s)",
    "values.a | indent('2')": "filter indent: its argument is a number",
    "values.a | indent(101)": "filter indent: moves text by at most 100 columns",
    "values.a | join(',') | join(',')": "filter join: takes a list, and is given a string",
    "values.CIDR | hosts | lower": "filter lower: takes a string, and is given a list",
    "values.a | hosts": "hosts: gives a list",
    "values.a | to_yaml": "to_yaml: stands alone as a value",
    "values.a | to_yaml | trim": None,
    "'\\x07'": "a control character in a string",
    "'\\ud800'": "a control character in a string, or one that is no text",
    "9999999999": "9999999999: a number larger than 1,000,000",
    "values.a, values.b": "a tuple: not portable",
    "": "Expected an expression",
    "values.a |": "expected token 'name'",
    "values.none": "none: no such value is given",
    "values.a.b": "a.b: `b` of a scalar",
    "values.map": "map: a map where a scalar is due",
    "values.L": "L: a list where a scalar is due",
    "values.ROWS | join(',')": "ROWS: a map where a scalar is due",
    "values.CIDR | network": "CIDR: a list where a scalar is due",
}

# A whole file below `k:` → the line and a part of the message.
FILES = {
    "whitespace control": (
        "{%- if values.L %}\n  a: 1\n{% endif %}",
        2,
        "whitespace control is not portable",
    ),
    "whitespace control behind": ("{% if values.L -%}\n  a: 1\n{% endif %}", 2, "whitespace control"),
    "whitespace control of an output": ('  a: "{{- values.a }}"', 2, "{{- values.a }}: whitespace control"),
    "plus": ("{%+ if values.L %}\n  a: 1\n{% endif %}", 2, "whitespace control"),
    "set": ("{% set x = 1 %}\n  a: 1", 2, "{% set x = 1 %}: not portable to Helm"),
    "include": ("{% include 'x' %}\n  a: 1", 2, "{% include 'x' %}: not portable"),
    "import": ("{% import 'x' as y %}\n  a: 1", 2, "not portable"),
    "extends": ("{% extends 'x' %}\n  a: 1", 2, "not portable"),
    "macro": ("{% macro m() %}\n  a: 1\n{% endmacro %}", 2, "{% macro m() %}: not portable"),
    "block": ("{% block b %}\n  a: 1\n{% endblock %}", 2, "not portable"),
    "with": ("{% with %}\n  a: 1\n{% endwith %}", 2, "not portable"),
    "filter block": ("{% filter upper %}\n  a: 1\n{% endfilter %}", 2, "not portable"),
    "raw without end": ("{% raw %}\n  a: 1", 2, "never ended"),
    "empty tag": ("{% %}\n  a: 1", 2, "not portable"),
    "for else": (
        "{% for x in values.L %}\n  a: 1\n{% else %}\n  b: 1\n{% endfor %}",
        4,
        "`for … else` is not",
    ),
    "for if": ("{% for x in values.L if x %}\n  a: 1\n{% endfor %}", 2, "`for … if` and `recursive`"),
    "for recursive": (
        "{% for x in values.L recursive %}\n  a: 1\n{% endfor %}",
        2,
        "`recursive` are not portable",
    ),
    "two variables": ("{% for x, y in values.L %}\n  a: 1\n{% endfor %}", 2, "a loop takes one variable"),
    "reserved variable": ("{% for values in values.L %}\n  a: 1\n{% endfor %}", 2, "values: not a name for"),
    "loop variable": ("{% for loop in values.L %}\n  a: 1\n{% endfor %}", 2, "loop"),
    "the same variable": (
        "{% for x in values.L %}\n{% for x in values.L %}\n  a: 1\n{% endfor %}\n{% endfor %}",
        3,
        "x: a loop around this one has a variable of that name",
    ),
    "the index of another": (
        "{% for x_index in values.L %}\n{% for x in values.L %}\n  a: 1\n{% endfor %}\n{% endfor %}",
        3,
        "or with `_index` behind it",
    ),
    "its own items": ("{% for x in x %}\n  a: 1\n{% endfor %}", 2, "x: no such name"),
    "loop over a string": ("{% for x in 'abc' %}\n  a: 1\n{% endfor %}", 2, "a string where a list is due"),
    "loop over a number": ("{% for x in 3 %}\n  a: 1\n{% endfor %}", 2, "a number where a list is due"),
    "loop over a filter": (
        "{% for x in values.a | lower %}\n  a: 1\n{% endfor %}",
        2,
        "a string where a list",
    ),
    "loop over a call": ("{% for x in range(3) %}\n  a: 1\n{% endfor %}", 2, "a call: not portable"),
    "loop over a scalar": (
        "{% for x in values.a %}\n  a: 1\n{% endfor %}",
        2,
        "a scalar where a list is due",
    ),
    "loop.first": (
        "{% for x in values.L %}\n{% if loop.first %}\n  a: 1\n{% endif %}\n{% endfor %}",
        3,
        "loop.first: not portable to Helm; `loop.index` is",
    ),
    "outside its loop": (
        '{% for x in values.L %}\n  a: 1\n{% endfor %}\n  b: "{{ x }}"',
        5,
        "x: no such name",
    ),
    "if on a string": ("{% if values.a %}\n  a: 1\n{% endif %}", 2, "a: a scalar where a list is due"),
    "if on a constant": ("{% if 'a' %}\n  a: 1\n{% endif %}", 2, "a string where a list is due"),
    "if on a bool": ("{% if true %}\n  a: 1\n{% endif %}", 2, "True: values are strings"),
    "if is": ("{% if values.a is defined %}\n  a: 1\n{% endif %}", 2, "`is …`: not portable"),
    "if in": ("{% if 'x' in values.L %}\n  a: 1\n{% endif %}", 2, "only `==` and `!=` are portable"),
    "if less": ("{% if values.a < 'x' %}\n  a: 1\n{% endif %}", 2, "only `==` and `!=`"),
    "if chained": ("{% if 'a' == values.a == 'a' %}\n  a: 1\n{% endif %}", 2, "one comparison at a time"),
    "if number": ("{% if values.a == 1 %}\n  a: 1\n{% endif %}", 2, "a string is compared with a number"),
    "if lists": (
        "{% if values.a | hosts == values.b | hosts %}\n  a: 1\n{% endif %}",
        2,
        "a list is not compared",
    ),
    "if not ended": ("{% if values.L %}\n  a: 1", 2, "{% if values.L %}: never ended"),
    "end without begin": ("  a: 1\n{% endif %}", 3, "{% endif %}: ends nothing that is open"),
    "wrong end": ("{% if values.L %}\n  a: 1\n{% endfor %}", 4, "{% endfor %}: ends nothing that is open"),
    "else alone": ("  a: 1\n{% else %}", 3, "{% else %}: stands in no `if`"),
    "else twice": (
        "{% if values.L %}\n  a: 1\n{% else %}\n  b: 1\n{% else %}\n{% endif %}",
        6,
        "behind an `else`",
    ),
    "tag in a line": ("  a: {% if values.L %}1{% endif %}", 2, "a tag stands alone on its line"),
    "tag in a scalar of several lines": (
        "  a: one\n{% if values.L %}\n    two\n{% endif %}",
        2,
        "a tag or comment inside a scalar of several lines",
    ),
    "comment in a scalar of several lines": (
        '  a: "{{ values.a }}\n{# c #}\n    two"',
        2,
        "a tag or comment inside a scalar of several lines",
    ),
    "comment over lines beside text": (
        "  a: x {# y\n    z #}\n  b: {{ values.a }}",
        2,
        "a comment over several",
    ),
    "never closed": ('  a: "{{ don\'t }}"\n  b: {{ values.a }}', 2, "`{{` is never closed"),
    "never closed tag": ("  a: {{ values.a }}\n  b: '{% if x'", 3, "`{%` is never closed"),
    "never closed comment": ("  a: {{ values.a }}\n  b: 'awk {# x'", 3, "`{#` is never closed"),
    "never closed in a comment": ("  a: {{ values.a }}\n  # {{ x", 3, "`{{` is never closed"),
    "begins in an item": (
        "  - a: 1\n{% if values.L %}\n    b: 1\n  - c: 1\n{% endif %}",
        3,
        "a block begins inside item 1 of `k` and goes on behind it",
    ),
    "ends in an item": (
        "{% if values.L %}\n  - a: 1\n{% endif %}\n    b: 1",
        4,
        "a block ends inside a list item or key that begins in it",
    ),
    "branch ends in an item": (
        "{% if values.L %}\n  - a: 1\n{% else %}\n    b: 1\n{% endif %}",
        4,
        "a block ends inside a list item",
    ),
    "cut document": (
        "  a: 1\n{% if values.L %}\nb: 1\n---\nc: 1\n{% endif %}",
        5,
        "a document begins inside a block that holds parts of another one",
    ),
    "cut document behind": (
        "  a: 1\n{% if values.L %}\n---\nb: 1\n{% endif %}\nc: 1",
        4,
        "a document begins",
    ),
    "cut document in a branch": (
        "  a: 1\n{% if values.L %}\n---\nb: 1\n{% else %}\nc: 1\n{% endif %}",
        4,
        "a document begins",
    ),
    "alias": ("  a: &x '{{ values.a }}'\n  b: *x", 3, "*x: an alias in a file with placeholders"),
    "anchor name": ("  a: &{{ values.a }} x", 2, "not YAML"),
    "tag name": ("  a: !{{ values.a }} x", 2, "not YAML"),
    "no YAML": ("  a: [{{ values.a }}\n  b: 1", 3, "not YAML"),
    "tab": ("  a: {{ values.a }}\n\tb: 1", 3, "not YAML"),
    "escape": ('  a: "\\{{ values.a }}"', 2, "not YAML"),
    "output over lines": ("  a: '{{\n    values.a }}'\n  b: {{ values.a }}", 2, "`{{` is never closed"),
    "next line": ("  a: {{ values.a }}\n  b: x\u0085", 3, "U+0085: a line break to some readers alone"),
    "line separator": ("  a: {{ values.a }}\n  b: x\u2028", 3, "U+2028: a line break to some readers alone"),
    "dashes": ("  a: {{ values.a }}\n---b: 1", 3, "---b: 1: Helm would split the file here"),
    "almost dashes": ("  a: 1\n--{{ values.a }}: 1", 3, "Helm would split the file here"),
    "dots": ("  a: 1\n...", 3, "...: Helm would split the file here"),
    "no value": ("  a: {{ values.a }}\n  b: x<no value>", 3, "<no value>: Helm deletes this text"),
    "directive": ("  a: 1\n---\n%YAML 1.1\n---\na: 1", 4, "%YAML 1.1: Helm would split the file here"),
    "indented document": ("  a: 1\n---\n\n  b: 1", 5, "a document begins in the first column"),
    "indent of another width": (
        "  a: |\n    {{ values.a | indent(2) }}",
        3,
        "indent: the block's lines begin in column 5: write `indent(4)`",
    ),
    "text behind indent": (
        "  a: |\n    {{ values.a | indent(4) }}.",
        3,
        "indent: nothing stands behind it on its line, inside a block of text",
    ),
    # `$values`
    "unknown": ("  a: $values.none", 2, "$values.none: no such value is given"),
    "prefix of a longer name": ("  a: $values.names", 2, "$values.names: no such value is given"),
    "braced with a rest": ("  a: ${values.a.b}", 2, "${values.a.b}: no such value is given"),
    "braced odd": ("  a: ${values.a-b}", 2, "${values.a-b}: no such value is given"),
    "map": ("  a: $values.map", 2, "$values.map: a map where a scalar is due; name one of its keys"),
    "map with unknown key": ("  a: $values.map.none", 2, "$values.map: a map where a scalar is due"),
    "list in lower case": ("  - $values.list", 2, "$values.list: a list where a scalar is due"),
    "scalar in capitals": ("  - $values.SCALAR", 2, "$values.SCALAR: a scalar where a list is due"),
    "hosts of a scalar": ("  - $values.a.hosts.x", None, ""),
    "list outside of any": ("  a: $values.L", 2, "$values.L: a list outside of any list item"),
    "list in a flow list": ("  a: [x, $values.L]", 2, "$values.L: a loop item inside `[…]`"),
    "list in a shared line": (
        "  - - $values.L",
        2,
        "$values.L: its list item shares a line with another `-`",
    ),
    "two lists": ("  - $values.L $values.M", 2, "one list item mentions two lists: $values.L and $values.M"),
    "list of maps": ("  - $values.ROWS", 2, "$values.ROWS: its elements are no scalars"),
}


def render(text: str) -> str:
    template = compile_template(
        text, "bob.yaml", VALUES, lambda found: fields_of(found.api_version, found.kind)
    )
    check(Values(VALUES), list(uses(template)))
    return "".join(piece.text for piece in evaluate(template, VALUES))


@pytest.mark.parametrize(("expression", "message"), EXPRESSIONS.items(), ids=list(EXPRESSIONS))
def test_expressions(expression: str, message: str | None) -> None:
    text = f'# {{{{ values.a }}}}\nk: "{{{{ {expression} }}}}"\n'
    if message is None:
        render(text)
        return
    with pytest.raises(InputError) as caught:
        render(text)
    assert caught.value.line == 2
    assert message in str(caught.value)


@pytest.mark.parametrize(("text", "line", "message"), FILES.values(), ids=list(FILES))
def test_files(text: str, line: int | None, message: str) -> None:
    if line is None:
        render(f"k:\n{text}\n")
        return
    with pytest.raises(InputError) as caught:
        render(f"k:\n{text}\n")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"bob.yaml:{line}: "), str(caught.value)
