"""What CI systems say about the checkout: GitHub and GitLab, by their variables and event files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bob_ci.git.remote import https_source
from bob_ci.git.text import COMMIT, UNPRINTABLE

_CI_VARIABLES = (
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "GITHUB_HEAD_REF",
    "GITHUB_REF",
    "GITHUB_REF_NAME",
    "GITHUB_REPOSITORY",
    "GITHUB_SERVER_URL",
    "GITHUB_SHA",
    "CI_COMMIT_BRANCH",
    "CI_COMMIT_REF_NAME",
    "CI_COMMIT_SHA",
    "CI_COMMIT_TAG",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA",
    "CI_PROJECT_URL",
)


class Claim(NamedTuple):
    """What a CI system says about its checkout."""

    system: str
    checkout: str | None  # the commit that it checked out
    branch: str | None  # the name of that
    head: str | None = None  # the head commit of the pull request
    head_branch: str | None = None
    is_merge: bool = False  # the checkout is the head, merged into the target for a trial
    source: str | None = None
    notices: tuple[str, ...] = ()


class _PullRequest(NamedTuple):
    head: str | None = None
    branch: str | None = None
    notices: tuple[str, ...] = ()


def ci_variables(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables of CI systems that have a usable value; and a notice for each refused one."""
    given = {name: environ[name] for name in _CI_VARIABLES if environ.get(name)}
    refused = [name for name, value in given.items() if UNPRINTABLE.search(value)]
    notices = tuple(f"{name} is not used: it has control characters" for name in refused)
    return {name: value for name, value in given.items() if name not in refused}, notices


def github(variables: Mapping[str, str]) -> Claim | None:
    """What GitHub says about the checkout; None outside of it."""
    ref_name, head_ref = variables.get("GITHUB_REF_NAME"), variables.get("GITHUB_HEAD_REF")
    checkout = variables.get("GITHUB_SHA")
    if not (ref_name or head_ref or checkout):
        return None
    request = _pull_request(variables)
    head_branch = head_ref or request.branch
    # pull_request_target and merged pull requests name the head, but check out the target.
    is_target = variables.get("GITHUB_EVENT_NAME") == "pull_request_target" or not (
        variables.get("GITHUB_REF", "refs/pull/").startswith("refs/pull/")
    )
    server, repository = variables.get("GITHUB_SERVER_URL"), variables.get("GITHUB_REPOSITORY")
    return Claim(
        system="GitHub",
        checkout=checkout,
        branch=ref_name if is_target else head_branch or ref_name,
        head=request.head,
        head_branch=head_branch,
        is_merge=bool(request.head) and not is_target,
        source=https_source(f"{server}/{repository}") if server and repository else None,
        notices=request.notices,
    )


def _pull_request(variables: Mapping[str, str]) -> _PullRequest:
    """The head of the pull request that the event file tells of."""
    file = variables.get("GITHUB_EVENT_PATH")
    if not file:
        return _PullRequest()
    try:
        event = json.loads(Path(file).read_bytes())
    except (OSError, ValueError, RecursionError):
        return _PullRequest(
            notices=("GITHUB_EVENT_PATH cannot be read: the head of a pull request is not known",)
        )
    request = event.get("pull_request") if isinstance(event, dict) else None
    if request is None and isinstance(event, dict) and "GITHUB_HEAD_REF" not in variables:
        return _PullRequest()
    head = request.get("head") if isinstance(request, dict) else None
    sha, ref = (head.get("sha"), head.get("ref")) if isinstance(head, dict) else (None, None)
    branch = ref if isinstance(ref, str) and ref and not UNPRINTABLE.search(ref) else None
    if isinstance(sha, str) and COMMIT.fullmatch(sha):
        return _PullRequest(sha, branch)
    return _PullRequest(None, branch, ("GITHUB_EVENT_PATH names no head commit of a pull request",))


def gitlab(variables: Mapping[str, str]) -> Claim | None:
    """What GitLab says about the checkout; None outside of it."""
    names = ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_TAG", "CI_COMMIT_BRANCH", "CI_COMMIT_REF_NAME")
    branch = next((variables[name] for name in names if name in variables), None)
    checkout = variables.get("CI_COMMIT_SHA")
    if not (branch or checkout):
        return None
    head = variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")  # in pipelines of merged results alone
    odd = head is not None and not COMMIT.fullmatch(head)
    return Claim(
        system="GitLab",
        checkout=checkout,
        branch=branch,
        head=None if odd else head,
        head_branch=branch,
        is_merge=bool(head) and not odd,
        source=https_source(variables.get("CI_PROJECT_URL", "")),
        notices=("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA is no commit",) if odd else (),
    )


def believed(claims: Sequence[Claim], head: str | None) -> tuple[Claim | None, tuple[str, ...]]:
    """The first claim that speaks of the commit that is checked out, and what is said against the others."""
    doubts: list[str] = []
    for claim in claims:
        spoken = [commit for commit in (claim.checkout, claim.head) if commit]
        if head is None or head in spoken:
            return claim, tuple(doubts)
        if not spoken:
            return claim, (*doubts, f"{claim.system} names no commit: its branch is taken unchecked")
        doubts.append(f"HEAD is {head}, {claim.system} speaks of {' and '.join(spoken)}: HEAD wins")
    return None, tuple(doubts)
