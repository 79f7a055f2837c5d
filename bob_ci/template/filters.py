"""The portable filters: what each takes and does. Its Helm counterpart is in `gotemplate`.

Only what Go templates can do the same way: `lower` and `upper` are ASCII, `trim` takes blanks, tabs and
line breaks, `to_yaml` prints one line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from bob_ci.template import network, tree

BLANKS = " \t\r\n"
MAX_INDENT = 100
NO_VALUE = "<no value>"  # Helm deletes this text wherever it is printed
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UPPER = {lower: upper for upper, lower in _LOWER.items()}


class Kind(Enum):
    """What an expression yields."""

    STRING = "string"
    NUMBER = "number"
    LIST = "list"
    ANY = "any"


ErrorAt = Callable[[str], Exception]


@dataclass(frozen=True)
class PortableFilter:
    """One filter: its types, its arguments, its Python form (`default` has none)."""

    name: str
    apply: Callable[..., Any]
    takes: Kind = Kind.STRING
    result: Kind = Kind.STRING
    arguments: tuple[Kind, ...] = ()

    def check(self, base: tree.Expression, arguments: tuple[tree.Expression, ...], error: ErrorAt) -> None:
        """Refuse a use that one of the renderers could not follow."""
        if len(arguments) != len(self.arguments):
            raise error(f"filter {self.name}: takes {len(self.arguments)} argument(s), got {len(arguments)}")
        for wanted, argument in zip(self.arguments, arguments, strict=True):
            if _kind(argument) is not wanted or isinstance(argument, tree.LoopIndex):
                raise error(f"filter {self.name}: its argument is a {wanted.value}")
        if isinstance(base, tree.Number):
            raise error(f"filter {self.name}: takes a {self.takes.value}, not a number")
        self._check_special(base, arguments, error)

    def _check_special(
        self, base: tree.Expression, arguments: tuple[tree.Expression, ...], error: ErrorAt
    ) -> None:
        given = FILTERS[base.name].result if isinstance(base, tree.Filter) else self.takes
        if given is not self.takes and self.takes is not Kind.ANY:
            raise error(f"filter {self.name}: takes a {self.takes.value}, and is given a {given.value}")
        if self.name == "default" and not isinstance(base, tree.Value | tree.Local):
            raise error("filter default: stands right behind the value that may be missing")
        if self.name == "replace" and arguments[0] == tree.Text(""):
            raise error("filter replace: the text to replace is empty")
        if self.name == "replace" and not isinstance(arguments[0], tree.Text):
            raise error("filter replace: the text to replace is written out in quotes")
        if isinstance(base, tree.LoopIndex) and self.name != "quote":
            raise error(f"filter {self.name}: takes a {self.takes.value}, not a number")
        width = arguments[0] if self.name == "indent" else None
        if isinstance(width, tree.Number) and width.number > MAX_INDENT:
            raise error(f"filter indent: moves text by at most {MAX_INDENT} columns")


def _kind(argument: tree.Expression) -> Kind:
    if isinstance(argument, tree.Filter):
        return FILTERS[argument.name].result
    return Kind.NUMBER if isinstance(argument, tree.Number | tree.LoopIndex) else Kind.STRING


def escape_double(text: str) -> str:
    """A string as it stands between double quotes (YAML 1.2, 5.7)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return escaped.replace(NO_VALUE, "\\x3c" + NO_VALUE[1:])


def quote(text: str) -> str:
    """A string as a YAML scalar in double quotes."""
    return f'"{escape_double(text)}"'


def to_yaml(value: Any) -> str:
    """Any value on one line, keys sorted as Go templates walk a map."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quote(key)}: {to_yaml(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(to_yaml(item) for item in value) + "]"
    return quote(value)


def indent(text: str, width: int) -> str:
    """All lines but the first and the empty ones, moved right, as Jinja2 has it."""
    return re.sub(r"\n(?=[^\n])", "\n" + " " * width, text)


def lower(text: str) -> str:
    """ASCII letters in lower case."""
    return text.translate(_LOWER)


def upper(text: str) -> str:
    """ASCII letters in upper case."""
    return text.translate(_UPPER)


def _never(*_: Any) -> Any:
    raise AssertionError("`default` is about what is missing: the evaluator knows")


FILTERS = {
    known.name: known
    for known in (
        PortableFilter("default", _never, arguments=(Kind.STRING,)),
        PortableFilter("lower", lower),
        PortableFilter("upper", upper),
        PortableFilter("replace", str.replace, arguments=(Kind.STRING, Kind.STRING)),
        PortableFilter("trim", lambda text: text.strip(BLANKS)),
        PortableFilter("quote", quote),
        PortableFilter("indent", indent, arguments=(Kind.NUMBER,)),
        PortableFilter("join", lambda items, by: by.join(items), takes=Kind.LIST, arguments=(Kind.STRING,)),
        PortableFilter("hosts", network.hosts, result=Kind.LIST),
        PortableFilter("network", network.network_address),
        PortableFilter("netmask", network.netmask),
        PortableFilter("prefixlen", network.prefix_length),
        PortableFilter("to_yaml", to_yaml, takes=Kind.ANY, result=Kind.STRING),
    )
}
NETWORK_FILTERS = frozenset({"hosts", "network", "netmask", "prefixlen"})
