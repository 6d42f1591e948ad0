"""An authority of the tests' own, and certificates that it signs for servers on loopback."""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """What a client trusts, and what a server shows (with its key), as PEM."""

    authority: bytes
    server: bytes


@cache
def issue(address: str = "127.0.0.1", *, expired: bool = False) -> Issued:
    """A certificate for a server on this address, and the authority that signed it."""
    key, name = _key(), _name("the tests' authority")
    authority = _sign(key, name, _builder(key, name, x509.BasicConstraints(ca=True, path_length=None)))
    host_key = _key()
    host = _builder(
        host_key, _name("a mail server"), x509.BasicConstraints(ca=False, path_length=None), expired=expired
    )
    host = host.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
    )
    shown = _sign(key, name, host)
    secret = host_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Issued(_pem(authority), _pem(shown) + secret)


def server_context(issued: Issued, folder: Path) -> ssl.SSLContext:
    """What a server speaks TLS with."""
    path = folder / "server.pem"
    path.write_bytes(issued.server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    key: ec.EllipticCurvePrivateKey, name: x509.Name, basic: x509.BasicConstraints, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 9 * _DAY)
        .not_valid_after(now - _DAY if expired else now + _DAY)
        .add_extension(basic, critical=True)
    )


def _sign(key: ec.EllipticCurvePrivateKey, issuer: x509.Name, builder: x509.CertificateBuilder) -> x509.Certificate:
    return builder.issuer_name(issuer).sign(key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
