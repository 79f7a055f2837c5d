"""What tests/conftest.py promises, shown by test runs inside the test run."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A test tree with this project's conftest, and no peer but one."""
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nmarkers = peer(*names)\naddopts = --strict-markers -p no:cacheprovider -rsfE")
    program(pytester, "oras", "exit 0")
    monkeypatch.setenv("PEERS_BIN", str(pytester.path / "bin"))
    return pytester


def program(inner: pytest.Pytester, name: str, body: str) -> None:
    file = inner.path / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def run(inner: pytest.Pytester, where: str, body: str) -> pytest.RunResult:
    test = inner.mkdir(where) / "test_inner.py"
    test.write_text(f"import os, socket, subprocess, pytest\n{body}\n")
    return inner.runpytest_subprocess(str(test))


MISSING = """
@pytest.mark.peer("oras", "helm")
def test_marker(): pass

@pytest.mark.peer("helm", "crane")
def test_marker_of_two(): pass

def test_fixture(peers): peers["helm"]

def test_data(shared_data): pass
"""


def test_skips_what_is_not_there(inner: pytest.Pytester) -> None:
    result = run(inner, "interop", MISSING)
    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines_random(
        [
            "*peer helm is not built: make peers",
            "*peers helm, crane are not built: make peers",
            "*../shared/data is not there",
        ]
    )


def test_fails_for_what_is_not_there_where_it_is_required(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOB_REQUIRE_PEERS", "1")
    result = run(inner, "interop", MISSING)
    result.assert_outcomes(failed=1, errors=3)  # an error: failed in its setup
    result.stdout.fnmatch_lines("*peer helm is not built: make peers (BOB_REQUIRE_PEERS=1)*")


THERE = """
@pytest.mark.peer("oras")
def test_peer(peers): subprocess.run([peers["oras"]], check=True)

def test_registry(registry): pass
"""


def test_runs_what_is_there_and_shows_the_log_of_a_broken_server(
    inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOB_REQUIRE_PEERS", "1")
    program(inner, "crane-registry", "echo no such option; exit 1")
    result = run(inner, "interop", THERE)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines("*the registry did not come up: no such option*")


# Code under test may swallow what goes wrong on the network, but not the refusal.
SOCKETS = """
@pytest.mark.parametrize("use", [
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.socket().connect_ex(("127.0.0.1", 9)),
    lambda: socket.socket().bind(("127.0.0.1", 0)),
    lambda: socket.getaddrinfo("localhost", 9),
])
def test(use):
    try:
        use()
    except Exception:
        pass
"""


def test_unit_tests_are_refused_sockets_and_others_are_not(inner: pytest.Pytester) -> None:
    result = run(inner, "unit", SOCKETS)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines("*tests/unit has no network: *; a test that needs one lies in tests/interop*")
    run(inner, "interop", SOCKETS).assert_outcomes(passed=4)


def test_unix_sockets_are_free(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


STRAY = (
    "GITHUB_TOKEN",
    "CI",
    "CI_JOB_ID",
    "GITLAB_CI",
    "SOURCE_DATE_EPOCH",
    "DOCKER_CONFIG",
    "COSIGN_PASSWORD",
)
LEAKS = f"""
@pytest.fixture(scope="session")
def wide(): return set(os.environ)

def test(wide): assert not ({set(STRAY)} & (wide | set(os.environ)))
"""


def test_nothing_leaks_in_from_outside(inner: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in STRAY:
        monkeypatch.setenv(name, "stray")
    run(inner, "interop", LEAKS).assert_outcomes(passed=1)


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_home(turn: int) -> None:
    home = Path.home()
    assert [file.name for file in home.iterdir()] == [".gitconfig"]
    (home / f"left-by-{turn}").touch()
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "GIT_CONFIG_GLOBAL"):
        assert Path(os.environ[name]).is_relative_to(home)


def test_git_knows_its_author_and_no_one_elses_settings(tmp_path: Path) -> None:
    def git(*args: str) -> str:
        return subprocess.run(["git", *args], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init")
    git("commit", "--allow-empty", "-m", "first")
    assert git("log", "--format=%an <%ae> %D") == "Test <test@example.com> HEAD -> main\n"
    assert "system" not in git("config", "--list", "--show-scope")
