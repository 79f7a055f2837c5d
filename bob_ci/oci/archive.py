"""Archives with the same bytes on every machine: tar (POSIX.1-2017, pax, "ustar Interchange Format"), gzip.

FORMAT.md 5, "Reproducible": sorted entries, mode 0644, no owner, no time; a gzip header that says nothing;
deflate bytes of one pinned compressor, because zlib's depend on which zlib Python was built with.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import pairwise
from typing import cast

from bob_ci.errors import BobError, MissingExtraError

BLOCK_SIZE = 512

# Control characters, halves of surrogate pairs (bytes that are no UTF-8), and what Windows takes for a slash.
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")

_NAME_LENGTH = 100
_PREFIX_LENGTH = 155
_MAX_SIZE = 8**11 - 1
_REGULAR, _PAX = b"0", b"x"
_PAX_NAME = b"././@PaxHeader"  # the name that Python's own tarfile gives

# ID1 ID2, deflate, no flags, no time, XFL 2 (slowest), OS 255 (unknown): RFC 1952, section 2.3.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
_LEVEL = 9
_SAMPLE_DIGEST = "f6e05f1835451cd4d3a49790d107dd718aa6c3efaa84f9ed77952f7e7a8ea008"


def tar(files: Mapping[str, bytes]) -> bytes:
    """Pack files, by their paths with `/`, into a tar archive whose bytes depend on names and contents alone.

    Regular files only, in the order of the UTF-8 bytes of their names. A name that USTAR cannot hold (not
    ASCII, or too long) has a PAX header before it.

    Raises:
        BobError: A name is refused by `check_names`, or a file has 8 GiB or more.
    """
    check_names(files)
    entries = (_entry(name, files[name]) for name in sorted(files, key=str.encode))
    return b"".join(entries) + bytes(2 * BLOCK_SIZE)


def gzip(data: bytes) -> bytes:
    """Compress to the same bytes on every machine.

    Raises:
        MissingExtraError: The package `deflate` is not installed.
        BobError: It gives other bytes than the version that we promise.
    """
    compressed = _checked_compressor()(data, _LEVEL)
    return b"".join((_GZIP_HEADER, compressed, struct.pack("<II", zlib.crc32(data), len(data) % 2**32)))


def check_names(files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Check that files and directories of these names can lie in one directory, below it.

    Raises:
        BobError: A name is no relative path with plain parts; or a file would be a directory as well.
    """
    files, folders = set(files), set(folders)
    for name in files | folders:
        check_name(name)
    # What lies in a directory sorts right behind it, for no character of a name comes before NUL.
    ordered = sorted(files | folders, key=lambda name: name.replace("/", "\0"))
    inner = {name for name, following in pairwise(ordered) if following.startswith(f"{name}/")}
    if clash := files & (folders | inner):
        raise BobError(f"{min(clash)!r}: both a file and a directory")


def check_name(name: str) -> None:
    r"""Check that a name stays below the directory that it is put in, on every system.

    Raises:
        BobError: It is absolute, has an empty part, `.`, `..`, `\`, or a character that is not for names.
    """
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise BobError(f"{name!r}: not a plain path below a directory")
    if odd := _ODD.search(name):
        raise BobError(f"{name!r}: {odd[0]!r} in a name")


def _entry(name: str, data: bytes) -> bytes:
    if len(data) > _MAX_SIZE:
        raise BobError(f"{name!r}: {len(data)} bytes do not fit into a tar archive")
    raw = name.encode()
    place = _split(raw) if name.isascii() else None
    if place:
        return _header(*place, len(data), _REGULAR) + _padded(data)
    record = _pax_record(b"path", raw)
    pax = _header(b"", _PAX_NAME, len(record), _PAX) + _padded(record)
    # Whoever does not know PAX sees this name.
    fallback = name.encode("ascii", "replace")[:_NAME_LENGTH]
    return pax + _header(b"", fallback, len(data), _REGULAR) + _padded(data)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Give prefix and name as USTAR holds them, with the shortest prefix; None if it cannot."""
    if len(name) <= _NAME_LENGTH:
        return b"", name
    slash = name.find(b"/", len(name) - _NAME_LENGTH - 1)
    return (name[:slash], name[slash + 1 :]) if 0 < slash <= _PREFIX_LENGTH else None


def _header(prefix: bytes, name: bytes, size: int, kind: bytes) -> bytes:
    fields = (
        name.ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0",  # user
        b"0000000\0",  # group
        b"%011o\0" % size,
        b"00000000000\0",  # time
        b" " * 8,  # the checksum, of which the checksum is taken
        kind,
        bytes(100),  # link
        b"ustar\00000",
        bytes(64),  # names of user and group
        b"0000000\0" * 2,  # device
        prefix.ljust(155, b"\0"),
        bytes(12),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK_SIZE)


def _pax_record(key: bytes, value: bytes) -> bytes:
    r"""Give `LENGTH KEY=VALUE\n`, where the length counts its own digits."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest)
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return b"%d%s" % (length, rest)


@cache
def _checked_compressor() -> Callable[[bytes, int], bytes]:
    """Give libdeflate's compressor, once it has given the known answer to a known sample."""
    try:
        import deflate
    except ImportError as error:
        raise MissingExtraError("deflate", "oci") from error
    compress = cast("Callable[[bytes, int], bytes]", deflate.deflate_compress)
    found = hashlib.sha256(compress(_sample(), _LEVEL)).hexdigest()
    if found != _SAMPLE_DIGEST:
        raise BobError(
            f"deflate {deflate.__version__}: its libdeflate gives other bytes than the one of our digests",
            hint="pip install --force-reinstall --only-binary deflate 'deflate==0.9.0'",
        )
    return compress


def _sample() -> bytes:
    """Give some kB that make a compressor choose: words, near and far repeats, runs, noise."""
    state, words = (
        1,
        [b"apiVersion: ", b"path: /usr/", b"args:\n  - ", b"syscalls", b"\xe2\x8b\xaf", b"name: "],
    )
    parts = []
    for step in range(1200):
        state = (state * 1103515245 + 12345) % 2**31
        parts.append(words[(state >> 20) % len(words)])
        parts.append(b"%x\n" % (state >> (step % 24)))
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(32))
    text = b"".join(parts)
    return text + noise + bytes(700) + text[:3000] + noise
