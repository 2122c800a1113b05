"""Each promise of the privacy notice is broken in a running site: exactly its line turns red, and green again."""

import os
import socket
from collections.abc import AsyncIterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ari_recorder import config
from ari_recorder.domain.accounts import Role
from ari_recorder.domain.audit import Action, Actor, ActorKind, Entry
from ari_recorder.domain.commands import AlarmCode
from ari_recorder.domain.promises import CHECKS, PromiseName, PromiseState
from ari_recorder.services import connect
from ari_recorder.services.connections import Connections
from ari_recorder.storage import audit, erasing, exports
from ari_recorder.storage.db import Database
from ari_recorder.storage.exports import Export
from ari_recorder.vault.files import path_of
from tests.services.people import OPERATOR
from tests.services.promise_house import PromiseHouse, kept
from tests.site import record


@pytest.fixture
async def rig(tmp_path: Path, database: Database) -> AsyncIterator[PromiseHouse]:
    async with kept(tmp_path, database) as found:
        yield found


async def test_a_site_that_keeps_its_promises(rig: PromiseHouse) -> None:
    await rig.hold(await rig.supervisor())
    seen = await rig.look()
    assert [one.name for one in seen.values()] == [check.name for check in CHECKS]
    now = rig.house.people.watch.now()
    for one in seen.values():
        assert (one.state, one.figure, one.proved_at) == (PromiseState.KEPT, 0, now), one.name
    count = int((await rig.house.people.value("SELECT count(*) FROM session")) or 0)  # type: ignore[call-overload]
    assert seen[PromiseName.TWO_STEPS].names == (f"{count}/{count}",)


async def test_what_is_not_filled_in_is_named(rig: PromiseHouse) -> None:
    assert await rig.broken() == {}
    path = rig.config.source
    path.write_text(
        path.read_text().replace('contact = "kirjaamo@example.org"', "").replace('basis = "public-task"', "")
    )
    settings = config.load(path)
    without = connect.promises(settings, rig.database, rig.house.people.watch, rig.connections)
    await rig.publish(settings)
    seen = await rig.look(without)
    assert seen[PromiseName.FIELDS].names == ("controller.contact", 'queues["advice"].basis')
    assert await rig.broken(without) == {PromiseName.FIELDS: 2}
    await rig.publish(rig.config)
    assert await rig.broken() == {}


async def test_a_recording_past_its_rule(rig: PromiseHouse) -> None:
    """Its bytes are past the rule, too. One that a hold keeps is not."""
    now = rig.house.people.watch.now()
    held = await rig.hold(await rig.supervisor(), uniqueid="9.1")
    await rig.sql("UPDATE recording SET started_at = started_at - interval '200 days'")
    assert await rig.broken() == {}
    made: list[UUID] = []

    async def forget_to_sweep() -> None:
        for n in range(2):
            at = now - timedelta(days=120 + n)
            made.append(
                (await record(rig.config, rig.database, started_at=at, marks=(), uniqueid=f"{n}.1")).recording_id
            )

    await forget_to_sweep()
    seen = await rig.look()
    broken = {name: one for name, one in seen.items() if one.state is PromiseState.BROKEN}
    assert broken.keys() == {PromiseName.RULE, PromiseName.BYTES}
    assert broken[PromiseName.RULE].figure == 2
    assert set(broken[PromiseName.RULE].names) == set(map(str, made))
    files = sum(path.stat().st_size for one in made for path in rig.config.storage.vault.rglob(f"{one}.sealed"))
    places = dict(told.split(": ") for told in broken[PromiseName.BYTES].names)
    assert int(places["vault"]) == files
    assert broken[PromiseName.BYTES].figure == files + int(places["database"])
    await rig.sweep()
    assert await rig.broken() == {}
    assert held


async def test_bytes_that_no_row_keeps(rig: PromiseHouse) -> None:
    """In the vault and in the spool; those of days within the rule are on their way."""
    now = rig.house.people.watch.now()
    vault, spool = rig.config.storage.vault, rig.config.pbx.spool
    old, new = (vault / path_of(uuid4(), (now - timedelta(days=days)).date()) for days in (120, 1))
    part, audio, fresh = vault / ".parts" / f"{uuid4()}.1.part", spool / "old.sln", spool / "new.sln"
    for path in (old, new, part, audio, fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
    assert await rig.broken() == {}
    for path, size in ((old, 1000), (new, 50), (part, 200), (audio, 30), (fresh, 4)):
        path.write_bytes(bytes(size))
        long_ago = (now - timedelta(days=120 if path in (part, audio) else 0)).timestamp()
        os.utime(path, (long_ago, long_ago))
    seen = await rig.look()
    assert seen[PromiseName.BYTES].names == ("vault: 1200", "spool: 30")
    assert await rig.broken() == {PromiseName.BYTES: 1230}
    for path in (old, part, audio):
        path.unlink()
    assert await rig.broken() == {}


async def test_a_copy_in_clear_that_outlives_its_recording(rig: PromiseHouse, tmp_path: Path) -> None:
    now = rig.house.people.watch.now()
    made = await record(rig.config, rig.database, started_at=now - timedelta(hours=1), marks=())
    copy = tmp_path / "copy.wav"
    copy.write_bytes(bytes(777))
    facts = copy.stat()
    row = Export(
        recording_id=made.recording_id,
        path=str(copy),
        host=socket.gethostname(),
        device=facts.st_dev,
        inode=facts.st_ino,
    )

    async def export_and_destroy() -> None:
        async with rig.database.transaction() as conn:
            await exports.insert(conn, row, now)
            await erasing.begin_erasing(conn, [made.recording_id], "test", now)
            await erasing.destroy_keys(conn, [made.recording_id])
            await erasing.bury(conn, {made.recording_id: ("vault",)}, now)

    async def mend() -> None:
        async with rig.database.transaction() as conn:
            await exports.forget(conn, [row])

    # It has neither a reason nor a receiver, as none from the command line has.
    expected = {PromiseName.BYTES: 777, PromiseName.EXPORTS: 1}
    seen = await rig.turns(expected, export_and_destroy, mend)
    assert seen[PromiseName.BYTES].names == ("exports: 777",)


@pytest.mark.parametrize("change", ["review_on = current_date - 400", "owner = ' '", "reason = NULL"])
async def test_a_hold_without_what_it_wants(rig: PromiseHouse, change: str) -> None:
    hold_id = await rig.hold(await rig.supervisor())
    before = await rig.house.people.value("SELECT (owner, reason) FROM hold")
    review_on = await rig.house.people.value("SELECT review_on FROM hold")
    assert isinstance(before, tuple)

    async def mend() -> None:
        async with rig.database.transaction() as conn:
            await conn.execute("UPDATE hold SET owner = $1, reason = $2, review_on = $3", *before, review_on)

    seen = await rig.turns({PromiseName.HOLDS: 1}, lambda: rig.sql(f"UPDATE hold SET {change}"), mend)  # noqa: S608
    assert seen[PromiseName.HOLDS].names == (str(hold_id),)


async def test_a_hold_that_no_supervisor_placed(rig: PromiseHouse) -> None:
    """An operator; a supervisor of another unit; one whose right had ended."""
    people = rig.house.people
    await people.rights.set_unit("elsewhere", frozenset({"elsewhere"}), "another unit", OPERATOR)
    other = await people.enrol("other")
    await people.give("other", Role.SUPERVISOR, "elsewhere")
    late = await people.enrol("late")
    right = await people.give("late", Role.SUPERVISOR)
    await people.rights.end(right, "left", OPERATOR)
    people.watch.go(minutes=1)
    actors = [
        OPERATOR,
        *(Actor(kind=ActorKind.USER, id=str(one.account_id), name=one.name) for one in (other, late)),
    ]
    for place, actor in enumerate(actors):
        held: list[UUID] = []

        async def wrong(actor: Actor = actor, place: int = place, held: list[UUID] = held) -> None:
            held.append(await rig.hold(actor, uniqueid=f"{place}.7"))

        async def mend(held: list[UUID] = held) -> None:
            await rig.house.site.holds.release(held[0], OPERATOR, yes=True)

        seen = await rig.turns({PromiseName.HOLDERS: 1}, wrong, mend)
        assert seen[PromiseName.HOLDERS].names == (str(held[0]),)


async def test_a_call_to_a_queue_that_is_not_configured(rig: PromiseHouse) -> None:
    """One that was recorded while its queue was configured is in order later, too."""
    now = rig.house.people.watch.now()

    async def wrong() -> None:
        for n in range(3):
            at = now - timedelta(hours=n + 1)
            await record(rig.config, rig.database, started_at=at, queue="elsewhere", uniqueid=f"{n}.3", marks=())

    async def once_configured() -> None:
        await rig.sql(
            "UPDATE policy SET rules = jsonb_set(rules, '{queues,elsewhere}', '\"P3M\"')",
            "INSERT INTO policy (state, rules, proposed_at, in_force_from)"
            " SELECT 'in-force', rules #- '{queues,elsewhere}', now(), now() + interval '90 days' FROM policy",
        )

    seen = await rig.turns({PromiseName.QUEUES: 3}, wrong, once_configured)
    assert seen[PromiseName.QUEUES].names == ("elsewhere: 3",)


async def _heard(
    rig: PromiseHouse, actor: Actor, because: str, recording_id: UUID | None = None, **personal: str
) -> None:
    heard = f"recording:{recording_id or uuid4()}"
    entry = Entry(action=Action.RECORDING_PLAY, actor=actor, object=heard, because=because, personal=personal)
    async with rig.database.transaction() as conn:
        await audit.append(conn, entry, rig.house.people.watch.now())


async def a_year_goes_by(rig: PromiseHouse) -> None:
    """What has happened cannot be undone; it is told for twelve months."""
    rig.house.people.watch.go(days=366)


@pytest.mark.parametrize("purpose", ["", "other", "curiosity"])
async def test_a_listening_without_a_purpose(rig: PromiseHouse, purpose: str) -> None:
    actor = await rig.supervisor()
    await _heard(rig, actor, "quality")
    await _heard(rig, actor, "other", text="an audit of the service")
    await rig.turns({PromiseName.PURPOSES: 1}, lambda: _heard(rig, actor, purpose), lambda: a_year_goes_by(rig))


async def test_a_listening_without_the_right(rig: PromiseHouse) -> None:
    """Somebody who has none, one whose right has ended, and the service's operator."""
    people = rig.house.people
    who = await people.enrol("late")
    right = await people.give("late", Role.SUPERVISOR)
    late = Actor(kind=ActorKind.USER, id=str(who.account_id))
    await _heard(rig, late, "quality")
    people.watch.go(minutes=1)
    await people.rights.end(right, "left", OPERATOR)
    auditor = Actor(kind=late.kind, id=str((await rig.house.person(Role.AUDITOR.value)).account_id))
    assert await rig.broken() == {}, "it was heard while the right was there"

    async def wrong() -> None:
        for actor in (late, auditor, OPERATOR):
            await _heard(rig, actor, "quality")

    await rig.turns({PromiseName.ENTITLED: 3}, wrong, lambda: a_year_goes_by(rig))


async def test_a_listening_by_a_supervisor_of_another_unit(rig: PromiseHouse) -> None:
    people = rig.house.people
    made = await record(rig.config, rig.database, started_at=people.watch.now() - timedelta(hours=1), marks=())
    await people.rights.set_unit("elsewhere", frozenset({"elsewhere"}), "another unit", OPERATOR)
    other = await people.enrol("other")
    await people.give("other", Role.SUPERVISOR, "elsewhere")
    theirs = Actor(kind=ActorKind.USER, id=str(other.account_id))
    await _heard(rig, await rig.supervisor(), "quality", made.recording_id)

    async def a_year_and_a_sweep() -> None:
        await a_year_goes_by(rig)
        await rig.sweep()

    expected = {PromiseName.ENTITLED: 1}
    await rig.turns(expected, lambda: _heard(rig, theirs, "quality", made.recording_id), a_year_and_a_sweep)


async def test_something_derived(rig: PromiseHouse) -> None:
    make, drop = "CREATE TABLE transcript (words text)", "DROP TABLE transcript"
    seen = await rig.turns({PromiseName.DERIVED: 1}, lambda: rig.sql(make), lambda: rig.sql(drop))
    assert seen[PromiseName.DERIVED].names == ("transcript",)
    at = rig.house.people.watch.now() - timedelta(hours=1)
    await record(rig.config, rig.database, started_at=at, marks=())
    said = "UPDATE recording SET sides = jsonb_set(sides, '{caller,mood}', '\"angry\"')"
    unsaid = "UPDATE recording SET sides = sides #- '{caller,mood}'"
    seen = await rig.turns({PromiseName.DERIVED: 1}, lambda: rig.sql(said), lambda: rig.sql(unsaid))
    assert seen[PromiseName.DERIVED].names == ("mood",)


async def test_an_export_of_which_nobody_knows_who_got_it(rig: PromiseHouse) -> None:
    at = rig.house.people.watch.now()
    made = await record(rig.config, rig.database, started_at=at - timedelta(hours=1), marks=())
    text_id = uuid4()
    text = "INSERT INTO call_text (id, call_id, sealed, key_name) VALUES ($1, $2, 'sealed', 'day')"
    disclosure = (
        "INSERT INTO disclosure (id, recording_id, asked_at, begun_at, user_id, user_name, approved_by_name,"
        " receiver_kind, reference, text_id, size_bytes)"
        " VALUES ($1, $2, now(), now(), gen_random_uuid(), 'pirkko', 'helmi', 'police', '', $1, 1)"
    )

    async def say() -> None:
        await rig.sql(text, values=(text_id, made.call.id))

    async def wrong() -> None:
        await rig.sql("DELETE FROM call_text")

    await say()
    await rig.sql(disclosure, values=(text_id, made.recording_id))
    seen = await rig.turns({PromiseName.EXPORTS: 1}, wrong, say)
    assert seen[PromiseName.EXPORTS].names == (str(text_id),)


async def test_the_alarm_is_told_once_and_that_it_is_over(
    rig: PromiseHouse, logged: list[MutableMapping[str, Any]]
) -> None:
    """Whoever restarts in between."""

    def told() -> list[tuple[object, object]]:
        names = ("alarm", "promise_kept_again")
        found = [(line["event"], line.get("subject", line.get("promise"))) for line in logged if line["event"] in names]
        logged.clear()
        return found

    await rig.look()
    assert told() == []
    await rig.sql("CREATE TABLE transcript (words text)")
    await rig.look()
    alarm = next(line for line in logged if line["event"] == "alarm")
    assert (alarm["alarm"], alarm["because"]) == (AlarmCode.PROMISE_BROKEN.value, "1 found: transcript")
    assert told() == [("alarm", "nothing-derived")]
    again = connect.promises(rig.config, rig.database, rig.house.people.watch, Connections(rig.config))
    await again.look(deep=False)
    assert told() == []
    await rig.sql("DROP TABLE transcript")
    await again.look(deep=False)
    assert told() == [("promise_kept_again", "nothing-derived")]
    await again.look(deep=False)
    assert told() == []


async def test_since_when_and_when_it_was_last_proved(rig: PromiseHouse) -> None:
    watch = rig.house.people.watch
    kept_at = (await rig.look())[PromiseName.DERIVED].proved_at
    watch.go(minutes=10)
    await rig.sql("CREATE TABLE transcript (words text)")
    red = (await rig.look())[PromiseName.DERIVED]
    assert (red.since, red.proved_at) == (watch.now(), kept_at)
    watch.go(minutes=10)
    still = (await rig.look())[PromiseName.DERIVED]
    assert (still.since, still.proved_at) == (red.since, kept_at)


async def test_a_command_tells_what_the_service_saw_last_and_not_for_long(rig: PromiseHouse) -> None:
    """Of what only the service's own process knows."""
    await rig.look()
    command = connect.promises(rig.config, rig.database, rig.house.people.watch)
    of_process = (PromiseName.LISTENERS, PromiseName.DESTINATIONS)
    rig.house.people.watch.go(minutes=14)
    seen = {one.name: one for one in await command.look(deep=False, keep=False)}
    assert {seen[name].state for name in of_process} == {PromiseState.KEPT}
    rig.house.people.watch.go(minutes=2)
    seen = {one.name: one for one in await command.look(deep=False, keep=False)}
    assert {seen[name].state for name in of_process} == {PromiseState.UNKNOWN}
    assert seen[PromiseName.AUDIT].state is PromiseState.KEPT, "it is read once a day"
