"""TLS of the page: versions and ciphers, the site's certificate, and the same one read again when its files change.

    files on disk ─► a context of its own: do they belong together? ─► the context in use: the next handshake has it
                                                   └ no: alarm, the old one goes on

A certificate of our own making comes from the vault (web_certificate.py); which files count is decided by the daemon.
"""

import asyncio
import ssl

import structlog

from ari_recorder.domain.errors import WebCertificateUnusable
from ari_recorder.services.web_certificate import Certificate

log = structlog.get_logger(__name__)

# Forward secrecy and authenticated ciphers only. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
# Whoever renews a certificate expects to see it within the minute.
LOOK_SECONDS = 10.0


class Tls:
    """The context in use, and what it was made from."""

    def __init__(self, files: Certificate) -> None:
        self._files = files
        self._seen = self._stamp()
        self.context = _context(files)

    async def watch(self, again: asyncio.Event, stop: asyncio.Event, seconds: float = LOOK_SECONDS) -> None:
        """Until stopped. `again` is set when somebody says that the files are new (SIGHUP)."""
        while not stop.is_set():
            waits = [asyncio.ensure_future(event.wait()) for event in (again, stop)]
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            told = again.is_set()
            again.clear()
            await asyncio.to_thread(self.reload, even_if_same=told)

    def reload(self, *, even_if_same: bool = False) -> bool:
        """Take the files if they have changed and can be used."""
        stamp = self._stamp()
        if stamp == self._seen and not even_if_same:
            return False
        self._seen = stamp
        try:
            _context(self._files)  # a half written pair must not get into the one in use
            self.context.load_cert_chain(self._files.certificate, self._files.key)
        except WebCertificateUnusable as error:
            log.error("alarm", alarm="web-certificate", subject=error.code, because=str(error))
            return False
        log.info("web_certificate_load")
        return True

    def _stamp(self) -> tuple[object, ...]:
        stamps: list[object] = []
        for path in (self._files.certificate, self._files.key):
            try:
                found = path.stat()
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
            except OSError:
                stamps.append(None)
        return tuple(stamps)


def _context(files: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        if files.key.stat().st_mode & 0o007:
            raise WebCertificateUnusable(path=files.certificate, reason=f"everybody can read {files.key}")
        context.load_cert_chain(files.certificate, files.key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise WebCertificateUnusable(path=files.certificate, reason=reason) from None
    return context
