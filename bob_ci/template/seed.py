"""`$values.x`: which of the known values a placeholder names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bob_ci.template.expression import Scope
from bob_ci.template.scan import Mark


@dataclass(frozen=True)
class Reference:
    """A value by its path, and the text behind it that is no part of the path."""

    path: tuple[str, ...]
    name: str
    rest: str = ""
    is_list: bool = False
    hosts: bool = False


def resolve(mark: Mark, scope: Scope) -> Reference:
    """The longest known path; what is left of the dotted name is text (FORMAT.md 3).

    Raises:
        InputError: nothing of the path is known, or it names a map, or a list in lower case.
    """
    length, value = _longest_known(mark.path, scope.values)
    if not length or (mark.braced and length < len(mark.path) and not _is_hosts(mark, length, value)):
        raise scope.error(
            f"{mark.source}: no such value is given",
            hint="give it in bob.values, with --values or with --set",
        )
    path, rest = mark.path[:length], mark.path[length:]
    hosts = _is_hosts(mark, length, value)
    reference = Reference(
        path,
        "$values." + ".".join(path),
        "".join(f".{key}" for key in (rest[1:] if hosts else rest)),
        is_list=_in_capitals(path[-1]),
        hosts=hosts,
    )
    _check_kind(reference, value, scope)
    return reference


def _longest_known(path: tuple[str, ...], values: Mapping[str, Any]) -> tuple[int, Any]:
    length = 0
    value: Any = values
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            break
        length, value = length + 1, value[key]
    return length, value


def _is_hosts(mark: Mark, length: int, value: object) -> bool:
    return isinstance(value, list) and mark.path[length : length + 1] == ("hosts",)


def _in_capitals(key: str) -> bool:
    return key.isupper()


def _check_kind(reference: Reference, value: object, scope: Scope) -> None:
    if isinstance(value, Mapping):
        raise scope.error(f"{reference.name}: a map where a scalar is due; name one of its keys")
    if reference.is_list and not isinstance(value, list):
        raise scope.error(f"{reference.name}: a scalar where a list is due (a name in capitals is a list)")
    if isinstance(value, list) and not reference.is_list:
        raise scope.error(
            f"{reference.name}: a list where a scalar is due",
            hint="lists have names in capitals, or are looped over: `{% for x in values.NAME %}`",
        )
    if isinstance(value, list) and any(not isinstance(item, str) for item in value):
        raise scope.error(f"{reference.name}: its elements are no scalars; loop over it with `{{% for %}}`")
