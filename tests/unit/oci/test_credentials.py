"""Credentials: docker's config file and helpers, podman's auth file, flags, GITHUB_TOKEN; login, logout."""

from __future__ import annotations

import base64
import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bob_ci.errors import BobError, InputError
from bob_ci.oci.credentials import Credential, default_source, login, logout
from bob_ci.oci.credentials.helper import Helper

HUB = "https://index.docker.io/v1/"
AZURE = "00000000-0000-0000-0000-000000000000"
SECRET = "s3cr3t-Wert"

# Keeps what it gets in files beside it, as docker-credential-pass and others do.
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


class Machine:
    """A home, a PATH for helpers, and the environment with both."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.bin = root / "bin"
        self.home.mkdir()
        self.bin.mkdir()
        self.environ = {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": str(root / "run"),
        }
        self.docker = self.home / ".docker" / "config.json"

    def helper(self, name: str, script: str) -> None:
        file = self.bin / f"docker-credential-{name}"
        file.write_text(script if script.startswith("#!") else f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def answers(self, name: str, username: str, secret: str) -> None:
        """Let a helper have this for every registry, and note what it was asked for."""
        answer = json.dumps({"ServerURL": "any", "Username": username, "Secret": secret})
        self.helper(name, f"cat > '{self.bin}/asked'; cat <<'END'\n{answer}\nEND")

    @property
    def asked(self) -> str:
        return (self.bin / "asked").read_text()

    def config(self, content: object, file: Path | None = None) -> Path:
        file = file or self.docker
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def find(self, registry: str, repository: str = "", **flags: Any) -> Credential | None:
        return default_source(self.environ, **flags).find(registry, repository)

    def login(self, registry: str, credential: Credential, file: Path | None = None) -> str:
        return login(registry, credential, registry_config=file, environ=self.environ)

    def logout(self, registry: str, file: Path | None = None) -> bool:
        return logout(registry, registry_config=file, environ=self.environ)

    def stored(self) -> Any:
        return json.loads(self.docker.read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def entry(username: str, password: str) -> dict[str, str]:
    return {"auth": b64(f"{username}:{password}")}


def secrets_of(found: Credential | None) -> tuple[str, str, str, str] | None:
    if found is None:
        return None
    return found.username, found.password, found.identity_token, found.registry_token


# --- Entries of auths --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(entry("u", "p"), ("u", "p", "", ""), id="auth"),
        pytest.param(entry("u", "p:q:"), ("u", "p:q:", "", ""), id="colons in the password"),
        pytest.param(entry("ü", "päß"), ("ü", "päß", "", ""), id="not ASCII"),
        pytest.param({"auth": b64("u:pw").rstrip("=")}, ("u", "pw", "", ""), id="no padding"),
        pytest.param({"auth": b64("u:p" * 40)[:76] + "\n" + b64("u:p" * 40)[76:]}, ..., id="folded"),
        pytest.param({"auth": b64("u:p\0\0")}, ("u", "p", "", ""), id="filled with NUL"),
        pytest.param({"username": "u", "password": "p"}, ("u", "p", "", ""), id="in the clear"),
        pytest.param(entry("u", "p") | {"username": "x", "password": "y"}, ("u", "p", "", ""), id="both"),
        pytest.param({"identitytoken": "t"}, ("", "", "t", ""), id="identity token, as oras"),
        pytest.param(entry("u", "") | {"identitytoken": "t"}, ("u", "", "t", ""), id="and user, as docker"),
        pytest.param({"registrytoken": "t"}, ("", "", "", "t"), id="registry token"),
        pytest.param(entry("<token>", "t"), ("", "", "t", ""), id="user <token>"),
        pytest.param(entry(AZURE, "t"), (AZURE, "", "t", ""), id="user of Azure's tokens"),
        pytest.param(
            entry("u", "p") | {"identitytoken": None, "email": "a@b", "x": 1}, ("u", "p", "", ""), id="more"
        ),
        pytest.param({}, None, id="empty"),
        pytest.param(None, None, id="null"),
        pytest.param({"auth": ""}, None, id="empty auth"),
        pytest.param({"auth": None, "identitytoken": ""}, None, id="empty token"),
        pytest.param(entry("u", ""), None, id="no password"),
    ],
)
def test_entry(machine: Machine, stored: object, expected: Any) -> None:
    file = machine.config({"auths": {"r.example": stored}})
    found = machine.find("r.example", "a/b")
    if expected is ...:
        expected = ("u", "p" + "u:p" * 39, "", "")
    assert secrets_of(found) == expected
    assert found is None or found.origin == f"auths in {file}"


KEYS = {
    "r.example/team/app": "app",
    "r.example/team": "team",
    "r.example": "host",
    "r.example:8443": "port",
    "[::1]:5000": "six",
    "[::1]": "six alone",
    "https://old.example/v1/": "old",
    "http://plain.example:5000": "plain",
    "slash.example/": "slash",
    "https://UP.example/v2/": "up",
    "both.example": "exact",
    "https://both.example/v1/": "address",
    HUB: "hub",
    "docker.io/library": "official",
}


@pytest.mark.parametrize(
    ("registry", "repository", "user"),
    [
        ("r.example", "team/app", "app"),
        ("r.example", "team/app/sub", "app"),
        ("r.example", "team/application", "team"),
        ("r.example", "team", "team"),
        ("r.example", "teams/x", "host"),
        ("r.example", "", "host"),
        ("r.example:8443", "team/app", "port"),
        ("r.example:444", "team/app", None),
        ("example", "x", None),
        ("[::1]:5000", "x", "six"),
        ("[::1]", "x", "six alone"),
        ("old.example", "x", "old"),
        ("plain.example:5000", "x", "plain"),
        ("plain.example", "x", None),
        ("slash.example", "x", "slash"),
        ("up.example", "x", "up"),
        ("both.example", "x", "exact"),
        ("docker.io", "me/app", "hub"),
        ("index.docker.io", "me/app", "hub"),
        ("registry-1.docker.io", "me/app", "hub"),
        ("docker.io", "library/alpine", "official"),
    ],
)
def test_key(machine: Machine, registry: str, repository: str, user: str | None) -> None:
    machine.config({"auths": {key: entry(name, "p") for key, name in KEYS.items()}})
    found = machine.find(registry, repository)
    assert (found.username if found else None) == user


def test_an_empty_namespace_leaves_it_to_the_registry(machine: Machine) -> None:
    machine.config({"auths": {"r.example/a": {}, "r.example": entry("u", "p")}})
    assert secrets_of(machine.find("r.example", "a/b")) == ("u", "p", "", "")


# --- Order -------------------------------------------------------------------------------------------


def places(machine: Machine) -> list[tuple[str, Path]]:
    return [
        ("named", machine.root / "named.json"),
        ("docker", machine.docker),
        ("run", machine.root / "run" / "containers" / "auth.json"),
        ("xdg", machine.home / ".config" / "containers" / "auth.json"),
    ]


def test_files_in_their_order(machine: Machine) -> None:
    machine.environ |= {"REGISTRY_AUTH_FILE": str(machine.root / "named.json"), "GITHUB_TOKEN": "t"}
    for name, file in places(machine):
        machine.config({"auths": {"ghcr.io": entry(name, "p")}}, file)
    for name, file in places(machine):
        assert (found := machine.find("ghcr.io")) is not None
        assert (found.username, found.origin) == (name, f"auths in {file}")
        file.unlink()
    assert secrets_of(machine.find("ghcr.io")) == ("x-access-token", "t", "", "")


def test_a_file_with_others_only_is_passed(machine: Machine) -> None:
    machine.config({"auths": {"other.example": entry("o", "p")}})
    machine.config({"auths": {"r.example": entry("u", "p")}}, places(machine)[2][1])
    assert secrets_of(machine.find("r.example")) == ("u", "p", "", "")


def test_directories_that_variables_name(machine: Machine) -> None:
    machine.config({"auths": {"r.example": entry("home", "p")}})
    machine.environ |= {
        "DOCKER_CONFIG": str(machine.root / "dc"),
        "XDG_CONFIG_HOME": str(machine.root / "xc"),
        "REGISTRY_AUTH_FILE": "",
    }
    machine.config({"auths": {"r.example": entry("xdg", "p")}}, machine.root / "xc/containers/auth.json")
    assert secrets_of(machine.find("r.example")) == ("xdg", "p", "", "")
    machine.config({"auths": {"r.example": entry("dc", "p")}}, machine.root / "dc/config.json")
    assert secrets_of(machine.find("r.example")) == ("dc", "p", "", "")


def test_a_file_named_by_the_flag_is_the_only_one(machine: Machine) -> None:
    machine.environ["REGISTRY_AUTH_FILE"] = str(
        machine.config({"auths": {"r.example": entry("n", "p")}}, machine.root / "named.json")
    )
    machine.config({"auths": {"r.example": entry("d", "p")}})
    flag = machine.config({"auths": {"r.example": entry("f", "p")}}, machine.root / "flag.json")
    assert secrets_of(machine.find("r.example", registry_config=flag)) == ("f", "p", "", "")
    flag.write_text("{}")
    assert machine.find("r.example", registry_config=flag) is None
    assert machine.find("r.example", registry_config=machine.root / "missing.json") is None


def test_own_helper_then_entries_then_store(machine: Machine) -> None:
    content: dict[str, Any] = {
        "credHelpers": {"r.example": "own"},
        "auths": {"r.example": entry("entry", "p")},
        "credsStore": "all",
    }
    machine.answers("own", "own", "p")
    machine.answers("all", "all", "p")
    for user, remove in [("own", "credHelpers"), ("entry", "auths"), ("all", "credsStore")]:
        machine.config(content)
        found = machine.find("r.example")
        assert found is not None
        assert found.username == user
        del content[remove]
    machine.config(content)
    assert machine.find("r.example") is None


@pytest.mark.parametrize("stored", [{}, None, {"auth": ""}, {"email": "a@b"}, {"identitytoken": ""}])
def test_an_empty_entry_means_the_store(machine: Machine, stored: object) -> None:
    machine.config({"auths": {"r.example": stored}, "credsStore": "all"})
    machine.answers("all", "u", "p")
    assert machine.find("r.example") == Credential("u", "p", origin="docker-credential-all")
    assert machine.asked == "r.example"


@pytest.mark.parametrize(
    ("content", "registry", "asked"),
    [
        ({"credsStore": "h"}, "docker.io", HUB),
        ({"credHelpers": {HUB: "h"}}, "docker.io", HUB),
        ({"credHelpers": {"docker.io": "h"}}, "docker.io", "docker.io"),
        ({"credHelpers": {"https://r.example": "h"}}, "r.example", "https://r.example"),
        ({"credHelpers": {"[::1]:5000": "h"}}, "[::1]:5000", "[::1]:5000"),
        ({"credHelpers": {"r.example": ""}, "credsStore": "h"}, "r.example", "r.example"),
        ({"credHelpers": None, "auths": None, "credsStore": "h"}, "r.example", "r.example"),
    ],
)
def test_what_a_helper_is_asked_for(machine: Machine, content: object, registry: str, asked: str) -> None:
    machine.config(content)
    machine.answers("h", "u", "p")
    assert secrets_of(machine.find(registry, "a/b")) == ("u", "p", "", "")
    assert machine.asked == asked


def test_a_helper_of_another_registry_is_not_asked(machine: Machine) -> None:
    machine.config({"credHelpers": {"other.example": "missing", "r.example/team": "missing"}})
    assert machine.find("r.example", "team/app") is None


# --- Flags, and GitHub's token -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("creds", "password", "expected"),
    [
        ("u:p", None, ("u", "p", "", "")),
        ("u:p:q", None, ("u", "p:q", "", "")),
        ("u", "p", ("u", "p", "", "")),
        ("u", "p\n", ("u", "p", "", "")),
        ("u", "p\r\n", ("u", "p", "", "")),
        ("u", " p \n\n", ("u", " p \n", "", "")),
        ("u:", "p", ("u", "p", "", "")),
        ("<token>", "t", ("", "", "t", "")),
        (f"{AZURE}:t", None, (AZURE, "", "t", "")),
    ],
)
def test_creds(machine: Machine, creds: str, password: str | None, expected: tuple[str, ...]) -> None:
    machine.config("broken, and not asked")
    found = machine.find("r.example", "a", creds=creds, password=password)
    assert secrets_of(found) == expected
    assert found is not None
    assert found.origin == "--creds"


@pytest.mark.parametrize(
    ("creds", "password", "message"),
    [
        ("u", None, "--creds: the password is missing"),
        ("u:", None, "--creds: the password is empty"),
        ("u", "", "--creds: the password is empty"),
        ("u", "\n", "--creds: the password is empty"),
        (":p", None, "--creds: the user is missing"),
        ("", None, "--creds: the user is missing"),
        (None, "p", "--creds: the user is missing"),
        ("u:p", "q", "--creds has a password, and --password-stdin is another"),
        ("u:\udcff", None, "--creds: user name or password is not UTF-8"),
    ],
)
def test_creds_that_are_none(creds: str | None, password: str | None, message: str) -> None:
    with pytest.raises(InputError) as caught:
        default_source({}, creds=creds, password=password)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("registry", "variables", "user"),
    [
        ("ghcr.io", {"GITHUB_TOKEN": "t"}, "x-access-token"),
        ("ghcr.io", {"GITHUB_TOKEN": "t", "GITHUB_ACTOR": "me"}, "me"),
        ("ghcr.io", {"GITHUB_TOKEN": "", "GITHUB_ACTOR": "me"}, None),
        ("ghcr.io", {}, None),
        ("ghcr.io:8443", {"GITHUB_TOKEN": "t"}, None),
        ("ghcr.io.example", {"GITHUB_TOKEN": "t"}, None),
        ("docker.io", {"GITHUB_TOKEN": "t"}, None),
    ],
)
def test_github_token(machine: Machine, registry: str, variables: dict[str, str], user: str | None) -> None:
    machine.environ |= variables
    found = machine.find(registry, "me/app")
    assert (found and (found.username, found.password, found.origin)) == (
        user and (user, "t", "GITHUB_TOKEN")
    )


def test_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> object:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert default_source(environ).find("r.example", "a") is None
    with pytest.raises(InputError, match="no home directory"):
        login("r.example", Credential("u", "p"), registry_config=None, environ=environ)


def test_the_home_of_the_user_without_HOME(machine: Machine) -> None:  # noqa: N802
    del machine.environ["HOME"]
    assert machine.find("r.example.invalid") is None


# --- Files that are not as they should be ------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"auths": {}}', '{"auths": null, "credsStore": null}'])
def test_files_that_say_nothing(machine: Machine, text: str) -> None:
    machine.config(text)
    assert machine.find("r.example", "a/b") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{\n "auths": {\n  "r.example": {"auth": "x",,}\n}}', "{file}:3: not JSON"),
        ("{'auths': {}}", "{file}:1: not JSON"),
        ('{"a":\n1', "{file}:2: not JSON"),
        (b'{"a":\n"\xff"}', "{file}:2: not JSON"),
        ("[" * 100_000, "{file}:1: not JSON"),
        ("1" * 5000, "{file}:1: not JSON"),
        ("[]", "{file}:1: not a JSON object"),
        ({"auths": []}, "{file}: auths is no object"),
        ({"auths": {"r.example": "x"}}, '{file}: auths["r.example"] is no object'),
        ({"auths": {"r.example": {"auth": 1}}}, '{file}: auths["r.example"].auth is no text'),
        (
            {"auths": {"r.example": {"auth": "%"}}},
            '{file}: auths["r.example"].auth is not the base64 of USER:PASSWORD',
        ),
        (
            {"auths": {"r.example": {"auth": b64("nocolon")}}},
            '{file}: auths["r.example"].auth is not the base64 of USER:PASSWORD',
        ),
        (
            {"auths": {"r.example": {"auth": "/////w=="}}},
            '{file}: auths["r.example"].auth is not the base64 of USER:PASSWORD',
        ),
        (
            {"auths": {"r.example": {"registrytoken": "a\r\nb"}}},
            "auths in {file}: a token has blanks, control or non-ASCII characters",
        ),
        (
            {"auths": {"r.example": {"username": "u", "password": "\ud800"}}},
            "auths in {file}: user name or password is not UTF-8",
        ),
        ({"credHelpers": "x"}, "{file}: credHelpers is no object"),
        ({"credHelpers": {"r.example": 1}}, '{file}: credHelpers["r.example"] is no text'),
        ({"credsStore": ["x"]}, "{file}: credsStore is no text"),
        ({"credsStore": "../x"}, "{file}: '../x' is no name of a credential helper"),
        ({"credsStore": "/bin/sh"}, "{file}: '/bin/sh' is no name of a credential helper"),
        ({"credsStore": "a\\b"}, "{file}: 'a\\\\b' is no name of a credential helper"),
        ({"credHelpers": {"r.example": ".."}}, "{file}: '..' is no name of a credential helper"),
        ({"credHelpers": {"r.example": "x\n"}}, "{file}: 'x\\n' is no name of a credential helper"),
    ],
)
def test_broken_file(machine: Machine, content: object, message: str) -> None:
    if isinstance(content, bytes):
        file = machine.config("")
        file.write_bytes(content)
    else:
        file = machine.config(content)
    with pytest.raises(InputError) as caught:
        machine.find("r.example", "a/b")
    assert str(caught.value) == message.replace("{file}", str(file))


def test_a_broken_entry_of_another_registry_is_no_matter(machine: Machine) -> None:
    machine.config({"auths": {"bad.example": {"auth": "%"}, "r.example": entry("u", "p")}})
    assert secrets_of(machine.find("r.example")) == ("u", "p", "", "")


def test_a_file_that_cannot_be_read(machine: Machine) -> None:
    machine.docker.mkdir(parents=True)
    with pytest.raises(BobError, match=rf"^{machine.docker}: cannot be read: Is a directory$"):
        machine.find("r.example")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(machine: Machine) -> None:
    machine.config({}).chmod(0)
    with pytest.raises(BobError, match=r"cannot be read: Permission denied$"):
        machine.find("r.example")


def test_a_file_in_place_of_the_directory_says_nothing(machine: Machine) -> None:
    machine.docker.parent.write_text("")
    assert machine.find("r.example") is None


# --- Helpers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("""echo '{"Username": "u", "Secret": "p"}'""", ("u", "p", "", "")),
        ("""echo '{"ServerURL": "", "Username": "<token>", "Secret": "t"}'""", ("", "", "t", "")),
        (f"""echo '{{"Username": "{AZURE}", "Secret": "t"}}'""", (AZURE, "", "t", "")),
        ("""echo warning >&2; echo '{"Username": "u", "Secret": "p"}'""", ("u", "p", "", "")),
        ("""echo '{"ServerURL": "x", "Username": "", "Secret": ""}'""", None),
        ("""echo '{"Username": "u", "Secret": ""}'""", None),
        ("echo credentials not found in native keychain; exit 1", None),
        ("echo credentials not found in native keychain >&2; exit 1", None),
        ("echo 'old config'; echo ' credentials not found in native keychain '; exit 1", None),
        ("[ $# = 1 ] && [ $1 = get ] && [ \"$(cat)\" = r.example ] && echo '{}'", None),
    ],
)
def test_helper_get(machine: Machine, script: str, expected: object) -> None:
    machine.config({"credsStore": "h"})
    machine.helper("h", script)
    found = machine.find("r.example", "a/b")
    assert secrets_of(found) == expected
    assert found is None or found.origin == "docker-credential-h"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no such session; exit 3", "get r.example: exit 3: no such session"),
        ("echo why >&2; exit 1", "get r.example: exit 1: why"),
        ("echo first; echo second; echo third >&2; exit 1", "get r.example: exit 1: first"),
        ("printf '\\033[31mred\\007\\n'; exit 1", "get r.example: exit 1: [31mred"),
        ("exit 7", "get r.example: exit 7"),
        ("kill -9 $$", "get r.example: exit -9"),
        ("echo no credentials server URL; exit 1", "get r.example: exit 1: no credentials server URL"),
        ("echo nothing", "get r.example: the answer is no JSON with Username and Secret"),
        ("echo []", "get r.example: the answer is no JSON with Username and Secret"),
        ("true", "get r.example: the answer is no JSON with Username and Secret"),
        ("""echo '{"Secret": 1}'""", "get r.example: the answer is no JSON with Username and Secret"),
        ("#!/no/such/interpreter", "get: No such file or directory"),
    ],
)
def test_helper_that_fails(machine: Machine, script: str, message: str) -> None:
    machine.config({"credsStore": "h"})
    machine.helper("h", script)
    with pytest.raises(BobError) as caught:
        machine.find("r.example", "a/b")
    assert str(caught.value) == f"docker-credential-h: {message}"


def test_helper_that_is_not_there(machine: Machine) -> None:
    file = machine.config({"credsStore": "desktop.exe"})
    with pytest.raises(BobError) as caught:
        machine.find("r.example")
    assert str(caught.value) == f"docker-credential-desktop.exe: not on PATH, and {file} asks for it"


@pytest.mark.parametrize("path", ["", ".", "bin", None])
def test_helpers_come_from_PATH_alone(  # noqa: N802
    machine: Machine, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    machine.config({"credsStore": "h"})
    machine.answers("h", "u", "p")
    monkeypatch.chdir(machine.bin if path != "bin" else machine.root)
    monkeypatch.setenv("PATH", str(machine.bin))
    del machine.environ["PATH"]
    if path is not None:
        machine.environ["PATH"] = path
    with pytest.raises(BobError, match="not on PATH"):
        machine.find("r.example")


def test_helper_has_the_environment_that_was_given(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "outer")
    machine.environ["GIVEN"] = "given"
    machine.config({"credsStore": "h"})
    machine.helper("h", """echo "{\\"Username\\": \\"u$OUTER\\", \\"Secret\\": \\"$GIVEN\\"}\"""")
    assert secrets_of(machine.find("r.example")) == ("u", "given", "", "")


def test_helper_that_hangs(machine: Machine) -> None:
    machine.helper("h", f"echo {SECRET}; exec sleep 60")
    helper = Helper("h", machine.docker, machine.environ, seconds=0.3)
    with pytest.raises(BobError) as caught:
        helper.get("r.example")
    assert str(caught.value) == "docker-credential-h: get: no answer in 0.3 seconds"
    check_silent(caught.value, SECRET)


# --- No secret in what people see --------------------------------------------------------------------


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        yield from chain(error.__cause__)
        error = error.__context__


def check_silent(error: BaseException, *hidden: str) -> None:
    """Whatever a log may take from an error has none of these."""
    for link in chain(error):
        parts = [
            getattr(link, name, "") for name in ("args", "doc", "object", "output", "stderr", "__notes__")
        ]
        seen = f"{link}|{link!r}|{vars(link)}|{parts}"
        for text in hidden:
            assert text not in seen


PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
SECRETS = st.builds("Xq7{}".format, PRINTABLE)


@given(SECRETS)
def test_no_secret_in_a_repr(secret: str) -> None:
    assume(secret not in "Credential(username='u', origin='o')")
    credential = Credential("u", secret, secret, secret, "o")
    assert repr(credential) == str(credential) == "Credential(username='u', origin='o')"
    environ = {"GITHUB_TOKEN": secret, "REGISTRY_AUTH_FILE": "/none", "HOME": "/none"}
    for source in (default_source(environ), default_source({}, creds=f"u:{secret}")):
        assert secret not in repr(source)


BROKEN_FILES = [
    lambda secret: f'{{"auths": {{"r.example": {{"auth": {json.dumps(b64("u:" + secret))},,',
    lambda secret: f'{{"auths": {{"r.example": {{"password": "{secret}\n\\x',
    lambda secret: f'"{secret}"',
    lambda secret: json.dumps({"auths": {"r.example": secret}}),
    lambda secret: json.dumps({"auths": {"r.example": {"auth": b64(secret).replace("=", "") + "%"}}}),
    lambda secret: json.dumps({"auths": {"r.example": {"auth": [b64(secret)]}}}),
    lambda secret: json.dumps({"auths": {"r.example": {"username": "u", "password": secret + "\ud800"}}}),
    lambda secret: json.dumps({"auths": {"r.example": {"identitytoken": secret + "\n"}}}),
    lambda secret: json.dumps({"auths": {"r.example": {"registrytoken": secret + " "}}}),
    lambda secret: json.dumps({"auths": {"r.example": {"username": {"x": secret}}}}),
    lambda secret: json.dumps({"auths": [secret]}),
]


@given(SECRETS, st.sampled_from(BROKEN_FILES))
def test_no_secret_in_the_errors_of_a_file(secret: str, broken: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.json")
        file.write_text(broken(secret))
        source = default_source({"HOME": folder}, registry_config=file)
        with pytest.raises(BobError) as caught:
            source.find("r.example", "a/b")
        check_silent(caught.value, secret, b64("u:" + secret), b64(secret).replace("=", ""))
        try:
            login("r.example", Credential("u", secret), registry_config=file, environ={})
        except BobError as error:
            check_silent(error, secret, b64("u:" + secret))


ANSWERS = [
    lambda secret: json.dumps({"ServerURL": "r.example", "Username": "u", "Secret": secret}),
    lambda secret: json.dumps({"Username": "u", "Secret": secret}, indent=1),
    lambda secret: "failed: " + json.dumps({"Secret": secret}),
    lambda secret: f"Password: {secret}",
    lambda secret: f"token={secret}",
    lambda secret: f"Authorization: Bearer {secret}",
    lambda secret: f"cannot open https://u:{secret.replace('/', '')}@r.example/",
    lambda secret: json.dumps({"Secret": [secret]}),
]


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(SECRETS, st.sampled_from(ANSWERS), st.sampled_from(["", ">&2"]))
def test_no_secret_in_the_errors_of_a_helper(secret: str, answer: Any, stream: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "said").write_text(answer(secret))
        program = Path(folder, "docker-credential-h")
        program.write_text(f"#!/bin/sh\ncat > /dev/null; cat {folder}/said {stream}; exit 1\n")
        program.chmod(0o755)
        helper = Helper("h", Path("config.json"), {"PATH": f"{folder}:/usr/bin:/bin"})
        with pytest.raises(BobError) as caught:
            helper.get("r.example")
        check_silent(caught.value, secret, secret.replace("/", ""))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    SECRETS,
    st.sampled_from(["cat", "cat >&2", "sed 's/.*Secret....//'", "tr -d '\\\\'", "tr S s | fold -w 60"]),
)
def test_no_secret_in_the_errors_of_a_store(secret: str, echo: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "docker-credential-h")
        program.write_text(f"#!/bin/sh\necho; {echo}; exit 1\n")
        program.chmod(0o755)
        helper = Helper("h", Path("config.json"), {"PATH": f"{folder}:/usr/bin:/bin"})
        with pytest.raises(BobError) as caught:
            helper.store("r.example", Credential("u", secret))
        check_silent(caught.value, secret, json.dumps(secret)[1:-1])


def test_a_helper_of_many_words_is_cut(machine: Machine) -> None:
    machine.helper("h", "yes word | head -500 | tr '\\n' ' '; echo; exit 1")
    with pytest.raises(BobError) as caught:
        Helper("h", machine.docker, machine.environ).get("r.example")
    assert len(str(caught.value)) < 300


def test_what_looks_like_a_token_is_not_shown(machine: Machine) -> None:
    machine.helper("h", f"echo refused ghp_{'aB3' * 12}; exit 1")
    with pytest.raises(BobError, match=r"exit 1: refused …$"):
        Helper("h", machine.docker, machine.environ).get("r.example")


# --- Login -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("r.example", "r.example"),
        ("R.Example:8443", "r.example:8443"),
        ("https://r.example/v2/", "r.example"),
        ("oci://r.example", "r.example"),
        ("[::1]:5000", "[::1]:5000"),
        ("localhost:5000", "localhost:5000"),
        ("docker.io", HUB),
        ("index.docker.io", HUB),
        (HUB, HUB),
    ],
)
def test_login_key(machine: Machine, registry: str, key: str) -> None:
    assert machine.login(registry, Credential("u", "p")) == f"auths in {machine.docker}"
    assert machine.stored() == {"auths": {key: entry("u", "p")}}
    assert machine.docker.read_text().startswith('{\n\t"auths"')


@pytest.mark.parametrize(
    ("credential", "stored"),
    [
        (Credential("u", "p:ä"), {"auth": b64("u:p:ä")}),
        (Credential(identity_token="t"), {"identitytoken": "t"}),
        (Credential("u", identity_token="t"), {"auth": b64("u:"), "identitytoken": "t"}),
        (Credential(registry_token="t"), {"registrytoken": "t"}),
    ],
)
def test_login_entry(machine: Machine, credential: Credential, stored: object) -> None:
    origin = machine.login("r.example", credential)
    assert machine.stored()["auths"]["r.example"] == stored
    found = machine.find("r.example", "a/b")
    assert secrets_of(found) == secrets_of(credential)
    assert found is not None
    assert found.origin == origin


NAMES = st.text(st.characters(exclude_characters=":\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES, PASSWORDS)
def test_what_is_stored_is_found(username: str, password: str) -> None:
    assume(username not in {"<token>", AZURE})
    with tempfile.TemporaryDirectory() as folder:
        file, environ = Path(folder, "config.json"), {"HOME": folder}
        login("r.example", Credential(username, password), registry_config=file, environ=environ)
        found = default_source(environ, registry_config=file).find("r.example", "a")
        assert secrets_of(found) == (username, password, "", "")


def test_login_keeps_all_else_and_closes_the_file(machine: Machine) -> None:
    content = {
        "HttpHeaders": {"X": "ü & <b>"},
        "auths": {
            "r.example": entry("old", "old"),
            "https://r.example/v1/": entry("older", "older"),
            "r.example/team": entry("team", "p"),
            "other.example": entry("o", "p") | {"email": "a@b"},
        },
        "credHelpers": {"gcr.example": "gcloud"},
        "psFormat": "table {{.ID}}\\t",
        "currentContext": "x",
        "features": {"n": 12345678901234567890, "list": [1, 2.5, None, True]},
    }
    machine.config(content).chmod(0o644)
    machine.login("r.example", Credential("u", "p"))
    content["auths"] = {
        "r.example": entry("u", "p"),
        "r.example/team": entry("team", "p"),
        "other.example": entry("o", "p") | {"email": "a@b"},
    }
    assert machine.stored() == content
    assert stat.S_IMODE(machine.docker.stat().st_mode) == 0o600
    assert [file.name for file in machine.docker.parent.iterdir()] == ["config.json"]


def test_login_again_closes_the_file(machine: Machine) -> None:
    machine.login("r.example", Credential("u", "p"))
    machine.docker.chmod(0o644)
    machine.login("r.example", Credential("u", "p"))
    assert stat.S_IMODE(machine.docker.stat().st_mode) == 0o600


def test_a_new_directory_is_the_owners(machine: Machine) -> None:
    machine.login("r.example", Credential("u", "p"))
    assert stat.S_IMODE(machine.docker.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(machine.docker.stat().st_mode) == 0o600


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays(machine: Machine, exists: bool) -> None:  # noqa: FBT001
    target = machine.root / "dotfiles" / "docker.json"
    if exists:
        machine.config({"x": 1}, target)
    machine.docker.parent.mkdir()
    machine.docker.symlink_to(target)
    machine.login("r.example", Credential("u", "p"))
    assert machine.docker.is_symlink()
    assert not target.is_symlink()
    assert json.loads(target.read_text())["auths"] == {"r.example": entry("u", "p")}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_login_goes_to_the_file_that_is_asked_first(machine: Machine) -> None:
    machine.environ["DOCKER_CONFIG"] = str(machine.root / "dc")
    assert machine.login("r.example", Credential("d", "p")) == f"auths in {machine.root}/dc/config.json"
    machine.environ["REGISTRY_AUTH_FILE"] = str(machine.root / "named.json")
    machine.login("r.example", Credential("n", "p"))
    assert secrets_of(machine.find("r.example")) == ("n", "p", "", "")
    flag = machine.root / "new" / "flag.json"
    machine.login("r.example", Credential("f", "p"), flag)
    assert secrets_of(machine.find("r.example", registry_config=flag)) == ("f", "p", "", "")
    assert secrets_of(machine.find("r.example")) == ("n", "p", "", "")


@pytest.mark.parametrize("place", ["credsStore", "credHelpers"])
@pytest.mark.parametrize("credential", [Credential("u", "p"), Credential(identity_token="t")])
def test_login_with_a_helper(machine: Machine, place: str, credential: Credential) -> None:
    helper: Mapping[str, object] = {place: "keep" if place == "credsStore" else {"r.example": "keep"}}
    machine.config({**helper, "auths": {"r.example": entry("old", SECRET)}})
    machine.helper("keep", KEEPER)
    assert machine.login("r.example", credential) == "docker-credential-keep"
    assert machine.stored() == {**helper, "auths": {"r.example": {}}}
    found = machine.find("r.example", "a/b")
    assert secrets_of(found) == secrets_of(credential)
    assert found is not None
    assert found.origin == "docker-credential-keep"
    before = machine.docker.stat()
    machine.login("r.example", credential)
    assert machine.docker.stat().st_ino == before.st_ino  # the mark was there: nothing to write
    assert machine.logout("r.example")
    assert machine.find("r.example") is None
    assert not machine.logout("r.example")


def test_what_a_helper_is_given_to_store(machine: Machine) -> None:
    machine.config({"credsStore": "h"})
    machine.helper("h", f"echo $1 > {machine.bin}/asked; cat >> {machine.bin}/asked")
    machine.login("docker.io", Credential("u", 'p"ä\n'))
    verb, _, request = machine.asked.partition("\n")
    assert verb == "store"
    assert json.loads(request) == {"ServerURL": HUB, "Username": "u", "Secret": 'p"ä\n'}


def test_a_helper_that_refuses_leaves_the_file(machine: Machine) -> None:
    machine.config({"credsStore": "h", "auths": {"r.example": entry("old", "p")}})
    before = machine.docker.read_bytes()
    machine.helper("h", "echo 'pass not initialized'; exit 1")
    with pytest.raises(BobError) as caught:
        machine.login("r.example", Credential("u", SECRET))
    assert str(caught.value) == "docker-credential-h: store r.example: exit 1: pass not initialized"
    with pytest.raises(BobError, match="helpers keep no bearer tokens"):
        machine.login("r.example", Credential(registry_token="t"))
    assert machine.docker.read_bytes() == before


@pytest.mark.parametrize(
    ("registry", "credential", "message"),
    [
        ("r.example/team", Credential("u", SECRET), "'r.example/team': no registry: "),
        ("", Credential("u", SECRET), "'': no registry: "),
        ("r example", Credential("u", SECRET), "'r example': no registry: "),
        ("r.example", Credential("u"), "r.example: nothing to log in with"),
        ("r.example", Credential("", SECRET), "r.example: a password needs a user"),
        ("r.example", Credential("a:b", SECRET), "r.example: a user name has no colon"),
    ],
)
def test_login_that_is_none(machine: Machine, registry: str, credential: Credential, message: str) -> None:
    with pytest.raises(InputError) as caught:
        machine.login(registry, credential)
    assert str(caught.value).startswith(message)
    check_silent(caught.value, SECRET)
    assert not machine.docker.exists()


def test_login_changes_no_broken_file(machine: Machine) -> None:
    machine.config("{broken")
    with pytest.raises(InputError, match=r"/config\.json:1: not JSON$"):
        machine.login("r.example", Credential("u", "p"))
    assert machine.docker.read_text() == "{broken"


def test_login_replaces_no_device(machine: Machine) -> None:
    with pytest.raises(BobError, match=r"^/dev/null: not a regular file$"):
        machine.login("r.example", Credential("u", "p"), Path("/dev/null"))


def test_login_where_nothing_can_be_written(machine: Machine) -> None:
    (machine.root / "file").write_text("")
    with pytest.raises(BobError, match=r"/file/config.json: cannot be written: "):
        machine.login("r.example", Credential("u", "p"), machine.root / "file" / "config.json")


def test_a_failed_write_leaves_the_old_file(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.login("r.example", Credential("u", "p"))
    before = machine.docker.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BobError, match="cannot be written: No space left on device") as caught:
        machine.login("other.example", Credential("u", SECRET))
    check_silent(caught.value, SECRET, b64(f"u:{SECRET}"))
    assert machine.docker.read_bytes() == before
    assert [file.name for file in machine.docker.parent.iterdir()] == ["config.json"]


LOGINS = """
import sys
from pathlib import Path
from bob_ci.oci.credentials import Credential, login
for turn in range(5):
    name = f"r{sys.argv[1]}-{turn}.example"
    login(name, Credential("u", "p"), registry_config=Path(sys.argv[2]), environ={})
"""


def test_logins_at_the_same_time_lose_nothing(machine: Machine) -> None:
    root = Path(__file__).resolve().parents[3]
    running = [
        subprocess.Popen([sys.executable, "-c", LOGINS, str(number), str(machine.docker)], cwd=root)
        for number in range(8)
    ]
    assert [process.wait(60) for process in running] == [0] * 8
    assert len(machine.stored()["auths"]) == 40
    assert [file.name for file in machine.docker.parent.iterdir()] == ["config.json"]


def test_a_lock_that_is_never_given_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bob_ci.oci.credentials.update._LOCK_SECONDS", 0.1)
    machine.docker.parent.mkdir()
    holder = os.open(machine.docker.parent, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(BobError, match=r"/\.docker: locked by another process$"):
            machine.login("r.example", Credential("u", "p"))
    finally:
        os.close(holder)


@pytest.mark.parametrize(("number", "works"), [(errno.ENOLCK, True), (errno.EBADF, True), (errno.EIO, False)])
def test_directories_that_cannot_be_locked(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    works: bool,  # noqa: FBT001
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    if not works:
        with pytest.raises(BobError, match="cannot be written: Input/output error"):
            machine.login("r.example", Credential("u", "p"))
        return
    machine.login("r.example", Credential("u", "p"))
    assert machine.stored() == {"auths": {"r.example": entry("u", "p")}}


# --- Logout ------------------------------------------------------------------------------------------


def test_logout_takes_every_spelling_and_nothing_else(machine: Machine) -> None:
    rest = {
        "other.example": entry("o", "p"),
        "r.example/team": entry("t", "p"),
        "r.example:1": entry("o", "p"),
    }
    spellings = dict.fromkeys(["r.example", "https://r.example/v1/", "r.example/"], entry("u", "p"))
    machine.config({"x": 1, "auths": {**rest, **spellings}})
    assert machine.logout("r.example")
    assert machine.stored() == {"x": 1, "auths": rest}
    assert not machine.logout("r.example")


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io"])
def test_logout_of_docker_hub(machine: Machine, key: str) -> None:
    machine.config({"auths": {key: entry("u", "p")}})
    assert machine.logout("docker.io")
    assert machine.stored() == {"auths": {}}


def test_logout_makes_no_file(machine: Machine) -> None:
    assert not machine.logout("r.example")
    assert not machine.docker.parent.exists()


def test_logout_says_when_a_helper_forgets_nothing(machine: Machine) -> None:
    machine.config({"credsStore": "h", "auths": {"r.example": entry("u", "p")}})
    machine.helper(
        "h",
        """[ $1 = get ] && echo '{"Username": "u", "Secret": "p"}' || { echo not implemented; exit 1; }""",
    )
    with pytest.raises(BobError, match=r"^docker-credential-h: erase r.example: exit 1: not implemented$"):
        machine.logout("r.example")
    assert machine.stored()["auths"] == {}
