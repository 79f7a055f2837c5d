"""Lists and maps that a loop or a choice may leave empty: `[]` and `{}` instead of a bare `key:` (null)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bob_ci.template import tree
from bob_ci.template.assemble import Edit
from bob_ci.template.fields import NEIGHBOUR_LISTS, NEIGHBOUR_TARGETS, Fields
from bob_ci.template.outline import Child, Collection, Outline
from bob_ci.template.presence import present
from bob_ci.template.regions import Region

Branch = tuple[tree.Expression, tuple[tree.Node, ...]]

NO_TARGET = (
    "a neighbour is left without any target, which is not the same as no traffic: "
    "give its list an element, or put the whole neighbour into an `if`"
)


def empty_forms(shape: Outline, fields: Sequence[Fields | None], regions: Sequence[Region]) -> Iterator[Edit]:
    """An edit behind the `:` or `-` of every collection that can come out empty.

    A network neighbour that would lose its last target is refused: null, `[]` and an open target mean
    different things (FORMAT.md 3).
    """
    for collection in shape.collections:
        if collection.flow or not collection.children or collection.indicator < 0:
            continue
        shown = present(collection, regions)
        if shown is not None:
            neighbour = _without_target(collection, shape, fields[collection.document], regions)
            yield _empty_form(collection, shown, neighbour)


def _empty_form(collection: Collection, shown: tree.Expression, targeted: tree.Expression | None) -> Edit:
    line = collection.indicator_line + 1
    brackets = tree.Verbatim(" []" if collection.is_list else " {}", line)
    branches: list[Branch] = []
    if targeted is not None:
        branches.append((tree.Not(targeted), (tree.Refuse(NO_TARGET, line),)))
    if targeted != shown:
        branches.append((tree.Not(shown), (brackets,)))
    choice = tree.Choice(tuple(branches), line, inline=True)
    return Edit(collection.indicator, collection.indicator, (choice,))


def _without_target(
    collection: Collection, shape: Outline, fields: Fields | None, regions: Sequence[Region]
) -> tree.Expression | None:
    """For a target list of a neighbour: whether the neighbour has any target; None where it always has."""
    pair = collection.parent
    if fields is None or pair is None or pair.key not in NEIGHBOUR_LISTS:
        return None
    entry = pair.collection
    if not fields.is_neighbour(entry.path):
        return None
    targets: list[tree.Expression] = []
    for child in entry.children:
        if child.key in NEIGHBOUR_TARGETS and not child.says_nothing:
            shown = _target_shown(child, entry, shape, regions)
            if shown is None:
                return None
            targets.append(shown)
    return targets[0] if len(targets) == 1 else tree.Logic(all=False, operands=tuple(targets))


def _target_shown(
    child: Child, entry: Collection, shape: Outline, regions: Sequence[Region]
) -> tree.Expression | None:
    own = next((each for each in shape.collections if each.parent is child and each.children), None)
    inner = present(own, regions) if own is not None else None
    outer = present(entry, regions, only=child)
    shown = [each for each in (outer, inner) if each is not None]
    if len(shown) > 1:
        return tree.Logic(all=True, operands=tuple(shown))
    return shown[0] if shown else None
