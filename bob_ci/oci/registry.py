"""A repository in a registry as a store (distribution-spec 1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from bob_ci.oci.auth import Authorizer, DeniedError
from bob_ci.oci.descriptor import (
    INDEX,
    MANIFEST_TYPES,
    MAX_MANIFEST_SIZE,
    Descriptor,
    digest_of,
    is_digest,
    verify,
)
from bob_ci.oci.http import Client, TransferError, closing
from bob_ci.oci.manifest import parse_manifest
from bob_ci.oci.store import MAX_BLOB_SIZE, NotFoundError

if TYPE_CHECKING:
    from requests import Response

_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES))}
_OCTETS = {"Content-Type": "application/octet-stream"}
_PULL, _PUSH = "pull", "pull,push"
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
_CHUNK = 64 * 1024
# A list of tags that never ends is a registry's bug, or worse.
_MAX_PAGES = 1000
# build-push-action#463, #806; actions/runner#1039.
_GHCR_CAUSES = (
    "on ghcr.io four things do this: the job lacks `permissions: packages: write`; the package was made by "
    "hand or by another repository and does not list this one under Actions access; the run is of a fork; "
    "the repository was deleted and made again, and the package is the old one's"
)
OK, CREATED, ACCEPTED, NOT_FOUND, UNAUTHORIZED = 200, 201, 202, 404, 401


@dataclass
class RegistryStore:
    """One repository. Verbs are safe for several threads; each thread's requests share one pool."""

    client: Client
    repository: str
    authorizer: Authorizer
    plain_http: bool = False
    _known: dict[str, bytes] = field(default_factory=dict, repr=False)  # manifests by digest

    @property
    def name(self) -> str:
        """Where it is: `HOST/REPOSITORY`."""
        return f"{self.client.host}/{self.repository}"

    def resolve(self, selector: str) -> Descriptor:
        """Media type, digest and size of the manifest with this tag or digest."""
        response = self._ask("HEAD", f"manifests/{selector}", _PULL, headers=_ACCEPT)
        with closing(response):
            if response.status_code == NOT_FOUND:
                raise NotFoundError(f"{self.name}: no such tag or digest: {selector}")
            self._expect(response, OK, f"read {selector}")
            digest = response.headers.get("Docker-Content-Digest", "")
            size = response.headers.get("Content-Length", "")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
        if not is_digest(digest) or not size.isdigit() or media_type not in MANIFEST_TYPES:
            # Not every registry says all of it to HEAD.
            data = self.fetch_manifest(selector)
            return Descriptor.of(parse_manifest(data, f"{self.name}:{selector}").media_type, data)
        return Descriptor(media_type, digest, int(size))

    def fetch_manifest(self, target: Descriptor | str) -> bytes:
        """The bytes of a manifest, checked against the digest where one is known."""
        selector = target if isinstance(target, str) else target.digest
        if selector in self._known:
            return self._known[selector]
        response = self._ask("GET", f"manifests/{selector}", _PULL, headers=_ACCEPT, stream=True)
        with closing(response):
            if response.status_code == NOT_FOUND:
                raise NotFoundError(f"{self.name}: no such manifest: {selector}")
            self._expect(response, OK, f"read {selector}")
            data = self._body(response, MAX_MANIFEST_SIZE, selector)
        if isinstance(target, Descriptor):
            verify(data, target)
        elif is_digest(selector) and selector.startswith("sha256:") and digest_of(data) != selector:
            raise TransferError(f"{self.name}: {selector}: the bytes are those of {digest_of(data)}")
        self._known[digest_of(data)] = data
        return data

    def fetch_blob(self, descriptor: Descriptor) -> bytes:
        """The bytes of a blob, checked; none larger than MAX_BLOB_SIZE."""
        if descriptor.size > MAX_BLOB_SIZE:
            raise TransferError(f"{self.name}: {descriptor.digest}: {descriptor.size} bytes, too many")
        response = self._ask("GET", f"blobs/{descriptor.digest}", _PULL, stream=True)
        with closing(response):
            if response.status_code == NOT_FOUND:
                raise NotFoundError(f"{self.name}: no such blob: {descriptor.digest}")
            self._expect(response, OK, f"read {descriptor.digest}")
            data = self._body(response, descriptor.size, descriptor.digest)
        verify(data, descriptor)
        return data

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a blob or manifest of this digest."""
        kind = "manifests" if descriptor.media_type in MANIFEST_TYPES else "blobs"
        response = self._ask("HEAD", f"{kind}/{descriptor.digest}", _PUSH, headers=_ACCEPT)
        with closing(response):
            return response.status_code == OK

    def put_blob(self, descriptor: Descriptor, data: bytes) -> bool:
        """Upload a blob that is not there yet, in one piece."""
        verify(data, descriptor)
        if self.has_blob(descriptor):
            return False
        started = self._ask("POST", "blobs/uploads/", _PUSH)
        with closing(started):
            self._expect(started, ACCEPTED, f"upload {descriptor.digest}")
            location = self._location(started)
        joiner = "&" if urlsplit(location).query else "?"
        url = f"{location}{joiner}{urlencode({'digest': descriptor.digest})}"
        finished = self._send("PUT", url, _PUSH, headers=_OCTETS, data=data)
        with closing(finished):
            self._expect(finished, CREATED, f"upload {descriptor.digest}")
        return True

    def put_manifest(self, descriptor: Descriptor, data: bytes) -> bool:
        """Store a manifest by digest, without a tag."""
        verify(data, descriptor)
        if self.has_blob(descriptor):
            self._known[descriptor.digest] = data
            return False
        self._put_manifest(descriptor, data, descriptor.digest)
        return True

    def tag(self, descriptor: Descriptor, tag: str) -> None:
        """Let a tag name this manifest."""
        self._put_manifest(descriptor, self.fetch_manifest(descriptor), tag)

    def _put_manifest(self, descriptor: Descriptor, data: bytes, selector: str) -> None:
        headers = {"Content-Type": descriptor.media_type}
        response = self._ask("PUT", f"manifests/{selector}", _PUSH, headers=headers, data=data)
        with closing(response):
            self._expect(response, CREATED, f"write {selector}")
            said = response.headers.get("Docker-Content-Digest", descriptor.digest)
        if said != descriptor.digest:
            raise TransferError(f"{self.name}: {selector}: stored as {said}, sent as {descriptor.digest}")
        self._known[descriptor.digest] = data

    def tags(self) -> list[str]:
        """All tags, sorted, over as many pages as the registry has."""
        found: set[str] = set()
        url: str | None = self._url("tags/list")
        for _ in range(_MAX_PAGES):
            if url is None:
                break
            response = self._send("GET", url, _PULL)
            with closing(response):
                if response.status_code == NOT_FOUND:
                    raise NotFoundError(f"{self.name}: no such repository")
                self._expect(response, OK, "list tags")
                found.update(_tags(response, self.name))
                url = self._next(response, url)
        return sorted(found)

    def referrers(self, subject: Descriptor, artifact_type: str | None = None) -> list[Descriptor]:
        """The manifests whose subject is this one: by the API, else by the tag (distribution-spec)."""
        found = self._referrers_by_api(subject)
        if found is None:
            found = self._referrers_by_tag(subject)
        return [each for each in found if artifact_type is None or each.artifact_type == artifact_type]

    def _referrers_by_api(self, subject: Descriptor) -> list[Descriptor] | None:
        found: list[Descriptor] = []
        url: str | None = self._url(f"referrers/{subject.digest}")
        while url is not None and len(found) < MAX_MANIFEST_SIZE:
            response = self._send("GET", url, _PULL, headers={"Accept": INDEX}, stream=True)
            with closing(response):
                is_index = response.headers.get("Content-Type", "").startswith(INDEX)
                if response.status_code != OK or not is_index:
                    return None
                found.extend(self._index(response, subject.digest))
                url = self._next(response, url)
        return found

    def _referrers_by_tag(self, subject: Descriptor) -> list[Descriptor]:
        try:
            data = self.fetch_manifest(subject.digest.replace(":", "-"))
        except NotFoundError:
            return []
        # One registry answers with the subject itself (oras-project/oras-go#1396).
        if digest_of(data) == subject.digest:
            return []
        return list(parse_manifest(data, f"{self.name}@{subject.digest}").manifests)

    def _index(self, response: Response, digest: str) -> tuple[Descriptor, ...]:
        data = self._body(response, MAX_MANIFEST_SIZE, f"referrers of {digest}")
        return parse_manifest(data, f"{self.name}: referrers of {digest}").manifests

    # requests

    def _url(self, path: str) -> str:
        scheme = "http" if self.plain_http else "https"
        return f"{scheme}://{_api_host(self.client.host)}/v2/{self.repository}/{path}"

    def _ask(self, method: str, path: str, actions: str, **sent: Any) -> Response:
        return self._send(method, self._url(path), actions, **sent)

    def _send(self, method: str, url: str, actions: str, **sent: Any) -> Response:
        """Send with what the registry wants to know of us; what it wants it says in its first 401.

        `sent` are the headers, data and stream of `Client.send`. Other hosts are told nothing of us.
        """
        headers: Mapping[str, str] = sent.pop("headers", None) or {}
        ours = self._same_host(url)
        given = self.authorizer.header(actions) if ours else {}
        for _ in range(3):
            response = self.client.send(method, url, headers={**headers, **given}, **sent)
            if response.status_code != UNAUTHORIZED or not ours:
                return response
            better = self.authorizer.answer(response, actions, given)
            if better is None or better == given:
                return response
            response.close()
            given = better
        return response

    def _same_host(self, url: str) -> bool:
        return urlsplit(url).netloc == _api_host(self.client.host)

    def _location(self, response: Response) -> str:
        location = response.headers.get("Location")
        if not location:
            raise TransferError(f"{self.name}: started an upload and did not say where")
        return urljoin(response.url, location)

    def _next(self, response: Response, url: str) -> str | None:
        """The next page, which must be of the same registry."""
        match = _NEXT.search(response.headers.get("Link", ""))
        following = urljoin(url, match[1]) if match else None
        return following if following and following != url and self._same_host(following) else None

    def _body(self, response: Response, limit: int, what: str) -> bytes:
        """The whole body, not one byte more than the limit."""
        from requests import exceptions

        parts: list[bytes] = []
        room = limit
        try:
            for part in response.iter_content(_CHUNK):
                room -= len(part)
                if room < 0:
                    raise TransferError(f"{self.name}: {what}: more than {limit} bytes")
                parts.append(part)
        except exceptions.RequestException as error:
            raise TransferError(f"{self.name}: {what}: cut off") from error
        return b"".join(parts)

    def _expect(self, response: Response, status: int, doing: str) -> None:
        """Raise for any other status, with the registry's own words."""
        if response.status_code == status or (status == CREATED and response.status_code == ACCEPTED):
            return
        message = f"{self.name}: {doing}: {_said(response)}"
        if response.status_code in (401, 403):
            raise DeniedError(message, hint=self._denied_hint(doing))
        raise TransferError(message)

    def _denied_hint(self, doing: str) -> str:
        if self.client.host == "ghcr.io" and not doing.startswith("read"):
            return _GHCR_CAUSES
        return self.authorizer.hint()


def _api_host(registry: str) -> str:
    """Docker Hub's API is at another name than its references."""
    return "registry-1.docker.io" if registry == "docker.io" else registry


def _tags(response: Response, where: str) -> Iterator[str]:
    try:
        listed = response.json().get("tags")
    except (ValueError, AttributeError):
        raise TransferError(f"{where}: the list of tags is no JSON object") from None
    for tag in listed or ():
        if not isinstance(tag, str):
            raise TransferError(f"{where}: a tag that is no text")
        yield tag


def _said(response: Response) -> str:
    """The registry's error in its own words (distribution-spec, "Error Codes"), else the status."""
    try:
        errors = response.json()["errors"]
        words = [f"{each['code']}: {each.get('message', '')}".strip(": ") for each in errors]
        return f"{response.status_code} {'; '.join(words)}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{response.status_code} {response.reason or ''}".strip()
