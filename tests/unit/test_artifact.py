"""The artifact's bytes, line by line of FORMAT.md 5."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import itertools
import json
import tarfile
from typing import Any

import pytest

from bob_ci import artifact
from bob_ci.artifact import About, Artifact, Blob, Content, build
from bob_ci.oci.platform import Platform
from bob_ci.profile.objects import Summary

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.k8sstormcenter.bob.config.v1+json"
LAYER = "application/vnd.k8sstormcenter.bob.content.v1.tar+gzip"
IMAGE = "org.opencontainers.image."

AMD64, ARM64, ARM_V7 = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "arm", "v7")
FILES = {"bob.yaml": b"kind: ContainerProfile\n", "chart/Chart.yaml": b"name: web\n"}
PROFILES = (Summary("ContainerProfile", "web", ("main", "sidecar")),)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ABOUT = About(
    name="web",
    created="2026-01-02T03:04:05Z",
    source="https://github.com/acme/web",
    revision=f"main@sha1:{COMMIT}",
    version="1.2.3",
    images=("ghcr.io/acme/web",),
    annotations={IMAGE + "title": "web", "com.example.team": "red"},
)
ANNOTATIONS = {
    "com.example.team": "red",
    IMAGE + "created": "2026-01-02T03:04:05Z",
    IMAGE + "revision": f"main@sha1:{COMMIT}",
    IMAGE + "source": "https://github.com/acme/web",
    IMAGE + "title": "web",
    IMAGE + "version": "1.2.3",
}


@pytest.fixture(autouse=True)
def version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The config names the tool's version; here one that no release changes."""
    monkeypatch.setattr(artifact, "__version__", "0.0.0-test")


def of(
    *platforms: Platform, about: About = ABOUT, profiles: tuple[Summary, ...] | None = PROFILES
) -> Artifact:
    return build([Content(platform, FILES, profiles) for platform in platforms], about)


def parsed(blob: Blob) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(blob.data)
    return value


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def described(blob: Blob) -> dict[str, Any]:
    return {"digest": sha256(blob.data), "size": len(blob.data)}


# --- The tree


def test_index() -> None:
    made = of(AMD64)
    index = parsed(made.index)
    assert list(index) == ["schemaVersion", "mediaType", "artifactType", "manifests", "annotations"]
    assert (index["schemaVersion"], index["mediaType"], index["artifactType"]) == (2, INDEX, CONFIG)
    assert index["manifests"] == [
        {
            "mediaType": MANIFEST,
            **described(made.children[0].manifest),
            "platform": {"architecture": "amd64", "os": "linux"},
            "artifactType": CONFIG,
        }
    ]
    assert made.digest == sha256(made.index.data)


def test_manifest() -> None:
    (child,) = of(AMD64).children
    assert parsed(child.manifest) == {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": CONFIG,
        "config": {"mediaType": CONFIG, **described(child.config)},
        "layers": [
            {"mediaType": LAYER, **described(child.layer), "annotations": {IMAGE + "title": "bob.tar.gz"}}
        ],
        "annotations": ANNOTATIONS,
    }


def test_config() -> None:
    (child,) = of(ARM_V7).children
    assert parsed(child.config) == {
        "created": "2026-01-02T03:04:05Z",
        "os": "linux",
        "architecture": "arm",
        "variant": "v7",
        "config": {
            "bob": {
                "version": "1.2.3",
                "name": "web",
                "profiles": [{"kind": "ContainerProfile", "name": "web", "containers": ["main", "sidecar"]}],
                "images": ["ghcr.io/acme/web"],
                "contentDigest": sha256(gzip.decompress(child.layer.data)),
                "tool": {"name": "bobctl", "version": "0.0.0-test"},
            }
        },
        # The compressed file's digest: here the BoB format differs from the image specification.
        "rootfs": {"type": "layers", "diff_ids": [sha256(child.layer.data)]},
    }


def test_a_platform_without_variant_has_no_such_field() -> None:
    (child,) = of(AMD64).children
    assert "variant" not in parsed(child.config)


@pytest.mark.parametrize(
    ("profiles", "expected"), [(None, None), ((), [])], ids=["nothing rendered", "no profiles"]
)
def test_profiles_in_the_config(profiles: tuple[Summary, ...] | None, expected: list[object] | None) -> None:
    (child,) = of(AMD64, profiles=profiles).children
    assert parsed(child.config)["config"]["bob"].get("profiles") == expected


@pytest.mark.parametrize("order", list(itertools.permutations([AMD64, ARM_V7, ARM64])))
def test_platforms_are_in_order(order: tuple[Platform, ...]) -> None:
    made = of(*order)
    names = [str(child.platform) for child in made.children]
    assert names == ["linux/amd64", "linux/arm/v7", "linux/arm64"]
    assert [one["digest"] for one in parsed(made.index)["manifests"]] == [
        child.manifest.descriptor.digest for child in made.children
    ]
    assert made == of(AMD64, ARM_V7, ARM64)


# --- Annotations


def test_annotations_are_on_the_index_and_on_each_manifest() -> None:
    made = of(AMD64, ARM64)
    for blob in (made.index, *(child.manifest for child in made.children)):
        assert parsed(blob)["annotations"] == ANNOTATIONS
        assert list(parsed(blob)["annotations"]) == sorted(ANNOTATIONS)


def test_what_is_not_known_is_left_out() -> None:
    made = of(AMD64, about=About(name="web", created="1970-01-01T00:00:00Z"))
    assert parsed(made.index)["annotations"] == {IMAGE + "created": "1970-01-01T00:00:00Z"}
    bob = parsed(made.children[0].config)["config"]["bob"]
    assert (bob["version"], bob["images"]) == ("", [])


# --- The layer


def test_tar() -> None:
    (child,) = of(AMD64).children
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(child.layer.data))) as tar:
        members = tar.getmembers()
        assert {member.name: tar.extractfile(member).read() for member in members} == FILES  # type: ignore[union-attr]
    assert [member.name for member in members] == sorted(FILES)
    for member in members:
        assert (member.mode, member.uid, member.gid, member.mtime) == (0o644, 0, 0, 0)
        assert (member.uname, member.gname) == ("", "")


def test_gzip_header_says_nothing() -> None:
    (child,) = of(AMD64).children
    assert child.layer.data[:10] == bytes.fromhex("1f8b 0800 00000000 02 ff")


# --- Digests


CHANGES: dict[str, dict[str, Any]] = {
    "created": {"created": "2027-01-01T00:00:00Z"},
    "source": {"source": None},
    "revision": {"revision": "v1@sha1:0000"},
    "version": {"version": "2.0.0"},
    "name": {"name": "other"},
    "images": {"images": ()},
    "annotations": {"annotations": {}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_content_digest_depends_on_files_alone(change: str) -> None:
    before, after = of(AMD64), of(AMD64, about=dataclasses.replace(ABOUT, **CHANGES[change]))
    assert before.digest != after.digest
    assert before.children[0].content_digest == after.children[0].content_digest
    assert before.children[0].layer == after.children[0].layer


@pytest.mark.parametrize("files", [{**FILES, "bob.yaml": b""}, {**FILES, "x": b""}, {"bob.yml": b""}])
def test_content_digest_depends_on_every_file(files: dict[str, bytes]) -> None:
    other = build([Content(AMD64, files, PROFILES)], ABOUT)
    assert other.children[0].content_digest != of(AMD64).children[0].content_digest


def test_the_order_of_files_is_no_matter() -> None:
    turned = dict(reversed(FILES.items()))
    assert build([Content(AMD64, turned, PROFILES)], ABOUT) == of(AMD64)


def test_each_platform_has_its_own_files() -> None:
    made = build([Content(AMD64, {"a": b"1"}), Content(ARM64, {"a": b"2"})], ABOUT)
    assert len({child.content_digest for child in made.children}) == 2


def test_the_tools_version_is_part_of_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(AMD64).digest
    monkeypatch.setattr(artifact, "__version__", "0.0.1-test")
    assert of(AMD64).digest != before


def test_golden() -> None:
    """The promise of one digest on any machine. It changes with the tool's version, which is pinned here.

    If it changes otherwise, so do all digests of all users: that needs a line in CHANGELOG.md.
    """
    made = of(AMD64, ARM_V7)
    assert [child.content_digest for child in made.children] == [GOLDEN_CONTENT] * 2
    assert made.digest == GOLDEN_INDEX


GOLDEN_CONTENT = "sha256:cbf284840b364545f310bfac5acee4b0e03b85249aff01eb60e1e2900f702b2d"
GOLDEN_INDEX = "sha256:70121b21e5bfb9dd02a882cf97ca63f45dbbe70c29dbfa8269e810a939cab167"
