"""The main job, top to bottom: prepare, push, tag. Tags move last: no reader meets half an artifact."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from bob_ci.artifact import Artifact, Blob
from bob_ci.bundle.source import Bundle, Kind
from bob_ci.errors import BobError, InputError
from bob_ci.git import Origin
from bob_ci.inspect import content_digests
from bob_ci.listing import stable_last
from bob_ci.oci.descriptor import Descriptor, MismatchError
from bob_ci.oci.reference import LayoutReference, Reference, is_tag
from bob_ci.oci.store import NotFoundError, Store
from bob_ci.prepare import Prepared


class IfExists(Enum):
    """What to do when the tag names another artifact already."""

    REPLACE = "replace"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True)
class Target:
    """Where to, and under which conditions."""

    reference: Reference
    tags: tuple[str, ...]
    if_exists: IfExists = IfExists.REPLACE
    if_changed: bool = False


@dataclass(frozen=True)
class Step:
    """A part of the job and how long it took."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Published:
    """What is there now. `changed` is false where nothing had to be written."""

    reference: Reference
    digest: str
    tags: tuple[str, ...]
    changed: bool
    steps: tuple[Step, ...] = ()
    skipped: str | None = None  # why nothing was written although the artifact differs


@dataclass(frozen=True)
class Move:
    """A tag, the digest that it names now, and the one that it will."""

    tag: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Write:
    """Something to store, and whether it is there."""

    descriptor: Descriptor
    present: bool


@dataclass(frozen=True)
class Plan:
    """What a publish would do: all that it writes, the tags that it moves, and what it would report."""

    writes: tuple[Write, ...]
    moves: tuple[Move, ...]
    outcome: Published


@dataclass
class _Clock:
    """Collects steps."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.steps.append(Step(name, round(time.perf_counter() - start, 3)))


def target(
    reference: Reference,
    prepared: Prepared,
    *,
    tags: tuple[str, ...] = (),
    if_exists: IfExists = IfExists.REPLACE,
    if_changed: bool = False,
) -> Target:
    """The reference with its tags: its own one, else the version tag or short commit of git; then more.

    Raises:
        InputError: the reference has a digest, or no tag and git gives none; a tag breaks its grammar; the
            layout lies in the directory that is packed as it is.
    """
    _refuse_itself(prepared.bundle, reference)
    if reference.digest is not None:
        raise InputError(f"{reference}: a digest cannot be published to", hint="name a tag, or none")
    first = reference.tag or _tag_from_git(prepared.origin)
    if first is None:
        raise InputError(f"{reference}: has no tag, and git gives none", hint=f"write {reference}:1.0.0")
    for tag in tags:
        if not is_tag(tag):
            raise InputError(f"{tag!r}: no tag: letters, digits, `_`, `.` and `-`, at most 128")
    return Target(reference.with_tag(first), stable_last((first, *tags)), if_exists, if_changed)


def _refuse_itself(bundle: Bundle, reference: Reference) -> None:
    """A directory that is packed as it is would hold the layout, and grow with each run."""
    if bundle.kind is Kind.BUNDLE or not isinstance(reference, LayoutReference):
        return
    if reference.directory.resolve().is_relative_to(Path(bundle.directory).resolve()):
        raise InputError(f"{reference.name}: lies in {bundle.directory}, and would be packed into itself")


def _tag_from_git(origin: Origin) -> str | None:
    if origin.version_tag and not origin.dirty:
        # Build metadata: a tag has no `+`, and `_` is what Helm writes for it.
        return origin.version_tag.replace("+", "_")
    if origin.commit is None:
        return None
    return origin.commit[:7] + ("-dirty" if origin.dirty else "")


def plan(prepared: Prepared, where: Target, store: Store) -> Plan:
    """What publishing would do; nothing is written.

    Raises:
        BobError: as publishing would, where the tag is taken and `if_exists` is `fail`.
    """
    artifact = prepared.artifact
    if kept := _kept(artifact, where, store):
        return Plan((), (), kept)
    writes = tuple(
        Write(blob.descriptor, store.has_blob(blob.descriptor)) for blob, _ in _in_order(artifact, store)
    )
    moves = tuple(Move(tag, _digest_at(store, tag), artifact.digest) for tag in where.tags)
    changed = not all(write.present for write in writes) or any(move.before != move.after for move in moves)
    return Plan(writes, moves, Published(where.reference, artifact.digest, where.tags, changed))


def publish(prepared: Prepared, where: Target, store: Store) -> Published:
    """Write the artifact and move the tags; what is there already is not written again.

    Raises:
        BobError: the store refuses, or the tag is taken and `if_exists` is `fail`.
    """
    clock = _Clock()
    artifact = prepared.artifact
    if kept := _kept(artifact, where, store):
        return kept
    with clock.step("push"):
        written = push(artifact, store)
    with clock.step("tag"):
        moved = move_tags(artifact, where.tags, store)
    return Published(where.reference, artifact.digest, where.tags, written or moved, tuple(clock.steps))


def _kept(artifact: Artifact, where: Target, store: Store) -> Published | None:
    """The outcome where the tag keeps what it names; None where it moves."""
    before = _digest_at(store, where.reference.tag or where.tags[0])
    if before is None or before == artifact.digest:
        return None
    reason = _reason_to_keep(before, artifact, where, store)
    if reason is None:
        return None
    return Published(where.reference.with_digest(before), before, (), changed=False, skipped=reason)


def _reason_to_keep(before: str, artifact: Artifact, where: Target, store: Store) -> str | None:
    if where.if_changed and _contents_at(store, before) == _contents(artifact):
        return f"{where.reference}: the contents are those of {before}"
    if where.if_exists is IfExists.SKIP:
        return f"{where.reference}: exists, as {before}"
    if where.if_exists is IfExists.FAIL:
        raise BobError(
            f"{where.reference}: exists, as {before}",
            hint="publish under another tag, or with --if-exists replace",
        )
    return None


def _contents_at(store: Store, digest: str) -> Mapping[str, str] | None:
    try:
        return content_digests(store, digest)
    except (NotFoundError, MismatchError):  # it is damaged: what is published now takes its place
        return None


def _contents(artifact: Artifact) -> Mapping[str, str]:
    return {str(child.platform): child.content_digest for child in artifact.children}


def push(artifact: Artifact, store: Store) -> bool:
    """Blobs, then manifests, then the index; by digest alone. Whether anything was written."""
    written = False
    for blob, put in _in_order(artifact, store):
        written = put(blob.descriptor, blob.data) or written
    return written


def _in_order(artifact: Artifact, store: Store) -> Iterator[tuple[Blob, Callable[..., bool]]]:
    for child in artifact.children:
        yield child.config, store.put_blob
        yield child.layer, store.put_blob
    for child in artifact.children:
        yield child.manifest, store.put_manifest
    yield artifact.index, store.put_manifest


def move_tags(artifact: Artifact, tags: tuple[str, ...], store: Store) -> bool:
    """Let the tags name the artifact, in their order. Whether any had named something else."""
    moved = False
    for tag in tags:
        if _digest_at(store, tag) != artifact.digest:
            store.tag(artifact.index.descriptor, tag)
            moved = True
    return moved


def _digest_at(store: Store, tag: str) -> str | None:
    try:
        return store.resolve(tag).digest
    except NotFoundError:
        return None
