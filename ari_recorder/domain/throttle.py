"""How often somebody may try to log in. Pure; where tries are counted: storage/accounts.py.

    tries     1 2 3 4 5 | 6    7    8     9     10    11     12    13 …
    wait before it  0   | 30 s 60 s 2 min 4 min 8 min 16 min 32 min 1 h

Five tries within 60 s are nobody's attack (SECURITY A8). After that each try waits twice as long as the one before it,
up to an hour. A try is counted before anything is checked, so that tries at the same moment do not slip through, and
given back when it was right. After a while of quiet all is forgotten.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

FREE = 5
WINDOW = timedelta(seconds=60)
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
# Beyond the wait that was due: an attacker who waits so long has 5 tries an hour, and 100 in all.
QUIET = timedelta(hours=1)
# NIST SP 800-63B-4, section 3.2.2: at most so many wrong tries in a row for one account.
MOST_FAILURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    count: int
    began_at: datetime
    last_at: datetime


def wait_after(count: int) -> timedelta:
    """How long after the last of so many tries the next one is let in."""
    if count < FREE:
        return timedelta()
    doubled = 1 << min(count - FREE, 16)  # beyond that it is the longest anyway
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


def tried(before: Tries | None, now: datetime) -> Tries | timedelta:
    """One more try; or how long it has to wait, and is not counted."""
    if before is None or _forgotten(before, now):
        return Tries(count=1, began_at=now, last_at=now)
    left = before.last_at + wait_after(before.count) - now
    if left > timedelta():
        # A clock that was set back locks nobody out for longer than a wait.
        return min(left, wait_after(before.count))
    return Tries(count=before.count + 1, began_at=before.began_at, last_at=max(now, before.last_at))


def given_back(before: Tries) -> Tries:
    """A try that was right does not count."""
    return Tries(count=max(before.count - 1, 0), began_at=before.began_at, last_at=before.last_at)


def _forgotten(before: Tries, now: datetime) -> bool:
    if before.count < FREE:
        return now - before.began_at >= WINDOW
    return now - before.last_at >= wait_after(before.count) + QUIET


def of_account(name: str) -> str:
    """Names nobody has are counted too: else the count would tell who exists."""
    return _subject("account", name)


def of_address(address: str) -> str:
    """A household has a whole IPv6 network of 64 bits, and may take a new address for each try."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return _subject("address", address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return _subject("address", str(parsed.ipv4_mapped))
        return _subject("address", str(ipaddress.ip_network((parsed, 64), strict=False)))
    return _subject("address", str(parsed))


def of_delivery(delivery_id: str) -> str:
    return _subject("delivery", delivery_id)


def of_device(device_id: str) -> str:
    return _subject("device", device_id)


def _subject(kind: str, text: str) -> str:
    return f"{kind}:{sha256(text.encode()).hexdigest()}"
