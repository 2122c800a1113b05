"""What a service tells the systemd that started it: ready, alive, stopping (sd_notify(3)). Without systemd, nothing."""

import os
import socket

import structlog

log = structlog.get_logger(__name__)


def notify(text: str) -> None:
    """`READY=1` and its like, to the socket in NOTIFY_SOCKET. That it cannot be told is no reason not to work."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A name in the abstract namespace begins with NUL, which an environment cannot hold.
    where = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), where)
    except OSError as error:
        log.warning("systemd_not_told", code=error.strerror)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear `WATCHDOG=1`; None when it does not (WatchdogSec=, sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    told = os.environ.get("WATCHDOG_USEC", "")
    return int(told) / 1e6 if told.isdecimal() and int(told) > 0 else None
