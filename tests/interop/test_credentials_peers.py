"""What oras and crane store we find, and what we store they find: in the file, and in a helper."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bob_ci.oci.credentials import Credential, default_source, login, logout

# A password that a file, a shell and a header could each get wrong.
PASSWORD = 'p:ä"\\$ %='
KEEPER = """#!/bin/sh
dir=$(dirname "$0")/kept; mkdir -p "$dir"
file() { printf %s "$dir/"; printf %s "$1" | tr -c 'A-Za-z0-9' _; }
case $1 in
store) text=$(cat); server=$(printf %s "$text" | sed 's/.*"ServerURL": *"\\([^"]*\\)".*/\\1/')
       printf %s "$text" > "$(file "$server")";;
get) cat "$(file "$(cat)")" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; };;
erase) rm "$(file "$(cat)")";;
esac
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "docker-credential-keep").write_text(KEEPER)
    (tmp_path / "docker-credential-keep").chmod(0o755)
    return {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }


@pytest.fixture(params=["file", "credsStore", "credHelpers"])
def config(request: pytest.FixtureRequest, environ: Mapping[str, str], guarded: str) -> Path:
    """A config file, with a helper that keeps the secrets or without."""
    file = Path(environ["DOCKER_CONFIG"], "config.json")
    file.parent.mkdir()
    helper: object = {"credsStore": "keep", "credHelpers": {guarded: "keep"}}.get(request.param)
    file.write_text(json.dumps({"psFormat": "x"} | ({request.param: helper} if helper else {})))
    return file


@pytest.fixture
def run(peers: Mapping[str, Path], environ: Mapping[str, str]) -> Run:
    def run(program: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [peers[program], *words], input=stdin, capture_output=True, text=True, env=environ, check=False
        )

    return run


class Guarded(BaseHTTPRequestHandler):
    """A registry with one repository, for one user."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"someone:{PASSWORD}".encode()).decode()
        known = self.headers.get("Authorization") == wanted
        body = b'{"name": "a/b", "tags": ["v1"]}' if known else b"{}"
        self.send_response(200 if known else 401)
        if not known:
            self.send_header("WWW-Authenticate", 'Basic realm="guarded"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def log_in(run: Run, program: str, registry: str) -> None:
    words = {
        "oras": ["login", "--plain-http", registry, "--username", "someone", "--password-stdin"],
        "crane": ["auth", "login", registry, "--username", "someone", "--password-stdin"],
    }[program]
    done = run(program, *words, stdin=PASSWORD)
    assert done.returncode == 0, done.stderr


@pytest.mark.peer("oras", "crane")
@pytest.mark.parametrize("program", ["oras", "crane"])
def test_we_find_what_they_store(
    run: Run, program: str, guarded: str, config: Path, environ: Mapping[str, str]
) -> None:
    log_in(run, program, guarded)
    found = default_source(environ).find(guarded, "a/b")
    assert found is not None
    assert (found.username, found.password) == ("someone", PASSWORD)
    assert found.origin in {f"auths in {config}", "docker-credential-keep"}
    assert logout(guarded, registry_config=None, environ=environ)
    assert run("oras", "repo", "tags", "--plain-http", f"{guarded}/a/b").returncode != 0
    assert "credentials not found" in run("crane", "auth", "get", guarded).stdout


@pytest.mark.peer("oras", "crane")
def test_they_find_what_we_store(run: Run, guarded: str, config: Path, environ: Mapping[str, str]) -> None:
    assert run("oras", "repo", "tags", "--plain-http", f"{guarded}/a/b").returncode != 0
    login(guarded, Credential("someone", PASSWORD), registry_config=None, environ=environ)
    tags = run("oras", "repo", "tags", "--plain-http", f"{guarded}/a/b")
    assert tags.stdout == "v1\n", tags.stderr
    assert run("crane", "ls", f"{guarded}/a/b").stdout == "v1\n"
    got = json.loads(run("crane", "auth", "get", guarded).stdout)
    assert (got["Username"], got["Secret"]) == ("someone", PASSWORD)
    assert json.loads(config.read_text())["psFormat"] == "x"


@pytest.mark.peer("oras")
def test_oras_logs_out_what_we_store(
    run: Run, guarded: str, config: Path, environ: Mapping[str, str]
) -> None:
    login(guarded, Credential("someone", PASSWORD), registry_config=None, environ=environ)
    assert config.exists()
    assert run("oras", "logout", guarded).returncode == 0
    assert default_source(environ).find(guarded, "a/b") is None


@pytest.mark.peer("crane")
@pytest.mark.parametrize("helper", [{}, {"credsStore": "keep"}])
def test_docker_hub_has_the_same_name_everywhere(
    run: Run, environ: Mapping[str, str], helper: Mapping[str, str]
) -> None:
    file = Path(environ["DOCKER_CONFIG"], "config.json")
    file.parent.mkdir()
    file.write_text(json.dumps(helper))
    login("docker.io", Credential("ours", PASSWORD), registry_config=None, environ=environ)
    assert json.loads(run("crane", "auth", "get", "docker.io").stdout)["Username"] == "ours"
    done = run(
        "crane", "auth", "login", "docker.io", "--username", "theirs", "--password-stdin", stdin=PASSWORD
    )
    assert done.returncode == 0, done.stderr
    found = default_source(environ).find("docker.io", "library/alpine")
    assert found is not None
    assert (found.username, found.password) == ("theirs", PASSWORD)
