"""The origin of a bundle: which repository, which commit, and when (FORMAT.md 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bob_ci.errors import InputError
from bob_ci.git.ci import Claim, believed, ci_variables, github, gitlab
from bob_ci.git.remote import https_source
from bob_ci.git.repository import (
    Checkout,
    Git,
    Refs,
    checkout_at,
    commit_times,
    is_dirty,
    refs_at,
    remotes_of,
)
from bob_ci.git.text import COMMIT, UNPRINTABLE
from bob_ci.git.version import highest_version

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHA256_DIGITS = 64


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from (FORMAT.md 5, annotations).

    Attributes:
        source: `https://HOST/PATH` without credentials and `.git`, None where there is none.
        revision: `BRANCH@sha1:COMMIT` (`sha256:` in a SHA-256 repository), `-dirty` behind it if dirty.
        created: RFC 3339 in UTC: SOURCE_DATE_EPOCH, else the commit's time, else the epoch; never the clock.
        commit: the full hash.
        branch: the name before the `@` of the revision.
        version_tag: the highest semantic version among the tags that point at the commit, as written in git.
        dirty: whether the bundle may differ from the commit.
        notices: what was chosen or could not be known, one sentence each.
    """

    source: str | None
    revision: str | None
    created: str
    commit: str | None
    branch: str | None
    version_tag: str | None
    dirty: bool
    notices: tuple[str, ...]


def describe(path: Path, environ: Mapping[str, str]) -> Origin:
    """Find the origin of the bundle at `path`, from git and from the CI system's variables (FORMAT.md 5).

    Raises:
        InputError: SOURCE_DATE_EPOCH is no integer.
        MissingExtraError: GitPython is not installed.
    """
    stamp = _source_date_epoch(environ)
    variables, refused = ci_variables(environ)
    claims = [claim for claim in (github(variables), gitlab(variables)) if claim]
    checkout = checkout_at(path)
    claim, doubts = believed(claims, checkout.head)
    notices = (*refused, *checkout.notices, *doubts, *(claim.notices if claim else ()))
    if checkout.git is None or checkout.head is None:
        return _without_commit(checkout, claim, stamp, notices)
    return _with_commit(checkout.git, checkout.head, claim, stamp, notices)


def _without_commit(
    checkout: Checkout, claim: Claim | None, stamp: str | None, notices: tuple[str, ...]
) -> Origin:
    """The origin where git has no commit to show."""
    git = checkout.git
    if git:
        claim = None  # HEAD, which is none, wins
    source, source_notices = _source(remotes_of(git) if git else {}, claim)
    dirty, dirty_notices = is_dirty(git) if git else (False, ())
    commit, branch = _claimed_commit(claim), _claimed_branch(claim, None)
    if commit and claim:
        notices = (*notices, f"the revision is what {claim.system} says")
        branch = branch or "HEAD"
    if not stamp:
        notices = (*notices, "the time of the commit is not known: created is 1970")
    return Origin(
        source=source,
        revision=_revision(branch, commit, dirty=False) if branch and commit else None,
        created=stamp or _rfc3339(0),
        commit=commit,
        branch=branch if commit else None,
        version_tag=None,
        dirty=dirty,
        notices=(*notices, *source_notices, *dirty_notices),
    )


def _with_commit(
    git: Git, head: str, claim: Claim | None, stamp: str | None, notices: tuple[str, ...]
) -> Origin:
    commit = claim.head if claim and claim.is_merge and claim.head else head
    if commit != head:
        notices = (*notices, f"the commit is the head of the pull request, not the merge {head}")
    refs = refs_at(git, commit)
    branch, branch_notices = _branch(claim, refs, head)
    created, created_notices = (stamp, ()) if stamp else _created(git, commit, head)
    source, source_notices = _source(remotes_of(git), claim)
    dirty, dirty_notices = is_dirty(git)
    return Origin(
        source=source,
        revision=_revision(branch, commit, dirty=dirty),
        created=created,
        commit=commit,
        branch=branch,
        version_tag=highest_version(refs.tags),
        dirty=dirty,
        notices=(*notices, *refs.notices, *branch_notices, *created_notices, *source_notices, *dirty_notices),
    )


def _claimed_commit(claim: Claim | None) -> str | None:
    if claim is None:
        return None
    commit = claim.head if claim.is_merge else claim.checkout
    return commit if commit and COMMIT.fullmatch(commit) else None


def _claimed_branch(claim: Claim | None, head: str | None) -> str | None:
    if claim is None:
        return None
    return claim.head_branch if head and head == claim.head else claim.branch


def _branch(claim: Claim | None, refs: Refs, head: str) -> tuple[str, tuple[str, ...]]:
    """The name before the @, first that applies."""
    claimed = _claimed_branch(claim, head)
    if claim and claimed and claimed != refs.current:
        return claimed, (f"the branch {claimed} is what {claim.system} says",)
    if refs.current:
        return refs.current, ()
    version = highest_version(refs.tags)
    for kind, names in (
        ("tag", (version,) if version else refs.tags),
        ("branch", refs.branches),
        ("branch of origin", refs.remote_branches),
    ):
        if names:
            return names[0], (f"HEAD is detached: it is named by the {kind} {names[0]}",)
    return "HEAD", ("HEAD is detached, and no tag or branch points at it",)


def _created(git: Git, commit: str, head: str) -> tuple[str, tuple[str, ...]]:
    # In a partial clone, git stops at the commit that it may not fetch.
    times = commit_times(git, sorted({commit, head})) or commit_times(git, [head])
    try:
        if commit in times:
            return _rfc3339(times[commit]), ()
        return _rfc3339(times[head]), (f"the clone lacks {commit}: created is the time of {head}",)
    except (KeyError, OverflowError):
        return _rfc3339(0), ("the time of the commit cannot be read: created is 1970",)


def _source(remotes: Mapping[str, str], claim: Claim | None) -> tuple[str | None, tuple[str, ...]]:
    source = https_source(remotes.get("origin", ""))
    if source:
        return source, ()
    why = "the remote origin is on no server" if "origin" in remotes else "there is no remote origin"
    if claim and claim.source:
        return claim.source, (f"{why}: the source is what {claim.system} says",)
    others = [name for name in remotes if name != "origin"]
    source = https_source(remotes[others[0]]) if len(others) == 1 else None
    if source:
        return source, (f"{why}: the source is the remote {UNPRINTABLE.sub('?', others[0])}",)
    return None, (f"{why}: the source is not known",)


def _source_date_epoch(environ: Mapping[str, str]) -> str | None:
    """The time that SOURCE_DATE_EPOCH asks for (reproducible-builds.org)."""
    text = environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    try:
        if re.fullmatch("-?[0-9]+", text):
            return _rfc3339(int(text))
    except (OverflowError, ValueError):
        pass
    raise InputError(
        f"SOURCE_DATE_EPOCH: no time in seconds: {text[:40]!a}",
        hint="SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
    )


def _rfc3339(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def _revision(branch: str, commit: str, *, dirty: bool) -> str:
    algorithm = "sha256" if len(commit) == _SHA256_DIGITS else "sha1"
    return f"{branch}@{algorithm}:{commit}{'-dirty' if dirty else ''}"
