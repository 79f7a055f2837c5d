"""When a list or a map has anything in it, as an expression over the values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass

from bob_ci.template import tree
from bob_ci.template.outline import Child, Collection
from bob_ci.template.regions import Body, Region, around


def present(
    collection: Collection, regions: Sequence[Region], only: Child | None = None
) -> tree.Expression | None:
    """Whether a collection, or one child of it, is shown at all; None where it always is."""
    shown: list[tree.Expression] = []
    for child in [only] if only is not None else collection.children:
        inside = [
            (region, body)
            for region, body in around(regions, child.first_line)
            if region.first > collection.indicator_line
        ]
        if not inside:
            return None
        expression = _shown(inside)
        if expression not in shown:
            shown.append(expression)
    return shown[0] if len(shown) == 1 else tree.Logic(all=False, operands=tuple(shown))


def _shown(inside: Sequence[tuple[Region, Body]]) -> tree.Expression:
    condition: tree.Expression = tree.TRUE
    for region, body in reversed(inside):
        if region.items is None:
            condition = both(_branch(region, body), condition)
        elif isinstance(region.items, tree.Filter) and region.items.name == "hosts":
            # A block has at least one address: the loop runs, unless the condition asks for the address.
            condition = _some(region, condition) if mentions(condition, region.name) else condition
        else:
            condition = _some(region, condition)
    return condition


def _some(region: Region, condition: tree.Expression) -> tree.Expression:
    if region.items is None:
        raise TypeError(region)
    if mentions(condition, region.name):
        return tree.Exists(region.name, region.items, condition)
    return both(tree.NotEmpty(region.items), condition)


def _branch(region: Region, body: Body) -> tree.Expression:
    condition: tree.Expression = tree.TRUE
    for branch in region.bodies:
        own = branch.condition or tree.TRUE
        if branch is body:
            return both(condition, own)
        condition = both(condition, tree.Not(own))
    raise ValueError(body)


def both(left: tree.Expression, right: tree.Expression) -> tree.Expression:
    """Both conditions, without what is always true."""
    if left == tree.TRUE:
        return right
    return left if right == tree.TRUE else tree.Logic(all=True, operands=(left, right))


def mentions(part: object, loop: str) -> bool:
    """Whether an expression depends on a loop's variable."""
    return _contains(part, lambda node: _is_local(node, loop) or _is_index(node, loop))


def mentions_index(part: object, loop: str) -> bool:
    """Whether anything in it, nodes or expressions, asks for a loop's index."""
    return _contains(part, lambda node: _is_index(node, loop))


def _is_local(node: object, loop: str) -> bool:
    return isinstance(node, tree.Local) and node.name == loop


def _is_index(node: object, loop: str) -> bool:
    return isinstance(node, tree.LoopIndex) and node.loop == loop


def _contains(part: object, wanted: Callable[[object], bool]) -> bool:
    if wanted(part):
        return True
    if isinstance(part, tuple):
        return any(_contains(item, wanted) for item in part)
    return is_dataclass(part) and any(_contains(getattr(part, each.name), wanted) for each in fields(part))
