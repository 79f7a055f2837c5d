"""The registry store against real registries, with and without the referrers API."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bob_ci.oci.descriptor import EMPTY, EMPTY_JSON, MANIFEST, Descriptor, canonical_json
from bob_ci.oci.open import open_store
from bob_ci.oci.reference import parse_reference
from bob_ci.oci.registry import RegistryStore
from bob_ci.oci.store import NotFoundError

pytestmark = pytest.mark.peer("crane-registry", "distribution", "oras")

TYPE = "application/vnd.example.test"


@pytest.fixture(params=["registry", "registry_old"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def store(host: str, request: pytest.FixtureRequest) -> RegistryStore:
    name = request.node.name.lower().replace("[", "-").replace("]", "").replace("_", "-")
    found = open_store(parse_reference(f"{host}/acme/{name}"))
    assert isinstance(found, RegistryStore)
    return found


def manifest_of(text: str, subject: Descriptor | None = None) -> tuple[Descriptor, bytes, bytes]:
    data = text.encode()
    said = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": TYPE,
        "config": EMPTY.to_json(),
        "layers": [Descriptor.of("text/plain", data).to_json()],
        **({"subject": subject.to_json()} if subject else {}),
    }
    manifest = canonical_json(said)
    return Descriptor.of(MANIFEST, manifest), manifest, data


def put(store: RegistryStore, text: str, subject: Descriptor | None = None) -> Descriptor:
    descriptor, manifest, data = manifest_of(text, subject)
    store.put_blob(Descriptor.of(EMPTY_JSON, b"{}"), b"{}")
    store.put_blob(Descriptor.of("text/plain", data), data)
    store.put_manifest(descriptor, manifest)
    return descriptor


def test_what_is_put_is_there_once(store: RegistryStore) -> None:
    blob = Descriptor.of("text/plain", b"hello")
    assert not store.has_blob(blob)
    assert store.put_blob(blob, b"hello")
    assert not store.put_blob(blob, b"hello")
    assert store.fetch_blob(blob) == b"hello"


def test_a_tag_names_a_manifest(store: RegistryStore) -> None:
    descriptor = put(store, "one")
    store.tag(descriptor, "v1")
    assert store.resolve("v1") == descriptor
    assert store.resolve(descriptor.digest) == descriptor
    assert store.tags() == ["v1"]
    store.tag(put(store, "two"), "v1")
    assert store.resolve("v1") != descriptor


def test_what_is_not_there_is_not_found(store: RegistryStore) -> None:
    put(store, "one")
    absent = Descriptor.of("text/plain", b"absent")
    for ask in (
        lambda: store.resolve("nope"),
        lambda: store.fetch_manifest("nope"),
        lambda: store.fetch_blob(absent),
    ):
        with pytest.raises(NotFoundError):
            ask()


def test_a_repository_that_is_not_there_has_no_tags(host: str) -> None:
    with pytest.raises(NotFoundError):
        open_store(parse_reference(f"{host}/acme/never-written")).tags()


def test_many_threads_share_a_store(store: RegistryStore) -> None:
    texts = [f"blob {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        descriptors = list(pool.map(lambda text: put(store, text), texts))
    for descriptor, text in zip(descriptors, texts, strict=True):
        assert store.fetch_blob(Descriptor.of("text/plain", text.encode())) == text.encode()
        assert store.resolve(descriptor.digest) == descriptor


def test_what_oras_attached_is_a_referrer(
    store: RegistryStore, peers: Mapping[str, Path], tmp_path: Path
) -> None:
    subject = put(store, "subject")
    store.tag(subject, "v1")
    (tmp_path / "sbom.json").write_text("{}")
    subprocess.run(
        [peers["oras"], "attach", "--plain-http", "--artifact-type", TYPE, f"{store.name}:v1", "sbom.json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (found,) = store.referrers(subject)
    assert found.artifact_type == TYPE
    assert store.referrers(subject, "another/type") == []
    assert json.loads(store.fetch_manifest(found))["subject"]["digest"] == subject.digest


def test_oras_reads_what_we_wrote(store: RegistryStore, peers: Mapping[str, Path]) -> None:
    descriptor = put(store, "for oras")
    store.tag(descriptor, "v1")
    done = subprocess.run(
        [peers["oras"], "manifest", "fetch", "--plain-http", f"{store.name}:v1"],
        check=True,
        capture_output=True,
    )
    assert done.stdout == store.fetch_manifest(descriptor)


def test_tags_come_over_many_pages(store: RegistryStore) -> None:
    descriptor = put(store, "paged")
    wanted = sorted(f"v{number}" for number in range(120))
    for tag in wanted:
        store.tag(descriptor, tag)
    assert store.tags() == wanted
