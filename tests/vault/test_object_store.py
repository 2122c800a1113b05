"""The S3 client against two stores: what is there is what was sealed, and what is gone is gone in every version."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from ari_recorder.domain.errors import (
    ObjectDiffers,
    ObjectLeft,
    ObjectStoreAway,
    ObjectStoreRefused,
    SealedMissing,
)
from ari_recorder.vault.object_store import BLOCK_BYTES, ObjectStore
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.s3 import KEYS, S3House, house_at

PATH = "2026/01/02/6a1f1a52-0000-4000-8000-000000000001.sealed"
OTHER = "2026/01/02/6a1f1a52-0000-4000-8000-000000000002.sealed"
DATA = os.urandom(2 * BLOCK_BYTES + 12_345)
SHA256 = hashlib.sha256(DATA).digest()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[FileIO]:
    (tmp_path / "sealed").write_bytes(DATA)
    with FileIO(str(tmp_path / "sealed"), "rb") as opened:
        yield opened


def read(store: ObjectStore, first: int, length: int) -> bytes:
    source, found = store.open(PATH), bytearray(length)
    done = 0
    while count := source.readinto(memoryview(found)[done:], first + done) if done < length else 0:
        done += count
    return bytes(found[:done])


def test_what_was_stored_is_there_once_and_is_read_in_ranges(each_s3: S3House, file: FileIO) -> None:
    head = each_s3.store.store(PATH, file, SHA256)
    assert (head.size, each_s3.store.digest(PATH)) == (len(DATA), SHA256)
    assert each_s3.store.store(PATH, file, SHA256) == head, "stored again, it is the same object"
    assert each_s3.everything() == [f"version recorder/{PATH}"]
    for first, length in ((0, 56), (BLOCK_BYTES - 7, 20), (len(DATA) - 16, 16), (len(DATA) - 3, 30), (0, len(DATA))):
        assert read(each_s3.store, first, length) == DATA[first : first + length]


def test_all_versions_markers_and_unfinished_uploads_go(each_s3: S3House, file: FileIO) -> None:
    each_s3.store.store(PATH, file, SHA256)
    each_s3.store.store(OTHER, file, SHA256)
    each_s3.put(PATH, b"somebody else's")
    each_s3.delete(PATH)
    each_s3.begin_upload(PATH)
    each_s3.begin_upload(f"{PATH}.more")
    assert len(each_s3.everything()) == 6
    assert each_s3.store.remove(PATH) == 4
    assert each_s3.everything() == [f"upload recorder/{PATH}.more", f"version recorder/{OTHER}"]
    assert each_s3.store.remove(PATH) == 0, "removing it twice is fine"
    with pytest.raises(SealedMissing):
        each_s3.store.open(PATH)


@pytest.mark.parametrize("kind", ["moto", "ceph"])
def test_a_bucket_without_versions_is_emptied_too(request: pytest.FixtureRequest, file: FileIO, kind: str) -> None:
    house = house_at(request.getfixturevalue(f"{kind}_port"), ACL="private")
    assert house.store.examine().versioning == ""
    house.store.store(PATH, file, SHA256)
    assert house.store.remove(PATH) == 1
    assert house.everything() == []


@pytest.mark.parametrize("kind", ["moto", "ceph"])
def test_object_lock_is_seen(request: pytest.FixtureRequest, kind: str) -> None:
    port = request.getfixturevalue(f"{kind}_port")
    assert not house_at(port).store.examine().object_lock
    assert house_at(port, ObjectLockEnabledForBucket=True).store.examine().object_lock


def test_what_was_changed_behind_our_back_is_replaced(each_s3: S3House, file: FileIO) -> None:
    each_s3.put(PATH, DATA[:-1] + b"x")
    each_s3.store.store(PATH, file, SHA256)
    assert each_s3.store.digest(PATH) == SHA256


def test_a_wrong_key_and_a_bucket_that_is_gone_are_told_apart(ceph_port: int) -> None:
    house = house_at(ceph_port)
    with pytest.raises(ObjectStoreRefused, match="the secret key is not that of the access key"):
        ObjectStore(house.place, (KEYS[0], "another")).examine()
    with pytest.raises(ObjectStoreRefused, match="it does not know the access key"):
        ObjectStore(house.place, ("nobody", "another")).examine()
    gone = ObjectStore(replace(house.place, bucket="gone"), KEYS)
    with pytest.raises(ObjectStoreRefused, match="there is no such bucket"):
        gone.examine()
    with pytest.raises(ObjectStoreRefused, match="there is no such bucket"):
        gone.remove(PATH)  # and not "gone"


# --- a way that fails


Editor = Callable[[], Callable[[bytes], bytes]]


def answering(status: str, code: str) -> Editor:
    """Each answer of the store becomes this one, in however many pieces it comes: one request a connection."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/xml", f"Content-Length: {len(body)}", "Connection: close")
    head = "".join(f"{line}\r\n" for line in (*lines, ""))

    def of_connection() -> Callable[[bytes], bytes]:
        pieces = iter([head.encode() + body])
        return lambda _: next(pieces, b"")

    return of_connection


async def test_a_store_that_fails_is_away_and_one_that_comes_back_is_used(s3: S3House, file: FileIO) -> None:
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        for status, code, reason in (
            ("500 Internal Server Error", "InternalError", "it answered 500 InternalError"),
            ("503 Slow Down", "SlowDown", "it answered 503 SlowDown"),
        ):
            proxy.editor = answering(status, code)
            with pytest.raises(ObjectStoreAway, match=reason):
                await asyncio.to_thread(store.examine)
            proxy.reset()
        with pytest.raises(ObjectStoreAway):
            await asyncio.to_thread(store.remove, PATH)
        proxy.reset()
        proxy.editor = answering("403 Forbidden", "RequestTimeTooSkewed")
        with pytest.raises(ObjectStoreRefused, match="the clocks of this host and of the store differ too much"):
            await asyncio.to_thread(store.examine)
        proxy.reset()
        proxy.editor = None
        await asyncio.to_thread(store.store, PATH, file, SHA256)
        assert s3.everything() == [f"version recorder/{PATH}"]


async def test_an_upload_that_is_cut_leaves_nothing_half(s3: S3House, file: FileIO) -> None:
    """The line is cut within the body: what the store has got of it is no object."""
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        cut = _CutsUploads(proxy)
        with pytest.raises(ObjectStoreAway):
            await asyncio.to_thread(store.store, PATH, file, SHA256)
        assert cut.times > 0
        assert s3.everything() == []
        proxy.is_last_word = lambda _: False
        await asyncio.to_thread(store.store, PATH, file, SHA256)
        assert s3.everything() == [f"version recorder/{PATH}"]


class _CutsUploads:
    """Resets every connection as soon as a piece of a body has gone by."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.times = 0
        self._proxy = proxy
        proxy.loses = 1e-9
        proxy.slice_bytes = 4096
        proxy.is_last_word = self

    def __call__(self, data: bytes) -> bool:
        if DATA[100_000:100_064] in data or DATA[: 1 << 15][-64:] in data:
            self.times += 1
            self._proxy.reset()
        return False


async def test_an_answer_that_is_lost_after_the_upload_costs_no_second_version(s3: S3House, file: FileIO) -> None:
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        store._client = lambda seconds=0: s3_client_without_retries(store)  # type: ignore[method-assign]
        proxy.loses, proxy.is_last_word = 1.0, lambda data: DATA[-64:] in data
        with pytest.raises(ObjectStoreAway):
            await asyncio.to_thread(store.store, PATH, file, SHA256)
        assert proxy.lost == 1
        assert s3.everything() == [f"version recorder/{PATH}"]
        await asyncio.to_thread(store.store, PATH, file, SHA256)
        assert s3.everything() == [f"version recorder/{PATH}"]


def s3_client_without_retries(store: ObjectStore) -> object:
    return ObjectStore._client(store, 5)


class _Lagging(ObjectStore):
    """Its listing shows nothing, the first times it is asked."""

    lags = 0

    def versions(self, under: str = "") -> object:  # type: ignore[override]
        self.lags -= 1
        return iter(()) if self.lags >= 0 else super().versions(under)


@pytest.mark.parametrize("lags", [1, 2])
def test_a_listing_that_lags_is_not_believed(s3: S3House, file: FileIO, lags: int) -> None:
    s3.store.store(PATH, file, SHA256)
    store = _Lagging(s3.place, KEYS)
    store.lags = lags
    store.remove(PATH)
    assert s3.everything() == []


def test_what_does_not_go_is_never_called_gone(s3: S3House, file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.vault.object_store._FIRST_REST", 0.0)
    s3.store.store(PATH, file, SHA256)
    monkeypatch.setattr(ObjectStore, "remove_version", lambda *_: None)
    with pytest.raises(ObjectLeft):
        s3.store.remove(PATH)
    monkeypatch.undo()
    assert s3.store.remove(PATH) == 1


def test_what_the_store_keeps_wrongly_is_no_copy(s3: S3House, file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store takes the bytes and has others then."""
    asked = ObjectStore._ask

    def spoiling(store: ObjectStore, operation: str, path: str | None = None, **more: object) -> object:
        answer = asked(store, operation, path, **more)  # type: ignore[arg-type]
        if operation == "put_object":
            s3.put(PATH, DATA[:-1] + b"x")
        return answer

    monkeypatch.setattr(ObjectStore, "_ask", spoiling)
    with pytest.raises(ObjectDiffers):
        s3.store.store(PATH, file, SHA256)


async def test_listeners_of_a_store_that_hangs_hold_few_threads_and_not_for_long(
    s3: S3House, file: FileIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ari_recorder.vault.object_store._LISTENER_SECONDS", 1)
    monkeypatch.setattr("ari_recorder.vault.object_store._READER_PATIENCE", 0.05)
    s3.store.store(PATH, file, SHA256)
    async with fault_proxy(int(s3.place.endpoint.rpartition(":")[2])) as proxy:
        store = s3.reached_by(proxy.port)
        proxy.stall()
        waiting = [asyncio.create_task(asyncio.to_thread(store.open, PATH)) for _ in range(5)]
        found = await asyncio.gather(*waiting, return_exceptions=True)
        reasons = sorted(str(one) for one in found)
        assert all(isinstance(one, ObjectStoreAway) for one in found)
        assert sum("others wait" in one for one in reasons) == 3
        with pytest.raises(ObjectStoreAway, match="did not answer just now"):
            store.open(PATH)  # at once, in whatever thread
        proxy.flow()
        store._away_until = 0.0
        assert (await asyncio.to_thread(store.open, PATH)).size == len(DATA)


def test_only_sealed_bytes_are_remembered_and_few(s3: S3House, file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ari_recorder.vault.object_store._REMEMBERED_BLOCKS", 2)
    s3.store.store(PATH, file, SHA256)
    assert read(s3.store, 0, len(DATA)) == DATA
    assert len(s3.store._blocks) == 2
    assert all(block.data in DATA for block in s3.store._blocks.values())
    s3.store.remove(PATH)
    assert not s3.store._blocks, "what is destroyed is forgotten, too"


def test_threads_share_a_store(s3: S3House, file: FileIO) -> None:
    s3.store.store(PATH, file, SHA256)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(read(s3.store, 5, 1000))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DATA[5:1005]] * 2
