"""Rendered YAML → objects, and what profiles among them are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from bob_ci.profile.schema import API_GROUP, CONTAINER_LISTS, KINDS
from bob_ci.yaml_source import SAFE_LOADER

_ITEM_LISTS = ("execs", "opens", "syscalls", "capabilities", "endpoints", "identifiedCallStacks")


@dataclass(frozen=True)
class Summary:
    """A profile's kind and name, and the containers that it covers."""

    kind: str
    name: str
    containers: tuple[str, ...]


def load_objects(text: str) -> list[Any]:
    """All documents that hold anything, `List` objects as their items."""
    found: list[Any] = []
    for document in yaml.load_all(text, Loader=SAFE_LOADER):
        if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
            found.extend(document.get("items") or [])
        elif document is not None:
            found.append(document)
    return found


def is_profile(found: Any) -> bool:
    """Whether an object is one of Kubescape's profile kinds."""
    return (
        isinstance(found, dict)
        and str(found.get("apiVersion", "")).startswith(f"{API_GROUP}/")
        and found.get("kind") in KINDS
    )


def summaries(objects: Iterable[Any]) -> Iterator[Summary]:
    """The profiles among some objects."""
    for found in objects:
        if is_profile(found):
            metadata: Any = found.get("metadata")
            name = metadata.get("name") if isinstance(metadata, dict) else None
            containers = tuple(str(each.get("name")) for each in containers_of(found) if each.get("name"))
            yield Summary(str(found["kind"]), str(name or ""), containers)


def containers_of(profile: Any) -> Iterator[dict[str, Any]]:
    """The container entries of a profile; of a flat ContainerProfile none."""
    spec = profile.get("spec")
    if isinstance(spec, dict):
        for name in CONTAINER_LISTS:
            yield from (entry for entry in spec.get(name) or () if isinstance(entry, dict))


def items_of(profile: object) -> int:
    """How many entries the server counts in a profile (PROFILES.md, Server limits)."""
    if not isinstance(profile, dict) or not isinstance(profile.get("spec"), dict):
        return 0
    holders = [profile["spec"], *containers_of(profile)]
    return sum(
        len(holder[name]) for holder in holders for name in _ITEM_LISTS if isinstance(holder.get(name), list)
    )
