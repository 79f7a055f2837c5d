#!/usr/bin/env python3
"""Proves that Python can produce what cosign verifies, in every form, and reads what cosign produces.

    tests/peers/sigstore-local start DIR && tests/peers/sigstore-local registry DIR && . DIR/env
    PATH=$PEERS_BIN:$PATH python tests/peers/poc_sign.py        # needs sigstore==4.5.1 pynacl requests

Each check prints one line; the exit status is 1 if one fails.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import id as ambient
import nacl.secret
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from sigstore import dsse
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore.verify import Verifier, policy

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
PREDICATE = "https://example.com/predicate/v1"
ENV = os.environ
KEYLESS = [
    "--trusted-root",
    ENV["TRUSTED_ROOT"],
    "--certificate-identity",
    ENV["CERT_IDENTITY"],
    "--certificate-oidc-issuer",
    ENV["OIDC_ISSUER"],
]
failed: list[str] = []

Doc = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def compact(doc: object) -> bytes:
    return json.dumps(doc, separators=(",", ":")).encode()


def check(name: str, good: object, why: str = "") -> None:
    if not good:
        failed.append(name)
    print(("ok    " if good else "FAIL  ") + name + ("" if good else "\n" + why))


def cosign(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cosign", *args],
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
        env={**ENV, "COSIGN_PASSWORD": "hunter2"},
    )


def cosign_accepts(name: str, command: str, ref: str, *args: str, want: bool = True) -> None:
    done = cosign(command, *args, "--allow-http-registry", ref)
    check(f"cosign {command}: {name}", (done.returncode == 0) == want, done.stderr[-1500:])


# --- A registry client just large enough --------------------------------------------------------


class Repo:
    def __init__(self, registry: str, name: str) -> None:
        self.ref, self.url, self.http = (
            f"{registry}/{name}",
            f"http://{registry}/v2/{name}",
            requests.Session(),
        )

    def blob(self, data: bytes) -> Doc:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        start = self.http.post(f"{self.url}/blobs/uploads/")
        start.raise_for_status()
        where = requests.compat.urljoin(start.url, start.headers["Location"])
        where += ("&" if "?" in where else "?") + "digest=" + digest
        self.http.put(
            where, data=data, headers={"Content-Type": "application/octet-stream"}
        ).raise_for_status()
        return {"digest": digest, "size": len(data)}

    def manifest(self, doc: Doc, tag: str | None = None) -> Doc:
        """Pushes a manifest; keeps the referrers tag where the registry has no referrers API."""
        raw = compact(doc)
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        done = self.http.put(
            f"{self.url}/manifests/{tag or digest}", data=raw, headers={"Content-Type": doc["mediaType"]}
        )
        done.raise_for_status()
        desc = {"mediaType": doc["mediaType"], "digest": digest, "size": len(raw)}
        if "subject" in doc and "OCI-Subject" not in done.headers:
            self.referrers_tag(
                doc["subject"]["digest"],
                {
                    **desc,
                    "artifactType": doc.get("artifactType") or doc["config"]["mediaType"],
                    "annotations": doc.get("annotations", {}),
                },
            )
        return desc

    def referrers_tag(self, subject: str, desc: Doc) -> None:
        tag = subject.replace(":", "-")
        got = self.http.get(f"{self.url}/manifests/{tag}", headers={"Accept": INDEX})
        known = got.json()["manifests"] if got.ok else []
        if all(m["digest"] != desc["digest"] for m in known):
            self.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*known, desc]}, tag)

    def referrers(self, subject: str) -> list[Doc]:
        got = self.http.get(f"{self.url}/referrers/{subject}")
        if got.status_code == 404:
            got = self.http.get(
                f"{self.url}/manifests/{subject.replace(':', '-')}", headers={"Accept": INDEX}
            )
        return got.json()["manifests"] if got.ok else []

    def layer(self, digest: str) -> bytes:
        """The one layer of a manifest."""
        (layer,) = self.http.get(f"{self.url}/manifests/{digest}", headers={"Accept": MANIFEST}).json()[
            "layers"
        ]
        return self.http.get(f"{self.url}/blobs/{layer['digest']}").content

    def artifact(self, content: bytes) -> Doc:
        layer = {"mediaType": "text/plain", **self.blob(content + os.urandom(8).hex().encode())}
        config = {"mediaType": EMPTY, **self.blob(b"{}")}
        return self.manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": "application/vnd.example",
                "config": config,
                "layers": [layer],
            },
            "v1",
        )

    def attach_bundle(self, subject: Doc, bundle: bytes, predicate_type: str) -> Doc:
        """What cosign v3 pushes for a signature and for an attestation alike."""
        return self.manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": BUNDLE,
                "config": {"mediaType": EMPTY, **self.blob(b"{}")},
                "layers": [{"mediaType": BUNDLE, **self.blob(bundle)}],
                "subject": {k: subject[k] for k in ("mediaType", "digest", "size")},
                "annotations": {
                    "dev.sigstore.bundle.content": "dsse-envelope",
                    "dev.sigstore.bundle.predicateType": predicate_type,
                    "org.opencontainers.image.created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                },
            }
        )

    def attach_legacy(self, subject: Doc, suffix: str, layer: Doc) -> None:
        """cosign v2's manifest behind the tag sha256-HEX.sig or .att."""
        config = compact(
            {
                "architecture": "",
                "os": "",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            }
        )
        self.manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "layers": [layer],
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **self.blob(config)},
            },
            subject["digest"].replace(":", "-") + suffix,
        )


# --- Statements and signatures ------------------------------------------------------------------


def statement(repo: Repo, subject: Doc, predicate_type: str, predicate: Doc) -> bytes:
    # cosign leaves the name out; sigstore-python's Statement wants one, and cosign does not mind it.
    return compact(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": predicate_type,
            "subject": [{"name": repo.ref, "digest": {"sha256": subject["digest"].split(":")[1]}}],
            "predicate": predicate,
        }
    )


def load_cosign_key(pem: bytes, password: bytes) -> ec.EllipticCurvePrivateKey:
    """An ENCRYPTED SIGSTORE (or COSIGN) PRIVATE KEY: base64 of JSON; scrypt, secretbox over PKCS#8 DER."""
    doc = json.loads(base64.b64decode(b"".join(pem.strip().splitlines()[1:-1])))
    assert (doc["kdf"]["name"], doc["cipher"]["name"]) == ("scrypt", "nacl/secretbox"), doc
    cost = doc["kdf"]["params"]
    key = Scrypt(
        salt=base64.b64decode(doc["kdf"]["salt"]), length=32, n=cost["N"], r=cost["r"], p=cost["p"]
    ).derive(password)
    der = nacl.secret.SecretBox(key).decrypt(
        base64.b64decode(doc["ciphertext"]), base64.b64decode(doc["cipher"]["nonce"])
    )
    private = serialization.load_der_private_key(der, None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    return private


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def pae(payload: bytes, kind: str = "application/vnd.in-toto+json") -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def envelope(key: ec.EllipticCurvePrivateKey, payload: bytes) -> Doc:
    return {
        "payload": b64(payload),
        "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": b64(sign(key, pae(payload)))}],
    }


def key_bundle(key: ec.EllipticCurvePrivateKey, payload: bytes, rekor: str | None = None) -> bytes:
    spki = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = envelope(key, payload)
    material: Doc = {"publicKey": {"hint": b64(hashlib.sha256(spki).digest())}}
    if rekor:
        answer = requests.post(
            f"{rekor}/api/v2/log/entries",
            timeout=30,
            json={
                "hashedRekordRequestV002": {
                    "digest": b64(hashlib.sha256(pae(payload)).digest()),
                    "signature": {
                        "content": signed["signatures"][0]["sig"],
                        "verifier": {
                            "publicKey": {"rawBytes": b64(spki)},
                            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                        },
                    },
                }
            },
        )
        answer.raise_for_status()
        material["tlogEntries"] = [answer.json()]
    return compact({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": signed})


# --- The proof ----------------------------------------------------------------------------------


def keyless(registry: str, label: str) -> None:
    repo = Repo(registry, "poc/keyless")
    subject = repo.artifact(b"keyless on " + label.encode())
    ref = f"{repo.ref}@{subject['digest']}"
    token = IdentityToken(ambient.detect_credential("sigstore") or "")
    config = ClientTrustConfig.from_json(Path(ENV["TRUST_CONFIG"]).read_text())
    with SigningContext.from_trust_config(config).signer(token) as signer:

        def bundle(kind: str, predicate: Doc) -> bytes:
            return (
                signer.sign_dsse(dsse.Statement(statement(repo, subject, kind, predicate))).to_json().encode()
            )

        signature = bundle(SIGN, {})
        repo.attach_bundle(subject, signature, SIGN)
        cosign_accepts(f"keyless, {label}", "verify", ref, *KEYLESS)
        repo.attach_bundle(subject, bundle(PREDICATE, {"score": 9}), PREDICATE)
        cosign_accepts(f"keyless, {label}", "verify-attestation", ref, *KEYLESS, "--type", PREDICATE)
    check(f"referrers listed, {label}", len(repo.referrers(subject["digest"])) == 2)
    stolen = repo.artifact(b"not what was signed, on " + label.encode())
    repo.attach_bundle(stolen, signature, SIGN)
    cosign_accepts(
        f"refuses another artifact's bundle, {label}",
        "verify",
        f"{repo.ref}@{stolen['digest']}",
        *KEYLESS,
        want=False,
    )
    wrong = [a if a != ENV["CERT_IDENTITY"] else a.replace("release.yml", "other.yml") for a in KEYLESS]
    cosign_accepts(f"refuses another identity, {label}", "verify", ref, *wrong, want=False)

    # And the other way round: cosign signs, sigstore-python verifies.
    other = repo.artifact(b"signed by cosign on " + label.encode())
    done = cosign(
        "sign",
        "-y",
        "--signing-config",
        ENV["SIGNING_CONFIG"],
        "--trusted-root",
        ENV["TRUSTED_ROOT"],
        "--allow-http-registry",
        f"{repo.ref}@{other['digest']}",
    )
    check(f"cosign sign, {label}", done.returncode == 0, done.stderr[-1500:])
    raw = repo.layer(repo.referrers(other["digest"])[0]["digest"])
    rule = policy.Identity(identity=ENV["CERT_IDENTITY"], issuer=ENV["OIDC_ISSUER"])
    try:
        _, payload = Verifier(trusted_root=config.trusted_root).verify_dsse(Bundle.from_json(raw), rule)
        good = json.loads(payload)["subject"][0]["digest"]["sha256"] == other["digest"].split(":")[1]
        why = payload.decode()
    except Exception as exc:  # noqa: BLE001
        good, why = False, repr(exc)
    check(f"sigstore-python verifies cosign's bundle, {label}", good, why)


def key_pair(registry: str, label: str, folder: Path) -> None:
    pub = ["--key", str(folder / "cosign.pub")]
    key = load_cosign_key((folder / "cosign.key").read_bytes(), b"hunter2")
    same = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    check("cosign.key decrypts to the key of cosign.pub", same == (folder / "cosign.pub").read_bytes())

    repo = Repo(registry, "poc/key")
    subject = repo.artifact(b"key on " + label.encode())
    ref = f"{repo.ref}@{subject['digest']}"
    repo.attach_bundle(subject, key_bundle(key, statement(repo, subject, SIGN, {})), SIGN)
    cosign_accepts(f"key, bundle, no log, {label}", "verify", ref, *pub, "--insecure-ignore-tlog")
    repo.attach_bundle(subject, key_bundle(key, statement(repo, subject, PREDICATE, {"score": 9})), PREDICATE)
    cosign_accepts(
        f"key, bundle, no log, {label}",
        "verify-attestation",
        ref,
        *pub,
        "--insecure-ignore-tlog",
        "--type",
        PREDICATE,
    )
    cosign_accepts(
        f"key, bundle, no log: refused without the flag, {label}",
        "verify",
        ref,
        *pub,
        "--trusted-root",
        ENV["TRUSTED_ROOT"],
        want=False,
    )

    repo = Repo(registry, "poc/key-log")
    subject = repo.artifact(b"key and log on " + label.encode())
    repo.attach_bundle(subject, key_bundle(key, statement(repo, subject, SIGN, {}), ENV["REKOR_URL"]), SIGN)
    cosign_accepts(
        f"key, bundle, Rekor v2, {label}",
        "verify",
        f"{repo.ref}@{subject['digest']}",
        *pub,
        "--trusted-root",
        ENV["TRUSTED_ROOT"],
    )

    repo = Repo(registry, "poc/key-legacy")
    subject = repo.artifact(b"legacy on " + label.encode())
    ref = f"{repo.ref}@{subject['digest']}"
    payload = compact(
        {
            "critical": {
                "identity": {"docker-reference": repo.ref},
                "image": {"docker-manifest-digest": subject["digest"]},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    repo.attach_legacy(
        subject,
        ".sig",
        {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            **repo.blob(payload),
            "annotations": {"dev.cosignproject.cosign/signature": b64(sign(key, payload))},
        },
    )
    signed = compact(envelope(key, statement(repo, subject, PREDICATE, {"score": 9})))
    repo.attach_legacy(
        subject,
        ".att",
        {
            "mediaType": "application/vnd.dsse.envelope.v1+json",
            **repo.blob(signed),
            "annotations": {"dev.cosignproject.cosign/signature": "", "predicateType": PREDICATE},
        },
    )
    cosign_accepts(f"key, legacy .sig, {label}", "verify", ref, *pub, "--insecure-ignore-tlog")
    cosign_accepts(
        f"key, legacy .att, {label}",
        "verify-attestation",
        ref,
        *pub,
        "--insecure-ignore-tlog",
        "--type",
        PREDICATE,
    )


def main() -> int:
    registries = {"referrers API": ENV["REGISTRY"], "referrers tag": ENV["REGISTRY_OLD"]}
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["cosign", "generate-key-pair"],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
            env={**ENV, "COSIGN_PASSWORD": "hunter2"},
        )
        check("cosign generate-key-pair", made.returncode == 0, made.stderr)
        for label, registry in registries.items():
            keyless(registry, label)
            key_pair(registry, label, Path(folder))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
