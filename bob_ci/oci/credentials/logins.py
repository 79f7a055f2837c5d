"""Storing a credential where docker, oras, podman and we find it again, and removing it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

from bob_ci.errors import InputError
from bob_ci.oci.credentials.config import DockerConfig, host_of, server_of
from bob_ci.oci.credentials.credential import Credential
from bob_ci.oci.credentials.helper import Helper
from bob_ci.oci.credentials.source import login_file
from bob_ci.oci.credentials.update import update
from bob_ci.oci.reference import OCI_SCHEME, RegistryReference


def login(
    registry: str, credential: Credential, *, registry_config: Path | None, environ: Mapping[str, str]
) -> str:
    """Store a credential for a whole registry, in place of all that the file has for it.

    It goes to the helper that the file names for this registry or for all, else into the file itself, which
    becomes readable for its owner alone and keeps all else that it says.

    Returns:
        Where it is now, in the words of `Credential.origin`.

    Raises:
        InputError: It is no registry; or there is no secret; or a password without a user, which docker could
            not read.
        BobError: The helper or the file does not take it.
    """
    host = _host(registry)
    _check(credential, host)
    file = login_file(environ, registry_config)
    config = DockerConfig.read(file)
    if (configured := _helper(config, host, environ)) is None:
        update(file, lambda now: _put(now, host, _entry(credential)))
        return f"auths in {file}"
    helper, server = configured
    helper.store(server, credential)
    # What the file itself has would be found first. docker leaves an empty entry as a mark.
    update(file, lambda now: _put(now, host, {}))
    return helper.program


def logout(registry: str, *, registry_config: Path | None, environ: Mapping[str, str]) -> bool:
    """Remove what the file and its helper have for a whole registry; False if that was nothing.

    Raises:
        InputError: It is no registry.
        BobError: The helper or the file does not let it go.
    """
    host = _host(registry)
    file = login_file(environ, registry_config)
    config = DockerConfig.read(file)
    # A missing file is not made, nor its directory.
    removed = bool(config.entries_of(host)) and update(file, lambda now: _drop(now, host))
    configured = _helper(config, host, environ)
    if configured is None:
        return removed
    helper, server = configured
    if helper.get(server) is None:
        return removed
    helper.erase(server)
    return True


def _host(registry: str) -> str:
    host = host_of(registry.removeprefix(OCI_SCHEME))
    try:
        return RegistryReference(host, "any").registry
    except InputError as error:
        raise InputError(
            f"{registry!r}: no registry: {error}", hint="HOST[:PORT], and no repository"
        ) from error


def _check(credential: Credential, host: str) -> None:
    if not credential.has_secret:
        raise InputError(f"{host}: nothing to log in with: the password is empty")
    if credential.password and not credential.username:
        raise InputError(f"{host}: a password needs a user")
    if ":" in credential.username:
        raise InputError(f"{host}: a user name has no colon", hint="it ends at the first one (RFC 7617)")


def _helper(config: DockerConfig, host: str, environ: Mapping[str, str]) -> tuple[Helper, str] | None:
    configured = config.helper(host) or config.store(host)
    if configured is None:
        return None
    name, server = configured
    return Helper(name, config.file, environ), server


def _entry(credential: Credential) -> dict[str, str]:
    """An entry of `auths` as docker and oras write it (docker/cli, configfile.encodeAuth)."""
    pair = f"{credential.username}:{credential.password}" if credential.username else ""
    entry = {
        "auth": base64.b64encode(pair.encode()).decode(),
        "identitytoken": credential.identity_token,
        "registrytoken": credential.registry_token,
    }
    return {name: value for name, value in entry.items() if value}


def _put(config: DockerConfig, host: str, entry: dict[str, str]) -> bool:
    auths = config.auths()
    old = {key: auths.pop(key) for key in config.entries_of(host)}
    auths[server_of(host)] = entry
    config.content["auths"] = auths
    # A secret is written in any case: the file may have been open to others.
    return bool(entry) or old != {server_of(host): entry}


def _drop(config: DockerConfig, host: str) -> bool:
    auths, keys = config.auths(), config.entries_of(host)
    for key in keys:
        del auths[key]
    return bool(keys)
