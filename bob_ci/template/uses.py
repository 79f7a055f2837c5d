"""What a template asks of the values: which it uses, as what, and which patterns they must fit.

The same demands are checked by `bobctl render` and written into the chart's schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bob_ci.template import patterns, tree
from bob_ci.template.filters import FILTERS, NETWORK_FILTERS, Kind

ITEM = "[]"  # in a path: the elements of a list

_PATTERN_OF = {
    tree.Context.SINGLE: patterns.LINE,
    tree.Context.PLAIN: patterns.PLAIN,
    tree.Context.BLOCK: patterns.BLOCK_LINE,
    tree.Context.LINES: patterns.BLOCK_LINES,
    tree.Context.INTEGER: patterns.INTEGER,
    tree.Context.BOOLEAN: patterns.BOOLEAN,
    tree.Context.ADDRESS: patterns.BLOCK,
}


@dataclass(frozen=True)
class Use:
    """One demand: the value at this path exists, is of this kind, fits this pattern."""

    path: tuple[str, ...]
    kind: Kind
    pattern: str | None
    required: bool
    file: str
    line: int


def uses(template: tree.Template) -> Iterator[Use]:
    """Every demand of a template, in the template's order."""
    yield from _Uses(template.file).of_nodes(template.nodes, {})


def kind_name(value: object) -> str:
    """A value's kind, for messages."""
    if isinstance(value, str):
        return "scalar"
    return "list" if isinstance(value, list) else "map"


_Bindings = Mapping[str, tuple[str, ...]]


class _Uses:
    def __init__(self, file: str) -> None:
        self.file = file

    def of_nodes(self, nodes: Iterable[tree.Node], bound: _Bindings) -> Iterator[Use]:
        for node in nodes:
            if isinstance(node, tree.Emit):
                yield from self._emitted(node, bound)
            elif isinstance(node, tree.Loop):
                yield from self._of(node.items, bound, Kind.LIST, node.line)
                yield from self.of_nodes(node.body, self._inside(node.name, node.items, bound))
            elif isinstance(node, tree.Choice) and not node.inline:  # an inline one asks what others ask too
                for condition, body in node.branches:
                    yield from self._of(condition, bound, Kind.ANY, node.line)
                    yield from self.of_nodes(body, bound)

    def _emitted(self, node: tree.Emit, bound: _Bindings) -> Iterator[Use]:
        kind = Kind.ANY if node.context is tree.Context.YAML else Kind.STRING
        pattern = _PATTERN_OF.get(node.context)
        yield from self._of(node.expression, bound, kind, node.line, pattern)

    @staticmethod
    def _inside(name: str, items: tree.Expression, bound: _Bindings) -> _Bindings:
        path = _path(items, bound)
        return {**bound, name: (*path, ITEM)} if path else {k: v for k, v in bound.items() if k != name}

    def _of(
        self, part: tree.Expression, bound: _Bindings, kind: Kind, line: int, pattern: str | None = None
    ) -> Iterator[Use]:
        match part:
            case tree.Value() | tree.Local():
                path = _path(part, bound)
                if path:
                    yield Use(path, kind, pattern, True, self.file, line)  # noqa: FBT003
            case tree.Filter():
                yield from self._filtered(part, bound, line, pattern)
            case tree.Join(parts):
                for inner in parts:
                    yield from self._of(inner, bound, Kind.STRING, line)
            case tree.Logic():
                for inner in part.operands:
                    yield from self._of(inner, bound, Kind.ANY, line)
            case tree.Not(operand):
                yield from self._of(operand, bound, Kind.ANY, line)
            case tree.Compare(left, right):
                yield from self._of(left, bound, Kind.STRING, line)
                yield from self._of(right, bound, Kind.STRING, line)
            case tree.NotEmpty(items):
                yield from self._of(items, bound, Kind.LIST, line)
            case tree.Exists():
                yield from self._of(part.items, bound, Kind.LIST, line)
                inside = self._inside(part.name, part.items, bound)
                yield from self._of(part.condition, inside, Kind.ANY, line)

    def _filtered(self, part: tree.Filter, bound: _Bindings, line: int, pattern: str | None) -> Iterator[Use]:
        if part.name == "default":
            path = _path(part.base, bound)
            if path:
                yield Use(path, Kind.STRING, pattern, False, self.file, line)  # noqa: FBT003
            yield from self._of(part.arguments[0], bound, Kind.STRING, line)
            return
        # `indent` changes nothing of a line, and what stands before the first line break.
        wanted = pattern if part.name == "indent" else None
        if part.name in NETWORK_FILTERS:
            wanted = patterns.BLOCK4
        yield from self._of(part.base, bound, FILTERS[part.name].takes, line, wanted)
        joined = _path(part.base, bound) if part.name == "join" else ()
        if joined:
            yield Use((*joined, ITEM), Kind.STRING, None, True, self.file, line)  # noqa: FBT003
        for argument in part.arguments:
            yield from self._of(argument, bound, Kind.STRING, line)


def _path(part: tree.Expression, bound: _Bindings) -> tuple[str, ...]:
    if isinstance(part, tree.Value):
        return part.path
    if isinstance(part, tree.Local) and part.name in bound:
        return (*bound[part.name], *part.path)
    return ()
