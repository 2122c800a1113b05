"""Passwords of people: as Argon2id hashes, never as text. Which ones are refused: vault/weak_passwords.py.

    $argon2id$v=19$m=65536,t=3,p=4$salt$hash        RFC 9106, section 4: the choice for little memory

Each check takes 64 MiB and a fifth of a second. At most four run at once, in threads of their own, so that a crowd at
the door takes neither the memory nor the event loop nor the threads that seal; the others wait. A name nobody has costs
the same as a real one.
"""

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

AT_ONCE = 4
# What a person types, or a password manager makes. It is hashed: its length costs nothing, and a book is no password.
MOST_CHARACTERS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`outdated`: it is right, and its hash was made with weaker parameters than today's."""

    right: bool
    outdated: bool = False


class Passwords:
    """Makes and checks hashes. One for a process: the four threads are here. They begin with the first password."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None, at_once: int = AT_ONCE) -> None:
        # Without arguments it is RFC 9106's choice for little memory, and stays so: they are written here.
        self._hasher = hasher or argon2.PasswordHasher.from_parameters(argon2.profiles.RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._nobody = self._hash_of_nothing()

    async def hash(self, password: str) -> str:
        return await self._in_thread(lambda: self._hasher.hash(typed(password)))

    async def verify(self, hashed: str | None, password: str) -> Verdict:
        """None: there is nobody of that name. It takes as long, and is wrong."""
        return await self._in_thread(lambda: self._verify(hashed, password))

    def close(self) -> None:
        """Who waits still is told that it is cancelled; nothing more is compared."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _verify(self, hashed: str | None, password: str) -> Verdict:
        try:
            self._hasher.verify(hashed or self._nobody, typed(password[:MOST_CHARACTERS]))
        except (VerificationError, InvalidHashError):
            return Verdict(right=False)
        if hashed is None or len(password) > MOST_CHARACTERS:
            return Verdict(right=False)
        return Verdict(right=True, outdated=self._hasher.check_needs_rehash(hashed))

    def _hash_of_nothing(self) -> str:
        """A hash of no password, made without the work: its salt and its hash are random."""
        hasher = self._hasher
        salt, drawn = (_unpadded(secrets.token_bytes(size)) for size in (hasher.salt_len, hasher.hash_len))
        costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        return f"$argon2id$v=19${costs}${salt}${drawn}"


def typed(password: str) -> bytes:
    """The same bytes, however the keyboard composed the letters."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
