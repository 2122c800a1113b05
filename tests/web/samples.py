"""What the tests of every route give where a route asks for something. A new kind of parameter gets its sample here."""

from collections.abc import Mapping

# What lies in another unit than the supervisor's is made by house.py; what is nowhere is this.
NOWHERE_ID = "00000000-0000-4000-8000-000000000000"
# Parameters that are no ids.
TEXTS: Mapping[str, str] = {
    "file": "frame.css",
    "token": "no-token-at-all",
    "week": "2026-11-16",
    "day": "2026-11-16",
    "case": "R2000-1",
    "seq": "0",
}
