"""Audio that is nobody's on its way through the recorder, the journal, the vault and a real PostgreSQL, to its end."""

import asyncio
import errno
import inspect
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from ari_recorder.asterisk.ami import AmiSession
from ari_recorder.asterisk.spool import Spool
from ari_recorder.config import Mail
from ari_recorder.domain.accounts import Permission, Role
from ari_recorder.domain.audit import Actor
from ari_recorder.domain.calls import Policy
from ari_recorder.domain.disclosures import ReceiverKind, Terms
from ari_recorder.domain.errors import DatabaseUnreachable, PermissionMissing, RecorderError, RecordingQuarantined
from ari_recorder.domain.events import ResyncDone
from ari_recorder.domain.ledger import LedgerState, Reason
from ari_recorder.domain.recordings import Label, Recording, StartedBy
from ari_recorder.domain.retention import Period, StoredState, local_day
from ari_recorder.domain.switchboard import Switchboard
from ari_recorder.services import listen, quarantine
from ari_recorder.services.adopt import Adoption
from ari_recorder.services.approvals import Approvals
from ari_recorder.services.certify import Certifier
from ari_recorder.services.export_desk import ExportDesk
from ari_recorder.services.holds import Holds, HoldTerms
from ari_recorder.services.ledger import day_ledger
from ari_recorder.services.listenings import Listenings
from ari_recorder.services.live import LiveSealer
from ari_recorder.services.mail import Post
from ari_recorder.services.presence import Presence
from ari_recorder.services.quarantine import Quarantines
from ari_recorder.services.record import Recorder
from ari_recorder.services.remind import Reminders
from ari_recorder.services.store import CallStore
from ari_recorder.services.sweep import Sweep
from ari_recorder.storage import audit, calls, recordings
from ari_recorder.storage.db import Database
from ari_recorder.storage.journal import Journal
from ari_recorder.storage.recordings import StoredRecording
from ari_recorder.vault.files import VaultFiles, day_of
from ari_recorder.vault.keyring import Keyring
from ari_recorder.vault.recordings import Vault
from tests.keyring_for_tests import keyring_in
from tests.services.house import RULES, House, Time, at
from tests.services.listeners import WHY, person
from tests.services.steps import Killed
from tests.services.test_adopt import CALLER, SECRET, lines_of, net_base

pytestmark = pytest.mark.timeout(60)
BASE = "Aino-0401234567"
LONG_AGO = time.time() - 600
SECONDS = 4
READER = Actor.operator("sari")


async def until(is_so: Callable[[], object], within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not is_so():  # noqa: ASYNC110 -- files and lists tell nobody that they changed
            await asyncio.sleep(0.01)


class NoPbx:
    """Nobody is at the other end."""

    live = False


class Line:
    """Spool, journal and vault of a service, and what a run of it does with what lies in the spool."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder, self.database = folder, database
        self.spool = Spool(folder / "spool")
        self.spool.folder.mkdir()
        self.queue_log = folder / "queue_log"
        self.queue_log.write_text(f"{int(LONG_AGO) - 10}|NONE|NONE|NONE|QUEUESTART|\n")
        self.files = VaultFiles(folder / "vault")
        self.files.prepare()
        self.keyring = keyring_in(folder, day_of(datetime.now(UTC)), day_of(datetime.fromtimestamp(LONG_AGO, UTC)))

    def put(self, base: str = BASE, written: float = LONG_AGO) -> None:
        for side, sample in (("caller", b"\x10\x01"), ("agent", b"\x20\x02")):
            path = self.spool.folder / f"{base}.{side}.sln"
            path.write_bytes(sample * 8000 * SECONDS)
            os.utime(path, (written, written))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Recorder]:
        """A service from its start until it is killed or stopped."""
        vault = Vault(self.files, self.keyring, self.spool.folder)
        policy = Policy(queues=frozenset({"neuvonta"}), sounds={}, quarantine_days=14)
        board = Switchboard(policy=policy, secret=SECRET, system_name="pbx", new_id=uuid4)
        with Journal(self.folder / "journal") as journal:
            ami = cast(AmiSession, NoPbx())
            recorder = Recorder(
                ami=ami,
                spool=self.spool,
                vault=vault,
                public=self.keyring.public,
                journal=journal,
                database=self.database,
                switchboard=board,
                adoption=Adoption(
                    spool=self.spool,
                    queue_log=self.queue_log,
                    secret=SECRET,
                    over=board.is_over,
                    stored=lambda ids: quarantine.stored(self.database, ids),
                ),
                sounds_folder=self.folder,
                pbx_name=None,
                live=LiveSealer(vault=vault, spool=self.spool),
                kept_as={},
                presence=Presence(ami=ami, database=self.database, folder=self.folder, heartbeat_seconds=10),
                growth_deadline_seconds=3,
            )
            stop = asyncio.Event()
            jobs = [asyncio.create_task(job(stop)) for job in (recorder.decide, recorder.store)]
            try:
                await recorder.load()
                # As after a reconnect: the PBX has no channel.
                recorder._retelling.begin(ResyncDone(at=datetime.now(UTC), complete=True), (), datetime.now(UTC))
                yield recorder
            finally:
                for job in jobs:
                    job.cancel()
                await asyncio.gather(*jobs, return_exceptions=True)
                await recorder.aclose()

    async def run(self, within: float = 10) -> None:
        """Until nothing is left to do."""
        async with self.running() as recorder:
            await until(lambda: not recorder._retelling.under_way, within)
            await until(lambda: recorder._inbox.empty() and not recorder.calls, within)

    async def rows(self) -> list[StoredRecording]:
        async with self.database.transaction() as conn:
            return list(await recordings.find(conn, recordings.Filters()))

    def sealed_files(self) -> list[str]:
        return sorted(path.name for path in self.files.folder.rglob("*.sealed"))

    def journalled(self) -> int:
        with Journal(self.folder / "journal") as journal:
            return len(journal.load())

    async def the_one(self) -> StoredRecording:
        """There is one, whole, and nothing is left anywhere else."""
        (row,) = await self.rows()
        assert self.sealed_files() == [f"{row.id}.sealed"]
        assert self.spool.scan().bases == ()
        assert self.journalled() == 0
        assert (row.path, row.wrapped_key) != (None, None)
        async with self.database.transaction() as conn:
            call = (await calls.get(conn, [row.call_id]))[row.call_id]
        label = Label(uniqueid=call.uniqueid, queue=row.queue, segment=row.segment, started_at=row.started_at)
        vault = Vault(self.files, self.keyring, self.spool.folder)
        with vault.wav(row.path or "", row.wrapped_key or b"", row.id, label) as wav:
            assert b"".join(wav.blocks())[44:] == b"\x10\x01\x20\x02" * 8000 * SECONDS
        return row

    async def entries(self, action: str = "recording:quarantine") -> list[Any]:
        async with self.database.transaction() as conn:
            rows = await conn.fetch("SELECT leaf FROM audit_pending UNION ALL SELECT leaf FROM audit_entry")
        return [leaf for row in rows if (leaf := json.loads(row["leaf"]))["action"] == action]


@pytest.fixture
def line(tmp_path: Path, database: Database) -> Line:
    return Line(tmp_path, database)


@contextmanager
def killed_at(owner: Any, name: str, nth: int = 1, *, after: bool = False) -> Iterator[asyncio.Event]:
    """The service ends when it does this for the nth time: right before it, or right after."""
    real: Callable[..., Any] = getattr(owner, name)
    loop, dead, left = asyncio.get_running_loop(), asyncio.Event(), nth

    def ends() -> bool:
        nonlocal left
        left -= 1
        return left <= 0

    def die() -> None:
        loop.call_soon_threadsafe(dead.set)
        raise Killed

    async def later(*args: Any, **named: Any) -> Any:
        last = ends()
        if last and not after:
            die()
        result = await real(*args, **named)
        if last:
            die()
        return result

    def at_once(*args: Any, **named: Any) -> Any:
        last = ends()
        if last and not after:
            die()
        result = real(*args, **named)
        if last:
            die()
        return result

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, later if inspect.iscoroutinefunction(real) else at_once)
        yield dead


async def test_it_is_sealed_and_known_by_facts_alone_and_nothing_is_left_in_clear(line: Line) -> None:
    line.put()
    with capture_logs() as logs:
        await line.run()
    row = await line.the_one()
    assert [entry["subject"] for entry in logs if entry.get("alarm") == "quarantined"] == [str(row.id)]
    assert not [entry for entry in logs if entry.get("alarm") == "orphan-in-spool"]
    async with line.database.transaction() as conn:
        call = (await calls.get(conn, [row.call_id]))[row.call_id]
    assert (call.verdict.state, call.verdict.reason) == (LedgerState.QUARANTINED, Reason.NO_EVIDENCE)
    assert (call.uniqueid, call.proved_uniqueid, call.personal) == (f"quarantine-{row.id}", "", None)
    assert row.quarantined_until is not None
    assert (local_day(row.quarantined_until) - local_day(datetime.now(UTC))).days == 15
    (entry,) = await line.entries()
    assert entry["because"] == "no-announcement-evidence"
    told = {"caller_seconds": SECONDS, "agent_seconds": SECONDS}
    assert entry["facts"] == told | {"destroyed_on": str(local_day(row.quarantined_until))}
    assert BASE not in json.dumps(entry)


POINTS: list[tuple[Any, str, int]] = [
    (Journal, "append", 1),  # of what is to be sealed
    (Vault, "seal_recording", 1),
    (Journal, "append", 2),  # of what is sealed
    (calls, "upsert", 1),
    (audit, "append_once", 1),
    (CallStore, "_write", 1),  # committed
    (Spool, "discard", 1),
    (Spool, "discard", 2),
    (Journal, "retire", 1),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name", "nth"), POINTS, ids=[f"{name}-{nth}" for _, name, nth in POINTS])
async def test_whenever_the_service_is_killed_it_is_sealed_once_and_nothing_is_lost(
    line: Line, owner: Any, name: str, nth: int, after: bool
) -> None:
    line.put()
    with killed_at(owner, name, nth, after=after) as dead:
        async with line.running(), asyncio.timeout(10):
            await dead.wait()
    await line.run()
    await line.the_one()
    assert len(await line.entries()) == 1
    await line.run()  # and there is nothing more to do
    await line.the_one()


async def test_a_kill_between_its_two_files_seals_no_half_of_it_again(line: Line) -> None:
    line.put()
    real = Path.unlink

    def once(self: Path, missing_ok: bool = False) -> None:
        real(self, missing_ok=missing_ok)
        if self.name.endswith(".caller.sln") and self.parent == line.spool.folder:
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "unlink", once)
        async with line.running():
            await until(lambda: len(list(line.spool.folder.glob("*.sln"))) == 1)
    await line.run()
    await line.the_one()


async def test_with_the_journal_lost_what_the_database_has_is_not_touched(line: Line) -> None:
    """A second sealing would take the place of the first file, whose key is in the row."""
    line.put()
    with killed_at(Spool, "discard") as dead:
        async with line.running() as recorder, asyncio.timeout(10):
            await dead.wait()
            while not await line.rows():  # noqa: ASYNC110 -- the database tells nobody
                await asyncio.sleep(0.01)
            assert recorder.calls
    (line.folder / "journal" / "journal").unlink()
    before = await line.rows()
    with capture_logs() as logs:
        await line.run()
    assert [entry["subject"] for entry in logs if entry.get("alarm") == "orphan-in-spool"] == ["a file in the spool"]
    assert await line.rows() == before
    line.spool.discard(BASE)
    await line.the_one()


async def test_a_locked_keyring_keeps_nothing_in_clear(line: Line) -> None:
    line.put()
    open_one, line.keyring = line.keyring, Keyring.open(line.folder / "keys")
    assert line.keyring.locked
    await line.run()
    line.keyring = open_one
    await line.the_one()


async def test_with_the_database_away_it_is_sealed_and_waits_in_the_journal(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.put()
    real, away = calls.upsert, True

    async def upsert(*args: Any) -> UUID:
        if away:
            raise DatabaseUnreachable(database="x", reason="gone")
        return await real(*args)

    monkeypatch.setattr(calls, "upsert", upsert)
    async with line.running() as recorder:
        await until(lambda: not line.spool.scan().bases)
        await until(lambda: recorder.waiting.count == 1)
    assert line.journalled() == 1
    assert line.sealed_files()
    away = False
    await line.run()
    await line.the_one()


async def test_a_full_vault_leaves_it_in_the_spool_and_it_is_tried_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.put()
    real, full = VaultFiles.create, True

    @contextmanager
    def create(self: VaultFiles, *args: Any) -> Iterator[Any]:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        with real(self, *args) as new:
            yield new

    monkeypatch.setattr(VaultFiles, "create", create)
    with capture_logs() as logs:
        async with line.running() as recorder:
            await until(lambda: [entry for entry in logs if entry.get("alarm") == "seal-failed"])
            assert line.spool.scan().bases == (BASE,)
            full = False
            await until(lambda: not recorder.calls)
    await line.the_one()


async def test_files_a_live_call_may_own_are_never_touched(line: Line) -> None:
    line.put()
    line.put("young", written=time.time())
    with (line.spool.folder / f"{BASE}.agent.sln").open("ab"):
        await line.run()
        assert await line.rows() == []
        assert set(line.spool.scan().bases) == {BASE, "young"}


# --- nobody hears it, whatever the role


async def in_quarantine(line: Line) -> UUID:
    line.put()
    await line.run()
    return (await line.the_one()).id


@pytest.mark.parametrize("role", Role)
async def test_nobody_listens_to_it_exports_or_holds_it_whatever_the_role(line: Line, role: Role) -> None:
    recording_id = await in_quarantine(line)
    who = person(role, queues=("",))  # a unit of all queues there are would not help either
    clocks, database, keyring = Time(datetime.now(UTC)), line.database, line.keyring
    who = type(who)(**{name: getattr(who, name) for name in who.__dataclass_fields__} | {"grants": _for_long(who)})
    vault = Vault(line.files, keyring, line.spool.folder)
    listenings = Listenings(database=database, vault=vault, keyring=keyring, clocks=clocks)
    approvals = Approvals(database=database, clocks=clocks, needed=False)
    desk = ExportDesk(database=database, keyring=keyring, approvals=approvals, clocks=clocks)
    terms = Terms(receiver_kind=ReceiverKind.POLICE, receiver="x", reference="1/26", reason="asked for")

    def expected(permission: Permission) -> type[RecorderError]:
        return RecordingQuarantined if who.may(permission) else PermissionMissing

    if role is Role.ADVISER:
        return  # own calls only, and it is nobody's: it does not exist for them
    with pytest.raises(expected(Permission.RECORDING_PLAY)):
        await listenings.begin(who, recording_id, WHY)
    with pytest.raises(expected(Permission.RECORDING_EXPORT)):
        await desk.ask(who, recording_id, terms)
    holds = House(database=database, vault=line.files.folder, clocks=clocks, keyring=keyring).holds()
    hold = HoldTerms(reason="x", reference="1/26", owner="x", review_on=local_day(clocks.now()) + timedelta(days=30))
    await _refused(holds, hold, recording_id)
    async with database.transaction() as conn:
        for table in ("listening", "export_ask", "disclosure", "export", "hold", "request_freeze"):
            assert not await conn.fetchval(f"SELECT count(*) FROM {table}"), table  # noqa: S608


async def _refused(holds: Holds, hold: HoldTerms, recording_id: UUID) -> None:
    with pytest.raises(RecordingQuarantined):
        await holds.place([recording_id], hold, READER)
    with pytest.raises(RecordingQuarantined):
        await holds.decide_hold(recording_id, hold, READER)
    with pytest.raises(RecordingQuarantined):
        await holds.decide_no_threat(recording_id, READER)
    with pytest.raises(RecordingQuarantined):
        await holds.open_freeze([recording_id], "2026-77", READER)


def _for_long(who: Any) -> tuple[Any, ...]:
    today = local_day(datetime.now(UTC))
    (grant,) = who.grants
    fields = {name: getattr(grant, name) for name in grant.__dataclass_fields__}
    return (type(grant)(**fields | {"valid_from": today, "valid_until": today + timedelta(days=30)}),)


async def test_the_command_line_shows_and_verifies_it_and_gives_no_audio(line: Line) -> None:
    recording_id = await in_quarantine(line)
    vault = Vault(line.files, line.keyring, line.spool.folder)
    target = line.folder / "out.wav"
    with pytest.raises(RecordingQuarantined):
        await listen.export_wav(line.database, vault, recording_id, target, lambda _: None, READER)
    assert not list(line.folder.glob("*.wav"))
    assert await listen.verify_sealed(line.database, vault, recording_id, READER)
    (found,) = await listen.find(line.database, listen.Wanted(), READER)
    assert (found.id, found.quarantined) == (recording_id, True)
    details = await listen.show(line.database, recording_id, _policy(), None, READER)
    assert details.kept_because == "the end of its quarantine"
    assert details.keep_until is not None


def _policy() -> Any:
    from ari_recorder.domain.retention import Policy as Rules

    return Rules(rules=RULES)


@pytest.mark.parametrize(
    "forgotten",
    [
        "UPDATE recording SET keeps = 1 WHERE id = $1",
        "UPDATE recording SET flagged = true WHERE id = $1",
        "INSERT INTO export (recording_id, path, host, device, inode, exported_at) VALUES ($1, 'x', 'x', 1, 1, now())",
        "INSERT INTO export_ask (id, recording_id, receiver_kind, reference, text_id, asked_at, asked_by,"
        " asked_by_name) VALUES ($1, $1, 'police', 'x', $1, now(), $1, 'x')",
        "INSERT INTO listening (id, recording_id, user_id, user_name, session, purpose, reference, begun_at, active_at)"
        " VALUES ($1, $1, $1, 'x', 'x', 'quality', '', now(), now())",
    ],
)
async def test_the_database_has_the_last_word_whoever_forgets_to_ask(line: Line, forgotten: str) -> None:
    recording_id = await in_quarantine(line)
    with pytest.raises((asyncpg.PostgresError, RecorderError)) as refused:
        async with line.database.transaction() as conn:
            await conn.execute(forgotten, recording_id)
    assert "quarantine" in f"{refused.value} {refused.value.__cause__}"


# --- told, counted, destroyed


async def test_the_privacy_officer_is_told_when_it_comes_and_before_it_goes(line: Line) -> None:
    recording_id = await in_quarantine(line)
    mail = Mail(host="localhost", security="none", sender="a@example.org", quarantine_to=("officer@example.org",))
    reminders = Reminders(line.database, Post(mail, "fi"))
    now = datetime.now(UTC)
    for days in (0, 0, 1, 12, 13, 20):
        await reminders.remind(_policy(), now + timedelta(days=days))
    async with line.database.transaction() as conn:
        rows = await conn.fetch("SELECT kind, once, recipient, path FROM outbox ORDER BY queued_at")
    assert [(row["kind"], row["recipient"], row["path"]) for row in rows] == [
        ("quarantine", "officer@example.org", f"/recordings/{recording_id}")
    ] * 2
    assert [row["once"].rpartition(":")[2] for row in rows] == ["urgent", "final"]


async def test_it_waits_on_the_first_page_of_who_sees_all_queues_and_of_nobody_else(line: Line) -> None:
    await in_quarantine(line)
    clocks = Time(datetime.now(UTC))
    quarantines = Quarantines(database=line.database, clocks=clocks)
    officer, other = person(Role.PRIVACY_OFFICER), person(Role.SUPERVISOR)
    for who in (officer, other):
        object.__setattr__(who, "grants", _for_long(who))
    waiting = await quarantines.waiting(officer)
    assert waiting is not None
    assert (waiting.count, (waiting.first_on - local_day(clocks.now())).days) == (1, 15)
    assert await quarantines.waiting(other) is None


async def test_the_sweep_destroys_it_on_its_day_and_not_before_with_a_certificate(line: Line) -> None:
    recording_id = await in_quarantine(line)
    house = House(database=line.database, vault=line.files.folder, clocks=Time(datetime.now(UTC)), keyring=line.keyring)
    kept = Period.parse("P30D")
    certifier = Certifier(database=line.database, keyring=line.keyring, clocks=house.clocks, backups_kept=kept)
    sweep: Sweep = house.sweep(chores=[certifier.certify])
    house.clocks.time += timedelta(days=13)
    assert [night.recordings for night in await sweep.nights(3)] == [1]
    assert await sweep.preview() == ()
    assert (await sweep.run_once()).erased == 0
    house.clocks.time += timedelta(days=2)
    (doomed,) = await sweep.preview()
    assert (doomed.recording_id, doomed.because) == (recording_id, "the end of its quarantine")
    assert (await sweep.run_once()).erased == 1
    row = await house.row(recording_id)
    assert (row.state, row.wrapped_key, row.path) == (StoredState.ERASED, None, None)
    assert line.sealed_files() == []
    async with line.database.transaction() as conn:
        body = await conn.fetchval("SELECT body FROM certificate WHERE subject = $1", str(recording_id))
    assert "the end of its quarantine" in body
    assert len(await line.entries("recording:erase")) == 1


async def test_what_was_captured_long_ago_is_kept_from_the_day_it_came(line: Line) -> None:
    """By the rule of any queue it would be gone at once, and nobody could find out what made it."""
    long_ago = time.time() - 200 * 86_400
    line.keyring.publish([day_of(datetime.fromtimestamp(long_ago, UTC))])
    line.put(written=long_ago)
    await line.run()
    recording_id = (await line.the_one()).id
    house = House(database=line.database, vault=line.files.folder, clocks=Time(datetime.now(UTC)), keyring=line.keyring)
    ordinary = at(datetime.now(UTC) - timedelta(hours=1), queue="")  # nobody heard of its queue either
    await house.store(ordinary)
    assert (await house.sweep().run_once()).erased == 0
    assert await house.sweep().nights(3) == ()
    house.clocks.time += timedelta(days=15)
    assert (await house.sweep().run_once()).erased == 1
    assert (await house.row(recording_id)).state is StoredState.ERASED


async def test_a_clock_that_was_behind_when_it_came_costs_it_no_day(line: Line) -> None:
    house = House(database=line.database, vault=line.files.folder, clocks=Time(datetime.now(UTC)), keyring=line.keyring)
    house.clocks.time += timedelta(days=100)  # so late it is: the sweep knows
    await house.sweep().run_once()
    recording_id = await in_quarantine(line)
    until = (await house.row(recording_id)).quarantined_until
    assert until is not None
    assert (until - house.clocks.now()).days == 14


async def test_a_call_nobody_knows_is_explained_by_it_and_the_day_balances(line: Line) -> None:
    """Its files prove the announcement; the log learns of it only when they are sealed: one was still being packed."""
    line.put(net_base())
    await line.run()
    with line.queue_log.open("a") as log:
        log.writelines(f"{one}\n" for one in lines_of())
    (row,) = await line.rows()
    found = await day_ledger(
        line.database,
        queue_log=line.queue_log,
        queues=frozenset({"neuvonta"}),
        day=local_day(datetime.fromtimestamp(LONG_AGO, UTC)),
        now=datetime.now(UTC),
        reader=READER,
    )
    (entry,) = found.rows
    assert (entry.uniqueid, entry.verdict.state) == (CALLER, LedgerState.QUARANTINED)
    assert entry.verdict.reason is Reason.UNKNOWN_CALL
    assert entry.recording_ids == (row.id,)
    assert found.count(LedgerState.UNEXPLAINED) == 0


async def test_a_recording_of_ours_is_sealed_with_what_was_sealed_of_it_while_it_was_made(line: Line) -> None:
    """The journal was lost. Its parts lie under the id that is its name; what is in them left the spool."""
    recording_id = uuid4()
    line.put(str(recording_id))
    began = datetime.fromtimestamp(LONG_AGO - SECONDS, UTC)
    recording = Recording(
        id=recording_id,
        base=str(recording_id),
        segment=1,
        started_at=began,
        started_by=StartedBy.SERVICE,
        clock_at_start=timedelta(),
    )
    live = LiveSealer(vault=Vault(line.files, line.keyring, line.spool.folder), spool=line.spool)
    await live.look([recording])
    await live.let_go(recording_id)
    for path in line.spool.folder.glob("*.sln"):
        os.utime(path, (LONG_AGO, LONG_AGO))
        assert not path.read_bytes().startswith((b"\x10\x01", b"\x20\x02"))
    await line.run()
    assert (await line.the_one()).id == recording_id
    assert not list((line.files.folder / ".parts").iterdir())
