"""S3 stores for tests: moto's, quick, with versions; and Ceph's, which nobody here has written. Each test has a bucket
of its own."""

import contextlib
import itertools
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from ari_recorder.vault.object_store import ObjectStore, Place
from tests.debian import CEPH, ensure_tree

KEYS = ("AKINSECURE", "insecure-secret-of-tests")
_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class S3House:
    """A bucket with versions, and a client that does what its owner can."""

    store: ObjectStore
    client: Any = field(repr=False)

    @property
    def place(self) -> Place:
        return self.store.place

    def everything(self) -> list[str]:
        """Kind and key of all there is in the bucket, asked apart from the program's own client code."""
        bucket = self.place.bucket
        listed = self.client.list_object_versions(Bucket=bucket)
        uploads = self.client.list_multipart_uploads(Bucket=bucket)
        return sorted(
            [f"version {one['Key']}" for one in listed.get("Versions", ())]
            + [f"marker {one['Key']}" for one in listed.get("DeleteMarkers", ())]
            + [f"upload {one['Key']}" for one in uploads.get("Uploads", ())]
        )

    def put(self, path: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.place.bucket, Key=self.place.prefix + path, Body=data)

    def delete(self, path: str) -> None:
        """As most tools do: a marker, and all versions stay."""
        self.client.delete_object(Bucket=self.place.bucket, Key=self.place.prefix + path)

    def begin_upload(self, path: str) -> None:
        self.client.create_multipart_upload(Bucket=self.place.bucket, Key=self.place.prefix + path)

    def reached_by(self, port: int) -> ObjectStore:
        """The same bucket by another way."""
        return ObjectStore(replace(self.place, endpoint=f"http://127.0.0.1:{port}"), KEYS)

    def settings(self, folder: Path, port: int | None = None) -> str:
        """`[s3]` of a configuration file."""
        for name, text in zip(("access", "secret"), KEYS, strict=True):
            (folder / f"s3.{name}").write_text(text)
            (folder / f"s3.{name}").chmod(0o600)
        endpoint = self.place.endpoint if port is None else f"http://127.0.0.1:{port}"
        return (
            f'[s3]\nendpoint = "{endpoint}"\nbucket = "{self.place.bucket}"\nprefix = "{self.place.prefix}"\n'
            f'country = "FI"\naccess_key_file = "{folder}/s3.access"\nsecret_key_file = "{folder}/s3.secret"\n'
        )


def house_at(port: int, **bucket: object) -> S3House:
    store = ObjectStore(
        Place(
            endpoint=f"http://127.0.0.1:{port}",
            bucket=f"calls-{next(_numbers)}-{uuid4().hex[:8]}",
            region="us-east-1",
            prefix="recorder/",
            ca_file=None,
        ),
        KEYS,
    )
    client = store._client()
    client.create_bucket(Bucket=store.place.bucket, **bucket)
    if not bucket:
        client.put_bucket_versioning(Bucket=store.place.bucket, VersioningConfiguration={"Status": "Enabled"})
    return S3House(store=store, client=client)


@pytest.fixture(scope="session")
def moto_port() -> Iterator[int]:
    from moto.server import ThreadedMotoServer  # it takes a second to load, which other tests need not pay

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@pytest.fixture
def s3(request: pytest.FixtureRequest) -> S3House:
    """moto's, or whichever a test asks for by name."""
    return house_at(request.getfixturevalue(f"{getattr(request, 'param', 'moto')}_port"))


# --- Ceph

_CONF = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
osd class dir = {libraries}/rados-classes
plugin dir = {libraries}/ceph
erasure code dir = {libraries}/ceph/erasure-code
run dir = {work}
admin socket =
pid file =
log file = {work}/$name.log
mon data = {work}/mon
osd data = {work}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw data = {work}/rgw
rgw rados pool pg num min = 1
"""


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@contextlib.contextmanager
def ceph(work: Path) -> Iterator[int]:
    """The port of a RADOS gateway, with a cluster of one disk in memory behind it. No root; nothing installed."""
    tree = ensure_tree(CEPH)
    mon, rgw, fsid = _free_port(), _free_port(), str(uuid4())
    for folder in ("mon", "osd", "rgw"):
        (work / folder).mkdir()
    conf = work / "ceph.conf"
    conf.write_text(_CONF.format(fsid=fsid, mon=mon, rgw=rgw, libraries=tree.libraries, work=work))
    libraries = ":".join(str(tree.root / folder) for folder in ("usr/lib/ceph",))
    start = [tree.loader, "--library-path", f"{tree.libraries}:{tree.libraries}/ceph:{libraries}"]

    def command(program: str, *arguments: object) -> list[str]:
        return [str(part) for part in (*start, tree.root / "usr/bin" / program, *arguments)]

    def run(program: str, *arguments: object) -> None:
        subprocess.run(command(program, *arguments), cwd=work, check=True, capture_output=True, timeout=60)

    running: list[subprocess.Popen[bytes]] = []

    def serve(program: str, *arguments: object) -> None:
        with (work / f"{program}.out").open("wb") as out:
            running.append(subprocess.Popen(command(program, *arguments, "-f"), cwd=work, stdout=out, stderr=out))

    try:
        run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{mon}]", "monmap")
        run("osdmaptool", "osdmap", "--createsimple", 1, "--clobber")
        run("ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", "monmap", "--osdmap", "osdmap", "--fsid", fsid)
        serve("ceph-mon", "-c", conf, "-i", "a")
        run("ceph-osd", "-c", conf, "-i", 0, "--mkfs", "--osd-uuid", uuid4())
        serve("ceph-osd", "-c", conf, "-i", 0)
        serve("radosgw", "-c", conf, "-n", "client.rgw")
        access, secret = KEYS
        user = ["user", "create", "--uid=tests", "--display-name=tests", f"--access-key={access}"]
        _until(lambda: _answers(rgw), 90)
        run("radosgw-admin", "-c", conf, "-n", "client.rgw", *user, f"--secret-key={secret}")
        yield rgw
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.1)


@pytest.fixture(scope="session")
def ceph_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with ceph(tmp_path_factory.mktemp("ceph")) as port:
        yield port


@pytest.fixture(params=["moto", "ceph"])
def each_s3(request: pytest.FixtureRequest) -> S3House:
    return house_at(request.getfixturevalue(f"{request.param}_port"))
