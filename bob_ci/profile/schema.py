"""The fields of Kubescape's profile kinds (spdx.softwarecomposition.kubescape.io/v1beta1) and their types.

Source: the Go types of kubescape/storage and kubescape/node-agent, as design page PROFILES.md counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

API_GROUP = "spdx.softwarecomposition.kubescape.io"
API_VERSION = f"{API_GROUP}/v1beta1"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Field:
    """A field's type: `string`, `integer`, `boolean`, `list`, `map` (named fields) or `any-map`."""

    type: str
    item: Field | None = None  # of a list, or of an any-map's values
    fields: Mapping[str, Field] = field(default_factory=dict)
    nullable: bool = True


STRING = Field("string")
INTEGER = Field("integer")
BOOLEAN = Field("boolean")


def _list(item: Field) -> Field:
    return Field("list", item)


def _map(**fields: Field) -> Field:
    return Field("map", fields=fields)


def _map_of(item: Field) -> Field:
    return Field("any-map", item)


STRINGS = _list(STRING)
STRING_MAP = _map_of(STRING)

SELECTOR_FIELDS = {
    "matchLabels": STRING_MAP,
    "matchExpressions": _list(_map(key=STRING, operator=STRING, values=STRINGS)),
}
SELECTOR = Field("map", fields=SELECTOR_FIELDS)

EXEC = _map(path=STRING, args=STRINGS, envs=STRINGS, argsRequired=BOOLEAN)
OPEN = _map(path=STRING, flags=STRINGS)
ENDPOINT = _map(
    endpoint=STRING, methods=STRINGS, internal=BOOLEAN, direction=STRING, headers=_map_of(STRINGS)
)
FRAME = _map(fileID=STRING, lineno=STRING)
CALL_NODE = _map(frame=FRAME, children=_list(Field("any-map")))
CALL_STACK = _map(callID=STRING, callStack=_map(root=CALL_NODE))
RULE_POLICY = _map(processAllowed=STRINGS, containerAllowed=BOOLEAN)
SECCOMP_ARG = _map(index=INTEGER, value=INTEGER, valueTwo=INTEGER, op=STRING)
SECCOMP_SYSCALL = _map(names=STRINGS, action=STRING, errnoRet=INTEGER, args=_list(SECCOMP_ARG))
SECCOMP = _map(
    name=STRING,
    path=STRING,
    spec=_map(
        disabled=BOOLEAN,
        baseProfileName=STRING,
        defaultAction=STRING,
        architectures=STRINGS,
        listenerPath=STRING,
        listenerMetadata=STRING,
        flags=STRINGS,
        syscalls=_list(SECCOMP_SYSCALL),
    ),
)
PORT = _map(name=STRING, protocol=STRING, port=INTEGER)
NEIGHBOUR = _map(
    identifier=STRING,
    type=STRING,
    dns=STRING,
    dnsNames=STRINGS,
    ipAddress=STRING,
    ipAddresses=STRINGS,
    podSelector=SELECTOR,
    namespaceSelector=SELECTOR,
    ports=_list(PORT),
)
BEHAVIOUR_FIELDS = {
    "imageID": STRING,
    "imageTag": STRING,
    "capabilities": STRINGS,
    "execs": _list(EXEC),
    "opens": _list(OPEN),
    "syscalls": STRINGS,
    "endpoints": _list(ENDPOINT),
    "rulePolicies": _map_of(RULE_POLICY),
    "identifiedCallStacks": _list(CALL_STACK),
    "seccompProfile": SECCOMP,
}
NETWORK_FIELDS = {"ingress": _list(NEIGHBOUR), "egress": _list(NEIGHBOUR)}
CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def _containers(**fields: Field) -> dict[str, Field]:
    container = Field("map", fields={"name": STRING, **fields})
    return {name: _list(container) for name in CONTAINER_LISTS}


SPECS = {
    "ApplicationProfile": Field("map", fields={"architectures": STRINGS, **_containers(**BEHAVIOUR_FIELDS)}),
    "NetworkNeighborhood": Field("map", fields={**SELECTOR_FIELDS, **_containers(**NETWORK_FIELDS)}),
    "ContainerProfile": Field(
        "map",
        fields={
            "architectures": STRINGS,
            **SELECTOR_FIELDS,
            **BEHAVIOUR_FIELDS,
            **NETWORK_FIELDS,
            **_containers(**BEHAVIOUR_FIELDS, **NETWORK_FIELDS),
        },
    ),
}
KINDS = tuple(SPECS)

METADATA = _map(
    name=STRING,
    namespace=STRING,
    labels=STRING_MAP,
    annotations=STRING_MAP,
    generateName=STRING,
    finalizers=STRINGS,
    resourceVersion=STRING,
    uid=STRING,
    creationTimestamp=STRING,
    generation=INTEGER,
    selfLink=STRING,
    managedFields=_list(Field("any-map")),
    ownerReferences=_list(Field("any-map")),
)


def document(kind: str) -> Field:
    """The whole object of one kind."""
    return Field(
        "map",
        fields={
            "apiVersion": STRING,
            "kind": STRING,
            "metadata": METADATA,
            "spec": SPECS[kind],
            "status": Field("any-map"),
        },
    )


def field_at(kind: str, path: Path) -> Field | None:
    """The field at a path of an object; None where the kind has none there."""
    found: Field | None = document(kind)
    for key in path:
        if found is None:
            return None
        found = found.item if found.type in ("list", "any-map") else found.fields.get(str(key))
    return found


@dataclass(frozen=True)
class KindFields:
    """The fields of one kind, as the template compiler asks for them."""

    kind: str

    def is_integer(self, path: Path) -> bool:
        """Whether the field is a number."""
        return field_at(self.kind, path) == INTEGER

    def is_boolean(self, path: Path) -> bool:
        """Whether the field is true or false."""
        return field_at(self.kind, path) == BOOLEAN

    def is_address(self, path: Path) -> bool:
        """Whether the field is an entry of a neighbour's `ipAddresses`."""
        return len(path) > 1 and path[-2] == "ipAddresses" and self.is_neighbour(path[:-2])

    def is_neighbour(self, path: Path) -> bool:
        """Whether the map at this path is a network neighbour."""
        return field_at(self.kind, path) == NEIGHBOUR

    def holds_strings(self, path: Path) -> bool:
        """Whether what is below a path is checked by nobody: strings, but not a neighbour's targets."""
        if path and self.is_neighbour(path[:-1]):
            return False
        found = field_at(self.kind, path)
        return found is None or _only_strings(found)


def _only_strings(found: Field) -> bool:
    if found.type == "map":
        return all(map(_only_strings, found.fields.values()))
    if found.type in ("list", "any-map"):
        return found.item is not None and _only_strings(found.item)
    return found == STRING


def fields_of(api_version: str, kind: str) -> KindFields | None:
    """The fields of a profile kind; None for every other object."""
    return KindFields(kind) if api_version.startswith(f"{API_GROUP}/") and kind in SPECS else None
