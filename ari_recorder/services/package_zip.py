"""A package as the bytes of a ZIP file, made front to back while it is read; its size is known before the first.

    pages, package.json ─► each recording as WAV, then smaller ─► verify_package.py ─► SHA256SUMS ─► signature.json
                            └── hashed on the way ──────────────────────────────────────┘

One recording is decoded at a time, block by block: memory does not grow with the call. What a package is:
domain/packages.py.
"""

import base64
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ari_recorder.domain.errors import PackageTooLarge
from ari_recorder.domain.package_pages import page
from ari_recorder.domain.packages import (
    DATA,
    FORMAT,
    LANGUAGES,
    SIGNATURE,
    SUMS,
    TOOL,
    Contents,
    audio_name,
    machine_readable,
    page_name,
    sums,
)
from ari_recorder.domain.retention import HELSINKI
from ari_recorder.services.papers import as_html
from ari_recorder.vault import verify_package
from ari_recorder.vault.given import GivenCopy
from ari_recorder.vault.keyring import Keyring

# Bytes of a ZIP file beside those of its members (APPNOTE 4.3): local header, data descriptor, central header, end.
_LOCAL, _DESCRIPTOR, _CENTRAL, _END = 30, 16, 46, 22
_SHA256_HEX, _SIGNATURE_BYTES = 64, 64
_MOST_BYTES = 2**32 - 1  # beyond it a ZIP file has another form, which fewer programs read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A file of the package. `size` is that of what `blocks` gives."""

    name: str
    size: int
    blocks: Callable[[], Iterable[bytes]]


class PackageZip:
    """`copies`: of the recordings, in the order of `contents`; they are closed with this object. It blocks."""

    def __init__(self, contents: Contents, copies: Sequence[GivenCopy], keyring: Keyring) -> None:
        self._made_at = contents.made_at
        self._copies = copies
        self._keyring = keyring
        self._digests: dict[str, str] = {}
        self._members = (*_told(contents, copies), *_audio(contents, copies), _tool())
        sums_size = sum(_SHA256_HEX + 2 + len(one.name) + 1 for one in self._members)
        last = (
            _Member(name=SUMS, size=sums_size, blocks=self._sums),
            _Member(name=SIGNATURE, size=len(self._signature_file(bytes(_SIGNATURE_BYTES))), blocks=self._signed),
        )
        self._all = (*self._members, *last)
        self.size = _END + sum(_LOCAL + _DESCRIPTOR + _CENTRAL + 2 * len(one.name) + one.size for one in self._all)
        if self.size > _MOST_BYTES:
            raise PackageTooLarge

    def blocks(self) -> Iterator[bytes]:
        """All of it, once. KeyringLocked when that was locked meanwhile: what there is then has no signature."""
        pipe = _Pipe()
        with zipfile.ZipFile(pipe, "w") as archive:  # type: ignore[call-overload]  # it wants no more than `write`
            for member in self._all:
                digest = hashlib.sha256()
                with archive.open(_info(member, self._made_at), "w") as file:
                    for block in member.blocks():
                        digest.update(block)
                        file.write(block)
                        yield from pipe.taken()
                self._digests[member.name] = digest.hexdigest()
                yield from pipe.taken()
        yield from pipe.taken()

    def close(self) -> None:
        for copy in self._copies:
            copy.close()

    def _sums(self) -> Iterable[bytes]:
        return (sums({one.name: self._digests[one.name] for one in self._members}).encode(),)

    def _signed(self) -> Iterable[bytes]:
        text = b"".join(self._sums())
        return (self._signature_file(self._keyring.sign(FORMAT, text)),)

    def _signature_file(self, signature: bytes) -> bytes:
        told = {
            "signed": SUMS,
            "signature": base64.b64encode(signature).decode(),
            "signer": self._keyring.signer.hex(),
        }
        return json.dumps(told, indent=1).encode() + b"\n"


def _told(contents: Contents, copies: Sequence[GivenCopy]) -> Iterator[_Member]:
    suffixes = tuple(copy.suffix for copy in copies)
    for language in LANGUAGES:
        yield _bytes(page_name(language), as_html(page(contents, language, suffixes)).encode())
    ids = [one.id for one in contents.recordings]
    told = machine_readable(
        contents,
        {one: copy.samples for one, copy in zip(ids, copies, strict=True)},
        dict(zip(ids, suffixes, strict=True)),
    )
    yield _bytes(DATA, json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n")


def _audio(contents: Contents, copies: Sequence[GivenCopy]) -> Iterator[_Member]:
    for number, (one, copy) in enumerate(zip(contents.recordings, copies, strict=True), 1):
        yield _Member(name=audio_name(one, number, "wav"), size=copy.wav_bytes, blocks=copy.wav)
        yield _Member(name=audio_name(one, number, copy.suffix), size=copy.size, blocks=copy.compressed)


def _tool() -> _Member:
    return _bytes(TOOL, Path(verify_package.__file__).read_bytes())


def _bytes(name: str, data: bytes) -> _Member:
    return _Member(name=name, size=len(data), blocks=lambda: (data,))


def _info(member: _Member, made_at: datetime) -> zipfile.ZipInfo:
    local = made_at.astimezone(HELSINKI)
    info = zipfile.ZipInfo(member.name, (local.year, local.month, local.day, local.hour, local.minute, local.second))
    info.file_size = member.size
    info.external_attr = 0o644 << 16
    return info


class _Pipe:
    """What zipfile writes into: it cannot go back, so sizes and checksums come behind each member."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> Iterator[bytes]:
        waiting, self._waiting = self._waiting, []
        yield from (one for one in waiting if one)
