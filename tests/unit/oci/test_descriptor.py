"""Descriptors, digests, JSON bytes, manifests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import (
    EMPTY,
    INDEX,
    MANIFEST,
    OCTETS,
    Descriptor,
    MismatchError,
    canonical_json,
    digest_of,
    is_digest,
    load_json,
    verify,
)
from bob_ci.oci.manifest import check_manifest, describe_manifest, describe_referrer, parse_manifest
from bob_ci.oci.platform import Platform

HEX = "a" * 64
GOOD = {"mediaType": OCTETS, "digest": f"sha256:{HEX}", "size": 3}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
DESCRIPTORS = st.builds(
    Descriptor.of,
    st.sampled_from([OCTETS, MANIFEST, "text/plain", "application/vnd.x.y+json"]),
    st.binary(max_size=20),
    platform=st.none() | st.just(Platform("linux", "arm64", "v8")),
    annotations=st.dictionaries(st.text(), st.text(), max_size=3),
    artifact_type=st.none() | st.just("application/vnd.x"),
)


@given(DESCRIPTORS)
def test_round_trip(descriptor: Descriptor) -> None:
    assert Descriptor.from_json(json.loads(canonical_json(descriptor.to_json()))) == descriptor
    assert hash(descriptor) == hash(Descriptor.from_json(descriptor.to_json()))


def test_members_are_in_the_order_of_the_specification() -> None:
    full = Descriptor(
        OCTETS,
        digest_of(b"x"),
        1,
        platform=Platform("linux", "arm", "v7"),
        annotations={"b": "2", "a": "1"},
        artifact_type="text/x",
        data=b"x",
    )
    assert canonical_json(full.to_json()).decode() == (
        '{"mediaType":"application/octet-stream","digest":"' + digest_of(b"x") + '","size":1,'
        '"annotations":{"a":"1","b":"2"},"data":"eA==",'
        '"platform":{"architecture":"arm","os":"linux","variant":"v7"},"artifactType":"text/x"}'
    )
    assert Descriptor.from_json(full.to_json()) == full


def test_the_empty_descriptor() -> None:
    verify(b"{}", EMPTY)
    assert EMPTY.to_json()["data"] == "e30="


@pytest.mark.parametrize(
    "change",
    [
        {"mediaType": None},
        {"mediaType": 1},
        {"mediaType": ""},
        {"mediaType": "text"},
        {"mediaType": "text/plain\n"},
        {"mediaType": "text/plain; charset=utf-8"},
        {"mediaType": f"text/{'x' * 128}"},
        {"digest": None},
        {"digest": HEX},
        {"digest": f"sha256:{HEX}0"},
        {"digest": f"sha256:{HEX[1:]}"},
        {"digest": f"sha256:{HEX.upper()}"},
        {"digest": f"SHA256:{HEX}"},
        {"digest": f"sha256:{HEX}\n"},
        {"digest": f"sha256:../../{HEX[6:]}"},
        {"digest": f"sha512:{HEX}"},
        {"digest": f"md5:{HEX[:32]}"},
        {"size": None},
        {"size": -1},
        {"size": "3"},
        {"size": 3.0},
        {"size": True},
        {"size": 2**63},
        {"annotations": []},
        {"annotations": {"a": 1}},
        {"annotations": {"a": None}},
        {"platform": []},
        {"platform": {"os": 1}},
        {"artifactType": 1},
        {"data": "e30"},
        {"data": "e30="},
        {"data": 1},
        {"data": "\u00e9"},
    ],
    ids=str,
)
def test_junk_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BobError, match=r"^config: "):
        Descriptor.from_json(GOOD | change, "config")


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_a_missing_member_is_named(missing: str) -> None:
    with pytest.raises(BobError, match=f"{missing} is missing"):
        Descriptor.from_json({key: value for key, value in GOOD.items() if key != missing})


@given(JSON)
def test_any_json_is_a_descriptor_or_refused(value: object) -> None:
    with pytest.raises(BobError):
        Descriptor.from_json(value)


def test_what_is_unknown_is_left_out() -> None:
    assert Descriptor.from_json(GOOD | {"urls": ["https://x"], "other": 1}).to_json() == GOOD


def test_verify_names_expected_and_found() -> None:
    descriptor = Descriptor.of(OCTETS, b"abc")
    verify(b"abc", descriptor)
    with pytest.raises(MismatchError, match="expected 3 bytes, found 4"):
        verify(b"abcd", descriptor)
    with pytest.raises(MismatchError) as caught:
        verify(b"abd", descriptor)
    assert f"expected {descriptor.digest}, found {digest_of(b'abd')}" in str(caught.value)


def test_sha512_is_read() -> None:
    digest = "sha512:" + hashlib.sha512(b"abc").hexdigest()
    assert is_digest(digest)
    verify(b"abc", Descriptor(OCTETS, digest, 3))
    with pytest.raises(MismatchError):
        verify(b"abd", Descriptor(OCTETS, digest, 3))


@given(JSON)
def test_canonical_json_is_json(value: object) -> None:
    data = canonical_json({"key": value})
    assert json.loads(data) == {"key": value}


def test_canonical_json_bytes() -> None:
    assert (
        canonical_json({"b": [1, None, True], "a": "⋯</é\n"}) == '{"b":[1,null,true],"a":"⋯</é\\n"}'.encode()
    )


def test_half_a_surrogate_pair_is_an_error() -> None:
    with pytest.raises(BobError, match="no Unicode"):
        canonical_json({"path": "\udc80"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a":1,"a":1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"\xff",
        b'{"x":' * 100_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b"{} {}",
        b'\xef\xbb\xbf{"a":1}',
    ],
    ids=lambda data: repr(data[:12]),
)
def test_json_that_readers_differ_about_is_refused(data: bytes) -> None:
    with pytest.raises(BobError, match=r"^here: "):
        load_json(data, "here")


# --- Manifests


def manifest(**changes: object) -> bytes:
    members = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": EMPTY.to_json(),
        "layers": [GOOD],
    } | changes
    return canonical_json({key: value for key, value in members.items() if value is not ...})


def index(**changes: object) -> bytes:
    members = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [GOOD | {"mediaType": MANIFEST}],
    } | changes
    return canonical_json({key: value for key, value in members.items() if value is not ...})


def test_a_manifest() -> None:
    read = parse_manifest(manifest(subject=GOOD | {"mediaType": MANIFEST}, annotations={"a": "b"}))
    assert not read.is_index
    assert read.blobs == (EMPTY, Descriptor.from_json(GOOD))
    assert read.subject is not None
    assert read.annotations == {"a": "b"}


def test_an_index() -> None:
    read = parse_manifest(index(artifactType="text/x"))
    assert read.is_index
    assert [child.media_type for child in read.manifests] == [MANIFEST]
    assert (read.artifact_type, read.blobs) == ("text/x", ())


def test_the_artifact_type_of_a_referrer_is_its_own_or_its_configs() -> None:
    assert parse_manifest(manifest()).artifact_type == EMPTY.media_type
    assert parse_manifest(manifest(artifactType="")).artifact_type == EMPTY.media_type
    assert parse_manifest(manifest(artifactType="text/x")).artifact_type == "text/x"
    assert parse_manifest(index()).artifact_type is None


def test_a_media_type_may_be_missing() -> None:
    assert describe_manifest(manifest(mediaType=...)).media_type == MANIFEST
    assert describe_manifest(index(mediaType=...)).media_type == INDEX
    assert parse_manifest(manifest(layers=None)).layers == ()


@pytest.mark.parametrize(
    "data",
    [
        manifest(schemaVersion=1),
        manifest(schemaVersion=...),
        manifest(manifests=[]),
        manifest(mediaType=INDEX),
        manifest(mediaType="application/vnd.docker.distribution.manifest.v1+json"),
        manifest(mediaType=2),
        manifest(mediaType=[]),
        manifest(config=...),
        manifest(config=None),
        manifest(layers=...),
        manifest(layers={}),
        manifest(layers=[1]),
        manifest(subject=1),
        manifest(annotations={"a": 1}),
        manifest(artifactType=1),
        index(mediaType=MANIFEST),
        index(manifests={}),
        index(manifests=[[]]),
        b"{}",
        b'{"schemaVersion":2}',
        b"hello",
    ],
)
def test_what_is_no_manifest(data: bytes) -> None:
    with pytest.raises(BobError, match=r"^here: "):
        parse_manifest(data, "here")


def test_descriptor_and_bytes_agree_on_the_media_type() -> None:
    data = index()
    check_manifest(data, Descriptor.of(INDEX, data))
    with pytest.raises(BobError, match=f"expected {MANIFEST.replace('+', '.')}, found"):
        check_manifest(data, Descriptor.of(MANIFEST, data))


def test_a_referrers_entry_has_its_own_annotations() -> None:
    data = manifest(artifactType="text/sig", annotations={"mine": "1"})
    entry = describe_referrer(data, Descriptor.of(MANIFEST, data, annotations={"of the list": "0"}))
    assert (entry.artifact_type, entry.annotations) == ("text/sig", {"mine": "1"})
    assert entry.digest == digest_of(data)
