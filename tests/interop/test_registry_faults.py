"""Each fault at each request of push and pull: finished, or a clear end soon; and a re-run finishes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from bob_ci.errors import BobError
from bob_ci.oci.credentials import Credential
from bob_ci.oci.descriptor import EMPTY, INDEX, MANIFEST, Descriptor, MismatchError, canonical_json
from bob_ci.oci.http import Client, Request, Retry, TransferError, address
from bob_ci.oci.open import open_store
from bob_ci.oci.reference import parse_reference
from bob_ci.oci.registry import RegistryStore
from bob_ci.oci.store import NotFoundError
from tests.interop import registry_simulator as simulator
from tests.interop.registry_simulator import Fault, RegistrySimulator, Reply, Spoil

FOREVER = float("inf")
DATA = b"layer " * 1000
LAYER = Descriptor.of("application/octet-stream", DATA)


def manifest(subject: Descriptor | None = None) -> tuple[Descriptor, bytes]:
    said = {"schemaVersion": 2, "mediaType": MANIFEST, "config": EMPTY.to_json(), "layers": [LAYER.to_json()]}
    data = canonical_json({**said, **({"subject": subject.to_json()} if subject else {})})
    return Descriptor.of(MANIFEST, data), data


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with RegistrySimulator() as running:
        yield running
        assert running.leaks() == []


class Run:
    """A run of the tool: a store of its own, that does not really sleep."""

    def __init__(self, registry: RegistrySimulator) -> None:
        store = open_store(parse_reference(f"{registry.host}/acme/app"))
        assert isinstance(store, RegistryStore)
        self.store = store
        self.slept: list[float] = []
        store.client.sleep = self.slept.append

    def push(self) -> None:
        descriptor, data = manifest()
        self.store.put_blob(EMPTY, b"{}")
        self.store.put_blob(LAYER, DATA)
        self.store.put_manifest(descriptor, data)
        self.store.tag(descriptor, "v1")

    def pull(self) -> None:
        descriptor = self.store.resolve("v1")
        assert self.store.fetch_manifest(descriptor) == manifest()[1]
        assert descriptor == manifest()[0]
        assert self.store.fetch_manifest("v1") == manifest()[1]
        assert self.store.fetch_blob(LAYER) == DATA

    def succeeds(self, act: Callable[[Run], None]) -> bool:
        """Whether it does; else it is an error that says where, and nothing takes long."""
        started, message = time.monotonic(), None
        try:
            act(self)
        except BobError as error:
            message = str(error)
        assert max(self.slept, default=0) <= 5
        assert sum(self.slept) <= 25
        assert time.monotonic() - started < 5
        assert message is None or self.store.name in message
        return message is None


PUSH = [
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("HEAD", "/manifests/"),
    ("PUT", "/manifests/sha256"),
    ("PUT", "/manifests/v1"),
]
PULL = [
    ("HEAD", "/manifests/v1"),
    ("GET", "/manifests/sha256"),
    ("GET", "/blobs/"),
]
PASSING: list[Spoil] = [
    simulator.cut,
    simulator.lost,
    simulator.busy,
    simulator.busy_for_long,
    simulator.broken,
]
PASSING += [simulator.unavailable]
OTHER: list[Spoil] = [simulator.truncated, simulator.unsized, simulator.wrong_bytes]
OTHER += [simulator.bad_location, simulator.endless]


def named(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("times", [1, 4, FOREVER])
@pytest.mark.parametrize("spoil", [*PASSING, *OTHER], ids=named)
@pytest.mark.parametrize(("method", "path"), [*PUSH, *PULL])
def test_a_fault(registry: RegistrySimulator, method: str, path: str, spoil: Spoil, times: float) -> None:
    act = Run.push
    if (method, path) in PULL:
        Run(registry).push()
        act = Run.pull
    registry.faults = [Fault(spoil, method, path, times=times)]
    finished = Run(registry).succeeds(act)
    assert registry.faults[0].count > 0
    if spoil in PASSING:
        assert finished == (times is not FOREVER)
    if spoil in {simulator.truncated, simulator.unsized} and (method, path) == ("GET", "/blobs/"):
        assert finished == (times is not FOREVER)
    registry.faults = []
    Run(registry).push()
    Run(registry).pull()


@pytest.mark.parametrize("spoil", [simulator.truncated, simulator.unsized], ids=named)
@pytest.mark.parametrize("path", ["/manifests/sha256", "/blobs/"])
def test_a_body_that_was_cut_off_is_asked_for_again(
    registry: RegistrySimulator, path: str, spoil: Spoil
) -> None:
    Run(registry).push()
    registry.faults = [Fault(spoil, "GET", path, times=2)]
    run = Run(registry)
    run.pull()
    assert len(run.slept) == 2


@pytest.mark.parametrize("spoil", [simulator.cut, simulator.lost, simulator.broken], ids=named)
def test_an_upload_that_failed_begins_anew(registry: RegistrySimulator, spoil: Spoil) -> None:
    registry.faults = [Fault(spoil, "PUT", "/blobs/uploads/", times=2)]
    Run(registry).store.put_blob(LAYER, DATA)
    puts = [seen.path for seen in registry.seen if seen.method == "PUT"]
    assert len(set(puts)) == len(puts) == registry.count("POST") == 3


def test_a_second_push_sends_no_blob(registry: RegistrySimulator) -> None:
    Run(registry).push()
    before = registry.count("POST")
    Run(registry).push()
    assert registry.count("POST") == before == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413])
@pytest.mark.parametrize(("method", "path"), [("PUT", "/blobs/uploads/"), ("GET", "/blobs/sha256")])
def test_what_stays_so_is_not_tried_again(
    registry: RegistrySimulator, method: str, path: str, status: int
) -> None:
    Run(registry).push()
    if method == "PUT":
        registry.blobs.clear()
    registry.seen.clear()
    registry.faults = [Fault(lambda *_: simulator.error(status, "NO"), method, path, times=FOREVER)]
    run = Run(registry)
    assert not run.succeeds(Run.push if method == "PUT" else Run.pull)
    assert registry.count(method, path) == 1
    assert run.slept == []


@pytest.mark.parametrize("location", ["absolute", "relative", "query", "elsewhere"])
def test_uploads_go_where_the_registry_says(registry: RegistrySimulator, location: str) -> None:
    registry.auth, registry.location = "basic", location
    run = with_login(registry, Run(registry))
    run.push()
    run.pull()
    uploads = [seen for seen in registry.seen if seen.method == "PUT" and "uploads/" in seen.path]
    assert [seen.elsewhere for seen in uploads] == [location == "elsewhere"] * 2


def with_login(registry: RegistrySimulator, run: Run) -> Run:
    run.store.authorizer.credential = Credential(*next(iter(registry.users.items())), origin="a test")
    return run


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_no_credential_follows_a_redirect(registry: RegistrySimulator, auth: str) -> None:
    registry.auth, registry.blobs_elsewhere = auth, True
    run = with_login(registry, Run(registry))
    run.push()
    run.pull()
    assert any(seen.elsewhere for seen in registry.seen)


def test_a_manifest_by_tag_has_the_digest_that_the_registry_says(registry: RegistrySimulator) -> None:
    Run(registry).push()

    def other(act: Callable[[], Reply], _: simulator.Seen) -> Reply:
        return Reply(200, act().headers, b"#" * len(manifest()[1]))

    registry.faults = [Fault(other, "GET", "/manifests/v1")]
    with pytest.raises(MismatchError, match="acme/app: sha256"):
        Run(registry).store.fetch_manifest("v1")


def test_more_than_was_promised_is_not_read(registry: RegistrySimulator) -> None:
    Run(registry).push()
    registry.faults = [Fault(lambda *_: Reply(200, {}, DATA * 100), "GET", "/blobs/")]
    with pytest.raises(TransferError, match="more than 6000 bytes"):
        Run(registry).store.fetch_blob(LAYER)


# --- Lists


def test_tags_over_pages(registry: RegistrySimulator) -> None:
    Run(registry).push()
    registry.tags = {f"v{number}": manifest()[0].digest for number in range(25)}
    registry.tag_page = 10
    assert Run(registry).store.tags() == sorted(registry.tags)
    assert registry.count("GET", "/tags/list") == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"tags":5}', b'{"tags":[5]}', b"[" * 60_000])
def test_a_list_of_tags_that_is_none(registry: RegistrySimulator, body: bytes) -> None:
    registry.faults = [Fault(lambda *_: Reply(200, {}, body), "GET", "/tags/list")]
    with pytest.raises(BobError, match="acme/app"):
        Run(registry).store.tags()


def test_pages_at_another_place_are_not_asked_for(registry: RegistrySimulator) -> None:
    registry.tags, registry.tag_page = {"a": "", "b": ""}, 1
    registry.link = f"http://{registry.other}"
    with pytest.raises(TransferError, match="next page is at another place"):
        Run(registry).store.tags()
    assert not any(seen.elsewhere for seen in registry.seen)


def test_pages_end(registry: RegistrySimulator) -> None:
    def again(act: Callable[[], Reply], seen: simulator.Seen) -> Reply:
        return Reply(200, {"Link": f'<{seen.path}?last=a>; rel="next"'}, act().body)

    registry.faults = [Fault(again, "GET", "/tags/list", times=FOREVER)]
    with pytest.raises(TransferError, match="pages without end"):
        Run(registry).store.tags()
    assert registry.count("GET") < 5


@pytest.mark.parametrize("api", [True, False])
def test_referrers(registry: RegistrySimulator, *, api: bool) -> None:
    registry.referrers_api = api
    run = Run(registry)
    run.push()
    subject = manifest()[0]
    descriptor, data = manifest(subject)
    assert run.store.referrers(subject) == []
    run.store.put_manifest(descriptor, data)
    if not api:
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor.to_json()]}
        data = canonical_json(index)
        run.store.put_manifest(Descriptor.of(INDEX, data), data)
        run.store.tag(Descriptor.of(INDEX, data), subject.digest.replace(":", "-"))
    assert [found.digest for found in run.store.referrers(subject)] == [descriptor.digest]


def test_a_subject_under_its_own_fallback_tag_is_no_list(registry: RegistrySimulator) -> None:
    registry.referrers_api, registry.subject_at_fallback = False, True
    Run(registry).push()
    index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest()[0].to_json()]})
    subject = Descriptor.of(INDEX, index)
    Run(registry).store.put_manifest(subject, index)
    assert Run(registry).store.referrers(subject) == []


@pytest.mark.parametrize("spoil", [simulator.broken, lambda *_: simulator.error(403, "DENIED")])
def test_referrers_that_cannot_be_listed_are_not_none(registry: RegistrySimulator, spoil: Spoil) -> None:
    Run(registry).push()
    registry.faults = [Fault(spoil, "GET", "/referrers/", times=FOREVER)]
    with pytest.raises(BobError, match="list referrers of"):
        Run(registry).store.referrers(manifest()[0])


# --- Words and seconds


def test_the_last_words_of_a_registry(registry: RegistrySimulator) -> None:
    reply = Reply(500, {}, b'{"errors":[{"code":"UNKNOWN","message":"disk \\u001b[31mfull\\n"}]}')
    registry.faults = [Fault(lambda *_: reply, "POST", "", times=FOREVER)]
    with pytest.raises(TransferError) as caught:
        Run(registry).push()
    assert str(caught.value) == (
        f"{registry.host}/acme/app: upload {EMPTY.digest}: 500 UNKNOWN: disk [31mfull"
    )


def test_what_is_not_found_is_said_at_once(registry: RegistrySimulator) -> None:
    run = Run(registry)
    with pytest.raises(NotFoundError, match="no such tag or digest: v1"):
        run.store.resolve("v1")
    with pytest.raises(NotFoundError, match="no such blob"):
        run.store.fetch_blob(LAYER)
    assert run.slept == []


def test_nobody_is_there() -> None:
    with RegistrySimulator() as registry:
        run = Run(registry)
    assert not run.succeeds(Run.push)
    with pytest.raises(TransferError, match="Connection refused"):
        run.store.resolve("v1")


def test_a_host_without_address() -> None:
    store = open_store(parse_reference("registry.invalid/acme/app"))
    assert isinstance(store, RegistryStore)
    store.client.sleep = lambda _: None
    with pytest.raises(TransferError, match=r"registry.invalid/acme/app: read v1: registry.invalid cannot"):
        store.resolve("v1")


@pytest.mark.parametrize(
    ("said", "waited"),
    [("0", 0), ("2", 2), ("3600", 5), ("9" * 5000, 5), ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
     ("Fri, 31 Dec 2100 23:59:59 GMT", 5)],
)  # fmt: skip
def test_retry_after(registry: RegistrySimulator, said: str, waited: float) -> None:
    busy = Fault(lambda *_: Reply(429, {"Retry-After": said}), "GET", "/v2/x")
    registry.faults = [busy]
    slept: list[float] = []
    client = Client(registry.host, sleep=slept.append)
    assert client.send(Request("GET", f"http://{registry.host}/v2/x")).status == 404
    assert slept == [waited]


@pytest.mark.parametrize("said", ["", "soon", "-1", "1.5", "Mon, 99 Foo"])
def test_a_retry_after_that_says_nothing(registry: RegistrySimulator, said: str) -> None:
    registry.faults = [Fault(lambda *_: Reply(503, {"Retry-After": said}), "GET", "", times=3)]
    slept: list[float] = []
    client = Client(registry.host, sleep=slept.append)
    assert client.send(Request("GET", f"http://{registry.host}/v2/x")).status == 404
    assert 0.1 <= slept[0] <= 0.2
    assert 0.4 <= slept[2] <= 0.8


def test_patience_ends(registry: RegistrySimulator) -> None:
    registry.faults = [Fault(simulator.unavailable, "GET", "", times=FOREVER)]
    client = Client(registry.host, retry=Retry(patience=-1))
    assert client.send(Request("GET", f"http://{registry.host}/")).status == 503
    assert len(registry.seen) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/v2/x?a=b", "https://r.example/v2/x?a=b"),
        ("y", "https://r.example/v2/y"),
        ("//cdn.example/y", "https://cdn.example/y"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/"),
        ("http://[::1]:1/", "http://[::1]:1/"),
        ("http://r.example/v2/x", None),
        ("file:///etc/passwd", None),
        ("https://[x", None),
        ("https://h:port/", None),
        ("https://h:99999/", None),
    ],
)
def test_addresses(text: str, found: str | None) -> None:
    base = "https://r.example/v2/x"
    if found:
        assert address(base, text) == found
        return
    with pytest.raises(TransferError, match="leads to"):
        address(base, text)
