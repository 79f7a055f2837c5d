"""Git's own words about the repository around a bundle.

Git is asked through GitPython's command wrapper alone, as its object model cannot read SHA-256 repositories.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from bob_ci.errors import MissingExtraError
from bob_ci.git.text import COMMIT, UNPRINTABLE

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
class Git:
    """Git at one directory. Every question is a process, and costs milliseconds."""

    directory: Path
    target: str  # the bundle, seen from the directory

    def ask(self, *arguments: str) -> _Reply:
        """Run git, and give its status, output and errors."""
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


class Checkout(NamedTuple):
    """The repository around a bundle: none, one without a commit, or one with a HEAD."""

    git: Git | None
    head: str | None
    notices: tuple[str, ...] = ()


def checkout_at(path: Path) -> Checkout:
    """The repository around a path."""
    git = _git_at(path)
    try:
        reply = git.ask("rev-parse", "--is-inside-work-tree", "HEAD")
    except _GitNotFoundError:
        return Checkout(None, None, ("git was not found: nothing is known of a repository",))
    inside, _, rest = reply.output.partition("\n")
    if inside == "true":
        head = rest.strip()
        if COMMIT.fullmatch(head):
            return Checkout(git, head)
        return Checkout(git, None, ("the git repository has no commit yet",))
    if inside == "false":
        return Checkout(None, None, ("the bundle is in no working tree of the git repository around it",))
    if "not a git repository" in reply.error:
        return Checkout(None, None, ("the bundle is in no git repository",))
    return Checkout(None, None, (f"the git repository cannot be read: {_first_line(reply.error)}",))


def _git_at(path: Path) -> Git:
    """Git at the bundle, or at the nearest parent that exists."""
    place = Path(os.path.realpath(path))  # Path.resolve raises at a loop of links
    while not _holds(place.exists) and place != place.parent:
        place = place.parent
    return Git(place, ".") if _holds(place.is_dir) else Git(place.parent, place.name)


def commit_times(git: Git, commits: Sequence[str]) -> dict[str, int]:
    """The times of those of the commits that the clone has."""
    reply = git.ask("rev-list", "--no-walk=unsorted", "--ignore-missing", "--timestamp", *commits)
    pairs = (line.partition(" ") for line in reply.output.splitlines())
    return {commit: int(stamp) for stamp, _, commit in pairs}


def _first_line(text: str) -> str:
    return UNPRINTABLE.sub("?", text.strip().partition("\n")[0])


class Refs(NamedTuple):
    """The names of one commit, sorted as git sorts them."""

    current: str | None
    tags: tuple[str, ...]
    branches: tuple[str, ...]
    remote_branches: tuple[str, ...]
    notices: tuple[str, ...]


def refs_at(git: Git, commit: str) -> Refs:
    """The tags and branches that point at a commit."""
    fields = "%(refname)%00%(HEAD)%00%(symref)"
    kinds = {"tags": "refs/tags/", "branches": "refs/heads/", "remote_branches": "refs/remotes/origin/"}
    reply = git.ask("for-each-ref", f"--points-at={commit}", f"--format={fields}", *kinds.values())
    refs = [line.split("\0") for line in reply.output.split("\n") if line]
    good = [ref for ref in refs if not UNPRINTABLE.search(ref[0])]
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
    return Refs(current, names["tags"], names["branches"], names["remote_branches"], odd)


def remotes_of(git: Git) -> dict[str, str]:
    """The addresses of the remotes as they are written: the last of a name wins, as in `git config --get`."""
    reply = git.ask("config", "--null", "--get-regexp", r"^remote\..*\.url$")
    entries = (entry.partition("\n") for entry in reply.output.split("\0") if entry)
    return {key.removeprefix("remote.").removesuffix(".url"): url for key, _, url in entries}


def is_dirty(git: Git) -> tuple[bool, tuple[str, ...]]:
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
