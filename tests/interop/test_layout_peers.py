"""Image layouts that oras and crane write are read by us, and ours by them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bob_ci.oci.archive import gzip, tar
from bob_ci.oci.descriptor import (
    EMPTY,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    REF_NAME,
    TITLE,
    Descriptor,
    canonical_json,
    digest_of,
)
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.manifest import check_manifest
from bob_ci.oci.platform import Platform
from bob_ci.oci.unpack import unpack

PLATFORMS = [Platform("linux", "amd64"), Platform("linux", "arm64")]
ARTIFACT_TYPE = "application/vnd.example.thing.v1+json"
SIGNATURE = "application/vnd.example.signature"

Run = Callable[..., str]


@pytest.fixture
def oras(peers: Mapping[str, Path], tmp_path: Path) -> Run:
    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [peers["oras"], *words], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def put_child(store: LayoutStore, platform: Platform) -> Descriptor:
    layer = gzip(tar({"platform.txt": str(platform).encode()}))
    described = Descriptor.of(LAYER_GZIP, layer, annotations={TITLE: "thing.tar.gz"})
    store.put_blob(described, layer)
    config = canonical_json(platform.to_json())
    store.put_blob(Descriptor.of(ARTIFACT_TYPE, config), config)
    data = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(ARTIFACT_TYPE, config).to_json(),
            "layers": [described.to_json()],
        }
    )
    descriptor = Descriptor.of(MANIFEST, data, platform=platform)
    store.put_manifest(descriptor, data)
    return descriptor


def put_index(store: LayoutStore, *tags: str) -> Descriptor:
    """Store an index of two platforms, as a push would."""
    children = [put_child(store, platform) for platform in PLATFORMS]
    data = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "artifactType": ARTIFACT_TYPE,
            "manifests": [child.to_json() for child in children],
        }
    )
    descriptor = Descriptor.of(INDEX, data)
    store.put_manifest(descriptor, data)
    for tag in tags:
        store.tag(descriptor, tag)
    return descriptor


def put_referrer(store: LayoutStore, subject: Descriptor) -> Descriptor:
    store.put_blob(EMPTY, b"{}")
    members: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": SIGNATURE}
    plain = Descriptor(subject.media_type, subject.digest, subject.size)
    members |= {"config": EMPTY.to_json(), "layers": [EMPTY.to_json()], "subject": plain.to_json()}
    data = canonical_json(members | {"annotations": {"of": subject.digest}})
    descriptor = Descriptor.of(MANIFEST, data)
    store.put_manifest(descriptor, data)
    return descriptor


def discovered(oras: Run, target: str) -> list[str]:
    """Give the digests of the referrers that oras finds."""
    found = json.loads(oras("discover", "--oci-layout", "--format", "json", target))
    return [one["digest"] for one in found.get("referrers") or found.get("manifests") or []]


# --- Ours, read by oras


@pytest.mark.peer("oras")
def test_oras_reads_tags_and_manifests(oras: Run, root: Path) -> None:
    store = LayoutStore(root)
    top = put_index(store, "v1", "latest")
    assert oras("repo", "tags", "--oci-layout", root).split() == ["latest", "v1"]
    assert oras("manifest", "fetch", "--oci-layout", f"{root}:v1").encode() == store.fetch_manifest(top)
    assert oras("resolve", "--oci-layout", f"{root}:latest").strip() == top.digest
    by_platform = oras("resolve", "--oci-layout", "--platform", "linux/arm64", f"{root}:v1").strip()
    assert by_platform == check_manifest(store.fetch_manifest(top), top).manifests[1].digest


@pytest.mark.peer("oras")
def test_oras_pulls(oras: Run, root: Path, tmp_path: Path) -> None:
    top = put_index(LayoutStore(root), "v1")
    for platform in PLATFORMS:
        for reference in (f"{root}:v1", f"{root}@{top.digest}"):
            out = tmp_path / f"{platform.folder}{reference.count('@')}"
            oras("pull", "--oci-layout", "--platform", str(platform), "-o", out, reference)
            assert unpack((out / "thing.tar.gz").read_bytes()) == {"platform.txt": str(platform).encode()}


@pytest.mark.peer("oras")
def test_oras_discovers_referrers_of_indexes_and_children(oras: Run, root: Path) -> None:
    store = LayoutStore(root)
    top = put_index(store, "v1")
    child = check_manifest(store.fetch_manifest(top), top).manifests[0]
    of_top, of_child = put_referrer(store, top), put_referrer(store, child)
    assert discovered(oras, f"{root}:v1") == [of_top.digest]
    assert discovered(oras, f"{root}@{child.digest}") == [of_child.digest]


@pytest.mark.peer("oras")
def test_oras_copies_from_ours(oras: Run, root: Path, tmp_path: Path) -> None:
    store = LayoutStore(root)
    top = put_index(store, "v1")
    referrer = put_referrer(store, top)
    oras("cp", "-r", "--from-oci-layout", f"{root}:v1", "--to-oci-layout", f"{tmp_path}/copy:v2")
    copy = LayoutStore(tmp_path / "copy")
    assert copy.resolve("v2") == top
    assert [one.digest for one in copy.referrers(top)] == [referrer.digest]
    for child in check_manifest(copy.fetch_manifest("v2"), top).manifests:
        for blob in check_manifest(copy.fetch_manifest(child), child).blobs:
            assert copy.fetch_blob(blob) == store.fetch_blob(blob)


@pytest.mark.peer("oras")
def test_oras_reads_a_moved_tag(oras: Run, root: Path) -> None:
    store = LayoutStore(root)
    old = put_index(store, "v1")
    new = put_child(store, Platform("linux", "s390x"))
    store.tag(new, "v1")
    assert oras("resolve", "--oci-layout", f"{root}:v1").strip() == new.digest
    assert oras("resolve", "--oci-layout", f"{root}@{old.digest}").strip() == old.digest
    assert oras("repo", "tags", "--oci-layout", root).split() == ["v1"]


# --- Those of oras, read by us


@pytest.mark.peer("oras")
def test_what_oras_pushes_is_read(oras: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    oras("push", "--oci-layout", f"{root}:v1", "--artifact-type", ARTIFACT_TYPE, "a.txt:text/plain")
    oras("tag", "--oci-layout", f"{root}:v1", "v2")
    store = LayoutStore(root)
    assert store.tags() == ["v1", "v2"]
    top = store.resolve("v2")
    manifest = check_manifest(store.fetch_manifest(top), top)
    assert manifest.artifact_type == ARTIFACT_TYPE
    assert [store.fetch_blob(layer) for layer in manifest.layers] == [b"hello"]


@pytest.mark.peer("oras")
def test_what_oras_attaches_is_found(oras: Run, root: Path, tmp_path: Path) -> None:
    store = LayoutStore(root)
    top = put_index(store, "v1")
    (tmp_path / "s.txt").write_text("signed")
    oras(
        "attach",
        "--oci-layout",
        f"{root}:v1",
        "--artifact-type",
        SIGNATURE,
        "-a",
        "by=oras",
        "s.txt:text/plain",
    )
    found = store.referrers(top, SIGNATURE)
    assert [one.annotations["by"] for one in found] == ["oras"]
    assert found[0].digest in discovered(oras, f"{root}:v1")


@pytest.mark.peer("oras")
def test_both_write_the_same_layout(oras: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    oras("push", "--oci-layout", f"{root}:theirs", "a.txt")
    store = LayoutStore(root)
    theirs = store.resolve("theirs")
    ours = put_index(store, "ours")
    oras("push", "--oci-layout", f"{root}:theirs", "--artifact-type", ARTIFACT_TYPE, "a.txt")
    oras("tag", "--oci-layout", f"{root}:ours", "also")
    assert store.tags() == ["also", "ours", "theirs"]
    assert store.resolve("also") == store.resolve("ours") == ours
    assert store.resolve("theirs") != theirs
    assert store.resolve(theirs.digest) == theirs
    store.tag(theirs, "ours")
    assert oras("resolve", "--oci-layout", f"{root}:ours").strip() == theirs.digest
    assert oras("resolve", "--oci-layout", f"{root}:also").strip() == ours.digest


@pytest.mark.peer("oras", "crane-registry")
def test_what_oras_copies_and_backs_up_is_read(oras: Run, tmp_path: Path, registry: str) -> None:
    ours = LayoutStore(tmp_path / "ours")
    top = put_index(ours, "v1")
    referrer = put_referrer(ours, top)
    remote = f"{registry}/acme/layout-peers:v1"
    oras("cp", "-r", "--from-oci-layout", f"{tmp_path}/ours:v1", "--to-plain-http", remote)
    oras("cp", "-r", "--from-plain-http", remote, "--to-oci-layout", f"{tmp_path}/copy:v1")
    oras("backup", "--plain-http", "--include-referrers", "--output", tmp_path / "backup", remote)
    for name in ("copy", "backup"):
        store = LayoutStore(tmp_path / name)
        assert store.tags() == ["v1"]
        assert store.fetch_manifest("v1") == ours.fetch_manifest(top)
        assert [one.digest for one in store.referrers(top)] == [referrer.digest]


# --- crane


def crane(peers: Mapping[str, Path], *words: str | Path) -> str:
    command = [peers["crane"], "--insecure", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.peer("crane", "crane-registry")
def test_crane_pushes_ours(peers: Mapping[str, Path], root: Path, registry: str) -> None:
    """Crane takes a layout of one entry: children are not listed."""
    top = put_index(LayoutStore(root), "v1")
    remote = f"{registry}/acme/layout-crane:v1"
    crane(peers, "push", root, remote)
    assert crane(peers, "digest", remote) == top.digest


@pytest.mark.peer("crane", "crane-registry")
def test_what_crane_pulls_is_read(
    peers: Mapping[str, Path], root: Path, registry: str, tmp_path: Path
) -> None:
    top = put_index(LayoutStore(root), "v1")
    remote = f"{registry}/acme/layout-pull:v1"
    crane(peers, "push", root, remote)
    crane(peers, "pull", "--format=oci", "--annotate-ref", remote, tmp_path / "pulled")
    index = json.loads((tmp_path / "pulled/index.json").read_bytes())
    assert index["manifests"][0]["annotations"][REF_NAME] == remote
    store = LayoutStore(tmp_path / "pulled")
    assert store.resolve("v1") == top
    assert digest_of(store.fetch_manifest("v1")) == top.digest
