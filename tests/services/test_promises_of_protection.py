"""Promises about protection, corrections and the notice itself, broken in a running site, and kept again."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from ari_recorder import config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.promises import PromiseName, PromiseState
from ari_recorder.services import connect
from ari_recorder.services.connections import Connections
from ari_recorder.storage.db import Database
from tests.services.people import OTHER_OPERATOR
from tests.services.promise_house import PromiseHouse, kept
from tests.site import prepare, record


@pytest.fixture
async def rig(tmp_path: Path, database: Database) -> AsyncIterator[PromiseHouse]:
    async with kept(tmp_path, database) as found:
        yield found


# --- where the service connects to


def configured(rig: PromiseHouse, more: str) -> Connections:
    """With these settings; a service that begins anew."""
    path = rig.config.source
    known = rig.house.site.config.source.with_name("before.toml")
    known = known if known.exists() else path.rename(known)
    path.write_text(known.read_text().replace("[notice]", f"{more}\n[notice]"))
    return Connections(config.load(path))


async def test_a_connection_to_somebody_who_is_not_configured(rig: PromiseHouse) -> None:
    """It is remembered when it is over; only a new process has no such past."""
    assert await rig.broken() == {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("192.0.2.77", 4433))  # nothing is sent by that
        seen = await rig.look()
        assert seen[PromiseName.DESTINATIONS].names == ("192.0.2.77:4433",)
    assert await rig.broken() == {PromiseName.DESTINATIONS: 1}
    rig.connections = Connections(rig.config)
    desk = connect.promises(rig.config, rig.database, rig.house.people.watch, rig.connections)
    assert await rig.broken(desk) == {}


async def test_a_connection_to_a_place_that_is_configured_and_its_country(rig: PromiseHouse) -> None:
    mail = '[mail]\nhost = "192.0.2.77"\nport = 4433\nsender = "recorder@example.org"\n'
    expected: dict[str, tuple[str, ...]] = {
        "": ("mail: 192.0.2.77 ?",),
        'countries = { mail = "US" }': ("mail: 192.0.2.77 US",),
        'countries = { mail = "FI" }': (),
    }
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as known:
        known.connect(("192.0.2.77", 4433))
        for countries, names in expected.items():
            rig.connections = configured(rig, mail)
            path = rig.config.source
            path.write_text(path.read_text().replace("[notice]", f"[notice]\n{countries}"))
            settings = config.load(path)
            desk = connect.promises(settings, rig.database, rig.house.people.watch, rig.connections)
            await rig.publish(settings)
            seen = await rig.look(desk)
            assert seen[PromiseName.DESTINATIONS].names == names
            assert {one.name for one in seen.values() if one.state is PromiseState.BROKEN} == (
                {PromiseName.DESTINATIONS} if names else set()
            )


async def test_who_comes_to_us_is_no_destination(rig: PromiseHouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours, socket.create_connection(ours.getsockname()):
        theirs, _ = ours.accept()
        with theirs:
            assert await rig.broken() == {}


# --- protection


async def test_something_listens_in_clear(rig: PromiseHouse) -> None:
    ours: list[socket.socket] = []

    async def listen() -> None:
        ours.append(socket.create_server(("0.0.0.0", 0)))  # noqa: S104 -- that is what must be seen

    async def close() -> None:
        ours[0].close()

    seen = await rig.turns({PromiseName.LISTENERS: 1}, listen, close)
    (name,) = seen[PromiseName.LISTENERS].names
    assert name.startswith("0.0.0.0:")


async def test_the_manager_interface_beside_us_is_opened_in_clear(rig: PromiseHouse) -> None:
    """By a process that is not ours."""
    serve = (
        "import socket, sys; ours = socket.create_server((sys.argv[1], int(sys.argv[2])));"
        " print(ours.getsockname()[1], flush=True); sys.stdin.read()"
    )

    async def pbx(address: str, port: str = "0") -> tuple[asyncio.subprocess.Process, str]:
        pipe = asyncio.subprocess.PIPE
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", serve, address, port, stdin=pipe, stdout=pipe
        )
        assert started.stdout is not None
        return started, (await started.stdout.readline()).decode().strip()

    async def end(one: asyncio.subprocess.Process) -> None:
        await one.communicate(b"")  # it reads to the end, and goes

    closed, port = await pbx("127.0.0.1")
    path = rig.config.source
    text = path.read_text()
    assert text.count("\nport = 1\n") == 1
    path.write_text(text.replace("\nport = 1\n", f"\nport = {port}\n"))
    rig.connections = Connections(config.load(path))
    rig.desk = connect.promises(rig.config, rig.database, rig.house.people.watch, rig.connections)
    opened: list[asyncio.subprocess.Process] = []

    async def listen() -> None:
        await end(closed)
        opened.append((await pbx("0.0.0.0", port))[0])  # noqa: S104 -- that is what must be seen

    seen = await rig.turns({PromiseName.LISTENERS: 1}, listen, lambda: end(opened[0]))
    assert seen[PromiseName.LISTENERS].names == (f"0.0.0.0:{port}",)


def kernel(folder: Path, tcp: str, tcp6: str = "") -> Path:
    """What the kernel would say of sockets that no process of ours has."""
    for name, text in {"tcp": tcp, "tcp6": tcp6, "udp": "", "udp6": ""}.items():
        (folder / "net").mkdir(parents=True, exist_ok=True)
        (folder / "net" / name).write_text(f"  sl  local_address …\n{text}")
    (folder / "fd").mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("address", "more", "plain"),
    [
        ("00000000:0001", "", ("0.0.0.0:1",)),  # pbx.port of the tests' site
        ("0100007F:0001", "", ()),
        ("00000000:0002", "", ()),
        ("00000000:0001", "tls = true", ()),
    ],
)
def test_a_manager_interface_that_anybody_reaches_in_clear(
    tmp_path: Path, address: str, more: str, plain: tuple[str, ...]
) -> None:
    settings = prepare(tmp_path, changes={"pbx.more": more})
    row = f"   0: {address} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 6321 1\n"
    connections = Connections(settings, kernel(tmp_path / "proc", row))
    connections.look()
    network = connections.network()
    assert network is not None
    assert network.plain == plain


async def test_a_session_that_nobody_logged_in_for(rig: PromiseHouse) -> None:
    who = (await rig.house.person(Role.AUDITOR.value)).account_id
    session_id = uuid4()
    make = (
        "INSERT INTO session (id, token_hash, account_id, began_at, last_seen_at, address)"
        " VALUES ($1, 'forged', $2, now(), now(), '')"
    )
    await rig.supervisor()  # one who has
    seen = await rig.turns(
        {PromiseName.TWO_STEPS: 1},
        lambda: rig.sql(make, values=(session_id, who)),
        lambda: rig.sql("DELETE FROM session WHERE id = $1", values=(session_id,)),
    )
    assert seen[PromiseName.TWO_STEPS].names == ("1/2", str(session_id))


async def test_the_audit_log_is_changed(rig: PromiseHouse) -> None:
    await rig.look()
    leaf = await rig.house.people.value("SELECT leaf FROM audit_entry WHERE seq = 0")
    change = "UPDATE audit_entry SET leaf = $1 WHERE seq = 0"

    async def write(text: object) -> None:
        await rig.sql("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
        await rig.sql(change, values=(text,))
        await rig.sql("ALTER TABLE audit_entry ENABLE TRIGGER append_only")

    assert await rig.broken() == {}
    await write(str(leaf).replace('"ok"', '"refused"'))
    seen = await rig.look()
    assert {one.name for one in seen.values() if one.state is PromiseState.BROKEN} == {PromiseName.AUDIT}
    assert seen[PromiseName.AUDIT].figure == len(seen[PromiseName.AUDIT].names) > 0
    await write(leaf)
    assert await rig.broken() == {}


async def test_listenings_nobody_has_signed_off(rig: PromiseHouse) -> None:
    now = rig.house.people.watch.now()
    week = (now - timedelta(days=30)).date()
    week -= timedelta(days=week.weekday())
    report = (
        "INSERT INTO use_report (week, made_at, seed, read_up_to, due_on)"
        " VALUES ($1, $2, decode(repeat('00', 32), 'hex'), -1, $3)"
    )
    sample = (
        "INSERT INTO use_sample (id, week, seq, entry_id, at, actor, unit, because)"
        " VALUES ($1, $2, $3, $1, $4, 'somebody', 'advice', 'quality')"
    )
    signer = (await rig.house.person(Role.SUPERVISOR.value)).account_id
    await rig.sql(report, values=(week, now, (now - timedelta(days=1)).date()))

    async def draw() -> None:
        for seq in range(2):
            await rig.sql(sample, values=(uuid4(), week, seq, now))

    async def sign() -> None:
        await rig.sql("UPDATE use_sample SET signed_at = now(), signed_by = $1, verdict = 'in-order'", values=(signer,))

    await rig.turns({PromiseName.SAMPLES: 2}, draw, sign)


async def test_a_right_nobody_looked_at_for_a_year(rig: PromiseHouse) -> None:
    """As one would be that somebody put into the database."""
    now = rig.house.people.watch.now()
    who = (await rig.house.person("nobody")).account_id
    right_id = uuid4()
    held = (
        "INSERT INTO right_held"
        " (id, account_id, role, unit, interfaces, valid_from, valid_until, granted_by, approved_at)"
        " VALUES ($1, $2, 'auditor', '*', '{}', $3, $4, 'operator:root', $5)"
    )
    told = (
        "INSERT INTO right_history"
        " (right_id, change, at, by, why, account_id, role, unit, interfaces, valid_from, valid_until)"
        " VALUES ($1, 'granted', $5, 'operator:root', 'once', $2, 'auditor', '*', '{}', $3, $4)"
    )
    approved = (
        "INSERT INTO right_history (right_id, change, at, by, why) VALUES ($1, 'approved', $2, 'operator:sari', 'once')"
    )
    granted = now - timedelta(days=367)
    values = (right_id, who, granted.date(), (now + timedelta(days=30)).date(), granted)

    async def wrong() -> None:
        await rig.sql(held, told, values=values)
        await rig.sql(approved, values=(right_id, granted))

    async def attest() -> None:
        until = (now + timedelta(days=60)).date()
        await rig.house.people.rights.attest(right_id, until, "still needed", OTHER_OPERATOR)

    seen = await rig.turns({PromiseName.RIGHTS: 1}, wrong, attest)
    assert seen[PromiseName.RIGHTS].names == (str(right_id),)


# --- corrections


@pytest.mark.parametrize(
    ("author", "version", "at"), [(" ", 1, timedelta()), ("pirkko", 3, timedelta()), ("pirkko", 1, timedelta(days=400))]
)
async def test_a_correction_without_author_original_or_date(
    rig: PromiseHouse, author: str, version: int, at: timedelta
) -> None:
    now = rig.house.people.watch.now()
    made = await record(rig.config, rig.database, started_at=now - timedelta(hours=1), marks=())
    await rig.sql(
        "INSERT INTO call_text (id, call_id, sealed, key_name) VALUES ($1, $2, 'sealed', 'day')",
        values=(made.recording_id, made.call.id),
    )
    insert = (
        "INSERT INTO correction"
        " (id, call_id, recording_id, field, subject, version, text_id, made_at, made_by, made_by_name)"
        " VALUES ($1, $2, $1, 'note', '1', $3, $1, $4, $1, $5)"
    )

    async def wrong() -> None:
        await rig.sql(insert, values=(made.recording_id, made.call.id, version, now - at, author))

    async def mend() -> None:
        await rig.sql("ALTER TABLE correction DISABLE TRIGGER correction_stays", "DELETE FROM correction")

    seen = await rig.turns({PromiseName.CORRECTIONS: 1}, wrong, mend)
    assert seen[PromiseName.CORRECTIONS].names == (str(made.recording_id),)


# --- the notice itself


async def test_the_published_copy_differs_or_cannot_be_read(rig: PromiseHouse) -> None:
    html = rig.copy.read_text()

    async def write(text: str) -> None:
        rig.copy.write_text(text)

    other = html.replace("3 kuukautta", "6 kuukautta")
    seen = await rig.turns({PromiseName.PUBLISHED: 2}, lambda: write(other), lambda: write(html))
    assert seen[PromiseName.PUBLISHED].names == (f"fi: {rig.copy}",)
    rig.copy.unlink()
    since = rig.house.people.watch.now()
    await rig.look()
    rig.house.people.watch.go(minutes=5)
    away = (await rig.look())[PromiseName.PUBLISHED]
    assert (away.state, away.since) == (PromiseState.UNKNOWN, since)
    assert away.names == (f"fi: {rig.copy} {since.isoformat(timespec='minutes')}",)
    await write(html)
    assert await rig.broken() == {}
