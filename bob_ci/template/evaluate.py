"""The tree, run in Python: what `bobctl render` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bob_ci.errors import InputError
from bob_ci.template import network, patterns, tree
from bob_ci.template.filters import FILTERS, NO_VALUE, escape_double, to_yaml
from bob_ci.template.uses import kind_name

# A template repeats list items. The server takes 40,000 of them; one loop in another multiplies.
MAX_STEPS = 1_000_000
MAX_CHARACTERS = 32 * 1024 * 1024

_MISSING = object()


@dataclass(frozen=True)
class Piece:
    """Rendered text, and the template's line that it came from."""

    text: str
    line: int


def evaluate(template: tree.Template, values: Mapping[str, Any]) -> list[Piece]:
    """Render a template.

    Raises:
        InputError: a value is missing or does not fit its place; the output has no bounds.
    """
    run = _Evaluation(template.file, values)
    run.nodes(template.nodes, {})
    return run.pieces


class _Evaluation:
    def __init__(self, file: str, values: Mapping[str, Any]) -> None:
        self.file = file
        self.values = values
        self.pieces: list[Piece] = []
        self.steps = 0
        self.characters = 0
        self.line = 1

    # nodes

    def nodes(self, nodes: Iterable[tree.Node], local: dict[str, Any]) -> None:
        for node in nodes:
            self.line = node.line
            match node:
                case tree.Verbatim():
                    self._put(node.text)
                case tree.Emit():
                    self._put(self._fit(node, local))
                case tree.Loop():
                    self._loop(node, local)
                case tree.Choice():
                    body = next((body for test, body in node.branches if self._holds(test, local)), ())
                    self.nodes(body, local)
                case tree.Refuse():
                    raise self._error(node.message)

    def _put(self, text: str) -> None:
        self.characters += len(text)
        if self.characters > MAX_CHARACTERS:
            raise self._error(f"renders to more than {MAX_CHARACTERS // 2**20} MiB")
        self.pieces.append(Piece(text, self.line))

    def _loop(self, node: tree.Loop, local: dict[str, Any]) -> None:
        for inside in self._each(node.name, node.items, local):
            self.nodes(node.body, inside)

    def _each(self, name: str, items: tree.Expression, local: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """What is known inside a loop, for each of its rounds."""
        for position, item in enumerate(self._items(items, local), 1):
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise self._error(f"its loops run more than {MAX_STEPS:,} times")
            yield {**local, name: item, f"{name}#": position}

    def _fit(self, node: tree.Emit, local: dict[str, Any]) -> str:
        value = self.value(node.expression, local)
        if node.context is tree.Context.YAML:
            return to_yaml(value)
        text = self._string(value, node.expression)
        fit = _FIT[node.context]
        if fit.pattern is not None and not patterns.matches(fit.pattern, text):
            raise self._error(f"{text!r}: {fit.problem}")
        if fit.pattern is not None and NO_VALUE in text:
            raise self._error(f"{text!r}: {NO_VALUE} is deleted by Helm, unless it stands in double quotes")
        return fit.escape(text)

    # expressions

    def value(self, part: tree.Expression, local: dict[str, Any]) -> Any:
        """What an expression yields; a value that is nowhere given is an error."""
        match part:
            case tree.Value() | tree.Local():
                found = self._look_up(part, local)
                if found is _MISSING:
                    raise self._error(f"{_name(part)}: no such value is given")
                return found
            case tree.LoopIndex(loop):
                return local[f"{loop}#"]
            case tree.Text(text):
                return text
            case tree.Number(number):
                return number
            case tree.Join(parts):
                return "".join(self._string(self.value(inner, local), inner) for inner in parts)
            case tree.Filter():
                return self._filtered(part, local)
        raise TypeError(part)

    def _look_up(self, part: tree.Value | tree.Local, local: dict[str, Any]) -> Any:
        found: Any = self.values if isinstance(part, tree.Value) else local[part.name]
        for key in part.path:
            if not isinstance(found, Mapping):
                raise self._error(f"{_name(part)}: `{key}` of something that is no map")
            if key not in found:
                return _MISSING
            found = found[key]
        return found

    def _filtered(self, part: tree.Filter, local: dict[str, Any]) -> Any:
        if part.name == "default" and isinstance(part.base, tree.Value | tree.Local):
            found = self._look_up(part.base, local)
            return self.value(part.arguments[0], local) if found is _MISSING else found
        base = self.value(part.base, local)
        if part.name == "join":
            base = [self._string(item, part.base) for item in self._list(base, part.base)]
        elif part.name != "to_yaml":
            base = self._string(base, part.base)
        arguments = [self._argument(argument, local) for argument in part.arguments]
        try:
            return FILTERS[part.name].apply(base, *arguments)
        except network.NotABlockError as error:
            raise self._error(str(error)) from None

    def _argument(self, part: tree.Expression, local: dict[str, Any]) -> str | int:
        return part.number if isinstance(part, tree.Number) else self._string(self.value(part, local), part)

    def _items(self, part: tree.Expression, local: dict[str, Any]) -> list[Any]:
        return self._list(self.value(part, local), part)

    def _list(self, value: object, part: tree.Expression) -> list[Any]:
        if not isinstance(value, list):
            raise self._error(f"{_name(part)}: a {kind_name(value)} where a list is due")
        return value

    def _string(self, value: object, part: tree.Expression) -> str:
        if isinstance(value, int):
            return str(value)
        if not isinstance(value, str):
            raise self._error(f"{_name(part)}: a {kind_name(value)} where a scalar is due")
        return value

    def _holds(self, part: tree.Expression, local: dict[str, Any]) -> bool:
        match part:
            case tree.Logic(every, operands):
                return (all if every else any)(self._holds(operand, local) for operand in operands)
            case tree.Not(operand):
                return not self._holds(operand, local)
            case tree.NotEmpty(items):
                return bool(self._items(items, local))
            case tree.Compare(left, right, equal):
                return (self._operand(left, local) == self._operand(right, local)) is equal
            case tree.Exists(name, items, condition):
                return any(self._holds(condition, inside) for inside in self._each(name, items, local))
        raise TypeError(part)

    def _operand(self, part: tree.Expression, local: dict[str, Any]) -> str | int:
        value = self.value(part, local)
        return value if isinstance(value, int) else self._string(value, part)

    def _error(self, message: str) -> InputError:
        return InputError(message, file=self.file, line=self.line)


@dataclass(frozen=True)
class _Fit:
    """How a string is made fit for a context, and which strings it does not take."""

    escape: Callable[[str], str]
    pattern: str | None = None
    problem: str = ""


def _as_it_is(text: str) -> str:
    return text


_FIT = {
    tree.Context.DOUBLE: _Fit(escape_double),
    tree.Context.SINGLE: _Fit(
        lambda text: text.replace("'", "''"), patterns.LINE, "a line break between single quotes"
    ),
    tree.Context.PLAIN: _Fit(
        _as_it_is, patterns.PLAIN, "cannot stand without quotes: put the placeholder in double quotes"
    ),
    tree.Context.BLOCK: _Fit(
        _as_it_is,
        patterns.BLOCK_LINE,
        "has a line break or begins with a blank, inside a block; several lines need the filter `indent`",
    ),
    tree.Context.LINES: _Fit(_as_it_is, patterns.BLOCK_LINES, "begins with a blank, inside a block"),
    tree.Context.INTEGER: _Fit(_as_it_is, patterns.INTEGER, "the field is a number"),
    tree.Context.BOOLEAN: _Fit(_as_it_is, patterns.BOOLEAN, "the field is true or false"),
    tree.Context.ADDRESS: _Fit(_as_it_is, patterns.BLOCK, "not an address or a network block"),
}


def _name(part: tree.Expression) -> str:
    if isinstance(part, tree.Value):
        return "values." + ".".join(part.path)
    if isinstance(part, tree.Local):
        return ".".join((part.name, *part.path))
    return "this"
