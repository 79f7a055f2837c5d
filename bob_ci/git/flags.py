"""`--source` and `--revision` over what git says (FORMAT.md 5)."""

from __future__ import annotations

import re
from dataclasses import replace

from bob_ci.errors import InputError
from bob_ci.git.origin import Origin
from bob_ci.git.remote import LONGEST_URL, https_source, without_credentials
from bob_ci.git.text import UNPRINTABLE

_REVISION = re.compile(
    r"(?P<branch>.*)@(?:sha1:(?P<sha1>[0-9a-fA-F]{4,40})|sha256:(?P<sha256>[0-9a-fA-F]{4,64}))(-dirty)?"
)


def with_flags(origin: Origin, *, source: str | None, revision: str | None) -> Origin:
    """Let `--source` and `--revision` win over what git says (FORMAT.md 5).

    Only these two values change: commit, branch, tag and dirty go on to describe the checkout.

    Raises:
        InputError: control characters, a revision of another form, or an address that cannot be read.
    """
    if source is not None:
        origin = _with_source(origin, source)
    return origin if revision is None else _with_revision(origin, revision)


def _with_source(origin: Origin, source: str) -> Origin:
    if not source:
        return _noted(origin, "--source is empty: the source is what git says")
    if len(source) > LONGEST_URL or UNPRINTABLE.search(source):
        raise InputError("--source: has control characters or is too long")
    # `--source "$(git config --get remote.origin.url)"` must give the digest of no flag at all.
    if origin.source and https_source(source) == origin.source:
        return origin
    bare = without_credentials(source)
    if bare == source:
        return replace(origin, source=source)
    return _noted(replace(origin, source=bare), "--source holds credentials: they were cut off")


def _with_revision(origin: Origin, revision: str) -> Origin:
    if UNPRINTABLE.search(revision):
        raise InputError("--revision: has control characters")
    match = _REVISION.fullmatch(revision)
    if not match:
        raise InputError(
            f"--revision {revision!r}: not of the form BRANCH@sha1:COMMIT",
            hint='--revision "$(git branch --show-current)@sha1:$(git rev-parse HEAD)", or leave it out',
        )
    if not match["branch"]:
        branch = origin.branch or "HEAD"
        revision = f"{branch}{revision}"
        origin = _noted(origin, f"--revision names no branch: {branch} is filled in")
    given = (match["sha1"] or match["sha256"]).lower()
    if origin.commit and not origin.commit.startswith(given):
        origin = _noted(origin, f"--revision names the commit {given}, the bundle comes from {origin.commit}")
    return replace(origin, revision=revision)


def _noted(origin: Origin, notice: str) -> Origin:
    return replace(origin, notices=(*origin.notices, notice))
