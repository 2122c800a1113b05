"""Sealed files in an S3 store: how they get there, are read in ranges, and go for good. Knows no keys, and no rows.

    <bucket>/<prefix>2026/03/29/<uuid>.sealed     byte for byte the file of the vault, under the vault's own path

    store    look: is it there, and the same? ── no ──► PUT ──► read back, SHA-256 compared ──► it is there
    remove   list versions, delete markers, uploads ──► remove each ──► list again … nothing, and HEAD finds nothing

Stored in one PUT, which the store takes whole or not at all: nothing of ours is ever half there. The PUT is signed with
the SHA-256 of its body, so the store refuses what was changed on the way; what it keeps is read back. That costs the
bytes twice and is the one check that every store can do.

A listing may lag behind. What is gone is therefore asked in two ways, a few times; a doubt is an error, never "gone".

The client is botocore alone. obstore cannot delete a version nor list them; botocore does both, and everything else
that is needed here. It blocks, like all of the vault: use a thread.
Where people wait for bytes they wait shortly: who reads from a store that is away gets an error at once for a while,
so that no thread that seals waits behind somebody who listens. Only sealed bytes are remembered, in memory.
"""

import hashlib
import os
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ari_recorder.domain.errors import (
    ObjectDiffers,
    ObjectLeft,
    ObjectStoreAway,
    SealedMissing,
)
from ari_recorder.domain.object_store import BucketFacts
from ari_recorder.vault.s3_errors import Absent, told
from ari_recorder.vault.stream import Sink, write_all

# A player asks for some 64 KiB; the next one is then there already.
BLOCK_BYTES = 1 << 18
_REMEMBERED_BLOCKS = 64
_READ_BYTES = 1 << 20
# Two of the few threads that everything that blocks shares; a third listener waits for one of them.
_READERS = 2
_READER_PATIENCE = 0.5
_AWAY_SECONDS = 5.0
_CONNECT_SECONDS, _ANSWER_SECONDS, _LISTENER_SECONDS = 5, 30, 5
_LOOKS = 5  # at a listing that may lag
_FIRST_REST = 0.2
# A body that takes longer is given up: the claim of who uploads it must outlive it (storage/remote_copies.py).
PUT_SECONDS = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    endpoint: str
    bucket: str
    region: str
    prefix: str
    ca_file: Path | None

    @property
    def name(self) -> str:
        """As rows and messages tell it."""
        return f"{self.endpoint}/{self.bucket}/{self.prefix}"

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object, a delete marker, or the parts of an upload that was never ended (`upload_id`)."""

    path: str
    version_id: str = ""
    upload_id: str = ""
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class _Block:
    data: bytes
    total: int  # bytes of the object


class ObjectStore:
    """One bucket. For any number of threads."""

    def __init__(self, place: Place, keys: tuple[str, str]) -> None:
        self.place = place
        self._keys = keys
        self._making = threading.Lock()
        self._made: dict[int, Any] = {}
        self._readers = threading.BoundedSemaphore(_READERS)
        self._away_until = 0.0
        self._blocks: OrderedDict[tuple[str, int], _Block] = OrderedDict()
        self._blocks_lock = threading.Lock()

    # --- what the bucket is

    def examine(self) -> BucketFacts:
        """What the bucket says of itself. An error of the store when it cannot be used at all."""
        self._ask("head_bucket_by_listing")
        versioning = self._ask("get_bucket_versioning")
        lock = self._optional("get_object_lock_configuration").get("ObjectLockConfiguration", {})
        replication = self._optional("get_bucket_replication").get("ReplicationConfiguration", {})
        location = self._optional("get_bucket_location").get("LocationConstraint")
        next(self.versions(), None)  # a store that cannot list them cannot prove that they are gone
        next(self._uploads(""), None)
        return BucketFacts(
            versioning=versioning.get("Status", ""),
            object_lock=lock.get("ObjectLockEnabled") == "Enabled",
            mfa_delete=versioning.get("MFADelete") == "Enabled",
            replicated=any(rule.get("Status") == "Enabled" for rule in replication.get("Rules", ())),
            location=location or "us-east-1",
        )

    # --- there

    def store(self, path: str, file: FileIO, sha256: bytes) -> Head:
        """Bring a sealed file there, unless it is there; what the store says of it then. ObjectDiffers when what is
        read back is something else. After an error it may be there or not: do it again."""
        size = os.fstat(file.fileno()).st_size
        until = time.monotonic() + PUT_SECONDS  # from here: looking at what is there may have taken long
        there = self.head(path)
        if there is None or there.size != size or self.digest(path) != sha256:
            file.seek(0)
            body = _InTime(file, until)
            self._ask("put_object", path, Body=body, ContentLength=size, ContentType="application/octet-stream")
            if self.digest(path) != sha256:
                raise ObjectDiffers(path=path, reason="what was read back is not what was sent")
            there = self.head(path)
        if there is None or there.size != size:
            raise ObjectDiffers(path=path, reason="it was stored and is not there")
        return there

    def head(self, path: str) -> Head | None:
        """None when there is no such object, or not even the bucket: HEAD does not tell them apart."""
        try:
            answer = self._ask("head_object", path)
        except Absent:
            return None
        return Head(size=answer["ContentLength"], etag=answer["ETag"])

    def digest(self, path: str, sink: Sink | None = None) -> bytes | None:
        """SHA-256 of all its bytes as they are there now, which `sink` gets, too; None when there is no such object."""
        try:
            answer = self._ask("get_object", path)
        except Absent:
            return None
        digest = hashlib.sha256()
        with self._telling(), answer["Body"] as body:
            for piece in iter(lambda: body.read(_READ_BYTES), b""):
                digest.update(piece)
                if sink is not None:
                    write_all(sink, memoryview(piece))
        return digest.digest()

    # --- read

    def open(self, path: str) -> "StoredBytes":
        """A sealed file to be read in ranges. SealedMissing when it is not there either."""
        return StoredBytes(self, path, self.block(path, 0).total)

    def block(self, path: str, number: int) -> _Block:
        """`BLOCK_BYTES` of an object, the last one shorter."""
        with self._blocks_lock:
            if (known := self._blocks.get((path, number))) is not None:
                self._blocks.move_to_end((path, number))
                return known
        block = self._fetch(path, number * BLOCK_BYTES)
        with self._blocks_lock:
            self._blocks[path, number] = block
            while len(self._blocks) > _REMEMBERED_BLOCKS:
                self._blocks.popitem(last=False)
        return block

    def _fetch(self, path: str, offset: int) -> _Block:
        if time.monotonic() < self._away_until:
            raise ObjectStoreAway(name=self.place.name, reason="it did not answer just now")
        if not self._readers.acquire(timeout=_READER_PATIENCE):
            raise ObjectStoreAway(name=self.place.name, reason="it is slow, and others wait for it already")
        try:
            with self._telling():
                wanted = f"bytes={offset}-{offset + BLOCK_BYTES - 1}"
                answer = self._ask("get_object", path, seconds=_LISTENER_SECONDS, Range=wanted)
                with answer["Body"] as body:
                    return _Block(body.read(), int(answer["ContentRange"].rpartition("/")[2]))
        except Absent:
            raise SealedMissing(path=path) from None
        except ObjectStoreAway:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            raise
        finally:
            self._readers.release()

    # --- gone

    def remove(self, path: str) -> int:
        """All of it: each version, each delete marker, each upload that was never ended; how many that were.

        Only when a listing has nothing and the object cannot be had either does it return; ObjectLeft when that does
        not come true, and any error of the store, mean that it may be there.
        """
        self.forget(path)
        removed = 0
        for look in range(_LOOKS):
            if look:
                time.sleep(_FIRST_REST * 2 ** (look - 1))
            found = [one for one in (*self.versions(path), *self._uploads(path)) if one.path == path]
            for one in found:
                self.remove_version(one)
            removed += len(found) if not look else 0
            if not found:
                if (current := self._current(path)) is None:
                    return removed
                self._ask("delete_object", path, **current)  # the listing lags
        raise ObjectLeft(path=path, reason=f"it was removed {_LOOKS} times, and is still listed or found")

    def _current(self, path: str) -> dict[str, Any] | None:
        """Which version is found by its name, be it a delete marker; None when nothing is."""
        try:
            answer = self._ask("head_object", path)
        except Absent as absent:
            return {"VersionId": absent.marker} if absent.marker else None
        return {"VersionId": answer["VersionId"]} if "VersionId" in answer else {}

    def remove_version(self, one: Version) -> None:
        try:
            if one.upload_id:
                self._ask("abort_multipart_upload", one.path, UploadId=one.upload_id)
            else:
                self._ask("delete_object", one.path, VersionId=one.version_id)
        except Absent:
            return  # somebody else was first

    def forget(self, path: str) -> None:
        """Its bytes in memory."""
        with self._blocks_lock:
            for key in [key for key in self._blocks if key[0] == path]:
                del self._blocks[key]

    def versions(self, under: str = "") -> Iterator[Version]:
        """Every version and delete marker of the objects whose path begins so."""
        for page in self._pages("list_object_versions", under):
            for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield Version(path=self._path(one["Key"]), version_id=one["VersionId"], made_at=one["LastModified"])

    def everything(self, under: str) -> Iterator[Version]:
        """What `remove` would remove, of all objects whose path begins so."""
        yield from self.versions(under)
        yield from self._uploads(under)

    def _uploads(self, under: str) -> Iterator[Version]:
        for page in self._pages("list_multipart_uploads", under):
            for one in page.get("Uploads", ()):
                yield Version(path=self._path(one["Key"]), upload_id=one["UploadId"], made_at=one["Initiated"])

    # --- the client

    def _path(self, key: str) -> str:
        return key.removeprefix(self.place.prefix)

    def _pages(self, operation: str, under: str) -> Iterator[dict[str, Any]]:
        with self._telling():
            pages = self._client().get_paginator(operation)
            yield from pages.paginate(Bucket=self.place.bucket, Prefix=self.place.prefix + under)

    def _ask(self, operation: str, path: str | None = None, *, seconds: int = _ANSWER_SECONDS, **more: Any) -> Any:
        with self._telling():
            if operation == "head_bucket_by_listing":  # HEAD of a bucket cannot say why it was refused
                return self._client().list_objects_v2(
                    Bucket=self.place.bucket, Prefix=self.place.prefix, MaxKeys=1, **more
                )
            if path is not None:
                more["Key"] = self.place.prefix + path
            return getattr(self._client(seconds), operation)(Bucket=self.place.bucket, **more)

    def _optional(self, operation: str) -> dict[str, Any]:
        """What a store answers, which may not know the question."""
        try:
            answer: dict[str, Any] = self._ask(operation)
        except Absent:
            return {}
        return answer

    @contextmanager
    def _telling(self) -> Iterator[None]:
        with told(self.place.name):
            yield

    def _client(self, seconds: int = _ANSWER_SECONDS) -> Any:
        with self._making:
            if seconds not in self._made:
                self._made[seconds] = _client(self.place, self._keys, seconds)
            return self._made[seconds]


class StoredBytes:
    """A sealed file of the store, as stream.py reads it."""

    def __init__(self, store: ObjectStore, path: str, size: int) -> None:
        self.size = size
        self._store = store
        self._path = path

    def readinto(self, buffer: memoryview, offset: int) -> int:
        """Some bytes from `offset` on, as many as are at hand; 0 only at the end."""
        number, skip = divmod(offset, BLOCK_BYTES)
        if offset >= self.size:
            return 0
        piece = self._store.block(self._path, number).data[skip : skip + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class _InTime:
    """A body that ends with an error when its time is over, however slowly it is taken."""

    def __init__(self, file: FileIO, until: float) -> None:
        self._file = file
        self._until = until

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError("it takes the bytes too slowly")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _client(place: Place, keys: tuple[str, str], seconds: int) -> Any:
    # They take half a second to load, which commands that need no store do not pay.
    from botocore.config import Config as ClientConfig
    from botocore.session import Session

    # Nothing comes from the environment or a file of Amazon's tools: only what `[s3]` says.
    apart = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull, "ca_bundle": None}
    session = Session(session_vars={name: (None, None, value, None) for name, value in apart.items()})
    access, secret = keys
    return session.create_client(
        "s3",
        region_name=place.region,
        endpoint_url=place.endpoint,
        verify=str(place.ca_file) if place.ca_file else ssl.get_default_verify_paths().cafile or True,
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        config=ClientConfig(
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": True},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=seconds,
            retries={"total_max_attempts": 2 if seconds == _ANSWER_SECONDS else 1, "mode": "standard"},
            max_pool_connections=16,
            proxies={},
            ignore_configured_endpoint_urls=True,
        ),
    )
