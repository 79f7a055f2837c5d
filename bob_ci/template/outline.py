"""What the placeholders of a skeleton lie in: scalars, the list items and keys around them, documents.

Only what has a placeholder in it is walked; the YAML parser (libyaml) does the rest.
"""

from __future__ import annotations

import operator
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from bob_ci.errors import InputError
from bob_ci.yaml_source import not_yaml

_PARSER: Any = getattr(yaml, "cyaml", None)


def _structure_loader() -> Any:
    """A loader that composes nodes without asking what each scalar means: that is half of the time.

    The three methods are called for every node, so they are built-in functions: no tag is resolved.
    """
    if _PARSER is None:
        return yaml.SafeLoader
    return type(
        "StructureLoader",
        (_PARSER.CParser,),
        {
            "__init__": _PARSER.CParser.__init__,
            "descend_resolver": operator.is_,
            "ascend_resolver": bool,
            "resolve": "".format,
            "dispose": lambda _: None,
        },
    )


_LOADER = _structure_loader()

_PROPERTIES = re.compile(r"(?:[ \t]+[&!]\S*)*")  # an anchor, a tag
_BEFORE_DASH = re.compile(r"(?:[&!]\S*|#[^\n]*|\s)*")

Path = tuple[str | int, ...]
Clip = Callable[[int, int], int]


@dataclass(eq=False)
class Collection:
    """A block or flow collection that has placeholders or tags in it."""

    path: Path
    is_list: bool
    flow: bool
    indicator: int  # index behind the `:` or `-` that it is the value of; -1 at a document's root
    indicator_line: int
    document: int
    children: list[Child] = field(default_factory=list)
    parent: Child | None = None


@dataclass(eq=False)
class Child:
    """An item of a list or a pair of a map, as whole lines (from 0, both ends included)."""

    collection: Collection
    key: str | int
    first_line: int
    last_line: int
    alone: bool  # nothing of an outer item stands on its first line
    says_nothing: bool  # its value is null, an empty string or an empty list; `{}` is not nothing


@dataclass(frozen=True)
class Scalar:
    """A scalar with marks in it."""

    start: int
    end: int
    line: int
    style: str | None
    text: str  # its content, as YAML reads it
    path: Path
    is_key: bool
    around: tuple[Child, ...]  # outermost first
    document: int


@dataclass(frozen=True)
class Document:
    """One document of the skeleton."""

    api_version: str
    kind: str


@dataclass(frozen=True)
class Outline:
    """All of it."""

    documents: tuple[Document, ...]
    scalars: tuple[Scalar, ...]
    collections: tuple[Collection, ...]


def outline(  # noqa: PLR0913 -- text, where to look in it, and where it is from
    text: str,
    file: str,
    points: Sequence[int],
    lines: Sequence[int],
    clip: Clip,
    *,
    first_line: int = 0,
) -> Outline:
    """The structure around some points (indices of marks, in order) and some lines (of tags, in order).

    Args:
        text: the skeleton.
        file: its name, for errors.
        points: what is looked for.
        lines: the same, as whole lines.
        clip: where a range of lines that a node spans really ends.
        first_line: the line of the file that the text begins at, for errors.

    Raises:
        InputError: the skeleton is not YAML.
    """
    roots = compose(text, file, first_line)
    walk = _Walk(text, points, lines, clip)
    for number, root in enumerate(roots):
        walk.document(root, number)
    return Outline(tuple(_document(root) for root in roots), tuple(walk.scalars), tuple(walk.collections))


def compose(text: str, file: str, first_line: int = 0) -> list[yaml.Node]:
    """The root nodes of all documents.

    Raises:
        InputError: the text is not YAML.
    """
    try:
        return list(yaml.compose_all(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise not_yaml(error, file, first_line) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", file=file) from None
    except RecursionError:
        raise InputError("nested too deeply", file=file) from None


def _says_nothing(value: yaml.Node) -> bool:
    if isinstance(value, yaml.ScalarNode):
        return not value.value or (not value.style and value.value in ("null", "Null", "NULL", "~"))
    return isinstance(value, yaml.SequenceNode) and not value.value


def _document(root: yaml.Node) -> Document:
    top = {}
    if isinstance(root, yaml.MappingNode):
        top = {key.value: value.value for key, value in root.value if isinstance(value, yaml.ScalarNode)}
    return Document(str(top.get("apiVersion", "")), str(top.get("kind", "")))


class _Walk:
    """Down the nodes that have a point or a line in them."""

    def __init__(self, text: str, points: Sequence[int], lines: Sequence[int], clip: Clip) -> None:
        self.text = text
        self.clip = clip
        self.points = points
        self.lines = lines
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.scalars: list[Scalar] = []
        self.collections: list[Collection] = []
        self.number = 0

    def document(self, root: yaml.Node, number: int) -> None:
        self.number = number
        self._node(root, (), (), -1, is_key=False)

    def _concerned(self, node: yaml.Node) -> bool:
        start, end = node.start_mark, node.end_mark
        point = bisect_left(self.points, start.index)
        if point < len(self.points) and self.points[point] < end.index:
            return True
        line = bisect_left(self.lines, start.line)
        return line < len(self.lines) and self.lines[line] <= end.line

    def _node(
        self, node: yaml.Node, path: Path, around: tuple[Child, ...], indicator: int, *, is_key: bool
    ) -> None:
        if not self._concerned(node):
            return
        if isinstance(node, yaml.ScalarNode):
            self._scalar(node, path, around, is_key=is_key)
        elif isinstance(node, yaml.CollectionNode):
            self._collection(node, path, around, indicator)

    def _scalar(self, node: yaml.ScalarNode, path: Path, around: tuple[Child, ...], *, is_key: bool) -> None:
        start = self._behind_properties(node)
        scalar = Scalar(
            start,
            node.end_mark.index,
            node.start_mark.line,
            node.style or None,
            node.value,
            path,
            is_key,
            around,
            self.number,
        )
        self.scalars.append(scalar)

    def _behind_properties(self, node: yaml.ScalarNode) -> int:
        """Where the scalar itself begins, behind an anchor or a tag."""
        start: int = node.start_mark.index
        match = re.compile(r"(?:[&!]\S*\s+)+").match(self.text, start, node.end_mark.index)
        return match.end() if match else start

    def _collection(
        self, node: yaml.CollectionNode, path: Path, around: tuple[Child, ...], indicator: int
    ) -> None:
        collection = Collection(
            path,
            isinstance(node, yaml.SequenceNode),
            bool(node.flow_style),
            _PROPERTIES.match(self.text, indicator).end() if indicator >= 0 else -1,  # type: ignore[union-attr]
            self._line(indicator) if indicator >= 0 else -1,
            self.number,
            parent=around[-1] if around else None,
        )
        self.collections.append(collection)
        for key, key_node, value in self._entries(node):
            child = self._child(collection, node, key, key_node or value, value)
            collection.children.append(child)
            inner = (*around, child)
            if key_node is not None:
                self._node(key_node, (*path, key), inner, -1, is_key=True)
            self._node(
                value, (*path, key), inner, self._indicator(child, node, key_node, value), is_key=False
            )

    @staticmethod
    def _entries(node: yaml.CollectionNode) -> Iterator[tuple[str | int, yaml.Node | None, yaml.Node]]:
        if isinstance(node, yaml.SequenceNode):
            for position, item in enumerate(node.value):
                yield position, None, item
        else:
            for key, value in node.value:
                yield str(key.value), key, value

    def _child(
        self,
        collection: Collection,
        node: yaml.CollectionNode,
        key: str | int,
        first: yaml.Node,
        value: yaml.Node,
    ) -> Child:
        first_line = first.start_mark.line
        column = first.start_mark.column
        if collection.is_list and not collection.flow:
            column = self._dash_column(node)
            first_line = self._dash_line(first_line, column)
        before = self.text[self.starts[first_line] : self.starts[first_line] + column]
        last_line = self.clip(first_line, self._last_line(value))
        return Child(collection, key, first_line, last_line, not before.strip(), _says_nothing(value))

    def _dash_column(self, node: yaml.Node) -> int:
        """The column of a list's dashes; an anchor or a tag may stand before the first one."""
        column: int = node.start_mark.column
        if self.text[node.start_mark.index] == "-":
            return column
        first = _BEFORE_DASH.match(self.text, node.start_mark.index).end()  # type: ignore[union-attr]
        return first - self.starts[self._line(first)]

    def _dash_line(self, line: int, column: int) -> int:
        """The line of an item's `-`: its own, or above it where the value begins on a later line."""
        while line and not self._is_dash(line, column):
            line -= 1
        return line

    def _is_dash(self, line: int, column: int) -> bool:
        start = self.starts[line]
        return self.text[start + column : start + column + 1] == "-" and not set(
            self.text[start : start + column]
        ) - set(" -?:")

    def _indicator(self, child: Child, node: yaml.Node, key_node: yaml.Node | None, value: yaml.Node) -> int:
        """The index behind the `:` or `-` that leads to a value."""
        if key_node is not None:
            return self.text.find(":", key_node.end_mark.index, max(value.start_mark.index, 1)) + 1 or -1
        if child.collection.flow:
            return -1
        return self.starts[child.first_line] + self._dash_column(node) + 1

    def _last_line(self, node: yaml.Node) -> int:
        """The last line that a node has a part of."""
        while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            node = last[1] if isinstance(node, yaml.MappingNode) else last
        end = node.end_mark
        line: int = end.line
        return line - 1 if end.column == 0 and end.index > node.start_mark.index else line

    def _line(self, index: int) -> int:
        return bisect_left(self.starts, index + 1) - 1
