"""AMI over TLS with a private CA made here: trusted, untrusted, of another name, and a port without TLS."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ari_recorder.domain.errors import AmiUnreachable
from ari_recorder.domain.events import Hangup
from tests.asterisk.ami_rig import live_on, session_on
from tests.asterisk.fake_ami import fake_ami, hangup


class PrivateCa:
    """A CA with keyUsage, which Python 3.13 demands (VERIFY_X509_STRICT), and a server certificate of it."""

    def __init__(self, folder: Path, name: x509.GeneralName) -> None:
        key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        ca = self._certificate(ca_name, ca_name, key.public_key(), key, True, None)
        server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx")])
        server = self._certificate(server_name, ca_name, server_key.public_key(), key, False, name)
        self.ca_file, chain, key_file = folder / "ca.pem", folder / "server.pem", folder / "key.pem"
        self.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        chain.write_bytes(server.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            server_key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(chain, key_file)

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
        return context

    @staticmethod
    def _certificate(
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePublicKey,
        signer: ec.EllipticCurvePrivateKey,
        is_ca: bool,
        name: x509.GeneralName | None,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
                *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
            ),
            False,
        )
        usage["key_cert_sign" if is_ca else "digital_signature"] = True
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        if name is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
        return builder.sign(signer, hashes.SHA256())


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


async def test_a_trusted_pbx_is_heard_over_tls(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, LOOPBACK)
    async with fake_ami(tls=ca.server) as server, live_on(server, tls=ca.client()) as (session, heard, client):
        client.send(hangup("1.1"))
        await heard.until_came(Hangup)
        await session.set_global("X", "1")


async def test_the_name_of_the_certificate_may_differ_from_the_address(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, x509.DNSName("pbx.example"))
    settings = {"tls": ca.client(), "server_hostname": "pbx.example"}
    async with fake_ami(tls=ca.server) as server, live_on(server, **settings) as (session, _, _):
        assert session.live


async def test_a_certificate_of_another_name_is_told_and_no_secret_is_sent(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, x509.DNSName("pbx.example"))
    async with fake_ami(tls=ca.server) as server, session_on(server, tls=ca.client()) as (session, _):
        with pytest.raises(AmiUnreachable, match=r"certificate is not trusted, .*127\.0\.0\.1"):
            await session.wait_live(0.5)
        assert not server.seen


async def test_an_unknown_ca_is_told(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, LOOPBACK)
    async with (
        fake_ami(tls=ca.server) as server,
        session_on(server, tls=ssl.create_default_context()) as (session, _),
    ):
        with pytest.raises(AmiUnreachable, match=r"certificate is not trusted, .*issuer certificate"):
            await session.wait_live(0.5)
        assert not server.seen


async def test_tls_to_a_plain_port_is_told(tmp_path: Path) -> None:
    ca = PrivateCa(tmp_path, LOOPBACK)
    async with fake_ami() as server, session_on(server, tls=ca.client()) as (session, _):
        with pytest.raises(AmiUnreachable, match="TLS failed"):
            await session.wait_live(0.5)
        assert not server.seen
