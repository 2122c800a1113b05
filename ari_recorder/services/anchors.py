"""Signed heads of the audit log, carried outside the database: who changes that does not change these.

A file gets a line {"at", "note"}; it is opened for appending only: `chattr +a`, and storage that only appends, will do.
A syslog gets the same as one message of RFC 5424, facility 13 (log audit): over TCP and TLS with its length before it
(RFC 6587), over UDP and a Unix socket as a datagram. Those of `mail.audit_to` get the note in a letter, once a day:
services/mail.py.
"""

import json
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from ari_recorder.config import Config

# Facility 13, severity 6 (informational): RFC 5424, section 6.2.1.
_PRIORITY = 13 * 8 + 6
_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A place. `carry` takes a line and raises OSError when it did not get there."""

    target: str
    carry: Callable[[str], None]


def of(config: Config) -> tuple[Anchor, ...]:
    """The places of the configuration."""
    found = []
    if (path := config.audit.anchor_file) is not None:
        found.append(Anchor(target=f"file:{path}", carry=lambda line: append_line(path, line)))
    if (address := config.audit.anchor_syslog) is not None:
        found.append(Anchor(target=f"syslog:{address}", carry=lambda line: send_syslog(address, line)))
    return tuple(found)


def line_of(note: str, at: datetime) -> str:
    return json.dumps({"at": at.astimezone(UTC).isoformat(timespec="seconds"), "note": note}, ensure_ascii=False)


def append_line(path: Path, line: str) -> None:
    """The line is on disk when this returns. What a crash left unfinished is closed with a line feed before it."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        data = line.encode() + b"\n"
        if _ends_amid(path):
            data = b"\n" + data
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def send_syslog(address: str, line: str) -> None:
    host = socket.gethostname() or "-"
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = f"<{_PRIORITY}>1 {now} {host} ari-recorder {os.getpid()} audit-checkpoint - {line}".encode()
    parts = urlsplit(address)
    if parts.scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(_SECONDS)
            sock.connect(parts.path)
            sock.send(message)
        return
    where = (parts.hostname or "", parts.port or 0)
    if parts.scheme == "udp":
        family, kind, proto, _, at = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, proto) as sock:
            sock.connect(at)
            sock.send(message)
        return
    framed = f"{len(message)} ".encode() + message
    with socket.create_connection(where, timeout=_SECONDS) as plain:
        if parts.scheme == "tls":
            with ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) as sealed:
                sealed.sendall(framed)
                sealed.unwrap()
        else:
            plain.sendall(framed)


def _ends_amid(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
