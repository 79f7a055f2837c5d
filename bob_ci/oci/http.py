"""HTTP as registries need it: one pool of connections, bounded time, retries where a retry can help.

Redirects are followed by hand, for no credential may follow one to another host. Bodies are read whole,
within a limit: one that is cut off is passing trouble like a connection that breaks.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from bob_ci.errors import BobError, InputError, MissingExtraError
from bob_ci.oci.descriptor import MAX_MANIFEST_SIZE, load_json
from bob_ci.oci.reference import is_loopback
from bob_ci.version import __version__

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from requests import Response, Session
    from requests.adapters import HTTPAdapter

_RETRIED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
# Connect, then wait for the next bytes, in seconds.
_TIMEOUT = (10, 30)
_CHUNK = 64 * 1024
# What is read of an answer that is an error, and shown of it.
_MAX_ERROR = 64 * 1024
_MAX_WORDS = 500
_PORTS = {"http": 80, "https": 443}
CONNECTIONS = 8
OK = 200


@dataclass(frozen=True)
class Retry:
    """How often, and how many seconds between: doubled each time, with jitter.

    `Retry-After` wins, up to `longest`: nobody waits for a minute without a word. After `patience` seconds no
    further attempt begins.
    """

    attempts: int = 5
    first: float = 0.2
    longest: float = 5.0
    patience: float = 60.0

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after a failed attempt (from 1)."""
        if asked is not None:
            return max(0.0, min(asked, self.longest))
        doubled = min(self.first * 2.0 ** (attempt - 1), self.longest)
        return doubled * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter


@dataclass(frozen=True)
class Tls:
    """Whom to trust, and who we are."""

    verify: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True)
class Request:
    """What is sent, and how much may come back: `limit` bytes; all of `size` where that is known."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: bytes | None = field(default=None, repr=False)
    limit: int = MAX_MANIFEST_SIZE
    size: int | None = None


@dataclass(frozen=True)
class Answer:
    """What came back; `url` is who said it, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str = ""
    reason: str = ""

    @property
    def words(self) -> str:
        """The registry's error in its own words (distribution-spec, "Error Codes"), else the status."""
        try:
            errors = load_json(self.body, "")["errors"]
            said = "; ".join(f"{each['code']}: {each.get('message') or ''}".strip(": ") for each in errors)
        except (BobError, KeyError, TypeError, AttributeError):
            said = self.reason
        # It goes to a terminal.
        return "".join(c for c in f"{self.status} {said}".strip() if c.isprintable())[:_MAX_WORDS]


class TransferError(BobError):
    """A registry could not be reached, or answered what it should not."""


class PassingError(TransferError):
    """What may go away by itself: connections that break, time that runs out."""


@dataclass
class Client:
    """Sends requests to one registry and to where it redirects; safe for several threads."""

    host: str
    tls: Tls = field(default_factory=Tls)
    retry: Retry = field(default_factory=Retry)
    sleep: Callable[[float], None] = time.sleep
    _shared: Any = field(default=None, repr=False)
    _has_tls: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def send(self, request: Request) -> Answer:
        """Send a request until it is answered with something that is no passing trouble.

        Any status that trying again does not change is given back as it is.

        Raises:
            TransferError: no answer after all attempts, or none that can be followed.
        """
        return self.persist(lambda: self.send_once(request))

    def persist(self, act: Callable[[], Answer]) -> Answer:
        """Act until that ends in no passing trouble; at last give its answer, or its error, as it is."""
        started = time.monotonic()
        for attempt in itertools.count(1):
            failure: PassingError | None = None
            answer: Answer | None = None
            try:
                answer = act()
            except PassingError as error:
                failure = error
            if answer and answer.status not in _RETRIED:
                return answer
            if attempt >= self.retry.attempts or time.monotonic() - started > self.retry.patience:
                break
            self.sleep(self.retry.wait(attempt, _retry_after(answer)))
        if answer is None:
            raise failure or AssertionError
        return answer

    def send_once(self, request: Request) -> Answer:
        """Send a request, and follow where it is redirected; an `Authorization` stays with its host.

        Raises:
            PassingError: the connection broke, or the answer was cut off.
            TransferError: it cannot be sent, or not followed.
        """
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._exchange(request)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location or request.method not in ("GET", "HEAD"):
                return answer
            request = _redirected(request, address(request.url, location))
        raise TransferError(f"{self.host} redirects without end")

    def _exchange(self, request: Request) -> Answer:
        session = self._session(request.url)
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        try:
            with session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.data,
                stream=True,
                timeout=_TIMEOUT,
                allow_redirects=False,
                # Said each time: else $REQUESTS_CA_BUNDLE counts for more (psf/requests#3829).
                verify=self.tls.verify,
            ) as response:
                body = _read(response, request)
                return Answer(response.status_code, response.headers, body, request.url, response.reason)
        except (RequestException, HTTPError, ValueError) as error:
            raise _explained(error, request.url) from error

    def _session(self, url: str) -> Session:
        with self._lock:
            if self._shared is None:
                self._shared = _new_session(self.tls)
            session: Session = self._shared
            # The authorities alone take 30 ms to read.
            if url.startswith("https:") and not self._has_tls:
                session.mount("https://", _new_adapter(_new_context(self.tls)))
                self._has_tls = True
            return session


def address(base: str, text: str) -> str:
    """The address that a registry says, in `Location` or `Link`, in full.

    Raises:
        TransferError: it is none, or leads out of TLS.
    """
    before, shown = urlsplit(base), text.partition("?")[0][:200]
    try:
        url = urljoin(base, text)
        host = origin(url)[1]
    except ValueError:
        raise TransferError(f"{before.netloc} leads to {shown!r}, which is no address") from None
    if before.scheme == "https" and not url.startswith("https:") and not _is_this_machine(host):
        raise TransferError(
            f"{before.netloc} leads to {shown!r}, out of TLS",
            hint="a proxy before the registry has to set `X-Forwarded-Proto: https`",
        )
    return url


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: whom a credential is for.

    Raises:
        ValueError: it is no address of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def is_safe(url: str) -> bool:
    """Whether secrets can go there: over TLS, or within this machine.

    Raises:
        ValueError: it is no address of HTTP.
    """
    scheme, host, _ = origin(url)
    return scheme == "https" or _is_this_machine(host)


def _is_this_machine(host: str) -> bool:
    return is_loopback(f"[{host}]" if ":" in host else host)


def _redirected(request: Request, url: str) -> Request:
    headers = dict(request.headers)
    if origin(url) != origin(request.url):
        headers.pop("Authorization", None)
    return replace(request, url=url, headers=headers)


def _read(response: Response, request: Request) -> bytes:
    """The whole body, not one byte more than the limit; the start of it where it is an error."""
    complete = response.status_code == OK
    room = request.limit if complete else _MAX_ERROR
    parts: list[bytes] = []
    for part in response.iter_content(_CHUNK):
        room -= len(part)
        if room < 0 and complete:
            raise TransferError(f"{urlsplit(request.url).netloc} sends more than {request.limit} bytes")
        if room < 0:
            break
        parts.append(part)
    body = b"".join(parts)
    # A body without a length ends where the connection does.
    if complete and request.size is not None and len(body) < request.size:
        raise PassingError(f"{urlsplit(request.url).netloc} sent {len(body)} of {request.size} bytes")
    return body


# --- Sessions ----------------------------------------------------------------------------------------


def _new_session(tls: Tls) -> Session:
    try:
        import requests
    except ImportError as error:
        raise MissingExtraError("requests", "oci") from error
    from http.cookiejar import DefaultCookiePolicy

    session = requests.Session()
    session.mount("http://", _new_adapter())
    # Without this a ~/.netrc would answer for registries.
    session.auth = _no_auth
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # The very bytes: what is compressed on the way has no digest that we know.
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": f"bobctl/{__version__}"})
    if not tls.verify:
        _accept_unverified()
    return session


def _no_auth(request: Any) -> Any:
    return request


def _accept_unverified() -> None:
    """The user said so: no warning for each request."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _new_adapter(context: ssl.SSLContext | None = None) -> HTTPAdapter:
    """A pool for all threads. Retries are ours: urllib3's know nothing of what a request means."""
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **rest: Any) -> Any:
            return super().init_poolmanager(*args, ssl_context=context, **rest)

        def proxy_manager_for(self, proxy: Any, **rest: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=context, **rest)

        def cert_verify(self, *_: Any) -> None:
            """Nothing: the context says whom to trust."""

    return Adapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS, max_retries=0)


def _new_context(tls: Tls) -> ssl.SSLContext:
    """Trust whom the system trusts, and the given authority; or anybody."""
    import ssl

    from certifi import where

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.verify:
        context.load_default_certs()
        if not context.get_ca_certs():  # a Python without the system's
            context.load_verify_locations(where())
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.ca_file:
        with _readable(tls.ca_file):
            context.load_verify_locations(tls.ca_file)
    if tls.cert_file:
        with _readable(tls.cert_file):
            # An empty password: OpenSSL would ask the terminal for one.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    return context


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: no certificate (and key) in PEM: {_reason(error)}") from error


# --- Failures ----------------------------------------------------------------------------------------


def _explained(error: Exception, url: str) -> TransferError:
    from requests import exceptions

    where, text = urlsplit(url).netloc, str(error)
    hint = next((hint for sign, hint in _HINTS.items() if sign in text), None)
    passing = isinstance(
        error, (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
    )
    # A handshake that was cut off is like any other connection that was; what it ends with will stay so.
    lasting = isinstance(error, exceptions.SSLError) and "EOF" not in text
    kind = PassingError if passing and not lasting else TransferError
    return kind(f"{where} cannot be reached: {_reason(error)}", hint=hint)


_HINTS = {
    "issuer certificate": "--ca-file FILE trusts the registry's own authority",
    "self-signed certificate": "--ca-file FILE trusts the registry's own authority",
    "CERTIFICATE_REQUIRED": "--cert-file FILE and --key-file FILE are our own certificate",
    "WRONG_VERSION_NUMBER": "the registry speaks plain HTTP: --plain-http",
    "RECORD_LAYER_FAILURE": "the registry speaks plain HTTP: --plain-http",
}


def _reason(error: BaseException) -> str:
    """The innermost cause, without addresses of objects."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error).strip() or type(error).__name__


def _retry_after(answer: Answer | None) -> float | None:
    """Seconds, said as such or as a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("Retry-After", "") if answer else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
