"""A repository in a registry as a store (distribution-spec 1.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from bob_ci.oci.auth import PULL, PUSH, Authorizer, DeniedError, verb
from bob_ci.oci.descriptor import (
    INDEX,
    MANIFEST_TYPES,
    MAX_MANIFEST_SIZE,
    Descriptor,
    MismatchError,
    digest_of,
    is_digest,
    load_json,
    verify,
)
from bob_ci.oci.http import OK, Answer, Client, Request, TransferError, address, origin
from bob_ci.oci.manifest import parse_manifest
from bob_ci.oci.store import MAX_BLOB_SIZE, NotFoundError

_ACCEPT = {"Accept": ", ".join(sorted(MANIFEST_TYPES))}
_OCTETS = {"Content-Type": "application/octet-stream"}
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
# A list that never ends is a registry's bug, or worse.
_MAX_PAGES = 1000
CREATED, ACCEPTED, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 201, 202, 401, 403, 404
# A registry without the referrers API says so in one of these ways, or answers with something else.
_NO_API = frozenset({OK, 400, NOT_FOUND, 405, 406, 501})


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
        answer = self._ask(f"read {selector}", PULL, "HEAD", f"manifests/{selector}", (OK, NOT_FOUND))
        if answer.status == NOT_FOUND:
            raise NotFoundError(f"{self.name}: no such tag or digest: {selector}")
        digest = answer.headers.get("Docker-Content-Digest", "")
        size = answer.headers.get("Content-Length", "")
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if not is_digest(digest) or not _is_size(size) or media_type not in MANIFEST_TYPES:
            # Not every registry says all of it to HEAD.
            data = self.fetch_manifest(selector)
            return Descriptor.of(parse_manifest(data, f"{self.name}:{selector}").media_type, data)
        if is_digest(selector) and digest != selector:
            raise MismatchError(f"{self.name}: {selector}: the registry says that it is {digest}")
        return Descriptor(media_type, digest, int(size))

    def fetch_manifest(self, target: Descriptor | str) -> bytes:
        """The bytes of a manifest, checked against the digest: the target's, else the registry's own."""
        wanted = target if isinstance(target, Descriptor) else None
        selector = wanted.digest if wanted else str(target)
        if selector in self._known:
            return self._known[selector]
        size = wanted.size if wanted else None
        answer = self._get(f"manifests/{selector}", selector, Request("", "", _ACCEPT, size=size))
        said = selector if is_digest(selector) else answer.headers.get("Docker-Content-Digest", "")
        if wanted is None and is_digest(said):
            wanted = Descriptor("application/octet-stream", said, len(answer.body))
        if wanted is not None:
            self._verify(answer.body, wanted)
        self._known[digest_of(answer.body)] = answer.body
        return answer.body

    def fetch_blob(self, descriptor: Descriptor) -> bytes:
        """The bytes of a blob, checked; none larger than MAX_BLOB_SIZE."""
        if descriptor.size > MAX_BLOB_SIZE:
            raise TransferError(f"{self.name}: {descriptor.digest}: {descriptor.size} bytes, too many")
        size = descriptor.size
        answer = self._get(
            f"blobs/{descriptor.digest}", descriptor.digest, Request("", "", limit=size, size=size)
        )
        self._verify(answer.body, descriptor)
        return answer.body

    def _get(self, path: str, what: str, request: Request) -> Answer:
        doing = f"read {what}"
        answer = self._send(doing, PULL, replace(request, method="GET", url=self._url(path)))
        if answer.status == NOT_FOUND:
            raise NotFoundError(f"{self.name}: no such {path.partition('/')[0][:-1]}: {what}")
        return self._expect(answer, doing, PULL, (OK,))

    def _verify(self, data: bytes, descriptor: Descriptor) -> None:
        try:
            verify(data, descriptor)
        except MismatchError as error:
            raise MismatchError(f"{self.name}: {error}") from error

    def has_blob(self, descriptor: Descriptor) -> bool:
        """Whether the repository has a blob or manifest of this digest."""
        kind = "manifests" if descriptor.media_type in MANIFEST_TYPES else "blobs"
        path, doing = f"{kind}/{descriptor.digest}", f"look for {descriptor.digest}"
        return self._ask(doing, PUSH, "HEAD", path, (OK, NOT_FOUND)).status == OK

    def put_blob(self, descriptor: Descriptor, data: bytes) -> bool:
        """Upload a blob that is not there yet, in one piece."""
        verify(data, descriptor)
        if self.has_blob(descriptor):
            return False
        doing = f"upload {descriptor.digest}"
        # Nobody knows what an upload that broke off has got: the next attempt is another upload.
        with self._named(doing):
            answer = self.client.persist(lambda: self._upload(descriptor, data))
        self._expect(answer, doing, PUSH, (CREATED, ACCEPTED))
        return True

    def _upload(self, descriptor: Descriptor, data: bytes) -> Answer:
        """One attempt; the answer is that of the request which decided."""
        start = Request("POST", self._url("blobs/uploads/"))
        started = self._authorized(PUSH, start, self.client.send_once)
        if started.status != ACCEPTED:
            return started
        url = _with_query(_location(started), {"digest": descriptor.digest})
        return self._authorized(PUSH, Request("PUT", url, _OCTETS, data), self.client.send_once)

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
        doing, headers = f"write {selector}", {"Content-Type": descriptor.media_type}
        request = Request("PUT", self._url(f"manifests/{selector}"), headers, data)
        answer = self._expect(self._send(doing, PUSH, request), doing, PUSH, (CREATED, ACCEPTED))
        said = answer.headers.get("Docker-Content-Digest", descriptor.digest)
        if said != descriptor.digest:
            raise MismatchError(f"{self.name}: {selector}: stored as {said}, sent as {descriptor.digest}")
        self._known[descriptor.digest] = data

    def tags(self) -> list[str]:
        """All tags, sorted, over as many pages as the registry has."""
        found: set[str] = set()
        for answer in self._pages("tags/list", "list tags"):
            if answer.status == NOT_FOUND:
                raise NotFoundError(f"{self.name}: no such repository")
            self._expect(answer, "list tags", PULL, (OK,))
            found.update(_tags(answer, self.name))
        return sorted(found)

    def referrers(self, subject: Descriptor, artifact_type: str | None = None) -> list[Descriptor]:
        """The manifests whose subject is this one: by the API, else by the tag (distribution-spec)."""
        found = self._referrers_by_api(subject)
        if found is None:
            found = self._referrers_by_tag(subject)
        return [each for each in found if artifact_type is None or each.artifact_type == artifact_type]

    def _referrers_by_api(self, subject: Descriptor) -> list[Descriptor] | None:
        found: list[Descriptor] = []
        doing = f"list referrers of {subject.digest}"
        for answer in self._pages(f"referrers/{subject.digest}", doing, INDEX):
            self._expect(answer, doing, PULL, _NO_API)
            if answer.status != OK or not answer.headers.get("Content-Type", "").startswith(INDEX):
                return None
            found.extend(parse_manifest(answer.body, f"{self.name}: {doing}").manifests)
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

    # requests

    def _url(self, path: str) -> str:
        scheme = "http" if self.plain_http else "https"
        return f"{scheme}://{_api_host(self.client.host)}/v2/{self.repository}/{path}"

    def _ask(self, doing: str, actions: str, method: str, path: str, good: tuple[int, ...]) -> Answer:
        answer = self._send(doing, actions, Request(method, self._url(path), _ACCEPT))
        return self._expect(answer, doing, actions, good)

    def _pages(self, path: str, doing: str, accept: str = "*/*") -> Iterator[Answer]:
        url: str | None = self._url(path)
        asked: set[str] = set()
        while url is not None:
            if url in asked or len(asked) == _MAX_PAGES:
                raise TransferError(f"{self.name}: {doing}: pages without end")
            asked.add(url)
            answer = self._send(doing, PULL, Request("GET", url, {"Accept": accept}))
            yield answer
            with self._named(doing):
                url = self._next(answer, url)

    def _next(self, answer: Answer, url: str) -> str | None:
        """The next page, which must be of the same registry."""
        match = _NEXT.search(answer.headers.get("Link", ""))
        if match is None:
            return None
        following = address(url, match[1])
        if not self._is_ours(following):
            raise TransferError(f"the next page is at another place, {urlsplit(following).netloc}")
        return following

    def _send(self, doing: str, actions: str, request: Request) -> Answer:
        with self._named(doing):
            return self._authorized(actions, request, self.client.send)

    def _authorized(self, actions: str, request: Request, send: Callable[[Request], Answer]) -> Answer:
        """Send with what the registry wants to know of us; what it wants it says in its first 401.

        Other hosts are told nothing of us.
        """
        if not self._is_ours(request.url):
            return send(request)
        given = self.authorizer.header(actions)
        for _ in range(2):
            answer = send(_with(request, given))
            better = self._better(answer, actions, given)
            if better is None:
                return answer
            given = better
        return send(_with(request, given))

    def _better(self, answer: Answer, actions: str, given: Mapping[str, str]) -> dict[str, str] | None:
        if answer.status == UNAUTHORIZED:
            return self.authorizer.answer(answer, actions, given)
        # Some registries say that to a login which has expired.
        if answer.status == FORBIDDEN and actions == PULL and given:
            return self.authorizer.without_credential(actions, given)
        return None

    def _is_ours(self, url: str) -> bool:
        return origin(url) == origin(self._url(""))

    @contextmanager
    def _named(self, doing: str) -> Iterator[None]:
        """Say where and what for in the errors of all that is below."""
        try:
            yield
        except TransferError as error:
            raise TransferError(f"{self.name}: {doing}: {error}", hint=error.hint) from error

    def _expect(self, answer: Answer, doing: str, actions: str, good: Collection[int]) -> Answer:
        """Raise for any other status, with the registry's own words."""
        if answer.status in good:
            return answer
        if answer.status in (UNAUTHORIZED, FORBIDDEN):
            raise DeniedError(
                f"{self.name}: no right to {verb(actions)}: {doing}: {answer.words}",
                hint=self.authorizer.hint(actions),
            )
        raise TransferError(f"{self.name}: {doing}: {answer.words}")


def _api_host(registry: str) -> str:
    """Docker Hub's API is at another name than its references."""
    return "registry-1.docker.io" if registry == "docker.io" else registry


def _with(request: Request, headers: Mapping[str, str]) -> Request:
    return replace(request, headers={**request.headers, **headers})


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(parameters))))
    return urlunsplit(parts._replace(query=query, fragment=""))


def _location(answer: Answer) -> str:
    location = answer.headers.get("Location")
    if not location:
        raise TransferError("the registry started an upload and did not say where")
    return address(answer.url, location)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_MANIFEST_SIZE))


def _tags(answer: Answer, where: str) -> Iterator[str]:
    listed = load_json(answer.body, f"{where}: the list of tags").get("tags") or []
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise TransferError(f"{where}: the list of tags is none")
    yield from listed
