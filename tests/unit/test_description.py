"""What is told of an artifact, ours or anybody's. Hostile shapes are told or refused, never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bob_ci.artifact import CONFIG_TYPE, LAYER_TYPE, About, Content, build
from bob_ci.description import describe
from bob_ci.errors import BobError
from bob_ci.oci.archive import gzip, tar
from bob_ci.oci.descriptor import EMPTY, INDEX, MANIFEST, OCTETS, TITLE, Descriptor, canonical_json
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.platform import Platform
from bob_ci.profile.allows import COUNTED
from bob_ci.publish import push

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
ABOUT = About("web", "2026-01-02T03:04:05Z", version="1.2.3", images=("ghcr.io/acme/web",))
PROFILES = """\
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ContainerProfile
metadata: {name: one}
spec: {execs: [{path: /bin/sh}, {path: /bin/ls}], opens: [], syscalls: null, ingress: null, egress: []}
---
apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ApplicationProfile
metadata: {name: two}
spec:
  initContainers: [{name: init, capabilities: [NET_RAW]}]
  containers: [{name: main, endpoints: [{endpoint: ":80"}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
"""


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path)


def put(store: LayoutStore, text: str = PROFILES) -> Descriptor:
    files = {"rendered/bob.yaml": text.encode()}
    made = build([Content(AMD64, files), Content(ARM64, {**files, "x": b""})], ABOUT)
    push(made, store)
    return made.index.descriptor


def test_ours(store: LayoutStore) -> None:
    top = put(store)
    found = describe(store, top.digest)
    assert (found.digest, found.media_type, found.artifact_type) == (top.digest, INDEX, CONFIG_TYPE)
    assert found.is_bob
    assert (found.name, found.version, found.images) == ("web", "1.2.3", ("ghcr.io/acme/web",))
    assert [part.platform for part in found.platforms] == ["linux/amd64", "linux/arm64"]
    assert len({part.content_digest for part in found.platforms}) == 2
    assert found.referrers == ()


def test_what_it_allows(store: LayoutStore) -> None:
    one, main, init = describe(store, put(store).digest).allows
    assert (one.profile, one.container, init.container, main.container) == ("one", "", "init", "main")
    nothing_said = dict.fromkeys(COUNTED)
    # A list that is null holds nothing; a direction of traffic that is null is not told.
    assert one.counts == {**nothing_said, "executables": 2, "files": 0, "syscalls": 0, "egress": 0}
    assert init.counts == {**nothing_said, "capabilities": 1}
    assert main.counts == {**nothing_said, "endpoints": 1}


def test_referrers_are_told(store: LayoutStore) -> None:
    top = put(store)
    store.put_blob(EMPTY, b"{}")
    data = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.signature",
            "config": EMPTY.to_json(),
            "layers": [EMPTY.to_json()],
            "subject": {"mediaType": top.media_type, "digest": top.digest, "size": top.size},
        }
    )
    store.put_manifest(Descriptor.of(MANIFEST, data), data)
    (referrer,) = describe(store, top.digest).referrers
    assert referrer.artifact_type == "application/vnd.example.signature"


def test_another_tools_artifact(store: LayoutStore) -> None:
    layer = Descriptor.of(OCTETS, b"hello", annotations={TITLE: "a.txt"})
    store.put_blob(layer, b"hello")
    store.put_blob(EMPTY, b"{}")
    data = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "text/x",
            "config": EMPTY.to_json(),
            "layers": [layer.to_json()],
        }
    )
    store.put_manifest(Descriptor.of(MANIFEST, data), data)
    found = describe(store, Descriptor.of(MANIFEST, data).digest)
    assert (found.is_bob, found.artifact_type, found.name, found.allows) == (False, "text/x", None, ())
    assert [(part.platform, part.size, part.content_digest) for part in found.platforms] == [("any", 5, None)]


# --- Hostile shapes


def hostile(store: LayoutStore, config: object, rendered: str = "") -> str:
    archive = gzip(tar({"rendered/bob.yaml": rendered.encode()}))
    parts = [(LAYER_TYPE, archive), (CONFIG_TYPE, json.dumps(config).encode())]
    layer, described = (Descriptor.of(media_type, data) for media_type, data in parts)
    for _, data in parts:
        store.put_blob(Descriptor.of(OCTETS, data), data)
    members: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": CONFIG_TYPE}
    data = canonical_json(members | {"config": described.to_json(), "layers": [layer.to_json()]})
    store.put_manifest(Descriptor.of(MANIFEST, data), data)
    return Descriptor.of(MANIFEST, data).digest


@pytest.mark.parametrize(
    "bob",
    [
        None,
        5,
        [],
        {"images": 5},
        {"images": "text"},
        {"images": {"a": "b"}},
        {"images": [5, None, {}]},
        {"name": 5, "version": []},
        {"name": "", "version": None},
    ],
)
def test_configs_of_any_shape(store: LayoutStore, bob: object) -> None:
    found = describe(store, hostile(store, {"config": {"bob": bob}}))
    assert (found.name, found.version, found.images) == (None, None, ())


def profile(spec: str, metadata: str = "{name: x}") -> str:
    head = "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\nkind: ApplicationProfile"
    return f"{head}\nmetadata: {metadata}\nspec: {spec}\n"


@pytest.mark.parametrize(
    "rendered",
    [
        "{",
        "a: 2026-99-99",
        "a: !!python/object:os.system {}",
        "[" * 5000,
        "\0",
        "kind: List\nitems: 5",
        profile("{containers: 5}"),
        profile("{containers: [5]}"),
        profile("{containers: text}"),
        profile("{containers: [{}]}", metadata="5"),
        profile("{containers: [{}]}", metadata="[a]"),
    ],
    ids=lambda text: text[-30:],
)
def test_profiles_of_any_shape_are_told_or_refused(store: LayoutStore, rendered: str) -> None:
    with pytest.raises(BobError, match=r"rendered/bob.yaml: not readable"):
        describe(store, hostile(store, {}, rendered))


@pytest.mark.parametrize("spec", ["5", "null", "[]", "{}", "{containers: null}", "{containers: {}}"])
def test_profiles_without_containers(store: LayoutStore, spec: str) -> None:
    assert describe(store, hostile(store, {}, profile(spec))).allows == ()


def test_rendered_bytes_that_are_no_text(store: LayoutStore) -> None:
    archive = gzip(tar({"rendered/bob.yaml": b"\xff"}))
    made = build([Content(AMD64, {"rendered/bob.yaml": b"\xff"})], ABOUT)
    assert archive == made.children[0].layer.data
    push(made, store)
    with pytest.raises(BobError, match="not readable"):
        describe(store, made.digest)
