"""The ground of all tests: peers, registries, and walls against the machine outside."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

pytest_plugins = "pytester"

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
HOST = "127.0.0.1"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


# Looked up at import, before any test gets a HOME of its own.
PEERS_BIN = Path(os.environ.get("PEERS_BIN") or _cache() / "bob-peers" / "bin").absolute()
ACT_LOCAL_DIR = Path(os.environ.get("ACT_LOCAL_DIR") or _cache() / "act-local").absolute()
REQUIRE_PEERS = os.environ.get("BOB_REQUIRE_PEERS") == "1"

# A shared machine has slow moments: no deadline. A failure prints what repeats it elsewhere. On CI the
# examples are the same each time, for a change is not to blame for what chance finds; here they are new ones.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


# --- What a test needs and may not find --------------------------------------------------------------


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    if REQUIRE_PEERS:
        pytest.fail(f"{reason} (BOB_REQUIRE_PEERS=1)", pytrace=False)
    pytest.skip(reason)


def _need(*names: str) -> None:
    if missing := [name for name in names if not os.access(PEERS_BIN / name, os.X_OK)]:
        some = "peer {} is" if len(missing) == 1 else "peers {} are"
        unavailable(f"{some.format(', '.join(missing))} not built: make peers")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        _need(*marker.args)


class Peers(dict[str, Path]):
    """The built programs by name; asking for another one skips or fails the test."""

    def __missing__(self, name: str) -> Path:
        _need(name)
        return PEERS_BIN / name


@pytest.fixture(scope="session")
def peers() -> Peers:
    if not PEERS_BIN.is_dir():
        return Peers()
    return Peers((file.name, file) for file in sorted(PEERS_BIN.iterdir()) if file.is_file())


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real bundles and profiles that lie beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        unavailable("../shared/data is not there")
    return folder


# --- Registries --------------------------------------------------------------------------------------

# The server dies with this process, however that ends: then the pipe that is stdin closes, and cat returns.
# Ctrl-C does not reach it (a session of its own), so that fixtures can still clean up.
LEASH = 'exec 3<&0; "$@" 3<&- & pid=$!; { cat <&3; kill -9 $pid; } >/dev/null 2>&1 & wait $pid'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False


def _wait(server: subprocess.Popen[bytes], url: str) -> bool:
    """Whether the server came up; False as soon as it ended (another took the port)."""
    for _ in range(200):
        if _answers(url):
            return server.poll() is None
        if server.poll() is not None:
            return False
        time.sleep(0.05)
    return False


@contextmanager
def _leashed(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        server = subprocess.Popen(
            ["sh", "-c", LEASH, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            cwd=log.parent,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), "OTEL_TRACES_EXPORTER": "none"},
            start_new_session=True,
        )
    with server:  # leaving closes stdin, and waits
        yield server


@contextmanager
def _served(folder: Path, command: Callable[[int], list[str]]) -> Iterator[str]:
    log = folder / "log"
    for _ in range(3):
        port = _free_port()
        with _leashed(command(port), log) as server:
            if _wait(server, f"http://{HOST}:{port}/v2/"):
                yield f"{HOST}:{port}"
                return
    pytest.fail(f"{folder.name}: the registry did not come up: {log.read_text()[-2000:]}", pytrace=False)


DISTRIBUTION = """\
version: "0.1"
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {storage}}}, delete: {{enabled: true}}}}
http: {{addr: "{host}:{port}"}}
"""


@pytest.fixture(scope="session")
def registry(peers: Peers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry in memory, with the referrers API."""
    program = str(peers["crane-registry"])

    def command(port: int) -> list[str]:
        return [program, "-addr", f"{HOST}:{port}"]

    with _served(tmp_path_factory.mktemp("registry"), command) as at:
        yield at


@pytest.fixture(scope="session")
def registry_old(peers: Peers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a CNCF distribution, which has no referrers API: clients keep the referrers tag."""
    program = str(peers["distribution"])
    folder = tmp_path_factory.mktemp("registry-old")

    def command(port: int) -> list[str]:
        config = folder / "config.yml"
        config.write_text(DISTRIBUTION.format(storage=folder / "storage", host=HOST, port=port))
        return [program, "serve", str(config)]

    with _served(folder, command) as at:
        yield at


# --- Walls -------------------------------------------------------------------------------------------

OUTSIDE = (
    "ACTIONS_",
    "ALL_PROXY",
    "BOB_",
    "CI",
    "COSIGN_",
    "DOCKER_",
    "FORCE_COLOR",
    "GIT_",
    "GITHUB_",
    "GITLAB",
    "HELM_",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "INPUT_",
    "NO_COLOR",
    "REGISTRY_AUTH_FILE",
    "RUNNER_",
    "SIGSTORE_",
    "SOURCE_DATE_EPOCH",
    "XDG_",
)
GITCONFIG = "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n"


def _isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Take the outer machine's settings away, and give an empty home with a git identity."""
    for name in list(os.environ):
        if name.upper().startswith(OUTSIDE):
            patch.delenv(name)
    home.mkdir()
    (home / ".gitconfig").write_text(GITCONFIG)
    for name, value in {
        "HOME": home,
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "GIT_CONFIG_GLOBAL": home / ".gitconfig",
        "GIT_CONFIG_NOSYSTEM": 1,
        "NO_PROXY": f"{HOST},localhost",
        "PEERS_BIN": PEERS_BIN,
        "ACT_LOCAL_DIR": ACT_LOCAL_DIR,
    }.items():
        patch.setenv(name, str(value))


@pytest.fixture(scope="session", autouse=True)
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Path]]:
    """A new home each; the first is for wider fixtures than a test's, which are walled in as well."""
    folder = tmp_path_factory.mktemp("homes")
    homes = (folder / str(number) for number in itertools.count())
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, next(homes))
        yield homes


@pytest.fixture(autouse=True)
def _isolated(_homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    _isolate(monkeypatch, next(_homes))


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test has no network, not even loopback; the programs that it starts are not watched."""
    if not request.node.path.is_relative_to(TESTS / "unit"):
        return
    for name in ("bind", "connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _only_unix(name))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: _refuse("getaddrinfo", args))


def _only_unix(name: str) -> Callable[..., object]:
    real = getattr(socket.socket, name)

    def guard(self: socket.socket, *args: object) -> object:
        return real(self, *args) if self.family == socket.AF_UNIX else _refuse(name, args)

    return guard


def _refuse(name: str, args: tuple[object, ...]) -> NoReturn:
    # Not an Exception: no code under test can swallow it.
    pytest.fail(f"tests/unit has no network: {name}{args}; a test that needs one lies in tests/interop")
