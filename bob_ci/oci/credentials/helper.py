"""Credential helpers: programs `docker-credential-NAME` that keep secrets for docker, oras, podman and us.

Source: docker/docker-credential-helpers, `client` and `credentials`. A helper gets a verb as argument and the
rest on stdin. It answers on stdout, also with its errors. What it wrote is never an error's cause or context.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bob_ci.errors import BobError, InputError
from bob_ci.oci.credentials.credential import TOKEN_USER, Credential, of_pair

# Time for a cloud's helper to fetch a token; one that waits for a person gets an end.
_SECONDS = 10.0
_ABSENT = "credentials not found in native keychain"
# One file name, and no more: a config file must not lead to any program (no slash, no "..").
_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
# A line with one of these may go on with what no log should have.
_SECRETIVE = re.compile(
    r"\b(secret|password|token|auth|credential)s?\b\W{0,4}[:=]|\b(bearer|basic)\s|://[^/\s]*@", re.IGNORECASE
)
_TOKEN_LIKE = re.compile(r"[\w+=-]{32,}", re.ASCII)
_NO_LETTER = re.compile(r"\W")
_MAX_LINE = 200


@dataclass(frozen=True)
class Helper:
    """One helper of one config file.

    Raises:
        InputError: The name is not one that a program's can end in.
    """

    name: str
    file: Path
    environ: Mapping[str, str] = field(repr=False)
    seconds: float = _SECONDS

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} is no name of a credential helper",
                file=str(self.file),
                hint="NAME stands for the program docker-credential-NAME on PATH",
            )

    @property
    def program(self) -> str:
        """The program's name, which is also where its credentials come from."""
        return f"docker-credential-{self.name}"

    def get(self, server: str) -> Credential | None:
        """Ask for a registry's credential; None if the helper has none, or one without a secret.

        Raises:
            BobError: The helper is missing, fails, takes too long, or answers what is no credential.
        """
        done = self._run("get", server)
        if _is_absent(done):
            return None
        self._check(done, f"get {server}")
        pair = _pair(done.stdout)
        if pair is None:
            raise BobError(f"{self.program}: get {server}: the answer is no JSON with Username and Secret")
        found = of_pair(*pair, self.program)
        return found if found.has_secret else None

    def store(self, server: str, credential: Credential) -> None:
        """Give the helper a credential to keep, in place of the one it has.

        Raises:
            BobError: As for `get`; or it is a bearer token, for which helpers have no place.
        """
        if credential.registry_token:
            raise BobError(f"{self.program}: store {server}: helpers keep no bearer tokens")
        secret = credential.identity_token or credential.password
        username = TOKEN_USER if credential.identity_token else credential.username
        request = {"ServerURL": server, "Username": username, "Secret": secret}
        self._check(self._run("store", json.dumps(request)), f"store {server}", secret)

    def erase(self, server: str) -> None:
        """Let the helper forget a registry's credential.

        Raises:
            BobError: As for `get`.
        """
        done = self._run("erase", server)
        if not _is_absent(done):
            self._check(done, f"erase {server}")

    def _run(self, verb: str, text: str) -> subprocess.CompletedProcess[bytes]:
        command = [self._find(), verb]
        problem = f"no answer in {self.seconds:g} seconds"
        hint = "it may wait for a passphrase: unlock what it keeps, then try again"
        try:
            return subprocess.run(
                command,
                input=text.encode(),
                capture_output=True,
                check=False,
                timeout=self.seconds,
                env=dict(self.environ),
            )
        except OSError as error:
            problem, hint = error.strerror or "cannot be run", ""
        except subprocess.TimeoutExpired:
            pass
        # Raised here, and not above: the expired one has what the helper wrote.
        raise BobError(f"{self.program}: {verb}: {problem}", hint=hint or None)

    def _find(self) -> str:
        found = shutil.which(self.program, path=self.environ.get("PATH", os.defpath))
        # Not one that happens to lie in the working directory (Go's exec.ErrDot).
        if found is None or not Path(found).is_absolute():
            raise BobError(
                f"{self.program}: not on PATH, and {self.file} asks for it",
                hint="install it, or take it out of credsStore and credHelpers in that file",
            )
        return found

    def _check(self, done: subprocess.CompletedProcess[bytes], tried: str, secret: str = "") -> None:
        if done.returncode:
            line = _first_line(done, secret)
            raise BobError(f"{self.program}: {tried}: exit {done.returncode}" + (f": {line}" if line else ""))


def _is_absent(done: subprocess.CompletedProcess[bytes]) -> bool:
    # Some write it to stderr, or after a warning.
    lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
    return any(line.strip() == _ABSENT for line in lines)


def _first_line(done: subprocess.CompletedProcess[bytes], secret: str) -> str:
    """What the helper says went wrong, as far as no secret can be in it."""
    text = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace")
    line = text.partition("\n")[0].strip()
    # A helper that fails halfway has perhaps written its answer, or what it was given.
    if line.startswith("{") or _SECRETIVE.search(line) or (secret and _holds(text, secret)):
        return ""
    shown = "".join(char for char in line if char.isprintable())
    return _TOKEN_LIKE.sub("…", shown)[:_MAX_LINE]


def _holds(text: str, secret: str) -> bool:
    """Whether a text has the secret, however quoted or folded."""
    letters = _NO_LETTER.sub("", text)
    return any(_NO_LETTER.sub("", form) in letters for form in (secret, json.dumps(secret)))


def _pair(data: bytes) -> tuple[str, str] | None:
    try:
        answer: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    username, secret = answer.get("Username", ""), answer.get("Secret", "")
    return (username, secret) if isinstance(username, str) and isinstance(secret, str) else None
