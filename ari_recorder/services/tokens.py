"""Tokens that a bearer shows: session, device, invitation, machine. 256 random bits; only their hash is stored."""

import secrets
from hashlib import sha256

from ari_recorder.domain.audit import Actor, ActorKind

_BYTES = 32
# For a person who types them from paper: Crockford's alphabet, which has no letters that look like digits.
RECOVERY_CODES = 10
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP = 4, 7
_READ = str.maketrans("OIL", "011")
# Scanners of source code look for beginnings like this.
MACHINE = "ari_recorder_"


def new(begins: str = "") -> str:
    return begins + secrets.token_urlsafe(_BYTES)


def hashed(token: str) -> bytes:
    """Random tokens need no slow hash. What is no token at all has the hash of no token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_recovery_codes() -> list[str]:
    """28 signs of 5 bits each: 140 bits."""
    return [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    ]


def hashed_recovery_code(code: str) -> bytes:
    """However it was typed."""
    return hashed("".join(code.upper().split()).replace("-", "").translate(_READ))


def named(actor: Actor) -> str:
    """Who did it, as the history of rights says it: two persons are told apart by this."""
    return f"{actor.kind.value}:{actor.name if actor.kind is ActorKind.OPERATOR else actor.id}"
