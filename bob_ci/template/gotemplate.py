"""The tree, printed as Go template text: what the chart holds.

Text stays where it is. A tag goes on a line of its own, as `{{- … }}`, where that trims exactly the one
line break that it then puts behind itself; elsewhere it leads the line that it opens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files

from bob_ci.template import network, patterns, tree
from bob_ci.template.presence import mentions_index

_INLINE_PATTERNS = ("PLAIN", "BLOCK_LINE", "BLOCK_LINES", "INTEGER", "BOOLEAN", "BLOCK", "BLOCK4")


def helpers() -> str:
    """`templates/_helpers.tpl` of every chart: the counterparts of the filters and of what places take."""
    text = files(__package__).joinpath("helpers.tpl").read_text(encoding="utf-8")
    for name in _INLINE_PATTERNS:
        text = text.replace(f'"@{name}@"', literal(getattr(patterns, name)))
    return text.replace("@MAX_HOSTS@", str(network.MAX_HOSTS))


def to_go_template(template: tree.Template) -> str:
    """A compiled file as Helm template text."""
    guarded = _BLOCK_SCALAR.search(template.text) is not None
    nodes = (*_guarded(template.nodes), _GUARD) if guarded else template.nodes
    tokens = list(_Printer().nodes(nodes))
    return _text(tokens, _on_own_lines(tokens))


# Helm cuts all blanks off a document's end, also those of a block scalar there: a comment protects them.
_BLOCK_SCALAR = re.compile(r"[|>][-+1-9]{0,2}[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_GUARD = tree.Verbatim("#\n", 0)
_BOUNDARY = re.compile(r"\n(?=---(?:\s|\Z))")


def _guarded(nodes: Iterable[tree.Node], *, inside: bool = False) -> Iterator[tree.Node]:
    """The same with a comment before every `---` that has anything before it."""
    at_line_start = inside
    for node in nodes:
        match node:
            case tree.Verbatim(text, line):
                guarded = _BOUNDARY.sub("\n#\n", text)
                before = "#\n" if at_line_start and _BOUNDARY.match(f"\n{text}") else ""
                yield tree.Verbatim(before + guarded, line)
            case tree.Loop():
                yield replace(node, body=tuple(_guarded(node.body, inside=True)))
            case tree.Choice(branches, inline=False):
                bodies = (tuple(_guarded(body, inside=True)) for _, body in branches)
                tests = (test for test, _ in branches)
                yield replace(node, branches=tuple(zip(tests, bodies, strict=True)))
            case _:
                yield node
        at_line_start = isinstance(node, tree.Loop) or (isinstance(node, tree.Choice) and not node.inline)


@dataclass(frozen=True)
class _Plain:
    """Text that Helm copies."""

    text: str


@dataclass(frozen=True)
class _Action:
    """`{{ … }}` that stands where its output goes."""

    code: str


@dataclass(frozen=True)
class _Tag:
    """`{{ … }}` that controls lines; `construct` is what it belongs to."""

    code: str
    construct: int


_Token = _Plain | _Action | _Tag


class _Printer:
    """Nodes → tokens. `depth` counts the loops around: inside, `.` is the element and `$` the root."""

    def __init__(self) -> None:
        self.constructs = 0
        self.depth = 0

    def nodes(self, nodes: Iterable[tree.Node]) -> Iterator[_Token]:
        for node in nodes:
            match node:
                case tree.Verbatim():
                    yield _Plain(node.text)
                case tree.Emit():
                    yield _Action(self._emit(node))
                case tree.Refuse():
                    yield _Action(f"fail {literal(node.message)}")
                case tree.Loop():
                    yield from self._loop(node)
                case tree.Choice():
                    yield from self._choice(node)

    def _emit(self, node: tree.Emit) -> str:
        return f'include "bob.{node.context.value}" {self.code(node.expression)}'

    def _loop(self, node: tree.Loop) -> Iterator[_Token]:
        construct = self._construct()
        counted = mentions_index(node.body, node.name)
        yield _Tag(self._range(node.name, node.items, counted=counted), construct)
        self.depth += 1
        yield from self.nodes(node.body)
        self.depth -= 1
        yield _Tag("end", construct)

    def _range(self, name: str, items: tree.Expression, *, counted: bool) -> str:
        index = f"${name}_index, " if counted else ""
        return f"range {index}${name} := {_bare(self.code(items))}"

    def _choice(self, node: tree.Choice) -> Iterator[_Token]:
        construct = self._construct()

        def token(code: str) -> _Token:
            return _Action(code) if node.inline else _Tag(code, construct)

        for test, _ in node.branches:
            yield from self._preparations(test)
        for position, (test, body) in enumerate(node.branches):
            word = "if" if position == 0 else "else if"
            otherwise = test == tree.TRUE and position > 0
            yield token("else" if otherwise else f"{word} {_bare(self.test(test))}")
            yield from self.nodes(body)
        yield token("end")

    def _construct(self) -> int:
        self.constructs += 1
        return self.constructs

    # expressions

    def code(self, part: tree.Expression) -> str:
        """An expression as one operand."""
        match part:
            case tree.Value(path):
                return f"{self._root()}.{'.'.join(path)}"
            case tree.Local(name, path):
                return ".".join((f"${name}", *path))
            case tree.LoopIndex(loop):
                return f"(add1 ${loop}_index | toString)"
            case tree.Text(text):
                return literal(text)
            case tree.Number(number):
                return str(number)
            case tree.Join(parts):
                return f'(printf "{"%s" * len(parts)}" {" ".join(self._string(inner) for inner in parts)})'
            case tree.Filter():
                return self._filtered(part)
        raise TypeError(part)

    def _string(self, part: tree.Expression) -> str:
        """An operand that is sure to be a string: `printf` would print a missing one as `%!s(<nil>)`."""
        if isinstance(part, tree.Value | tree.Local):
            return f'(include "bob.string" {self.code(part)})'
        return self.code(part)

    def _root(self) -> str:
        return "$.Values.bob" if self.depth else ".Values.bob"

    def _filtered(self, part: tree.Filter) -> str:
        arguments = [self.code(argument) for argument in part.arguments]
        match part.name:
            case "default":
                return self._default(part, arguments[0])
            case "replace":
                return f"(replace {arguments[0]} {arguments[1]} {self._string(part.base)})"
            case "trim":
                return f'(trimAll " \\t\\r\\n" {self._string(part.base)})'
            case "join":
                return f"(join {arguments[0]} {self.code(part.base)})"
            case "hosts":
                return f'(splitList "," (include "bob.hosts" {self.code(part.base)}))'
            case "indent":
                return f'(include "bob.indent" (list {self.code(part.base)} {arguments[0]}))'
        return f'(include "bob.{_HELPER_OF.get(part.name, part.name)}" {self.code(part.base)})'

    def _default(self, part: tree.Filter, fallback: str) -> str:
        base = part.base
        if not isinstance(base, tree.Value | tree.Local):
            raise TypeError(base)
        keys = " ".join(literal(key) for key in base.path)
        root = self._root() if isinstance(base, tree.Value) else f"${base.name}"
        return f"(dig {keys} {fallback} {root})" if keys else root

    # conditions

    def test(self, part: tree.Expression) -> str:
        """A condition as one operand."""
        match part:
            case tree.Logic(every, operands):
                if not operands:
                    return "true" if every else "false"
                inner = " ".join(self.test(operand) for operand in operands)
                return f"({'and' if every else 'or'} {inner})"
            case tree.Not(operand):
                return f"(not {self.test(operand)})"
            case tree.NotEmpty(items):
                return self.code(items)
            case tree.Compare(left, right, equal):
                return f"({'eq' if equal else 'ne'} {self._comparable(left)} {self._comparable(right)})"
            case tree.Exists():
                return f"$any_{_exists_id(part)}"
        raise TypeError(part)

    def _comparable(self, part: tree.Expression) -> str:
        if isinstance(part, tree.LoopIndex):
            return f"(add1 ${part.loop}_index | int)"
        return self._string(part)

    def _preparations(self, part: tree.Expression) -> Iterator[_Token]:
        """For every `Exists`: a loop that prints nothing and finds out."""
        for exists in _exists_in(part):
            name = f"$any_{_exists_id(exists)}"
            yield _Action(f"{name} := false")
            counted = mentions_index(exists.condition, exists.name)
            yield _Action(self._range(exists.name, exists.items, counted=counted))
            self.depth += 1
            yield from self._preparations(exists.condition)
            yield _Action(f"if {_bare(self.test(exists.condition))}")
            yield _Action(f"{name} = true")
            yield _Action("end")
            self.depth -= 1
            yield _Action("end")


_HELPER_OF = {"to_yaml": "yaml"}


def _exists_in(part: tree.Expression) -> Iterator[tree.Exists]:
    match part:
        case tree.Exists():
            yield part
        case tree.Logic():
            for operand in part.operands:
                yield from _exists_in(operand)
        case tree.Not(operand):
            yield from _exists_in(operand)


def _exists_id(part: tree.Exists) -> str:
    """A name for a variable: the same condition may have the same one."""
    import hashlib

    return hashlib.sha256(repr(part).encode()).hexdigest()[:8]


def _bare(code: str) -> str:
    """An operand as a pipeline of its own: without the parentheses, which are always around all of it."""
    return code[1:-1] if code.startswith("(") else code


def literal(text: str) -> str:
    """A Go string literal."""
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("\r", "\\r")):
        text = text.replace(char, escape)
    return f'"{text}"'


# tokens → text

_ENDS_LINE = re.compile(r"[^\s]\r?\n\Z")


def _on_own_lines(tokens: list[_Token]) -> frozenset[int]:
    """The constructs all of whose tags can go on lines of their own."""
    own = {token.construct for token in tokens if isinstance(token, _Tag)}
    changed = True
    while changed:
        changed = False
        for position, token in enumerate(tokens):
            before = tokens[max(0, position - 2) : position]
            if isinstance(token, _Tag) and token.construct in own and not _line_ends(before, own):
                own.discard(token.construct)
                changed = True
    return frozenset(own)


def _line_ends(before: list[_Token], own: set[int]) -> bool:
    """Whether what is before a tag ends in one line break, with no other blank that trimming would take."""
    last = before[-1] if before else None
    if isinstance(last, _Plain):
        # Text that is a line break alone must follow an action, whose output trimming does not touch.
        behind_action = len(before) > 1 and isinstance(before[0], _Action)
        return _ENDS_LINE.search(last.text) is not None or (behind_action and last.text in ("\n", "\r\n"))
    return isinstance(last, _Tag) and last.construct in own


def _text(tokens: list[_Token], own: frozenset[int]) -> str:
    out: list[str] = []
    pending = ""  # the line break that a tag has moved behind itself
    for position, token in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        if isinstance(token, _Tag) and token.construct in own:
            out.append(f"\n{{{{- {token.code} }}}}")
            continue
        out.append(pending)
        pending = ""
        if isinstance(token, _Plain):
            moved = isinstance(following, _Tag) and following.construct in own
            text, pending = _without_line_break(token.text) if moved else (token.text, "")
            out.append(_escaped(text, before_action=not moved and following is not None))
        else:
            out.append(f"{{{{ {token.code} }}}}")
    return "".join([*out, pending])


def _without_line_break(text: str) -> tuple[str, str]:
    ending = "\r\n" if text.endswith("\r\n") else "\n"
    return text.removesuffix(ending), ending


def _escaped(text: str, *, before_action: bool) -> str:
    text = text.replace("{{", '{{ "{{" }}')
    if before_action and text.endswith("{"):
        text = text[:-1] + '{{ "{" }}'
    return text
