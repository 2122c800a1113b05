"""The page as a job of the real service: there without a PBX, read anew on SIGHUP, gone with the service. That it began
and ended is on record: tests/triggered.py."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from tests.site import write_site
from tests.web.house import Visitor, client

READY_WITHIN = 60.0  # s; the keys of the days to come are made first


async def test_the_service_serves_its_page_and_ends_in_good_order(tmp_path: Path, dsn: str) -> None:
    (tmp_path / "dsn").write_text(dsn)
    (tmp_path / "dsn").chmod(0o600)
    config = write_site(tmp_path, changes={"database": f'dsn_file = "{tmp_path}/dsn"'})
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ari_recorder", "run", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert service.stderr is not None
    try:
        async with asyncio.timeout(READY_WITHIN):
            address = await _said(service.stderr, "web_start", "address")
        async with client() as http:
            visitor = Visitor(http, address)
            assert (await visitor.get("/accessibility")).status == 200
            assert (await visitor.get("/account")).status == 401
        service.send_signal(signal.SIGHUP)
        async with asyncio.timeout(15):
            await _said(service.stderr, "web_certificate_load", "level")
        service.terminate()
        async with asyncio.timeout(30):
            await service.stderr.read()
            assert await service.wait() == 0
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()


async def _said(stream: asyncio.StreamReader, event: str, field: str) -> str:
    while line := await stream.readline():
        found = json.loads(line)
        if found["action"] == event:
            return str(found[field])
    raise AssertionError(f"the service never said {event}")
