"""The values of a bundle (FORMAT.md 2): two file forms, overlays, `--values`, `--set`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bob_ci import yaml_source
from bob_ci.errors import InputError
from bob_ci.template import patterns
from bob_ci.template.filters import BLANKS
from bob_ci.template.uses import ITEM, kind_name

Path = tuple[str, ...]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SINGLE = re.compile(r"'([^']*)'")
_COMMENT = re.compile(r"[ \t]*#")


@dataclass(frozen=True)
class Place:
    """Where a value was given."""

    file: str
    line: int | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Values:
    """Values in the order in which they were given.

    Attributes:
        data: scalars (str), lists and maps, by key.
        places: where each was given; the path of a list's element ends in `[]`.
        comments: the comment lines above a key, with their `#`.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[Path, Place] = field(default_factory=dict)
    comments: Mapping[Path, tuple[str, ...]] = field(default_factory=dict)

    def place(self, path: Path) -> Place | None:
        """Where the value at a path, or the nearest one around it, was given."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def over(self, base: Values) -> Values:
        """These values over others: key by key, maps too; lists and scalars are replaced.

        Raises:
            InputError: a list, a map and a scalar do not replace one another.
        """
        data = _merged(base.data, self.data, self, ())
        comments = {**self.comments, **base.comments}
        return Values(data, {**base.places, **self.places}, comments)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any], source: Values, path: Path) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        here = (*path, key)
        if key in base and type(base[key]) is not type(value):
            raise _error(
                f"{'.'.join(here)}: a {kind_name(value)} where a {kind_name(base[key])} is due",
                source.place(here),
            )
        nested = isinstance(value, dict) and key in base
        merged[key] = _merged(base[key], value, source, here) if nested else value
    return merged


def _error(message: str, place: Place | None) -> InputError:
    return InputError(message, file=place.file if place else None, line=place.line if place else None)


# key=value


def read_lines(text: str, file: str) -> Values:
    """`bob.values`: `key=value` lines.

    Raises:
        InputError: with the line: no `key=value`, a key twice, mixed case, an open quote.
    """
    data: dict[str, Any] = {}
    places: dict[Path, Place] = {}
    comments: dict[Path, tuple[str, ...]] = {}
    above: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        place = Place(file, number)
        if not line.strip() or _COMMENT.match(line):
            above = [*above, line.strip()] if line.strip() else above
            continue
        key, value = _assignment(line, place)
        if key in data:
            raise _error(f"{key}: given twice, first in line {places[key,].line}", place)
        data[key] = value
        places[key,] = place
        comments[key,] = tuple(above)
        above = []
    if above:
        comments[()] = tuple(above)
    _check_texts(data, (), places)
    return Values(data, places, comments)


def _assignment(line: str, place: Place) -> tuple[str, str | list[str]]:
    key, equals, value = line.partition("=")
    key = key.strip()
    if not equals:
        raise _error(f"{line.strip()!r}: not `key=value`", place)
    if not _KEY.fullmatch(key):
        raise _error(f"{key!r}: a key is letters, digits and `_`, and does not begin with a digit", place)
    return key, typed(key, value.strip(BLANKS), place)


def typed(key: str, text: str, place: Place) -> str | list[str]:
    """The value that a text gives to a key: a key in capitals is a list, one in lower case a scalar."""
    if key.isupper():
        return _elements(text, place)
    if key.lower() != key:
        raise _error(f"{key}: in mixed case; lower case is a scalar, capitals are a list", place)
    return _scalar(key, text, place)


def _scalar(key: str, text: str, place: Place) -> str:
    if not text:
        raise _error(f'{key}: has no value; an empty string is written `{key}=""`', place)
    return _unquoted(text, place)


def _unquoted(text: str, place: Place) -> str:
    if text.startswith('"'):
        match = _DOUBLE.fullmatch(text)
        if match is None:
            raise _error(f"{text}: text that begins with a quote ends with it", place)
        return re.sub(r'\\(["\\])', r"\1", match[1])
    if text.startswith("'"):
        match = _SINGLE.fullmatch(text)
        if match is None:
            raise _error(f"{text}: text that begins with a quote ends with it", place)
        return match[1]
    return text


_ELEMENT = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[^,"'][^,]*|)[ \t]*(,|\Z)""")


def _elements(text: str, place: Place) -> list[str]:
    found: list[str] = []
    position = 0
    while position < len(text):
        match = _ELEMENT.match(text, position)
        if match is None:
            raise _error(f"{text[position:]}: an element that begins with a quote ends with it", place)
        element = match[1].strip(BLANKS)
        if not element:
            raise _error(f'{text}: an empty element; an empty string is written ""', place)
        found.append(_unquoted(element, place))
        position = match.end()
        if match[2] and position == len(text):
            raise _error(f"{text}: an empty element behind the last comma", place)
    return found


# YAML


def read_yaml(text: str, file: str) -> Values:
    """`bob.values.yaml`: the same with lists and maps; every scalar is the text that is written.

    Raises:
        InputError: with file and line.
    """
    root = yaml_source.read(text, file)
    if root is None:
        return Values()
    if not isinstance(root.value, dict):
        raise InputError("not a map of values", file=file, line=root.line)
    reader = _YamlValues(file, text.splitlines())
    data = reader.map(root.value, ())
    reader.comments[()] = reader.above(len(reader.lines) + 1)
    _check_texts(data, (), reader.places)
    return Values(data, reader.places, reader.comments)


class _YamlValues:
    def __init__(self, file: str, lines: list[str]) -> None:
        self.file = file
        self.lines = lines
        self.places: dict[Path, Place] = {}
        self.comments: dict[Path, tuple[str, ...]] = {}
        self.seen: set[int] = set()  # lines of keys: comments belong to the first key below them

    def map(self, pairs: Mapping[str, yaml_source.Located], path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, node in pairs.items():
            place = Place(self.file, node.key_line)
            here = (*path, key)
            self.places[here] = place
            self.comments[here] = self.above(node.key_line)
            if not _KEY.fullmatch(key):
                raise _error(
                    f"{key!r}: a key is letters, digits and `_`, and does not begin with a digit", place
                )
            if not path and key.isupper() and not isinstance(node.value, list):
                raise _error(f"{key}: a key in capitals is a list", place)
            data[key] = self._value(node, here)
        return data

    def _value(self, node: yaml_source.Located, path: Path) -> Any:
        if isinstance(node.value, dict):
            return self.map(node.value, path)
        if isinstance(node.value, list):
            return [self._value(item, (*path, ITEM)) for item in node.value]
        if not node.value and node.plain:
            raise _error(
                f'{path[-1]}: has no value; an empty string is written ""', Place(self.file, node.line)
            )
        return node.value

    def above(self, line: int) -> tuple[str, ...]:
        """The comment lines above a line, blank lines between them left out; nothing when asked again."""
        found: list[str] = []
        if line in self.seen:
            return ()
        self.seen.add(line)
        for text in reversed(self.lines[: line - 1]):
            if text.strip() and not _COMMENT.match(text):
                break
            if text.strip():
                found.insert(0, text.strip())
        return tuple(found)


# --set


def read_set(assignments: Iterable[str], known: Values) -> Values:
    """`--set key=value`, `--set map.key=value`: typed as the value that it replaces, else by the key's case.

    Raises:
        InputError: no assignment; a key of something that is no map.
    """
    result = Values()
    for assignment in assignments:
        place = Place(f"--set {assignment}", None)
        name, equals, text = assignment.partition("=")
        path = tuple(name.strip().split("."))
        if not equals or not all(_KEY.fullmatch(key) for key in path):
            raise _error("not `key=value`", place)
        value = _set_value(path, text.strip(), known.data, place)
        _check_texts({path[-1]: value}, path[:-1], {path: place})
        nested: Any = value
        for key in reversed(path):
            nested = {key: nested}
        result = Values(nested, {path: place}).over(result)
    return result


def _set_value(path: Path, text: str, data: Mapping[str, Any], place: Place) -> str | list[str]:
    current: Any = data
    for key in path:
        if current is not None and not isinstance(current, Mapping):
            raise _error(f"{'.'.join(path)}: `{key}` of something that is no map", place)
        current = current.get(key) if current is not None else None
    if isinstance(current, list):
        return _elements(text, place)
    if isinstance(current, dict):
        raise _error(f"{'.'.join(path)}: is a map; set its keys one by one", place)
    if isinstance(current, str):
        return _scalar(path[-1], text, place)
    return typed(path[-1], text, place)


def _check_texts(value: object, path: Path, places: Mapping[Path, Place]) -> None:
    """Refuse what YAML cannot hold the same way everywhere: control characters, odd line breaks."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_texts(item, (*path, key), places)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item, (*path, ITEM), places)
    elif isinstance(value, str) and not patterns.is_text(value):
        near = path
        while near and near not in places:
            near = near[:-1]
        raise _error(f"{'.'.join(path)}: holds a control character or one that is no text", places.get(near))
