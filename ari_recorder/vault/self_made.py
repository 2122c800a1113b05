"""A certificate for the page that this host makes itself, for a first start and for trying out. No browser knows it.

    <state>/web/   certificate.pem   self-signed, ECDSA P-256, 397 days, with this host's names
                   key.pem           mode 0600

A new pair is made when there is none, when it is about to expire, and when the names have changed.
"""

import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ari_recorder.domain.errors import WebCertificateUnusable

# What browsers accept at most, even where somebody trusts it by hand (CA/Browser Forum, 398 days).
_LIFE = timedelta(days=397)
_RENEWED_BEFORE = timedelta(days=30)
# Clocks of browsers go wrong too.
_EARLIER = timedelta(hours=1)


def provide(folder: Path, names: Iterable[str], addresses: Iterable[str], now: datetime) -> tuple[Path, Path]:
    """Certificate and key, those that are there or new ones."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    wanted = _wanted(names, addresses)
    try:
        if not key.exists() or not _still_good(certificate, wanted, now):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(certificate, key, wanted, now)
    except OSError as error:
        raise WebCertificateUnusable(path=certificate, reason=error.strerror or type(error).__name__) from None
    return certificate, key


def _wanted(names: Iterable[str], addresses: Iterable[str]) -> list[x509.GeneralName]:
    hosts = sorted({name for name in names if name.isascii() and not name.startswith(".") and len(name) <= 253})
    return [
        *(x509.DNSName(name) for name in hosts),
        *(x509.IPAddress(ip_address(address)) for address in sorted(set(addresses))),
    ]


def _still_good(path: Path, wanted: list[x509.GeneralName], now: datetime) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    return list(names) == wanted and now < found.not_valid_after_utc - _RENEWED_BEFORE


def _make(certificate: Path, key: Path, names: list[x509.GeneralName], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ari-recorder, made by this host")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _replace(key, text)
    _replace(certificate, made.public_bytes(serialization.Encoding.PEM))


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)
