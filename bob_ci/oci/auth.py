"""Who we are, to a registry: challenges, basic credentials, tokens (distribution, "Token Authentication").

A token is fetched once for each scope, also when many threads need it at the same moment.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bob_ci.errors import BobError
from bob_ci.oci.http import Client

if TYPE_CHECKING:
    from requests import Response

    from bob_ci.oci.credentials import Credential

_CLIENT_ID = "bobctl"
_SCHEME = re.compile(r"\s*([A-Za-z]+)\s+")
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?')
# What a token server may leave out (distribution-spec: at least 60 seconds).
_DEFAULT_SECONDS = 60
_MARGIN_SECONDS = 10


class DeniedError(BobError):
    """The registry knows us, or nobody, and will not let us."""


@dataclass(frozen=True)
class Challenge:
    """What a registry asks for: `Basic`, or `Bearer` with where tokens are and for what."""

    scheme: str
    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> Challenge | None:
        """Read `WWW-Authenticate` (RFC 9110, 11.6.1): a bearer challenge if there is one, else basic."""
        found: dict[str, Challenge] = {}
        position = 0
        while match := _SCHEME.match(header, position):
            parameters: dict[str, str] = {}
            position = match.end()
            while parameter := _PARAMETER.match(header, position):
                quoted = parameter[2]
                parameters[parameter[1].lower()] = (
                    re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else parameter[3]
                )
                position = parameter.end()
            found.setdefault(match[1].lower(), cls(match[1].lower(), parameters))
        return found.get("bearer") or found.get("basic")


@dataclass(frozen=True)
class _Token:
    value: str = field(repr=False)
    good_until: float


@dataclass
class Authorizer:
    """The `Authorization` of requests to one repository.

    The first answer of the registry says what it wants; after that requests carry it from the start.
    """

    client: Client
    repository: str
    credential: Credential | None = None
    _challenge: Challenge | None = None
    _tokens: dict[str, _Token] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _refused: bool = False  # the stored credential was, so we go on without

    def header(self, actions: str) -> dict[str, str]:
        """The header for a request that needs these actions (`pull`, `pull,push`), as far as it is known."""
        challenge = self._challenge
        if challenge is None:
            return {}
        if challenge.scheme == "basic":
            return self._basic()
        with self._lock:
            token = self._tokens.get(actions)
        return self._bearer(token) if token and token.good_until > time.monotonic() else {}

    def answer(self, response: Response, actions: str, sent: Mapping[str, str]) -> dict[str, str] | None:
        """What to send instead, after a 401; None where there is nothing better.

        Raises:
            DeniedError: the token server refuses.
        """
        challenge = Challenge.parse(response.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            return None
        self._challenge = challenge
        if challenge.scheme == "basic":
            header = self._basic()
            return header if header and header != dict(sent) else self._without_credential()
        with self._lock:
            known = self._tokens.get(actions)
            # Another thread may have fetched one while this request was on its way.
            if known is None or self._bearer(known) == dict(sent):
                known = self._tokens[actions] = self._fetch(challenge, actions)
        return self._bearer(known)

    def _basic(self) -> dict[str, str]:
        known = self._usable()
        if known is None or not known.username:
            return {}
        pair = f"{known.username}:{known.password}".encode()
        return {"Authorization": "Basic " + base64.b64encode(pair).decode()}

    @staticmethod
    def _bearer(token: _Token) -> dict[str, str]:
        return {"Authorization": f"Bearer {token.value}"}

    def _usable(self) -> Credential | None:
        return None if self._refused else self.credential

    def _without_credential(self) -> dict[str, str] | None:
        if self._refused or self.credential is None:
            return None
        self._refused = True
        return {}

    # tokens

    def _fetch(self, challenge: Challenge, actions: str) -> _Token:
        known = self._usable()
        if known is not None and known.registry_token:
            return _Token(known.registry_token, time.monotonic() + _DEFAULT_SECONDS)
        response = self._ask(challenge, actions, known)
        if response.status_code in (400, 401, 403) and known is not None:
            # An expired login must not make public things unreadable (oras-project/oras#1161).
            self._refused = True
            response = self._ask(challenge, actions, None)
        if response.status_code != 200:  # noqa: PLR2004 -- HTTP
            raise DeniedError(
                f"{self.client.host}/{self.repository}: no token for {actions}: "
                f"{_host(challenge)} answered {response.status_code}",
                hint=self.hint(),
            )
        return _token(response, self.client.host)

    def _ask(self, challenge: Challenge, actions: str, known: Credential | None) -> Response:
        realm = challenge.parameters.get("realm", "")
        _check_realm(realm, self.client.host)
        service = challenge.parameters.get("service", "")
        scope = f"repository:{self.repository}:{actions}"
        if known is not None and known.identity_token:
            form = {
                "grant_type": "refresh_token",
                "service": service,
                "client_id": _CLIENT_ID,
                "scope": scope,
                "refresh_token": known.identity_token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return self.client.send("POST", realm, headers=headers, data=urlencode(form).encode())
        query = urlencode({"service": service, "scope": scope} if service else {"scope": scope})
        basic = {} if known is None or self._refused else self._basic()
        return self.client.send("GET", f"{realm}{'&' if '?' in realm else '?'}{query}", headers=basic)

    def hint(self) -> str:
        """What to do about a refusal: say which credential was tried, or that there was none."""
        if self.credential is None:
            return f"no credential for {self.client.host} was found: bobctl login {self.client.host}"
        return f"the credential of {self.credential.origin} was tried"


def _check_realm(realm: str, host: str) -> None:
    """Credentials go to a token server over TLS, or to this machine."""
    parts = urlsplit(realm)
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DeniedError(f"{host}: asks for a token from {realm!r}, which is no address")
    if parts.scheme == "http" and not local:
        raise DeniedError(f"{host}: asks for a token over plain HTTP, from {parts.hostname}")


def _host(challenge: Challenge) -> str:
    return urlsplit(challenge.parameters.get("realm", "")).hostname or "the token server"


def _token(response: Response, host: str) -> _Token:
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    value = (answer.get("token") or answer.get("access_token")) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise DeniedError(f"{host}: the token server's answer holds no token")
    seconds = answer.get("expires_in")
    lifetime = seconds if isinstance(seconds, int) and seconds > 0 else _DEFAULT_SECONDS
    return _Token(value, time.monotonic() + max(lifetime - _MARGIN_SECONDS, 1))
