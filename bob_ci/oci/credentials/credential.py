"""A credential as a value. No message and no repr shows its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bob_ci.errors import InputError

# Who has this name has an identity token for a password: docker's in credential helpers
# (docker/cli, credentials/native_store.go), and that of `az acr login --expose-token`.
TOKEN_USER = "<token>"  # noqa: S105 -- a name
_AZURE_USER = "00000000-0000-0000-0000-000000000000"

# Tokens end up in a header or a form; others would be quoted there in an error's text.
_TOKEN = re.compile(r"[!-~]*")


@dataclass(frozen=True)
class Credential:
    """What a registry is shown, and where it came from, for messages.

    `identity_token` is an OAuth2 refresh token; `registry_token` is a bearer token that is sent as it is.

    Raises:
        InputError: A secret has characters that no request can carry.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    origin: str = ""

    def __post_init__(self) -> None:
        where = self.origin or "credential"
        if not (_is_unicode(self.username) and _is_unicode(self.password)):
            raise InputError(f"{where}: user name or password is not UTF-8")
        if not (_TOKEN.fullmatch(self.identity_token) and _TOKEN.fullmatch(self.registry_token)):
            raise InputError(f"{where}: a token has blanks, control or non-ASCII characters")

    @property
    def has_secret(self) -> bool:
        """Whether there is anything to show; a user name alone is nothing."""
        return bool(self.password or self.identity_token or self.registry_token)


def of_pair(username: str, secret: str, origin: str) -> Credential:
    """Give the credential of a user and a password, which is an identity token for users of that name."""
    if username == TOKEN_USER:
        return Credential(identity_token=secret, origin=origin)
    if username == _AZURE_USER:
        return Credential(username, identity_token=secret, origin=origin)
    return Credential(username, secret, origin=origin)


def _is_unicode(text: str) -> bool:
    # Bytes of the command line that are not UTF-8 arrive as lone surrogates.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
