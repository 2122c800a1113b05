"""Several hosts as processes of their own over one PostgreSQL: page and sweep twice, and one that only records."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ari_recorder.services import hosts
from ari_recorder.storage.db import Database
from ari_recorder.vault.keyring import Keyring
from tests.site import write_site

WITHIN = 60.0  # s; two cores make the keys of the days to come for all of them
SERVICE = (sys.executable, "-m", "ari_recorder")
ONE_AT_A_TIME = {"sweep", "audit-sign", "use", "promises"}


@dataclass
class Host:
    """`shared`: what the hosts with keys have in common."""

    folder: Path
    config: Path
    process: Process | None = None

    @property
    def said(self) -> list[dict[str, Any]]:
        lines = (self.folder / "said").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def alarms(self) -> list[str]:
        return [str(line["alarm"]) for line in self.said if line["action"] == "alarm"]

    async def start(self) -> Process:
        with (self.folder / "said").open("ab") as said:
            self.process = await asyncio.create_subprocess_exec(
                *SERVICE, "run", "--config", str(self.config), stderr=said, env={**os.environ, "NO_COLOR": "1"}
            )
        return self.process

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), WITHIN)

    async def command(self, *words: str) -> Any:
        asked = [*SERVICE, *words, "--config", str(self.config), "--json"]
        done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@dataclass
class Installation:
    folder: Path
    database: Database
    dsn: str

    def host(self, name: str, *roles: str, directory: str = "") -> Host:
        folder = self.folder / (directory or name)
        folder.mkdir()
        (folder / "dsn").write_text(self.dsn)
        (folder / "dsn").chmod(0o600)
        listed = ", ".join(f'"{role}"' for role in roles)
        shared = self.folder / "shared"
        changes = {
            "host": f'[host]\nname = "{name}"\nroles = [{listed}]',
            "database": f'dsn_file = "{folder}/dsn"',
            "pbx.more": f'system_name = "{name}"',
        }
        if roles != ("capture",):
            # The root key is copied by hand; here one file stands for both copies.
            changes["storage.more"] = f'shared = "{shared}"\nroot_key = "{self.folder}/root.key"'
        return Host(folder, write_site(folder, changes=changes))

    async def doing(self) -> dict[str, str]:
        return (await hosts.look(self.database)).doing

    async def silence(self, name: str) -> None:
        """As if it had been killed a minute ago: PostgreSQL's clock is the only one that counts."""
        async with self.database.transaction() as conn:
            await conn.execute("UPDATE host SET last_seen = last_seen - interval '61 s' WHERE name = $1", name)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN):
        while not await true():  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.1)


@asynccontextmanager
async def installation(folder: Path, database: Database, dsn: str) -> AsyncIterator[Installation]:
    made = Installation(folder, database, dsn)
    running: list[Host] = []
    host = made.host

    def remembered(*given: str, **more: str) -> Host:
        running.append(host(*given, **more))
        return running[-1]

    made.host = remembered  # type: ignore[method-assign]
    try:
        yield made
    finally:
        for one in running:
            if one.process is not None and one.process.returncode is None:
                one.process.kill()
                await one.process.wait()


async def test_two_pages_and_sweepers_one_of_which_is_killed(tmp_path: Path, database: Database, dsn: str) -> None:
    async with installation(tmp_path, database, dsn) as house:
        both = [house.host(name, "web", "sweep") for name in ("web1", "web2")]
        await both[0].start()
        await until(lambda: _is(house, dict.fromkeys(ONE_AT_A_TIME, "web1")))
        await both[1].start()
        await until(lambda: _living(house, "web1", "web2"))
        assert await house.doing() | {} == await house.doing()
        held = {name for name, host in (await house.doing()).items() if host == "web1"}
        assert held >= ONE_AT_A_TIME

        second = house.host("web1", "web", "sweep", directory="copy")
        process = await second.start()
        assert await asyncio.wait_for(process.wait(), WITHIN) == 1
        assert "Another host calls itself web1" in (second.folder / "said").read_text()

        assert await both[0].end(signal.SIGKILL) == -signal.SIGKILL
        await house.silence("web1")
        await until(lambda: _is(house, dict.fromkeys(ONE_AT_A_TIME, "web2")))
        listed = {one["name"]: one for one in (await both[1].command("hosts"))["hosts"]}
        assert (listed["web1"]["state"], listed["web2"]["state"]) == ("silent", "living")
        await until(lambda: _told(both[1], "host-silent"))

        await both[0].start()  # it comes back, and waits for its turn
        await until(lambda: _living(house, "web1", "web2"))
        assert set((await house.doing()).values()) == {"web2"}
        assert [await one.end(signal.SIGTERM) for one in both] == [0, 0]
        assert await house.doing() == {}
        verified = await both[0].command("audit", "verify")
        assert verified["found"] == []
        assert {alarm for one in both for alarm in one.alarms()} <= {"host-silent"}


async def test_one_that_only_records_starts_and_has_no_private_key(
    tmp_path: Path, database: Database, dsn: str
) -> None:
    async with installation(tmp_path, database, dsn) as house:
        pbx = house.host("pbx1", "capture")
        process = await pbx.start()
        assert await asyncio.wait_for(process.wait(), WITHIN) == 1
        assert "start a host with the role web or sweep first" in (pbx.folder / "said").read_text()

        web = house.host("web1", "web", "sweep")
        await web.start()
        await until(lambda: _published(house))
        await pbx.start()
        await until(lambda: _living(house, "pbx1", "web1"))
        assert list((pbx.folder / "state" / "keys" / "private").iterdir()) == []
        keyring = Keyring.open(pbx.folder / "state" / "keys")
        made = Keyring.open(tmp_path / "shared" / "keys")
        assert keyring.public.days() == made.public.days()
        assert keyring.locked
        listed = {one["name"]: one for one in (await web.command("hosts"))["hosts"]}
        assert listed["pbx1"]["roles"] == ["capture"]
        assert "keyring" not in listed["pbx1"]["troubles"]

        assert await pbx.end(signal.SIGTERM) == 0
        (pbx.folder / "dsn").write_text("postgresql://nobody@127.0.0.1:1/none")
        await pbx.start()  # it records without the database, too
        await until(lambda: _told(pbx, "database-away"))
        assert pbx.process is not None
        assert pbx.process.returncode is None


async def _is(house: Installation, doing: dict[str, str]) -> bool:
    found = await house.doing()
    return doing.items() <= found.items()


async def _living(house: Installation, *names: str) -> bool:
    found = {one.name for one in (await hosts.look(house.database)).hosts if one.up}
    return found >= set(names)


async def _told(host: Host, alarm: str) -> bool:
    return alarm in host.alarms()


async def _published(house: Installation) -> bool:
    async with house.database.transaction() as conn:
        return bool(await conn.fetchval("SELECT count(*) FROM public_key") > 30)
