"""Is a sealed recording what was sealed? Every check there is, and in words what was checked. Blocks: use a thread."""

from hashlib import file_digest
from uuid import UUID

from ari_recorder.domain.errors import ObjectDiffers, SealedDiffers, SealedMissing
from ari_recorder.domain.recordings import Label
from ari_recorder.vault.object_store import ObjectStore
from ari_recorder.vault.recordings import Vault
from ari_recorder.vault.stream import CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES

_READ_BYTES = 1 << 20


def compare_hash(vault: Vault, path: str, sha256: bytes) -> int:
    """Its bytes against the row, which needs no key; how many they are. SealedDiffers when they are others."""
    try:
        with open(vault.files.open(path), "rb", buffering=0) as file:
            digest: bytes | None = file_digest(file, "sha256").digest()
            size = file.tell()
    except SealedMissing:
        store = vault.files.store
        if store is None or (head := store.head(path)) is None:
            raise
        digest, size = store.digest(path), head.size
    if digest != sha256:
        raise SealedDiffers(name=path)
    return size


def compare_copy(store: ObjectStore, path: str, sha256: bytes, etag: str, *, whole: bool) -> None:
    """What the store has against the row: all its bytes, or what the store says of them. ObjectDiffers."""
    head = store.head(path)
    if head is None:
        raise ObjectDiffers(path=path, reason="it is not there any more")
    if head.etag != etag:
        raise ObjectDiffers(path=path, reason="it was replaced since it was put there")
    if whole and store.digest(path) != sha256:
        raise ObjectDiffers(path=path, reason="its SHA-256 is another")


def read_all(vault: Vault, path: str, wrapped_key: bytes, recording_id: UUID, row: Label) -> None:
    """Every chunk is decrypted, and with that authenticated. What is wrong comes out as the vault says it."""
    with vault.open_recording(path, wrapped_key, recording_id, row) as opened:
        for offset in range(0, opened.size, _READ_BYTES):
            opened.read(offset, _READ_BYTES)
        opened.peaks()


def verify(
    vault: Vault, path: str, wrapped_key: bytes, recording_id: UUID, sha256: bytes, row: Label
) -> tuple[str, ...]:
    """What was checked, in words; an error if one of them does not hold."""
    size = compare_hash(vault, path, sha256)
    read_all(vault, path, wrapped_key, recording_id, row)
    chunks = (size - HEADER_BYTES) // SEALED_CHUNK_BYTES + 1
    return (
        f"the sealed file is byte for byte the one that was sealed (SHA-256 {sha256.hex()})",
        "it belongs to this recording and to no other (commitment to key and id)",
        "call, queue, segment and start are those that were sealed with it (unless an older version sealed it)",
        f"each of its {chunks} chunk(s) of up to {CHUNK_BYTES} bytes is what was sealed; none is missing at its end",
    )
