"""A rendered document as the rules see it: nodes with places, and the field that each node is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml

from bob_ci.profile.schema import API_GROUP, KINDS, Field, document
from bob_ci.yaml_source import SAFE_LOADER

MAP, LIST, STRING = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:str"
NULL, INTEGER, BOOLEAN = "tag:yaml.org,2002:null", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool"


@dataclass(frozen=True)
class Document:
    """One document of a rendered file, and the template's file and line that each of its lines comes from."""

    root: yaml.Node
    file: str
    line_of: Callable[[yaml.Node], int]

    def top(self, key: str) -> yaml.Node | None:
        """The value of a key of the object."""
        return entry(self.root, key)

    def text(self, key: str) -> str:
        """The same as text; an empty string where there is none."""
        node = self.top(key)
        return node.value if isinstance(node, yaml.ScalarNode) else ""

    @property
    def is_profile(self) -> bool:
        """Whether the object claims to be one of Kubescape's profiles: by its group or by its kind."""
        return self.text("apiVersion").startswith(f"{API_GROUP}/") or self.text("kind") in KINDS

    def column_of(self, node: yaml.Node) -> int:
        """The column, from 1, in the rendered text."""
        return int(node.start_mark.column) + 1 if node.start_mark else 1


@dataclass(frozen=True)
class Typed:
    """A node, where it is in its object, and the field that the schema has there (None: it has none)."""

    node: yaml.Node
    path: tuple[str | int, ...]
    field: Field | None
    key: yaml.Node | None = None


def documents(text: str, file: str, line_of: Callable[[yaml.Node], int]) -> Iterator[Document]:
    """The documents of a rendered text.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    for root in yaml.compose_all(text, Loader=SAFE_LOADER):
        yield Document(root, file, line_of)


def entry(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """The value of a key of a map node."""
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def typed_nodes(found: Document) -> Iterator[Typed]:
    """Every node of a profile with its field; below an unknown field nothing."""
    kind = found.text("kind")
    if kind in KINDS:
        yield from _typed(Typed(found.root, (), document(kind)))


def _typed(parent: Typed) -> Iterator[Typed]:
    yield parent
    node, field = parent.node, parent.field
    if field is None:
        return
    if isinstance(node, yaml.MappingNode) and field.type in ("map", "any-map"):
        for key, value in node.value:
            open_map = field.type == "any-map" and field.item is None
            if not open_map:
                inner = field.fields.get(str(key.value)) if field.type == "map" else field.item
                yield from _typed(Typed(value, (*parent.path, str(key.value)), inner, key))
    elif isinstance(node, yaml.SequenceNode) and field.type == "list":
        for position, value in enumerate(node.value):
            yield from _typed(Typed(value, (*parent.path, position), field.item))


def dotted(path: tuple[str | int, ...]) -> str:
    """A path as text: `spec.containers[0].execs[2].path`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")
