"""Replies to COMMIT that get lost: was it done or not? Whoever asked asks again, and everything happens exactly once.

    order ─► COMMIT ─► done, and the reply is lost with the connection ─► the same order again ─► done already

Through a proxy between the product and a real PostgreSQL. What is done are the product's own transactions: calls are
stored, calls held by people who press again, recordings destroyed, entries given their place in the audit log, calls
of the ledger closed with words.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote
from uuid import UUID, uuid4

from ari_recorder.domain.accounts import Scope
from ari_recorder.domain.audit import Actor, ActorKind
from ari_recorder.domain.calls import Call, Mark, MarkKind
from ari_recorder.domain.errors import CommandDone, RecorderError, Unavailable
from ari_recorder.domain.ledger import LedgerRow, LedgerState, Reason, Verdict
from ari_recorder.domain.retention import local_day
from ari_recorder.services.audit_log import sequence
from ari_recorder.services.commands import told
from ari_recorder.services.holds import HoldTerms
from ari_recorder.services.ledger import explain
from ari_recorder.services.store import CallStore
from ari_recorder.storage import ledger
from ari_recorder.storage.db import Database
from ari_recorder.storage.embedded import EmbeddedPostgres
from ari_recorder.storage.migrate import migrate
from ari_recorder.vault.files import VaultFiles
from tests.faults.figures import Figure, Scenario, Tell, at_least, none_of, shown
from tests.faults.proxy import FaultProxy, fault_proxy
from tests.keyring_for_tests import keyring_in
from tests.services.house import House, Time, at
from tests.storage.calls_for_tests import finished_call

# More than a third of all replies: two in a row are lost often enough, too.
LOSES = 0.4
ROUND = 25
_ALL = Scope(queues=None, interfaces=None)


def of_proxy(dsn: str, proxy: FaultProxy) -> str:
    """The same database by way of the proxy: the embedded one listens on a Unix socket."""
    name = dsn.partition("@/")[2].partition("?")[0]
    user = dsn.partition("://")[2].partition("@")[0]
    return f"postgresql://{user}@127.0.0.1:{proxy.port}/{name}?sslmode=disable"


def socket_of(dsn: str) -> Path:
    return Path(unquote(dsn.partition("host=")[2].partition("&")[0])) / ".s.PGSQL.5432"


@dataclass
class Trial:
    """Somebody who asks again as long as there is no answer."""

    database: Database
    direct: Database
    house: House
    proxy: FaultProxy
    again: int = 0

    async def until_answered(self, order: Callable[[], Awaitable[object]], command: UUID | None = None) -> None:
        while True:
            try:
                await order()
            except Unavailable:
                self.again += 1
            except RecorderError as error:
                if not isinstance(await told(self.direct, command, error), CommandDone):
                    raise
                return  # what was lost is told now
            else:
                return

    async def count(self, sql: str, *values: object) -> int:
        async with self.direct.transaction() as conn:
            return int(await conn.fetchval(sql, *values))


def _person(command: UUID) -> Actor:
    """A user whose order has this id; each try is a request of its own."""
    return Actor(kind=ActorKind.USER, id=str(UUID(int=1)), name="sari", request=uuid4().hex[:16], command=command)


async def store_calls(trial: Trial, number: int) -> list[str]:
    """Calls that ended with a gap: a row each, and an entry of the audit log each."""
    ended = datetime.now(UTC) - timedelta(minutes=5)
    found: dict[UUID, Call] = {}
    for _ in range(number):
        call = finished_call(at=ended)
        gap = Mark(kind=MarkKind.GAP, at=ended, offset=timedelta())
        found[call.id] = replace(call, marks=(gap,))
    over: set[UUID] = set()

    async def stored(call: Call) -> None:
        over.add(call.id)

    store = CallStore(
        database=trial.database,
        queues=frozenset({"advice"}),
        newest=found.get,
        personal=lambda _: None,
        stored=stored,
        retry=timedelta(milliseconds=10),
    )
    for call_id in found:
        store.put(call_id)
    stop = asyncio.Event()
    job = asyncio.create_task(store.run(stop))
    async with asyncio.timeout(300):
        while len(over) < number:  # noqa: ASYNC110 - the job tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await job
    wrong = []
    for call_id in found:
        rows = await trial.count("SELECT count(*) FROM call WHERE id = $1", call_id)
        noted = await entries(trial, "recording:incomplete", f"call:{call_id}")
        if (rows, noted) != (1, 1):
            wrong.append(f"call {call_id}: {rows} rows, {noted} entries")
    return wrong


async def place_holds(trial: Trial, number: int) -> list[str]:
    wrong = []
    made = [at(trial.house.clocks.now() - timedelta(days=1)) for _ in range(number)]
    await trial.house.store(*made)
    people = replace(trial.house, database=trial.database)
    for call in made:
        recording_id = call.recordings[0].id
        review_on = local_day(trial.house.clocks.now()) + timedelta(days=90)
        terms = HoldTerms(reason="a threat", reference="R-1", owner="Sari", review_on=review_on)
        command = uuid4()

        async def order(recording_id: UUID = recording_id, terms: HoldTerms = terms, command: UUID = command) -> None:
            await people.holds().place([recording_id], terms, _person(command))

        await trial.until_answered(order, command)
        held = await trial.count("SELECT count(*) FROM keeping WHERE recording_id = $1", recording_id)
        if held != 1:
            wrong.append(f"recording {recording_id}: held {held} times")
    return wrong


async def explain_calls(trial: Trial, number: int) -> list[str]:
    wrong = []
    now = trial.house.clocks.now()
    rows = [
        LedgerRow(
            uniqueid=f"{now.timestamp():.0f}.{uuid4().int % 10**9}",
            queue="advice",
            entered_at=now,
            outcome=None,
            verdict=Verdict(state=LedgerState.UNEXPLAINED, reason=Reason.NO_RECORDING),
            flagged=False,
            talk_time=timedelta(minutes=1),
            heard=timedelta(),
            recording_ids=(),
        )
        for _ in range(number)
    ]
    async with trial.direct.transaction() as conn:
        await ledger.upsert(conn, rows, now)
    for row in rows:
        command = uuid4()

        async def order(uniqueid: str = row.uniqueid, command: UUID = command) -> None:
            await explain(trial.database, uniqueid, "the phone was unplugged", _person(command), now, _ALL)

        try:
            await trial.until_answered(order, command)
        except RecorderError as error:
            wrong.append(f"call {row.uniqueid}: {error.code}")
        noted = await entries(trial, "ledger:explain", f"call:{row.uniqueid}")
        if noted != 1:
            wrong.append(f"call {row.uniqueid}: explained {noted} times")
    return wrong


async def destroy(trial: Trial, number: int) -> list[str]:
    made = [at(trial.house.clocks.now() - timedelta(days=200)) for _ in range(number)]
    await trial.house.store(*made)
    trial.proxy.loses = LOSES / 3  # a sweep commits ten times, and begins anew when one of them fails
    await trial.until_answered(trial.house.sweep(database=trial.database).run_once)
    wrong = []
    for call in made:
        recording = call.recordings[0]
        row = await trial.house.row(recording.id)
        noted = await entries(trial, "recording:erase", f"recording:{recording.id}")
        if row.state != "erased" or trial.house.file(recording).exists() or noted != 1:
            wrong.append(f"recording {recording.id}: {row.state}, {noted} entries")
    return wrong


async def entries(trial: Trial, action: str, about: str) -> int:
    return await trial.count(
        """
        WITH waiting AS (SELECT leaf::jsonb AS leaf FROM audit_pending)
        SELECT (SELECT count(*) FROM waiting WHERE leaf ->> 'action' = $1 AND leaf ->> 'object' = $2)
            + (SELECT count(*) FROM audit_entry WHERE action = $1 AND object = $2)
        """,
        action,
        about,
    )


async def sequenced(trial: Trial, number: int) -> list[str]:
    """Every entry has its place, and no place has two."""
    del number
    await trial.until_answered(lambda: sequence(trial.database))
    size = await trial.count("SELECT size FROM audit_head")
    there = await trial.count("SELECT count(*) FROM audit_entry")
    last = await trial.count("SELECT coalesce(max(seq) + 1, 0) FROM audit_entry")
    waiting = await trial.count("SELECT count(*) FROM audit_pending")
    if (there, last, waiting) != (size, size, 0):
        return [f"head {size}, {there} entries, the last at {last}, {waiting} waiting"]
    return []


EFFECTS = (store_calls, place_holds, explain_calls, destroy, sequenced)


async def run(folder: Path, seed: int, count: int, tell: Tell) -> list[Figure]:
    """Until so many replies got lost."""
    server = EmbeddedPostgres(folder / "database", folder / "logs")
    dsn = await server.start()
    try:
        async with (
            fault_proxy(socket_of(dsn), seed) as proxy,
            Database(of_proxy(dsn, proxy)) as database,
            Database(dsn) as direct,
        ):
            await migrate(direct)
            keyring = keyring_in(folder)
            VaultFiles(folder / "vault").prepare()
            house = House(database=direct, vault=folder / "vault", clocks=Time(datetime.now(UTC)), keyring=keyring)
            trial = Trial(database=database, direct=direct, house=house, proxy=proxy)
            proxy.is_last_word = lambda data: b"COMMIT\0" in data
            wrong: list[str] = []
            rounds = 0
            dice = random.Random(seed)
            while proxy.lost < count:
                rounds += 1
                for effect in EFFECTS:
                    proxy.loses = LOSES
                    wrong += await effect(trial, dice.randrange(1, ROUND))
                    proxy.loses = 0.0
                tell(f"  {proxy.lost} replies lost, {trial.again} orders asked again")
            commands = await trial.count("SELECT count(*) FROM command_done")
            return [
                at_least("replies to COMMIT lost", proxy.lost, count),
                shown("orders of people that were carried out", commands),
                shown("times somebody asked again", trial.again),
                none_of("effects that did not happen exactly once", wrong),
            ]
    finally:
        await server.stop()


SCENARIO = Scenario(name="commits", what="replies to COMMIT are lost, and everything happens once", count=1000, run=run)
