"""Publishing as steps: the order of writes, conditions, and a death between any two of them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from bob_ci.artifact import Artifact
from bob_ci.bundle.source import Bundle, Kind
from bob_ci.errors import BobError, InputError
from bob_ci.git import Origin
from bob_ci.oci.descriptor import Descriptor
from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.platform import Platform
from bob_ci.oci.reference import LayoutReference, RegistryReference, parse_reference
from bob_ci.prepare import Prepared, Request, prepare
from bob_ci.publish import IfExists, Target, plan, publish, target

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ORIGIN = Origin(
    source="https://github.com/acme/web",
    revision=f"main@sha1:{COMMIT}",
    created="2026-01-02T03:04:05Z",
    commit=COMMIT,
    branch="main",
    version_tag=None,
    dirty=False,
    notices=(),
)
PLATFORMS = (Platform("linux", "amd64"), Platform("linux", "arm64"))
CHART = {"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "templates/x.yaml": "a: 1\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def prepared(tmp_path: Path, text: str = "a: 1\n", when: int = 0) -> Prepared:
    """A bundle that is a chart: quick, and two platforms."""
    bundle = tmp_path / "bundle"
    for name, content in {**CHART, "templates/x.yaml": text}.items():
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(content)
    return prepare(Request(bundle, PLATFORMS), {"SOURCE_DATE_EPOCH": str(when)})


def to(root: Path, *tags: str, **conditions: Any) -> Target:
    return Target(LayoutReference(root, tags[0]), tags, **conditions)


def digests(artifact: Artifact) -> list[str]:
    return [
        blob.descriptor.digest
        for child in artifact.children
        for blob in (child.config, child.layer, child.manifest)
    ]


def state(root: Path) -> dict[str, tuple[int, int, int]]:
    """Inode, size and time of each file: equal only if nothing was written."""
    found = {str(path): path.stat() for path in root.rglob("*")}
    return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found.items()}


# --- Where to


def said(**changes: Any) -> Prepared:
    origin = dataclasses.replace(ORIGIN, **changes)
    bundle = Bundle("bundle", Kind.BUNDLE, {})
    return Prepared(bundle, origin, Artifact(None, ()), (), ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reference", "origin", "tags", "expected"),
    [
        ("oci-layout:d:1.0", {}, (), ("1.0",)),
        ("oci-layout:d", {}, (), ("0123456",)),
        ("oci-layout:d", {"dirty": True}, (), ("0123456-dirty",)),
        ("oci-layout:d", {"version_tag": "v1.2.3"}, (), ("v1.2.3",)),
        ("oci-layout:d", {"version_tag": "1.2.3+build.4"}, (), ("1.2.3_build.4",)),
        ("oci-layout:d", {"version_tag": "v1.2.3", "dirty": True}, (), ("0123456-dirty",)),
        ("oci-layout:d:1.0", {"version_tag": "v1.2.3"}, (), ("1.0",)),
        ("oci-layout:d:1.0", {}, ("stable", "1", "1.0"), ("1.0", "1", "stable")),
        ("oci-layout:d:stable", {}, ("1.0", "latest"), ("1.0", "latest", "stable")),
        ("ghcr.io/acme/web", {"version_tag": "v2.0.0"}, (), ("v2.0.0",)),
    ],
)
def test_tags(
    reference: str, origin: dict[str, Any], tags: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    found = target(parse_reference(reference), said(**origin), tags=tags)
    assert found.tags == expected
    assert found.reference.tag in expected
    assert found.reference.digest is None


@pytest.mark.parametrize(
    ("reference", "origin", "tags", "message"),
    [
        (f"oci-layout:d@sha256:{'0' * 64}", {}, (), "a digest cannot be published to"),
        (f"oci-layout:d:1@sha256:{'0' * 64}", {}, (), "a digest cannot be published to"),
        ("oci-layout:d", {"commit": None}, (), "has no tag, and git gives none"),
        ("oci-layout:d:1", {}, ("a/b",), "no tag"),
        ("oci-layout:d:1", {}, ("",), "no tag"),
        ("oci-layout:d:1", {}, ("x" * 129,), "no tag"),
        ("oci-layout:d", {"version_tag": "1.0.0-" + "x" * 130}, (), "is no tag"),
    ],
)
def test_no_target(reference: str, origin: dict[str, Any], tags: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        target(parse_reference(reference), said(**origin), tags=tags)


@pytest.mark.parametrize("kind", Kind)
def test_a_directory_is_not_packed_into_itself(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "inner")
    made = dataclasses.replace(said(), bundle=Bundle(str(tmp_path), kind, {}))
    outside = LayoutReference(tmp_path.with_name("beside"), "1")
    assert target(outside, made).tags == ("1",)
    assert target(RegistryReference("example.com", "a", "1"), made).tags == ("1",)
    for inside in (tmp_path, tmp_path / "new/layout", tmp_path / "inner/../x", tmp_path / "link/x"):
        reference = LayoutReference(inside, "1")
        if kind is Kind.BUNDLE:  # a layout is no part of a bundle
            assert target(reference, made).tags == ("1",)
        else:
            with pytest.raises(InputError, match="packed into itself"):
                target(reference, made)


# --- Order


class Recorder(LayoutStore):
    """A layout that writes down what is written, and dies before a given write."""

    def __init__(self, directory: Path, lives: int = 1000) -> None:
        super().__init__(directory)
        self.log: list[str] = []
        self.lives = lives

    def _note(self, what: str) -> None:
        if len(self.log) == self.lives:
            raise BobError("the store died")
        self.log.append(what)

    def put_blob(self, descriptor: Descriptor, data: bytes) -> bool:
        # The layout's own put_manifest comes here too: those are in the log already.
        if not self.log or self.log[-1] != descriptor.digest:
            self._note(descriptor.digest)
        return super().put_blob(descriptor, data)

    def put_manifest(self, descriptor: Descriptor, data: bytes) -> bool:
        self._note(descriptor.digest)
        return super().put_manifest(descriptor, data)

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        self._note(f"{tag} → {descriptor.digest}")
        super().tag(descriptor, tag)


def test_blobs_then_manifests_then_the_index_then_tags(tmp_path: Path, root: Path) -> None:
    made = prepared(tmp_path)
    store = Recorder(root)
    done = publish(made, to(root, "1.0.0", "latest", "stable"), store)
    (one, other), index = made.artifact.children, made.artifact.digest
    assert store.log == [
        *(blob.descriptor.digest for child in (one, other) for blob in (child.config, child.layer)),
        *(child.manifest.descriptor.digest for child in (one, other)),
        index,
        *(f"{tag} → {index}" for tag in ("1.0.0", "latest", "stable")),
    ]
    assert (done.digest, done.changed, done.tags) == (index, True, ("1.0.0", "latest", "stable"))
    assert [step.name for step in done.steps] == ["push", "tag"]


def test_a_death_moves_no_tag_and_the_next_run_finishes(tmp_path: Path, root: Path) -> None:
    old, new = prepared(tmp_path, "a: 1\n"), prepared(tmp_path, "a: 2\n")
    where = to(root, "1.0.0", "stable")
    publish(old, where, LayoutStore(root))
    for lives in range(100):
        store = Recorder(root, lives)
        try:
            publish(new, where, store)
        except BobError as error:
            assert str(error) == "the store died"  # noqa: PT017 -- the last round raises none
        else:
            break
        moved = [tag for tag in ("1.0.0", "stable") if store.resolve(tag).digest == new.artifact.digest]
        assert moved == ["1.0.0"] * any("1.0.0 →" in line for line in store.log)
        for tag in store.tags():
            store.fetch_manifest(tag)
    assert lives > 3
    assert {LayoutStore(root).resolve(tag).digest for tag in where.tags} == {new.artifact.digest}


# --- Again


def test_a_second_publish_writes_nothing(tmp_path: Path, root: Path) -> None:
    made, where = prepared(tmp_path), to(root, "1.0.0", "stable")
    publish(made, where, LayoutStore(root))
    before = state(root)
    done = publish(made, where, LayoutStore(root))
    assert (done.changed, done.skipped) == (False, None)
    assert state(root) == before


def test_a_further_tag_uploads_nothing(tmp_path: Path, root: Path) -> None:
    made = prepared(tmp_path)
    publish(made, to(root, "1.0.0"), LayoutStore(root))
    before = state(root / "blobs")
    done = publish(made, to(root, "1.0.0", "stable"), LayoutStore(root))
    assert done.changed
    assert state(root / "blobs") == before
    assert LayoutStore(root).tags() == ["1.0.0", "stable"]


def test_a_lost_blob_comes_back(tmp_path: Path, root: Path) -> None:
    made = prepared(tmp_path)
    publish(made, to(root, "1.0.0"), LayoutStore(root))
    layer = made.artifact.children[0].layer.descriptor
    (root / "blobs/sha256" / layer.digest.removeprefix("sha256:")).unlink()
    assert plan(made, to(root, "1.0.0"), LayoutStore(root)).outcome.changed
    assert publish(made, to(root, "1.0.0"), LayoutStore(root)).changed
    assert LayoutStore(root).has_blob(layer)


# --- Conditions


@pytest.fixture
def two(tmp_path: Path, root: Path) -> tuple[Prepared, Prepared, Prepared]:
    """What the tag names; the same contents of another time; other contents."""
    there = prepared(tmp_path)
    publish(there, to(root, "1.0.0"), LayoutStore(root))
    return there, prepared(tmp_path, when=1), prepared(tmp_path, "a: 2\n")


@pytest.mark.parametrize(
    ("which", "conditions", "outcome"),
    [
        (1, {}, "moved"),
        (2, {}, "moved"),
        (0, {"if_exists": IfExists.FAIL}, "same"),
        (0, {"if_exists": IfExists.SKIP}, "same"),
        (0, {"if_changed": True}, "same"),
        (1, {"if_changed": True}, "kept"),
        (2, {"if_changed": True}, "moved"),
        (2, {"if_exists": IfExists.SKIP}, "kept"),
        (2, {"if_exists": IfExists.FAIL}, "failed"),
        (1, {"if_exists": IfExists.FAIL, "if_changed": True}, "kept"),
        (2, {"if_exists": IfExists.FAIL, "if_changed": True}, "failed"),
    ],
)
def test_conditions(
    root: Path,
    two: tuple[Prepared, Prepared, Prepared],
    which: int,
    conditions: dict[str, Any],
    outcome: str,
) -> None:
    there, made = two[0].artifact.digest, two[which]
    where, store, before = to(root, "1.0.0", **conditions), LayoutStore(root), state(root)
    if outcome == "failed":
        for verb in (plan, publish):
            with pytest.raises(BobError, match="exists, as") as caught:
                verb(made, where, store)
            assert caught.value.exit_code == 1
        assert state(root) == before
        return
    planned = plan(made, where, store).outcome
    assert state(root) == before
    done = publish(made, where, store)
    assert dataclasses.replace(done, steps=()) == planned
    assert (done.changed, done.skipped is not None) == (outcome == "moved", outcome == "kept")
    assert done.digest == store.resolve("1.0.0").digest
    assert (done.digest == there) == (outcome != "moved")
    assert (state(root) == before) == (outcome != "moved")
    if outcome == "kept":
        assert done.tags == ()
        assert str(done.reference) == f"oci-layout:{root}:1.0.0@{there}"


def test_if_changed_looks_at_every_platform(tmp_path: Path, root: Path) -> None:
    publish(prepared(tmp_path), to(root, "1.0.0"), LayoutStore(root))
    one = prepare(Request(tmp_path / "bundle", PLATFORMS[:1]), {"SOURCE_DATE_EPOCH": "0"})
    assert publish(one, to(root, "1.0.0", if_changed=True), LayoutStore(root)).changed


def test_if_changed_mends_a_damaged_artifact(tmp_path: Path, root: Path) -> None:
    there = prepared(tmp_path)
    publish(there, to(root, "1.0.0"), LayoutStore(root))
    child = there.artifact.children[0].manifest.descriptor
    (root / "blobs/sha256" / child.digest.removeprefix("sha256:")).unlink()
    again = prepared(tmp_path, when=1)
    assert publish(again, to(root, "1.0.0", if_changed=True), LayoutStore(root)).changed


# --- The plan


def test_a_plan_touches_nothing(tmp_path: Path, root: Path) -> None:
    made = prepared(tmp_path)
    planned = plan(made, to(root, "1.0.0", "stable"), LayoutStore(root))
    assert not root.exists()
    assert {write.descriptor.digest for write in planned.writes} == {
        *digests(made.artifact),
        made.artifact.digest,
    }
    assert not any(write.present for write in planned.writes)
    assert [(move.tag, move.before, move.after) for move in planned.moves] == [
        ("1.0.0", None, made.artifact.digest),
        ("stable", None, made.artifact.digest),
    ]


def test_a_plan_knows_what_is_there(tmp_path: Path, root: Path) -> None:
    there, other = prepared(tmp_path), prepared(tmp_path, "a: 2\n")
    publish(there, to(root, "1.0.0"), LayoutStore(root))
    same = plan(there, to(root, "1.0.0"), LayoutStore(root))
    assert all(write.present for write in same.writes)
    assert not same.outcome.changed
    (move,) = plan(other, to(root, "1.0.0"), LayoutStore(root)).moves
    assert (move.before, move.after) == (there.artifact.digest, other.artifact.digest)


def test_publishing_reads_no_clock(tmp_path: Path) -> None:
    """The bundle's times go nowhere: a layout of the same bytes each time."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made = prepared(tmp_path / name)
        os.utime(tmp_path / name / "bundle/Chart.yaml", (1, 1))
        publish(made, to(tmp_path / name / "layout", "1.0.0"), LayoutStore(tmp_path / name / "layout"))
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "one/layout", tmp_path / "other/layout")
    ]
    assert files[0] == files[1]
