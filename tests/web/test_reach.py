"""The running service, watched: whom it connects to and whose names it asks for, what programs it starts, which logs it
writes. Everything that is configured is there or away; nobody else is spoken to."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.site import write_site
from tests.web.house import Visitor, client
from tests.web.test_service import READY_WITHIN

# Loaded by the interpreter itself, before anything of ours: every connection and every program goes through here.
WATCH = """
import json, os, sys
_seen = os.open(os.environ["SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
def _hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname", "subprocess.Popen"):
        told = [event, *(repr(one) for one in args[1 if event in ("socket.connect", "socket.sendto") else 0:][:2])]
        os.write(_seen, (json.dumps(told) + "\\n").encode())
    elif event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & 3:
        os.write(_seen, (json.dumps(["write", args[0]]) + "\\n").encode())
sys.addaudithook(_hook)
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


async def test_the_service_speaks_to_those_in_its_configuration_and_to_nobody_else(tmp_path: Path, dsn: str) -> None:
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    ami, mail, syslog = free_port(), free_port(), free_port()
    more = f"""
[audit]
checkpoint_every_seconds = 1
anchor_file = "{tmp_path}/anchors.jsonl"
anchor_syslog = "udp://127.0.0.1:{syslog}"
[mail]
host = "127.0.0.1"
port = {mail}
security = "none"
sender = "recorder@example.org"
flags_to = ["supervisors@example.org"]
[log]
file = "{tmp_path}/service.log"
"""
    database = f'dsn = "{dsn}"\n{more}'
    config = write_site(tmp_path, port=ami, changes={"database": database})
    seen = tmp_path / "seen"
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ari_recorder", "run", "--config", str(config)),
        env={**os.environ, "PYTHONPATH": str(tmp_path / "watch"), "SEEN": str(seen)},
    )
    try:
        line = await asyncio.to_thread(waited_for, tmp_path / "service.log", '"action": "web_start"')
        async with client() as http:
            visitor = Visitor(http, json.loads(line)["address"])
            for path in ("/login", "/accessibility", "/openapi.json", "/login?next=https://evil.example/"):
                await visitor.ask("GET", path, headers={"Referer": "https://evil.example/", "X-Forwarded-Host": "evil"})
            got = await visitor.post("/login", {"name": "evil.example", "password": "x", "next": "//evil.example/"})
            assert got.status == 303
        # The first head of the audit log is carried to both its places.
        await asyncio.to_thread(waited_for, tmp_path / "anchors.jsonl", "note")
        service.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(service.wait(), 60) == 0
    finally:
        if service.returncode is None:
            service.kill()
            await service.wait()
    events = [json.loads(line) for line in seen.read_text().splitlines()]
    connected = {event[1] for event in events if event[0] in ("socket.connect", "socket.sendto")}
    assert {repr(("127.0.0.1", ami)), repr(("127.0.0.1", syslog)), at_of(dsn)} <= connected
    assert connected <= {repr(("127.0.0.1", port)) for port in (ami, syslog, mail)} | {at_of(dsn)}
    names = {event[1].strip("b'") for event in events if event[0] in ("socket.getaddrinfo", "socket.gethostbyname")}
    assert names <= {"127.0.0.1", "localhost"}
    # Python's own way to find libsndfile.
    assert {event[1] for event in events if event[0] == "subprocess.Popen"} <= {repr("/sbin/ldconfig")}
    logs = {event[1] for event in events if event[0] == "write" and event[1].endswith((".log", ".jsonl"))}
    assert logs - {f"{tmp_path}/state/audit/waiting.jsonl"} == {f"{tmp_path}/service.log", f"{tmp_path}/anchors.jsonl"}


def at_of(dsn: str) -> str:
    """As the audit hook tells the database's address."""
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query)["host"][0]
    return repr(f"{folder}/.s.PGSQL.{parse_qs(parts.query).get('port', ['5432'])[0]}")


def waited_for(path: Path, text: str) -> str:
    """The first line of the file that has it."""
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        for line in path.read_text().splitlines() if path.exists() else ():
            if text in line:
                return line
        time.sleep(0.1)
    raise TimeoutError(text)
