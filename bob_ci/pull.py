"""An artifact → files on disk, checked before anything is unpacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bob_ci.artifact import CHART_FOLDER, RENDERED_FOLDER
from bob_ci.errors import BobError
from bob_ci.inspect import child_for, files_of, open_image, platform_of, read_config, read_image
from bob_ci.oci.platform import Platform
from bob_ci.oci.store import NotFoundError, Store


class Part(Enum):
    """A part of an artifact's files."""

    SOURCE = "source"
    CHART = "chart"
    RENDERED = "rendered"


@dataclass(frozen=True)
class Pulled:
    """The files for one platform, by name; nothing is written yet."""

    digest: str
    child_digest: str
    platform: str | None
    files: Mapping[str, bytes] = field(repr=False)


def pull(
    store: Store, selector: str, *, platform: Platform | None = None, parts: Sequence[Part] = ()
) -> Pulled:
    """Fetch what a tag or digest names.

    Args:
        store: where from.
        selector: a tag or a digest.
        platform: which child; None: linux/amd64, else the first.
        parts: which files; empty: all.

    Raises:
        NotFoundError: there is no such tag, or nothing for the platform.
        BobError: bytes or digests are not what they should be, the archive is unsafe, a part is not there.
    """
    image = open_image(store, selector)
    descriptor = child_for(image, platform, f"{store.name}@{image.descriptor.digest}")
    child = read_image(store, descriptor)
    config = read_config(store, child.manifest)
    # What a child's own digest names has no descriptor in an index: there its config says the platform.
    there = descriptor.platform or platform_of(config)
    if platform is not None and there is not None and not there.satisfies(platform):
        raise NotFoundError(f"{store.name}@{descriptor.digest}: for {there}, not for {platform}")
    files = files_of(store, child.manifest, config)
    chosen = {name: data for name, data in files.items() if not parts or part_of(name) in parts}
    if not chosen:
        wanted = ", ".join(part.value for part in parts)
        raise BobError(f"{store.name}@{descriptor.digest}: holds no {wanted or 'files'}")
    return Pulled(image.descriptor.digest, descriptor.digest, str(there) if there else None, chosen)


def part_of(name: str) -> Part:
    """The part that a file belongs to, by its folder."""
    if name.startswith(CHART_FOLDER):
        return Part.CHART
    return Part.RENDERED if name.startswith(RENDERED_FOLDER) else Part.SOURCE
