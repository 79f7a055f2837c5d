"""The store on disk: verbs, files, damage, and a model that every sequence of writes is compared with."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bob_ci.errors import BobError, InputError
from bob_ci.oci import layout
from bob_ci.oci.descriptor import (
    EMPTY,
    INDEX,
    MANIFEST,
    MAX_MANIFEST_SIZE,
    OCTETS,
    REF_NAME,
    Descriptor,
    MismatchError,
    canonical_json,
    digest_of,
)
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.platform import Platform
from bob_ci.oci.store import NotFoundError, Store

AMD64 = Platform("linux", "amd64")


def manifest(name: str, *, subject: Descriptor | None = None, artifact_type: str = "text/x") -> bytes:
    members: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": EMPTY.to_json(),
        "layers": [EMPTY.to_json()],
    }
    if subject:
        members["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    return canonical_json(members | {"annotations": {"name": name}})


def index(*children: Descriptor) -> bytes:
    listed = [child.to_json() for child in children]
    return canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})


def put(
    store: Store, data: bytes, media_type: str = MANIFEST, platform: Platform | None = None
) -> Descriptor:
    descriptor = Descriptor.of(media_type, data, platform=platform)
    store.put_manifest(descriptor, data)
    return Descriptor.of(media_type, data)


def entries(root: Path) -> list[tuple[str, str | None]]:
    """Give what index.json lists: digest and name."""
    listed = json.loads((root / "index.json").read_bytes())["manifests"]
    return [(one["digest"], one.get("annotations", {}).get(REF_NAME)) for one in listed]


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Give inode and time of each file: equal only if nothing was written."""
    found = {str(path): path.stat() for path in root.rglob("*") if path.is_file()}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in found.items()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "some where/layout"


@pytest.fixture
def store(root: Path) -> LayoutStore:
    return LayoutStore(root)


# --- The verbs


def test_the_first_write_makes_a_layout(root: Path, store: LayoutStore) -> None:
    blob = Descriptor.of(OCTETS, b"hello")
    assert store.put_blob(blob, b"hello") is True
    assert (root / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    assert json.loads((root / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [],
    }
    assert {str(path.relative_to(root)) for path in root.rglob("*")} == {
        "oci-layout",
        "index.json",
        "blobs",
        "blobs/sha256",
        "blobs/sha256/" + blob.digest.removeprefix("sha256:"),
    }


def test_blobs(store: LayoutStore) -> None:
    blob = Descriptor.of(OCTETS, b"hello")
    assert not store.has_blob(blob)
    assert store.put_blob(blob, b"hello") is True
    assert store.put_blob(blob, b"hello") is False
    assert store.has_blob(blob)
    assert store.fetch_blob(blob) == b"hello"
    assert not store.has_blob(Descriptor(OCTETS, blob.digest, 4))
    with pytest.raises(NotFoundError):
        store.fetch_blob(Descriptor.of(OCTETS, b"other"))


def test_manifests_by_tag_and_digest(store: LayoutStore) -> None:
    data = manifest("a")
    descriptor = put(store, data)
    store.tag(descriptor, "v1")
    assert store.resolve("v1") == store.resolve(descriptor.digest) == descriptor
    for target in (descriptor, "v1", descriptor.digest):
        assert store.fetch_manifest(target) == data
    assert store.tags() == ["v1"]


def test_what_is_not_there(store: LayoutStore) -> None:
    store.tag(put(store, manifest("a")), "v1")
    with pytest.raises(NotFoundError, match=":v2: no such tag") as caught:
        store.resolve("v2")
    assert caught.value.hint == "there are: v1"
    with pytest.raises(NotFoundError, match=f"@{EMPTY.digest}: not there"):
        store.resolve(EMPTY.digest)
    store.put_blob(EMPTY, b"{}")
    with pytest.raises(NotFoundError, match="a blob, but no manifest"):
        store.resolve(EMPTY.digest)
    with pytest.raises(NotFoundError):
        store.tag(Descriptor.of(MANIFEST, manifest("b")), "v1")
    with pytest.raises(InputError):
        store.resolve("no tag")
    with pytest.raises(InputError):
        store.tag(store.resolve("v1"), "sha256:x")


def test_reading_makes_nothing(root: Path, store: LayoutStore) -> None:
    reads: list[Callable[[], object]] = [
        lambda: store.resolve("v1"),
        lambda: store.resolve(EMPTY.digest),
        lambda: store.fetch_manifest(EMPTY),
        lambda: store.fetch_blob(EMPTY),
        store.tags,
        lambda: store.referrers(EMPTY),
        lambda: store.tag(EMPTY, "v1"),
    ]
    for read in reads:
        with pytest.raises(NotFoundError, match="oci-layout is missing"):
            read()
    assert not store.has_blob(EMPTY)
    assert not root.parent.exists()


def test_bytes_that_differ_are_not_written(root: Path, store: LayoutStore) -> None:
    with pytest.raises(MismatchError):
        store.put_blob(Descriptor.of(OCTETS, b"a"), b"b")
    with pytest.raises(MismatchError):
        store.put_manifest(Descriptor.of(MANIFEST, manifest("a")), manifest("b"))
    with pytest.raises(BobError, match="media type differs"):
        store.put_manifest(Descriptor.of(INDEX, manifest("a")), manifest("a"))
    with pytest.raises(BobError, match="neither"):
        store.put_manifest(Descriptor.of(MANIFEST, b'{"schemaVersion":2}'), b'{"schemaVersion":2}')
    assert not root.exists()


def test_all_children_of_an_index_have_a_digest_but_no_entry(root: Path, store: LayoutStore) -> None:
    data = manifest("child")
    child = put(store, data, platform=AMD64)
    top = put(store, index(child), INDEX)
    assert entries(root) == [(top.digest, None)]
    assert store.resolve(child.digest) == child
    assert store.fetch_manifest(child.digest) == data


def test_moving_a_tag_keeps_what_it_named(root: Path, store: LayoutStore) -> None:
    one, two, three = (put(store, manifest(name)) for name in "123")
    store.tag(one, "v1")
    store.tag(two, "latest")
    store.tag(one, "latest")
    assert entries(root) == [
        (one.digest, "v1"),
        (two.digest, None),
        (three.digest, None),
        (one.digest, "latest"),
    ]
    store.tag(two, "latest")
    assert entries(root) == [(one.digest, "v1"), (two.digest, "latest"), (three.digest, None)]
    assert store.tags() == ["latest", "v1"]


def test_the_same_again_writes_nothing(root: Path, store: LayoutStore) -> None:
    def everything() -> list[bool]:
        child, top = manifest("child"), index(Descriptor.of(MANIFEST, manifest("child"), platform=AMD64))
        signature = manifest("signature", subject=Descriptor.of(MANIFEST, child))
        written = [
            store.put_blob(EMPTY, b"{}"),
            store.put_manifest(Descriptor.of(MANIFEST, child, platform=AMD64), child),
            store.put_manifest(Descriptor.of(INDEX, top), top),
            store.put_manifest(Descriptor.of(MANIFEST, signature), signature),
        ]
        store.tag(Descriptor.of(INDEX, top), "v1")
        store.tag(Descriptor.of(INDEX, top), "v2")
        return written

    assert everything() == [True] * 4
    before = files(root)
    assert everything() == [False] * 4
    assert files(root) == before


# --- Referrers


@pytest.mark.parametrize("order", ["subject first", "referrer first"])
@pytest.mark.parametrize("platform", [None, AMD64])
def test_a_subject_and_its_referrer_are_listed(
    root: Path, store: LayoutStore, order: str, platform: Platform | None
) -> None:
    subject = Descriptor.of(MANIFEST, manifest("subject"))
    steps: list[Callable[[], Descriptor]] = [
        lambda: put(store, manifest("subject"), platform=platform),
        lambda: put(store, manifest("signature", subject=subject)),
    ]
    made = [step() for step in (steps if order == "subject first" else reversed(steps))]
    assert {digest for digest, _ in entries(root)} == {one.digest for one in made}
    assert [one.annotations["name"] for one in store.referrers(subject)] == ["signature"]


def test_referrers_by_artifact_type(store: LayoutStore) -> None:
    subject = put(store, manifest("subject"))
    for name, artifact_type in (("a", "text/sig"), ("b", "text/att"), ("c", "text/sig")):
        put(store, manifest(name, subject=subject, artifact_type=artifact_type))
    found = store.referrers(subject, "text/sig")
    assert [(one.annotations["name"], one.artifact_type) for one in found] == [
        ("a", "text/sig"),
        ("c", "text/sig"),
    ]
    assert len(store.referrers(subject)) == 3
    assert store.referrers(subject, "text/none") == []
    assert store.referrers(Descriptor.of(MANIFEST, b"unknown")) == []


def test_a_referrer_that_is_an_indexs_child_is_found(store: LayoutStore) -> None:
    subject = put(store, manifest("subject"))
    referrer = put(store, manifest("referrer", subject=subject), platform=AMD64)
    put(store, index(referrer, Descriptor.of(MANIFEST, b"elsewhere")), INDEX)
    assert [one.digest for one in store.referrers(subject)] == [referrer.digest]


# --- What others write


def rewrite(root: Path, *listed: object, **members: object) -> None:
    content = {"schemaVersion": 2, "manifests": list(listed)} | members
    (root / "index.json").write_text(json.dumps(content))


def named(descriptor: Descriptor, name: str, **annotations: str) -> dict[str, Any]:
    return descriptor.to_json() | {"annotations": {REF_NAME: name} | annotations}


@pytest.mark.parametrize(
    "name",
    ["v1", "localhost:5000/acme/bob:v1", "acme/bob:v1", "bob:v1", f"ghcr.io/acme/bob:v1@{EMPTY.digest}"],
)
def test_full_references_as_names_are_understood(root: Path, store: LayoutStore, name: str) -> None:
    one = put(store, manifest("1"))
    rewrite(root, named(one, name))
    assert store.tags() == ["v1"]
    assert store.resolve("v1") == one


@pytest.mark.parametrize("name", [EMPTY.digest, "localhost:5000/acme/bob", "a b", "", "x:"])
def test_other_names_are_no_tags(root: Path, store: LayoutStore, name: str) -> None:
    one = put(store, manifest("1"))
    rewrite(root, named(one, name))
    assert store.tags() == []
    assert store.resolve(one.digest) == one


def test_a_plain_tag_comes_before_a_full_reference(root: Path, store: LayoutStore) -> None:
    one, two = (put(store, manifest(name)) for name in "12")
    rewrite(root, named(one, "r.io/x:v1"), named(two, "v1"))
    assert store.resolve("v1") == two


def test_a_tag_of_two_manifests_is_refused_until_it_is_set(root: Path, store: LayoutStore) -> None:
    one, two, three = (put(store, manifest(name)) for name in "123")
    rewrite(root, named(one, "latest", **{"io.containerd.image.name": "a:latest"}), named(two, "latest"))
    with pytest.raises(BobError, match="several manifests") as caught:
        store.resolve("latest")
    assert caught.value.hint
    store.tag(three, "latest")
    assert store.resolve("latest") == three
    assert entries(root) == [(one.digest, None), (two.digest, None), (three.digest, "latest")]
    assert "containerd" not in (root / "index.json").read_text()


def test_what_others_say_survives(root: Path, store: LayoutStore) -> None:
    one, two = (put(store, manifest(name)) for name in "12")
    odd = one.to_json() | {
        "urls": ["https://x"],
        "platform": {"os": "windows", "architecture": "amd64", "os.version": "10"},
    }
    rewrite(root, odd | {"annotations": {"a": "⋯"}}, annotations={"of": "the index"}, other=[1])
    store.tag(one, "v1")
    store.tag(two, "v1")
    read = json.loads((root / "index.json").read_bytes())
    assert read["manifests"][0] == odd | {"annotations": {"a": "⋯"}}
    assert (read["annotations"], read["other"]) == ({"of": "the index"}, [1])


def test_unknown_kinds_of_manifests_are_left_alone(root: Path, store: LayoutStore) -> None:
    one = put(store, manifest("1"))
    foreign = Descriptor.of("application/vnd.oci.artifact.manifest.v1+json", b"{}")
    store.put_blob(foreign, b"{}")
    rewrite(root, named(foreign, "old"), one.to_json())
    assert store.resolve("old") == foreign
    assert store.referrers(one) == []


def test_a_layout_of_sha512(store: LayoutStore) -> None:
    import hashlib

    data = manifest("1")
    descriptor = Descriptor(MANIFEST, "sha512:" + hashlib.sha512(data).hexdigest(), len(data))
    assert store.put_manifest(descriptor, data)
    store.tag(descriptor, "v1")
    assert store.resolve("v1") == store.resolve(descriptor.digest) == descriptor
    assert store.fetch_manifest("v1") == data


# --- Damage


def blob_path(root: Path, descriptor: Descriptor) -> Path:
    return root / "blobs" / descriptor.digest.replace(":", "/")


def damage(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(content)


def instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def harm(root: Path) -> None:
        (root / name).unlink()
        make(root / name)

    return harm


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty mark": (damage("oci-layout", b""), "oci-layout: not JSON"),
    "no mark": (lambda root: (root / "oci-layout").unlink(), "no image layout"),
    "other version": (damage("oci-layout", b'{"imageLayoutVersion":"2.0.0"}'), "'2.0.0', not '1.0.0'"),
    "no version": (damage("oci-layout", b"{}"), "None"),
    "a mark of a list": (damage("oci-layout", b"[]"), "not a JSON object"),
    "a large mark": (damage("oci-layout", b" " * 5000), "5000 bytes"),
    "empty index": (damage("index.json", b""), "index.json: not JSON"),
    "half an index": (damage("index.json", b'{"schemaVersion":2,"mani'), "index.json: not JSON"),
    "an index of version 1": (damage("index.json", b'{"schemaVersion":1,"manifests":[]}'), "schemaVersion"),
    "another media type": (
        damage("index.json", b'{"schemaVersion":2,"mediaType":"text/x","manifests":[]}'),
        "image index",
    ),
    "no manifests": (damage("index.json", b'{"schemaVersion":2}'), "manifests is no list"),
    "an entry that is none": (
        damage("index.json", b'{"schemaVersion":2,"manifests":[{}]}'),
        r"manifests\[0\]",
    ),
    "a mark that is a folder": (instead("oci-layout", Path.mkdir), "not a regular file"),
    "a mark that is a fifo": (instead("oci-layout", os.mkfifo), "not a regular file"),
    "an index from elsewhere": (instead("index.json", lambda path: path.symlink_to("/etc/hosts")), "outside"),
    "a link to itself": (instead("index.json", lambda path: path.symlink_to("index.json")), "symbolic links"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_damaged_layout(root: Path, store: LayoutStore, case: str) -> None:
    one = put(store, manifest("1"))
    store.tag(one, "v1")
    harm, message = BROKEN[case]
    harm(root)
    before = files(root)
    for verb in (
        lambda: store.resolve("v1"),
        store.tags,
        lambda: store.tag(one, "v2"),
        lambda: store.referrers(one),
    ):
        with pytest.raises(BobError, match=message):
            verb()
    with pytest.raises(BobError):
        put(store, manifest("2"))
    assert (root / "index.json").is_symlink() or {
        k: v for k, v in files(root).items() if k in before
    } == before


def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    store = LayoutStore(tmp_path / "x")
    assert not store.has_blob(EMPTY)
    for verb in (store.tags, lambda: store.put_blob(EMPTY, b"{}"), lambda: store.fetch_blob(EMPTY)):
        with pytest.raises(BobError, match=str(tmp_path / "x")):
            verb()


def test_an_index_json_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(b"{}")
    with pytest.raises(InputError, match="no image layout, but"):
        LayoutStore(tmp_path).put_blob(EMPTY, b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]


def test_a_layout_whose_maker_died_is_finished(root: Path, store: LayoutStore) -> None:
    root.mkdir(parents=True)
    (root / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    assert store.tags() == []
    store.tag(put(store, manifest("1")), "v1")
    assert store.tags() == ["v1"]


def test_a_blob_with_other_bytes(root: Path, store: LayoutStore) -> None:
    blob = Descriptor.of(OCTETS, b"hello")
    store.put_blob(blob, b"hello")
    path = blob_path(root, blob)
    path.write_bytes(b"hellO")
    with pytest.raises(MismatchError, match=f"expected {blob.digest}, found {digest_of(b'hellO')}"):
        store.fetch_blob(blob)
    path.write_bytes(b"hello, world")
    with pytest.raises(MismatchError, match="expected 5 bytes, found 12"):
        store.fetch_blob(blob)
    assert not store.has_blob(blob)
    assert store.put_blob(blob, b"hello") is True
    assert store.fetch_blob(blob) == b"hello"


def test_a_manifest_with_other_bytes(root: Path, store: LayoutStore) -> None:
    one = put(store, manifest("1"))
    store.tag(one, "v1")
    blob_path(root, one).write_bytes(manifest("2"))
    for verb in (lambda: store.fetch_manifest("v1"), lambda: store.tag(one, "v2")):
        with pytest.raises(MismatchError):
            verb()
    blob_path(root, one).unlink()
    with pytest.raises(NotFoundError, match="listed, but not there"):
        store.resolve("v1")


def test_a_damaged_manifest_does_not_hide_the_others(root: Path, store: LayoutStore) -> None:
    damaged, sound = put(store, manifest("1")), put(store, manifest("2"))
    referrer = put(store, manifest("3", subject=sound))
    blob_path(root, damaged).write_bytes(manifest("4"))
    assert [each.digest for each in store.referrers(sound)] == [referrer.digest]


def test_an_unlisted_manifest_with_other_bytes(root: Path, store: LayoutStore) -> None:
    one = put(store, manifest("1"), platform=AMD64)
    blob_path(root, one).write_bytes(manifest("2"))
    with pytest.raises(MismatchError):
        store.resolve(one.digest)


def test_links_of_blobs(root: Path, store: LayoutStore, tmp_path: Path) -> None:
    blob = Descriptor.of(OCTETS, b"hello")
    store.put_blob(blob, b"hello")
    path = blob_path(root, blob)
    path.rename(root / "blobs/shared")
    path.symlink_to("../shared")
    assert store.fetch_blob(blob) == b"hello"
    path.unlink()
    (tmp_path / "outside").write_bytes(b"hello")
    path.symlink_to(tmp_path / "outside")
    with pytest.raises(BobError, match="leads outside"):
        store.fetch_blob(blob)
    with pytest.raises(BobError, match="leads outside"):
        store.has_blob(blob)


def test_nothing_is_written_through_a_link(root: Path, store: LayoutStore, tmp_path: Path) -> None:
    store.put_blob(EMPTY, b"{}")
    (root / "blobs/sha256").rename(tmp_path / "away")
    (root / "blobs/sha256").symlink_to(tmp_path / "away")
    before = files(tmp_path / "away")
    with pytest.raises(BobError):
        store.put_blob(Descriptor.of(OCTETS, b"hello"), b"hello")
    assert files(tmp_path / "away") == before


def test_size_caps(root: Path, store: LayoutStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_BLOB_SIZE", 4)
    blob = Descriptor.of(OCTETS, b"hello")
    store.put_blob(blob, b"hello")
    with pytest.raises(BobError, match="5 bytes, more than the 4"):
        store.fetch_blob(blob)
    large = manifest("x" * MAX_MANIFEST_SIZE)
    with pytest.raises(BobError, match="too many for a manifest"):
        put(store, large)
    blob_path(root, blob).write_bytes(large)
    with pytest.raises(BobError, match="more than the"):
        store.resolve(blob.digest)


# --- Writing


def test_the_umask_is_honoured(root: Path, store: LayoutStore) -> None:
    old = os.umask(0o027)
    try:
        store.tag(put(store, manifest("1")), "v1")
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    assert modes == {0o640}
    assert (root / "blobs/sha256").stat().st_mode & 0o777 == 0o750


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A directory that this process, root or not, cannot write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = LayoutStore(folder)
        store.tag(put(store, manifest("1")), "v1")
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755)


def test_a_directory_that_is_read_only(as_nobody: Path) -> None:
    store = LayoutStore(as_nobody)
    one = store.resolve("v1")
    store.tag(one, "v1")
    assert store.put_manifest(one, manifest("1")) is False
    for verb in (lambda: store.tag(one, "v2"), lambda: put(store, manifest("2"))):
        with pytest.raises(BobError, match="cannot be written: Permission denied"):
            verb()
    with pytest.raises(BobError, match="cannot be written"):
        LayoutStore(as_nobody / "new/layout").put_blob(EMPTY, b"{}")


@pytest.mark.parametrize("call", ["fsync", "replace", "write"])
def test_a_full_disk_leaves_no_trace(
    root: Path, store: LayoutStore, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    one = put(store, manifest("1"))
    before = files(root)

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "write":
        monkeypatch.setattr("bob_ci.oci.files._write_new", full)
    else:
        monkeypatch.setattr(os, call, full)
    for verb in (lambda: store.tag(one, "v1"), lambda: put(store, manifest("2"))):
        with pytest.raises(BobError, match="No space left"):
            verb()
    assert files(root) == before


def test_a_file_system_without_hard_links(
    root: Path, store: LayoutStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(os, "link", none)
    store.tag(put(store, manifest("1")), "v1")
    assert store.tags() == ["v1"]
    assert not list(root.rglob(".*"))


# --- A model


class LayoutModel(RuleBasedStateMachine):
    """Any sequence of writes, compared with a dictionary."""

    names = st.sampled_from("abcdef")
    tag_names = st.sampled_from(["v1", "v2", "latest"])

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.store = LayoutStore(Path(self.folder.name) / "layout")
        self.manifests: dict[str, bytes] = {}
        self.named: dict[str, str] = {}
        self.subjects: dict[str, str] = {}
        self.roots: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _put(self, data: bytes, media_type: str, platform: Platform | None = None) -> str:
        descriptor = Descriptor.of(media_type, data, platform=platform)
        assert self.store.put_manifest(descriptor, data) is (descriptor.digest not in self.manifests)
        self.manifests[descriptor.digest] = data
        if platform is None:
            self.roots.add(descriptor.digest)
        return descriptor.digest

    @rule(name=names, platform=st.sampled_from([None, AMD64]))
    def put_one(self, name: str, platform: Platform | None) -> None:
        self._put(manifest(name), MANIFEST, platform)

    @rule(names=st.lists(names, max_size=3))
    def put_index(self, names: list[str]) -> None:
        self._put(index(*(Descriptor.of(MANIFEST, manifest(name), platform=AMD64) for name in names)), INDEX)

    @rule(name=names, subject=names)
    def put_referrer(self, name: str, subject: str) -> None:
        target = Descriptor.of(MANIFEST, manifest(subject))
        self.subjects[self._put(manifest(name, subject=target), MANIFEST)] = target.digest

    @precondition(lambda self: self.manifests)
    @rule(data=st.data(), tag=tag_names)
    def tag_one(self, data: st.DataObject, tag: str) -> None:
        digest = data.draw(st.sampled_from(sorted(self.manifests)))
        self.store.tag(self.store.resolve(digest), tag)
        self.named[tag] = digest
        self.roots.add(digest)

    @precondition(lambda self: self.manifests)
    @invariant()
    def agrees(self) -> None:
        assert self.store.tags() == sorted(self.named)
        for tag, digest in self.named.items():
            assert self.store.resolve(tag).digest == digest
        for digest, data in self.manifests.items():
            assert self.store.fetch_manifest(digest) == data
            found = {one.digest for one in self.store.referrers(self.store.resolve(digest))}
            assert found == {one for one, subject in self.subjects.items() if subject == digest}
        self._check_entries()

    def _check_entries(self) -> None:
        listed = entries(self.store.directory)
        digests = {digest for digest, _ in listed}
        present_subjects = set(self.subjects.values()) & self.manifests.keys()
        assert digests == self.roots | present_subjects
        assert len({name for _, name in listed if name}) == len(self.named)
        assert len(set(listed)) == len(listed)
        unnamed = [digest for digest, name in listed if not name]
        assert not set(unnamed) & {digest for digest, name in listed if name}


LayoutModel.TestCase.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)
test_model = LayoutModel.TestCase
