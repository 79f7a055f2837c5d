"""Jinja2 expressions and statements, read with Jinja2's own parser into the portable tree.

What is not on the list of FORMAT.md 3 is an error that names the construct: a template cannot reach
attributes, call functions or read files, for the tree has no node that could.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from bob_ci.errors import InputError
from bob_ci.template import patterns, tree
from bob_ci.template.filters import FILTERS, Kind

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

Names = Mapping[str, Any]

_MAX_NUMBER = 1_000_000  # more than any loop runs
_RESERVED = frozenset({"values", "loop", "true", "false", "none", "True", "False", "None"})


@dataclass(frozen=True)
class Scope:
    """What names mean at one place of a template: the bundle's values and the loops around it."""

    values: Mapping[str, Any]
    file: str
    line: int
    loops: tuple[str, ...] = ()

    def at(self, line: int) -> Scope:
        """The same names, another line."""
        return Scope(self.values, self.file, line, self.loops)

    def inside(self, loop: str) -> Scope:
        """The names inside one more loop."""
        return replace(self, loops=(*self.loops, loop))

    def error(self, message: str, hint: str | None = None) -> InputError:
        """An error at this place."""
        return InputError(message, file=self.file, line=self.line, hint=hint)


def parse_output(source: str, scope: Scope) -> tree.Expression:
    """The expression of `{{ … }}`, which must yield a string (or a list for `to_yaml`)."""
    output = _only_statement(source, scope)
    expressions = getattr(output, "nodes", [])
    if type(output).__name__ != "Output" or len(expressions) != 1:
        raise scope.error(f"{source}: not one expression")
    found = _expression(expressions[0], scope)
    if isinstance(found, tree.Number):
        raise scope.error(f"{source}: values are strings, write it in quotes")
    return found


def parse_condition(keyword_and_test: str, scope: Scope) -> tree.Expression:
    """The test of `{% if … %}` or `{% elif … %}`."""
    statement = _only_statement("{% if " + keyword_and_test + " %}{% endif %}", scope)
    return condition(statement.test, scope)  # type: ignore[attr-defined]


def parse_loop(target_and_items: str, scope: Scope) -> tuple[str, tree.Expression]:
    """The variable and the list of `{% for NAME in LIST %}`."""
    statement: Any = _only_statement("{% for " + target_and_items + " %}{% endfor %}", scope)
    if statement.test is not None or statement.recursive:
        raise scope.error("`for … if` and `recursive` are not portable: put an `if` inside the loop")
    if type(statement.target).__name__ != "Name":
        raise scope.error("a loop takes one variable: `{% for block in values.CIDR %}`")
    name = str(statement.target.name)
    if name in _RESERVED or not name.isascii():
        raise scope.error(f"{name}: not a name for a loop's variable")
    return name, _list(statement.iter, scope)


@cache
def _environment() -> Environment:
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(autoescape=False)


def _only_statement(source: str, scope: Scope) -> nodes.Node:
    from jinja2 import TemplateSyntaxError

    try:
        body = _environment().parse(source).body
    except TemplateSyntaxError as error:
        raise scope.error(
            f"{source}: {error.message}",
            "text that is no placeholder goes between {% raw %} and {% endraw %}",
        ) from None
    except RecursionError:
        raise scope.error("the expression is nested too deeply") from None
    if len(body) != 1:
        raise scope.error(f"{source}: not one construct")
    return body[0]


def _expression(node: nodes.Node, scope: Scope) -> tree.Expression:
    """A value-yielding expression; conditions have a function of their own."""
    handler = _EXPRESSIONS.get(type(node).__name__)
    if handler is None:
        raise scope.error(
            f"{_CONSTRUCTS.get(type(node).__name__, type(node).__name__)}: not portable to Helm",
            hint="docs/templates.md lists what both renderers can do",
        )
    found: tree.Expression = handler(node, scope)
    return found


_CONSTRUCTS = {
    "Call": "a call",
    "Concat": "`~`",
    "Add": "`+`",
    "Sub": "`-`",
    "Mul": "`*`",
    "Div": "`/`",
    "Getitem": "`[…]`",
    "List": "a list in the template",
    "Dict": "a map in the template",
    "Tuple": "a tuple",
    "CondExpr": "`… if … else …`",
    "Test": "`is …`",
    "Compare": "a comparison outside of `if`",
    "TemplateData": "text",
}


def _name(node: Any, scope: Scope) -> tree.Expression:
    if node.name in scope.loops:
        return tree.Local(node.name)
    if node.name == "values":
        raise scope.error("`values` alone is not a value: name a key, `values.KEY`")
    raise scope.error(f"{node.name}: no such name (values are `values.{node.name}`)")


def _attribute(node: Any, scope: Scope) -> tree.Expression:
    keys: list[str] = []
    while type(node).__name__ == "Getattr":
        keys.insert(0, node.attr)
        node = node.node
    root = getattr(node, "name", None)
    if root in scope.loops:
        return tree.Local(root, tuple(keys))
    if root == "values":
        return tree.Value(tuple(keys))
    if root == "loop":
        return _loop_attribute(keys, scope)
    raise scope.error(
        f"{root or 'this'}.{'.'.join(keys)}: only `values`, `loop` and loop variables have keys"
    )


def _loop_attribute(keys: list[str], scope: Scope) -> tree.Expression:
    if not scope.loops:
        raise scope.error("`loop` outside of a loop")
    if keys != ["index"]:
        raise scope.error(f"loop.{'.'.join(keys)}: not portable to Helm; `loop.index` is")
    return tree.LoopIndex(scope.loops[-1])


def _constant(node: Any, scope: Scope) -> tree.Expression:
    if isinstance(node.value, str):
        return tree.Text(_inert(node.value, scope))
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        if node.value > _MAX_NUMBER:
            raise scope.error(f"{node.value}: a number larger than {_MAX_NUMBER:,}")
        return tree.Number(node.value)
    raise scope.error(f"{node.value!r}: values are strings, write it in quotes")


def _inert(text: str, scope: Scope) -> str:
    if not patterns.is_text(text):
        raise scope.error("a control character in a string, or one that is no text")
    return text


def _filter(node: Any, scope: Scope) -> tree.Expression:
    known = FILTERS.get(node.name)
    if known is None:
        raise scope.error(
            f"filter {node.name}: not portable to Helm",
            hint="the portable filters are: " + ", ".join(FILTERS),
        )
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        raise scope.error(f"filter {node.name}: takes its arguments by position alone")
    base = _expression(node.node, scope)
    arguments = tuple(_expression(argument, scope) for argument in node.args)
    known.check(base, arguments, scope.error)
    return tree.Filter(node.name, base, arguments)


_EXPRESSIONS: dict[str, Any] = {
    "Name": _name,
    "Getattr": _attribute,
    "Const": _constant,
    "Filter": _filter,
}


def condition(node: nodes.Node, scope: Scope) -> tree.Expression:
    """A test: comparisons, `and`, `or`, `not`, or a list that has elements."""
    kind = type(node).__name__
    item: Any = node
    if kind in ("And", "Or"):
        return tree.Logic(kind == "And", (condition(item.left, scope), condition(item.right, scope)))
    if kind == "Not":
        return tree.Not(condition(item.node, scope))
    if kind == "Compare":
        return _comparison(item, scope)
    return tree.NotEmpty(_list(node, scope))


def _list(node: nodes.Node, scope: Scope) -> tree.Expression:
    """An expression that can be a list: a value, a loop's variable, what `hosts` gives."""
    found = _expression(node, scope)
    if isinstance(found, tree.Value | tree.Local) or _kind(found) is Kind.LIST:
        return found
    raise scope.error(
        f"a {_kind(found).value} where a list is due",
        hint='a string is compared: `{% if values.mode == "strict" %}`',
    )


def _comparison(node: Any, scope: Scope) -> tree.Expression:
    if len(node.ops) != 1 or node.ops[0].op not in ("eq", "ne"):
        raise scope.error("only `==` and `!=` are portable, one comparison at a time")
    left, right = _expression(node.expr, scope), _expression(node.ops[0].expr, scope)
    kinds = {_kind(left), _kind(right)}
    if Kind.LIST in kinds:
        raise scope.error("a list is not compared; `{% if values.NAME %}` asks whether it has elements")
    if len(kinds) > 1:
        raise scope.error(
            "a string is compared with a number, which is never equal",
            hint='values are strings: write the number in quotes, `values.port == "8080"`',
        )
    return tree.Compare(left, right, equal=node.ops[0].op == "eq")


def _kind(expression: tree.Expression) -> Kind:
    if isinstance(expression, tree.Number | tree.LoopIndex):
        return Kind.NUMBER
    if isinstance(expression, tree.Filter):
        return FILTERS[expression.name].result
    return Kind.STRING
