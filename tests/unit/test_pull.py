"""Pulling: which child, which parts, and what is checked before anybody sees a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bob_ci import inspect
from bob_ci.artifact import CONFIG_TYPE, LAYER_TYPE, About, Content, build
from bob_ci.errors import BobError
from bob_ci.oci.archive import gzip, tar
from bob_ci.oci.descriptor import (
    CONFIG,
    EMPTY,
    INDEX,
    LAYER_GZIP,
    MANIFEST,
    TITLE,
    Descriptor,
    canonical_json,
    digest_of,
)
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.platform import Platform
from bob_ci.oci.store import NotFoundError
from bob_ci.publish import push
from bob_ci.pull import Part, part_of, pull

AMD64, ARM64, ARM_V7 = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "arm", "v7")
ABOUT = About("web", "2026-01-02T03:04:05Z")
FILES = {"bob.yaml": b"1", "platforms/linux-arm64/bob.values": b"2", "chart/Chart.yaml": b"3"}
FILES |= {"chart/templates/bob.yaml": b"4", "rendered/bob.yaml": b"5"}


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path)


def publish(store: LayoutStore, *platforms: Platform) -> list[str]:
    """Publish as `t`; give the digests of the children."""
    made = build([Content(one, {**FILES, "which": str(one).encode()}) for one in platforms], ABOUT)
    push(made, store)
    store.tag(made.index.descriptor, "t")
    return [child.manifest.descriptor.digest for child in made.children]


# --- Which child


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        ((AMD64, ARM64), None, "linux/amd64"),
        ((AMD64, ARM64), ARM64, "linux/arm64"),
        ((ARM64, ARM_V7), None, "linux/arm/v7"),
        ((ARM64, ARM_V7), Platform("linux", "arm"), "linux/arm/v7"),
        ((ARM64,), Platform("linux", "arm64", "v8"), "linux/arm64"),
        ((AMD64,), Platform("linux", "x86_64"), "linux/amd64"),
    ],
)
def test_platform(
    store: LayoutStore, there: tuple[Platform, ...], asked: Platform | None, expected: str
) -> None:
    publish(store, *there)
    pulled = pull(store, "t", platform=asked)
    assert (pulled.platform, pulled.files["which"].decode()) == (expected, expected)
    assert pulled.digest == store.resolve("t").digest


@pytest.mark.parametrize("asked", [ARM_V7, Platform("windows", "amd64"), Platform("linux", "amd64", "v3")])
def test_no_such_platform(store: LayoutStore, asked: Platform) -> None:
    publish(store, AMD64, ARM64)
    with pytest.raises(NotFoundError, match=f"nothing for {asked}") as caught:
        pull(store, "t", platform=asked)
    assert caught.value.hint == "it has linux/amd64, linux/arm64"


def test_a_child_by_its_digest(store: LayoutStore) -> None:
    _, arm64 = publish(store, AMD64, ARM64)
    pulled = pull(store, arm64)
    assert (pulled.digest, pulled.child_digest, pulled.platform) == (arm64, arm64, "linux/arm64")
    assert pull(store, arm64, platform=ARM64).files == pulled.files
    with pytest.raises(NotFoundError, match="for linux/arm64, not for linux/amd64"):
        pull(store, arm64, platform=AMD64)


# --- Which parts


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), [*FILES, "which"]),
        ((Part.SOURCE,), ["bob.yaml", "platforms/linux-arm64/bob.values", "which"]),
        ((Part.CHART,), ["chart/Chart.yaml", "chart/templates/bob.yaml"]),
        ((Part.RENDERED,), ["rendered/bob.yaml"]),
        ((Part.RENDERED, Part.CHART), [name for name in FILES if name.startswith(("chart/", "rendered/"))]),
    ],
)
def test_parts(store: LayoutStore, parts: tuple[Part, ...], expected: list[str]) -> None:
    publish(store, AMD64)
    assert sorted(pull(store, "t", parts=parts).files) == sorted(expected)


def test_a_part_that_is_not_there(store: LayoutStore) -> None:
    made = build([Content(AMD64, {"Chart.yaml": b""})], ABOUT)
    push(made, store)
    with pytest.raises(BobError, match="holds no chart, rendered"):
        pull(store, made.digest, parts=[Part.CHART, Part.RENDERED])


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("chart/a/b", Part.CHART),
        ("rendered/x", Part.RENDERED),
        ("charts/x", Part.SOURCE),
        ("chart", Part.SOURCE),
    ],
)
def test_part_of(name: str, part: Part) -> None:
    assert part_of(name) is part


# --- What others made

Layer = tuple[str, bytes, Mapping[str, str]]


def put(
    store: LayoutStore, media_type: str, data: bytes, annotations: Mapping[str, str] | None = None
) -> Any:
    descriptor = Descriptor.of(media_type, data, annotations=annotations)
    store.put_blob(descriptor, data)
    return descriptor.to_json()


def manifest(
    store: LayoutStore, *layers: Layer, config: object = None, config_type: str = CONFIG_TYPE
) -> str:
    """Store a manifest without index; give its digest."""
    members: dict[str, Any] = {"schemaVersion": 2, "mediaType": MANIFEST}
    members["config"] = put(store, config_type, canonical_json(config if config is not None else {}))
    members["layers"] = [put(store, *layer) for layer in layers]
    data = canonical_json(members)
    store.put_manifest(Descriptor.of(MANIFEST, data), data)
    return digest_of(data)


TAR = tar({"a": b"hello"})
ARCHIVE = gzip(TAR)
OTHER = digest_of(b"other")


@pytest.mark.parametrize("diff_ids", [[digest_of(ARCHIVE)], [digest_of(TAR)], [], None, "odd"])
@pytest.mark.parametrize("content", [digest_of(TAR), None])
def test_either_reading_of_diff_ids(store: LayoutStore, diff_ids: object, content: str | None) -> None:
    config = {
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"bob": {"contentDigest": content}},
    }
    digest = manifest(store, (LAYER_TYPE, ARCHIVE, {}), config=config)
    assert pull(store, digest).files == {"a": b"hello"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rootfs": {"diff_ids": [OTHER]}}, "its digest is not"),
        ({"rootfs": {"diff_ids": [5]}}, "its digest is not 5"),
        ({"rootfs": {"diff_ids": [None]}}, "its digest is not None"),
        ({"config": {"bob": {"contentDigest": OTHER}}}, "its contents are not"),
        ({"config": {"bob": {"contentDigest": 5}}}, "its contents are not 5"),
        (
            {"rootfs": {"diff_ids": [digest_of(ARCHIVE)]}, "config": {"bob": {"contentDigest": OTHER}}},
            "its contents are not",
        ),
    ],
)
def test_a_config_that_tells_another_story(store: LayoutStore, config: object, message: str) -> None:
    digest = manifest(store, (LAYER_TYPE, ARCHIVE, {}), config=config)
    with pytest.raises(BobError, match=message):
        pull(store, digest)


@pytest.mark.parametrize(
    "config", [{"config": 5}, {"config": {"bob": []}}, {"rootfs": 5}, {"os": "", "x": 1}]
)
def test_a_config_of_another_shape(store: LayoutStore, config: object) -> None:
    digest = manifest(store, (LAYER_TYPE, ARCHIVE, {}), config=config)
    assert pull(store, digest).files == {"a": b"hello"}


def test_the_config_of_an_image_is_not_ours(store: LayoutStore) -> None:
    """Its diff_ids may be anything, and need not even be JSON."""
    digest = manifest(
        store, (LAYER_GZIP, ARCHIVE, {}), config={"rootfs": {"diff_ids": [OTHER]}}, config_type=CONFIG
    )
    assert pull(store, digest).files == {"a": b"hello"}


def test_plain_layers_are_files_under_their_titles(store: LayoutStore) -> None:
    digest = manifest(
        store,
        ("text/plain", b"hello", {TITLE: "a.txt"}),
        ("application/octet-stream", ARCHIVE, {TITLE: "dir/b.tar.gz"}),
        (LAYER_GZIP, gzip(tar({"c": b"packed"})), {TITLE: "c.tar.gz"}),
        config_type=EMPTY.media_type,
    )
    assert pull(store, digest).files == {"a.txt": b"hello", "dir/b.tar.gz": ARCHIVE, "c": b"packed"}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([("text/plain", b"x", {})], "without a title"),
        ([("text/plain", b"x", {TITLE: "../x"})], "not a plain path"),
        ([("text/plain", b"x", {TITLE: "/etc/x"})], "not a plain path"),
        ([("text/plain", b"x", {TITLE: "a\nb"})], "in a name"),
        ([("text/plain", b"x", {TITLE: "a"}), (LAYER_TYPE, ARCHIVE, {})], "a is in two layers"),
        ([(LAYER_TYPE, ARCHIVE, {}), (LAYER_TYPE, gzip(tar({"a": b""})), {})], "a is in two layers"),
        ([], "holds no files"),
        ([(LAYER_TYPE, gzip(tar({})), {})], "holds no files"),
    ],
)
def test_layers_that_are_refused(store: LayoutStore, layers: list[Layer], message: str) -> None:
    with pytest.raises(BobError, match=message):
        pull(store, manifest(store, *layers))


def test_many_archives_have_one_limit(store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is within its own."""
    archives = [gzip(tar({str(number): bytes(10_000)})) for number in range(5)]
    digest = manifest(store, *((LAYER_TYPE, archive, {}) for archive in archives))
    assert len(pull(store, digest).files) == 5
    monkeypatch.setattr(inspect, "MAX_BLOB_SIZE", 40_000)
    with pytest.raises(BobError, match="more than 40000 bytes once decompressed"):
        pull(store, digest)
    monkeypatch.setattr(inspect, "MAX_BLOB_SIZE", 100)
    with pytest.raises(BobError, match="more than 100 bytes"):
        pull(store, digest)


# --- Indexes of others


def index(store: LayoutStore, *children: dict[str, Any]) -> str:
    data = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": list(children)})
    store.put_manifest(Descriptor.of(INDEX, data), data)
    return digest_of(data)


def child(store: LayoutStore, platform: Platform | None) -> dict[str, Any]:
    found = store.resolve(manifest(store, (LAYER_TYPE, ARCHIVE, {}), config={"x": str(platform)}))
    return {**found.to_json(), **({"platform": platform.to_json()} if platform else {})}


def test_what_buildkit_adds_is_no_platform(store: LayoutStore) -> None:
    attestation, amd64 = child(store, Platform("unknown", "unknown")), child(store, AMD64)
    assert pull(store, index(store, attestation, amd64)).child_digest == amd64["digest"]
    for digest in (index(store, attestation), index(store)):
        with pytest.raises(NotFoundError, match="the index names no artifact"):
            pull(store, digest)


def test_an_index_without_platforms(store: LayoutStore) -> None:
    """As `oras manifest index create` makes of artifacts."""
    first, second = child(store, None), child(store, ARM64)
    pulled = pull(store, index(store, first))
    assert (pulled.child_digest, pulled.platform) == (first["digest"], None)
    assert pull(store, index(store, first, second), platform=ARM64).child_digest == second["digest"]
    with pytest.raises(NotFoundError, match="nothing for linux/amd64"):
        pull(store, index(store, first), platform=AMD64)


def test_an_index_in_an_index(store: LayoutStore) -> None:
    inner = store.resolve(index(store, child(store, AMD64)))
    with pytest.raises(BobError, match="holds no files"):
        pull(store, index(store, {**inner.to_json(), "platform": AMD64.to_json()}))
