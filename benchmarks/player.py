"""Listening over HTTPS: the first byte, and a jump to anywhere, against nginx that serves the same audio as a file.

The service asks the session, the rights and the audit log before it opens what was sealed, and decrypts each range;
nginx does none of it. Both have the same audio of an hour, the same certificate, one client in a process of its own,
and take turns. Measured is the time from the request to the first byte of the body, on a connection that is kept.
"""

import asyncio
import contextlib
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ari_recorder.domain.accounts import Role
from ari_recorder.services.web_certificate import Certificate, web_certificate
from ari_recorder.storage.db import Database
from ari_recorder.web.cookies import SESSION
from benchmarks.database import migrated
from benchmarks.figures import Figure, Goal, middle, percentile
from tests import debian
from tests.lab.asterisk import free_port
from tests.site import record
from tests.web.house import House, Visitor, open_house

LENGTH = timedelta(hours=1)
ROUNDS = 5
TIMES = 60
RANGE_BYTES = 1 << 16
# Seek at most twice nginx's.
GOAL = 0.5


def _speech(seed: int) -> bytes:
    """Noise in syllables, for FLAC to have something to do."""
    rng = np.random.default_rng(seed)
    count = int(LENGTH.total_seconds() * 8000)
    loud = np.repeat(rng.choice([0, 200, 1500, 3000], count // 1600), 1600)
    return bytes((rng.standard_normal(count) * loud).clip(-32768, 32767).astype("<i2").tobytes())


@contextmanager
def _nginx(folder: Path, shown: Certificate) -> Iterator[str]:
    """Serves what is in `folder`; its address."""
    tree = debian.ensure_tree(debian.NGINX)
    port = free_port(socket.SOCK_STREAM)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
        {user} worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
        events {{}}
        http {{
            access_log off; keepalive_requests 1000000; sendfile on;
            client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
            uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
            server {{
                listen 127.0.0.1:{port} ssl; root {folder};
                ssl_certificate {shown.certificate}; ssl_certificate_key {shown.key};
            }}
        }}
    """)
    program = [tree.loader, "--library-path", tree.libraries, tree.root / "usr/sbin/nginx"]
    command = [*program, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "error.log"]
    server = subprocess.Popen([str(one) for one in command])
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def client(address: str, cookie: str, size: int, seed: int) -> None:
    """Prints the milliseconds of each request: of the beginning, and of somewhere."""
    asked, rng = urlsplit(address), random.Random(seed)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(asked.netloc, context=context, timeout=30)

    def took(offset: int) -> float:
        headers = {"Range": f"bytes={offset}-{offset + RANGE_BYTES - 1}", "Cookie": cookie}
        began = time.perf_counter()
        connection.request("GET", asked.path, headers=headers)
        answer = connection.getresponse()
        answer.read(1)
        found = (time.perf_counter() - began) * 1000
        assert answer.status == 206, answer.status
        answer.read()
        return found

    took(0)  # the handshake is not measured
    first = [took(0) for _ in range(TIMES)]
    seek = [took(rng.randrange(size - RANGE_BYTES)) for _ in range(TIMES)]
    print(json.dumps({"first": first, "seek": seek}))


async def _ask(address: str, cookie: str, size: int, seed: int) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "benchmarks.player", address, cookie, str(size), str(seed)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, list[float]] = json.loads(out)
    return found


async def _listening(house: House, folder: Path) -> tuple[Visitor, str]:
    """Somebody who listens to an hour's call, and the address of its audio."""
    made = await record(house.site.config, house.site.database, sides=(_speech(1), _speech(2)))
    visitor = await house.visitor(Role.SUPERVISOR.value)
    begun = await visitor.post(
        f"/recordings/{made.recording_id}/listenings", {"purpose": "quality", "reference": "CASE-7"}
    )
    assert begun.status == 303, begun.text
    audio = f"{begun.headers['Location'].partition('?')[0]}/audio"
    headers = {"Cookie": f"{SESSION}={visitor.kept[SESSION]}"}
    with (folder / "plain.flac").open("wb") as file:
        async with house.http.get(house.address + audio, headers=headers) as answer:
            assert answer.status == 200
            async for chunk in answer.content.iter_chunked(1 << 20):
                file.write(chunk)
    return visitor, audio


async def _measure_in(folder: Path, database: Database) -> list[Figure]:
    async with open_house(folder, database) as house:
        visitor, audio = await _listening(house, folder)
        size = (folder / "plain.flac").stat().st_size
        cookie = f"{SESSION}={visitor.kept[SESSION]}"
        shown = web_certificate(house.site.config, datetime.now(UTC))
        assert shown is not None
        with _nginx(folder, shown) as plain:
            places = {"service": house.address + audio, "nginx": f"{plain}/plain.flac"}
            found: dict[tuple[str, str], list[list[float]]] = {}
            order = random.Random(1)
            for n in range(ROUNDS):
                for who in order.sample(sorted(places), len(places)):
                    for what, times in (await _ask(places[who], cookie, size, n)).items():
                        found.setdefault((who, what), []).append(times)
    return [_figure(what, name, found, size) for what, name in (("first", "the first byte"), ("seek", "a jump"))]


def _figure(what: str, name: str, found: dict[tuple[str, str], list[list[float]]], size: int) -> Figure:
    details: dict[str, Any] = {}
    for who in ("service", "nginx"):
        rounds = found[who, what]
        details[who] = {
            "p50_ms": round(middle([percentile(times, 0.5) for times in rounds]), 3),
            "p95_ms": round(middle([percentile(times, 0.95) for times in rounds]), 3),
        }
    return Figure(
        name=f"player over HTTPS: {name} of an hour's call ({size >> 20} MiB), nginx's time to ours",
        ratio=details["nginx"]["p50_ms"] / details["service"]["p50_ms"],
        goal=Goal(at_least=GOAL) if what == "seek" else None,
        measured="\n".join(f"{who}: p50 {of['p50_ms']} ms, p95 {of['p95_ms']} ms" for who, of in details.items()),
        details=details,
        key=f"player-{what}",
        bars={{"service": "ari-recorder"}.get(who, who): of["p50_ms"] for who, of in details.items()},
        unit="ms",
    )


async def _measure(folder: Path) -> list[Figure]:
    async with migrated(folder) as (database, _):
        return await _measure_in(folder, database)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="ari-recorder-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        client(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
