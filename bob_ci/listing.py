"""The tags of a repository, with what each names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bob_ci.errors import BobError, InputError
from bob_ci.inspect import Image, open_image
from bob_ci.oci.store import Store

# The tags under which clients keep referrers and signatures of a digest (distribution-spec; cosign).
_DIGEST_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{32,}(?:\.\w+)?")

_VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)(?:-([0-9A-Za-z.-]+))?(?:[+_][0-9A-Za-z.-]+)?")


@dataclass(frozen=True)
class Row:
    """One tag. `image` is None, and `problem` says why, where it could not be read."""

    tag: str
    image: Image | None
    problem: str | None = None


def tags_of(store: Store, *, pattern: str | None = None, limit: int | None = None) -> list[str]:
    """The tags that people use, highest version first, then the others by name.

    Raises:
        InputError: the pattern is no regular expression.
    """
    try:
        wanted = re.compile(pattern) if pattern is not None else None
    except re.error as error:
        raise InputError(f"--filter-regex {pattern}: {error}") from None
    tags = [tag for tag in store.tags() if not _DIGEST_TAG.fullmatch(tag)]
    found = sorted(tag for tag in tags if wanted is None or wanted.search(tag))
    versions = [tag for tag in found if _VERSION.fullmatch(tag)]
    versions.sort(key=_precedence, reverse=True)
    return [*versions, *(tag for tag in found if tag not in versions)][:limit]


def stable_last(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags, each once, as they move: who follows `stable` sees the others moved already."""
    return tuple(sorted(dict.fromkeys(tags), key=lambda tag: tag == "stable"))


def _precedence(tag: str) -> tuple[tuple[int, ...], bool, list[tuple[bool, int, str]]]:
    """What decides between two versions (semver.org, 11)."""
    match = _VERSION.fullmatch(tag)
    *numbers, prerelease = match.groups("") if match else [""]
    parts = prerelease.split(".") if prerelease else []
    ranks = [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
    return tuple(map(int, numbers)), not parts, ranks


def rows(store: Store, tags: list[str]) -> Iterator[Row]:
    """What each tag names. One that is broken does not hide the others."""
    for tag in tags:
        try:
            yield Row(tag, open_image(store, tag))
        except BobError as error:
            yield Row(tag, None, str(error))
