"""Changing a config file that others change too: one at a time, whole or not at all, for its owner alone."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bob_ci.errors import BobError
from bob_ci.oci.credentials.config import DockerConfig
from bob_ci.oci.files import explained

_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_SECONDS = 10.0
_LOCK_PAUSE = 0.005
# What file systems answer that lock no directories (some network mounts).
_NO_LOCKS = {errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

# Changes what a config says; False if there was nothing to change.
Edit = Callable[[DockerConfig], bool]


def update(file: Path, edit: Edit) -> bool:
    """Change a config file, or make it; give back what `edit` does, and write nothing if that is False.

    A symbolic link stays, and what it leads to changes.

    Raises:
        BobError: It cannot be read or written, or another process holds its directory's lock.
    """
    real = Path(os.path.realpath(file))
    with explained(file):
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(real.parent):
            if real.exists() and not real.is_file():
                raise BobError(f"{file}: not a regular file")
            config = DockerConfig(file, DockerConfig.read(real).content)
            changed = edit(config)
            if changed:
                _write(real, json.dumps(config.content, indent="\t").encode() + b"\n")
    return changed


def _write(file: Path, data: bytes) -> None:
    temporary = file.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, _NEW, _MODE), "wb") as out:  # noqa: PTH123 -- pathlib opens no descriptors
            out.write(data)
            out.flush()
            _keep_owner(out.fileno(), file)
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _keep_owner(descriptor: int, file: Path) -> None:
    # With sudo the user's file must stay the user's (docker/cli, copyFilePermissions).
    with suppress(FileNotFoundError, PermissionError):
        status = file.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a directory's lock: it needs no file of its own, and the config can be replaced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _is_locked(descriptor):
            if time.monotonic() > deadline:
                raise BobError(f"{folder}: locked by another process")
            time.sleep(_LOCK_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
