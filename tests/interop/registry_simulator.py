"""A small registry in memory whose habits are switches and whose requests can go wrong.

It exists for credentials and faults. That we speak as registries do is proved against real ones.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Seen:
    """A request; `elsewhere` if it came to the other host."""

    method: str
    path: str
    query: str = ""
    authorization: str = ""
    body: bytes = b""
    elsewhere: bool = False


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # How the connection ends: None properly, else after this part of the answer's bytes.
    cut_at: float | None = None


# A fault answers in place of the registry, or spoils what it answers.
Spoil = Callable[[Callable[[], Reply], Seen], Reply]


def error(status: int, code: str, **headers: str) -> Reply:
    said = {"errors": [{"code": code, "message": f"simulated {code.lower()}"}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **named}, json.dumps(said).encode())


def cut(_: Callable[[], Reply], __: Seen) -> Reply:
    """The connection ends, and nothing was done."""
    return Reply(cut_at=0)


def lost(act: Callable[[], Reply], _: Seen) -> Reply:
    """It was done, and the connection ends before that is said."""
    return replace(act(), cut_at=0)


def truncated(act: Callable[[], Reply], _: Seen) -> Reply:
    return replace(act(), cut_at=0.9)


def unsized(act: Callable[[], Reply], _: Seen) -> Reply:
    """Half of a body whose length was not said: all that tells is the digest, or the size in a descriptor."""
    reply = act()
    body = reply.body[: len(reply.body) // 2]
    return replace(reply, headers={**reply.headers, "Content-Length": "", "Connection": "close"}, body=body)


def busy(_: Callable[[], Reply], __: Seen) -> Reply:
    return error(429, "TOOMANYREQUESTS", Retry_After="2")


def busy_for_long(_: Callable[[], Reply], __: Seen) -> Reply:
    return error(429, "TOOMANYREQUESTS", Retry_After="3600")


def broken(_: Callable[[], Reply], __: Seen) -> Reply:
    return Reply(500, {"Content-Type": "text/html"}, b"<h1>oops</h1>")


def unavailable(_: Callable[[], Reply], __: Seen) -> Reply:
    return Reply(503)


def wrong_bytes(act: Callable[[], Reply], _: Seen) -> Reply:
    """Other bytes under the same length; where there are none, another digest."""
    reply = act()
    other = {name: "sha256:" + "0" * 64 for name in reply.headers if name == "Docker-Content-Digest"}
    return replace(reply, headers={**reply.headers, **other}, body=b"#" * len(reply.body))


def bad_location(act: Callable[[], Reply], seen: Seen) -> Reply:
    reply = act() if seen.method in {"POST", "PUT"} else Reply(307)
    return replace(reply, headers={**reply.headers, "Location": "http://[nowhere"})


def endless(_: Callable[[], Reply], seen: Seen) -> Reply:
    return Reply(307, {"Location": seen.path})


@dataclass
class Fault:
    """What goes wrong, at which requests: from the nth of those that match on, so many times."""

    spoil: Spoil
    method: str
    path: str
    nth: int = 1
    times: float = 1
    count: int = 0

    def hits(self, seen: Seen) -> bool:
        if seen.method != self.method or not re.search(self.path, seen.path):
            return False
        self.count += 1
        return self.nth <= self.count < self.nth + self.times


@dataclass
class RegistrySimulator:
    """One registry with one token server, and another host beside it. Use it as a context manager."""

    # Credentials.
    auth: str = "none"  # or "basic", "token"
    users: dict[str, str] = field(default_factory=lambda: {"ann": "secret"})
    identity_tokens: set[str] = field(default_factory=set)
    public: bool = False  # pulls need no credential
    denies_push: bool = False
    refuses_logins_with: int = 401  # what a wrong password gets
    token_uses: int | None = None  # so many requests, then a token has expired
    token_seconds: int = 300  # what the token server says
    realm: str | None = None
    # Habits.
    referrers_api: bool = True
    subject_at_fallback: bool = False  # oras-go#1396
    tag_page: int | None = None
    link: str = ""  # put before the path in `Link`
    location: str = "absolute"  # or "relative", "query", "elsewhere"
    blobs_elsewhere: bool = False
    faults: list[Fault] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    # What happened.
    seen: list[Seen] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, list[Any]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._servers = [self._serve(elsewhere=False), self._serve(elsewhere=True)]
        self.host, self.other = (f"{HOST}:{server.server_address[1]}" for server in self._servers)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def count(self, method: str, path: str = "") -> int:
        """How many requests there were."""
        return sum(seen.method == method and bool(re.search(path, seen.path)) for seen in self.seen)

    def leaks(self) -> list[Seen]:
        """Requests that told the other host who we are."""
        return [seen for seen in self.seen if seen.elsewhere and seen.authorization]

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def _serve(self, *, elsewhere: bool) -> ThreadingHTTPServer:
        server = _Server((HOST, 0), _handler(self, elsewhere=elsewhere))
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def reply(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            fault = next((fault for fault in self.faults if fault.hits(seen)), None)

        def act() -> Reply:
            with self._lock:
                return self._act(seen)

        return fault.spoil(act, seen) if fault else act()

    def _act(self, seen: Seen) -> Reply:
        if seen.path == "/token":
            return self._token(seen)
        match = re.fullmatch(r"/v2/(.+?)/(blobs|manifests|tags|referrers)/(.*)", seen.path)
        if match is None:
            return Reply(404)
        if not seen.elsewhere and (refused := self._refusal(seen, match[1])):
            return refused
        kind, rest = match[2], match[3]
        if kind == "blobs":
            return self._upload(seen, rest) if rest.startswith("uploads/") else self._blob(seen, rest)
        if kind == "manifests":
            return self._put_manifest(seen, rest) if seen.method == "PUT" else self._manifest(rest)
        return self._tag_list(seen) if kind == "tags" else self._referrers(rest)

    # --- Who may what

    def _refusal(self, seen: Seen, repository: str) -> Reply | None:
        action = "pull" if seen.method in {"GET", "HEAD"} else "push"
        if self.auth == "basic" and not self._basic_right(seen, action):
            return error(self._status(seen), "UNAUTHORIZED", WWW_Authenticate='Basic realm="simulator"')
        if self.auth == "token" and not self._token_right(seen, repository, action):
            realm = self.realm or f"{'https' if self.tls else 'http'}://{self.host}/token"
            asked = f'Bearer realm="{realm}",service="simulator",scope="repository:{repository}:{action}"'
            return error(401, "UNAUTHORIZED", WWW_Authenticate=asked)
        if self.denies_push and action == "push":
            return error(403, "DENIED")
        return None

    def _status(self, seen: Seen) -> int:
        return self.refuses_logins_with if seen.authorization else 401

    def _knows(self, authorization: str) -> bool:
        with suppress(ValueError):
            user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return self.users.get(user) == password
        return False

    def _basic_right(self, seen: Seen, action: str) -> bool:
        if seen.authorization:
            return self._knows(seen.authorization)
        return self.public and action == "pull"

    def _token_right(self, seen: Seen, repository: str, action: str) -> bool:
        token = self._tokens.get(seen.authorization.removeprefix("Bearer "))
        if token is None or token[0] != repository or action not in token[1] or token[2] == 0:
            return False
        token[2] -= 1
        return True

    def _token(self, seen: Seen) -> Reply:
        asked = parse_qs(seen.body.decode() if seen.method == "POST" else seen.query)
        _, repository, actions = asked["scope"][0].split(":")
        if seen.method == "POST":
            granted = actions if asked["refresh_token"][0] in self.identity_tokens else None
        elif seen.authorization:
            granted = actions if self._knows(seen.authorization) else None
        else:
            granted = "pull" if self.public else None
        if granted is None:
            return error(self._status(seen), "UNAUTHORIZED")
        value = f"token-{next(self._numbers)}"
        self._tokens[value] = [repository, granted, -1 if self.token_uses is None else self.token_uses]
        said = {"access_token" if seen.method == "POST" else "token": value, "expires_in": self.token_seconds}
        return Reply(200, {"Content-Type": "application/json"}, json.dumps(said).encode())

    # --- What there is

    def _blob(self, seen: Seen, digest: str) -> Reply:
        if digest not in self.blobs:
            return error(404, "BLOB_UNKNOWN")
        if self.blobs_elsewhere and not seen.elsewhere and seen.method == "GET":
            return Reply(307, {"Location": f"http://{self.other}{seen.path}?signature=1"})
        return Reply(200, {"Docker-Content-Digest": digest}, self.blobs[digest])

    def _upload(self, seen: Seen, session: str) -> Reply:
        if seen.method == "POST":
            path = f"{seen.path}{next(self._numbers)}"
            scheme = "https" if self.tls else "http"
            return Reply(202, {"Location": {
                "absolute": f"{scheme}://{self.host}{path}",
                "relative": path,
                "query": f"{path}?_state=a%2Fb%3D%3D&x=",
                "elsewhere": f"{scheme}://{self.other}{path}?signature=1",
            }[self.location]})  # fmt: skip
        query = parse_qs(seen.query, keep_blank_values=True)
        if self.location == "query" and query.get("_state") != ["a/b=="]:
            return error(400, "BLOB_UPLOAD_INVALID")
        digest = "sha256:" + hashlib.sha256(seen.body).hexdigest()
        if seen.method != "PUT" or not session.removeprefix("uploads/") or query.get("digest") != [digest]:
            return error(400, "DIGEST_INVALID")
        self.blobs[digest] = seen.body
        return Reply(201, {"Docker-Content-Digest": digest, "Location": "/"})

    def _manifest(self, selector: str) -> Reply:
        digest = self.tags.get(selector, selector)
        if self.subject_at_fallback and selector.startswith("sha256-"):
            digest = selector.replace("-", ":")
        if digest not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN")
        media_type, data = self.manifests[digest]
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": digest}, data)

    def _put_manifest(self, seen: Seen, selector: str) -> Reply:
        digest = "sha256:" + hashlib.sha256(seen.body).hexdigest()
        self.manifests[digest] = json.loads(seen.body)["mediaType"], seen.body
        if selector != digest:
            self.tags[selector] = digest
        return Reply(201, {"Docker-Content-Digest": digest, "Location": "/"})

    def _tag_list(self, seen: Seen) -> Reply:
        tags, last = sorted(self.tags), parse_qs(seen.query).get("last", [""])[0]
        after = [tag for tag in tags if tag > last]
        page = after[: self.tag_page]
        more = {"Link": f'<{self.link}{seen.path}?last={page[-1]}>; rel="next"'} if page != after else {}
        return Reply(200, {"Content-Type": "application/json", **more}, json.dumps({"tags": page}).encode())

    def _referrers(self, digest: str) -> Reply:
        if not self.referrers_api:
            return Reply(404)
        media_type = "application/vnd.oci.image.index.v1+json"
        found = [
            {"mediaType": kind, "digest": name, "size": len(data)}
            for name, (kind, data) in self.manifests.items()
            if json.loads(data).get("subject", {}).get("digest") == digest
        ]
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": found}
        return Reply(200, {"Content-Type": media_type}, json.dumps(index).encode())


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Clients that go away, or do not like our certificate, are what the tests are about."""


def _handler(registry: RegistrySimulator, *, elsewhere: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True
        timeout = 20

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            authorization = self.headers.get("Authorization", "")
            reply = registry.reply(
                Seen(self.command, parts.path, parts.query, authorization, body, elsewhere)
            )
            head = self._head(reply)
            whole = head + (b"" if self.command == "HEAD" else reply.body)
            if reply.cut_at is not None:
                whole = whole[: int(len(whole) * reply.cut_at)]
                self.close_connection = True
            self.wfile.write(whole)
            self.wfile.flush()

        def _head(self, reply: Reply) -> bytes:
            headers = {"Content-Length": str(len(reply.body)), **reply.headers}
            self.close_connection |= headers.get("Connection") == "close"
            lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
            lines += [f"{name}: {value}" for name, value in headers.items() if value]
            return "\r\n".join([*lines, "", ""]).encode()

        do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    return Handler
