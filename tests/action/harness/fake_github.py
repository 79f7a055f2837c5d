"""A fake of the two GitHub endpoints an action talks to; every request is appended to LOG as a JSON line.

POST /repos/{owner}/{repo}/statuses/{sha}   commit status  -> 201 (401 without the right token)
GET  /oidc?...&audience=X                   the OIDC token endpoint of a job with `id-token: write`
Usage: python3 fake_github.py LOG PORTFILE   (binds a free port of 127.0.0.1 and writes it to PORTFILE)
"""

from __future__ import annotations

import base64
import hmac
import json
import re
import sys
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "fake-github-token"
OIDC_TOKEN = "fake-oidc-request-token"
STATUS = re.compile(r"/repos/[^/]+/[^/]+/statuses/[0-9a-f]{40}")


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def jwt(audience: str) -> str:
    """HS256 only: enough to be parsed; a verifier needs the RS256 of tests/peers/sigstore-local."""
    claims = {
        "iss": "http://127.0.0.1/fake",
        "aud": audience,
        "sub": "repo:example-org/sample:ref:refs/heads/main",
        "repository": "example-org/sample",
        "iat": int(time.time()),
        "exp": int(time.time()) + 300,
    }
    signed = encoded(b'{"alg":"HS256","typ":"JWT"}') + b"." + encoded(json.dumps(claims).encode())
    return (signed + b"." + encoded(hmac.digest(b"k", signed, "sha256"))).decode()


class Handler(BaseHTTPRequestHandler):
    log: Path

    def do_GET(self) -> None:
        url, _ = self.recorded()
        if url.path != "/oidc":
            self.answer(404, {"message": "Not Found"})
        elif self.token() != OIDC_TOKEN:
            self.answer(401, {})
        else:
            asked = urllib.parse.parse_qs(url.query).get("audience")
            self.answer(200, {"value": jwt(asked[0] if asked else "https://github.com/example-org")})

    def do_POST(self) -> None:
        url, body = self.recorded()
        if not STATUS.fullmatch(url.path):
            self.answer(404, {"message": "Not Found"})
        elif self.token() != TOKEN:
            self.answer(401, {"message": "Bad credentials"})
        else:
            self.answer(201, body)

    def do_PATCH(self) -> None:
        self.recorded()
        self.answer(404, {"message": "Not Found"})

    def token(self) -> str:
        return (self.headers.get("Authorization") or "").split(" ")[-1]

    def recorded(self) -> tuple[urllib.parse.SplitResult, object]:
        url = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else None
        line = {
            "method": self.command,
            "path": url.path,
            "query": url.query,
            "auth": self.token(),
            "body": body,
        }
        with self.log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        return url, body

    def answer(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        pass


def main() -> None:
    Handler.log, port_file = Path(sys.argv[1]), Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    part = port_file.with_name(port_file.name + ".part")
    part.write_text(str(server.server_address[1]))
    part.rename(port_file)  # whoever waits for the file reads a whole number
    server.serve_forever()


if __name__ == "__main__":
    main()
