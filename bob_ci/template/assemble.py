"""Lines, edits and regions, in order, as nodes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bob_ci.template import tree
from bob_ci.template.regions import Body, Region


@dataclass(frozen=True)
class Edit:
    """What stands in for a span of the skeleton."""

    start: int
    end: int
    nodes: tuple[tree.Node, ...]


def assemble(
    text: str,
    starts: Sequence[int],
    removed: frozenset[int],
    regions: Sequence[Region],
    edits: Iterable[Edit],
) -> tuple[tree.Node, ...]:
    """The tree of a whole file."""
    last_line = len(starts) - 1 if starts[-1] < len(text) else len(starts) - 2
    return _Assembly(text, starts, removed, edits).between(0, last_line, regions)


class _Assembly:
    """Goes over the text once; `used` is the end of what an edit has taken, over lines if need be."""

    def __init__(
        self, text: str, starts: Sequence[int], removed: frozenset[int], edits: Iterable[Edit]
    ) -> None:
        self.text = text
        self.bounds = [*starts, len(text)]
        self.removed = sorted(removed)
        self.edits = sorted(edits, key=lambda edit: (edit.start, edit.end))
        self.next = 0
        self.used = 0

    def between(self, first: int, last: int, regions: Sequence[Region]) -> tuple[tree.Node, ...]:
        nodes: list[tree.Node] = []
        line = first
        for region in regions:
            nodes.extend(self._lines(line, region.first - 1))
            nodes.append(region.node(self._body))
            line = region.last + 1
        nodes.extend(self._lines(line, last))
        return merged(nodes)

    def _body(self, body: Body) -> tuple[tree.Node, ...]:
        return self.between(body.first, body.last, body.inner)

    def _lines(self, first: int, last: int) -> Iterator[tree.Node]:
        """The nodes of some lines that are in no region: runs between removed lines."""
        start = first
        for line in self.removed[bisect_left(self.removed, first) : bisect_right(self.removed, last)]:
            yield from self._run(start, line - 1)
            start = line + 1
        yield from self._run(start, last)

    def _run(self, first: int, last: int) -> Iterator[tree.Node]:
        if first > last:
            return
        position, end = max(self.bounds[first], self.used), self.bounds[last + 1]
        while self.next < len(self.edits) and self.edits[self.next].start < end:
            edit = self.edits[self.next]
            self.next += 1
            if edit.start > position:
                yield self._verbatim(position, edit.start)
            yield from edit.nodes
            position = self.used = max(position, edit.end)
        if position < end:
            yield self._verbatim(position, end)

    def _verbatim(self, start: int, end: int) -> tree.Verbatim:
        return tree.Verbatim(self.text[start:end], bisect_right(self.bounds, start))


def merged(nodes: Iterable[tree.Node]) -> tuple[tree.Node, ...]:
    """Verbatim neighbours as one, where nothing of the source lies between them."""
    found: list[tree.Node] = []
    for node in nodes:
        last = found[-1] if found else None
        if isinstance(node, tree.Verbatim) and not node.text:
            continue
        if isinstance(node, tree.Verbatim) and isinstance(last, tree.Verbatim) and _follows(node, last):
            found[-1] = tree.Verbatim(last.text + node.text, last.line)
        else:
            found.append(node)
    return tuple(found)


def _follows(node: tree.Verbatim, last: tree.Verbatim) -> bool:
    return node.line == last.line + last.text.count("\n")
