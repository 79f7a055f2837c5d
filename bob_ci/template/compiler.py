"""YAML text with placeholders → the tree.

The steps, each a value for the next: scan (marks and tags) → outline (what they lie in) → regions (what is
repeated or chosen, as ranges of lines) → edits (what stands in for a span) → nodes.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from bob_ci.errors import InputError
from bob_ci.template import tree
from bob_ci.template.assemble import Edit, assemble
from bob_ci.template.documents import outline_by_document
from bob_ci.template.emptiness import empty_forms
from bob_ci.template.expression import Scope, parse_output
from bob_ci.template.fields import Fields
from bob_ci.template.outline import Child, Document, Outline, Scalar, outline
from bob_ci.template.regions import Region, around, check_whole, from_tags, last_line_inside, nest
from bob_ci.template.scalars import Part, edits_of_scalar
from bob_ci.template.scan import Mark, MarkKind, Skeleton, has_placeholders, scan, unfinished
from bob_ci.template.seed import Reference, resolve
from bob_ci.template.stream import check_stream, check_structure

FieldsOf = Callable[[Document], Fields | None]
Additions = Callable[[Skeleton], Iterable[Edit]]


def compile_template(
    text: str,
    file: str,
    values: Mapping[str, Any],
    fields_of: FieldsOf,
    additions: Additions = lambda _: (),
) -> tree.Template:
    """Compile one file.

    Args:
        text: the source, with any line ends.
        file: its name, for errors.
        values: what is known: names that are not among them are errors, unless `default` stands by.
        fields_of: the fields of a document, for kinds whose schema decides about types; else None.
        additions: first entries of block maps, each as an edit at the end of its map's first line.

    Raises:
        InputError: with file and line, for whatever the two renderers could not do alike.
    """
    # Helm ends every document with a line break, and a repeated last line needs one.
    whole = text if text.endswith("\n") or not text else text + "\n"
    scope = Scope(values, file, 1)
    try:
        return tree.Template(file, _nodes(whole, scope, fields_of, additions), text)
    except RecursionError:
        raise InputError("nested too deeply", file=file) from None


def _nodes(text: str, scope: Scope, fields_of: FieldsOf, additions: Additions) -> tuple[tree.Node, ...]:
    skeleton = scan(text, scope.file)
    check_stream(skeleton.text, scope)
    added = list(additions(skeleton))
    if has_placeholders(text):
        check_structure(skeleton.text, scope)
        return _Compiler(skeleton, scope, fields_of).nodes(added)
    starts = _line_starts(text)
    outline_by_document(text.split("\n"), starts, skeleton.mark, scope.file)
    return assemble(text, starts, frozenset(), (), added)


def _line_starts(text: str) -> list[int]:
    return list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))[:-1]


class _Compiler:
    """What all steps look at."""

    def __init__(self, skeleton: Skeleton, scope: Scope, fields_of: FieldsOf) -> None:
        self.skeleton = skeleton
        self.scope = scope
        self.text = skeleton.text
        self.lines = self.text.split("\n")
        self.starts = _line_starts(self.text)
        self.written = from_tags(skeleton, scope)
        self.shape = self._outline()
        self.fields = [fields_of(document) for document in self.shape.documents]

    def nodes(self, added: Sequence[Edit]) -> tuple[tree.Node, ...]:
        by_scalar, loose = _marks_by_scalar(self.shape, self.skeleton)
        self._refuse_broken_scalars()
        check_whole(self.written, self.shape, self.lines, self.scope)
        references = self._references(by_scalar)
        locals_, repeated = self._repeated_items(by_scalar, references)
        regions = nest([*self.written, *repeated], self.scope)
        filled = {self._line(edit.start) for edit in added}
        empty = empty_forms(self.shape, self.fields, regions)
        edits = [
            *self._comments(loose),
            *self._scalars(by_scalar, references, locals_, regions),
            *(edit for edit in empty if self._line(edit.start) not in filled),
            *added,
        ]
        return assemble(self.text, self.starts, self.skeleton.removed, regions, edits)

    def _outline(self) -> Outline:
        if not self.skeleton.tags:
            return outline_by_document(self.lines, self.starts, self.skeleton.mark, self.scope.file)
        points = [mark.index for mark in self.skeleton.marks]
        tag_lines = sorted({tag.line for tag in self.skeleton.tags})
        clip = last_line_inside(self.written, self.lines, self.scope)
        return outline(self.text, self.scope.file, points, tag_lines, clip)

    def _refuse_broken_scalars(self) -> None:
        """A brace that nothing closes; a tag or comment in the middle of a scalar that is not a block."""
        brace = unfinished(self.skeleton)
        if brace is not None:
            raise self._at(self._line(brace[0])).error(
                f"`{brace[1]}` is never closed",
                hint="text that holds it goes between {% raw %} and {% endraw %}",
            )
        for scalar in self.shape.scalars:
            inside = range(scalar.line, self._line(scalar.end))
            if scalar.style not in ("|", ">") and not self.skeleton.removed.isdisjoint(inside):
                raise self._at(scalar.line).error("a tag or comment inside a scalar of several lines")

    def _comments(self, loose: Sequence[Mark]) -> Iterator[Edit]:
        """Placeholders in YAML comments are text; anywhere else outside a scalar they are errors."""
        for mark in loose:
            line = self._line(mark.index)
            if not re.search(r"(^|\s)#", self.text[self.starts[line] : mark.index]):
                raise self._at(line).error(
                    f"{mark.source}: not inside a YAML scalar",
                    hint="a placeholder is a value or a part of one; `{% … %}` stands alone on its line",
                )
            yield Edit(mark.index, mark.index + 1, (tree.Verbatim(mark.source, line + 1),))

    def _references(self, by_scalar: _MarksByScalar) -> dict[Mark, Reference]:
        found = {}
        for _, marks in by_scalar:
            for mark in marks:
                at = self._at(self._line(mark.index))
                if mark.kind is MarkKind.STRAY_TAG:
                    raise at.error(f"{mark.source}: a tag stands alone on its line")
                if mark.kind is MarkKind.SEED:
                    found[mark] = resolve(mark, at)
        return found

    # `$values.LIST`: the list item around it is repeated

    def _repeated_items(
        self, by_scalar: _MarksByScalar, references: Mapping[Mark, Reference]
    ) -> tuple[dict[Mark, tree.Expression], list[Region]]:
        items: dict[int, tuple[Child, dict[Mark, Reference]]] = {}
        for scalar, marks in by_scalar:
            for mark in marks:
                reference = references.get(mark)
                if reference is not None and reference.is_list:
                    item = self._item_around(scalar, reference)
                    items.setdefault(id(item), (item, {}))[1][mark] = reference
        locals_: dict[Mark, tree.Expression] = {}
        regions: list[Region] = []
        for item, mentions in items.values():
            name = self._loop_name(mentions, item)
            regions.extend(_loops(item, mentions, name))
            for mark, reference in mentions.items():
                locals_[mark] = tree.Local(f"{name}_host" if reference.hosts else name)
        return locals_, regions

    def _item_around(self, scalar: Scalar, reference: Reference) -> Child:
        at = self._at(scalar.line)
        for child in reversed(scalar.around):
            collection = child.collection
            if not collection.is_list or (collection.path and collection.path[-1] in ("args", "command")):
                continue
            if collection.flow:
                raise at.error(f"{reference.name}: a loop item inside `[…]`", hint="write one item a line")
            if not child.alone:
                raise at.error(f"{reference.name}: its list item shares a line with another `-`")
            return child
        raise at.error(
            f"{reference.name}: a list outside of any list item",
            hint=f'the item that mentions it is repeated: write `- "{reference.name}"` under a key',
        )

    def _loop_name(self, mentions: Mapping[Mark, Reference], item: Child) -> str:
        lists = {reference.path for reference in mentions.values()}
        if len(lists) > 1:
            names = " and ".join(sorted("$values." + ".".join(path) for path in lists))
            raise self._at(item.first_line).error(f"one list item mentions two lists: {names}")
        name = "each_" + lists.pop()[-1].lower().strip("_")
        taken = {region.name for region in self.written}
        while name in taken or f"{name}_host" in taken:
            name += "_item"
        return name

    # scalars

    def _scalars(
        self,
        by_scalar: _MarksByScalar,
        references: Mapping[Mark, Reference],
        locals_: Mapping[Mark, tree.Expression],
        regions: Sequence[Region],
    ) -> Iterator[Edit]:
        for scalar, marks in by_scalar:
            parts = [self._part(mark, references.get(mark), locals_.get(mark), regions) for mark in marks]
            yield from edits_of_scalar(scalar, parts, self.fields[scalar.document], self.skeleton)

    def _part(
        self,
        mark: Mark,
        reference: Reference | None,
        local: tree.Expression | None,
        regions: Sequence[Region],
    ) -> Part:
        at = self._at(self._line(mark.index))
        if reference is None:
            return Part(mark.index, parse_output(mark.source, self._scope_of(mark, regions)), at)
        return Part(mark.index, local or tree.Value(reference.path), at, reference.rest)

    def _scope_of(self, mark: Mark, regions: Sequence[Region]) -> Scope:
        line = self._line(mark.index)
        scope = self._at(line)
        for region, _ in around(regions, line):
            if region.written and region.is_loop:
                scope = scope.inside(region.name)
        return scope

    # places

    def _line(self, index: int) -> int:
        return bisect_right(self.starts, index) - 1

    def _at(self, line: int) -> Scope:
        return self.scope.at(line + 1)


_MarksByScalar = Sequence[tuple[Scalar, Sequence[Mark]]]


def _marks_by_scalar(shape: Outline, skeleton: Skeleton) -> tuple[_MarksByScalar, Sequence[Mark]]:
    """Each scalar with its marks, and the marks that are in none."""
    scalars = sorted(shape.scalars, key=lambda scalar: scalar.start)
    found: list[tuple[Scalar, list[Mark]]] = []
    loose: list[Mark] = []
    starts = [scalar.start for scalar in scalars]
    for mark in skeleton.marks:
        position = bisect_right(starts, mark.index) - 1
        scalar = scalars[position] if position >= 0 else None
        if scalar is None or mark.index >= scalar.end:
            loose.append(mark)
        elif found and found[-1][0] is scalar:
            found[-1][1].append(mark)
        else:
            found.append((scalar, [mark]))
    return found, loose


def _loops(item: Child, mentions: Mapping[Mark, Reference], name: str) -> Iterator[Region]:
    first, last = item.first_line, item.last_line
    path = next(iter(mentions.values())).path
    yield Region.repeated_item(first, last, name, tree.Value(path), rank=0)
    if any(reference.hosts for reference in mentions.values()):
        hosts = tree.Filter("hosts", tree.Local(name))
        yield Region.repeated_item(first, last, f"{name}_host", hosts, rank=1)
