"""BOB2xx: rendered profiles have the fields and types that the server knows (PROFILES.md, Schema)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from bob_ci.bundle.render import Rendered, objects
from bob_ci.lint.document import (
    BOOLEAN,
    INTEGER,
    LIST,
    MAP,
    NULL,
    STRING,
    Document,
    Typed,
    dotted,
    entry,
    typed_nodes,
)
from bob_ci.lint.finding import Severity
from bob_ci.lint.rule import Fault, Rule, rule
from bob_ci.profile.schema import API_GROUP, API_VERSION, KINDS

_TAGS = {
    "string": (STRING,),
    "integer": (INTEGER,),
    "boolean": (BOOLEAN,),
    "list": (LIST, NULL),
    "map": (MAP, NULL),
    "any-map": (MAP, NULL),
}
_NAMES = {STRING: "string", INTEGER: "number", BOOLEAN: "bool", LIST: "list", MAP: "map", NULL: "null"}
# What one of YAML 1.1, YAML 1.2 and Kubernetes' own reader takes for something else than a string.
_RETYPED = re.compile(
    r"[yYnN]|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|true|True|TRUE|false|False|FALSE|null|Null|NULL|~|"
    r"[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?|"
    r"[-+]?0[xob][0-9a-fA-F_]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|"
    r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)


def _at(found: Document, node: yaml.Node, message: str, path: tuple[str | int, ...] = ()) -> Fault:
    return Fault(found.file, found.line_of(node), message, found.column_of(node), dotted(path))


@rule("BOB201", "wrong-api-version", Severity.ERROR)
def wrong_api_version(found: Document) -> Iterator[Fault]:
    """The server knows one version of these kinds; anything else is refused or lost."""
    if not found.is_profile:
        return
    node = found.top("apiVersion") or found.root
    if found.text("apiVersion") != API_VERSION:
        yield _at(
            found, node, f"apiVersion {found.text('apiVersion')!r} is not {API_VERSION}", ("apiVersion",)
        )
    if found.text("kind") not in KINDS:
        node = found.top("kind") or found.root
        yield _at(found, node, f"kind {found.text('kind')!r} is none of {', '.join(KINDS)}", ("kind",))


@rule("BOB202", "unknown-field", Severity.ERROR)
def unknown_field(found: Document) -> Iterator[Fault]:
    """The server has no place for it: the field is lost on save, without an error."""
    for typed in typed_nodes(found):
        if typed.field is None:
            yield _at(found, typed.key or typed.node, f"{dotted(typed.path)}: no such field", typed.path)


@rule("BOB203", "wrong-type", Severity.ERROR)
def wrong_type(found: Document) -> Iterator[Fault]:
    """The server refuses the object, or reads an unquoted number or bool where the recorder saw a string."""
    for typed in typed_nodes(found):
        if typed.field is not None and not _is_label(typed):
            yield from _type_fault(found, typed)


def _type_fault(found: Document, typed: Typed) -> Iterator[Fault]:
    field, node = typed.field, typed.node
    if field is None or node.tag in _TAGS[field.type] or (node.tag == NULL and not typed.path):
        if field is not None and field.type == "string" and _reads_otherwise(node):
            message = f"{dotted(typed.path)}: {node.value} without quotes is no string to every reader"
            yield _at(found, node, message, typed.path)
        return
    if field.type == "string" and node.tag == NULL:
        return
    kind = _NAMES.get(str(node.tag), str(node.tag).rpartition(":")[2])
    wanted = {"any-map": "map", "integer": "number", "boolean": "bool"}.get(field.type, field.type)
    yield _at(found, node, f"{dotted(typed.path)}: a {kind} where a {wanted} is due", typed.path)


def _reads_otherwise(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and _RETYPED.fullmatch(node.value) is not None


def _is_label(typed: Typed) -> bool:
    return typed.path[:-1] in (("metadata", "labels"), ("metadata", "annotations"))


@rule("BOB204", "label-not-string", Severity.ERROR)
def label_not_string(found: Document) -> Iterator[Fault]:
    """Kubernetes refuses labels and annotations whose value is null, a number or a bool."""
    for typed in typed_nodes(found):
        if _is_label(typed) and (typed.node.tag != STRING or _reads_otherwise(typed.node)):
            kind = _NAMES.get(str(typed.node.tag), "value")
            yield _at(found, typed.node, f"{dotted(typed.path)}: a {kind} where a string is due", typed.path)


@rule("BOB205", "missing-name", Severity.ERROR)
def missing_name(found: Document) -> Iterator[Fault]:
    """An object without a name cannot be created."""
    if not found.is_profile:
        return
    metadata = found.top("metadata")
    name = entry(metadata, "name")
    if name is None or not name.value:
        yield _at(found, metadata or found.root, "metadata.name is missing", ("metadata", "name"))


@rule("BOB206", "missing-spec", Severity.ERROR)
def missing_spec(found: Document) -> Iterator[Fault]:
    """A profile without spec allows nothing and forbids nothing."""
    if found.is_profile and (found.top("spec") is None or found.top("spec").tag == NULL):  # type: ignore[union-attr]
        yield _at(found, found.root, "spec is missing", ("spec",))


@rule("BOB207", "no-profile", Severity.ERROR)
def no_profile(rendered: Rendered) -> Iterator[Fault]:
    """A bundle without any profile says nothing about behaviour."""
    file = rendered.files["profiles"]
    if not any(_claims_to_be_profile(found) for found in objects(file)):
        yield Fault(file.source, 1, f"holds no profile: no {', '.join(KINDS)}")


def _claims_to_be_profile(found: object) -> bool:
    if not isinstance(found, dict):
        return False
    return found.get("kind") in KINDS or str(found.get("apiVersion", "")).startswith(f"{API_GROUP}/")


RULES: tuple[Rule[Document], ...] = (
    wrong_api_version,
    unknown_field,
    wrong_type,
    label_not_string,
    missing_name,
    missing_spec,
)
