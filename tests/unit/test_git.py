from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bob_ci.errors import InputError, MissingExtraError
from bob_ci.git import Origin, describe, https_source, with_flags

TIME, TIME_TEXT = 1760724611, "2025-10-17T18:10:11Z"
OTHER = "0123456789abcdef0123456789abcdef01234567"
ORIGIN = "https://github.com/org/repo"
KNOWN = Origin(ORIGIN, f"main@sha1:{OTHER}-dirty", TIME_TEXT, OTHER, "main", None, dirty=True, notices=("n",))


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GIT_", "SUDO_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@dataclass(frozen=True)
class Repo:
    path: Path

    def git(self, *arguments: str, time: int = TIME) -> str:
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "n"), ("EMAIL", "e@x"), ("DATE", f"{time} +0530"))
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), "-c", "protocol.file.allow=always", *arguments],
            env=os.environ | who,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, file: str = "bundle/bob.yaml", text: str = "a\n", time: int = TIME) -> str:
        self.write(file, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "m", time=time)
        return self.head

    def write(self, file: str, text: str = "a\n") -> None:
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).write_text(text)

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")


def make(path: Path, *options: str, origin: str | None = f"{ORIGIN}.git") -> Repo:
    path.mkdir(parents=True, exist_ok=True)
    made = Repo(path)
    made.git("init", "-q", "-b", "main", *options)
    if origin:
        made.git("remote", "add", "origin", origin)
    return made


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = make(tmp_path / "repo")
    made.commit()
    return made


def said(origin: Origin, words: str) -> bool:
    return any(words in notice for notice in origin.notices)


# --- addresses -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://github.com/org/repo", ORIGIN),
        ("https://github.com/org/repo.git", ORIGIN),
        ("https://github.com/org/repo.git/", ORIGIN),
        ("https://github.com/org/repo/?a=b#c", ORIGIN),
        ("HTTPS://GitHub.COM/org/repo", ORIGIN),
        ("https://GitHub.com/Org/Repo", "https://github.com/Org/Repo"),
        ("https://user@github.com/org/repo", ORIGIN),
        ("https://user:token@github.com/org/repo.git", ORIGIN),
        ("https://user:to@ken@github.com/org/repo.git", ORIGIN),
        ("http://x-access-token:ghs_1@github.com/org/repo", ORIGIN),
        ("http://github.com:80/org/repo", ORIGIN),
        ("https://github.com:443/org/repo", ORIGIN),
        ("https://github.com:/org/repo", ORIGIN),
        ("https://h:8443/o/r", "https://h:8443/o/r"),
        ("http://h:3000/o/r", "https://h:3000/o/r"),
        ("git@github.com:org/repo.git", ORIGIN),
        ("git@github.com:/org/repo.git", ORIGIN),
        ("github.com:org/repo", ORIGIN),
        ("ssh://git@github.com/org/repo.git", ORIGIN),
        ("ssh://git@github.com:22/org/repo.git", ORIGIN),
        ("ssh://git@h:2222/o/r.git", "https://h/o/r"),
        ("ssh://git@ssh.github.com:443/org/repo.git", ORIGIN),
        ("git+ssh://git@github.com/org/repo.git", ORIGIN),
        ("git+https://github.com/org/repo.git", ORIGIN),
        ("git://github.com:9418/org/repo.git", ORIGIN),
        ("https://[::1]:8443/o/r", "https://[::1]:8443/o/r"),
        ("git@[::1]:o/r", "https://[::1]/o/r"),
        ("https://h/a/b/c/d.git", "https://h/a/b/c/d"),
        ("https://h/o/my repo", "https://h/o/my%20repo"),
        ("https://h/o/my%20repo", "https://h/o/my%20repo"),
        ("https://h/ö/r", "https://h/%C3%B6/r"),
        ("", None),
        ("/srv/git/repo.git", None),
        ("../repo", None),
        ("./a:b/c", None),
        ("repo", None),
        ("file:///srv/repo.git", None),
        ("file:/srv/repo.git", None),
        ("C:/repo", None),
        ("C:\\repo", None),
        ("ext::sh -c x", None),
        ("codecommit::eu-west-1://repo", None),
        ("s3://bucket/repo", None),
        ("https://github.com", None),
        ("https://github.com/", None),
        ("https:///org/repo", None),
        ("https:/user:token@h/r", None),
        ("https:user:token@h/r", None),
        ("user:token@h:o/r", None),
        ("https://user:to/ken@h/r", None),
        ("https://user:to#ken@h/r", None),
        ("https://h\\@evil/r", None),
        ("https://proxy/https://h/o/r", "https://proxy/https://h/o/r"),
        ("https://proxy/https://u:to/ken@h/o/r", None),
        ("https://h/o/r\n", None),
        ("https://h/o/\x1b[31mr", None),
        ("https://h/" + "a" * 5000, None),
    ],
)
def test_https_source(url: str, source: str | None) -> None:
    assert https_source(url) == source


SECRET = st.text(st.sampled_from("sab0/@:?#%.~ é\\"), max_size=6).map(lambda text: f"SECRET{text}")
FORMS = st.sampled_from(
    [
        "https://{}@h.example/o/r.git",
        "https://u:{}@h.example/o/r.git",
        "http://{}:x@h.example:8080/o/r",
        "ssh://{}@h.example:22/o/r",
        "git+https://u:{}@h.example/o",
        "u:{}@h.example:o/r.git",
        "https:/u:{}@h.example/o/r",
        "https://https://u:{}@h.example/o/r",
        "https://proxy.example/https://u:{}@h.example/o/r",
        "https://proxy.example/https:/{}@h.example/o/r",
    ]
)


@given(FORMS, SECRET)
@example("https://u:{}@h.example/o/r.git", "SECRET@SECRET")
def test_https_source_never_leaks_user_information(form: str, secret: str) -> None:
    assume(
        not re.match("[a-z]+://{}", form) or "/" not in secret
    )  # a host and a path, as every reader takes it
    assert "secret" not in (https_source(form.format(secret)) or "").lower()


@given(FORMS, SECRET)
def test_explicit_source_never_leaks_user_information(form: str, secret: str) -> None:
    assume(not re.match("[a-z]+://{}", form) or "/" not in secret)
    assume(not form.startswith("ssh") or ":" in secret)  # a name, where keys open the door
    try:
        shown = repr(with_flags(KNOWN, source=form.format(secret), revision=None))
    except InputError as error:
        shown = str(error)
    assert "SECRET" not in shown


@given(st.text() | st.from_regex(r"[a-z+]{3,5}://[^ ]{0,20}|[^ ]{1,8}:[^ ]{1,12}"))
@example("https://h/r.git.git")
@example("http://h:443/r")
@example("https://h:80/r")
@example("https://h/.git/ /")
def test_https_source_is_idempotent(url: str) -> None:
    once = https_source(url)
    assert once is None or https_source(once) == once


# --- what git says ---------------------------------------------------------------------------------------


def test_branch(repo: Repo) -> None:
    assert describe(repo.path / "bundle", {}) == Origin(
        source=ORIGIN,
        revision=f"main@sha1:{repo.head}",
        created=TIME_TEXT,
        commit=repo.head,
        branch="main",
        version_tag=None,
        dirty=False,
        notices=(),
    )


def names(*commands: str) -> Callable[[Repo], None]:
    """Detach, forget the branch, and run these commands of git."""

    def prepare(repo: Repo) -> None:
        for command in ("checkout -q --detach", "branch -q -D main", *commands):
            repo.git(*command.split())

    return prepare


@pytest.mark.parametrize(
    ("commands", "branch", "version"),
    [
        ([], "HEAD", None),
        (["tag v1.2.3"], "v1.2.3", "v1.2.3"),
        (["tag -a -m m 1.2.3"], "1.2.3", "1.2.3"),
        (["tag b", "tag a"], "a", None),
        (["tag a", "tag v1.10.0", "tag v1.9.0", "tag v1.10.0-rc.1"], "v1.10.0", "v1.10.0"),
        (["tag v1.0.0-rc.2", "tag v1.0.0-rc.10", "tag v1.0.0-rc"], "v1.0.0-rc.10", "v1.0.0-rc.10"),
        (["tag v1.0.0-1", "tag v1.0.0-a"], "v1.0.0-a", "v1.0.0-a"),
        (["tag 1.0.0", "tag v1.0.0"], "v1.0.0", "v1.0.0"),
        (["tag v1.0.0+1", "tag v1.0.0+2"], "v1.0.0+2", "v1.0.0+2"),
        (["tag v1.2", "tag v01.2.3", "tag v1.2.3.4", "tag chart/v1.2.3"], "chart/v1.2.3", None),
        ([f"tag v1{'0' * 200}.0.0", "tag v2.0.0"], f"v1{'0' * 200}.0.0", f"v1{'0' * 200}.0.0"),
        (["branch b", "branch a", "update-ref refs/remotes/origin/0 HEAD"], "a", None),
        (["tag t", "branch b"], "t", None),
        (["update-ref refs/remotes/origin/f/x HEAD"], "f/x", None),
        (["update-ref refs/remotes/fork/x HEAD"], "HEAD", None),
        (
            [
                "update-ref refs/remotes/origin/main HEAD",
                "symbolic-ref refs/remotes/origin/HEAD refs/remotes/origin/main",
            ],
            "main",
            None,
        ),
    ],
)
def test_detached(repo: Repo, commands: list[str], branch: str, version: str | None) -> None:
    names(*commands)(repo)
    found = describe(repo.path, {})
    assert (found.branch, found.version_tag) == (branch, version)
    assert found.revision == f"{branch}@sha1:{repo.head}"
    assert said(found, "HEAD is detached")


def test_a_branch_wins_over_its_tags_and_tags_of_other_commits_do_not_count(repo: Repo) -> None:
    repo.git("tag", "v2.0.0")
    repo.commit("bundle/x")
    repo.git("tag", "v1.0.0")
    found = describe(repo.path, {})
    assert (found.branch, found.version_tag) == ("main", "v1.0.0")


def test_nested_annotated_tag(repo: Repo) -> None:
    names("tag -a -m m v1.0.0")(repo)
    assert describe(repo.path, {}).version_tag == "v1.0.0"


@pytest.mark.parametrize("name", ["a\u202eb", "a\u2028b", b"a\xffb".decode(errors="surrogateescape")])
def test_branch_with_an_odd_name(repo: Repo, name: str) -> None:
    repo.git("branch", "-m", name)
    found = describe(repo.path, {})
    assert found.branch == "HEAD"
    assert said(found, "control characters")


@pytest.mark.parametrize("folder", ["bundle", "my bundle ö", "$HOME", "~", "*", "-x", "a\nb"])
def test_paths(tmp_path: Path, folder: str) -> None:
    repo = make(tmp_path / "spa ce é" / folder)
    head = repo.commit(f"{folder}/bob.yaml")
    for path in (
        repo.path / folder,
        repo.path / folder / "bob.yaml",
        repo.path / folder / "not" / "there",
        repo.path / folder / ("too long" * 99),
    ):
        found = describe(path, {})
        assert (found.commit, found.dirty, found.notices) == (head, False, ())
    (repo.path / ".git" / "loop").symlink_to("loop")
    assert describe(repo.path / ".git" / "loop", {}).revision is None
    repo.write(f"{folder}/new")
    assert describe(repo.path / folder, {}).dirty


def test_relative_path_and_symbolic_link(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(repo.path / "bundle")
    monkeypatch.chdir(repo.path / "bundle")
    assert describe(Path(), {}) == describe(tmp_path / "link", {}) == describe(repo.path, {})


def test_sha256_repository(tmp_path: Path) -> None:
    repo = make(tmp_path / "r", "--object-format=sha256")
    head = repo.commit()
    assert len(head) == 64
    assert describe(repo.path, {}).revision == f"main@sha256:{head}"


def test_shallow_clone_linked_worktree_and_submodule(repo: Repo, tmp_path: Path) -> None:
    head = repo.commit("bundle/second")
    repo.git("clone", "-q", "--depth=1", repo.path.as_uri(), str(tmp_path / "shallow"))
    shallow = describe(tmp_path / "shallow", {})
    assert (shallow.commit, shallow.created, shallow.source) == (head, TIME_TEXT, None)

    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    assert describe(tmp_path / "linked" / "bundle", {}).revision == f"side@sha1:{head}"

    outer = make(tmp_path / "outer", origin="https://h/outer")
    outer.git("submodule", "--quiet", "add", repo.path.as_uri(), "sub")
    outer.commit("x")
    sub = Repo(tmp_path / "outer" / "sub")
    sub.git("remote", "set-url", "origin", "git@h:inner/r.git")
    found = describe(sub.path / "bundle", {})
    assert (found.commit, found.source) == (head, "https://h/inner/r")
    assert describe(outer.path, {}).commit == outer.head


def test_repository_without_a_commit(tmp_path: Path) -> None:
    repo = make(tmp_path / "r")
    found = describe(repo.path, {"GITHUB_SHA": OTHER, "GITHUB_REF_NAME": "main"})
    assert replace(found, notices=()) == Origin(
        ORIGIN, None, "1970-01-01T00:00:00Z", None, None, None, dirty=False, notices=()
    )
    assert said(found, "no commit yet")
    repo.write("HEAD")
    assert describe(repo.path, {}).commit is None
    assert describe(repo.path, {}).dirty


@pytest.mark.parametrize("kind", ["none", "bare", "inside .git", "empty .git"])
def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    path = tmp_path / "r"
    if kind == "none":
        path.mkdir()
    elif kind == "bare":
        make(path, "--bare")
    elif kind == "inside .git":
        make(path).commit()
        path = path / ".git" / "refs"
    else:
        (path / ".git").mkdir(parents=True)
    found = describe(path, {})
    assert replace(found, notices=()) == Origin(
        None, None, "1970-01-01T00:00:00Z", None, None, None, dirty=False, notices=()
    )
    assert said(found, "the bundle is in no")
    assert said(found, "created is 1970")


def test_broken_repository(repo: Repo) -> None:
    (repo.path / ".git" / "config").write_text("[\x1b[31m")
    found = describe(repo.path, {})
    assert found.revision is None
    assert said(found, "the git repository cannot be read: fatal")
    assert all(notice.isprintable() for notice in found.notices)


def test_broken_index_counts_as_dirty(repo: Repo) -> None:
    (repo.path / ".git" / "index").write_bytes(b"x")
    found = describe(repo.path, {})
    assert found.dirty
    assert said(found, "git status failed")


# --- sources of a repository -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remotes", "source", "notice"),
    [
        ({"origin": "git@github.com:org/repo.git", "fork": "https://h/f"}, ORIGIN, None),
        ({}, None, "there is no remote origin: the source is not known"),
        ({"up": "https://h/u"}, "https://h/u", "the source is the remote up"),
        ({"up": "https://h/u", "fork": "https://h/f"}, None, "the source is not known"),
        ({"origin": "/srv/r"}, None, "the remote origin is on no server"),
        ({"origin": "/srv/r", "up": "https://h/u"}, "https://h/u", "the source is the remote up"),
        ({"origin": "https://u:SECRET@h/r"}, "https://h/r", None),
        ({"origin": "https://u:SE/CRET@h/r"}, None, "the source is not known"),
        ({"a.url": "https://h/u"}, "https://h/u", "the source is the remote a.url"),
    ],
)
def test_source(tmp_path: Path, remotes: dict[str, str], source: str | None, notice: str | None) -> None:
    repo = make(tmp_path / "r", origin=None)
    repo.commit()
    for name, url in remotes.items():
        repo.git("config", f"remote.{name}.url", url)
    found = describe(repo.path, {})
    assert found.source == source
    assert said(found, notice) if notice else found.notices == ()
    assert "SECRET" not in repr(found)


def test_source_is_the_raw_and_last_value(repo: Repo) -> None:
    repo.git("config", "url.https://evil/.insteadOf", "https://github.com/")
    assert describe(repo.path, {}).source == ORIGIN
    repo.git("config", "--add", "remote.origin.url", "https://h/last")
    assert describe(repo.path, {}).source == "https://h/last"


# --- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
@pytest.mark.parametrize(
    ("epoch", "created"),
    [
        (None, TIME_TEXT),
        ("", TIME_TEXT),
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("-60000000000", "0068-09-03T13:20:00Z"),
    ],
)
def test_created(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, zone: str, epoch: str | None, created: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    assert describe(repo.path, {} if epoch is None else {"SOURCE_DATE_EPOCH": epoch}).created == created


@pytest.mark.parametrize("epoch", ["1.5", "now", " 1", "1_0", "\u0661", "1e3", "9" * 20, "9" * 5000, "1\n"])
def test_source_date_epoch_that_is_no_time(tmp_path: Path, epoch: str) -> None:
    with pytest.raises(InputError, match="SOURCE_DATE_EPOCH") as caught:
        describe(tmp_path, {"SOURCE_DATE_EPOCH": epoch})
    assert len(str(caught.value)) < 200


def test_replaced_commits_do_not_count(repo: Repo) -> None:
    first = repo.head
    second = repo.commit("x", time=TIME + 99)
    repo.git("replace", second, first)
    assert describe(repo.path, {}).created == "2025-10-17T18:11:50Z"


@pytest.mark.parametrize(
    ("time", "created"), [("253402300800", "1970-01-01T00:00:00Z"), ("0", "1970-01-01T00:00:00Z")]
)
def test_odd_time_of_a_commit(repo: Repo, time: str, created: str) -> None:
    text = repo.git("cat-file", "-p", "HEAD").replace(str(TIME), time)
    (repo.path.parent / "commit").write_text(text + "\n")
    made = repo.git("hash-object", "--literally", "-t", "commit", "-w", str(repo.path.parent / "commit"))
    repo.git("reset", "-q", "--hard", made)
    found = describe(repo.path, {})
    assert (found.commit, found.created) == (made, created)
    assert said(found, "time of the commit cannot be read") is (time != "0")


# --- dirty -----------------------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Repo:
    made = make(tmp_path / "full")
    made.write(".gitignore", "*.log\n")
    made.write("other/file")
    made.write("untracked-here/.gitignore", "*\n!.gitignore\n")
    made.commit()
    return made


def remove(repo: Repo) -> None:
    (repo.path / "other/file").unlink()


def stage(repo: Repo) -> None:
    repo.write("other/new")
    repo.git("add", "other/new")


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        (lambda repo: repo.write("bundle/bob.yaml", "changed\n"), True),
        (lambda repo: repo.write("other/file", "changed\n"), True),
        (lambda repo: repo.git("mv", "other/file", "other/moved"), True),
        (remove, True),
        (stage, True),
        (lambda repo: repo.write("bundle/new"), True),
        (lambda repo: repo.write("bundle/deep/er/new"), True),
        (lambda repo: repo.write("bundle/x.log"), False),
        (lambda repo: repo.write("other/new"), False),
        (lambda repo: repo.write("new"), False),
        (lambda repo: repo.write("bundle-2/new"), False),
        (lambda repo: (repo.path / "bundle/empty").mkdir(), False),
        (lambda repo: os.utime(repo.path / "bundle/bob.yaml", (1, 1)), False),
        (lambda repo: repo.git("config", "status.showUntrackedFiles", "all") and None, False),
    ],
)
def test_dirty(full: Repo, change: Callable[[Repo], object], dirty: bool) -> None:  # noqa: FBT001
    change(full)
    index = (full.path / ".git/index").stat()
    found = describe(full.path / "bundle", {})
    assert found.dirty is dirty
    assert found.revision == f"main@sha1:{full.head}" + ("-dirty" if dirty else "")
    assert said(found, "changes") is dirty
    assert (full.path / ".git/index").stat().st_mtime_ns == index.st_mtime_ns


def test_untracked_folder_beside_the_bundle(full: Repo) -> None:
    (full.path / "new/bundle").mkdir(parents=True)
    full.write("new/other")
    assert not describe(full.path / "new/bundle", {}).dirty
    full.write("new/bundle/bob.yaml")
    assert describe(full.path / "new/bundle", {}).dirty


@pytest.mark.parametrize(
    ("file", "text", "at", "dirty"),
    [
        ("sub/bundle/bob.yaml", "changed\n", "other", True),
        ("sub/new", "new\n", "other", False),
        ("sub/new", "new\n", "sub/..", True),
        ("sub/new", "new\n", "sub/bundle", False),
    ],
)
def test_dirty_submodule(repo: Repo, full: Repo, file: str, text: str, at: str, dirty: bool) -> None:  # noqa: FBT001, PLR0913, PLR0917
    full.git("submodule", "--quiet", "add", repo.path.as_uri(), "sub")
    full.commit("x")
    assert not describe(full.path, {}).dirty
    full.write(file, text)
    assert describe(full.path / at, {}).dirty is dirty


# --- the environment -------------------------------------------------------------------------------------


def test_variables_of_a_hook_do_not_leak(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make(tmp_path / "other", origin="https://h/other")
    other.commit("x")
    hook = {
        "GIT_DIR": str(other.path / ".git"),
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": str(other.path / ".git/index"),
        "GIT_PREFIX": "x/",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "remote.origin.url",
        "GIT_CONFIG_VALUE_0": "https://h/leak",
        "GIT_CONFIG_PARAMETERS": "'remote.origin.url=https://h/leak'",
        "GIT_PYTHON_REFRESH": "raise",
        "GIT_NAMESPACE": "x",
    }
    expected = describe(repo.path, {})
    for name, value in hook.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    assert describe(repo.path, {}) == expected
    assert dict(os.environ) == before


def test_in_a_real_hook(repo: Repo) -> None:
    hook = repo.path / ".git/hooks/pre-commit"
    out = repo.path.parent / "out"
    hook.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from bob_ci.git import describe\n"
        f"pathlib.Path({str(out)!r}).write_text(str(describe(pathlib.Path('bundle'), {{}}).commit))\n"
    )
    hook.chmod(0o755)
    before = repo.head
    repo.commit("x")
    assert out.read_text() == before


def test_programs_named_in_the_repository_do_not_run(repo: Repo, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho > {tmp_path}/ran\n")
    program.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(program))
    repo.git("config", "log.showSignature", "true")
    repo.git("config", "gpg.program", str(program))
    hook = repo.path / ".git/hooks/post-index-change"
    shutil.copy(program, hook)
    os.utime(repo.path / "bundle/bob.yaml", (1, 1))
    assert describe(repo.path, {}).notices == ()
    assert not (tmp_path / "ran").exists()


def own(path: Path, uid: int) -> None:
    for place in (path, *path.rglob("*")):
        os.chown(place, uid, uid, follow_symlinks=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("kind", ["plain", "linked", "submodule"])
def test_repository_of_somebody_else(repo: Repo, tmp_path: Path, kind: str) -> None:
    place = repo.path
    if kind == "linked":
        place = tmp_path / "linked"
        repo.git("worktree", "add", "-q", str(place))
    elif kind == "submodule":
        outer = make(tmp_path / "outer")
        outer.git("submodule", "--quiet", "add", repo.path.as_uri(), "sub")
        outer.commit("x")
        place = outer.path / "sub"
    expected = describe(place / "bundle", {})
    own(tmp_path, 12345)
    plain = subprocess.run(
        ["git", "-C", str(place), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    assert "dubious ownership" in plain.stderr
    assert plain.returncode
    assert describe(place / "bundle", {}) == expected
    assert expected.commit


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_submodules_of_somebody_else(repo: Repo, full: Repo, tmp_path: Path) -> None:
    full.git("submodule", "--quiet", "add", repo.path.as_uri(), "sub")
    full.commit("x")
    own(tmp_path, 12345)
    assert not describe(full.path, {}).dirty
    full.write("sub/bundle/bob.yaml", "changed\n")
    assert describe(full.path, {}).dirty


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_only_the_repository_itself_is_trusted(repo: Repo, tmp_path: Path) -> None:
    own(tmp_path, 12345)
    inner = repo.path / "bundle"
    # Not the repository that git finds: git goes on to the one around it.
    (inner / ".git").mkdir()
    assert describe(inner, {}).commit == repo_head_as_root(repo)
    (inner / ".git" / "HEAD").write_text("ref: refs/heads/x\n")
    assert said(describe(inner, {}), "dubious ownership")


def repo_head_as_root(repo: Repo) -> str:
    return (repo.path / ".git/refs/heads/main").read_text().strip()


def test_git_is_missing(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(repo.path, {})
    monkeypatch.setenv("PATH", str(tmp_path))
    found = describe(repo.path, {"GITHUB_SHA": OTHER, "GITHUB_REF_NAME": "main"})
    assert found.revision == f"main@sha1:{OTHER}"
    assert said(found, "git was not found")


def test_git_is_missing_from_the_start(repo: Repo, tmp_path: Path) -> None:
    script = "import pathlib, sys, bob_ci.git as g; print(g.describe(pathlib.Path(sys.argv[1]), {}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(repo.path)],
        env=os.environ | {"PATH": str(tmp_path)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "git was not found" in done.stdout
    assert done.stderr == ""


def test_gitpython_is_missing(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "git", None)
    before = dict(os.environ)
    with pytest.raises(MissingExtraError, match="GitPython") as caught:
        describe(repo.path, {})
    assert caught.value.hint
    assert "bob-ci[git]" in caught.value.hint
    assert dict(os.environ) == before


def test_gitpython_is_imported_late() -> None:
    script = "import sys, bob_ci.git; sys.exit('git' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


# --- CI systems ------------------------------------------------------------------------------------------


GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "org/ci"}
GITLAB = {"CI_PROJECT_URL": "https://gitlab.com/org/ci"}


@pytest.mark.parametrize(
    ("variables", "branch"),
    [
        ({"GITHUB_SHA": "HEAD", "GITHUB_HEAD_REF": "topic", "GITHUB_REF_NAME": "1/merge"}, "topic"),
        ({"GITHUB_SHA": "HEAD", "GITHUB_HEAD_REF": "", "GITHUB_REF_NAME": "v1"}, "v1"),
        ({"GITHUB_SHA": "HEAD", "GITHUB_REF_NAME": "gh-readonly-queue/x"}, "gh-readonly-queue/x"),
        ({"GITHUB_SHA": "HEAD"}, "main"),
        ({"GITHUB_SHA": OTHER, "GITHUB_REF_NAME": "x"}, "main"),
        ({"GITHUB_SHA": "odd", "GITHUB_REF_NAME": "x"}, "main"),
        ({"GITHUB_REF_NAME": "x"}, "x"),
        ({"GITHUB_SHA": "HEAD", "GITHUB_REF_NAME": "a\nb"}, "main"),
        ({"GITHUB_SHA": "HEAD", "GITHUB_HEAD_REF": "a\x1b", "GITHUB_REF_NAME": "x"}, "x"),
        ({"CI_COMMIT_SHA": "HEAD", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "m", "CI_COMMIT_TAG": "t"}, "m"),
        ({"CI_COMMIT_SHA": "HEAD", "CI_COMMIT_TAG": "t", "CI_COMMIT_REF_NAME": "r"}, "t"),
        ({"CI_COMMIT_SHA": "HEAD", "CI_COMMIT_BRANCH": "b", "CI_COMMIT_REF_NAME": "r"}, "b"),
        ({"CI_COMMIT_SHA": "HEAD", "CI_COMMIT_REF_NAME": "r"}, "r"),
        ({"CI_COMMIT_SHA": OTHER, "CI_COMMIT_REF_NAME": "r"}, "main"),
        ({"GITHUB_SHA": OTHER, "CI_COMMIT_SHA": "HEAD", "CI_COMMIT_BRANCH": "b"}, "b"),
    ],
)  # fmt: skip
def test_branch_of_a_ci_system(repo: Repo, variables: dict[str, str], branch: str) -> None:
    environ = {name: repo.head if value == "HEAD" else value for name, value in variables.items()}
    found = describe(repo.path, environ)
    assert (found.branch, found.commit) == (branch, repo.head)
    assert all(notice.isprintable() for notice in found.notices)
    doubted = variables.get("GITHUB_SHA", "HEAD") != "HEAD" or variables.get("CI_COMMIT_SHA") == OTHER
    assert said(found, "HEAD wins") is doubted
    assert said(found, "control characters") is any(not value.isprintable() for value in variables.values())


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        (GITHUB | {"GITHUB_SHA": "HEAD"}, "https://github.com/org/ci"),
        (GITHUB | {"GITHUB_SHA": OTHER}, "https://h/only"),
        (GITHUB | {"GITHUB_SHA": "HEAD", "GITHUB_REPOSITORY": "a\nb"}, "https://h/only"),
        (GITLAB | {"CI_COMMIT_SHA": "HEAD"}, "https://gitlab.com/org/ci"),
        (GITLAB | {"CI_COMMIT_SHA": OTHER}, "https://h/only"),
    ],
)
def test_source_of_a_ci_system(tmp_path: Path, variables: dict[str, str], source: str) -> None:
    repo = make(tmp_path / "r", origin=None)
    repo.git("remote", "add", "only", "https://h/only")
    repo.commit()
    environ = {name: repo.head if value == "HEAD" else value for name, value in variables.items()}
    assert describe(repo.path, environ).source == source
    repo.git("remote", "add", "origin", ORIGIN)
    assert describe(repo.path, environ).source == ORIGIN


@pytest.mark.parametrize(
    ("environ", "revision", "source"),
    [
        (GITHUB | {"GITHUB_SHA": OTHER, "GITHUB_REF_NAME": "main"}, f"main@sha1:{OTHER}", "https://github.com/org/ci"),
        (GITLAB | {"CI_COMMIT_SHA": OTHER, "CI_COMMIT_BRANCH": "b"}, f"b@sha1:{OTHER}", "https://gitlab.com/org/ci"),
        ({"CI_COMMIT_SHA": "a" * 64}, f"HEAD@sha256:{'a' * 64}", None),
        (GITHUB | {"GITHUB_SHA": "odd", "GITHUB_REF_NAME": "main"}, None, "https://github.com/org/ci"),
        ({"GITHUB_REF_NAME": "main"}, None, None),
    ],
)  # fmt: skip
def test_ci_system_without_repository(
    tmp_path: Path, environ: dict[str, str], revision: str | None, source: str | None
) -> None:
    found = describe(tmp_path, environ)
    assert (found.revision, found.source, found.created) == (revision, source, "1970-01-01T00:00:00Z")
    assert (found.commit is None) is (found.branch is None) is (revision is None)


@dataclass(frozen=True)
class PullRequest:
    repo: Repo
    head: str
    merge: str
    environ: dict[str, str]

    def tell(self, event: object) -> dict[str, str]:
        file = self.repo.path.parent / "event.json"
        file.write_text(event if isinstance(event, str) else json.dumps(event))
        return self.environ | {"GITHUB_EVENT_PATH": str(file)}


@pytest.fixture
def request_(repo: Repo) -> PullRequest:
    repo.git("checkout", "-q", "-b", "topic")
    head = repo.commit("bundle/topic", time=TIME + 60)
    repo.git("checkout", "-q", "main")
    repo.commit("main", time=TIME + 120)
    repo.git("checkout", "-q", "--detach")
    repo.git("merge", "-q", "--no-ff", "-m", "m", "topic", time=TIME + 180)
    environ = {
        "GITHUB_SHA": repo.head,
        "GITHUB_HEAD_REF": "topic",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_REF": "refs/pull/7/merge",
        "GITHUB_EVENT_NAME": "pull_request",
    }
    return PullRequest(repo, head, repo.head, environ)


def test_pull_request_is_named_by_its_head(request_: PullRequest) -> None:
    request_.repo.git("tag", "v1.0.0", request_.head)
    request_.repo.git("tag", "v2.0.0", request_.merge)
    found = describe(
        request_.repo.path, request_.tell({"pull_request": {"head": {"sha": request_.head, "ref": "topic"}}})
    )
    assert (found.revision, found.commit) == (f"topic@sha1:{request_.head}", request_.head)
    assert found.created == "2025-10-17T18:11:11Z"
    assert found.version_tag == "v1.0.0"
    assert said(found, f"not the merge {request_.merge}")


def test_pull_request_checked_out_at_its_head(request_: PullRequest) -> None:
    request_.repo.git("checkout", "-q", request_.head)
    environ = request_.tell({"pull_request": {"head": {"sha": request_.head}}})
    assert describe(request_.repo.path, environ).revision == f"topic@sha1:{request_.head}"


@pytest.mark.parametrize(
    "change",
    [
        {
            "GITHUB_EVENT_NAME": "pull_request_target",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_NAME": "main",
        },
        {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_REF_NAME": "main"},
        {"GITHUB_REF": "refs/heads/main", "GITHUB_REF_NAME": "main"},
    ],
)
def test_checkout_of_the_target_is_not_named_by_the_head(
    request_: PullRequest, change: dict[str, str]
) -> None:
    environ = request_.tell({"pull_request": {"head": {"sha": request_.head}}}) | change
    assert describe(request_.repo.path, environ).revision == f"main@sha1:{request_.merge}"
    request_.repo.git("checkout", "-q", request_.head)
    assert describe(request_.repo.path, environ).revision == f"topic@sha1:{request_.head}"


def test_pull_request_of_another_checkout(request_: PullRequest) -> None:
    other = request_.repo.commit("x")
    environ = request_.tell({"pull_request": {"head": {"sha": request_.head}}})
    found = describe(request_.repo.path, environ)
    assert found.revision == f"HEAD@sha1:{other}"
    assert said(found, "HEAD wins")


def test_pull_request_without_repository(request_: PullRequest, tmp_path: Path) -> None:
    environ = request_.tell({"pull_request": {"head": {"sha": request_.head}}})
    (tmp_path / "bare").mkdir()
    assert describe(tmp_path / "bare", environ).revision == f"topic@sha1:{request_.head}"


@pytest.mark.parametrize("options", [["--depth=1"], ["--depth=1", "--filter=tree:0"]])
def test_pull_request_in_a_clone_that_lacks_its_head(
    request_: PullRequest, tmp_path: Path, options: list[str]
) -> None:
    source = request_.repo
    source.git("branch", "merged", request_.merge)
    source.git("config", "uploadpack.allowFilter", "true")
    source.git("clone", "-q", *options, "-b", "merged", source.path.as_uri(), str(tmp_path / "clone"))
    environ = request_.tell({"pull_request": {"head": {"sha": request_.head}}})
    found = describe(tmp_path / "clone", environ)
    assert found.revision == f"topic@sha1:{request_.head}"
    assert found.created == "2025-10-17T18:13:11Z"
    assert said(found, "the clone lacks")


@pytest.mark.parametrize(
    "event",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        "null",
        "{}",
        {"pull_request": None},
        {"pull_request": []},
        {"pull_request": {"head": "x"}},
        {"pull_request": {"head": {"sha": 1, "ref": 2}}},
        {"pull_request": {"head": {"sha": "--all", "ref": "a\nb"}}},
        {"pull_request": {"head": {"sha": f"{OTHER}\n"}}},
    ],
)
def test_odd_event_file(request_: PullRequest, event: object) -> None:
    found = describe(request_.repo.path, request_.tell(event))
    assert found.revision == f"topic@sha1:{request_.merge}"
    assert said(found, "GITHUB_EVENT_PATH")


@pytest.mark.parametrize("file", ["/", "/not/there", "bytes"])
def test_unreadable_event_file(request_: PullRequest, tmp_path: Path, file: str) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    environ = request_.environ | {"GITHUB_EVENT_PATH": str(tmp_path / file)}
    found = describe(request_.repo.path, environ)
    assert found.revision == f"topic@sha1:{request_.merge}"
    assert said(found, "GITHUB_EVENT_PATH cannot be read")


def test_merge_queue_is_named_by_head_itself(request_: PullRequest) -> None:
    environ = request_.tell({"merge_group": {"head_sha": request_.merge}}) | {
        "GITHUB_HEAD_REF": "",
        "GITHUB_EVENT_NAME": "merge_group",
        "GITHUB_REF_NAME": "gh-readonly-queue/main/pr-7",
        "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7",
    }
    found = describe(request_.repo.path, environ)
    assert found.revision == f"gh-readonly-queue/main/pr-7@sha1:{request_.merge}"
    assert not said(found, "GITHUB_EVENT_PATH")


@pytest.mark.parametrize(("sha", "named"), [("head", "head"), ("", "merge"), ("odd", "merge")])
def test_merged_result_of_gitlab(request_: PullRequest, sha: str, named: str) -> None:
    commits = {"head": request_.head, "merge": request_.merge}
    environ = {
        "CI_COMMIT_SHA": request_.merge,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic",
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": commits.get(sha, sha),
    }
    assert describe(request_.repo.path, environ).revision == f"topic@sha1:{commits[named]}"


# --- flags -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_source", "source"),
    [
        ("git@github.com:org/repo.git", ORIGIN),
        ("https://u:SECRET@github.com/org/repo.git", ORIGIN),
        ("https://GitHub.com/org/repo/", ORIGIN),
        ("", ORIGIN),
        ("https://h/Other.git", "https://h/Other.git"),
        ("https://h:8443/o?tab=x#y", "https://h:8443/o?tab=x#y"),
        ("git@h:o/r.git", "git@h:o/r.git"),
        ("ssh://git@h:22/o/r.git", "ssh://git@h:22/o/r.git"),
        ("file:///srv/r", "file:///srv/r"),
        ("/srv/r", "/srv/r"),
        ("https://SECRET@h/r", "https://h/r"),
        ("HTTPS://u:SECRET@h/r", "HTTPS://h/r"),
        ("https://u:SEC@SECRET@h/r", "https://h/r"),
        ("git+https://SECRET@h/r", "git+https://h/r"),
        ("ssh://git:SECRET@h/r", "ssh://h/r"),
        ("ssh://ghp_SECRET@h/r", "ssh://h/r"),
        ("u:SECRET@h:o/r", "h:o/r"),
        ("glpat-SECRET@h:o/r", "h:o/r"),
        ("https://p/https://h/r", "https://p/https://h/r"),
        ("hg::https://u:SECRET@h/r", "hg::https://h/r"),
        ("https://h/r?access_token=SECRET", "https://h/r"),
        ("https://h/r?a=b&private_token=SECRET&c=d", "https://h/r?a=b&&c=d"),
    ],
)
def test_explicit_source(given_source: str, source: str) -> None:
    found = with_flags(KNOWN, source=given_source, revision=None)
    assert found.source == source
    assert (found.revision, found.notices[0]) == (KNOWN.revision, "n")
    assert "SECRET" not in repr(found)
    assert said(found, "credentials") is ("SECRET" in given_source and source != ORIGIN)


@pytest.mark.parametrize(
    "source",
    [
        "https://h/r\n",
        "\x00",
        "https://u:SECRET/x@h/r",
        "https://u:1?SECRET@h/r",
        "https://p/https://SECRET@h/r",
        "https://p/https://u:SECRET/@h/r",
        "hg::https://u:SECRET/@h",
        "https:/u:SECRET@h/r",
        "ssh://u:SECRET/@h",
    ],
)
def test_explicit_source_is_refused(source: str) -> None:
    with pytest.raises(InputError, match="--source") as caught:
        with_flags(KNOWN, source=source, revision=None)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("given_revision", "revision", "notice"),
    [
        (f"x@sha1:{OTHER}", f"x@sha1:{OTHER}", None),
        (f"a@b@sha1:{OTHER}-dirty", f"a@b@sha1:{OTHER}-dirty", None),
        (f"x@sha1:{OTHER[:7]}", f"x@sha1:{OTHER[:7]}", None),
        (f"@sha1:{OTHER}", f"main@sha1:{OTHER}", "main is filled in"),
        (f"x@sha256:{'a' * 64}", f"x@sha256:{'a' * 64}", "names the commit aaaa"),
    ],
)
def test_explicit_revision(given_revision: str, revision: str, notice: str | None) -> None:
    found = with_flags(KNOWN, source=None, revision=given_revision)
    assert replace(found, notices=()) == replace(KNOWN, revision=revision, notices=())
    assert said(found, notice) if notice else found.notices == ("n",)


def test_explicit_revision_without_anything_known() -> None:
    nothing = Origin(None, None, TIME_TEXT, None, None, None, dirty=False, notices=())
    assert with_flags(nothing, source=None, revision=f"@sha1:{OTHER}").revision == f"HEAD@sha1:{OTHER}"


@pytest.mark.parametrize(
    "revision",
    [
        "",
        "main",
        OTHER,
        f"sha1:{OTHER}",
        f"main@{OTHER}",
        "main@sha1:",
        "main@sha1:HEAD",
        f"main@sha1:{OTHER}0",
        f"main@sha1:{OTHER}+x",
        f"main@sha1:{OTHER}\n",
        f"main@md5:{OTHER}",
        f"a\nb@sha1:{OTHER}",
    ],
)
def test_explicit_revision_is_refused(revision: str) -> None:
    with pytest.raises(InputError, match="--revision"):
        with_flags(KNOWN, source=None, revision=revision)


def test_no_flags() -> None:
    assert with_flags(KNOWN, source=None, revision=None) is KNOWN


def test_flags_of_the_format_give_the_same_origin_as_none(repo: Repo) -> None:
    repo.git("remote", "set-url", "origin", "https://u:SECRET@github.com/org/repo.git")
    origin = describe(repo.path, {})
    source = repo.git("config", "--get", "remote.origin.url")
    revision = f"{repo.git('branch', '--show-current')}@sha1:{repo.head}"
    assert with_flags(origin, source=source, revision=revision) == origin
