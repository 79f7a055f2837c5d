"""References: where an artifact lives, in a registry or in an image layout on disk (FORMAT.md 8).

Grammars of repository, tag and digest: OCI distribution-spec, "Pulling manifests". What a name without a host
means: Docker's (distribution/reference, `splitDockerDomain`).
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from bob_ci.errors import InputError
from bob_ci.oci.descriptor import is_digest

OCI_SCHEME = "oci://"
LAYOUT_SCHEME = "oci-layout:"
DOCKER_HUB = "docker.io"
# "Many clients impose a limit of 255 characters" on host and repository together (distribution-spec).
MAX_NAME_LENGTH = 255

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(
    rf"(?P<name>{_LABEL}(?:\.{_LABEL})*|\[(?P<ipv6>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_MAX_PORT = 65535
_FORMS = "[oci://]HOST[:PORT]/REPOSITORY[:TAG][@DIGEST] or oci-layout:DIR[:TAG][@DIGEST]"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGEST_LIKE = re.compile(r"sha[0-9]+:[^/]*")
_DIGEST_HINT = "a digest is sha256: and 64 hexadecimal digits in lower case (or sha512: and 128)"


@dataclass(frozen=True)
class RegistryReference:
    """A repository in a registry, and perhaps a tag and a digest in it.

    Raises:
        InputError: A part breaks its grammar.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        _check_host(self.registry)
        _check_repository(self.repository)
        _check_selectors(self.tag, self.digest)
        if len(self.name) > MAX_NAME_LENGTH:
            raise InputError(f"{self.name}: longer than {MAX_NAME_LENGTH} characters")

    @property
    def name(self) -> str:
        """Where, without tag and digest: `HOST[:PORT]/REPOSITORY`."""
        return f"{self.registry}/{self.repository}"

    @property
    def selector(self) -> str | None:
        """What in it: the digest, else the tag, else None."""
        return self.digest or self.tag

    def with_tag(self, tag: str | None) -> RegistryReference:
        """Give the same place with this tag, and no digest, for that was another tag's."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str | None) -> RegistryReference:
        """Give the same place and tag with this digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self.name + _selectors(self.tag, self.digest)


@dataclass(frozen=True)
class LayoutReference:
    """A directory with an image layout, and perhaps a tag and a digest in it. `~` is a name like others.

    Raises:
        InputError: A part breaks its grammar.
    """

    directory: Path
    tag: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        if _CONTROL.search(str(self.directory)):
            raise InputError(f"{str(self.directory)!r}: a control character in a directory")
        _check_selectors(self.tag, self.digest)

    @property
    def name(self) -> str:
        """Where, without tag and digest: `oci-layout:DIR`."""
        text = str(self.directory)
        # A slash at the end says that what looks like a tag or a digest is part of the directory.
        return LAYOUT_SCHEME + text + ("/" if re.search("[:@]", self.directory.name) else "")

    @property
    def selector(self) -> str | None:
        """What in it: the digest, else the tag, else None."""
        return self.digest or self.tag

    def with_tag(self, tag: str | None) -> LayoutReference:
        """Give the same place with this tag, and no digest, for that was another tag's."""
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: str | None) -> LayoutReference:
        """Give the same place and tag with this digest."""
        return replace(self, digest=digest)

    def __str__(self) -> str:
        return self.name + _selectors(self.tag, self.digest)


Reference: TypeAlias = RegistryReference | LayoutReference


def parse_reference(text: str) -> Reference:
    """Read a reference in one of the forms of FORMAT.md 8.

    A name without host is Docker Hub's; hosts are lowered, repositories are not. In `oci-layout:DIR` a tag is
    what follows the last colon, unless a slash comes later: `oci-layout:a:b/` is the directory `a:b`.

    Raises:
        InputError: It is in none of these forms; the hint says what would be.
    """
    try:
        if text.startswith(LAYOUT_SCHEME):
            return _parse_layout(text.removeprefix(LAYOUT_SCHEME))
        return _parse_registry(text.removeprefix(OCI_SCHEME))
    except InputError as error:
        raise InputError(f"{text!r}: no reference: {error}", hint=error.hint or _FORMS) from error


def is_tag(text: str) -> bool:
    """Whether it is a tag (distribution-spec: at most 128 letters, digits, `_`, `.`, `-`)."""
    return _TAG.fullmatch(text) is not None


def check_tag(text: str) -> str:
    """Give the tag back.

    Raises:
        InputError: It is none.
    """
    if not is_tag(text):
        raise InputError(
            f"{text!r} is no tag",
            hint="at most 128 letters, digits, _ . -; the first is a letter, a digit or _",
        )
    return text


def is_loopback(registry: str) -> bool:
    """Whether a registry's host is this machine: `localhost`, `127.0.0.0/8`, `::1`, with or without port."""
    match = _HOST.fullmatch(registry)
    host = (match["ipv6"] or match["name"]) if match else ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parse_registry(text: str) -> RegistryReference:
    scheme, separator, rest = text.partition("://")
    if separator:
        raise InputError(f"{scheme}:// is no form of ours", hint=f"write {OCI_SCHEME}{rest}")
    name, at, digest = text.partition("@")
    host, name, tag = _split_name(name)
    return RegistryReference(host, name, tag, digest if at else None)


def _split_name(text: str) -> tuple[str, str, str | None]:
    first, slash, rest = text.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost"):
        repository, colon, tag = rest.partition(":")
        host = DOCKER_HUB if first.lower() == "index.docker.io" else first.lower()
    else:
        _check_not_host_alone(text)
        repository, colon, tag = text.partition(":")
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}" if repository else repository
    return host, repository, tag if colon else None


def _check_not_host_alone(text: str) -> None:
    # Docker reads localhost:5000 as the tag 5000 of its own library/localhost, which nobody means.
    if text.startswith("[") or text.partition(":")[0] == "localhost":
        raise InputError("a host without repository")


def _parse_layout(text: str) -> LayoutReference:
    if text.startswith("//"):
        raise InputError("a directory follows the colon, not an address", hint=f"write {LAYOUT_SCHEME}DIR")
    digest = tag = None
    before, at, after = text.rpartition("@")
    if at and _DIGEST_LIKE.fullmatch(after):
        text, digest = before, after
    before, colon, after = text.rpartition(":")
    if colon and "/" not in after:
        text, tag = before, after
    if not text:
        raise InputError("the directory is missing")
    return LayoutReference(Path(text), tag, digest)


def _selectors(tag: str | None, digest: str | None) -> str:
    return (f":{tag}" if tag is not None else "") + (f"@{digest}" if digest is not None else "")


def _check_host(host: str) -> None:
    match = _HOST.fullmatch(host)
    if not match or (match["port"] and int(match["port"]) > _MAX_PORT):
        raise InputError(f"{host!r} is no host[:port]")
    if match["ipv6"]:
        try:
            ipaddress.IPv6Address(match["ipv6"])
        except ValueError as error:
            raise InputError(f"{host!r} is no IPv6 host") from error


def _check_repository(repository: str) -> None:
    if repository != repository.lower():
        raise InputError(
            f"the repository {repository!r} has upper case", hint=f"registries want {repository.lower()}"
        )
    if not _REPOSITORY.fullmatch(repository):
        raise InputError(
            f"{repository!r} is no repository" if repository else "the repository is missing",
            hint="lower case letters, digits and single . _ - between them, parts separated by /",
        )


def _check_selectors(tag: str | None, digest: str | None) -> None:
    if tag is not None:
        check_tag(tag)
    if digest is not None and not is_digest(digest):
        raise InputError(f"{digest!r} is no digest", hint=_DIGEST_HINT)
