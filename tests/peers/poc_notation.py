#!/usr/bin/env python3
"""Proves that Python can produce what notation verifies (JWS and COSE), and reads what notation produces.

    tests/peers/sigstore-local start DIR && tests/peers/sigstore-local registry DIR && . DIR/env
    PATH=$PEERS_BIN:$PATH python tests/peers/poc_notation.py        # needs what poc_sign.py needs, and cbor2

Each check prints one line; the exit status is 1 if one fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from poc_sign import MANIFEST, Doc, Repo, compact

NOTARY = "application/vnd.cncf.notary.signature"
PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
NOW = datetime.now(UTC).replace(microsecond=0)
failed: list[str] = []

Key = ec.EllipticCurvePrivateKey
Chain = list[x509.Certificate]


def check(name: str, good: object, why: str = "") -> None:
    if not good:
        failed.append(name)
    print(("ok    " if good else "FAIL  ") + name + ("" if good else "\n" + why))


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make_certificate(
    name: str, key: Key, issuer: tuple[x509.Certificate, Key] | None = None, *, ca: bool = False
) -> x509.Certificate:
    """Notary wants C, ST, O in a subject, basicConstraints and keyUsage critical, a chain up to a root."""
    subject = x509.Name(
        [
            x509.NameAttribute(oid, value)
            for oid, value in (
                (NameOID.COUNTRY_NAME, "US"),
                (NameOID.STATE_OR_PROVINCE_NAME, "WA"),
                (NameOID.ORGANIZATION_NAME, "Example"),
                (NameOID.COMMON_NAME, name),
            )
        ]
    )
    parent, parent_key = issuer or (None, key)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    build = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(hours=1))
        .not_valid_after(NOW + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca, 0 if ca else None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, **usage), critical=True)
    )
    if not ca:
        build = build.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    return build.sign(parent_key, hashes.SHA256())


def payload(subject: Doc, metadata: dict[str, str]) -> bytes:
    target = {k: subject[k] for k in ("mediaType", "digest", "size")}
    return compact({"targetArtifact": {**target, **({"annotations": metadata} if metadata else {})}})


def raw_sign(key: Key, data: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der(chain: Chain) -> list[bytes]:
    return [c.public_bytes(serialization.Encoding.DER) for c in chain]


def sign_jws(key: Key, chain: Chain, body: bytes) -> bytes:
    protected = b64url(
        compact(
            {
                "alg": "ES256",
                "crit": ["io.cncf.notary.signingScheme"],
                "cty": PAYLOAD,
                "io.cncf.notary.signingScheme": "notary.x509",
                "io.cncf.notary.signingTime": NOW.isoformat().replace("+00:00", "Z"),
            }
        )
    )
    signature = raw_sign(key, f"{protected}.{b64url(body)}".encode())
    return compact(
        {
            "payload": b64url(body),
            "protected": protected,
            "signature": b64url(signature),
            "header": {
                "x5c": [base64.b64encode(c).decode() for c in der(chain)],
                "io.cncf.notary.signingAgent": "poc/0",
            },
        }
    )


def sign_cose(key: Key, chain: Chain, body: bytes) -> bytes:
    protected = cbor2.dumps(
        {
            1: -7,
            2: ["io.cncf.notary.signingScheme"],
            3: PAYLOAD,
            "io.cncf.notary.signingScheme": "notary.x509",
            "io.cncf.notary.signingTime": cbor2.CBORTag(1, int(NOW.timestamp())),
        },
        canonical=True,
    )
    signature = raw_sign(key, cbor2.dumps(["Signature1", protected, b"", body]))
    return cbor2.dumps(
        cbor2.CBORTag(
            18, [protected, {33: der(chain), "io.cncf.notary.signingAgent": "poc/0"}, body, signature]
        )
    )


def verify_jws(raw: bytes, root: x509.Certificate, subject: Doc) -> None:
    doc = json.loads(raw)
    chain = [x509.load_der_x509_certificate(base64.b64decode(c)) for c in doc["header"]["x5c"]]
    assert chain[-1] == root, "the root is not the trusted one"
    for child, parent in pairwise(chain):
        child.verify_directly_issued_by(parent)
    raw_signature = unb64url(doc["signature"])
    r, s = (int.from_bytes(half, "big") for half in (raw_signature[:32], raw_signature[32:]))
    signature = encode_dss_signature(r, s)
    key = chain[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey), key
    key.verify(signature, f"{doc['protected']}.{doc['payload']}".encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(unb64url(doc["payload"]))["targetArtifact"]["digest"] == subject["digest"]


def attach(repo: Repo, subject: Doc, media_type: str, signature: bytes, chain: Chain) -> None:
    prints = [hashlib.sha256(c).hexdigest() for c in der(chain)]
    repo.manifest(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": NOTARY, **repo.blob(b"{}")},
            "layers": [{"mediaType": media_type, **repo.blob(signature)}],
            "subject": {k: subject[k] for k in ("mediaType", "digest", "size")},
            "annotations": {
                "io.cncf.notary.x509chain.thumbprint#S256": compact(prints).decode(),
                "org.opencontainers.image.created": NOW.isoformat().replace("+00:00", "Z"),
            },
        }
    )


def peer(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["notation-peer", *map(str, args)], check=False, capture_output=True, text=True)


def main() -> int:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = make_certificate("poc root", ca_key, ca=True)
    chain = [make_certificate("poc signer", key, (ca, ca_key)), ca]
    registries = {"referrers API": os.environ["REGISTRY"], "referrers tag": os.environ["REGISTRY_OLD"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        (folder / "chain.pem").write_bytes(
            b"".join(c.public_bytes(serialization.Encoding.PEM) for c in chain)
        )
        (folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        tsa_root = folder / "tsa.pem"  # the last certificate of the stack's chain
        tsa_root.write_text("-----BEGIN" + Path(os.environ["TSA_CHAIN"]).read_text().split("-----BEGIN")[-1])
        for label, registry in registries.items():
            repo = Repo(registry, "poc/notary")
            for kind, make in ("application/jose+json", sign_jws), ("application/cose", sign_cose):
                subject = repo.artifact(b"for notation: ")
                ref = f"{repo.ref}@{subject['digest']}"
                unsigned = peer("verify", "--ca-cert", folder / "ca.pem", "--ref", ref)
                check(f"notation refuses the unsigned, {label}", unsigned.returncode != 0, unsigned.stdout)
                attach(repo, subject, kind, make(key, chain, payload(subject, {"build": "7"})), chain)
                done = peer("verify", "--ca-cert", folder / "ca.pem", "--ref", ref, "--metadata", "build=7")
                check(f"notation verifies Python's {kind}, {label}", done.returncode == 0, done.stderr)
            subject = repo.artifact(b"signed by notation: ")
            ref = f"{repo.ref}@{subject['digest']}"
            done = peer(
                "sign",
                "--key",
                folder / "key.pem",
                "--cert",
                folder / "chain.pem",
                "--ref",
                ref,
                "--timestamp-url",
                os.environ["TSA_URL"],
                "--tsa-cert",
                tsa_root,
            )
            check(f"notation signs, with an RFC 3161 timestamp, {label}", done.returncode == 0, done.stderr)
            done = peer("verify", "--ca-cert", folder / "ca.pem", "--tsa-cert", tsa_root, "--ref", ref)
            check(f"notation verifies that, {label}", done.returncode == 0, done.stderr)
            found = repo.referrers(subject["digest"])[0]
            check(f"its artifactType, {label}", found.get("artifactType") == NOTARY, str(found))
            try:
                verify_jws(repo.layer(found["digest"]), ca, subject)
                fault = ""
            except Exception as exc:  # noqa: BLE001
                fault = repr(exc)
            check(f"Python verifies notation's JWS, {label}", not fault, fault)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
