"""Publishing from clones of a real repository: one digest whoever publishes, when, and from where."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = (sys.executable, "-c", "from bob_ci.cli import main; main()")
# The BoB format's own command line, as a user's shell runs it.
FORMAT = (
    'bobctl push artifact "oci-layout:$LAYOUT:1.0.0" --path bob'
    ' --source "$(git config --get remote.origin.url)"'
    ' --revision "$(git branch --show-current)@sha1:$(git rev-parse HEAD)"'
)
Done = subprocess.CompletedProcess[str]


def git(root: Path, *words: str | Path) -> str:
    command = ["git", "-C", root, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def origin(shared_data: Path, tmp_path: Path) -> Path:
    """The real bundle in the folder `bob` of a repository, released as v1.0.0."""
    root = tmp_path / "origin"
    shutil.copytree(shared_data / "webapp", root / "bob")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--date", "2026-01-02T03:04:05+09:00", "-m", "One")
    return root


@pytest.fixture
def clone(origin: Path, tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        git(tmp_path, "clone", "--quiet", origin, name)
        # What a checkout on GitHub has.
        git(tmp_path / name, "remote", "set-url", "origin", "git@github.com:Acme/Web.git")
        return tmp_path / name

    return make


def bobctl(*words: str | Path, cwd: Path, **variables: str) -> Done:
    command = [*PROGRAM, *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **variables}, check=False
    )


def publish(root: Path, *words: str | Path, **variables: str) -> Any:
    done = bobctl("publish", "bob", *words, "--format", "json", cwd=root, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in root.rglob("*")}


def test_two_clones_give_one_digest(clone: Callable[[str], Path], tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    one, other = clone("one"), clone("far-away")
    for path in (other / "bob").iterdir():
        os.utime(path, (1, 1))
    first = publish(one, f"oci-layout:{layout}:1.0.0", TZ="Asia/Tokyo", LC_ALL="C")
    before = state(layout)
    second = publish(other, f"oci-layout:{layout}:1.0.0", TZ="America/St_Johns", LANG="de_DE.UTF-8")
    assert (first["digest"], first["changed"]) == (second["digest"], True)
    assert second["changed"] is False
    assert state(layout) == before
    assert first["source"] == "https://github.com/Acme/Web"
    assert first["revision"] == f"main@sha1:{git(one, 'rev-parse', 'HEAD')}"
    away = publish(other, f"oci-layout:{tmp_path / 'second'}:1.0.0")
    assert away["digest"] == first["digest"]
    files = [
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (layout, tmp_path / "second")
    ]
    assert files[0] == files[1]


def test_clones_of_another_shape(clone: Callable[[str], Path], origin: Path, tmp_path: Path) -> None:
    """Shallow, in a work tree of its own, with a user and a token in the remote's address."""
    one = clone("one")
    expected = publish(one, f"oci-layout:{tmp_path / 'layout'}:1.0.0")["digest"]
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{origin}", "shallow")
    git(one, "worktree", "add", "--quiet", "--force", tmp_path / "worktree", "main")
    shallow = tmp_path / "shallow"
    for address in ("https://me:secret@github.com/Acme/Web.git", "ssh://git@github.com/Acme/Web"):
        git(shallow, "remote", "set-url", "origin", address)
        found = publish(shallow, f"oci-layout:{tmp_path / 'layout'}:1.0.0")
        assert (found["digest"], found["changed"]) == (expected, False)
    found = publish(tmp_path / "worktree", f"oci-layout:{tmp_path / 'layout'}:1.0.0")
    assert (found["digest"], found["changed"]) == (expected, False)


# --- The BoB format's command line


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Done]:
    """Run a line of shell, in which `bobctl` is ours."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "bobctl"
    program.write_text(f"#!{PROGRAM[0]}\n{PROGRAM[2]}\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"

    def run(line: str, *, cwd: Path) -> Done:
        variables = {**os.environ, "PATH": path, "LAYOUT": str(tmp_path / "layout")}
        return subprocess.run(
            ["sh", "-euc", line], capture_output=True, text=True, cwd=cwd, env=variables, check=False
        )

    return run


def test_the_formats_command_line(clone: Callable[[str], Path], shell: Callable[..., Done]) -> None:
    root = clone("one")
    spelled = shell(f"{FORMAT} --format json", cwd=root)
    assert spelled.returncode == 0, spelled.stderr
    plain = shell('bobctl push artifact "oci-layout:$LAYOUT:1.0.0" --path bob --format json', cwd=root)
    first, second = json.loads(spelled.stdout), json.loads(plain.stdout)
    assert (first["digest"], first["source"]) == (second["digest"], "https://github.com/Acme/Web")
    assert (first["changed"], second["changed"]) == (True, False)
    # publish gives the same, and checks before.
    assert publish(root, f"oci-layout:{root.parent / 'layout'}:1.0.0")["digest"] == first["digest"]


def test_the_formats_command_line_on_a_detached_head(
    clone: Callable[[str], Path], shell: Callable[..., Done]
) -> None:
    root = clone("one")
    expected = json.loads(shell(f"{FORMAT} --format json", cwd=root).stdout)
    git(root, "checkout", "--quiet", "--detach")
    done = shell(f"{FORMAT} --format json", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "notice: --revision names no branch: main is filled in" in done.stderr
    assert json.loads(done.stdout)["digest"] == expected["digest"]


# --- Tags from git


def test_tags_from_git(clone: Callable[[str], Path], tmp_path: Path) -> None:
    root, layout = clone("one"), f"oci-layout:{tmp_path / 'layout'}"
    commit = git(root, "rev-parse", "HEAD")
    assert publish(root, layout)["tags"] == [commit[:7]]
    git(root, "tag", "v1.0.0")
    git(root, "tag", "-a", "v1.1.0+build", "-m", "annotated")
    assert publish(root, layout, "--tag", "stable", "--tag", "1")["tags"] == ["v1.1.0_build", "1", "stable"]
    (root / "bob/bob.values").write_text((root / "bob/bob.values").read_text() + "# more\n")
    dirty = publish(root, layout)
    assert dirty["tags"] == [f"{commit[:7]}-dirty"]
    assert dirty["revision"].endswith("-dirty")
    refused = bobctl("publish", "bob", layout, "--require-clean", cwd=root)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "changes that are not committed" in refused.stderr


def test_a_commit_that_changes_no_behaviour(clone: Callable[[str], Path], tmp_path: Path) -> None:
    """A new digest, for the revision is another; the same contents, and `--if-changed` writes nothing."""
    root, target = clone("one"), f"oci-layout:{tmp_path / 'layout'}:1.0.0"
    first = publish(root, target)
    (root / "README.md").write_text("hello")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Two")
    before = state(tmp_path / "layout")
    kept = publish(root, target, "--if-changed")
    assert (kept["digest"], kept["changed"]) == (first["digest"], False)
    assert state(tmp_path / "layout") == before
    second = publish(root, target)
    assert second["digest"] != first["digest"]
    assert [part["contentDigest"] for part in second["platforms"]] == [
        part["contentDigest"] for part in first["platforms"]
    ]
