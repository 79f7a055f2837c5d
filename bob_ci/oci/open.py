"""References → stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bob_ci.oci.layout import LayoutStore
from bob_ci.oci.reference import LayoutReference, Reference, RegistryReference, is_loopback
from bob_ci.oci.store import Store


@dataclass(frozen=True)
class Connection:
    """How to reach registries; image layouts need none of it.

    Attributes:
        environ: where credentials are looked for, besides files.
        plain_http: without TLS, also to other machines; to this one it is implied.
        verify_tls: whether the registry's certificate is checked.
        ca_file: further authorities to trust, PEM.
        cert_file, key_file: our own certificate and its key, PEM.
        creds: `USER[:PASSWORD]`.
        password: the password where `creds` has none.
        registry_config: the one file with credentials to look into.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    plain_http: bool = False
    verify_tls: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    creds: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    registry_config: Path | None = None


def open_store(reference: Reference, connection: Connection | None = None) -> Store:
    """The store that a reference is in. Nothing is read, made or asked yet.

    Raises:
        BobError: the credentials for a registry cannot be read.
    """
    if isinstance(reference, LayoutReference):
        return LayoutStore(reference.directory)
    return _registry(reference, connection or Connection())


def _registry(reference: RegistryReference, connection: Connection) -> Store:
    from bob_ci.oci.auth import Authorizer
    from bob_ci.oci.credentials import default_source
    from bob_ci.oci.http import Client, Tls
    from bob_ci.oci.registry import RegistryStore

    source = default_source(
        connection.environ,
        creds=connection.creds,
        password=connection.password,
        registry_config=connection.registry_config,
    )
    tls = Tls(connection.verify_tls, connection.ca_file, connection.cert_file, connection.key_file)
    client = Client(reference.registry, tls)
    credential = source.find(reference.registry, reference.repository)
    authorizer = Authorizer(client, reference.repository, credential)
    plain = connection.plain_http or (is_loopback(reference.registry) and not _asks_for_tls(connection))
    return RegistryStore(client, reference.repository, authorizer, plain)


def _asks_for_tls(connection: Connection) -> bool:
    """Whether a flag makes sense with TLS alone: then it is meant for this machine too."""
    return bool(connection.ca_file or connection.cert_file or not connection.verify_tls)
