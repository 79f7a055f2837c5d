"""The `index.json` of an image layout, as a value (OCI image-spec, image-layout.md, "index.json file").

Changes give a new value: entries keep their order and whatever members others gave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import (
    INDEX,
    REF_NAME,
    Descriptor,
    annotations_of,
    canonical_json,
    is_digest,
    load_json,
)
from bob_ci.oci.reference import is_tag

# What containerd and buildkit write beside the tag, and take for the image's full name.
_CONTAINERD_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class Entry:
    """One manifest that a layout lists, perhaps under a name."""

    descriptor: Descriptor
    members: Mapping[str, Any] = field(repr=False, hash=False)

    @classmethod
    def parse(cls, value: object, where: str) -> Entry:
        """Read an entry.

        Raises:
            BobError: It is no descriptor; names `where`.
        """
        descriptor = Descriptor.from_json(value, where)
        return cls(descriptor, dict(value) if isinstance(value, Mapping) else {})

    @classmethod
    def of(cls, descriptor: Descriptor) -> Entry:
        """Make an entry without a name."""
        return cls.parse(replace(descriptor, data=None).to_json(), "descriptor").renamed(None)

    @property
    def ref_name(self) -> str | None:
        """Its name (image-spec, annotations.md, `org.opencontainers.image.ref.name`); a digest is none."""
        name = self.descriptor.annotations.get(REF_NAME)
        return None if name is None or is_digest(name) else name

    @property
    def tag(self) -> str | None:
        """Its name, if that is a tag, else the tag of a full reference, as some tools write them."""
        name = (self.ref_name or "").partition("@")[0]
        last = name.rpartition(":")[2]
        return next((one for one in (name, last) if is_tag(one)), None)

    def renamed(self, tag: str | None) -> Entry:
        """Give the same entry under this tag, or under none."""
        kept = {
            k: v for k, v in annotations_of(self.members).items() if k not in {REF_NAME, _CONTAINERD_NAME}
        }
        annotations = kept if tag is None else kept | {REF_NAME: tag}
        members = {k: v for k, v in self.members.items() if k != "annotations"}
        if annotations:
            members["annotations"] = annotations
        return Entry(replace(self.descriptor, annotations=annotations), members)


@dataclass(frozen=True)
class LayoutIndex:
    """All entries, in order, and the other members of the file."""

    entries: tuple[Entry, ...] = ()
    members: Mapping[str, Any] = field(
        default_factory=lambda: {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, hash=False
    )

    @classmethod
    def parse(cls, data: bytes, where: str) -> LayoutIndex:
        """Read the file.

        Raises:
            BobError: It is no image index; names `where`.
        """
        members = load_json(data, where)
        if members.get("schemaVersion") != 2 or members.get("mediaType", INDEX) != INDEX:  # noqa: PLR2004
            raise BobError(f"{where}: not an image index of schemaVersion 2")
        listed = members.get("manifests")
        if "manifests" not in members or not isinstance(listed, list | None):
            raise BobError(f"{where}: manifests is no list")
        entries = (Entry.parse(one, f"{where}: manifests[{at}]") for at, one in enumerate(listed or ()))
        return cls(tuple(entries), members)

    def to_bytes(self) -> bytes:
        """Give the file's bytes."""
        return canonical_json({**self.members, "manifests": [dict(entry.members) for entry in self.entries]})

    def tags(self) -> list[str]:
        """Give all tags, sorted."""
        return sorted({entry.tag for entry in self.entries if entry.tag})

    def find_digest(self, digest: str) -> Descriptor | None:
        """Give the entry of this digest, if it is listed."""
        return next((entry.descriptor for entry in self.entries if entry.descriptor.digest == digest), None)

    def find_tag(self, tag: str) -> Descriptor | None:
        """Give the entry of this tag, if there is one; a plain tag comes before the tag of a full reference.

        Raises:
            BobError: Two entries of different content have it (`docker save` of several images writes such).
        """
        plain = [entry.descriptor for entry in self.entries if entry.ref_name == tag]
        found = plain or [entry.descriptor for entry in self.entries if entry.tag == tag]
        if len({descriptor.digest for descriptor in found}) > 1:
            digests = ", ".join(descriptor.digest for descriptor in found)
            raise BobError(
                f"{tag}: several manifests have this tag: {digests}", hint="name one by its digest"
            )
        return found[0] if found else None

    def listed(self, descriptor: Descriptor) -> LayoutIndex:
        """Give the index with an entry for this manifest, without a name if it is new."""
        if self.find_digest(descriptor.digest):
            return self
        return replace(self, entries=(*self.entries, Entry.of(descriptor)))

    def tagged(self, descriptor: Descriptor, tag: str) -> LayoutIndex:
        """Give the index in which this tag names this manifest, and nothing else.

        What it named before stays as an entry without a name, so that it can still be reached.
        """
        named = {entry.descriptor.digest for entry in self.entries if entry.ref_name == tag}
        if named == {descriptor.digest}:
            return self
        entries = self._without_tag(tag).entries
        at = next((at for at, one in enumerate(entries) if _is_free(one, descriptor.digest)), len(entries))
        entry = entries[at] if at < len(entries) else Entry.of(descriptor)
        return replace(self, entries=(*entries[:at], entry.renamed(tag), *entries[at + 1 :]))

    def _without_tag(self, tag: str) -> LayoutIndex:
        kept: list[Entry] = []
        others = [entry.descriptor.digest for entry in self.entries if entry.ref_name != tag]
        for entry in self.entries:
            if entry.ref_name != tag:
                kept.append(entry)
            elif entry.descriptor.digest not in others:
                kept.append(entry.renamed(None))
                others.append(entry.descriptor.digest)
        return replace(self, entries=tuple(kept))


def _is_free(entry: Entry, digest: str) -> bool:
    return entry.descriptor.digest == digest and REF_NAME not in entry.descriptor.annotations
