"""Credentials: who is told what, how often, and in which words it ends."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bob_ci.errors import BobError
from bob_ci.oci.auth import Challenge, DeniedError
from bob_ci.oci.descriptor import EMPTY, Descriptor
from bob_ci.oci.http import TransferError
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.reference import parse_reference
from bob_ci.oci.registry import RegistryStore
from tests.interop import registry_simulator as simulator
from tests.interop.registry_simulator import Fault, RegistrySimulator, Reply

GOOD, WRONG = "ann:secret", "ann:old"
AUTHS = pytest.mark.parametrize("auth", ["basic", "token"])


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with RegistrySimulator(auth="token") as running:
        running.blobs[EMPTY.digest] = b"{}"
        yield running
        assert running.leaks() == []


def store_of(registry: RegistrySimulator, creds: str | None = None) -> RegistryStore:
    return opened(registry, Connection(creds=creds))


def opened(registry: RegistrySimulator, connection: Connection) -> RegistryStore:
    store = open_store(parse_reference(f"{registry.host}/acme/app"), connection)
    assert isinstance(store, RegistryStore)
    store.client.sleep = lambda seconds: pytest.fail(f"slept {seconds}")
    return store


def with_file(registry: RegistrySimulator, folder: Path, entry: dict[str, str]) -> RegistryStore:
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": {registry.host: entry}}))
    return opened(registry, Connection(registry_config=file))


def pair(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def push(store: RegistryStore, text: str = "x") -> bool:
    data = text.encode()
    return store.put_blob(Descriptor.of("text/plain", data), data)


# --- Right ones


@AUTHS
def test_push_and_pull(registry: RegistrySimulator, auth: str) -> None:
    registry.auth = auth
    store = store_of(registry, GOOD)
    assert push(store)
    assert store.fetch_blob(EMPTY) == b"{}"
    # The first request says nothing; all further ones do from the start.
    assert [seen.authorization for seen in registry.seen if "/v2/" in seen.path].count("") == 1
    assert registry.count("GET", "/token") == (2 if auth == "token" else 0)


def test_threads_share_one_token(registry: RegistrySimulator) -> None:
    store = store_of(registry, GOOD)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda number: push(store, f"blob {number}"), range(40)))
    assert registry.count("GET", "/token") == 1


def test_a_token_that_expires_halfway(registry: RegistrySimulator) -> None:
    registry.token_uses = 7
    store = store_of(registry, GOOD)
    for number in range(20):
        assert push(store, f"blob {number}")
    assert registry.count("GET", "/token") == 9  # 60 requests


def test_a_token_that_expires_for_all_threads_at_once(registry: RegistrySimulator) -> None:
    store = store_of(registry, GOOD)
    push(store)
    registry.expire_tokens()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda number: push(store, f"blob {number}"), range(8)))
    assert registry.count("GET", "/token") == 2


def test_a_token_is_renewed_before_it_expires(
    registry: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(registry, GOOD)
    store.has_blob(EMPTY)
    later = time.monotonic() + registry.token_seconds
    monkeypatch.setattr("bob_ci.oci.auth.time.monotonic", lambda: later)
    registry.seen.clear()
    store.has_blob(EMPTY)
    assert [seen.method for seen in registry.seen] == ["GET", "HEAD"]  # no 401 first


def test_an_identity_token(registry: RegistrySimulator, tmp_path: Path) -> None:
    registry.identity_tokens = {"refresh-me"}
    store = with_file(registry, tmp_path, {"identitytoken": "refresh-me"})
    assert push(store)
    assert registry.count("POST", "/token") == 1
    assert all("refresh-me" not in seen.query + seen.authorization for seen in registry.seen)


def test_a_registry_token(registry: RegistrySimulator, tmp_path: Path) -> None:
    registry._tokens["mine"] = ["acme/app", "pull,push", -1]  # noqa: SLF001 -- no server gave it
    assert push(with_file(registry, tmp_path, {"registrytoken": "mine"}))
    assert registry.count("GET", "/token") == 0


def test_a_token_server_in_trouble(registry: RegistrySimulator) -> None:
    registry.faults = [Fault(simulator.unavailable, "GET", "/token", times=2)]
    store, slept = store_of(registry, GOOD), list[float]()
    store.client.sleep = slept.append
    assert push(store)
    assert len(slept) == 2


@pytest.mark.parametrize("spoil", [simulator.cut, simulator.unavailable, simulator.busy_for_long])
def test_a_token_server_that_stays_in_trouble(registry: RegistrySimulator, spoil: simulator.Spoil) -> None:
    registry.token_uses = 1  # HEAD has it, POST needs another
    registry.faults = [Fault(spoil, "GET", "/token", nth=2, times=float("inf"))]
    store, slept = store_of(registry, GOOD), list[float]()
    store.client.sleep = slept.append
    with pytest.raises(TransferError, match=r"acme/app: upload .*: no token"):
        push(store)
    assert len(slept) == 4
    assert sum(slept) <= 20


# --- Wrong ones


@AUTHS
@pytest.mark.parametrize("status", [401, 403])
def test_an_old_login_does_not_hide_what_is_public(
    registry: RegistrySimulator, tmp_path: Path, auth: str, status: int
) -> None:
    registry.auth, registry.public, registry.refuses_logins_with = auth, True, status
    store = with_file(registry, tmp_path, pair(WRONG))
    assert store.fetch_blob(EMPTY) == b"{}"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.fetch_blob, [EMPTY] * 16)) == {b"{}"}
    with pytest.raises(DeniedError) as caught:
        push(store)
    assert f"the credential from auths in {tmp_path}/config.json was " in str(caught.value.hint)


@AUTHS
def test_an_old_login_of_many_threads(registry: RegistrySimulator, tmp_path: Path, auth: str) -> None:
    registry.auth, registry.public = auth, True
    store = with_file(registry, tmp_path, pair(WRONG))
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(store.fetch_blob, [EMPTY] * 16)) == {b"{}"}


def test_an_old_identity_token(registry: RegistrySimulator, tmp_path: Path) -> None:
    registry.public = True
    store = with_file(registry, tmp_path, {"identitytoken": "old"})
    assert store.fetch_blob(EMPTY) == b"{}"


def test_an_old_registry_token(registry: RegistrySimulator, tmp_path: Path) -> None:
    registry.public = True
    assert with_file(registry, tmp_path, {"registrytoken": "old"}).fetch_blob(EMPTY) == b"{}"


@AUTHS
def test_a_wrong_password(registry: RegistrySimulator, auth: str) -> None:
    registry.auth = auth
    store = store_of(registry, WRONG)
    with pytest.raises(DeniedError, match=r"acme/app: no right to push: .*401 U") as caught:
        push(store)
    assert registry.host in str(caught.value)
    assert caught.value.hint == f"the credential from --creds was refused: docker login {registry.host}"
    assert "old" not in str(caught.value)
    # Nothing, the credential, nothing again: no more.
    assert len(registry.seen) == 3


@AUTHS
def test_no_credential(registry: RegistrySimulator, auth: str) -> None:
    registry.auth = auth
    with pytest.raises(DeniedError, match="acme/app: no right to pull") as caught:
        store_of(registry).fetch_blob(EMPTY)
    assert caught.value.hint == f"no credential for {registry.host} was found: docker login {registry.host}"
    assert len(registry.seen) == (1 if auth == "basic" else 2)


@AUTHS
def test_no_right_to_push(registry: RegistrySimulator, auth: str) -> None:
    registry.auth, registry.denies_push = auth, True
    with pytest.raises(DeniedError) as caught:
        push(store_of(registry, GOOD))
    assert str(caught.value).startswith(f"{registry.host}/acme/app: no right to push: upload sha256:")
    assert str(caught.value).endswith("403 DENIED: simulated denied")
    assert caught.value.hint == "the credential from --creds was sent, and gives no right to push"
    assert registry.count("POST") == 1


def test_a_token_that_is_never_good_enough(registry: RegistrySimulator) -> None:
    registry.token_uses = 0
    with pytest.raises(DeniedError, match="401"):
        store_of(registry, GOOD).fetch_blob(EMPTY)
    assert len(registry.seen) <= 5


def test_the_four_causes_on_ghcr(registry: RegistrySimulator) -> None:
    registry.denies_push = True
    store = store_of(registry, GOOD)
    with pytest.raises(DeniedError):
        push(store)
    store.client.host = "ghcr.io"
    assert "packages: write" in store.authorizer.hint("pull,push")
    assert "packages: write" not in store.authorizer.hint("pull")


# --- To whom


@pytest.mark.parametrize(
    "realm", ["http://tokens.example/token", "http://10.0.0.1/token", "ftp://x/", "nonsense", "http://[x"]
)
def test_a_realm_that_is_told_nothing(registry: RegistrySimulator, realm: str) -> None:
    registry.realm = realm
    with pytest.raises(TransferError, match=r"acme/app: read .* asks for a token"):
        store_of(registry, GOOD).fetch_blob(EMPTY)
    assert len(registry.seen) == 1


def test_a_token_server_that_redirects(registry: RegistrySimulator) -> None:
    away = Reply(307, {"Location": f"http://{registry.other}/token?scope=repository:acme/app:pull"})
    registry.faults = [Fault(lambda *_: away, "GET", "/token")]
    with pytest.raises(BobError):
        store_of(registry, GOOD).fetch_blob(EMPTY)
    assert any(seen.elsewhere for seen in registry.seen)


def test_a_host_elsewhere_that_asks_who_we_are(registry: RegistrySimulator) -> None:
    registry.blobs_elsewhere = True
    asks = simulator.error(401, "UNAUTHORIZED", WWW_Authenticate='Basic realm="cdn"')
    store = store_of(registry, GOOD)
    assert store.has_blob(EMPTY)
    registry.faults = [Fault(lambda *_: asks, "GET", "/blobs/", nth=2, times=float("inf"))]
    with pytest.raises(DeniedError):
        store.fetch_blob(EMPTY)


@AUTHS
@pytest.mark.parametrize("location", ["elsewhere", "query"])
def test_uploads_elsewhere(registry: RegistrySimulator, auth: str, location: str) -> None:
    registry.auth, registry.location = auth, location
    assert push(store_of(registry, GOOD))


def test_netrc_is_not_read(
    registry: RegistrySimulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login ann password secret\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    registry.auth = "basic"
    with pytest.raises(DeniedError):
        store_of(registry).fetch_blob(EMPTY)
    assert not any(seen.authorization for seen in registry.seen)


def test_secrets_are_not_shown(registry: RegistrySimulator) -> None:
    store = store_of(registry, GOOD)
    push(store)
    assert "secret" not in repr(store)
    assert "token-0" not in repr(store)


# --- What is asked, and answered


@pytest.mark.parametrize(
    ("header", "scheme", "parameters"),
    [
        ('Basic realm="x"', "basic", {"realm": "x"}),
        ("basic realm=x", "basic", {"realm": "x"}),
        ('Negotiate, Basic realm="x"', "basic", {"realm": "x"}),
        ('Basic realm="x", Bearer realm="https://t/",service="s"', "bearer",
         {"realm": "https://t/", "service": "s"}),
        ('Bearer realm="https://t/?a=b,c",scope="repository:a/b:pull,push"', "bearer",
         {"realm": "https://t/?a=b,c", "scope": "repository:a/b:pull,push"}),
        (r'Bearer realm="a\"b" , error="x"', "bearer", {"realm": 'a"b', "error": "x"}),
        ("Basic", "basic", {}),
    ],
)  # fmt: skip
def test_challenges(header: str, scheme: str, parameters: dict[str, str]) -> None:
    assert Challenge.parse(header) == Challenge(scheme, parameters)


@pytest.mark.parametrize("header", ["", "Negotiate", "Digest realm=x", '"', ",,,", "=", "é"])
def test_challenges_that_are_none_of_ours(header: str) -> None:
    assert Challenge.parse(header) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"token":5}', b'{"token":"a b"}', b'{"token":"a\\r\\nX: y"}', b'{"token":""}'],
)
def test_tokens_that_are_none(registry: RegistrySimulator, body: bytes) -> None:
    registry.faults = [Fault(lambda *_: Reply(200, {}, body), "GET", "/token", times=float("inf"))]
    with pytest.raises(TransferError, match=r"acme/app: read .*the token server"):
        store_of(registry, GOOD).fetch_blob(EMPTY)


@pytest.mark.parametrize("challenge", ["", "Negotiate", "Basic"])
def test_a_401_that_asks_for_nothing(registry: RegistrySimulator, challenge: str) -> None:
    refused = simulator.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
    registry.faults = [Fault(lambda *_: refused, "GET", "/blobs/", times=float("inf"))]
    with pytest.raises(DeniedError, match="401"):
        store_of(registry, GOOD).fetch_blob(EMPTY)
    assert len(registry.seen) <= 3
