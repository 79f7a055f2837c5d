"""Ranges of lines that are repeated or chosen, and how they nest."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bob_ci.template import tree
from bob_ci.template.expression import Scope, parse_condition, parse_loop
from bob_ci.template.outline import Child, Outline
from bob_ci.template.scan import Skeleton, Tag

_WORD = re.compile(r"(\w+)\s*(.*)", re.DOTALL)
_BOUNDARY = re.compile(r"---(?=\s|\Z)")


@dataclass(eq=False)
class Body:
    """The lines of one branch, and the regions in it."""

    first: int
    last: int
    condition: tree.Expression | None = None  # None for a loop's body and for `else`
    inner: list[Region] = field(default_factory=list)


@dataclass(eq=False)
class Region:
    """A loop or a choice over whole lines, its tags included."""

    first: int
    last: int
    bodies: list[Body]
    rank: int = 0  # of two regions with the same lines the lower is the outer
    name: str = ""
    items: tree.Expression | None = None  # of a loop
    written: bool = True  # by the author's tags, not by the mention of a list

    @classmethod
    def repeated_item(cls, first: int, last: int, name: str, items: tree.Expression, rank: int) -> Region:
        """The loop around a list item that mentions a list."""
        return cls(first, last, [Body(first, last)], rank, name, items, written=False)

    @property
    def is_loop(self) -> bool:
        """Whether it is a loop."""
        return self.items is not None

    def body_at(self, line: int) -> Body | None:
        """The branch that a line is in."""
        return next((body for body in self.bodies if body.first <= line <= body.last), None)

    def node(self, inside: Callable[[Body], tuple[tree.Node, ...]]) -> tree.Node:
        """The region as a node of the tree."""
        if self.items is not None:
            return tree.Loop(self.name, self.items, inside(self.bodies[0]), self.first + 1)
        branches = tuple((body.condition or tree.TRUE, inside(body)) for body in self.bodies)
        return tree.Choice(branches, self.first + 1)


@dataclass(frozen=True)
class _Open:
    """A tag that waits for its end."""

    tag: Tag
    region: Region
    scope: Scope


def from_tags(skeleton: Skeleton, scope: Scope) -> list[Region]:
    """The regions that tags make, flat, outer before inner.

    Raises:
        InputError: tags that do not pair, or that are not portable.
    """
    found: list[Region] = []
    stack: list[_Open] = []
    for tag in skeleton.tags:
        at = (stack[-1].scope if stack else scope).at(tag.line + 1)
        match = _WORD.fullmatch(tag.words)
        word, rest = (match[1], match[2].strip()) if match else ("", "")
        if word in ("for", "if"):
            stack.append(_opened(word, rest, tag, at))
            found.append(stack[-1].region)
        elif word in ("elif", "else"):
            _branch(stack, word, rest, tag, at)
        elif word in ("endfor", "endif"):
            _close(stack, word, tag, at)
        elif word == "raw":
            raise at.error("{% raw %}: never ended")
        else:
            raise at.error(
                f"{{% {tag.words} %}}: not portable to Helm",
                hint="the portable tags are for, if, elif, else and raw",
            )
    if stack:
        left = stack[-1]
        raise left.scope.at(left.tag.line + 1).error(f"{{% {left.tag.words} %}}: never ended")
    return found


def _opened(word: str, rest: str, tag: Tag, at: Scope) -> _Open:
    if word == "if":
        body = Body(tag.line + 1, tag.line, parse_condition(rest, at))
        return _Open(tag, Region(tag.line, tag.line, [body]), at)
    name, items = parse_loop(rest, at)
    if name in at.loops or f"{name}_index" in at.loops:  # that is what the chart calls the loop's index
        raise at.error(
            f"{name}: a loop around this one has a variable of that name, or with `_index` behind it"
        )
    return _Open(
        tag, Region(tag.line, tag.line, [Body(tag.line + 1, tag.line)], 0, name, items), at.inside(name)
    )


def _branch(stack: list[_Open], word: str, rest: str, tag: Tag, at: Scope) -> None:
    region = stack[-1].region if stack else None
    if region is None or region.is_loop:
        raise at.error(f"{{% {word} %}}: stands in no `if` (`for … else` is not portable)")
    if region.bodies[-1].condition is None:
        raise at.error(f"{{% {word} %}}: behind an `else`")
    region.bodies[-1].last = tag.line - 1
    condition = parse_condition(rest, at) if word == "elif" else None
    region.bodies.append(Body(tag.line + 1, tag.line, condition))


def _close(stack: list[_Open], word: str, tag: Tag, at: Scope) -> None:
    if not stack or stack[-1].region.is_loop != (word == "endfor"):
        raise at.error(f"{{% {word} %}}: ends nothing that is open")
    region = stack.pop().region
    region.bodies[-1].last = tag.line - 1
    region.last = tag.line


def nest(regions: Sequence[Region], scope: Scope) -> list[Region]:
    """The outermost regions, each with its inner ones in its bodies."""
    outermost: list[Region] = []
    stack: list[Region] = []
    for region in sorted(regions, key=lambda each: (each.first, -each.last, each.rank)):
        while stack and stack[-1].last < region.first:
            stack.pop()
        if not stack:
            outermost.append(region)
        else:
            body = stack[-1].body_at(region.first)
            if body is None or region.last > body.last:
                raise scope.at(region.first + 1).error("a block and the list item around it cross each other")
            body.inner.append(region)
        stack.append(region)
    return outermost


def around(regions: Sequence[Region], line: int) -> Iterator[tuple[Region, Body]]:
    """The regions that a line is in, outermost first."""
    position = bisect_right(regions, line, key=_first_line) - 1
    # Of regions with the same lines one is inside the other, so at most one begins last before a line.
    region = regions[position] if position >= 0 else None
    body = region.body_at(line) if region is not None else None
    if region is not None and body is not None:
        yield region, body
        yield from around(body.inner, line)


def _first_line(region: Region) -> int:
    return region.first


def last_line_inside(
    written: Sequence[Region], text_lines: Sequence[str], scope: Scope
) -> Callable[[int, int], int]:
    """Where a range of lines that a YAML node spans really ends: behind its last content.

    A block scalar reaches over empty lines, and tags are empty lines to the YAML parser. A block that is
    begun in the range and has nothing behind it belongs to it; a block around it must not end in it.
    """
    begun = sorted(written, key=lambda region: region.first)
    firsts = [region.first for region in begun]
    ends = _ends_of_bodies(written, len(text_lines))

    def clip(first: int, last: int) -> int:
        while last > first and not text_lines[last].strip():
            last -= 1
        for region in begun[bisect_left(firsts, first) : bisect_right(firsts, last)]:
            if region.last > last and not any(map(str.strip, text_lines[last + 1 : region.last + 1])):
                last = region.last
        if ends[first] <= last:
            raise scope.at(ends[first] + 1).error(
                "a block ends inside a list item or key that begins in it",
                hint="a block holds whole list items or whole keys",
            )
        return last

    return clip


def _ends_of_bodies(written: Sequence[Region], lines: int) -> list[int]:
    """For each line the line of the tag that ends the innermost branch around it."""
    ends = [lines] * lines
    for region in written:  # outer before inner
        for body in region.bodies:
            ends[body.first : body.last + 1] = [body.last + 1] * (body.last + 1 - body.first)
    return ends


def check_whole(written: Sequence[Region], shape: Outline, text_lines: Sequence[str], scope: Scope) -> None:
    """Blocks hold whole items, keys or documents: else the structure would depend on a value.

    Raises:
        InputError: a block that begins inside one of these and goes on behind it.
    """
    for region in written:
        for child in _children(shape):
            if child.first_line < region.first <= child.last_line < region.last and _content(
                text_lines[child.last_line + 1 : region.last]
            ):
                raise scope.at(region.first + 1).error(
                    f"a block begins inside {_called(child)} and goes on behind it",
                    hint="a block holds whole list items or whole keys",
                )
    if not written:
        return
    boundaries = [number for number, line in enumerate(text_lines) if _BOUNDARY.match(line)]
    for region in written if boundaries else ():
        _check_documents(region, boundaries, text_lines, scope)


def _called(child: Child) -> str:
    where = child.collection.path[-1] if child.collection.path else "the document"
    return f"`{child.key}`" if isinstance(child.key, str) else f"item {child.key + 1} of `{where}`"


def _check_documents(
    region: Region, boundaries: Sequence[int], text_lines: Sequence[str], scope: Scope
) -> None:
    """Where a block holds a `---`, every branch begins with one, and none but documents follow the block."""
    first = next((line for line in boundaries if region.first < line < region.last), None)
    if first is None:
        return
    starts = [
        next((line for line in boundaries if line >= body.first), len(text_lines)) for body in region.bodies
    ]
    behind = next((line for line in boundaries if line > region.last), len(text_lines))
    outside = [text_lines[region.last + 1 : behind]]
    outside += [
        text_lines[body.first : min(start, body.last + 1)]
        for body, start in zip(region.bodies, starts, strict=True)
    ]
    if any(map(_content, outside)):
        raise scope.at(first + 1).error(
            "a document begins inside a block that holds parts of another one",
            hint="put `---` first in the block, and `---` before what follows the block",
        )


def _children(shape: Outline) -> Iterator[Child]:
    for collection in shape.collections:
        if not collection.flow:
            yield from collection.children


def _content(lines: Sequence[str]) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)
