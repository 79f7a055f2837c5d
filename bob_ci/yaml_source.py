"""YAML as its author wrote it: every scalar the text that stands there, every node with its line.

For files of ours (`bob.values.yaml`, `manifest.yaml`) that mean strings: no anchors, no tags, no key twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from bob_ci.errors import InputError

# libyaml where it is there; both read the same.
SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 50


@dataclass(frozen=True)
class Located:
    """A scalar's text, a list or a map, and where it stands (lines from 1)."""

    value: str | list[Located] | dict[str, Located]
    line: int
    plain: bool = False  # a scalar without quotes
    key_line: int = 0  # of a map's value: the line of its key

    def plain_data(self) -> Any:
        """The same without places."""
        if isinstance(self.value, dict):
            return {key: item.plain_data() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain_data() for item in self.value]
        return self.value


def read(text: str, file: str) -> Located | None:
    """The one document of a file; None where it holds nothing.

    Raises:
        InputError: with file and line: not YAML, several documents, an anchor, a tag, a key twice.
    """
    try:
        return _Reader(file, yaml.parse(text, Loader=SAFE_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        raise not_yaml(error, file) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", file=file) from None


def not_yaml(error: yaml.MarkedYAMLError, file: str, first_line: int = 0) -> InputError:
    """A parser's error as ours, at its line in a file of which it was given the part from `first_line` on."""
    mark = error.problem_mark or error.context_mark
    problem = error.problem or str(error)
    return InputError(f"not YAML: {problem}", file=file, line=first_line + mark.line + 1 if mark else None)


class _Reader:
    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self.file = file
        self.events = events

    def document(self) -> Located | None:
        found: Located | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found is not None:
                    raise self._error("more than one document", event)
                found = self._node(next(self.events), 0)
        return found if found is None or found.value != "" or not found.plain else None

    def _node(self, event: Any, depth: int) -> Located:
        if depth > _MAX_DEPTH:
            raise self._error("nested too deeply", event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._error("anchors and aliases are not read here: write the value out", event)
        if event.tag is not None and event.tag != "!":
            raise self._error(f"{event.tag}: tags are not read here, every value is a string", event)
        line = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent):
            return Located(event.value, line, plain=not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            return Located(self._items(depth), line)
        return Located(self._pairs(depth), line)

    def _items(self, depth: int) -> list[Located]:
        items: list[Located] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                return items
            items.append(self._node(event, depth + 1))
        raise AssertionError("the parser ends what it begins")

    def _pairs(self, depth: int) -> dict[str, Located]:
        pairs: dict[str, Located] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                return pairs
            key = self._node(event, depth + 1)
            if not isinstance(key.value, str):
                raise self._error("a key that is no scalar", event)
            if key.value in pairs:
                raise self._error(f"{key.value}: the key stands here twice", event)
            pairs[key.value] = replace(self._node(next(self.events), depth + 1), key_line=key.line)
        raise AssertionError("the parser ends what it begins")

    def _error(self, message: str, event: Any) -> InputError:
        return InputError(message, file=self.file, line=event.start_mark.line + 1)
