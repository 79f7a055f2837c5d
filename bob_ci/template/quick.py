"""The outline of plain block YAML, line by line: several times as fast as parsing, for what recorders write.

Recorded profiles are block maps and lists of one-line scalars. That subset is read here with a stack of
indentations, and checked as it is read: what is not surely of the subset (block scalars, `[…]` with
something in it, anchors, scalars over several lines, odd indentation) gives None, and the parser is asked.
A test holds that both outlines compile to the same tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bob_ci.template.outline import Child, Collection, Document, Outline, Path, Scalar

_KEY = r"[A-Za-z0-9_][A-Za-z0-9_./-]*"
# YAML 1.2, 7.3.3: what a plain scalar may begin with, and what may follow.
_FIRST = r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=\S))"
_REST = r"(?:[^\s:#]|:(?=\S)|(?<=\S)#| +(?=[^\s#]))*"
_SCALAR = rf"\"[^\"\\]*\"|'[^']*'|\[\]|\{{\}}|{_FIRST}{_REST}"
_LINE = re.compile(rf"( *)((?:- )*)(?:({_KEY}):(?: +({_SCALAR}))?|({_SCALAR}))(?: *| +#.*)")
_SKIP = re.compile(r" *(?:#.*)?")
_DOCUMENT = re.compile(r"---(?: +#.*)?")
# Blanks and line breaks beyond the usual two: not every reader takes them alike.
_ODD = re.compile("[\t\r\x0b\x0c\x1c-\x1e\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]")
_NOTHING = frozenset({'""', "''", "[]", "null", "Null", "NULL", "~"})


class _Line(NamedTuple):
    """A line with content: its first column, the dashes there, a key or none, a scalar or none."""

    indent: int
    dashes: int
    key: str | None
    value: str | None
    start: int  # the scalar's column
    has_mark: bool


# Lines recur by the thousand: each is looked at once.
Memo = dict[str, _Line | None]

_BLANK = _Line(-1, 0, None, None, 0, has_mark=False)
_BOUNDARY = _Line(-2, 0, None, None, 0, has_mark=False)


@dataclass(eq=False, slots=True)
class _Open:
    """A block collection: where it is, and its entries as (key, line, scalar)."""

    column: int
    is_list: bool
    parent: _Open | None
    position: int  # among the parent's entries
    line: int  # of the `:` or `-` that leads to it
    document: int
    entries: list[tuple[str | None, int, str | None]] = field(default_factory=list)
    last: int = 0  # the last line of it, once it is closed
    made: Collection | None = None


@dataclass(frozen=True, slots=True)
class _Marked:
    """A scalar with a mark in it, and the entry that it is the value of."""

    line: int
    parsed: _Line
    holder: _Open
    position: int


def quick_outline(lines: Sequence[str], starts: Sequence[int], mark: str, memo: Memo) -> Outline | None:
    """The outline of a skeleton without tags around its marks; None where it is no such YAML.

    Of the collections only those are given that a repeated item can be in: lists, and the maps in lists.
    """
    found = _read(lines, mark, memo)
    return None if found is None else _Outlining(lines, starts).outline(*found)


def _parse(line: str, mark: str) -> _Line | None:
    if _ODD.search(line):
        return None
    if _SKIP.fullmatch(line):
        return _BLANK
    if line.startswith(("---", "...")):
        return _BOUNDARY if _DOCUMENT.fullmatch(line) else None
    match = _LINE.fullmatch(line)
    if match is None or not (match[2] or match[3]):
        return None
    blanks, dashes, key, value, scalar = match.groups()
    value, start = (value, match.start(4)) if key is not None else (scalar, match.start(5))
    has_mark = value is not None and mark in value
    if not has_mark and key is not None and mark in key:
        return None
    return _Line(len(blanks), len(dashes) // 2, key, value, start, has_mark)


def _read(lines: Sequence[str], mark: str, memo: Memo) -> tuple[list[_Open], list[_Marked]] | None:
    """The root collection of every document, and the marked scalars; None at the first odd line."""
    roots: list[_Open] = []
    marked: list[_Marked] = []
    top: _Open | None = None
    pending = False  # the line before ended in `key:`, so a deeper line may follow
    last = 0
    for number, line in enumerate(lines):
        try:
            parsed = memo[line]
        except KeyError:
            parsed = memo[line] = _parse(line, mark)
        if parsed is None:
            return None
        indent, dashes, key, value, _, has_mark = parsed
        if indent < 0:
            if parsed is _BOUNDARY:
                _close(top, last)
                top, pending = None, False
            continue
        if top is None or top.column != indent or top.is_list != (dashes > 0) or pending:
            top = _place(top, parsed, pending, last, len(roots))
            if top is None:
                return None
            if top.parent is None and not top.entries:
                roots.append(top)
        if dashes > 1 or (dashes and key is not None):
            top = _compact(top, parsed, number)
        top.entries.append((key, number, value))
        pending = value is None
        last = number
        if has_mark:
            marked.append(_Marked(number, parsed, top, len(top.entries) - 1))
    _close(top, last)
    return roots, marked


def _compact(top: _Open, parsed: _Line, number: int) -> _Open:
    """The collections that begin on one line behind a dash: `- - a`, `- key: a`."""
    inner = [True] * (parsed.dashes - 1) + [False] * (parsed.key is not None)
    for depth, is_list in enumerate(inner, 1):
        top.entries.append((None, number, None))
        column = parsed.indent + 2 * depth
        top = _Open(column, is_list, top, len(top.entries) - 1, number, top.document)
    return top


def _place(top: _Open | None, parsed: _Line, pending: bool, last: int, document: int) -> _Open | None:  # noqa: FBT001
    """The collection that a line goes on with or opens; None where the indentation is odd."""
    indent, is_list = parsed.indent, parsed.dashes > 0
    if top is None:
        return _Open(indent, is_list, None, 0, -1, document)
    if pending and (indent > top.column or (indent == top.column and is_list and not top.is_list)):
        position = len(top.entries) - 1
        return _Open(indent, is_list, top, position, top.entries[position][1], top.document)
    while top.column > indent or (top.column == indent and top.is_list and not is_list):
        top.last = last
        if top.parent is None:
            return None
        top = top.parent
    return top if top.column == indent and top.is_list == is_list else None


def _close(top: _Open | None, last: int) -> None:
    while top is not None:
        top.last = last
        top = top.parent


class _Outlining:
    """The marked scalars as the compiler knows them, with the collections around them."""

    def __init__(self, lines: Sequence[str], starts: Sequence[int]) -> None:
        self.lines = lines
        self.starts = starts
        self.collections: list[Collection] = []

    def outline(self, roots: list[_Open], marked: list[_Marked]) -> Outline:
        scalars = tuple(self._scalar(each) for each in marked)
        return Outline(tuple(map(_document, roots)), scalars, tuple(self.collections))

    def _scalar(self, marked: _Marked) -> Scalar:
        around = self._around(marked.holder, marked.position)
        value = marked.parsed.value or ""
        start = self.starts[marked.line] + marked.parsed.start
        quoted = value[0] in "\"'"
        return Scalar(
            start,
            start + len(value),
            marked.line,
            value[0] if quoted else None,
            value[1:-1] if quoted else value,
            (*around[-1].collection.path, around[-1].key),
            is_key=False,
            around=around,
            document=marked.holder.document,
        )

    def _around(self, holder: _Open, position: int) -> tuple[Child, ...]:
        chain: list[Child] = []
        one: _Open | None = holder
        while one is not None:
            chain.insert(0, self._made(one).children[position])
            position, one = one.position, one.parent
        return tuple(chain)

    def _made(self, one: _Open) -> Collection:
        if one.made is None:
            one.made = self._make(one)
            self.collections.append(one.made)
        return one.made

    def _make(self, one: _Open) -> Collection:
        parent, indicator = None, -1
        path: Path = ()
        if one.parent is not None:
            parent = self._made(one.parent).children[one.position]
            path = (*parent.collection.path, parent.key)
            key, line, _ = one.parent.entries[one.position]
            indicator = self.starts[line] + one.parent.column + len(key or "") + 1
        collection = Collection(
            path,
            one.is_list,
            flow=False,
            indicator=indicator,
            indicator_line=one.line,
            document=one.document,
            parent=parent,
        )
        collection.children.extend(self._children(one, collection))
        return collection

    def _children(self, one: _Open, collection: Collection) -> Iterator[Child]:
        following = [line for _, line, _ in one.entries[1:]]
        for position, (key, line, value) in enumerate(one.entries):
            end = self._content_before(following[position]) if position < len(following) else one.last
            alone = not self.lines[line][: one.column].strip()
            nothing = value in _NOTHING or (value is None and end == line)
            yield Child(collection, position if key is None else key, line, end, alone, nothing)

    def _content_before(self, line: int) -> int:
        line -= 1
        while _SKIP.fullmatch(self.lines[line]):
            line -= 1
        return line


def _document(root: _Open) -> Document:
    top = {key: value.strip("\"'") for key, _, value in root.entries if key is not None and value is not None}
    return Document(top.get("apiVersion", ""), top.get("kind", ""))
