"""Who we are, to a registry: challenges, basic credentials, tokens (distribution, "Token Authentication").

A token is fetched once for each scope, also when many threads need it at the same moment. A credential that
is refused is left away from then on: an expired login must not make public things unreadable (oras#1161).
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from bob_ci.errors import BobError
from bob_ci.oci.descriptor import load_json
from bob_ci.oci.http import OK, Answer, Client, PassingError, Request, TransferError, is_safe

if TYPE_CHECKING:
    from bob_ci.oci.credentials import Credential

PULL, PUSH = "pull", "pull,push"
_CLIENT_ID = "bobctl"
# Schemes that have no parameters end at a comma (`Negotiate, Basic realm="x"`).
_SCHEME = re.compile(r"[\s,]*([A-Za-z][A-Za-z0-9-]*)(?:\s+|\s*,|$)")
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?')
_TOKEN = re.compile("[!-~]+")
# What a token server may leave out (distribution-spec: at least 60 seconds).
_DEFAULT_SECONDS = 60
_MARGIN_SECONDS = 10
_REFUSALS = frozenset({400, 401, 403})
# build-push-action#463, #806; actions/runner#1039.
_GHCR_CAUSES = (
    "on ghcr.io four things do this: the job lacks `permissions: packages: write`; the package was made by "
    "hand or by another repository and does not list this one under Actions access; the run is of a fork; "
    "the repository was deleted and made again, and the package is the old one's"
)


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
        """The header for a request that needs these actions (`pull`, `pull,push`), as far as it is known.

        Raises:
            DeniedError: the token server refuses.
        """
        with self._lock:
            return self._header(actions)

    def answer(self, answer: Answer, actions: str, sent: Mapping[str, str]) -> dict[str, str] | None:
        """What to send instead, after a 401; None where there is nothing better.

        Raises:
            DeniedError: the token server refuses.
        """
        challenge = Challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        if challenge is None:
            return None
        with self._lock:
            self._challenge = challenge
            better = self._header(actions)
            # Another thread may have found it while this request was on its way.
            if better == sent:
                self._tokens.pop(actions, None)
                better = self._header(actions)
            if better == sent:
                self._refuse()
                better = self._header(actions)
            return None if better == sent else better

    def without_credential(self, actions: str, sent: Mapping[str, str]) -> dict[str, str] | None:
        """What to send instead, after a 403; None where that is the same.

        Raises:
            DeniedError: the token server refuses.
        """
        with self._lock:
            if self.credential is None:
                return None
            self._refuse()
            better = self._header(actions)
            return None if better == sent else better

    def hint(self, actions: str) -> str:
        """What to do about a refusal: which credential was tried, or that there was none."""
        host = self.client.host
        if self.credential is None:
            tried = f"no credential for {host} was found: docker login {host}"
        elif self._refused:
            tried = f"the credential from {self.credential.origin} was refused: docker login {host}"
        else:
            right = f"right to {verb(actions)}"
            tried = f"the credential from {self.credential.origin} was sent, and gives no {right}"
        return f"{tried}; {_GHCR_CAUSES}" if host == "ghcr.io" and actions == PUSH else tried

    def _header(self, actions: str) -> dict[str, str]:
        if self._challenge is None:
            return {}
        if self._challenge.scheme == "basic":
            return _basic(self._usable())
        token = self._tokens.get(actions)
        if token is None or token.good_until < time.monotonic():
            token = self._tokens[actions] = self._fetch(self._challenge, actions)
        return {"Authorization": f"Bearer {token.value}"}

    def _usable(self) -> Credential | None:
        return None if self._refused else self.credential

    def _refuse(self) -> None:
        if not self._refused and self.credential is not None:
            self._refused = True
            self._tokens.clear()

    # tokens

    def _fetch(self, challenge: Challenge, actions: str) -> _Token:
        known = self._usable()
        if known is not None and known.registry_token:
            return _Token(known.registry_token, time.monotonic() + _DEFAULT_SECONDS)
        answer = self._ask(challenge, actions, known)
        if answer.status in _REFUSALS and known is not None:
            self._refuse()
            answer = self._ask(challenge, actions, None)
        if answer.status == OK:
            return _token(answer)
        where = f"{self.client.host}/{self.repository}"
        refused = f"no token: {urlsplit(answer.url).netloc} answered {answer.words}"
        if answer.status in _REFUSALS:
            raise DeniedError(f"{where}: no right to {verb(actions)}: {refused}", hint=self.hint(actions))
        raise TransferError(refused)

    def _ask(self, challenge: Challenge, actions: str, known: Credential | None) -> Answer:
        realm = challenge.parameters.get("realm", "")
        _check_realm(realm, self.client.host)
        asked = {"scope": f"repository:{self.repository}:{actions}"}
        if service := challenge.parameters.get("service"):
            asked["service"] = service
        if known is not None and known.identity_token:
            form = {
                **asked,
                "grant_type": "refresh_token",
                "client_id": _CLIENT_ID,
                "refresh_token": known.identity_token,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._send(Request("POST", realm, headers, urlencode(form).encode()))
        joiner = "&" if "?" in realm else "?"
        return self._send(Request("GET", f"{realm}{joiner}{urlencode(asked)}", _basic(known)))

    def _send(self, request: Request) -> Answer:
        try:
            return self.client.send(request)
        except PassingError as error:  # it was tried often enough: not to be tried again with what needs it
            raise TransferError(f"no token: {error}", hint=error.hint) from error


def verb(actions: str) -> str:
    """What the actions are for, in one word."""
    return "push" if actions == PUSH else "pull"


def _basic(known: Credential | None) -> dict[str, str]:
    if known is None or not known.username or not known.password:
        return {}
    pair = f"{known.username}:{known.password}".encode()
    return {"Authorization": "Basic " + base64.b64encode(pair).decode()}


def _check_realm(realm: str, host: str) -> None:
    """Credentials go to a token server over TLS, or to this machine."""
    try:
        safe = is_safe(realm)
    except ValueError:
        raise TransferError(f"{host} asks for a token from {realm[:200]!r}, which is no address") from None
    if not safe:
        raise TransferError(f"{host} asks for a token over plain HTTP, from {urlsplit(realm).hostname}")


def _token(answer: Answer) -> _Token:
    where = f"the token server {urlsplit(answer.url).netloc}"
    try:
        said = load_json(answer.body, where)
    except BobError as error:
        raise TransferError(str(error)) from error
    value = said.get("token") or said.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise TransferError(f"{where}: its answer holds no token")
    seconds = said.get("expires_in")
    lifetime = seconds if isinstance(seconds, int) and seconds > 0 else _DEFAULT_SECONDS
    return _Token(value, time.monotonic() + max(lifetime - _MARGIN_SECONDS, 1))
