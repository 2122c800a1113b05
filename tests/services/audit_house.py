"""An audit log of its own: a signer, a file of anchors, a clock; entries written, exported, verified by the tool."""

import asyncio
import functools
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from ari_recorder.config import Mail
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry
from ari_recorder.services import audit_check
from ari_recorder.services.anchors import Anchor, append_line
from ari_recorder.services.audit_check import Verified
from ari_recorder.services.audit_later import LaterEntries
from ari_recorder.services.audit_log import AuditFeed, AuditLog
from ari_recorder.services.mail import Post
from ari_recorder.storage import audit
from ari_recorder.storage.db import Connection, Database
from ari_recorder.vault.log_signer import LogSigner
from tests.services.house import Time

TOOL = Path(__file__).parent.parent.parent / "tools" / "verify_audit.py"
ORIGIN = "ari-recorder/test"
ANNA = Actor(kind=ActorKind.USER, id="u-1", name="anna.adviser", role="supervisor", unit="dental", address="192.0.2.7")


@functools.cache
def tool() -> ModuleType:
    """tools/verify_audit.py as a module."""
    spec = importlib.util.spec_from_file_location("verify_audit", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-W", "error", str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class OneTransaction:
    """A database as it looks within a transaction that is rolled back afterwards."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @asynccontextmanager
    async def transaction(self, *, within: float | None = None) -> AsyncIterator[Connection]:
        yield Connection(self._raw, "test", within or 5.0)


@dataclass
class LogHouse:
    database: Database
    folder: Path
    clocks: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.signer = LogSigner.open(self.folder / "audit", ORIGIN)
        self.anchor_file = self.folder / "anchors.jsonl"

    def log(self, **parts: Any) -> AuditLog:
        anchor = Anchor(target="file:anchors", carry=lambda line: append_line(self.anchor_file, line))
        given: dict[str, Any] = {
            "database": self.database,
            "signer": self.signer,
            "anchors": (anchor,),
            "post": Post(Mail(), "fi"),
            "clocks": self.clocks,
            "every": timedelta(seconds=0.05),
        }
        return AuditLog(**(given | parts))

    async def write(self, count: int = 1, at: datetime | None = None) -> None:
        entries = [
            Entry(
                action=Action.RECORDING_PLAY,
                actor=ANNA,
                object=f"recording:{number}",
                because="quality",
                facts={"number": number},
                personal={"text": f"typed {number}"},
            )
            for number in range(count)
        ]
        async with self.database.transaction() as conn:
            await audit.append_many(conn, entries, at or self.clocks.now())

    async def verify(self) -> Verified:
        return await audit_check.verify(self.database, self.signer, self.anchor_file)

    async def export(self, name: str = "export.jsonl") -> Path:
        target = self.folder / name
        await audit_check.export(self.database, self.signer, target)
        return target

    async def findings(self) -> list[str]:
        """What the stand-alone verifier finds, in this process: quick enough for a thousand times."""
        target = await self.export()
        try:
            return self.found_in(target.read_text().splitlines())
        finally:
            target.unlink()

    def found_in(self, lines: list[str]) -> list[str]:
        module = tool()
        anchors = self.anchor_file.read_text().splitlines() if self.anchor_file.exists() else []
        block = module.look("\n".join(lines).encode())
        return list(module.verify_export([block], anchors, module.Key(self.signer.key)))

    async def rows(self) -> list[dict[str, Any]]:
        async with self.database.transaction() as conn:
            return [json.loads(row["leaf"]) for row in await conn.fetch("SELECT leaf FROM audit_entry ORDER BY seq")]


@asynccontextmanager
async def running(house: LogHouse, log: AuditLog) -> AsyncIterator[None]:
    """The jobs of the service, stopped in good order."""
    stop, fed = asyncio.Event(), asyncio.Event()
    feed = AuditFeed(database=house.database, later=LaterEntries(house.signer.folder), clocks=house.clocks)
    feeding = asyncio.create_task(feed.run(fed))
    signing = asyncio.create_task(log.run(stop))
    try:
        yield
    finally:
        fed.set()
        await feeding
        stop.set()
        await signing


async def eventually(true: Callable[[], Awaitable[bool]], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not await true():  # noqa: ASYNC110 -- another process's tables cannot set an event
            await asyncio.sleep(0.02)
