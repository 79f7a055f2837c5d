"""The origin of a bundle: which repository, which commit, and when (FORMAT.md 5).

Git is asked through GitPython's command wrapper alone, as its object model cannot read SHA-256 repositories.
All that git or a CI system says is untrusted text: what holds control characters counts as absent.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from urllib.parse import quote

from bob_ci.errors import InputError, MissingExtraError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Control characters, line separators, bidirectional controls, and bytes that were no UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256_DIGITS = 64
_REVISION = re.compile(
    r"(?P<branch>.*)@(?:sha1:(?P<sha1>[0-9a-fA-F]{4,40})|sha256:(?P<sha256>[0-9a-fA-F]{4,64}))(-dirty)?"
)
_SEMVER = re.compile(
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)


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
    variables, refused = _ci_variables(environ)
    claims = [claim for claim in (_github(variables), _gitlab(variables)) if claim]
    checkout = _checkout(path)
    claim, doubts = _believed(claims, checkout.head)
    notices = (*refused, *checkout.notices, *doubts, *(claim.notices if claim else ()))
    if checkout.git is None or checkout.head is None:
        return _without_commit(checkout, claim, stamp, notices)
    return _with_commit(checkout.git, checkout.head, claim, stamp, notices)


def with_flags(origin: Origin, *, source: str | None, revision: str | None) -> Origin:
    """Let `--source` and `--revision` win over what git says (FORMAT.md 5).

    Only these two values change: commit, branch, tag and dirty go on to describe the checkout.

    Raises:
        InputError: control characters, a revision of another form, or an address that cannot be read.
    """
    if source is not None:
        origin = _with_source(origin, source)
    return origin if revision is None else _with_revision(origin, revision)


def https_source(url: str) -> str | None:
    """Write the address of a remote as `https://HOST/PATH`; None for a local path or what is no address."""
    url = url.strip(" ")
    odd = len(url) > _LONGEST_URL or "\\" in url or _UNPRINTABLE.search(url)
    remote = None if odd else _parse_remote(_USERINFO.sub(r"\1", url))
    if remote is None:
        return None
    host = _SSH_HOSTS.get(remote.host, remote.host) if remote.port is None else remote.host
    path = _PATH_END.sub("", remote.path.lstrip("/"))
    if not path or remote.host in _NO_HOSTS or _ODD_USERINFO.search(path):
        return None
    port = f":{remote.port}" if remote.port else ""
    return f"https://{host}{port}/{quote(path, safe=_PATH_CHARACTERS)}"


# --- git -------------------------------------------------------------------------------------------------

# What says where git and its configuration are; all else that a hook sets is about another repository
# (pre-commit/pre-commit#300).
_KEPT_VARIABLES = {
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_EXEC_PATH",
    "GIT_PYTHON_GIT_EXECUTABLE",
}
_GIT_VARIABLES = {
    "GIT_PYTHON_REFRESH": "quiet",  # importing GitPython without git raises otherwise
    "GIT_OPTIONAL_LOCKS": "0",  # status would write the index, as root in a container
    "GIT_NO_REPLACE_OBJECTS": "1",  # local to one clone
    "GIT_NO_LAZY_FETCH": "1",  # a partial clone would go online; before git 2.45 the next line stops it
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_LITERAL_PATHSPECS": "1",
}
_ENVIRONMENT_LOCK = Lock()


class _Reply(NamedTuple):
    status: int
    output: str
    error: str


class _GitNotFoundError(Exception):
    """The git program cannot be started."""


@dataclass(frozen=True)
class _Git:
    """Git at one directory. Every question is a process, and costs milliseconds."""

    directory: Path
    target: str  # the bundle, seen from the directory

    def ask(self, *arguments: str) -> _Reply:
        with _git_environment(self.directory):
            try:
                from git import Git, GitCommandNotFound
            except ImportError as error:
                raise MissingExtraError("GitPython", "git") from error
            # -C, as GitPython takes the current directory for one that it cannot enter.
            command = [str(Git.GIT_PYTHON_GIT_EXECUTABLE), "-C", str(self.directory), *arguments]
            try:
                status, output, error_text = Git().execute(
                    command, with_extended_output=True, with_exceptions=False, stdout_as_string=False
                )
            except (GitCommandNotFound, OSError) as error:
                raise _GitNotFoundError from error
        return _Reply(int(status), bytes(output).decode(errors="surrogateescape"), str(error_text))


@contextmanager
def _git_environment(directory: Path) -> Iterator[None]:
    """Give child processes our GIT_* variables: GitPython can add to the environment, not take away."""
    settings = {"core.fsmonitor": "false"}  # names a program to run
    if root := _work_tree(directory):
        # A mounted workspace belongs to somebody else (actions/runner#2033).
        settings["safe.directory"] = str(root)
    ours = _GIT_VARIABLES | {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        ours |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    with _ENVIRONMENT_LOCK:
        theirs = {name: value for name, value in os.environ.items() if name.startswith("GIT_")}
        try:
            _replace_git_variables({name: theirs[name] for name in theirs.keys() & _KEPT_VARIABLES} | ours)
            yield
        finally:
            _replace_git_variables(theirs)


def _replace_git_variables(variables: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]
    os.environ.update(variables)


def _work_tree(directory: Path) -> Path | None:
    """The directory whose owner git looks at, found as git finds it."""
    for candidate in (directory, *directory.parents):
        if _holds((candidate / ".git").is_file) or _holds((candidate / ".git" / "HEAD").is_file):
            return candidate
    return None


def _holds(test: Callable[[], bool]) -> bool:
    """A test of a path that may lie in a directory closed to us."""
    try:
        return test()
    except OSError:
        return False


class _Checkout(NamedTuple):
    """The repository around a bundle: none, one without a commit, or one with a HEAD."""

    git: _Git | None
    head: str | None
    notices: tuple[str, ...] = ()


def _checkout(path: Path) -> _Checkout:
    git = _git_at(path)
    try:
        reply = git.ask("rev-parse", "--is-inside-work-tree", "HEAD")
    except _GitNotFoundError:
        return _Checkout(None, None, ("git was not found: nothing is known of a repository",))
    inside, _, rest = reply.output.partition("\n")
    if inside == "true":
        head = rest.strip()
        if _COMMIT.fullmatch(head):
            return _Checkout(git, head)
        return _Checkout(git, None, ("the git repository has no commit yet",))
    if inside == "false":
        return _Checkout(None, None, ("the bundle is in no working tree of the git repository around it",))
    if "not a git repository" in reply.error:
        return _Checkout(None, None, ("the bundle is in no git repository",))
    return _Checkout(None, None, (f"the git repository cannot be read: {_first_line(reply.error)}",))


def _git_at(path: Path) -> _Git:
    """Git at the bundle, or at the nearest parent that exists."""
    place = Path(os.path.realpath(path))  # Path.resolve raises at a loop of links
    while not _holds(place.exists) and place != place.parent:
        place = place.parent
    return _Git(place, ".") if _holds(place.is_dir) else _Git(place.parent, place.name)


def _commit_times(git: _Git, commits: Sequence[str]) -> dict[str, int]:
    """The times of those of the commits that the clone has."""
    reply = git.ask("rev-list", "--no-walk=unsorted", "--ignore-missing", "--timestamp", *commits)
    pairs = (line.partition(" ") for line in reply.output.splitlines())
    return {commit: int(stamp) for stamp, _, commit in pairs}


def _first_line(text: str) -> str:
    return _UNPRINTABLE.sub("?", text.strip().partition("\n")[0])


class _Refs(NamedTuple):
    """The names of one commit, sorted as git sorts them."""

    current: str | None
    tags: tuple[str, ...]
    branches: tuple[str, ...]
    remote_branches: tuple[str, ...]
    notices: tuple[str, ...]


def _refs(git: _Git, commit: str) -> _Refs:
    fields = "%(refname)%00%(HEAD)%00%(symref)"
    kinds = {"tags": "refs/tags/", "branches": "refs/heads/", "remote_branches": "refs/remotes/origin/"}
    reply = git.ask("for-each-ref", f"--points-at={commit}", f"--format={fields}", *kinds.values())
    refs = [line.split("\0") for line in reply.output.split("\n") if line]
    good = [ref for ref in refs if not _UNPRINTABLE.search(ref[0])]
    odd = ("a branch or tag is not used: its name has control characters",) if len(good) < len(refs) else ()
    # A symbolic ref such as origin/HEAD is another name's name.
    names = {
        kind: tuple(
            name.removeprefix(prefix)
            for name, _, symbolic in good
            if name.startswith(prefix) and not symbolic
        )
        for kind, prefix in kinds.items()
    }
    current = next((name.removeprefix("refs/heads/") for name, mark, _ in good if mark == "*"), None)
    return _Refs(current, names["tags"], names["branches"], names["remote_branches"], odd)


def _remotes(git: _Git) -> dict[str, str]:
    """The addresses of the remotes as they are written: the last of a name wins, as in `git config --get`."""
    reply = git.ask("config", "--null", "--get-regexp", r"^remote\..*\.url$")
    entries = (entry.partition("\n") for entry in reply.output.split("\0") if entry)
    return {key.removeprefix("remote.").removesuffix(".url"): url for key, _, url in entries}


def _dirty(git: _Git) -> tuple[bool, tuple[str, ...]]:
    """Whether tracked files changed anywhere, or files appeared within the bundle."""
    status = ("status", "--porcelain", "-z", "--no-renames")
    tracked = git.ask(*status, "--untracked-files=no", "--ignore-submodules=untracked")
    bundle = tracked
    if tracked.status == 0 and not tracked.output:
        bundle = git.ask(*status, "--untracked-files=normal", "--ignore-submodules=none", "--", git.target)
    if bundle.status:
        return True, (f"git status failed, the tree counts as dirty: {_first_line(bundle.error)}",)
    if bundle.output:
        return True, ("the working tree has changes that are in no commit",)
    return False, ()


# --- CI systems ------------------------------------------------------------------------------------------

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


class _Claim(NamedTuple):
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


def _ci_variables(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables of CI systems that have a usable value; and a notice for each refused one."""
    given = {name: environ[name] for name in _CI_VARIABLES if environ.get(name)}
    refused = [name for name, value in given.items() if _UNPRINTABLE.search(value)]
    notices = tuple(f"{name} is not used: it has control characters" for name in refused)
    return {name: value for name, value in given.items() if name not in refused}, notices


def _github(variables: Mapping[str, str]) -> _Claim | None:
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
    return _Claim(
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
    branch = ref if isinstance(ref, str) and ref and not _UNPRINTABLE.search(ref) else None
    if isinstance(sha, str) and _COMMIT.fullmatch(sha):
        return _PullRequest(sha, branch)
    return _PullRequest(None, branch, ("GITHUB_EVENT_PATH names no head commit of a pull request",))


def _gitlab(variables: Mapping[str, str]) -> _Claim | None:
    names = ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_TAG", "CI_COMMIT_BRANCH", "CI_COMMIT_REF_NAME")
    branch = next((variables[name] for name in names if name in variables), None)
    checkout = variables.get("CI_COMMIT_SHA")
    if not (branch or checkout):
        return None
    head = variables.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA")  # in pipelines of merged results alone
    odd = head is not None and not _COMMIT.fullmatch(head)
    return _Claim(
        system="GitLab",
        checkout=checkout,
        branch=branch,
        head=None if odd else head,
        head_branch=branch,
        is_merge=bool(head) and not odd,
        source=https_source(variables.get("CI_PROJECT_URL", "")),
        notices=("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA is no commit",) if odd else (),
    )


def _believed(claims: Sequence[_Claim], head: str | None) -> tuple[_Claim | None, tuple[str, ...]]:
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


# --- the choice ------------------------------------------------------------------------------------------


def _without_commit(
    checkout: _Checkout, claim: _Claim | None, stamp: str | None, notices: tuple[str, ...]
) -> Origin:
    """The origin where git has no commit to show."""
    git = checkout.git
    if git:
        claim = None  # HEAD, which is none, wins
    source, source_notices = _source(_remotes(git) if git else {}, claim)
    dirty, dirty_notices = _dirty(git) if git else (False, ())
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
    git: _Git, head: str, claim: _Claim | None, stamp: str | None, notices: tuple[str, ...]
) -> Origin:
    commit = claim.head if claim and claim.is_merge and claim.head else head
    if commit != head:
        notices = (*notices, f"the commit is the head of the pull request, not the merge {head}")
    refs = _refs(git, commit)
    branch, branch_notices = _branch(claim, refs, head)
    created, created_notices = (stamp, ()) if stamp else _created(git, commit, head)
    source, source_notices = _source(_remotes(git), claim)
    dirty, dirty_notices = _dirty(git)
    return Origin(
        source=source,
        revision=_revision(branch, commit, dirty=dirty),
        created=created,
        commit=commit,
        branch=branch,
        version_tag=_highest_version(refs.tags),
        dirty=dirty,
        notices=(*notices, *refs.notices, *branch_notices, *created_notices, *source_notices, *dirty_notices),
    )


def _claimed_commit(claim: _Claim | None) -> str | None:
    if claim is None:
        return None
    commit = claim.head if claim.is_merge else claim.checkout
    return commit if commit and _COMMIT.fullmatch(commit) else None


def _claimed_branch(claim: _Claim | None, head: str | None) -> str | None:
    if claim is None:
        return None
    return claim.head_branch if head and head == claim.head else claim.branch


def _branch(claim: _Claim | None, refs: _Refs, head: str) -> tuple[str, tuple[str, ...]]:
    """The name before the @, first that applies."""
    claimed = _claimed_branch(claim, head)
    if claim and claimed and claimed != refs.current:
        return claimed, (f"the branch {claimed} is what {claim.system} says",)
    if refs.current:
        return refs.current, ()
    version = _highest_version(refs.tags)
    for kind, names in (
        ("tag", (version,) if version else refs.tags),
        ("branch", refs.branches),
        ("branch of origin", refs.remote_branches),
    ):
        if names:
            return names[0], (f"HEAD is detached: it is named by the {kind} {names[0]}",)
    return "HEAD", ("HEAD is detached, and no tag or branch points at it",)


def _created(git: _Git, commit: str, head: str) -> tuple[str, tuple[str, ...]]:
    # In a partial clone, git stops at the commit that it may not fetch.
    times = _commit_times(git, sorted({commit, head})) or _commit_times(git, [head])
    try:
        if commit in times:
            return _rfc3339(times[commit]), ()
        return _rfc3339(times[head]), (f"the clone lacks {commit}: created is the time of {head}",)
    except (KeyError, OverflowError):
        return _rfc3339(0), ("the time of the commit cannot be read: created is 1970",)


def _source(remotes: Mapping[str, str], claim: _Claim | None) -> tuple[str | None, tuple[str, ...]]:
    source = https_source(remotes.get("origin", ""))
    if source:
        return source, ()
    why = "the remote origin is on no server" if "origin" in remotes else "there is no remote origin"
    if claim and claim.source:
        return claim.source, (f"{why}: the source is what {claim.system} says",)
    others = [name for name in remotes if name != "origin"]
    source = https_source(remotes[others[0]]) if len(others) == 1 else None
    if source:
        return source, (f"{why}: the source is the remote {_UNPRINTABLE.sub('?', others[0])}",)
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


# --- remotes ---------------------------------------------------------------------------------------------

_LONGEST_URL = 4096
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
# A password that is not at its place, or in an address within the address, as of a proxy.
_ODD_USERINFO = re.compile(r"[^/@]:[^/]*@|/.*https?:/.*@|://[^/?#]*[?#].*@", re.IGNORECASE)
_HOST = r"\[[0-9a-f:.]+\]|[^][/?#@:\\%\s-][^][/?#@:\\%\s]*"
_REST = r"(?:[?#].*)?"
_URL = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    rf"(?P<host>{_HOST})(?::(?P<port>[0-9]{{0,5}}))?(?:/(?P<path>[^?#]*))?{_REST}",
    re.IGNORECASE,
)
# A host of one letter is a drive of Windows; a second colon, a remote helper of git.
_SCP = re.compile(
    rf"(?:(?P<user>[^@/:]+@)|(?![a-z]:))(?P<host>{_HOST}):(?P<path>[^:?#][^?#]*){_REST}",
    re.IGNORECASE,
)
_PATH_END = re.compile(r"(?:/|\.git)+$")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
_WEB = {"http", "https", "git+http", "git+https"}
_SHELL = {"ssh", "git", "git+ssh", "ssh+git"}
# `https:/host/path` and `https://https://host/path` are slips of the pen.
_NO_HOSTS = {"file", "http", "https", "ssh"}
_HTTP_PORT = 80
# Where forges accept ssh on port 443; the repository is at the other name.
_SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


class _Remote(NamedTuple):
    host: str
    port: int | None  # of the web server, if not the usual one
    path: str


def _parse_remote(url: str) -> _Remote | None:
    if "://" in url:
        match = _URL.fullmatch(url)
        return _remote_of_url(match) if match and not _ODD_USERINFO.search(url) else None
    match = _SCP.fullmatch(url)
    # `user:password@host:path` reads as a host `user`.
    if not match or (not match["user"] and "@" in match["path"]):
        return None
    return _Remote(match["host"].lower(), None, match["path"])


def _remote_of_url(match: re.Match[str]) -> _Remote | None:
    scheme, host, path = match["scheme"].lower(), match["host"].lower(), match["path"] or ""
    if scheme in _SHELL:
        return _Remote(host, None, path)
    if scheme not in _WEB:
        return None
    port = int(match["port"] or "0")
    is_usual = port in {0, 443} or (port == _HTTP_PORT and not scheme.endswith("https"))
    return _Remote(host, None if is_usual else port, path)


def _with_source(origin: Origin, source: str) -> Origin:
    if not source:
        return _noted(origin, "--source is empty: the source is what git says")
    if len(source) > _LONGEST_URL or _UNPRINTABLE.search(source):
        raise InputError("--source: has control characters or is too long")
    # `--source "$(git config --get remote.origin.url)"` must give the digest of no flag at all.
    if origin.source and https_source(source) == origin.source:
        return origin
    bare = _without_credentials(source)
    if bare == source:
        return replace(origin, source=source)
    return _noted(replace(origin, source=bare), "--source holds credentials: they were cut off")


# A user name alone is no secret where keys open the door, unless it looks like a token.
_KNOWN_PREFIX = r"(?:gh[a-z]_|github_pat_|gl[a-z]{1,6}-)[^/?#@]*"
_HELPER = r"(?:[a-z0-9+.-]+::)?"  # gitremote-helpers(7)
_SECRETS = (
    re.compile(rf"(?i)^({_HELPER}(?:git\+)?https?://)[^/?#]*@"),
    re.compile(rf"(?i)^({_HELPER}[a-z][a-z0-9+.-]*://)(?:[^/?#]*:[^/?#]*|{_KNOWN_PREFIX})@"),
    # The same for user@host:path.
    re.compile(
        rf"(?i)^((?!{_HELPER}[a-z][a-z0-9+.-]*://))(?:[^/@:]*:.*@(?=[^/@]*:)|[^/@:]*:[^/]*@|{_KNOWN_PREFIX}@)"
    ),
    re.compile(r"(?i)([?&#;])[^=?&#;]*(?:token|secret|passw|credential|signature|api_?key)[^=?&#;]*=[^&#;]*"),
)
_SERVER_URL = re.compile(rf"(?i){_HELPER}(?:https?:|(?!file:)[a-z][a-z0-9+.-]*://)")


def _without_credentials(source: str) -> str:
    bare = source
    for secret in _SECRETS:
        bare = secret.sub(r"\1", bare)
    bare = bare if bare == source else bare.rstrip("?&#;")
    # A password with a raw slash or hash ends the host early: where it begins and ends cannot be told.
    url = _USERINFO.sub(r"\1", re.sub(f"(?i)^{_HELPER}", "", bare))
    if _SERVER_URL.match(bare) and (not _URL.fullmatch(url) or _ODD_USERINFO.search(url)):
        raise InputError(
            "--source: no address of the form https://HOST/PATH",
            hint="percent-encode the special characters of a password, or leave it out",
        )
    return bare


# --- revisions -------------------------------------------------------------------------------------------


def _with_revision(origin: Origin, revision: str) -> Origin:
    if _UNPRINTABLE.search(revision):
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


def _revision(branch: str, commit: str, *, dirty: bool) -> str:
    algorithm = "sha256" if len(commit) == _SHA256_DIGITS else "sha1"
    return f"{branch}@{algorithm}:{commit}{'-dirty' if dirty else ''}"


# --- versions --------------------------------------------------------------------------------------------


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


def _highest_version(tags: Sequence[str]) -> str | None:
    versions = [version for version in map(_version, tags) if version]
    return max(versions).tag if versions else None
