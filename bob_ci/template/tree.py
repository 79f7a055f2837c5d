"""The tree between the two renderers: expressions that yield values, nodes that yield text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Value:
    """A value of the bundle, by its path: `values.a.b`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Local:
    """A loop's variable, or a key of the map that it holds."""

    name: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoopIndex:
    """`loop.index` of the loop whose variable is named: 1, 2, …."""

    loop: str


@dataclass(frozen=True)
class Text:
    """A constant string."""

    text: str


@dataclass(frozen=True)
class Number:
    """A constant number, good for comparing with `loop.index` alone."""

    number: int


@dataclass(frozen=True)
class Filter:
    """A filter of the portable set, applied to a value."""

    name: str
    base: Expression
    arguments: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Join:
    """Strings, one behind the other: the parts of one scalar."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Compare:
    """Equality of two strings or two numbers."""

    left: Expression
    right: Expression
    equal: bool


@dataclass(frozen=True)
class Logic:
    """All of the operands, or any of them; an empty `all` is true."""

    all: bool
    operands: tuple[Expression, ...]


@dataclass(frozen=True)
class Not:
    """The contrary."""

    operand: Expression


@dataclass(frozen=True)
class NotEmpty:
    """A list that has elements."""

    items: Expression


@dataclass(frozen=True)
class Exists:
    """Some element of a list for which the condition holds."""

    name: str
    items: Expression
    condition: Expression


Expression = (
    Value | Local | LoopIndex | Text | Number | Filter | Join | Compare | Logic | Not | NotEmpty | Exists
)

TRUE = Logic(all=True, operands=())


class Context(Enum):
    """Where in the YAML a value lands; it decides what is escaped and what is refused."""

    DOUBLE = "quoted"  # between double quotes
    SINGLE = "single"  # between single quotes
    PLAIN = "plain"  # a plain scalar, or a part of one
    BLOCK = "line"  # in a line of a block scalar
    LINES = "lines"  # the same, with further lines that `indent` has moved under it
    INTEGER = "integer"  # a whole scalar that the profile's schema has as a number
    BOOLEAN = "boolean"  # the same, true or false
    ADDRESS = "block"  # a whole entry of ipAddresses, between double quotes
    YAML = "yaml"  # any value, printed as YAML of one line


@dataclass(frozen=True)
class Verbatim:
    """Text that stands in the source at this line."""

    text: str
    line: int


@dataclass(frozen=True)
class Emit:
    """An expression's value, made fit for its place."""

    expression: Expression
    context: Context
    line: int


@dataclass(frozen=True)
class Loop:
    """The body, once for each element."""

    name: str
    items: Expression
    body: tuple[Node, ...]
    line: int


@dataclass(frozen=True)
class Choice:
    """The body of the first branch whose condition holds, if any does.

    `inline` choices stand inside a line, the others on lines of their own.
    """

    branches: tuple[tuple[Expression, tuple[Node, ...]], ...]
    line: int
    inline: bool = False


@dataclass(frozen=True)
class Refuse:
    """An error for whoever renders, with these values."""

    message: str
    line: int


Node = Verbatim | Emit | Loop | Choice | Refuse


@dataclass(frozen=True)
class Template:
    """One file, compiled."""

    file: str
    nodes: tuple[Node, ...]
    text: str
