"""Addresses of remotes in git's many spellings, and what in them is secret."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from bob_ci.errors import InputError
from bob_ci.git.text import UNPRINTABLE

LONGEST_URL = 4096
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
# A password that is not at its place, or in an address within the address, as of a proxy.
_ODD_USERINFO = re.compile(r"[^/@]:[^/]*@|/.*https?:/.*@|://[^/?#]*[?#].*@", re.IGNORECASE)
_HOST = r"\[[0-9a-f:.]+\]|[^][/?#@:\\%\s-][^][/?#@:\\%\s]*"
_REST = r"(?:[?#].*)?"
_URL = re.compile(
    rf"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    rf"(?P<host>{_HOST})(?::(?P<port>[0-9]{{0,5}}))?(?:/(?P<path>[^?#]*))?{_REST}",
    re.IGNORECASE,
)
# A host of one letter is a drive of Windows; a second colon, a remote helper of git.
_SCP = re.compile(
    rf"(?:(?P<user>[^@/:]+@)|(?![a-z]:))(?P<host>{_HOST}):(?P<path>[^:?#][^?#]*){_REST}",
    re.IGNORECASE,
)
_PATH_END = re.compile(r"(?:/|\.git)+$")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"
_WEB = {"http", "https", "git+http", "git+https"}
_SHELL = {"ssh", "git", "git+ssh", "ssh+git"}
# `https:/host/path` and `https://https://host/path` are slips of the pen.
_NO_HOSTS = {"file", "http", "https", "ssh"}
_HTTP_PORT = 80
# Where forges accept ssh on port 443; the repository is at the other name.
_SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


class _Remote(NamedTuple):
    host: str
    port: int | None  # of the web server, if not the usual one
    path: str


def _parse_remote(url: str) -> _Remote | None:
    if "://" in url:
        match = _URL.fullmatch(url)
        return _remote_of_url(match) if match and not _ODD_USERINFO.search(url) else None
    match = _SCP.fullmatch(url)
    # `user:password@host:path` reads as a host `user`.
    if not match or (not match["user"] and "@" in match["path"]):
        return None
    return _Remote(match["host"].lower(), None, match["path"])


def _remote_of_url(match: re.Match[str]) -> _Remote | None:
    scheme, host, path = match["scheme"].lower(), match["host"].lower(), match["path"] or ""
    if scheme in _SHELL:
        return _Remote(host, None, path)
    if scheme not in _WEB:
        return None
    port = int(match["port"] or "0")
    is_usual = port in {0, 443} or (port == _HTTP_PORT and not scheme.endswith("https"))
    return _Remote(host, None if is_usual else port, path)


def https_source(url: str) -> str | None:
    """Write the address of a remote as `https://HOST/PATH`; None for a local path or what is no address."""
    url = url.strip(" ")
    odd = len(url) > LONGEST_URL or "\\" in url or UNPRINTABLE.search(url)
    remote = None if odd else _parse_remote(_USERINFO.sub(r"\1", url))
    if remote is None:
        return None
    host = _SSH_HOSTS.get(remote.host, remote.host) if remote.port is None else remote.host
    path = _PATH_END.sub("", remote.path.lstrip("/"))
    if not path or remote.host in _NO_HOSTS or _ODD_USERINFO.search(path):
        return None
    port = f":{remote.port}" if remote.port else ""
    return f"https://{host}{port}/{quote(path, safe=_PATH_CHARACTERS)}"


# A user name alone is no secret where keys open the door, unless it looks like a token.
_KNOWN_PREFIX = r"(?:gh[a-z]_|github_pat_|gl[a-z]{1,6}-)[^/?#@]*"
_HELPER = r"(?:[a-z0-9+.-]+::)?"  # gitremote-helpers(7)
_SECRETS = (
    re.compile(rf"(?i)^({_HELPER}(?:git\+)?https?://)[^/?#]*@"),
    re.compile(rf"(?i)^({_HELPER}[a-z][a-z0-9+.-]*://)(?:[^/?#]*:[^/?#]*|{_KNOWN_PREFIX})@"),
    # The same for user@host:path.
    re.compile(
        rf"(?i)^((?!{_HELPER}[a-z][a-z0-9+.-]*://))(?:[^/@:]*:.*@(?=[^/@]*:)|[^/@:]*:[^/]*@|{_KNOWN_PREFIX}@)"
    ),
    re.compile(r"(?i)([?&#;])[^=?&#;]*(?:token|secret|passw|credential|signature|api_?key)[^=?&#;]*=[^&#;]*"),
)
_SERVER_URL = re.compile(rf"(?i){_HELPER}(?:https?:|(?!file:)[a-z][a-z0-9+.-]*://)")


def without_credentials(source: str) -> str:
    """The address without user names, passwords and tokens.

    Raises:
        InputError: where a password begins and ends cannot be told.
    """
    bare = source
    for secret in _SECRETS:
        bare = secret.sub(r"\1", bare)
    bare = bare if bare == source else bare.rstrip("?&#;")
    # A password with a raw slash or hash ends the host early: where it begins and ends cannot be told.
    url = _USERINFO.sub(r"\1", re.sub(f"(?i)^{_HELPER}", "", bare))
    if _SERVER_URL.match(bare) and (not _URL.fullmatch(url) or _ODD_USERINFO.search(url)):
        raise InputError(
            "--source: no address of the form https://HOST/PATH",
            hint="percent-encode the special characters of a password, or leave it out",
        )
    return bare
