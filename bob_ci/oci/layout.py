"""A store on disk: an OCI image layout (image-spec, image-layout.md). No server is needed.

Every file appears whole: it is written under another name first, then renamed. Blobs go to the disk before
`index.json` names them. Only the change of `index.json` needs a lock, so blobs are written in parallel.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bob_ci.errors import BobError, InputError
from bob_ci.oci.descriptor import (
    MANIFEST_TYPES,
    MAX_MANIFEST_SIZE,
    Descriptor,
    MismatchError,
    canonical_json,
    check_size,
    is_digest,
    load_json,
    verify,
)
from bob_ci.oci.files import explained, file_size, open_folder, read_file, write_file
from bob_ci.oci.layout_index import LayoutIndex
from bob_ci.oci.manifest import Manifest, check_manifest, describe_manifest, describe_referrer
from bob_ci.oci.reference import LayoutReference, check_tag
from bob_ci.oci.store import MAX_BLOB_SIZE, NotFoundError

VERSION = "1.0.0"

_MARK, _INDEX, _BLOBS = "oci-layout", "index.json", "blobs"
_MAX_MARK_SIZE = 4096
_MAX_INDEX_SIZE = 64 * 1024 * 1024
_LOCK_SECONDS = 60.0
_LOCK_PAUSE = 0.005


class LayoutStore:
    """The store in one directory; see `Store` for the verbs.

    Reading makes nothing; the first write makes the directory. Several processes and threads can write at
    once. `lock_seconds` is how long a writer waits for the others.
    """

    def __init__(self, directory: Path | str, *, lock_seconds: float = _LOCK_SECONDS) -> None:
        self.directory = Path(directory)
        self._lock_seconds = lock_seconds

    def __repr__(self) -> str:
        return f"LayoutStore({str(self.directory)!r})"

    @property
    def name(self) -> str:
        """Where it is: `oci-layout:DIR`."""
        return LayoutReference(self.directory).name

    def resolve(self, selector: str) -> Descriptor:
        """Give media type, digest and size of the manifest with this tag or digest.

        Any manifest in the layout has a digest to ask for, listed in `index.json` or not.
        """
        index = self._read_index()
        by_digest = is_digest(selector)
        found = index.find_digest(selector) if by_digest else index.find_tag(check_tag(selector))
        if found:
            if not self.has_blob(found):
                raise NotFoundError(f"{self._at(selector)}: {found.digest} is listed, but not there")
            return Descriptor(found.media_type, found.digest, found.size)
        if by_digest:
            return self._describe(selector)
        tags = index.tags()
        raise NotFoundError(
            f"{self._at(selector)}: no such tag", hint=f"there are: {_few(tags)}" if tags else None
        )

    def fetch_manifest(self, target: Descriptor | str) -> bytes:
        """Give the bytes of a manifest, checked, by its descriptor, tag or digest."""
        descriptor = self.resolve(target) if isinstance(target, str) else target
        return self._fetch(descriptor, MAX_MANIFEST_SIZE)

    def fetch_blob(self, descriptor: Descriptor) -> bytes:
        """Give the bytes of a blob, checked."""
        return self._fetch(descriptor, MAX_BLOB_SIZE)

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether a blob of this digest and size is there."""
        return file_size(self.directory, *_blob(descriptor.digest)) == descriptor.size

    def put_blob(self, descriptor: Descriptor, data: bytes) -> bool:
        """Store a blob, also in place of one with other bytes; True if it was written."""
        verify(data, descriptor)
        if self._has_bytes(descriptor.digest, data):
            return False
        self._create()
        *folders, name = _blob(descriptor.digest)
        with (
            explained(self.directory.joinpath(*folders, name)),
            open_folder(self.directory, *folders) as folder,
        ):
            write_file(name, data, folder, sync=True)
        return True

    def put_manifest(self, descriptor: Descriptor, data: bytes) -> bool:
        """Store a manifest, and list it in `index.json` without a name; True if it was written.

        The child of an index (its descriptor has a platform) is reached through that index. It is listed only
        when it has referrers, because oras looks for those of listed manifests alone.
        """
        if len(data) > MAX_MANIFEST_SIZE:
            raise BobError(f"{descriptor.digest}: {len(data)} bytes are too many for a manifest")
        verify(data, descriptor)
        manifest = check_manifest(data, descriptor)
        written = self.put_blob(descriptor, data)
        self._update(lambda index: self._list(index, descriptor, manifest), look_first=not written)
        return written

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Let a tag name this manifest. What it named before stays listed, without a name."""
        check_tag(tag)
        check_manifest(self.fetch_manifest(descriptor), descriptor)
        self._update(lambda index: index.tagged(descriptor, tag))

    def tags(self) -> list[str]:
        """Give all tags, sorted."""
        return self._read_index().tags()

    def referrers(self, subject: Descriptor, artifact_type: str | None = None) -> list[Descriptor]:
        """Give the manifests whose subject is this one, in the order of `index.json`."""
        found = [
            describe_referrer(data, descriptor)
            for descriptor, data, manifest in self._manifests(self._read_index())
            if manifest.subject and manifest.subject.digest == subject.digest
        ]
        return [one for one in found if artifact_type in {None, one.artifact_type}]

    # --- Reading

    def _at(self, selector: str) -> str:
        return f"{self.name}{'@' if is_digest(selector) else ':'}{selector}"

    def _fetch(self, descriptor: Descriptor, limit: int) -> bytes:
        size = file_size(self.directory, *_blob(descriptor.digest))
        check_size(descriptor.size if size is None else size, descriptor)
        data = self._read_blob(descriptor.digest, limit)
        verify(data, descriptor)
        return data

    def _read_blob(self, digest: str, limit: int) -> bytes:
        try:
            return read_file(self.directory, *_blob(digest), limit=limit)
        except FileNotFoundError as error:
            self._check_layout()
            raise NotFoundError(f"{self._at(digest)}: not there") from error

    def _describe(self, digest: str) -> Descriptor:
        data = self._read_blob(digest, MAX_MANIFEST_SIZE)
        try:
            media_type = describe_manifest(data).media_type
        except BobError as error:
            raise NotFoundError(f"{self._at(digest)}: a blob, but no manifest: {error}") from error
        descriptor = Descriptor(media_type, digest, len(data))
        verify(data, descriptor)
        return descriptor

    def _has_bytes(self, digest: str, data: bytes) -> bool:
        try:
            return read_file(self.directory, *_blob(digest), limit=len(data)) == data
        except (FileNotFoundError, BobError):
            return False

    def _check_layout(self) -> None:
        where = self.directory / _MARK
        try:
            mark = load_json(read_file(self.directory, _MARK, limit=_MAX_MARK_SIZE), str(where))
        except FileNotFoundError as error:
            raise NotFoundError(
                f"{self.directory}: no image layout: oci-layout is missing",
                hint="`bobctl publish BUNDLE oci-layout:DIR` makes one",
            ) from error
        if (version := mark.get("imageLayoutVersion")) != VERSION:
            raise BobError(f"{where}: imageLayoutVersion is {version!r}, not {VERSION!r}")

    def _read_index(self) -> LayoutIndex:
        self._check_layout()
        try:
            data = read_file(self.directory, _INDEX, limit=_MAX_INDEX_SIZE)
        except FileNotFoundError:
            return LayoutIndex()  # its maker died before the first entry
        return LayoutIndex.parse(data, str(self.directory / _INDEX))

    def _manifests(self, index: LayoutIndex) -> Iterator[tuple[Descriptor, bytes, Manifest]]:
        """Give all that are listed and the children of indexes, except those whose bytes are not here."""
        seen: set[str] = set()
        waiting = deque(entry.descriptor for entry in index.entries)
        while waiting:
            descriptor = waiting.popleft()
            if descriptor.digest in seen or descriptor.media_type not in MANIFEST_TYPES:
                continue
            seen.add(descriptor.digest)
            # A damaged one is the trouble of who reads it, not of all others in the layout.
            with suppress(NotFoundError, MismatchError):
                data = self.fetch_manifest(descriptor)
                manifest = check_manifest(data, descriptor)
                waiting.extend(manifest.manifests)
                yield descriptor, data, manifest

    # --- Writing

    def _list(self, index: LayoutIndex, descriptor: Descriptor, manifest: Manifest) -> LayoutIndex:
        is_child = descriptor.platform is not None
        if not is_child or self._has_referrer(index, descriptor):
            index = index.listed(descriptor)
        if manifest.subject and self.has_blob(manifest.subject):
            index = index.listed(manifest.subject)
        return index

    def _has_referrer(self, index: LayoutIndex, descriptor: Descriptor) -> bool:
        subjects = (manifest.subject for _, _, manifest in self._manifests(index))
        return any(subject.digest == descriptor.digest for subject in subjects if subject)

    def _create(self) -> None:
        # Each maker writes oci-layout first: an index.json without it is somebody else's.
        if os.path.lexists(self.directory / _INDEX) and not os.path.lexists(self.directory / _MARK):
            raise InputError(f"{self.directory}: no image layout, but it has an index.json")
        with explained(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        mark = canonical_json({"imageLayoutVersion": VERSION})
        with explained(self.directory), open_folder(self.directory) as folder:
            for name, data in ((_MARK, mark), (_INDEX, LayoutIndex().to_bytes())):
                if not os.path.lexists(self.directory / name):
                    with suppress(FileExistsError):
                        write_file(name, data, folder, exclusive=True, sync=True)
        self._check_layout()

    def _update(self, change: Callable[[LayoutIndex], LayoutIndex], *, look_first: bool = True) -> None:
        """Replace `index.json` by what `change` makes of it, under the lock; write nothing if it is the same.

        With `look_first` no lock is taken where nothing is to be done.
        """
        if look_first:
            index = self._read_index()
            if change(index) is index:
                return
        with self._locked():
            index = self._read_index()
            changed = change(index)
            if changed is not index:
                with explained(self.directory / _INDEX), open_folder(self.directory) as folder:
                    write_file(_INDEX, changed.to_bytes(), folder, sync=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.directory / _MARK
        with explained(path):
            file = _lock(path, time.monotonic() + self._lock_seconds)
        try:
            yield
        finally:
            # Said, not left to close: a process forked meanwhile holds the same open file.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)


def _lock(path: Path, deadline: float) -> int:
    """Open a file and lock it, for this process and this thread alone.

    Raises:
        BobError: Others hold it until the deadline.
    """
    while True:
        file = _open(path)
        with ExitStack() as stack:
            stack.callback(os.close, file)
            if _is_locked(file, path):
                stack.pop_all()
                return file
        if time.monotonic() > deadline:
            raise BobError(f"{path}: locked by another process")
        time.sleep(_LOCK_PAUSE)


def _open(path: Path) -> int:
    # NFS locks what is open for writing.
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _is_locked(file: int, path: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Somebody may have put another file there since we opened it.
    return os.path.samestat(os.fstat(file), path.stat())


def _blob(digest: str) -> tuple[str, str, str]:
    algorithm, _, encoded = digest.partition(":")
    return _BLOBS, algorithm, encoded


def _few(tags: list[str]) -> str:
    shown = ", ".join(tags[:10])
    return f"{shown}, …" if len(tags) > 10 else shown  # noqa: PLR2004 -- a line's worth
