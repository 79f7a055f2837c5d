"""Semantic versions among tags (semver.org, 11)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_SEMVER = re.compile(
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


class _Version(NamedTuple):
    """The precedence of a tag (semver.org, 11). Numbers are (length, digits): int() refuses 5000 digits."""

    release: tuple[tuple[int, str], ...]
    is_final: bool
    prerelease: tuple[tuple[bool, int, str], ...]
    tag: str  # decides between equals (build metadata, a missing v), so that the order is total


def _version(tag: str) -> _Version | None:
    match = _SEMVER.fullmatch(tag)
    if not match:
        return None
    *numbers, prerelease = match.groups()
    parts = prerelease.split(".") if prerelease else []
    return _Version(
        release=tuple((len(number), number) for number in numbers),
        is_final=not parts,
        prerelease=tuple((not part.isdigit(), len(part) if part.isdigit() else 0, part) for part in parts),
        tag=tag,
    )


def highest_version(tags: Sequence[str]) -> str | None:
    """The tag with the highest version, as written; None where none is a version."""
    versions = [version for version in map(_version, tags) if version]
    return max(versions).tag if versions else None
