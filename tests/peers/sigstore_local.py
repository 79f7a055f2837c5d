#!/usr/bin/env python3
"""A whole Sigstore on loopback: OIDC issuer, Fulcio, CT log, Rekor v2, timestamp authority.

  sigstore-local start DIR [--port BASE] [--own-issuer] [--claim NAME=VALUE]...   then: . DIR/env
  sigstore-local stop DIR
  sigstore-local token DIR [NAME=VALUE]...     print an identity token with these claims
  sigstore-local registry DIR                  (also) start two registries

The issuer calls itself by GitHub's name: only the Fulcio started here is told, as its HTTPS proxy and by a
CA of its own, that this address is at home. With --own-issuer it is http://127.0.0.1:PORT.

Needs the Python package cryptography, and the programs that `make peers` puts into $PEERS_BIN.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import io
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

HOST = "127.0.0.1"
GITHUB = "token.actions.githubusercontent.com"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
START = NOW - dt.timedelta(hours=1)
END = NOW + dt.timedelta(days=365)
PORTS = (
    "oidc",
    "fulcio",
    "fulcio_grpc",
    "fulcio_metrics",
    "ctlog",
    "rekor",
    "rekor_grpc",
    "rekor_metrics",
    "tsa",
    "registry",
    "distribution",
    "distribution_debug",
)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_number(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def peer(name: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("PEERS_BIN") or Path(cache) / "bob-peers" / "bin") / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make peers` first")
    return path


# --- The OIDC issuer, which is also GitHub's token endpoint for a job ---------------------------


def github_claims(over: Mapping[str, str]) -> dict[str, object]:
    """The claims of a GitHub Actions token; those that follow from others follow the overrides."""
    repo = over.get("repository", "example-org/example-repo")
    ref = over.get("ref", "refs/heads/main")
    sha = over.get("sha", hashlib.sha1(repo.encode()).hexdigest())
    workflow_ref = f"{repo}/.github/workflows/release.yml@{ref}"
    return {
        "sub": f"repo:{repo}:ref:{ref}",
        "repository": repo,
        "repository_owner": repo.split("/")[0],
        "repository_id": "1001",
        "repository_owner_id": "2002",
        "repository_visibility": "public",
        "ref": ref,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "ref_protected": "true",
        "sha": sha,
        "workflow": "release",
        "workflow_ref": workflow_ref,
        "workflow_sha": sha,
        "job_workflow_ref": workflow_ref,
        "job_workflow_sha": sha,
        "event_name": "push",
        "run_id": "3003",
        "run_number": "7",
        "run_attempt": "1",
        "actor": "octocat",
        "actor_id": "4004",
        "head_ref": "",
        "base_ref": "",
        "runner_environment": "github-hosted",
        **over,
    }


class Issuer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tls: ssl.SSLContext
    url: str
    key: rsa.RSAPrivateKey
    bearer: str
    claims: dict[str, str]

    def mint(self, over: dict[str, str]) -> str:
        now = int(time.time())
        body = {
            "iss": self.url,
            "aud": "sigstore",
            "jti": secrets.token_hex(8),
            "iat": now,
            "nbf": now - 5,
            "exp": now + int(over.pop("lifetime", "600")),
            **github_claims({**self.claims, **over}),
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": "local"}
        signed = ".".join(b64url(json.dumps(part).encode()) for part in (head, body))
        return signed + "." + b64url(self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

    def answer(self, code: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_CONNECT(self) -> None:
        """As Fulcio's proxy, be the host that it asks for."""
        if self.path != f"{GITHUB}:443":
            self.answer(403, {"message": "not a way out"})
            return
        self.send_response(200)
        self.end_headers()
        connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.connection, self.rfile = connection, connection.makefile("rb")
        self.wfile = cast(io.BufferedIOBase, connection.makefile("wb", 0))

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path == "/.well-known/openid-configuration":
            self.answer(200, self.configuration())
        elif url.path == "/jwks":
            self.answer(200, {"keys": [self.jwk()]})
        elif url.path == "/mint":
            self.answer(200, {"value": self.mint(query)})
        elif url.path == "/actions/token":
            self.answer(*self.job_token(query))
        else:
            self.answer(404, {"message": "not found"})

    def configuration(self) -> Json:
        return {
            "issuer": self.url,
            "jwks_uri": self.url + "/jwks",
            "authorization_endpoint": self.url + "/auth",
            "token_endpoint": self.url + "/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid"],
        }

    def jwk(self) -> Json:
        numbers = self.key.public_key().public_numbers()
        fixed = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "local"}
        return {**fixed, "n": b64url_number(numbers.n), "e": b64url_number(numbers.e)}

    def job_token(self, query: dict[str, str]) -> tuple[int, Json]:
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secrets.compare_digest(token, self.bearer):
            return 401, {"message": "bad or missing bearer token"}
        owner = github_claims(self.claims)["repository_owner"]
        jwt = self.mint({"aud": query.get("audience") or f"https://github.com/{owner}"})
        return 200, {"count": len(jwt), "value": jwt}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        print(format % args, flush=True)


def serve_issuer(state: Path) -> None:
    conf = json.loads((state / "issuer.json").read_text())
    Issuer.url, Issuer.bearer, Issuer.claims = conf["url"], conf["bearer"], conf["claims"]
    key = ser.load_pem_private_key((state / "oidc.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    Issuer.key = key
    Issuer.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Issuer.tls.load_cert_chain(state / "github.pem", state / "github.key")
    ThreadingHTTPServer((HOST, conf["port"]), Issuer).serve_forever()


# --- Keys and certificates ----------------------------------------------------------------------


def save_key(path: Path, key: PrivateKey, password: bytes | None = None) -> None:
    crypt = ser.BestAvailableEncryption(password) if password else ser.NoEncryption()
    form = ser.PrivateFormat.TraditionalOpenSSL if password else ser.PrivateFormat.PKCS8
    path.touch(0o600)
    path.write_bytes(key.private_bytes(ser.Encoding.PEM, form, crypt))


def spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(ser.Encoding.DER, ser.PublicFormat.SubjectPublicKeyInfo)


KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def key_usage(*wanted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in wanted for name in KEY_USAGES})


@dataclass(frozen=True)
class Holder:
    """A private key, its certificate, and those above it."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        return b"".join(certificate.public_bytes(ser.Encoding.PEM) for certificate in self.chain)

    def described(self, uri: str) -> Json:
        """The entry of a trusted root."""
        name = self.chain[-1].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        raw = [{"rawBytes": b64(certificate.public_bytes(ser.Encoding.DER))} for certificate in self.chain]
        return {
            "subject": {"organization": "sigstore-local", "commonName": name},
            "uri": uri,
            "validFor": {"start": stamp(START)},
            "certChain": {"certificates": raw},
        }


def authority(
    name: str, *, path_length: int, by: Holder | None = None, purpose: ObjectIdentifier | None = None
) -> Holder:
    key = new_key()
    limits = x509.BasicConstraints(ca=True, path_length=path_length)
    build = certificate(name, key, by).add_extension(limits, critical=True)
    build = build.add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
    if purpose:
        build = build.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return signed(build, key, by)


def leaf(name: str, by: Holder, purpose: ObjectIdentifier, dns: str | None = None) -> Holder:
    key = new_key()
    limits = x509.BasicConstraints(ca=False, path_length=None)
    build = certificate(name, key, by).add_extension(limits, critical=True)
    build = build.add_extension(key_usage("digital_signature"), critical=True)
    build = build.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    if dns:
        build = build.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return signed(build, key, by)


def certificate(name: str, key: ec.EllipticCurvePrivateKey, by: Holder | None) -> x509.CertificateBuilder:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore-local"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    above = (by.key if by else key).public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.chain[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    )


def signed(build: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, by: Holder | None) -> Holder:
    made = build.sign(by.key if by else key, hashes.SHA256())
    return Holder(key, (made, *(by.chain if by else ())))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def stamp(when: dt.datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")


class Keys:
    """All the keys and certificates of one stack."""

    def __init__(self) -> None:
        self.oidc = rsa.generate_private_key(65537, 2048)
        self.ctlog = new_key()
        self.rekor = ed25519.Ed25519PrivateKey.generate()
        root = authority("fulcio root", path_length=1)
        code = ExtendedKeyUsageOID.CODE_SIGNING
        self.fulcio = authority("fulcio intermediate", path_length=0, by=root, purpose=code)
        tsa_root = authority("timestamp root", path_length=0)
        self.tsa = leaf("timestamp authority", tsa_root, ExtendedKeyUsageOID.TIME_STAMPING)
        self.web_root = authority("web root", path_length=0)
        self.github = leaf(GITHUB, self.web_root, ExtendedKeyUsageOID.SERVER_AUTH, dns=GITHUB)

    @property
    def rekor_id(self) -> bytes:
        """The C2SP signed-note key ID, untruncated."""
        return hashlib.sha256(HOST.encode() + b"\n\x01" + self.rekor.public_key().public_bytes_raw()).digest()

    def save(self, state: Path) -> None:
        save_key(state / "oidc.key", self.oidc)
        save_key(state / "ctlog.key", self.ctlog)
        save_key(state / "rekor.key", self.rekor)
        save_key(state / "tsa.key", self.tsa.key)
        save_key(state / "github.key", self.github.key)
        save_key(state / "fulcio.key", self.fulcio.key, b"local")
        (state / "fulcio.pem").write_bytes(self.fulcio.pem)
        (state / "tsa.pem").write_bytes(self.tsa.pem)
        (state / "github.pem").write_bytes(self.github.pem)
        (state / "web-root.pem").write_bytes(self.web_root.pem)


# --- What clients are told ----------------------------------------------------------------------


def tlog(url: str, key: PrivateKey, details: str, log_id: bytes) -> Json:
    public = {"rawBytes": b64(spki(key)), "keyDetails": details, "validFor": {"start": stamp(START)}}
    return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "logId": {"keyId": b64(log_id)}, "publicKey": public}


def trusted_root(keys: Keys, url: Mapping[str, str]) -> Json:
    ctlog_id = hashlib.sha256(spki(keys.ctlog)).digest()
    return {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [tlog(url["rekor"], keys.rekor, "PKIX_ED25519", keys.rekor_id)],
        "certificateAuthorities": [keys.fulcio.described(url["fulcio"])],
        "ctlogs": [tlog(url["ctlog"], keys.ctlog, "PKIX_ECDSA_P256_SHA_256", ctlog_id)],
        "timestampAuthorities": [keys.tsa.described(url["tsa"] + "/api/v1/timestamp")],
    }


def service(address: str, version: int) -> list[Json]:
    valid = {"start": stamp(START)}
    return [{"url": address, "majorApiVersion": version, "validFor": valid, "operator": "sigstore-local"}]


def signing_config(url: Mapping[str, str]) -> Json:
    return {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": service(url["fulcio"], 1),
        "oidcUrls": service(url["oidc"], 1),
        "rekorTlogUrls": service(url["rekor"], 2),
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": service(url["tsa"] + "/api/v1/timestamp", 1),
        "tsaConfig": {"selector": "ANY"},
    }


FULCIO_CONFIG = """\
oidc-issuers:
  {issuer}:
    issuer-url: {issuer}
    client-id: sigstore
    type: ci-provider
    ci-provider: github-workflow
    contact: nobody@example.com
    description: "local GitHub Actions issuer"
ci-issuer-metadata:
  github-workflow:
    default-template-values:
      url: "https://github.com"
      environment: ""
    extension-templates:
      github-workflow-trigger: "event_name"
      github-workflow-sha: "sha"
      github-workflow-name: "workflow"
      github-workflow-repository: "repository"
      github-workflow-ref: "ref"
      build-signer-uri: "{{{{ .url }}}}/{{{{ .job_workflow_ref }}}}"
      build-signer-digest: "job_workflow_sha"
      runner-environment: "runner_environment"
      source-repository-uri: "{{{{ .url }}}}/{{{{ .repository }}}}"
      source-repository-digest: "sha"
      source-repository-ref: "ref"
      source-repository-identifier: "repository_id"
      source-repository-owner-uri: "{{{{ .url }}}}/{{{{ .repository_owner }}}}"
      source-repository-owner-identifier: "repository_owner_id"
      build-config-uri: "{{{{ .url }}}}/{{{{ .workflow_ref }}}}"
      build-config-digest: "workflow_sha"
      build-trigger: "event_name"
      run-invocation-uri: "{{{{ .url }}}}/{{{{ .repository }}}}/actions/runs/\
{{{{ .run_id }}}}/attempts/{{{{ .run_attempt }}}}"
      source-repository-visibility-at-signing: "repository_visibility"
      deployment-environment: "environment"
    subject-alternative-name-template: "{{{{ .url }}}}/{{{{ .job_workflow_ref }}}}"
"""


# --- The servers --------------------------------------------------------------------------------


def pick_ports(base: int | None) -> dict[str, int]:
    if base:
        return {name: base + i for i, name in enumerate(PORTS)}
    probes = {name: socket.socket() for name in PORTS}
    for probe in probes.values():
        probe.bind((HOST, 0))
    ports = {name: probe.getsockname()[1] for name, probe in probes.items()}
    for probe in probes.values():
        probe.close()
    return ports


def spawn(state: Path, name: str, *command: object, **env: str) -> None:
    with (state / f"{name}.log").open("ab") as log:
        server = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=state,
            start_new_session=True,
            env={**os.environ, **env},
        )
    (state / f"{name}.pid").write_text(str(server.pid))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait(state: Path, name: str, url: str) -> None:
    pid = int((state / f"{name}.pid").read_text())
    for _ in range(150):
        answered = answers(url)
        if os.waitpid(pid, os.WNOHANG)[0]:
            break
        if answered:
            return
        time.sleep(0.1)
    tail = (state / f"{name}.log").read_text(errors="replace").splitlines()[-15:]
    raise SystemExit(f"{name} did not come up:\n" + "\n".join(tail))


@dataclass(frozen=True)
class Stack:
    root: Path
    ports: Mapping[str, int]
    claims: Mapping[str, str]
    own_issuer: bool

    @property
    def state(self) -> Path:
        return self.root / "state"

    @cached_property
    def url(self) -> dict[str, str]:
        return {name: f"http://{HOST}:{port}" for name, port in self.ports.items()}

    @property
    def issuer_url(self) -> str:
        return self.url["oidc"] if self.own_issuer else f"https://{GITHUB}"

    def write(self, keys: Keys, bearer: str) -> None:
        keys.save(self.state)
        (self.state / "fulcio.yaml").write_text(FULCIO_CONFIG.format(issuer=self.issuer_url))
        conf = {"url": self.issuer_url, "port": self.ports["oidc"], "bearer": bearer, "claims": self.claims}
        (self.state / "issuer.json").write_text(json.dumps(conf))
        trust, signing = trusted_root(keys, self.url), signing_config(self.url)
        media_type = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        for name, document in {
            "trusted_root": trust,
            "signing_config": signing,
            "trust_config": {"mediaType": media_type, "trustedRoot": trust, "signingConfig": signing},
            "ports": self.ports,
        }.items():
            (self.root / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")

    def launch(self) -> None:
        spawn(self.state, "issuer", sys.executable, Path(__file__).resolve(), "issuer", self.state)
        self.launch_ctlog()
        self.launch_tsa()
        self.launch_rekor()
        wait(self.state, "issuer", self.url["oidc"] + "/jwks")
        wait(self.state, "ctlog", self.url["ctlog"] + "/healthz")
        self.launch_fulcio()  # asks issuer and log at once
        wait(self.state, "fulcio", self.url["fulcio"] + "/api/v2/trustBundle")
        wait(self.state, "tsa", self.url["tsa"] + "/ping")
        wait(self.state, "rekor", self.url["rekor"] + "/healthz")

    def launch_ctlog(self) -> None:
        options = {"-addr": f"{HOST}:{self.ports['ctlog']}", "-key": "ctlog.key", "-store": "ctlog.txt"}
        spawn(self.state, "ctlog", peer("ctlog"), *flat(options))

    def launch_tsa(self) -> None:
        options = {"-port": self.ports["tsa"], "-key": "tsa.key", "-chain": "tsa.pem"}
        spawn(self.state, "tsa", peer("timestamp-server"), *flat(options))

    def launch_rekor(self) -> None:
        options = {
            "--http-address": HOST,
            "--http-port": self.ports["rekor"],
            "--grpc-address": HOST,
            "--grpc-port": self.ports["rekor_grpc"],
            "--http-metrics-port": self.ports["rekor_metrics"],
            # The origin must be the host of its baseUrl, without the port: sigstore-go checks that.
            "--hostname": HOST,
            "--storage-dir": self.state / "rekor",
            "--signer-filepath": "rekor.key",
            "--checkpoint-interval": "100ms",
            "--batch-max-age": "50ms",
        }
        spawn(self.state, "rekor", peer("rekor-server"), "serve", *flat(options))

    def launch_fulcio(self) -> None:
        options = {
            "--ca": "fileca",
            "--fileca-cert": "fulcio.pem",
            "--fileca-key": "fulcio.key",
            "--fileca-key-passwd": "local",
            "--config-path": "fulcio.yaml",
            "--ct-log-url": self.url["ctlog"],
            "--host": HOST,
            "--port": self.ports["fulcio"],
            "--grpc-host": HOST,
            "--grpc-port": self.ports["fulcio_grpc"],
            "--metrics-port": self.ports["fulcio_metrics"],
            "--legacy-unix-domain-socket": "fulcio.sock",
        }
        spawn(
            self.state,
            "fulcio",
            peer("fulcio"),
            "serve",
            "--fileca-watch=false",
            *flat(options),
            HTTPS_PROXY=self.url["oidc"],
            NO_PROXY=HOST,
            SSL_CERT_FILE=str(self.state / "web-root.pem"),
        )

    def write_env(self, bearer: str) -> None:
        env = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": self.url["oidc"] + "/actions/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer,
            "TRUSTED_ROOT": self.root / "trusted_root.json",
            "SIGNING_CONFIG": self.root / "signing_config.json",
            "TRUST_CONFIG": self.root / "trust_config.json",
            "OIDC_ISSUER": self.issuer_url,
            "CERT_IDENTITY": f"https://github.com/{github_claims(self.claims)['job_workflow_ref']}",
            "FULCIO_URL": self.url["fulcio"],
            "REKOR_URL": self.url["rekor"],
            "CTLOG_URL": self.url["ctlog"],
            "TSA_URL": self.url["tsa"] + "/api/v1/timestamp",
            "TSA_CHAIN": self.state / "tsa.pem",
        }
        lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in env.items()]
        lines += [f"export {k}={HOST},localhost${{{k}:+,${k}}}\n" for k in ("NO_PROXY", "no_proxy")]
        (self.root / "env").write_text("".join(lines))


def flat(options: Mapping[str, object]) -> list[object]:
    return [word for option in options.items() for word in option]


def alive(pidfile: Path) -> int:
    """The process's id if it still is the one that this script started, else 0."""
    try:
        pid = int(pidfile.read_text())
        where = Path(f"/proc/{pid}/cwd").readlink()
        return pid if where == pidfile.parent.resolve() and os.getpgid(pid) == pid else 0
    except (OSError, ValueError):
        return 0


# --- The commands -------------------------------------------------------------------------------


def start(stack: Stack) -> None:
    if any(alive(file) for file in stack.state.glob("*.pid")):
        raise SystemExit(f"already running in {stack.root}")
    for name in ("fulcio", "ctlog", "rekor-server", "timestamp-server"):
        peer(name)
    shutil.rmtree(stack.state, ignore_errors=True)
    stack.state.mkdir(parents=True)
    bearer = secrets.token_hex(16)
    stack.write(Keys(), bearer)
    try:
        stack.launch()
    except BaseException:
        stop(stack.root)
        raise
    stack.write_env(bearer)
    print(f"Sigstore runs. Next: . {shlex.quote(str(stack.root / 'env'))}")


def start_registries(root: Path) -> None:
    """REGISTRY has the referrers API; REGISTRY_OLD, a CNCF distribution, has not."""
    state, ports = root / "state", json.loads((root / "ports.json").read_text())
    if alive(state / "registry.pid"):
        return
    old = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"inmemory": {}, "delete": {"enabled": True}},
        "http": {"addr": f"{HOST}:{ports['distribution']}"},
    }
    (state / "distribution.yml").write_text(json.dumps(old))
    spawn(state, "registry", peer("crane-registry"), "-addr", f"{HOST}:{ports['registry']}")
    spawn(state, "distribution", peer("distribution"), "serve", "distribution.yml")
    with (root / "env").open("a") as env:
        for name, variable in (("registry", "REGISTRY"), ("distribution", "REGISTRY_OLD")):
            wait(state, name, f"http://{HOST}:{ports[name]}/v2/")
            env.write(f"export {variable}={HOST}:{ports[name]}\n")


def stop(root: Path) -> None:
    files = list((root / "state").glob("*.pid"))
    for sig in (signal.SIGTERM, signal.SIGKILL):
        for pid in filter(None, map(alive, files)):
            os.kill(pid, sig)
        for _ in range(30):
            if not any(map(alive, files)):
                break
            time.sleep(0.1)
    for file in files:
        file.unlink()


def print_token(root: Path, claims: Mapping[str, str]) -> None:
    conf = json.loads((root / "state" / "issuer.json").read_text())
    query = urllib.parse.urlencode(claims)
    with urllib.request.urlopen(f"http://{HOST}:{conf['port']}/mint?{query}", timeout=10) as answer:
        print(json.load(answer)["value"])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sigstore-local", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["start", "stop", "token", "registry", "issuer"])
    parser.add_argument("dir", type=Path)
    parser.add_argument("claims", nargs="*", metavar="NAME=VALUE")
    parser.add_argument("--port", type=int, help=f"use {len(PORTS)} ports from this one on; else free ones")
    parser.add_argument("--own-issuer", action="store_true", help="do not use GitHub's name")
    parser.add_argument("--claim", action="append", default=[], metavar="NAME=VALUE", help="a default claim")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    # Whatever the outer machine's proxy is, all that is asked here is on loopback.
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    root = args.dir.resolve()
    claims = dict(claim.split("=", 1) for claim in args.claims + args.claim)
    if args.command == "start":
        start(Stack(root, pick_ports(args.port), claims, args.own_issuer))
    elif args.command == "issuer":
        serve_issuer(root)
    elif args.command == "token":
        print_token(root, claims)
    elif args.command == "registry":
        start_registries(root)
    else:
        stop(root)


if __name__ == "__main__":
    main()
