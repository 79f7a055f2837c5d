"""Files below one directory: read within bounds, written whole or not at all, no symbolic link followed."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bob_ci.errors import BobError

# New files get what the umask leaves of this.
_MODE = 0o666
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# What file systems without hard links answer (FAT, some network mounts).
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def read_file(root: Path, *parts: str, limit: int) -> bytes:
    """Read a regular file below a directory; a symbolic link is followed as long as it stays below.

    Raises:
        FileNotFoundError: It is not there.
        BobError: It leads outside, is no regular file, has more than `limit` bytes, or cannot be read.
    """
    path = root.joinpath(*parts)
    try:
        with _open_regular(root, path) as (file, size):
            return _read_whole(file, size, limit, path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BobError(f"{path}: {error.strerror}") from error


def file_size(root: Path, *parts: str) -> int | None:
    """Give a file's size in bytes, under the conditions of `read_file`; None if it is not there.

    Raises:
        BobError: As for `read_file`.
    """
    path = root.joinpath(*parts)
    try:
        with _open_regular(root, path) as (_, size):
            return size
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BobError(f"{path}: {error.strerror}") from error


@contextmanager
def open_folder(root: Path, *parts: str) -> Iterator[int]:
    """Open a directory below `root`, made if need be, as a file descriptor; no symbolic link is followed.

    Raises:
        OSError: A part is a symbolic link or no directory (ENOTDIR), or cannot be made.
    """
    folder = os.open(root, _FOLDER)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def write_file(name: str, data: bytes, folder: int, *, exclusive: bool = False, sync: bool = False) -> None:
    """Write a file whole or not at all, into an open directory; `sync` waits until the disk has the bytes.

    Raises:
        FileExistsError: It exists and `exclusive` is set.
        OSError: It cannot be written.
    """
    temporary = f".{secrets.token_hex(8)}.tmp"
    try:
        _write_new(temporary, data, folder, sync=sync)
        if exclusive:
            _link(temporary, name, data, folder)
        else:
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours, about this path."""
    try:
        yield
    except OSError as error:
        raise BobError(f"{path}: cannot be written: {error.strerror}") from error


def _write_new(name: str, data: bytes, folder: int, *, sync: bool) -> None:
    with open(os.open(name, _NEW, _MODE, dir_fd=folder), "wb") as file:  # noqa: PTH123 -- pathlib opens no descriptors
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _link(temporary: str, name: str, data: bytes, folder: int) -> None:
    # A link, unlike a rename, fails where something exists.
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _write_new(name, data, folder, sync=True)


@contextmanager
def _open_regular(root: Path, path: Path) -> Iterator[tuple[int, int]]:
    real = Path(os.path.realpath(path, strict=True))
    if not real.is_relative_to(root.resolve()):
        raise BobError(f"{path}: a symbolic link that leads outside {root}")
    # A fifo must not make us wait for its writer.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise BobError(f"{path}: not a regular file")
        yield file, status.st_size
    finally:
        os.close(file)


def _read_whole(file: int, size: int, limit: int, path: Path) -> bytes:
    if size > limit:
        raise BobError(f"{path}: {size} bytes, more than the {limit} that are taken")
    with open(file, "rb", closefd=False) as stream:
        data = stream.read(size + 1)
    if len(data) != size:
        raise BobError(f"{path}: changed while it was read")
    return data
