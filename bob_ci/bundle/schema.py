"""`values.schema.json` of the chart: Helm refuses bad values before it renders (FORMAT.md 4)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bob_ci.template import patterns
from bob_ci.template.filters import Kind
from bob_ci.template.uses import ITEM, Use

_DEFINITIONS = {
    "text": patterns.TEXT,
    "line": patterns.LINE,
    "plain": patterns.PLAIN,
    "blockLine": patterns.BLOCK_LINE,
    "blockLines": patterns.BLOCK_LINES,
    "integer": patterns.INTEGER,
    "boolean": patterns.BOOLEAN,
    "networkBlock": patterns.BLOCK,
    "ipv4Block": patterns.BLOCK4,
}
_NAMES = {pattern: name for name, pattern in _DEFINITIONS.items()}


@dataclass
class _Shape:
    """What is known of a value: from what is given, and from how templates use it."""

    kinds: set[str] = field(default_factory=set)
    required: bool = False
    patterns: set[str] = field(default_factory=set)
    children: dict[str, _Shape] = field(default_factory=dict)

    def child(self, key: str) -> _Shape:
        return self.children.setdefault(key, _Shape())


def values_schema(data: Mapping[str, Any], asked: Iterable[Use]) -> bytes:
    """The schema of a chart's values: `bob` with every value, its type, what it must fit, if required."""
    root = _Shape({"map"})
    for use in asked:
        _add_use(root, use)
    _add_data(root, data)
    top = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "required": ["bob"],
        "properties": {"bob": _schema(root)},
        "definitions": {name: {"type": "string", "pattern": _DEFINITIONS[name]} for name in _used(root)},
    }
    return (json.dumps(top, indent=2) + "\n").encode()


def _add_use(root: _Shape, use: Use) -> None:
    shape = root
    for key in use.path:
        shape.kinds.add("list" if key == ITEM else "map")
        shape = shape.child(key)
        shape.required = shape.required or use.required
    if use.kind in (Kind.LIST, Kind.STRING):
        shape.kinds.add(use.kind.value)
    if use.pattern is not None:
        shape.patterns.add(_NAMES[use.pattern])


def _add_data(shape: _Shape, value: object) -> None:
    if isinstance(value, Mapping):
        shape.kinds.add("map")
        for key, item in value.items():
            _add_data(shape.child(key), item)
    elif isinstance(value, list):
        shape.kinds.add("list")
        for item in value:
            _add_data(shape.child(ITEM), item)
    else:
        shape.kinds.add("string")


def _schema(shape: _Shape) -> dict[str, Any]:
    """What only `to_yaml` prints may be of several kinds; of what never was given nothing is known: `{}`."""
    schemas = [_SCHEMA_OF[kind](shape) for kind in sorted(shape.kinds)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas} if schemas else {}


def _map(shape: _Shape) -> dict[str, Any]:
    children = {key: child for key, child in shape.children.items() if key != ITEM}
    required = [key for key, child in children.items() if child.required]
    return {
        "type": "object",
        **({"required": required} if required else {}),
        "properties": {key: _schema(child) for key, child in children.items()},
        "additionalProperties": False,
    }


def _list(shape: _Shape) -> dict[str, Any]:
    return {"type": "array", "items": _schema(shape.child(ITEM))}


def _string(shape: _Shape) -> dict[str, Any]:
    references = [{"$ref": f"#/definitions/{name}"} for name in _definitions_of(shape)]
    return references[0] if len(references) == 1 else {"allOf": references}


_SCHEMA_OF = {"map": _map, "list": _list, "string": _string}


def _definitions_of(shape: _Shape) -> list[str]:
    """The definitions that a string must fit; all but `line` are narrower than `text`."""
    narrow = sorted(shape.patterns)
    implied = {"plain", "integer", "boolean", "networkBlock", "ipv4Block"}
    return narrow if implied & set(narrow) else ["text", *narrow]


def _used(shape: _Shape) -> list[str]:
    found: set[str] = set()
    stack = [shape]
    while stack:
        one = stack.pop()
        stack.extend(one.children.values())
        if "string" in one.kinds:
            found.update(_definitions_of(one))
    return [name for name in _DEFINITIONS if name in found]
