"""How much a profile allows, in counts: what `describe` and summaries show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bob_ci.profile.objects import is_profile
from bob_ci.profile.schema import CONTAINER_LISTS, NETWORK_FIELDS

# What a container may do, as the page calls it, and the field that lists it.
COUNTED = {
    "executables": "execs",
    "files": "opens",
    "syscalls": "syscalls",
    "capabilities": "capabilities",
    "endpoints": "endpoints",
    "ingress": "ingress",
    "egress": "egress",
}


@dataclass(frozen=True)
class Allows:
    """What one container of one profile may do. `None`: the profile says nothing about it."""

    kind: str
    profile: str
    container: str
    counts: Mapping[str, int | None]


def allows(objects: Iterable[Any]) -> Iterator[Allows]:
    """The counts of every container of every profile; a flat ContainerProfile is its own container."""
    for found in objects:
        if not is_profile(found) or not isinstance(found.get("spec"), dict):
            continue
        name = str((found.get("metadata") or {}).get("name", ""))
        spec = found["spec"]
        grouped = False
        for group in CONTAINER_LISTS:
            for container in spec.get(group) or ():
                grouped = True
                yield Allows(found["kind"], name, str(container.get("name", "")), _counts(container))
        if not grouped and found["kind"] == "ContainerProfile":
            yield Allows(found["kind"], name, "", _counts(spec))


def _counts(holder: Mapping[str, Any]) -> dict[str, int | None]:
    return {word: _count(holder, field) for word, field in COUNTED.items()}


def _count(holder: Mapping[str, Any], field: str) -> int | None:
    entries = holder.get(field)
    if isinstance(entries, list):
        return len(entries)
    # For a direction null is "undefined", where `[]` is "no traffic at all"; elsewhere null is empty.
    return None if field not in holder or field in NETWORK_FIELDS else 0
