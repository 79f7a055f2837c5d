"""HTTP as registries need it: one pool of connections, bounded time, retries where a retry can help.

Redirects are followed by hand, for no credential may follow one to another host.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from bob_ci.errors import BobError, MissingExtraError

if TYPE_CHECKING:
    from pathlib import Path

    from requests import Response, Session

_RETRIED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
# Connect, then wait for the next bytes, in seconds.
_TIMEOUT = (10, 60)
CONNECTIONS = 8


@dataclass(frozen=True)
class Retry:
    """How often, and how many seconds between: doubled each time, with jitter.

    `Retry-After` wins, up to `longest`: nobody waits for a minute without a word.
    """

    attempts: int = 5
    first: float = 0.2
    longest: float = 10.0

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after a failed attempt (from 1)."""
        if asked is not None:
            return min(asked, self.longest)
        doubled = min(self.first * 2.0 ** (attempt - 1), self.longest)
        return doubled * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter


@dataclass(frozen=True)
class Tls:
    """Whom to trust, and who we are."""

    verify: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class TransferError(BobError):
    """A registry could not be reached, or answered what it should not."""


@dataclass
class Client:
    """Sends requests to one registry and to where it redirects; safe for several threads."""

    host: str
    tls: Tls = field(default_factory=Tls)
    retry: Retry = field(default_factory=Retry)
    sleep: Callable[[float], None] = time.sleep
    _shared: Any = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        stream: bool = False,
    ) -> Response:
        """Send a request until it is answered with something that is no passing trouble.

        Any status that trying again does not change is given back as it is.

        Raises:
            TransferError: no answer after all attempts, or too many redirects.
        """
        failure: Exception | None = None
        for attempt in range(1, self.retry.attempts + 1):
            asked: float | None = None
            try:
                response = self._follow(method, url, dict(headers or {}), data, stream=stream)
            except self._passing() as error:
                failure = error
            else:
                if response.status_code not in _RETRIED or attempt == self.retry.attempts:
                    return response
                asked = _retry_after(response)
                response.close()
            if attempt < self.retry.attempts:
                self.sleep(self.retry.wait(attempt, asked))
        raise TransferError(
            f"{self.host}: cannot be reached: {_reason(failure)}", hint=_hint(failure)
        ) from failure

    def _follow(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, *, stream: bool
    ) -> Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._session().request(
                method,
                url,
                headers=headers,
                data=data,
                stream=stream,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or not location or method not in ("GET", "HEAD"):
                return response
            response.close()
            following = urljoin(url, location)
            if _place(following) != _place(url):
                headers.pop("Authorization", None)
            url = following
        raise TransferError(f"{self.host}: redirects without end")

    def _session(self) -> Session:
        with self._lock:
            if self._shared is None:
                self._shared = _new_session(self.tls)
            session: Session = self._shared
            return session

    @staticmethod
    def _passing() -> tuple[type[Exception], ...]:
        """What may go away by itself: connections that break, time that runs out."""
        from requests import exceptions

        return (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)


def _new_session(tls: Tls) -> Session:
    try:
        import requests
        from requests.adapters import HTTPAdapter
    except ImportError as error:
        raise MissingExtraError("requests", "oci") from error
    session = requests.Session()
    # A pool for all threads. Retries are ours: urllib3's know nothing of what a request means.
    adapter = HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # Without this a ~/.netrc would answer for registries.
    session.auth = _no_auth
    session.verify = str(tls.ca_file) if tls.verify and tls.ca_file else tls.verify
    if tls.cert_file is not None:
        session.cert = (str(tls.cert_file), str(tls.key_file)) if tls.key_file else str(tls.cert_file)
    return session


def _no_auth(request: Any) -> Any:
    return request


def _place(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _retry_after(response: Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _reason(error: Exception | None) -> str:
    """The innermost cause, without addresses of objects."""
    cause: BaseException | None = error
    while cause is not None and (cause.__cause__ or cause.__context__) is not None:
        cause = cause.__cause__ or cause.__context__
    return str(cause).strip() or type(cause).__name__


def _hint(error: Exception | None) -> str | None:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "--ca-file FILE trusts the registry's own authority"
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return "the registry speaks plain HTTP: --plain-http"
    return None


@contextmanager
def closing(response: Response) -> Iterator[Response]:
    """Give the connection back, whatever happens."""
    try:
        yield response
    finally:
        response.close()
