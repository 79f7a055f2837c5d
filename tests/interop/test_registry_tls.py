"""TLS: whom we trust, who we are, and what is said where that fails."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from bob_ci.errors import InputError
from bob_ci.oci.descriptor import EMPTY
from bob_ci.oci.http import TransferError
from bob_ci.oci.open import Connection, open_store
from bob_ci.oci.reference import parse_reference
from bob_ci.oci.registry import RegistryStore
from tests.interop.registry_simulator import HOST, RegistrySimulator

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority that writes files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        builder = _builder(self.name, self.name, self.key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(
        self, name: str, address: str = HOST, secrecy: KeySerializationEncryption | None = None
    ) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = _builder(_name(name), self.name, key).add_extension(alternative, critical=False)
        certificate, file = builder.sign(self.key, hashes.SHA256()), self.folder / f"{name}.pem"
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        private = file.with_suffix(".key")
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secrecy or NoEncryption()))
        return file, private


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


Start = Callable[..., RegistrySimulator]


@pytest.fixture
def start(authority: Authority) -> Iterator[Start]:
    with ExitStack() as stack:

        def run(*, address: str = HOST, asks: bool = False) -> RegistrySimulator:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.issue("server", address))
            if asks:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(authority.file)
            registry = stack.enter_context(RegistrySimulator(auth="token", tls=context))
            registry.blobs[EMPTY.digest] = b"{}"
            return registry

        yield run


def fetch(registry: RegistrySimulator, connection: Connection) -> bytes:
    store = open_store(parse_reference(f"{registry.host}/acme/app"), connection)
    assert isinstance(store, RegistryStore)
    store.client.sleep = lambda _: None
    return store.fetch_blob(EMPTY)


def test_our_own_authority(start: Start, authority: Authority) -> None:
    assert fetch(start(), Connection(creds="ann:secret", ca_file=authority.file)) == b"{}"


def test_an_authority_that_the_system_names(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    registry = start()
    store = open_store(parse_reference(f"{registry.host}/acme/app"), Connection(creds="ann:secret"))
    assert isinstance(store, RegistryStore)
    store.plain_http = False
    assert store.fetch_blob(EMPTY) == b"{}"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_comes_on_top(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(Authority(tmp_path, "theirs").file))
    assert fetch(start(), Connection(creds="ann:secret", ca_file=authority.file)) == b"{}"
    assert fetch(start(), Connection(creds="ann:secret", verify_tls=False)) == b"{}"


def test_an_unknown_authority(start: Start, tmp_path: Path) -> None:
    registry = start()
    with pytest.raises(TransferError, match=r"acme/app: read .*CERTIFICATE_VERIFY_FAILED") as caught:
        fetch(registry, Connection(creds="ann:secret", ca_file=Authority(tmp_path, "theirs").file))
    assert caught.value.hint == "--ca-file FILE trusts the registry's own authority"
    assert registry.seen == []


def test_a_certificate_for_another_host(start: Start, authority: Authority) -> None:
    with pytest.raises(TransferError, match="IP address mismatch") as caught:
        fetch(start(address="127.0.0.9"), Connection(ca_file=authority.file))
    assert caught.value.hint is None


def test_nothing_is_checked_where_the_user_says_so(start: Start) -> None:
    assert fetch(start(address="127.0.0.9"), Connection(creds="ann:secret", verify_tls=False)) == b"{}"


def test_our_own_certificate(start: Start, authority: Authority) -> None:
    ours, key = authority.issue("client")
    registry = start(asks=True)
    connection = Connection(creds="ann:secret", ca_file=authority.file, cert_file=ours, key_file=key)
    assert fetch(registry, connection) == b"{}"
    both = ours.with_name("both.pem")
    both.write_bytes(ours.read_bytes() + key.read_bytes())
    assert fetch(registry, Connection(creds="ann:secret", ca_file=authority.file, cert_file=both)) == b"{}"


def test_a_registry_that_wants_to_know_us(start: Start, authority: Authority) -> None:
    # The server's word can be lost with the connection, as it ends at once.
    with pytest.raises(TransferError, match=r"acme/app: read .* cannot be reached"):
        fetch(start(asks=True), Connection(ca_file=authority.file))


@pytest.mark.parametrize(
    "connect", [lambda file: Connection(ca_file=file), lambda file: Connection(cert_file=file)]
)
def test_files_that_are_none(start: Start, tmp_path: Path, connect: Callable[[Path], Connection]) -> None:
    registry = start()
    for name, content in {"absent": None, "empty": b"", "other": b"hello"}.items():
        file = tmp_path / name
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: no certificate"):
            fetch(registry, connect(file))


def test_a_key_with_a_password_asks_nobody(start: Start, authority: Authority) -> None:
    ours, key = authority.issue("locked", secrecy=BestAvailableEncryption(b"pass"))
    with pytest.raises(InputError, match=r"locked.pem: no certificate \(and key\)"):
        fetch(start(), Connection(ca_file=authority.file, cert_file=ours, key_file=key))


def test_plain_http_is_implied_for_this_machine_alone() -> None:
    for host, plain in {
        "127.0.0.1:5": True,
        "localhost:5": True,
        "[::1]:5": True,
        "r.example": False,
    }.items():
        store = open_store(parse_reference(f"{host}/acme/app"))
        assert isinstance(store, RegistryStore)
        assert store.plain_http is plain


def test_a_registry_without_tls(authority: Authority) -> None:
    with RegistrySimulator() as registry:
        with pytest.raises(TransferError, match="cannot be reached") as caught:
            fetch(registry, Connection(ca_file=authority.file))
        assert caught.value.hint == "the registry speaks plain HTTP: --plain-http"
