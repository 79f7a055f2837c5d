"""Archives from others, which may be hostile: read as values first, written when all is known to be good.

Formats: RFC 1952 (gzip); POSIX.1-2017, pax (ustar and pax headers); GNU tar's long names. What two readers of
tar could read differently is refused.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bob_ci.errors import BobError
from bob_ci.oci.archive import BLOCK_SIZE, check_name, check_names
from bob_ci.oci.files import explained, open_folder, write_file

_REGULAR, _FOLDER, _PAX, _PAX_GLOBAL, _GNU_NAME = b"0", b"5", b"x", b"g", b"L"
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"7": "a contiguous file",
    b"K": "a link with a long name",
    b"S": "a sparse file",
}
# Mode, owner, group, time, device: no use to us, but readers that want them stop at junk.
_UNUSED_NUMBERS = ((100, 108), (108, 116), (116, 124), (136, 148), (329, 337), (337, 345))
_BASE_256 = (0x80, 0xFF)  # how GNU tar begins numbers that are too large for digits, or negative
_MAX_NAME = 4096  # PATH_MAX
_MAX_EXTRA = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_STEP = 256 * 1024
_OVERWRITE = "choose an empty directory, or let files be replaced with --overwrite"


class ArchiveError(BobError):
    """An archive that is broken, too large, or would do harm."""


class ExistsError(BobError):
    """A file is there that may not be overwritten."""


@dataclass(frozen=True)
class Limits:
    """What an archive may have: entries of any kind, and bytes once decompressed."""

    members: int = 10_000
    total: int = 64 * 1024 * 1024


LIMITS = Limits()


def unpack(data: bytes, *, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Give the files of a gzipped tar archive by name, in its order; nothing is written.

    Directories are left out; a leading `./` is cut off. No more than `limits.total` bytes are decompressed.

    Raises:
        ArchiveError: It is broken or cut off, passes a limit, or holds what is neither file nor directory, a
            name that leads elsewhere, or one name twice.
    """
    return untar(gunzip(data, limit=limits.total), limits=limits)


def untar(data: bytes, *, limits: Limits = LIMITS) -> dict[str, bytes]:
    """Give the files of a tar archive, as `unpack` does.

    Raises:
        ArchiveError: As for `unpack`.
    """
    files: dict[str, bytes] = {}
    folders: set[str] = set()
    for name, content in _members(data, limits):
        if content is None:
            folders.add(name)
        elif name in files:
            raise ArchiveError(f"archive: {name!r} is there twice")
        else:
            files[name] = content
    _check_tree(files, folders)
    return files


def gunzip(data: bytes, *, limit: int) -> bytes:
    """Decompress one gzip member, which is all there may be, to at most `limit` bytes.

    Raises:
        ArchiveError: It is no gzip, cut off, longer than `limit`, or something follows it.
    """
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    parts, room, rest = [], limit, data
    try:
        while not decompressor.eof:
            part = decompressor.decompress(rest, min(_STEP, room + 1))
            rest, room = decompressor.unconsumed_tail, room - len(part)
            parts.append(part)
            if room < 0:
                raise ArchiveError(f"archive: more than {limit} bytes once decompressed")
            if not part and not rest and not decompressor.eof:
                raise ArchiveError("archive: cut off")
    except zlib.error as error:
        raise ArchiveError(f"archive: not gzip: {error}") from error
    if decompressor.unused_data:
        raise ArchiveError("archive: something follows the gzip data")
    return b"".join(parts)


def write_tree(files: Mapping[str, bytes], directory: Path, *, overwrite: bool = False) -> list[Path]:
    """Write files below a directory, which is made if need be; give their paths, sorted.

    Each file appears whole, with the mode that the umask leaves. The directory itself may be a symbolic link;
    below it none is followed. With `overwrite=False` nothing is written when one of the files exists already.

    Raises:
        ExistsError: A file exists and `overwrite` is False.
        BobError: A name would leave the directory or passes a symbolic link, or a file cannot be written.
    """
    check_names(files)
    names = sorted(files)
    if not overwrite:
        _check_missing(names, directory)
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        _write_member(name, files[name], directory, overwrite=overwrite)
    return [directory / name for name in names]


@dataclass(frozen=True)
class _Header:
    """A block before a member's bytes."""

    name: bytes
    size: int
    kind: bytes


@dataclass(frozen=True)
class _Extra:
    """What headers before a member say about it: its name, its size."""

    name: bytes | None = None
    size: int | None = None


def _members(data: bytes, limits: Limits) -> Iterator[tuple[str, bytes | None]]:
    """Give name and bytes of each member, None instead of bytes for a directory."""
    extra = _Extra()
    for header, content in _blocks(data, limits):
        if header.kind in {_PAX, _GNU_NAME} and extra != _Extra():
            raise ArchiveError("archive: two headers for one member")
        if header.kind == _PAX:
            extra = _pax(content)
        elif header.kind == _GNU_NAME:
            extra = _Extra(content.rstrip(b"\0"))
        elif header.kind == _PAX_GLOBAL:
            _check_global(content)
        else:
            raw = header.name if extra.name is None else extra.name
            if extra.size not in {None, header.size}:
                raise ArchiveError(f"archive: {raw!r} has two sizes")
            extra = _Extra()
            if member := _member(raw, header.kind, content):
                yield member
    if extra != _Extra():
        raise ArchiveError("archive: a header without a member")


def _member(raw: bytes, kind: bytes, content: bytes) -> tuple[str, bytes | None] | None:
    """Give name and bytes; None for the directory that all is in."""
    name = _name(raw)
    is_folder = kind == _FOLDER
    if is_folder:
        name = name.rstrip("/")
        if content:
            raise ArchiveError(f"archive: {name!r}: a directory with bytes")
    elif kind not in {_REGULAR, b"\0"}:
        raise ArchiveError(f"archive: {name!r}: {_KINDS.get(kind, f'of the unknown kind {kind!r}')}")
    if is_folder and name == ".":
        return None
    name = name.removeprefix("./")
    try:
        check_name(name)
    except BobError as error:
        raise ArchiveError(f"archive: {error}") from error
    return name, None if is_folder else content


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise ArchiveError(f"archive: {raw!r}: a name that is no UTF-8") from error
    if len(raw) > _MAX_NAME:
        raise ArchiveError(f"archive: {name[:40]!r}…: a name of more than {_MAX_NAME} bytes")
    return name


def _check_tree(files: Mapping[str, bytes], folders: set[str]) -> None:
    try:
        check_names(files, folders)
    except BobError as error:
        raise ArchiveError(f"archive: {error}") from error


def _blocks(data: bytes, limits: Limits) -> Iterator[tuple[_Header, bytes]]:
    """Give each header and the bytes that follow it."""
    at = count = 0
    while at < len(data):
        block = data[at : at + BLOCK_SIZE]
        if not any(block):
            break
        header = _header(block)
        start, at = at + BLOCK_SIZE, at + BLOCK_SIZE + header.size
        if at > len(data):
            raise ArchiveError(f"archive: {header.name!r} is cut off")
        at += -header.size % BLOCK_SIZE
        count += 1
        if count > limits.members:
            raise ArchiveError(f"archive: more than {limits.members} members")
        yield header, data[start : start + header.size]
    if data.count(0, at) != len(data) - min(at, len(data)):
        raise ArchiveError("archive: something follows its end")


def _header(block: bytes) -> _Header:
    if len(block) < BLOCK_SIZE:
        raise ArchiveError("archive: cut off")
    if _number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
        raise ArchiveError("archive: not tar, or a broken header")
    for start, end in _UNUSED_NUMBERS:
        if block[start] not in _BASE_256:
            _number(block[start:end])
    name, size, kind = _string(block[:100]), _number(block[124:136]), block[156:157]
    prefix = _string(block[345:500])
    if prefix and block[257:263] != b"ustar\0":
        raise ArchiveError("archive: a prefix that only some readers know")
    if kind in {_PAX, _PAX_GLOBAL, _GNU_NAME} and size > _MAX_EXTRA:
        raise ArchiveError(f"archive: a header of {size} bytes")
    return _Header(prefix + b"/" + name if prefix else name, size, kind)


def _string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    digits = field.lstrip(b" ").rstrip(b" \0")
    if not all(digit in b"01234567" for digit in digits):
        raise ArchiveError("archive: not tar, or a broken number in a header")
    return int(digits or b"0", 8)


def _pax(content: bytes) -> _Extra:
    """Read the pax header of one member; only name and size mean anything to us."""
    name = size = None
    for key, value in _pax_records(content):
        if key.startswith(b"GNU.sparse"):
            raise ArchiveError("archive: a sparse file")
        if key == b"path":
            name = value
        if key == b"size":
            size = _pax_size(value)
    return _Extra(name, size)


def _check_global(content: bytes) -> None:
    # `git archive` writes one, with a comment.
    if any(key != b"comment" for key, _ in _pax_records(content)):
        raise ArchiveError("archive: a header for all members")


def _pax_records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    r"""Give the records `LENGTH KEY=VALUE\n`."""
    at = 0
    while at < len(content):
        digits, space, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[at + len(digits) + 1 : at + length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        at += length
        if not (space and equals and key and record.endswith(b"\n")) or at > len(content):
            raise ArchiveError("archive: a broken pax header")
        if b"\0" in record:
            raise ArchiveError("archive: NUL in a pax header")
        yield key, value


def _pax_size(value: bytes) -> int:
    if not value.isdigit() or len(value) > 20:  # noqa: PLR2004 -- no 64-bit number has more digits
        raise ArchiveError("archive: a broken pax header")
    return int(value)


def _check_missing(names: list[str], directory: Path) -> None:
    for name in names:
        if os.path.lexists(directory / name):
            raise ExistsError(f"{directory / name}: exists", hint=_OVERWRITE)


def _write_member(name: str, data: bytes, directory: Path, *, overwrite: bool) -> None:
    path, place = PurePosixPath(name), directory / name
    try:
        with explained(place), open_folder(directory, *path.parts[:-1]) as folder:
            _check_no_link(path.name, folder)
            write_file(path.name, data, folder, exclusive=not overwrite)
    except BobError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise ExistsError(f"{place}: exists", hint=_OVERWRITE) from error
        raise


def _check_no_link(name: str, folder: int) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
            raise OSError(errno.ELOOP, "a symbolic link stands there")
