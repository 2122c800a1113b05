"""One file in a ZIP file that a passphrase opens: WinZip's AES encryption (AE-2, AES-256), made front to back.

    salt (16) | check of the passphrase (2) | AES-256-CTR, counter little-endian, from 1 | HMAC-SHA-1, first 10 bytes

    key (32) | key of the HMAC (32) | check (2) = PBKDF2-HMAC-SHA-1(passphrase, salt, 1000 rounds)

Chosen because whoever gets the file can open it: 7-Zip, WinZip, Keka and the archive programs of most desktops read it,
and no program of ours is needed. Its derivation is weak against guessing, so the passphrase is never a person's own: it
is made here of 125 random bits, which no number of rounds has to help. It is shown once and kept nowhere; without it
the file opens nothing. What is inside has its own hashes and signature (domain/packages.py): the HMAC's 80 bits are not
what proves where it came from. The one name in clear, and the length, tell nothing about a call.
"""

import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from ari_recorder.domain.errors import PackageTooLarge

_SALT_BYTES, _CHECK_BYTES, _MAC_BYTES, _KEY_BYTES, _BLOCK = 16, 2, 10, 32, 16
_ROUNDS = 1000
# APPNOTE 4.3.7 and 4.3.12; sizes stand in the header, for they are known before.
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NEEDED = 51  # version 5.1: AES
_ENCRYPTED, _AES_METHOD, _STORED = 1, 99, 0
# Field 9901: AE-2, by "AE", 256 bit, and how it was compressed before: not at all.
_EXTRA = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, _STORED)
_MOST_BYTES = 2**32 - 1  # beyond it a ZIP file has another form, which fewer programs read
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letters that look like digits
_GROUPS, _GROUP = 5, 5


def new_passphrase() -> str:
    """25 signs of 5 bits, in groups, to be read out on the telephone or written on paper."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))


class AesZip:
    """`size` is known before the first of `blocks`, which come once."""

    def __init__(self, name: str, size: int, blocks: Iterable[bytes], passphrase: str, made_at: datetime) -> None:
        """`size`: of what `blocks` gives. PackageTooLarge beyond 4 GiB."""
        self._name = name.encode("ascii")
        self._blocks = blocks
        self._inner = size
        self._stored = _SALT_BYTES + _CHECK_BYTES + size + _MAC_BYTES
        headers = _LOCAL.size + _CENTRAL.size + 2 * (len(self._name) + len(_EXTRA)) + _END.size
        self.size = headers + self._stored
        if self.size > _MOST_BYTES:
            raise PackageTooLarge
        self._salt = os.urandom(_SALT_BYTES)
        length = 2 * _KEY_BYTES + _CHECK_BYTES
        keys = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), self._salt, _ROUNDS, length)
        self._check = keys[2 * _KEY_BYTES :]
        self._mac = hmac.new(keys[_KEY_BYTES : 2 * _KEY_BYTES], digestmod=hashlib.sha1)
        self._encryptor = Cipher(AES(keys[:_KEY_BYTES]), ECB()).encryptor()  # noqa: S305 -- of counters: that is CTR
        self._counter = 1
        day = (made_at.year - 1980) << 9 | made_at.month << 5 | made_at.day
        self._dos = (made_at.hour << 11 | made_at.minute << 5 | made_at.second // 2, day)

    def blocks(self) -> Iterator[bytes]:
        """ValueError when there was more or less inside than was said: the file is not whole then."""
        # AE-2 leaves the checksum out: the HMAC stands for it.
        facts = (0, self._stored, self._inner, len(self._name), len(_EXTRA))
        head = (_NEEDED, _ENCRYPTED, _AES_METHOD, *self._dos)
        yield _LOCAL.pack(b"PK\x03\x04", *head, *facts) + self._name + _EXTRA + self._salt + self._check
        waiting, done = b"", 0
        for block in self._blocks:
            done += len(block)
            waiting += block
            whole = len(waiting) // _BLOCK * _BLOCK
            yield self._encrypted(waiting[:whole])
            waiting = waiting[whole:]
        if done != self._inner:
            raise ValueError(f"{done} bytes came, and not {self._inner}")
        yield self._encrypted(waiting)
        yield self._mac.digest()[:_MAC_BYTES]
        central = _CENTRAL.pack(b"PK\x01\x02", 3 << 8 | _NEEDED, *head, *facts, 0, 0, 0, 0o600 << 16, 0)
        central += self._name + _EXTRA
        begin = self.size - _END.size - len(central)
        yield central + _END.pack(b"PK\x05\x06", 0, 0, 1, 1, len(central), begin, 0)

    def _encrypted(self, plain: bytes) -> bytes:
        """Only the last piece is not whole blocks of the cipher."""
        count = -(-len(plain) // _BLOCK)
        counters = np.zeros((count, 2), "<u8")
        counters[:, 0] = np.arange(self._counter, self._counter + count, dtype="<u8")
        self._counter += count
        stream = np.frombuffer(self._encryptor.update(counters.tobytes()), np.uint8)[: len(plain)]
        sealed = (np.frombuffer(plain, np.uint8) ^ stream).tobytes()
        self._mac.update(sealed)
        return sealed
