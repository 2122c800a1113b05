"""Entries get their place, heads are signed and carried outside; nothing is lost, doubled, or signed wrongly."""

import asyncio
import itertools
import json
import socket
from pathlib import Path
from unittest import mock
from uuid import UUID

import asyncpg
import pytest

from ari_recorder.domain import merkle
from ari_recorder.domain.audit import Action
from ari_recorder.domain.errors import AuditRolledBack, AuditSignerUnusable, DatabaseSlow
from ari_recorder.domain.merkle import Frontier
from ari_recorder.services.anchors import Anchor, append_line, line_of, send_syslog
from ari_recorder.services.audit_log import sequence, started
from ari_recorder.storage import audit_tree
from ari_recorder.storage.db import Connection, Database
from ari_recorder.vault.log_signer import LogSigner, Signed
from tests.services.audit_house import ORIGIN, LogHouse, eventually, running


@pytest.fixture
def house(database: Database, tmp_path: Path) -> LogHouse:
    return LogHouse(database, tmp_path)


async def test_an_entry_is_in_the_tree_within_a_second_signed_and_carried_outside(house: LogHouse) -> None:
    async def signed() -> bool:
        return house.anchor_file.exists() and house.signer.last().size == 4

    async def placed() -> bool:
        return len(await house.rows()) == 4

    async with running(house, house.log()):
        await asyncio.sleep(0.3)
        await house.write(3)
        await eventually(placed, within=1.0)
        await eventually(signed, within=1.0)
    assert [row["action"] for row in await house.rows()] == ["audit:day", *["recording:play"] * 3]
    assert (await house.verify()).found == ()


async def test_many_writers_and_several_sequencers_lose_and_double_nothing(house: LogHouse) -> None:
    async def writer() -> None:
        for _ in range(10):
            await house.write(3)

    async def sequencer() -> None:
        for _ in range(15):
            await sequence(house.database)

    await asyncio.gather(*(writer() for _ in range(4)), *(sequencer() for _ in range(3)))
    while await sequence(house.database):
        pass
    rows = await house.rows()
    assert len(rows) == 120
    assert len({row["id"] for row in rows}) == 120
    await house.log().checkpoint()
    assert (await house.verify()).found == ()


async def test_without_anything_new_nothing_is_signed_but_once_a_day(house: LogHouse) -> None:
    await house.write()
    log = house.log()
    await log.checkpoint()
    for _ in range(3):
        await log._sign_if_new()
    assert len(house.anchor_file.read_text().splitlines()) == 1
    house.clocks.time += house.clocks.now() - house.clocks.booted  # three days
    await log._sign_if_new()
    assert [row["action"] for row in await house.rows()] == ["recording:play", "audit:day"]
    assert len(house.anchor_file.read_text().splitlines()) == 2


async def test_a_crash_at_any_step_of_sequencing_loses_and_doubles_nothing(house: LogHouse) -> None:
    await house.write(7)
    original = asyncpg.Connection.execute
    for step in range(1, 12):
        calls = 0

        async def dies(self: object, *given: object, at: int = step, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == at:
                raise asyncpg.PostgresConnectionError("killed")
            return await original(self, *given, **named)

        with mock.patch.object(asyncpg.Connection, "execute", dies):
            try:
                await sequence(house.database)
            except Exception:  # noqa: S110 -- whatever a kill looks like
                pass
            else:
                break
    else:
        pytest.fail("it never came through")
    assert step > 3
    assert sorted(row["facts"]["number"] for row in await house.rows()) == list(range(7))
    await house.log().checkpoint()
    assert (await house.verify()).found == ()


async def test_a_crash_at_any_step_of_signing_ends_in_the_same_signature(house: LogHouse) -> None:
    await house.write(5)
    await sequence(house.database)
    slow = DatabaseSlow(database="x", seconds=1)
    with mock.patch.object(audit_tree, "insert_note", side_effect=slow), pytest.raises(DatabaseSlow):
        await house.log().checkpoint()
    assert house.signer.last().size == 5  # on disk before it was given out
    assert not house.anchor_file.exists()
    first = await house.log().checkpoint()
    again = await house.log().checkpoint()
    assert first.note.text == again.note.text
    with mock.patch.object(audit_tree, "note_anchor", side_effect=slow), pytest.raises(DatabaseSlow):
        await house.log().checkpoint()
    assert (await house.verify()).found == ()
    assert await house.findings() == []


async def test_every_head_begins_with_the_one_before(house: LogHouse) -> None:
    notes = []
    for count in (1, 2, 3, 5, 8, 1):
        await house.write(count)
        notes.append((await house.log().checkpoint()).note)
    async with house.database.transaction() as conn:
        for old, new in itertools.pairwise(notes):
            pieces = merkle.consistency_nodes(old.size, new.size)
            found = await audit_tree.hashes(conn, [node for piece in pieces for node in piece])
            proof = merkle.proof_of(pieces, found)
            assert merkle.is_consistent(old.size, old.root, new.size, new.root, proof)


async def test_a_database_of_yesterday_to_which_nothing_is_added_is_told(house: LogHouse, dsn: str) -> None:
    """A fail-over to a standby that was behind: it agrees with itself in all it has."""
    await house.write(3)
    await house.log().checkpoint()
    raw = await asyncpg.connect(dsn)
    head = await raw.fetchrow("SELECT size, frontier FROM audit_head")
    await house.write(2)
    await house.log().checkpoint()
    await raw.execute("SET session_replication_role = replica")
    await raw.execute("DELETE FROM audit_entry WHERE seq >= 3; DELETE FROM audit_checkpoint WHERE size > 3")
    await raw.execute("DELETE FROM audit_node WHERE (number + 1) << level > 3; UPDATE audit_anchor SET size = 3")
    await raw.execute("UPDATE audit_head SET size = $1, frontier = $2", *head)
    await raw.close()
    stop = asyncio.Event()
    stop.set()
    await house.log().run(stop)  # it looks once, and stops
    await sequence(house.database)
    assert [row["action"] for row in await house.rows()].count(Action.AUDIT_ROLLBACK) == 1


async def test_a_database_brought_back_from_a_backup_is_not_signed(house: LogHouse, dsn: str) -> None:
    await house.write(3)
    await house.log().checkpoint()
    raw = await asyncpg.connect(dsn)
    backup = [tuple(row) for row in await raw.fetch("SELECT seq, id, at, leaf FROM audit_entry ORDER BY seq")]
    nodes = [tuple(row) for row in await raw.fetch("SELECT level, number, hash FROM audit_node")]
    head = await raw.fetchrow("SELECT size, frontier FROM audit_head")
    await house.write(2)
    await house.log().checkpoint()
    await raw.execute("SET session_replication_role = replica")
    await raw.execute("TRUNCATE audit_entry, audit_node; DELETE FROM audit_checkpoint WHERE size > 3")
    await raw.executemany("INSERT INTO audit_entry (seq, id, at, leaf) VALUES ($1, $2, $3, $4)", backup)
    await raw.executemany("INSERT INTO audit_node VALUES ($1, $2, $3)", nodes)
    await raw.execute("UPDATE audit_head SET size = $1, frontier = $2", *head)
    await raw.close()
    log = house.log()
    with pytest.raises(AuditRolledBack):
        await log.checkpoint()
    await house.write(4)  # and it does not help to write more than there was
    with pytest.raises(AuditRolledBack):
        await log.checkpoint()
    assert house.signer.last().size == 5
    assert "only" in " ".join(await house.findings()) or await house.findings()
    assert [row["action"] for row in await house.rows()].count(Action.AUDIT_ROLLBACK) == 1
    # A person who knows why begins a new log: its own key, its own name, the old anchors still true.
    house.signer = LogSigner.begin_new(house.folder / "audit", ORIGIN)
    assert house.signer.origin == f"{ORIGIN}/2"
    await house.log().checkpoint()
    house.anchor_file.unlink()
    assert (await house.verify()).found == ()


async def test_an_anchor_that_is_away_is_told_and_caught_up_with(house: LogHouse) -> None:
    away = True

    def carry(line: str) -> None:
        if away:
            raise OSError(5, "Input/output error")
        append_line(house.anchor_file, line)

    log = house.log(anchors=(Anchor(target="file:other", carry=carry),))
    await house.write()
    assert (await log.checkpoint()).troubles == ("file:other: Input/output error",)
    away = False

    async def anchored() -> bool:
        return house.anchor_file.exists()

    async with running(house, log):
        await eventually(anchored)
    async with house.database.transaction() as conn:
        (state,) = await audit_tree.anchors(conn)
    assert (state.trouble, state.size) == ("", house.signer.last().size)


def test_the_signer_never_signs_two_heads_that_do_not_fit(tmp_path: Path) -> None:
    signer = LogSigner.open(tmp_path / "audit", ORIGIN)
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(9)]
    tree, made = merkle.Frontier().append(leaves)
    nodes = {**dict(made), **{merkle.Node(0, number): leaf for number, leaf in enumerate(leaves)}}
    five, _ = merkle.Frontier().append(leaves[:5])
    signer.sign(5, five.root, Signed(), ())
    proof = merkle.proof_of(merkle.consistency_nodes(5, 9), nodes)
    other, _ = merkle.Frontier().append([*leaves[:4], leaves[0], *leaves[5:]])
    for size, root, given in ((9, tree.root, ()), (9, other.root, proof), (4, tree.root, ()), (5, tree.root, ())):
        with pytest.raises(AuditRolledBack):
            signer.sign(size, root, signer.last(), given)
    reopened = LogSigner.open(tmp_path / "audit", "another name")
    assert reopened.origin == ORIGIN
    note = reopened.sign(9, tree.root, reopened.last(), proof)
    assert note == signer.sign(9, tree.root, signer.last(), ())
    checkpoint = signer.verified(note)
    assert checkpoint is not None
    assert (checkpoint.size, checkpoint.root) == (9, tree.root)
    assert signer.verified(note.replace("9\n", "8\n")) is None
    assert signer.verified("nothing") is None


def test_a_key_that_others_read_or_that_is_gone_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "audit"
    signer = LogSigner.open(folder, ORIGIN)
    signer.sign(0, merkle.EMPTY_ROOT, Signed(), ())
    signer.sign(1, b"x" * 32, Signed(), ())
    (folder / "signer.json").chmod(0o644)
    with pytest.raises(AuditSignerUnusable, match="others can read it"):
        LogSigner.open(folder, ORIGIN)
    (folder / "signer.json").unlink()
    with pytest.raises(AuditSignerUnusable, match="it is gone"):
        LogSigner.open(folder, ORIGIN)
    (folder / "signed.json").write_text("{}")
    with pytest.raises(AuditSignerUnusable, match="does not say"):
        signer.last()


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    append_line(path, "first")
    with path.open("a") as file:
        file.write('{"at": "2026')
    append_line(path, "second")
    assert path.read_text() == 'first\n{"at": "2026\nsecond\n'


def test_syslog_gets_the_head_as_one_message(tmp_path: Path, house: LogHouse) -> None:
    line = line_of("note\n", house.clocks.now())
    address = str(tmp_path / "log.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.bind(address)
        send_syslog(f"unix:{address}", line)
        got = unix.recv(65536).decode()
    assert got.startswith("<110>1 ")
    assert json.loads(got.partition(" - ")[2])["note"] == "note\n"
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        tcp.settimeout(5)
        send_syslog(f"tcp://127.0.0.1:{tcp.getsockname()[1]}", line)
        peer, _ = tcp.accept()
        with peer:
            length, _, message = peer.recv(65536).decode().partition(" ")
        assert len(message.encode()) == int(length)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        send_syslog(f"udp://127.0.0.1:{udp.getsockname()[1]}", line)
        assert line in udp.recv(65536).decode()
    with pytest.raises(OSError, match="No such file"):
        send_syslog("unix:/nowhere/log", line)


async def test_a_head_that_another_signs_in_between_is_no_rollback(
    house: LogHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host, or a command: it signs between this one's look at the tree and its signature."""
    await house.write(3)
    await sequence(house.database)
    look, others = audit_tree.head, [house.log()]

    async def head(conn: Connection) -> Frontier:
        found = await look(conn)
        while others:
            other = others.pop()
            await house.write(1)
            await other.checkpoint()
        return found

    monkeypatch.setattr(audit_tree, "head", head)
    assert (await house.log().checkpoint()).note.size == 4
    assert (await house.verify()).found == ()


async def test_that_the_service_begins_is_on_record_and_what_is_new_since_the_last_time(house: LogHouse) -> None:
    first, other = UUID(int=1), UUID(int=2)

    async def written(config: str, installation: UUID) -> list[tuple[str, str | None]]:
        before = len(await house.rows())
        await started(house.database, "pbx1", config, installation, house.clocks.now())
        await sequence(house.database)
        rows = (await house.rows())[before:]
        assert all((row["actor"]["kind"], row["actor"]["id"]) == ("service", "daemon") for row in rows)
        assert all(row["object"] == f"keyring:{installation}" for row in rows if row["action"] == "keyring:make")
        return [(row["action"], row["facts"].get("sha256")) for row in rows]

    assert sorted(await written("aa", first)) == [
        ("config:change", "aa"),
        ("keyring:make", None),
        ("service:start", "aa"),
    ]
    assert await written("aa", first) == [("service:start", "aa")]
    assert await written("bb", first) == [("service:start", "bb"), ("config:change", "bb")]
    assert sorted(await written("bb", other)) == [("keyring:make", None), ("service:start", "bb")]
