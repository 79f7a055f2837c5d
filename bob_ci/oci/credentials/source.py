"""Where credentials come from, and in which order."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bob_ci.errors import InputError
from bob_ci.oci.credentials.config import DockerConfig, host_of
from bob_ci.oci.credentials.credential import Credential, of_pair
from bob_ci.oci.credentials.helper import Helper

_GITHUB_REGISTRY = "ghcr.io"
# GitHub's packages look at the token alone; Apps and Actions give this name with theirs.
_GITHUB_USER = "x-access-token"
_CREDS_HINT = "--creds USER:PASSWORD, or --creds USER --password-stdin"


class CredentialSource(Protocol):
    """Something that may know a credential."""

    def find(self, registry: str, repository: str) -> Credential | None:
        """Give the credential for a repository of a registry (`HOST[:PORT]`), or None.

        Files are read and helpers are asked at each call: what they give can expire.

        Raises:
            BobError: A file or a helper that is asked is broken.
        """
        ...


@dataclass(frozen=True)
class GivenSource:
    """A credential from the command line, for any registry that is asked for."""

    credential: Credential

    def find(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002
        """Give it."""
        return self.credential


@dataclass(frozen=True)
class FileSource:
    """One config file: the registry's own helper, then the file's entries, then the helper for all."""

    file: Path
    environ: Mapping[str, str] = field(repr=False)

    def find(self, registry: str, repository: str) -> Credential | None:
        """Give the first that has a secret."""
        config = DockerConfig.read(self.file)
        host = host_of(registry)
        return (
            self._ask(config.helper(host))
            or config.credential(host, repository)
            or self._ask(config.store(host))
        )

    def _ask(self, configured: tuple[str, str] | None) -> Credential | None:
        if configured is None:
            return None
        name, server = configured
        return Helper(name, self.file, self.environ).get(server)


@dataclass(frozen=True)
class GithubSource:
    """The token of a GitHub Actions job, for GitHub's registry."""

    environ: Mapping[str, str] = field(repr=False)

    def find(self, registry: str, repository: str) -> Credential | None:  # noqa: ARG002
        """Give it for that registry, and for no other."""
        token = self.environ.get("GITHUB_TOKEN")
        if not token or host_of(registry) != _GITHUB_REGISTRY:
            return None
        return Credential(self.environ.get("GITHUB_ACTOR") or _GITHUB_USER, token, origin="GITHUB_TOKEN")


@dataclass(frozen=True)
class ChainedSource:
    """Several, one after the other."""

    sources: tuple[CredentialSource, ...]

    def find(self, registry: str, repository: str) -> Credential | None:
        """Give what the first that knows one knows."""
        found = (source.find(registry, repository) for source in self.sources)
        return next((credential for credential in found if credential), None)


def default_source(
    environ: Mapping[str, str],
    *,
    creds: str | None = None,
    password: str | None = None,
    registry_config: Path | None = None,
) -> CredentialSource:
    """Give the source that the flags and the environment say.

    `creds` is what `--creds` has; nothing else is asked then. `password` is what stdin has with
    `--password-stdin`; a line end at its end is not part of it, as docker has it. `registry_config` is then
    the only file, as in oras. Else these are asked: `$REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json` or
    `~/.docker/config.json`, podman's files. The token of a GitHub job comes last.

    Raises:
        InputError: `--creds` and `--password-stdin` do not make one user with one password.
    """
    if creds is not None or password is not None:
        return GivenSource(_given(creds, password))
    files = (registry_config,) if registry_config else _files(environ)
    return ChainedSource((*(FileSource(file, environ) for file in files), GithubSource(environ)))


def login_file(environ: Mapping[str, str], registry_config: Path | None) -> Path:
    """Give the file that a login goes to: the first that is asked, so that the login is what counts.

    Raises:
        InputError: The user has no home.
    """
    file = registry_config or next(_docker_files(environ), None)
    if file is None:
        raise InputError("no home directory to log in", hint="set HOME, DOCKER_CONFIG or --registry-config")
    return file


def _given(creds: str | None, password: str | None) -> Credential:
    # What was given is not shown: a token without its user looks like a user.
    username, _, secret = (creds or "").partition(":")
    piped = (password or "").removesuffix("\n").removesuffix("\r")
    if not username:
        raise InputError("--creds: the user is missing", hint=_CREDS_HINT)
    if secret and password is not None:
        raise InputError("--creds has a password, and --password-stdin is another", hint=_CREDS_HINT)
    if not (secret or piped):
        empty = "is empty" if password is not None or creds != username else "is missing"
        raise InputError(f"--creds: the password {empty}", hint=_CREDS_HINT)
    return of_pair(username, secret or piped, "--creds")


def _files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys([*_docker_files(environ), *_podman_files(environ)]))


def _docker_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Give the named file, and docker's own (docker/cli, config.Dir)."""
    if named := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if folder := environ.get("DOCKER_CONFIG"):
        yield Path(folder, "config.json")
    elif home := _home(environ):
        yield home / ".docker" / "config.json"


def _podman_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Give podman's own places (containers-auth.json(5)); without a session its runtime directory is /run."""
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    else:
        yield Path("/run/containers", str(os.getuid()), "auth.json")
    if settings := environ.get("XDG_CONFIG_HOME"):
        yield Path(settings, "containers", "auth.json")
    elif home := _home(environ):
        yield home / ".config" / "containers" / "auth.json"


def _home(environ: Mapping[str, str]) -> Path | None:
    if home := environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None
