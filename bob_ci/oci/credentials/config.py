"""Docker's `config.json`, and podman's `auth.json`, which is a part of it.

Sources: docker/cli, cli/config/configfile; containers-auth.json(5) for keys with a namespace. The parser's
errors hold the whole text, so none of ours has one as cause or context.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bob_ci.errors import InputError
from bob_ci.oci.credentials.credential import Credential, of_pair
from bob_ci.oci.reference import DOCKER_HUB

# What docker calls its Hub, in files and to helpers (docker/cli, getAuthConfigKey).
_HUB_SERVER = "https://index.docker.io/v1/"
_HUB_HOSTS = {DOCKER_HUB, "index.docker.io", "registry-1.docker.io"}


def host_of(key: str) -> str:
    """Give the `HOST[:PORT]` that a key means; one with a namespace and without `https://` stays as it is.

    `docker login` took addresses as they were for years: `https://HOST/v1/` is HOST.
    """
    text = key.lower()
    bare = text.removeprefix("https://").removeprefix("http://")
    host = bare.rstrip("/") if bare == text else bare.partition("/")[0]
    return DOCKER_HUB if host in _HUB_HOSTS else host


def server_of(host: str) -> str:
    """Give the name under which docker and oras store a registry, in `auths` and to helpers."""
    return _HUB_SERVER if host in _HUB_HOSTS else host


@dataclass(frozen=True)
class DockerConfig:
    """What one file says. Parts are checked when they are asked for, for most belong to other programs."""

    file: Path
    content: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, file: Path) -> DockerConfig:
        """Read a file; one that is missing or empty says nothing.

        Raises:
            InputError: It cannot be read, or is no JSON object; names the line, and never what stands there.
        """
        try:
            data = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return cls(file)
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from error
        return cls(file, _parse(data, file) if data.strip() else {})

    def auths(self) -> dict[str, Any]:
        """Give the entries by key.

        Raises:
            InputError: It is no object.
        """
        return self._object("auths")

    def helper(self, host: str) -> tuple[str, str] | None:
        """Give the helper of this one registry, by name, and what the registry is called there."""
        helpers = self._object("credHelpers")
        for key in _in_order(helpers, host):
            name = helpers[key]
            if not isinstance(name, str):
                raise self._wrong(f'credHelpers["{key}"] is no text')
            if name:
                return name, key
        return None

    def store(self, host: str) -> tuple[str, str] | None:
        """Give the helper of all registries, by name, and what this registry is called there."""
        name = self.content.get("credsStore") or ""
        if not isinstance(name, str):
            raise self._wrong("credsStore is no text")
        return (name, server_of(host)) if name else None

    def entries_of(self, host: str) -> list[str]:
        """Give the keys of `auths` that mean this registry as a whole, the best first."""
        return _in_order(self.auths(), host)

    def credential(self, host: str, repository: str) -> Credential | None:
        """Give the first entry with a secret in it: of the repository, of its namespaces, of the registry.

        Source: containers-auth.json(5). An entry `{}` only says that a store has it (docker/cli writes it).

        Raises:
            InputError: The entry is broken.
        """
        auths = self.auths()
        parts = [host, *repository.split("/")] if repository else []
        namespaces = ("/".join(parts[:count]) for count in range(len(parts), 1, -1))
        for key in [*(name for name in namespaces if name in auths), *self.entries_of(host)]:
            found = self._entry(key, auths[key])
            if found.has_secret:
                return found
        return None

    def _entry(self, key: str, entry: object) -> Credential:
        values = {} if entry is None else entry
        if not isinstance(values, dict):
            raise self._wrong(f'auths["{key}"] is no object')
        for name in ("auth", "username", "password", "identitytoken", "registrytoken"):
            if not isinstance(values.get(name) or "", str):
                raise self._wrong(f'auths["{key}"].{name} is no text')
        username, password = values.get("username") or "", values.get("password") or ""
        if auth := values.get("auth"):
            pair = _decode(auth)
            if pair is None:
                raise self._wrong(f'auths["{key}"].auth is not the base64 of USER:PASSWORD')
            username, password = pair
        origin = f"auths in {self.file}"
        identity, registry = values.get("identitytoken") or "", values.get("registrytoken") or ""
        if identity or registry:
            return Credential(username, password, identity, registry, origin)
        return of_pair(username, password, origin)

    def _object(self, name: str) -> dict[str, Any]:
        value = self.content.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(f"{name} is no object")
        return value

    def _wrong(self, problem: str) -> InputError:
        return InputError(problem, file=str(self.file), hint="log in again, or put the file right")


def _in_order(entries: Mapping[str, object], host: str) -> list[str]:
    best = (server_of(host), host)
    return sorted(
        (key for key in entries if host_of(key) == host),
        key=lambda key: best.index(key) if key in best else len(best),
    )


def _parse(data: bytes, file: Path) -> dict[str, Any]:
    value: object = None
    line: int | None = None
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        line = error.lineno
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    except (ValueError, RecursionError):  # a number, or a depth, beyond Python
        line = 1
    if line is not None:
        raise InputError("not JSON", file=str(file), line=line)
    if not isinstance(value, dict):
        raise InputError("not a JSON object", file=str(file), line=1)
    return value


def _decode(auth: str) -> tuple[str, str] | None:
    # Written by hand it is often folded, and its padding is gone.
    text = "".join(auth.split()).rstrip("=")
    try:
        pair = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    username, colon, password = pair.partition(":")
    # Old dockers filled up with NUL (docker/cli, decodeAuth).
    return (username, password.strip("\0")) if colon else None
