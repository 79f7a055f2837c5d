"""Which files of a directory make the bundle, and which name each part goes by (FORMAT.md 1)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath

from bob_ci.bundle import manifest
from bob_ci.errors import InputError
from bob_ci.oci.platform import Platform

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_FILES = 10_000

ROLES: Mapping[str, tuple[str, ...]] = {
    "profiles": ("bob.yaml", "bob_generated.yaml"),
    "values": ("bob.values", "bob_generated.values"),
    "values-yaml": ("bob.values.yaml", "values.yaml"),
    "deployment": ("deployment.yaml",),
    "test": ("bob.test.yaml", "deploy_test.yaml", "bob.test"),
}
MANIFEST = "manifest.yaml"
OVERLAYS = "platforms"
_IGNORED = frozenset({".git", ".hg", ".svn", "__pycache__", ".DS_Store"})


class Kind(Enum):
    """What a directory is."""

    BUNDLE = "bundle"
    CHART = "chart"
    PLAIN = "plain directory"


@dataclass(frozen=True)
class Bundle:
    """A directory, read once; nothing of it is looked at again.

    Attributes:
        directory: where it lies, for messages.
        kind: bundle, chart, or a directory that is neither.
        files: what is packed, by its name in the bundle (with `/`).
        left_out: files that are not packed, by name.
        manifest: what the author says of it.
    """

    directory: str
    kind: Kind
    files: Mapping[str, bytes]
    left_out: tuple[str, ...] = ()
    manifest: manifest.Manifest = field(default_factory=manifest.Manifest)

    def part(self, role: str, folder: str = "") -> tuple[str, bytes] | None:
        """The file that plays a role, at the root or in a platform's overlay: its name and its bytes."""
        for alias in ROLES[role]:
            name = folder + alias
            if name in self.files:
                return name, self.files[name]
        return None

    def overlay(self, platform: Platform) -> str:
        """The folder of a platform's overlay, with a slash; an empty string where it has none."""
        for folder in self.overlay_folders():
            if Platform.parse_folder(folder) == platform:
                return f"{OVERLAYS}/{folder}/"
        return ""

    def overlay_folders(self) -> list[str]:
        """The names below `platforms/`."""
        paths = (PurePosixPath(name).parts for name in self.files)
        return sorted({path[1] for path in paths if path[0] == OVERLAYS and len(path) > 2})  # noqa: PLR2004

    def where(self, name: str) -> str:
        """A file's name as the user can open it."""
        return os.path.join(self.directory, name)  # noqa: PTH118 -- keeps the form that the user typed


def refuse_plain(bundle: Bundle, hint: str | None = None) -> None:
    """Refuse a directory that is neither bundle nor chart.

    Raises:
        InputError: it is one.
    """
    if bundle.kind is Kind.PLAIN:
        raise InputError(f"{bundle.directory}: no bundle: it has no bob.yaml and is no Helm chart", hint=hint)


def read_bundle(directory: Path) -> Bundle:
    """Read a directory.

    Raises:
        InputError: two names for one part, a link that leads out of the directory, a file that cannot be
            read or is too large, an overlay for no platform.
    """
    if not directory.is_dir():
        hint = "name the directory of a bundle: it has a bob.yaml"
        if directory.is_file():
            raise InputError(f"{directory}: is a file", hint=hint)
        raise InputError(f"{directory}: no such directory", hint=hint)
    names = list(_names(directory))
    if "Chart.yaml" in names and any(name.startswith("templates/") for name in names):
        return Bundle(str(directory), Kind.CHART, _contents(directory, names))
    if not any(name in names for name in ROLES["profiles"]):
        return Bundle(str(directory), Kind.PLAIN, _contents(directory, names))
    return _bundle(directory, names)


def _bundle(directory: Path, names: list[str]) -> Bundle:
    described = manifest.Manifest()
    if MANIFEST in names:
        described = manifest.read(
            text(_read(directory, MANIFEST), str(directory / MANIFEST)), str(directory / MANIFEST)
        )
    _refuse_aliases(directory, names)
    packed = [name for name in names if _is_part(name) or name in described.files]
    for name in described.files:
        if name not in names:
            raise InputError(f"spec.files names {name}, which is not there", file=str(directory / MANIFEST))
    bundle = Bundle(
        str(directory),
        Kind.BUNDLE,
        _contents(directory, packed),
        tuple(name for name in names if name not in packed),
        described,
    )
    for folder in bundle.overlay_folders():
        _check_overlay(bundle, folder)
    return bundle


def _check_overlay(bundle: Bundle, folder: str) -> None:
    try:
        Platform.parse_folder(folder)
    except InputError as error:
        raise InputError(f"{bundle.where(f'{OVERLAYS}/{folder}')}: {error}", hint=error.hint) from None


def _is_part(name: str) -> bool:
    """Whether a file of this name belongs to a bundle; an overlay has the same parts, but no manifest."""
    parts = PurePosixPath(name).parts
    if len(parts) == 3 and parts[0] == OVERLAYS:  # noqa: PLR2004 -- platforms/OS-ARCH/FILE
        return parts[2] in _PARTS
    return name in _PARTS or name == MANIFEST


_PARTS = frozenset(alias for aliases in ROLES.values() for alias in aliases)


def _refuse_aliases(directory: Path, names: list[str]) -> None:
    folders = {name.rpartition("/")[0] for name in names if _is_part(name)}
    for folder in sorted(folders):
        for aliases in ROLES.values():
            there = [alias for alias in aliases if (f"{folder}/{alias}" if folder else alias) in names]
            if len(there) > 1:
                raise InputError(
                    f"{directory / folder}: {' and '.join(there)} are two names of one file",
                    hint=f"keep {there[0]}",
                )


def _names(directory: Path) -> Iterator[str]:
    """All files below a directory, sorted, with `/`."""
    found: list[str] = []
    for folder, folders, files in os.walk(directory, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if name not in _IGNORED)
        here = Path(folder).relative_to(directory)
        found.extend((here / name).as_posix() for name in files if name not in _IGNORED)
        if len(found) > MAX_FILES:
            raise InputError(
                f"{directory}: more than {MAX_FILES} files", hint="is this the bundle's directory?"
            )
    return iter(sorted(found))


def _unreadable(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read: {error.strerror}")


def _contents(directory: Path, names: list[str]) -> dict[str, bytes]:
    return {name: _read(directory, name) for name in names}


def _read(directory: Path, name: str) -> bytes:
    path = directory / name
    root = directory.resolve()
    try:
        if not path.resolve().is_relative_to(root):
            raise InputError(f"{path}: a link that leads out of the bundle")
        if not path.is_file():
            raise InputError(f"{path}: not a regular file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def text(data: bytes, file: str) -> str:
    """A file's text.

    Raises:
        InputError: with the line: not UTF-8, a byte order mark, a NUL byte, a lone carriage return.
    """
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8", file=file, line=line, hint="save the file as UTF-8") from None
    if decoded.startswith("\ufeff"):
        raise InputError("begins with a byte order mark", file=file, line=1, hint="save it without")
    for wrong, name in (("\0", "a NUL byte"), ("\r", "a carriage return without a line feed")):
        if wrong in decoded:
            position = decoded.replace("\r\n", "  ").find(wrong)
            if position >= 0:
                raise InputError(f"holds {name}", file=file, line=decoded.count("\n", 0, position) + 1)
    return decoded
