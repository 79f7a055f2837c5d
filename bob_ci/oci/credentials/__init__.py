"""Credentials for registries, found and stored where docker, oras and podman have them."""

from bob_ci.oci.credentials.credential import Credential
from bob_ci.oci.credentials.logins import login, logout
from bob_ci.oci.credentials.source import CredentialSource, default_source

__all__ = ["Credential", "CredentialSource", "default_source", "login", "logout"]
